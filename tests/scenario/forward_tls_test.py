"""DNS over TLS upstreams: who is trusted, what is said when nobody is, and how seldom hands are shaken."""

import contextlib
import socket
import threading

import pytest

from support.certificates import Authority
from support.load import QueryLoad
from support.processes import free_port, wait_until
from support.unbound import Unbound
from support.upstream import Reply, Upstream, address

NAME = "www.example.org"
SCRIPTS = {
    f"{NAME}.": address("192.0.2.7", "192.0.2.8", ttl=300),
    "nobody.example.org.": Reply(rcode="NXDOMAIN"),
    "big.example.org.": address(*(f"192.0.{n // 250}.{n % 250 + 1}" for n in range(3500))),
    "garbage.example.org.": Reply(stream=b"\x5a" * 100000),
    "wrong.example.org.": lambda query: [
        address("198.51.100.66", identifier=query.identifier ^ 1),
        address("198.51.100.66", question="evil.example.org."), Reply(raw=b""), address("192.0.2.1")],
    "drip.example.org.": address("192.0.2.1", pace=1),
}
GOOD = ["192.0.2.7", "192.0.2.8"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def keys(authority, tmp_path_factory):
    """Certificates by kind."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"), name="nobody's authority")
    return {
        "good": authority.server("good", host_names=("dns.test", "*.wild.test")),
        "expired": authority.server("expired", host_names=("dns.test",), days=-1),
        "elsewhere": authority.server("elsewhere", addresses=("192.0.2.1",), host_names=("elsewhere.test",)),
        "stranger": stranger.server("stranger", host_names=("dns.test",)),
        "client": authority.client("fairlead"),
        "stranger's client": stranger.client("nobody"),
    }


@pytest.fixture(scope="module")
def upstreams(shared, keys, authority):
    """One upstream for each certificate; "guarded" wants to see one of ours."""
    running = {kind: shared.upstream(SCRIPTS, tls=keys[kind]) for kind in ("good", "expired", "elsewhere", "stranger")}
    return running | {"guarded": shared.upstream(SCRIPTS, tls=keys["good"], clients=authority)}


def tls_to(upstream, authority, options="", name=""):
    return f"""forward . tls://127.0.0.1{name}:{upstream.port} {{
    tls {authority.certificate}
    {options}
}}"""


# Which certificate, what stands behind the address, options; then None or what is wrong.
TRUST = [
    ("good", "", "tls {ca}", None),
    ("good", "%dns.test", "tls {ca}", None),
    ("good", "", "tls {ca}\ntls_servername dns.test", None),
    ("good", "", "tls {ca}\ntls_servername one.wild.test", None),
    ("good", "", "tls {ca}\ntls_servername two.one.wild.test", "hostname mismatch, the certificate is not for two.one.wild.test"),
    ("good", "", "tls {ca}\ntls_servername good", "hostname mismatch, the certificate is not for good"),  # its CN
    ("elsewhere", "%dns.test", "tls {ca}", "hostname mismatch, the certificate is not for dns.test"),
    ("elsewhere", "", "tls {ca}", "IP address mismatch, the certificate is not for 127.0.0.1"),
    ("elsewhere", "%elsewhere.test", "tls {ca}", None),
    ("expired", "", "tls {ca}", "certificate has expired"),
    ("stranger", "", "tls {ca}", "unable to get local issuer certificate"),
    ("good", "", "tls", "unable to get local issuer certificate"),
    ("good", "", "", "unable to get local issuer certificate"),
    ("guarded", "", "tls {client} {ca}", None),
    ("guarded", "", "tls {ca}", "certificate required"),
    ("guarded", "", "tls {strange_client} {ca}", "alert unknown ca"),
]


@pytest.mark.parametrize("kind, name, options, fault", TRUST)
def test_who_is_trusted_and_what_is_said_of_others(scenario, upstreams, authority, keys, kind, name, options, fault):
    def pair(of):
        return "{} {}".format(*keys[of])

    options = options.format(ca=authority.certificate, client=pair("client"), strange_client=pair("stranger's client"))
    upstream = upstreams[kind]
    server = scenario.server(f"forward . tls://127.0.0.1{name}:{upstream.port} {{\n{options}\n}}")
    answer = server.ask(NAME, timeout=10)
    if fault is None:
        assert (answer.rcode, answer.data()) == ("NOERROR", GOOD)
        return
    assert (answer.rcode, answer.data()) == ("SERVFAIL", [])
    assert any(fault in text and upstream.target in text for _, text in answer.extended_errors), answer
    wait_until(lambda: any(
        "plugin/errors: 2 www.example.org. A: " in line and upstream.target in line and fault in line
        for line in server.output().splitlines()), 5, server.output)


@pytest.mark.parametrize("options", ["", "tls", "tls {client}"])
def test_the_systems_authorities_are_trusted_where_none_is_named(scenario, upstreams, authority, keys, options):
    options = options.format(client="{} {}".format(*keys["client"]))
    upstream = upstreams["guarded" if "client" in options else "good"]
    server = scenario.server(
        f"forward . tls://127.0.0.1:{upstream.port} {{\n{options}\n}}",
        environment={"SSL_CERT_FILE": str(authority.certificate)})
    assert server.ask(NAME).data() == GOOD


@pytest.mark.parametrize("option, words", [
    ("tls /nowhere/ca.crt", "cannot load CA certificates from /nowhere/ca.crt: No such file or directory"),
    ("tls /etc/hostname", "cannot load CA certificates from /etc/hostname: it holds none that can be used"),
    ("tls /nowhere/tls.crt /nowhere/tls.key", "cannot load a certificate from /nowhere/tls.crt: No such file"),
])
def test_a_file_that_is_of_no_use_is_named_with_its_line(scenario, option, words):
    process = scenario.server(f"forward . tls://127.0.0.1 {{\n    {option}\n}}", start=False).launch()
    assert process.wait(20) == 1
    assert f"forward: {words}" in process.output() and "Corefile:7" in process.output()


def test_what_the_upstream_says_is_what_the_client_gets_over_both_transports(scenario, upstreams, authority):
    server = scenario.server(tls_to(upstreams["good"], authority))
    for tcp in (False, True):
        assert server.ask(NAME, tcp=tcp).data() == GOOD
        assert server.ask("nobody.example.org", tcp=tcp).rcode == "NXDOMAIN"
        assert server.ask("wrong.example.org", tcp=tcp).data() == ["192.0.2.1"]
    assert "tc" in server.ask("big.example.org").flags
    assert len(server.ask("big.example.org", tcp=True).answer) == 3500
    assert upstreams["good"].count(transport="udp") == 0
    labels = f'proxy_name="forward",proto="tcp-tls",to="{upstreams["good"].target}"'
    assert any("coredns_proxy_conn_cache_hits_total" in name and all(label in name for label in labels.split(","))
               for name in server.metrics())


@pytest.mark.parametrize("name", ["garbage.example.org", "drip.example.org"])
def test_garbage_and_an_octet_a_second_end_in_servfail_and_nothing_else(scenario, upstreams, authority, name):
    server = scenario.server(tls_to(upstreams["good"], authority))
    answer = server.ask(name, timeout=10)
    assert answer.rcode == "SERVFAIL"
    assert any("timed out" in text for _, text in answer.extended_errors), answer
    server.eventually(NAME, "A", GOOD)


@contextlib.contextmanager
def plain_server(speak):
    """A TCP port where speak(connection) has the word."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as listener:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=speak, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield port
        listener.shutdown(socket.SHUT_RDWR)


def speak_garbage(connection):
    with contextlib.suppress(OSError), connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(4096)


def speak_slowly(connection):
    ending = threading.Event()
    with contextlib.suppress(OSError), connection:
        for octet in b"\x16\x03\x03\x40\x00" + b"\x02" * 100:
            connection.sendall(bytes([octet]))
            ending.wait(1)


@pytest.mark.parametrize("speak, words", [(speak_garbage, "wrong version number"), (speak_slowly, "no handshake in time")])
def test_a_port_that_does_not_speak_tls_ends_in_servfail(scenario, authority, speak, words):
    with plain_server(speak) as port:
        server = scenario.server(f"forward . tls://127.0.0.1:{port} {{\n    tls {authority.certificate}\n}}")
        answer = server.ask(NAME, timeout=10)
    assert answer.rcode == "SERVFAIL"
    assert any(words in text for _, text in answer.extended_errors), answer


def handshakes(server):
    """(in full, resumed), of all upstreams."""
    samples = {name: value for name, value in server.metrics().items() if name.startswith("fairlead_upstream_tls_handshakes_total")}
    return tuple(sum(value for name, value in samples.items() if f'resumed="{flag}"' in name) for flag in ("false", "true"))


def test_thousands_of_queries_take_a_handshake_of_each_worker(scenario, authority, keys, tmp_path):
    with Unbound(tmp_path / "unbound", tls=keys["good"]) as unbound:
        server = scenario.server(f"""forward . tls://127.0.0.1:{unbound.tls_port} {{
    tls {authority.certificate}
    tls_servername dns.test
}}""")
        expected = {(f"n{n}.every.example.org", "A"): ["192.0.2.9"] for n in range(4000)}
        with QueryLoad(server.port, expected, rate=2000) as load:
            wait_until(lambda: load.asked >= 4000, 60, lambda: f"{load.asked} asked")
        assert (load.lost, load.wrong) == (0, [])
        # A worker that got no query shakes no hands.
        assert sum(handshakes(server)) <= 4
        # And a resolver that begins anew is asked on.
        unbound.restart()
        server.eventually("again.every.example.org", "A", ["192.0.2.9"], 10)


def test_an_upstream_that_restarts_costs_no_answer(scenario, authority, keys):
    upstream = Upstream(SCRIPTS, tls=keys["good"])
    server = scenario.server(tls_to(upstream, authority, "max_fails 0"))
    with QueryLoad(server.port, {(NAME, "A"): GOOD}, rate=200) as load:
        for _ in range(5):
            before = upstream.count()
            wait_until(lambda: upstream.count() > before + 20, 20, server.output)
            upstream.close()
            upstream = Upstream(SCRIPTS, tls=keys["good"], port=upstream.port)
            before = upstream.count()
            wait_until(lambda: upstream.count() > before, 20, server.output)
    upstream.close()
    assert load.asked > 50
    assert (load.lost, load.wrong) == (0, [])


@pytest.mark.parametrize("option", ["expire 100ms", "expire 100ms\n    max_age 100ms"])
def test_a_connection_that_was_given_up_is_resumed(scenario, upstreams, authority, option):
    server = scenario.server(tls_to(upstreams["good"], authority, option))

    def resumed():
        assert server.ask(NAME).data() == GOOD
        return handshakes(server)[1] >= 3

    wait_until(resumed, 20, lambda: handshakes(server), interval=0.3)
    # Each worker has shown its hand once.
    assert handshakes(server)[0] <= 4


def test_health_is_asked_over_tls(scenario, authority, keys):
    port = free_port()
    server = scenario.server(f"""forward . tls://127.0.0.1:{port} {{
    tls {authority.certificate}
    health_check 100ms
}}""")
    assert server.ask(NAME, timeout=10).rcode == "SERVFAIL"
    down = f'fairlead_upstream_down{{proxy_name="forward",to="127.0.0.1:{port}"}}'
    wait_until(lambda: server.metrics()[down] == 1, 10, server.output)
    with Upstream(SCRIPTS, tls=keys["good"], port=port):
        wait_until(lambda: server.metrics()[down] == 0, 10, server.output)
        assert server.ask(NAME).data() == GOOD


def test_a_reload_trusts_what_the_files_hold_by_then(scenario, upstreams, authority, tmp_path):
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(Authority(tmp_path / "old", name="the old authority").certificate.read_bytes())
    server = scenario.server(f"forward . tls://127.0.0.1:{upstreams['good'].port} {{\n    tls {trusted}\n}}")
    assert server.ask(NAME, timeout=10).rcode == "SERVFAIL"
    trusted.write_bytes(authority.certificate.read_bytes())
    server.reload()
    server.eventually(NAME, "A", GOOD)
