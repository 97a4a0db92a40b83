"""dnstap: what is told of queries, and that no receiver, whatever it does, holds up DNS."""

import shutil
import socket
import ssl
import time

import pytest

from support import dns
from support.certificates import Authority
from support.dnstap import ACCEPT, CONTENT_TYPE, Receiver, control
from support.processes import Process, free_port, tool, wait_until
from support.upstream import address

HOSTS = "hosts {\n    192.0.2.80 www.example.org\n}"
SENT = "fairlead_dnstap_messages_sent_total"
LOST = "fairlead_dnstap_messages_lost_total"


def figure(server, name):
    return sum(value for sample, value in server.metrics().items() if sample.startswith(name))


@pytest.fixture
def path(socket_folder):
    return socket_folder / "dnstap.sock"


def asked(events):
    """Without what the harness asks to see that the server is up."""
    return [event for event in events if "listening" not in event.extra]


def test_a_query_and_its_reply_are_told_as_they_were_sent(scenario, path):
    with Receiver(path) as receiver:
        server = scenario.server(
            f"dnstap {path} full {{\n    identity here\n    version 1.2.3\n    extra \"{{name}} {{type}}\"\n}}\n{HOSTS}")
        receiver.wait_connected()
        query = dns.encode_query("WWW.example.org.", identifier=4711, dnssec_ok=True)
        before = time.time()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(5)
            client.connect(("127.0.0.1", server.port))
            client.send(query)
            reply = client.recv(4096)
            port = client.getsockname()[1]
        over_tcp = dns.exchange(server.port, query, tcp=True)
        wait_until(lambda: len(asked(receiver.events)) == 4, 10, receiver.types)
        # Those of one worker come in order; the two queries may have had one each.
        events = sorted(asked(receiver.events), key=lambda event: event.protocol, reverse=True)
        assert [(event.type, event.protocol, event.family) for event in events] == [
            ("CLIENT_QUERY", "udp", 4), ("CLIENT_RESPONSE", "udp", 4),
            ("CLIENT_QUERY", "tcp", 4), ("CLIENT_RESPONSE", "tcp", 4)]
        assert {(event.identity, event.version, event.extra) for event in events} == {
            ("here", "1.2.3", "www.example.org. A")}
        assert {event.query_address for event in events} == {"127.0.0.1"}
        assert events[0].query_port == events[1].query_port == port
        assert events[0].query_message == events[2].query_message == query
        assert events[0].response_message is None and events[1].query_message is None
        assert events[1].response_message == reply and events[3].response_message == over_tcp
        assert before - 1 < events[0].query_time <= events[1].response_time < time.time() + 1
        assert events[1].query_time == pytest.approx(events[0].query_time, abs=1)


def test_without_full_the_messages_are_left_out_and_the_host_tells_who_it_is(scenario, path):
    with Receiver(path) as receiver:
        server = scenario.server(f"dnstap unix://{path}\n{HOSTS}")
        receiver.wait_connected()
        seen = len(receiver.events)
        server.ask("www.example.org")
        events = receiver.wait(seen + 2)[seen:]
        assert [event.type for event in events] == ["CLIENT_QUERY", "CLIENT_RESPONSE"]
        assert {(event.query_message, event.response_message) for event in events} == {(None, None)}
        assert events[0].identity == socket.gethostname() and events[0].version.startswith("Fairlead-")


def test_what_upstreams_are_asked_is_told_and_what_is_cached_is_not(scenario, path):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=300)})
    dead = free_port()
    with Receiver(path) as receiver:
        server = scenario.server(
            f"""metadata
dnstap {path} full {{
    extra "{{name}} {{/forward/upstream}}"
}}
cache
forward dead.test 127.0.0.1:{dead} {{
    max_connect_attempts 1
    max_fails 0
}}
forward . {upstream.target}""")
        receiver.wait_connected()
        seen = len(receiver.events)

        def told(count):
            nonlocal seen
            events = receiver.wait(seen + count)[seen:]
            seen += count
            return events

        channel = dns.Channel(server.port, timeout=10)  # one worker's, and so one cache's
        channel.ask("www.example.org")
        events = told(4)
        assert [event.type for event in events] == [
            "CLIENT_QUERY", "FORWARDER_QUERY", "FORWARDER_RESPONSE", "CLIENT_RESPONSE"]
        assert events[0].extra == "www.example.org. -"
        assert events[1].extra == f"www.example.org. {upstream.target}"
        assert (events[1].response_address, events[1].response_port) == ("127.0.0.1", upstream.port)
        assert dns.decode(events[2].response_message).data() == ["192.0.2.7"]
        assert events[2].query_time <= events[2].response_time
        channel.ask("www.example.org")  # from the cache
        assert [event.type for event in told(2)] == ["CLIENT_QUERY", "CLIENT_RESPONSE"]
        assert channel.ask("x.dead.test").rcode == "SERVFAIL"
        assert [event.type for event in told(3)] == ["CLIENT_QUERY", "FORWARDER_QUERY", "CLIENT_RESPONSE"]
        channel.close()


def test_each_message_of_a_zone_transfer_is_told(scenario, path, tmp_path):
    zone = tmp_path / "db.example.org"
    zone.write_text("@ 3600 IN SOA ns hostmaster 1 7200 1800 86400 60\n@ 3600 IN NS ns\nns 300 IN A 192.0.2.1\n" + "".join(
        f"txt{i} 300 IN TXT {'x' * 200}\n" for i in range(200)))
    with Receiver(path) as receiver:
        server = scenario.server(f"""dnstap {path} full {{
    extra "{{name}} {{type}}"
}}
file {zone} example.org
transfer example.org {{
    to *
}}""")
        receiver.wait_connected()
        query = dns.encode_query("example.org", "AXFR", identifier=4712, udp_size=None)
        messages, ends = [], 0
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
            client.sendall(len(query).to_bytes(2, "big") + query)
            while ends < 2:
                messages.append(dns.receive(client, int.from_bytes(dns.receive(client, 2), "big")))
                ends += sum(record.type == "SOA" for record in dns.decode(messages[-1]).answer)
        assert len(messages) > 1
        wait_until(lambda: len(asked(receiver.events)) == 1 + len(messages), 10, receiver.types)
        events = asked(receiver.events)
        assert [event.type for event in events] == ["CLIENT_QUERY"] + ["CLIENT_RESPONSE"] * len(messages)
        assert events[0].query_message == query
        assert [event.response_message for event in events[1:]] == messages
        assert {(event.extra, event.protocol, event.query_port) for event in events} == {
            ("example.org. AXFR", "tcp", events[0].query_port)}
        assert all(event.response_time >= events[0].query_time for event in events[1:])


def test_every_line_and_every_block_tells_and_what_is_dropped_has_no_response(scenario, path, socket_folder):
    other = socket_folder / "other.sock"
    with Receiver(path) as first, Receiver(other) as second:
        block = f"dnstap {path}\n    dnstap {other} full\n    acl {{\n        drop type TXT\n    }}\n    whoami"
        server = scenario.server(corefile=f"""a.test:{{port}} {{
    bind 127.0.0.1
    ready 127.0.0.1:{{ready}}
    {block}
}}
b.test:{{port}} {{
    bind 127.0.0.1
    {block}
}}
""")
        first.wait_connected()
        second.wait_connected()
        assert first.connections == second.connections == 1  # of both blocks
        server.ask("x.a.test")
        server.ask("x.b.test")
        with pytest.raises(OSError):
            server.ask("x.a.test", "TXT", timeout=0.3)
        for receiver in (first, second):
            receiver.wait(5)
            assert sorted(receiver.types()) == ["CLIENT_QUERY"] * 3 + ["CLIENT_RESPONSE"] * 2
        assert {event.query_message for event in first.events} == {None}


def test_a_receiver_that_comes_late_or_comes_back_gets_what_was_kept(scenario, path):
    server = scenario.server(f"dnstap {path}\n{HOSTS}")
    for _ in range(20):
        server.ask("www.example.org")
    assert "no connection to unix://" in server.output()
    with Receiver(path) as receiver:
        receiver.wait(40)
    for _ in range(20):
        server.ask("www.example.org")
    with Receiver(path) as receiver:
        receiver.wait(40)
        receiver.drop()
        for _ in range(20):
            server.ask("www.example.org")
        wait_until(lambda: receiver.connections == 2, 10, server.output)
        receiver.wait(75)  # what was on its way when the connection broke may be lost
    wait_until(lambda: figure(server, "fairlead_dnstap_receivers") == 0, 10, "its end is seen")


def test_a_receiver_that_stalls_costs_messages_and_no_query(scenario, path):
    upstream = scenario.upstream({"big.example.org.": address(*(f"192.0.2.{n}" for n in range(1, 60)), ttl=300)})
    server = scenario.server(f"dnstap {path} full\ncache\nforward . {upstream.target}")
    query = dns.encode_query("big.example.org.", udp_size=1232)
    with Receiver(path) as receiver:
        receiver.wait_connected()
        receiver.reading.clear()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stream:
            for _ in range(40):
                stream.sendall((len(query).to_bytes(2, "big") + query) * 100)
                for _ in range(100):
                    size = int.from_bytes(dns.receive(stream, 2), "big")
                    assert len(dns.receive(stream, size)) == size
            wait_until(lambda: figure(server, LOST) > 0, 10, "some were lost")
            lost = figure(server, LOST)
        wait_until(lambda: "were lost so far" in server.output(), 10, server.output)
        if not server.process.has_sanitizer():
            assert server.process.rss_kilobytes() < 200 * 1024
        receiver.reading.set()
        wait_until(lambda: len(receiver.events) > 100, 20, "what was kept comes")
        count = len(receiver.events)
        server.ask("big.example.org", tcp=True)
        receiver.wait(count + 1)
        assert lost > 0


NONSENSE = {
    "speaks something else": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "takes other contents": control(ACCEPT, b"protobuf:other"),
    "answers with the wrong frame": control(5),
    "has a control frame without end": b"\0\0\0\0\xff\xff\xff\xff",
    "breaks its frame off": b"\0\0\0\0\0\0\0\x10\0\0\0\x01\0\0\0\x01\0\0\xff\xff\0\0\0\0",
    "goes on speaking": control(ACCEPT, CONTENT_TYPE) + b"x" * 1000,
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_receiver_that_speaks_nonsense_is_left_and_tried_again(scenario, path, kind):
    server = scenario.server(f"dnstap {path}\n{HOSTS}")
    with Receiver(path, hello=NONSENSE[kind]) as receiver:
        wait_until(lambda: receiver.connections >= 2, 10, server.output)
        assert server.ask("www.example.org").data() == ["192.0.2.80"]
    assert "no connection to unix://" in server.output()
    with Receiver(path) as receiver:
        receiver.wait(2)


def test_a_receiver_that_never_answers_is_left_after_a_while(scenario, path):
    server = scenario.server(f"dnstap {path}\n{HOSTS}")
    with Receiver(path, hello=None) as receiver:
        wait_until(lambda: receiver.connections >= 2, 30, server.output)
    assert server.ask("www.example.org").data() == ["192.0.2.80"]


def test_receivers_may_connect_to_us_and_each_gets_everything(scenario, path):
    port = free_port()
    server = scenario.server(f"dnstap listen {path} full\ndnstap listen tcp://127.0.0.1:{port}\n{HOSTS}")
    server.ask("www.example.org")  # nobody hears it
    with Receiver(path, connect=True) as one, Receiver(path, connect=True) as two, \
            Receiver(port=port, connect=True) as other:
        wait_until(lambda: figure(server, "fairlead_dnstap_receivers") == 3, 10, server.output)
        server.ask("www.example.org")
        for receiver in (one, two, other):
            assert [event.type for event in receiver.wait(2)] == ["CLIENT_QUERY", "CLIENT_RESPONSE"]
        assert other.events[0].query_message is None and one.events[0].query_message is not None
        two.close()
        wait_until(lambda: figure(server, "fairlead_dnstap_receivers") == 2, 10, server.output)
        server.ask("www.example.org")
        assert len(one.wait(4)) == 4
        server.stop()
        assert one.goodbyes == 1
    assert not path.exists(), "the socket is taken away"


def test_a_socket_that_a_killed_server_left_is_taken_over_and_one_in_use_is_not(scenario, path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    server = scenario.server(f"dnstap listen {path}\n{HOSTS}")
    with Receiver(path, connect=True) as receiver:
        receiver.wait_connected()
        second = scenario.server(f"dnstap listen {path}\n{HOSTS}")
        wait_until(lambda: "cannot listen on unix://" in second.output(), 10, second.output)
        server.ask("www.example.org")
        receiver.wait(2)


def test_a_reload_keeps_connections_and_the_end_says_goodbye(scenario, path):
    with Receiver(path) as receiver:
        server = scenario.server(f"dnstap {path}\n{HOSTS}")
        receiver.wait_connected()
        for number in range(3):
            server.write_corefile(server.corefile_path.read_text() + f"# {number}\n")
            server.reload()
            wait_until(lambda: server.output().count("Reloading complete") == number + 1, 20, server.output)
        seen = len(receiver.events)
        server.ask("www.example.org")
        receiver.wait(seen + 2)
        assert (receiver.connections, receiver.goodbyes) == (1, 0)
        # A line that is gone says goodbye.
        text = server.corefile_path.read_text()
        server.write_corefile(text.replace(f"dnstap {path}", "errors" if "errors" not in text else "whoami"))
        server.reload()
        wait_until(lambda: receiver.goodbyes == 1, 10, server.output)
        server.write_corefile(text)
        server.reload()
        wait_until(lambda: receiver.connections == 2, 10, server.output)
        for _ in range(50):
            server.ask("www.example.org")
        server.stop()
        assert receiver.goodbyes == 2
        assert len(receiver.events) >= seen + 102


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_tls_receivers_must_be_who_they_say_they_are(scenario, authority):
    certificate, key = authority.server("receiver", addresses=("127.0.0.1",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    port = free_port()
    with Receiver(port=port, tls=lambda connection: context.wrap_socket(connection, server_side=True)) as receiver:
        trusting = {"SSL_CERT_FILE": str(authority.certificate)}
        server = scenario.server(f"dnstap tls://127.0.0.1:{port}\n{HOSTS}", environment=trusting)
        server.ask("www.example.org")
        receiver.wait(2)
        server.stop()
        stranger = scenario.server(f"dnstap tls://127.0.0.1:{port}\n{HOSTS}")
        wait_until(lambda: "certificate verify failed" in stranger.output(), 10, stranger.output)
        careless = scenario.server(f"dnstap tls://127.0.0.1:{port} full {{\n    skipverify\n}}\n{HOSTS}")
        before = len(receiver.events)
        careless.ask("www.example.org")
        receiver.wait(before + 2)
        # The name counts: localhost is in the certificate, but not another one.
        elsewhere = scenario.server(f"dnstap tls://127.0.0.2:{port}\n{HOSTS}", environment=trusting)
        assert elsewhere.ask("www.example.org").data() == ["192.0.2.80"]


def test_tls_listeners_want_the_certificates_that_they_are_told_to(scenario, authority):
    certificate, key = authority.server("listener", addresses=("127.0.0.1",))
    client = authority.client("receiver")
    port, open_port = free_port(), free_port()
    server = scenario.server(f"""dnstap listen tls://127.0.0.1:{port} {{
    tls {certificate} {key} {authority.certificate}
}}
dnstap listen tls://127.0.0.1:{open_port} {{
    tls {certificate} {key}
}}
{HOSTS}""")

    def tls(keys):
        context = ssl.create_default_context(cafile=str(authority.certificate))
        if keys:
            context.load_cert_chain(*keys)
        return lambda connection: context.wrap_socket(connection, server_hostname="127.0.0.1")

    with Receiver(port=port, connect=True, tls=tls(client)) as known, \
            Receiver(port=port, connect=True, tls=tls(None)) as unknown, \
            Receiver(port=open_port, connect=True, tls=tls(None)) as anybody:
        known.wait_connected()
        anybody.wait_connected()
        wait_until(lambda: figure(server, "fairlead_dnstap_receivers") == 2, 10, server.output)
        server.ask("www.example.org")
        known.wait(2)
        anybody.wait(2)
        assert unknown.connections == 0


def test_a_certificate_that_cannot_be_used_ends_the_start_and_not_a_reload(scenario, authority, tmp_path):
    certificate, key = authority.server("broken", addresses=("127.0.0.1",))
    line = f"dnstap listen tls://127.0.0.1:{free_port()} {{\n    tls {{file}} {key}\n}}\n{HOSTS}"
    server = scenario.server(line, start=False, values={"file": tmp_path / "nothing.pem"})
    process = server.launch()
    assert process.wait(20) == 1
    assert "dnstap: '" in process.output() and "is not a certificate that can be used" in process.output()
    good = scenario.server(line.replace("{file}", str(certificate)))
    good.write_corefile(good.corefile_path.read_text().replace(str(certificate), "/nowhere"))
    good.reload()
    wait_until(lambda: "Restart failed" in good.output(), 10, good.output)
    assert good.ask("www.example.org").data() == ["192.0.2.80"]


def test_the_tools_of_others_understand_it(scenario, path, tmp_path):
    capture, show = tool("fstrm_capture"), tool("dnstap")
    ldns = tool("dnstap-ldns")
    file = tmp_path / "captured.dnstap"
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=300)})
    receiver = Process("fstrm_capture", [capture, "-t", CONTENT_TYPE.decode(), "-u", path, "-w", file], tmp_path)
    try:
        server = scenario.server(f"dnstap {path} full {{\n    identity tools\n}}\nforward . {upstream.target}")
        wait_until(lambda: figure(server, "fairlead_dnstap_receivers") == 1, 10, server.output)
        server.ask("www.example.org")
        wait_until(lambda: figure(server, SENT) >= 4, 10, server.output)
        server.stop()
    finally:
        receiver.stop()
    for name, arguments, expected in (
            ("dnstap", [show, "-y", "-r", file], ["identity: \"tools\"", "type: FORWARDER_RESPONSE", "192.0.2.7"]),
            ("dnstap-ldns", [ldns, "-r", file], [f" {kind} 127.0.0.1 UDP " for kind in ("CQ", "FQ", "FR", "CR")])):
        printed = Process(name, arguments, tmp_path)
        assert printed.wait(20) == 0, printed.output()
        for text in ("www.example.org.", *expected):
            assert text in printed.output(), text
