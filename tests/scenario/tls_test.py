"""Serving DNS over TLS: who is served with what certificate, rotation, limits, and the orderly end."""

import contextlib
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest

from support import dns, dot
from support.certificates import Authority
from support.processes import free_port, run, wait_until
from support.upstream import address

NAME = "www.example.org"
ADDRESS = "192.0.2.80"
SLOW_SECONDS = 0.7

# server/net/limits.hpp
HANDSHAKES_MAX = 128


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), name="nobody's authority")


@pytest.fixture(scope="module")
def keys(authority, stranger):
    return {
        "server": authority.server("server", host_names=("dns.test",)), "next": authority.server("next"),
        "client": authority.client("alice"), "stranger": stranger.client("mallory")}


@pytest.fixture(scope="module")
def upstream(shared):
    slow = {"slow.example.org.": lambda query: address("192.0.2.9", delay=SLOW_SECONDS)}
    big = {"big.example.org.": address(*(f"192.0.{n // 250}.{n % 250 + 1}" for n in range(3500)))}
    return shared.upstream(slow | big | {"quick.example.org.": address("192.0.2.7")})


def corefile(tls, directives=""):
    """A plain block for the harness, and an encrypted one."""
    return f""".:{{port}} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{{health}}
    ready 127.0.0.1:{{ready}}
    prometheus 127.0.0.1:{{metrics}}
    whoami
}}
tls://.:{{tls}} {{
    bind 127.0.0.1
    {tls}
    prometheus 127.0.0.1:{{metrics}}
    errors
    hosts {{
        {ADDRESS} {NAME}
        fallthrough
    }}
    {directives}
}}
"""


def serve(scenario, tls, directives="", **more):
    port = free_port()
    server = scenario.server(corefile=corefile(tls, directives), values={"tls": port}, **more)
    server.tls_port = port
    return server


def pair(keys, name="server"):
    return "tls {} {}".format(*keys[name])


@pytest.fixture(scope="module")
def server(shared, keys, upstream):
    return serve(shared, pair(keys), f"forward . {upstream.target}")


def test_a_query_is_answered_and_counted_as_that_of_the_encrypted_server(scenario, keys, authority):
    server = serve(scenario, pair(keys), 'log . "{proto} {remote} {name}"')
    for name in ("127.0.0.1", "dns.test"):
        with dot.Connection(server.tls_port, dot.context(authority), name) as connection:
            assert connection.ask(NAME).data() == [ADDRESS]
            assert connection.socket.selected_alpn_protocol() == "dot"
            assert connection.socket.version() == "TLSv1.3"
    label = f'server="tls://127.0.0.1:{server.tls_port}"'
    requests = {name: value for name, value in server.metrics().items()
                if name.startswith("coredns_dns_requests_total") and label in name}
    assert list(requests.values()) == [2] and 'proto="tcp"' in next(iter(requests)) and 'type="A"' in next(iter(requests))
    assert server.metrics()[f'fairlead_tls_handshakes_total{{{label},outcome="full"}}'] == 2
    wait_until(lambda: server.output().count(f"tcp 127.0.0.1 {NAME}.") == 2, 5, server.output)
    assert f"tls://.:{server.tls_port} on 127.0.0.1" in server.output()


def test_nothing_is_served_over_udp_nor_without_encryption(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", server.tls_port))
        client.send(dns.encode_query(NAME))
        with pytest.raises(ConnectionRefusedError):
            client.recv(4096)
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as plain:
        plain.sendall(dot.frame(NAME))
        # At most an alert comes, and the end.
        assert len(received_until_closed(plain)) <= 7


def received_until_closed(connection):
    received = b""
    with contextlib.suppress(ConnectionError):
        while octets := connection.recv(65536):
            received += octets
    return received


@pytest.mark.parametrize("arguments, is_served", [
    (("+tls",), True),
    (("+tls-ca={ca}", "+tls-hostname=dns.test"), True),
    (("+tls-ca={ca}", "+tls-hostname=other.test"), False),
])
def test_kdig_is_served_and_verifies_the_name(server, authority, arguments, is_served):
    arguments = [argument.format(ca=authority.certificate) for argument in arguments]
    done = subprocess.run(
        ["kdig", "@127.0.0.1", "-p", str(server.tls_port), *arguments, "+retry=0", "+time=5", NAME], capture_output=True,
        text=True, timeout=30)
    assert (ADDRESS in done.stdout) is is_served, done.stdout + done.stderr


def test_versions_below_1_2_and_renegotiation_are_refused(server):
    def s_client(*arguments, said=""):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", *arguments], input=said,
            capture_output=True, text=True, timeout=30)

    assert s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0").returncode != 0
    assert "Protocol  : TLSv1.2" in s_client("-tls1_2").stdout
    refused = s_client("-tls1_2", said="R\n")
    assert "no renegotiation" in refused.stderr + refused.stdout
    assert "ALPN protocol: dot" in s_client("-alpn", "h2,dot").stdout
    # A client that offers other protocols alone is served all the same, as by CoreDNS.
    assert "No ALPN negotiated" in s_client("-alpn", "h2").stdout


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(server, version):
    made = dot.context(newest=version)
    with dot.Connection(server.tls_port, made) as first:
        assert first.ask(NAME).data() == [ADDRESS]
        assert not first.socket.session_reused
        session = first.socket.session
    with dot.Connection(server.tls_port, made, session=session) as second:
        assert second.ask(NAME).data() == [ADDRESS]
        assert second.socket.session_reused


def test_replies_leave_as_they_get_ready(server):
    with dot.Connection(server.tls_port) as connection:
        connection.socket.sendall(
            dot.frame("slow.example.org", identifier=1) + dot.frame(NAME, identifier=2) +
            dot.frame("quick.example.org", identifier=3))
        order = [connection.receive()[0] for _ in range(3)]
    assert order[2] == 1 and set(order) == {1, 2, 3}


def test_many_queries_in_one_write_and_one_query_in_many_records(server):
    with dot.Connection(server.tls_port) as connection:
        connection.socket.sendall(b"".join(dot.frame(NAME, identifier=number) for number in range(2000)))
        assert {connection.receive()[0] for _ in range(2000)} == set(range(2000))
        for octet in dot.frame(NAME, identifier=7):
            connection.socket.sendall(bytes([octet]))
        identifier, answer = connection.receive()
        assert (identifier, answer.data()) == (7, [ADDRESS])


def test_large_replies_come_whole_also_to_a_client_that_reads_late(server):
    with dot.Connection(server.tls_port) as connection:
        for number in range(40):
            connection.send("big.example.org", identifier=number)
        time.sleep(0.5)
        for _ in range(40):
            assert len(connection.receive()[1].answer) == 3500


def test_a_client_that_closes_its_side_gets_what_it_is_owed(server):
    with dot.Connection(server.tls_port, dot.context(newest=ssl.TLSVersion.TLSv1_2)) as connection:
        connection.send("slow.example.org")
        connection.socket.shutdown(socket.SHUT_WR)
        # shutdown() ends the encryption of Python's socket; what comes is a record of 12 octets or more, and goodbye.
        assert len(received_until_closed(connection.socket)) > 20


# What is asked of clients; then who is served: without a certificate, with a good one, with a stranger's.
CLIENTS = [
    ("nocert", (True, True, True)),
    ("request", (True, True, True)),
    ("require", (False, True, True)),
    ("verify_if_given", (True, True, False)),
    ("require_and_verify", (False, True, False)),
]


@pytest.mark.parametrize("mode, served", CLIENTS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_is_served_depends_on_the_certificate_that_clients_show(scenario, keys, authority, mode, served, version):
    server = serve(scenario, f"{pair(keys)} {authority.certificate} {{\n        client_auth {mode}\n    }}\n    debug")
    for client, is_served in zip((None, keys["client"], keys["stranger"]), served, strict=True):
        made = dot.context(client=client, newest=version)
        if not is_served:
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError, OSError, struct.error)):
                with dot.Connection(server.tls_port, made) as connection:
                    connection.ask(NAME)
            continue
        session = None
        for _ in range(2):  # the second time by its ticket
            with dot.Connection(server.tls_port, made, session=session) as connection:
                assert connection.ask(NAME).data() == [ADDRESS], (mode, client)
                session = connection.socket.session
    if not all(served):
        wait_until(lambda: "plugin/tls: handshake with 127.0.0.1:" in server.output(), 5, server.output)


def install(folder, source):
    """As a kubelet does it: both files change in one step."""
    fresh = folder / f"..{time.monotonic_ns()}"
    fresh.mkdir()
    for name, path in zip(("tls.crt", "tls.key"), source, strict=True):
        shutil.copy(path, fresh / name)
    link = folder / "..new"
    link.symlink_to(fresh.name)
    link.rename(folder / "..data")


@pytest.fixture
def mounted(tmp_path, keys):
    """A folder as a Secret's volume, with the certificate "server"."""
    folder = tmp_path / "secret"
    folder.mkdir()
    install(folder, keys["server"])
    for name in ("tls.crt", "tls.key"):
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def serial(server, authority):
    with dot.Connection(server.tls_port, dot.context(authority)) as connection:
        return connection.certificate_serial()


def test_a_replaced_certificate_is_shown_without_a_lost_query(scenario, keys, authority, mounted):
    server = serve(scenario, f"tls {mounted}/tls.crt {mounted}/tls.key")
    before = serial(server, authority)
    with dot.Connection(server.tls_port, dot.context(authority)) as long_lived:
        for source in ("next", "server", "next"):
            shown = serial(server, authority)
            install(mounted, keys[source])

            def has_changed(shown=shown):
                assert long_lived.ask(NAME).data() == [ADDRESS]
                with dot.Connection(server.tls_port, dot.context(authority)) as connection:
                    assert connection.ask(NAME).data() == [ADDRESS]
                    return connection.certificate_serial() != shown

            wait_until(has_changed, 15, server.output)
    assert serial(server, authority) != before
    assert server.output().count("tls.crt was read again") == 3


@pytest.mark.parametrize("broken", ["empty", "of another key", "gone"])
def test_a_broken_new_certificate_leaves_the_old_one(scenario, keys, authority, mounted, broken, tmp_path):
    server = serve(scenario, f"tls {mounted}/tls.crt {mounted}/tls.key")
    before = serial(server, authority)
    if broken == "gone":
        (mounted / "..data").unlink()
    else:
        certificate = tmp_path / "broken.crt"
        certificate.write_text("" if broken == "empty" else keys["next"][0].read_text())
        install(mounted, (certificate, keys["server"][1]))
    wait_until(lambda: "the certificate stays as it was" in server.output(), 15, server.output)
    assert serial(server, authority) == before
    # Neither does a reload that has nothing to do with it fail.
    server.write_corefile(corefile(f"tls {mounted}/tls.crt {mounted}/tls.key", "nsid x"))
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 15, server.output)
    assert serial(server, authority) == before
    with contextlib.suppress(FileNotFoundError):
        (mounted / "..data").unlink()
    install(mounted, keys["next"])
    wait_until(lambda: serial(server, authority) != before, 15, server.output)


FAULTS = [
    ("tls {folder}/none.crt {key}", "tls: cannot read {folder}/none.crt: No such file or directory"),
    ("tls {crt} {folder}/none.key", "tls: cannot read {folder}/none.key: No such file or directory"),
    ("tls {folder} {key}", "tls: cannot read {folder}: it is a directory"),
    ("tls /dev/zero {key}", "tls: cannot read /dev/zero: it is not a regular file"),
    ("tls {key} {key}", "tls: cannot load a certificate from {key}: there is no 'BEGIN CERTIFICATE' in it"),
    ("tls {crt} {crt}", "tls: cannot load the certificate's key from {crt}: it holds none that can be used"),
    ("tls {crt} {sealed}", "tls: cannot load the certificate's key from {sealed}: it is sealed with a passphrase"),
    ("tls {crt} {other}", "tls: cannot load the certificate's key from {other}: it does not belong to the certificate in {crt}"),
    ("tls {crt} {key} {key} {{\n client_auth require_and_verify\n}}", "tls: cannot load CA certificates from {key}: there is no"),
    ("tls {crt} {key} {{\n keylog /nowhere/log\n}}", "tls: cannot write the key log /nowhere/log: No such file or directory"),
]


@pytest.mark.parametrize("line, words", FAULTS)
def test_a_file_that_is_of_no_use_is_named_with_its_line(scenario, keys, tmp_path, line, words):
    certificate, key = keys["server"]
    sealed = tmp_path / "sealed.key"
    run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", sealed, "-passout", "pass:secret"])
    names = {"crt": certificate, "key": key, "sealed": sealed, "other": keys["next"][1], "folder": tmp_path}
    server = serve(scenario, line.format(**names), start=False)
    process = server.launch()
    assert process.wait(20) == 1
    assert f"Corefile:11: {words.format(**names)}" in process.output(), process.output()


def test_an_expired_certificate_is_served_with_a_warning(scenario, authority):
    server = serve(scenario, "tls {} {}".format(*authority.server("expired", days=-1)))
    with dot.Connection(server.tls_port) as connection:
        assert connection.ask(NAME).data() == [ADDRESS]
    assert "has expired" in server.output()


def test_a_reload_takes_other_files_and_keeps_everything_when_they_are_broken(scenario, keys, authority):
    server = serve(scenario, pair(keys))
    before = serial(server, authority)
    with dot.Connection(server.tls_port, dot.context(authority)) as connection:
        server.write_corefile(corefile("tls /nowhere.crt /nowhere.key"))
        server.reload()
        wait_until(lambda: "everything goes on as before" in server.output(), 15, server.output)
        assert serial(server, authority) == before
        server.write_corefile(corefile(pair(keys, "next")))
        server.reload()
        wait_until(lambda: serial(server, authority) != before, 15, server.output)
        assert connection.ask(NAME).data() == [ADDRESS]


def test_what_is_owed_is_sent_before_the_end(scenario, keys, upstream):
    server = serve(scenario, pair(keys), f"forward . {upstream.target}")
    with dot.Connection(server.tls_port) as busy, dot.Connection(server.tls_port) as idle:
        with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as stopped:
            stopped.send(b"\x16")  # the first octet of a handshake
            for connection in (busy, idle):
                assert connection.ask(NAME).data() == [ADDRESS]
            busy.send("slow.example.org")
            time.sleep(SLOW_SECONDS / 3)
            server.stop()
            assert busy.receive()[1].data() == ["192.0.2.9"]
            assert busy.socket.recv(1) == b""  # and a goodbye, without which Python would complain
            assert idle.socket.recv(1) == b""
            assert received_until_closed(stopped) == b""


def test_clients_that_stop_within_the_handshake_do_not_keep_others_out(scenario, keys):
    server = serve(scenario, pair(keys))
    with dot.Connection(server.tls_port) as connection:
        assert connection.ask(NAME).data() == [ADDRESS]
    memory = server.process.rss_kilobytes()
    hello = client_hello()
    with contextlib.ExitStack() as stack:
        for number in range(4 * HANDSHAKES_MAX):
            stuck = stack.enter_context(socket.create_connection(("127.0.0.1", server.tls_port), timeout=10))
            # Nothing; the beginning of a handshake; one that announces a long message; one that never answers.
            stuck.sendall((b"", hello[:40], b"\x16\x03\x01\x00\x10\x01\x01\xff\x00\x03\x03" + bytes(10), hello)[number % 4])
        for _ in range(5):
            with dot.Connection(server.tls_port) as connection:
                assert connection.ask(NAME).data() == [ADDRESS]
        assert server.ask(NAME).rcode == "NOERROR"
        grown = server.process.rss_kilobytes() - memory
    assert grown < 64 * 1024 or server.process.has_sanitizer()


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    handshake = dot.context().wrap_bio(incoming, outgoing, server_hostname="dns.test")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def test_a_handshake_has_the_time_of_one_query_however_slowly_it_drips(scenario, keys):
    server = serve(scenario, pair(keys), "timeouts {\n read 1s\n}")
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as dripping:
        with pytest.raises(OSError):
            for octet in client_hello():
                dripping.sendall(bytes([octet]))
                time.sleep(0.3)
    assert server.metrics()[f'fairlead_tls_handshakes_total{{server="tls://127.0.0.1:{server.tls_port}",outcome="failed"}}'] == 1


@pytest.mark.parametrize("garbage", [b"\x00" * 5000, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x01" * 70000])
def test_what_is_no_tls_ends_the_connection(server, garbage):
    with socket.create_connection(("127.0.0.1", server.tls_port), timeout=10) as stranger:
        with contextlib.suppress(ConnectionError):
            stranger.sendall(garbage)
        assert len(received_until_closed(stranger)) <= 7
    with dot.Connection(server.tls_port) as connection:
        assert connection.ask(NAME).data() == [ADDRESS]


def test_garbage_behind_a_handshake_ends_the_connection(server):
    with dot.Connection(server.tls_port) as connection:
        assert connection.ask(NAME).data() == [ADDRESS]
        beneath = socket.socket(fileno=connection.socket.detach())
        with beneath:
            beneath.settimeout(10)
            beneath.sendall(b"\x17\x03\x03\x00\x20" + b"\x5a" * 32)
            received_until_closed(beneath)


def test_the_key_log_lets_connections_be_read(scenario, keys, tmp_path):
    log = tmp_path / "keys.log"
    server = serve(scenario, f"{pair(keys)} {{\n        keylog {log}\n    }}")
    with dot.Connection(server.tls_port) as connection:
        assert connection.ask(NAME).data() == [ADDRESS]
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600
    assert "'keylog' writes the secrets of every connection" in server.output()
