"""Queries behind a balancer that speaks the PROXY protocol: whose they are, and what is dropped."""

import contextlib
import ipaddress
import socket
import struct
import time

import pytest

from support import dns, dot
from support.certificates import Authority
from support.fairlead import server_block
from support.processes import free_port, wait_until
from support.upstream import address

CLIENT = "192.0.2.7"
CLIENT6 = "2001:db8::7"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
BELIEVES = "proxyproto {\n        allow 127.0.0.0/8\n        "


def text(client=CLIENT, port=4242):
    family = "TCP6" if ":" in client else "TCP4"
    server = "2001:db8::1" if ":" in client else "198.51.100.1"
    return f"PROXY {family} {client} {server} {port} 53\r\n".encode()


def binary(client=CLIENT, port=4242, datagram=False, command=1, extension=b""):
    source = ipaddress.ip_address(client)
    family = (0x10 if source.version == 4 else 0x20) | (2 if datagram else 1)
    addresses = source.packed + source.packed + struct.pack("!HH", port, 53) + extension
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses


def over_tcp(server, header, name="x.example"):
    """The reply's Answer, or None when the connection ends instead."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(header + dot.frame(name))
            return dns.decode(dns.receive(connection, struct.unpack("!H", dns.receive(connection, 2))[0]))


@contextlib.contextmanager
def datagrams(server, timeout=5.0):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        client.connect(("127.0.0.1", server.port))
        yield client


def over_udp(server, header, name="x.example", timeout=5.0):
    """The reply's Answer, or None when none comes."""
    with datagrams(server, timeout) as client:
        client.send(header + dns.encode_query(name))
        with contextlib.suppress(TimeoutError):
            return dns.decode(client.recv(4096))


def seen(answer):
    """The client's address and port, as `whoami` tells them."""
    if answer is None:
        return None
    return answer.additional[0].data, int(answer.additional[1].data.split()[2])


def is_no_query(answer):
    """A header that is read as the length of a query and its beginning."""
    return answer is None or answer.rcode != "NOERROR"


@pytest.fixture(scope="module")
def server(shared):
    return shared.server(BELIEVES + "}\nwhoami")


@pytest.mark.parametrize("header", [text(), binary(), binary(extension=b"\x04\0\x02ab")])
def test_the_client_of_a_connection_is_the_one_of_its_header(server, header):
    assert seen(over_tcp(server, header)) == (CLIENT, 4242)


def test_the_client_of_a_datagram_is_the_one_of_its_header(server):
    assert seen(over_udp(server, binary(datagram=True))) == (CLIENT, 4242)
    assert seen(over_udp(server, binary(CLIENT6, datagram=True))) == (CLIENT6, 4242)
    assert seen(over_tcp(server, binary(CLIENT6))) == (CLIENT6, 4242)
    assert seen(over_tcp(server, text(CLIENT6))) == (CLIENT6, 4242)


@pytest.mark.parametrize("header", [b"", b"PROXY UNKNOWN\r\n", binary(command=0), binary(command=0, datagram=True)])
def test_a_balancer_that_speaks_for_itself_is_the_client(server, header):
    assert seen(over_tcp(server, header))[0] == "127.0.0.1"
    if not header.startswith(b"PROXY"):
        assert seen(over_udp(server, header))[0] == "127.0.0.1"


# What stands in the block; then the client of a connection with a header, of a datagram, and of both without one.
POLICIES = [
    ("proxyproto", CLIENT, CLIENT, "127.0.0.1"),
    ("proxyproto {\n default use\n}", CLIENT, CLIENT, "127.0.0.1"),
    ("proxyproto {\n default ignore\n}", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("proxyproto {\n default reject\n}", None, None, "127.0.0.1"),
    ("proxyproto {\n allow 127.0.0.1 10.0.0.0/8\n default reject\n}", CLIENT, CLIENT, "127.0.0.1"),
    ("proxyproto {\n allow 10.0.0.0/8\n}", "127.0.0.1", "127.0.0.1", "127.0.0.1"),
    ("proxyproto {\n allow 10.0.0.0/8\n default reject\n}", None, None, "127.0.0.1"),
    ("proxyproto {\n allow 10.0.0.0/8\n default use\n}", CLIENT, CLIENT, "127.0.0.1"),
]


@pytest.mark.parametrize("directive, connection, datagram, without", POLICIES)
def test_whose_headers_are_believed(scenario, directive, connection, datagram, without):
    server = scenario.server(directive + "\nwhoami")

    def address_of(answer):
        return seen(answer) and seen(answer)[0]

    assert address_of(over_tcp(server, binary())) == connection
    assert address_of(over_udp(server, binary(datagram=True), timeout=0.5 if datagram is None else 5)) == datagram
    assert address_of(over_tcp(server, b"")) == without
    assert address_of(over_udp(server, b"")) == without
    rejected = [value for name, value in server.metrics().items() if "proxyproto_dropped" in name and "rejected" in name]
    assert rejected == [2 if connection is None else 0]


def test_headers_are_not_looked_for_with_skip(scenario):
    server = scenario.server("proxyproto {\n default skip\n}\nwhoami")
    assert is_no_query(over_tcp(server, binary()))
    assert seen(over_udp(server, b""))[0] == "127.0.0.1"


def test_acl_log_and_metrics_see_the_client(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.80", delay=0.1)})
    server = scenario.server(
        BELIEVES + "}\nlog . \"{remote} {name}\"\nacl {\n    block net 198.51.100.0/24\n}\n" + f"forward . {upstream.target}")
    for ask, datagram in ((over_tcp, False), (over_udp, True)):
        assert ask(server, binary(datagram=datagram), "www.example.org").data() == ["192.0.2.80"]
        assert ask(server, binary("198.51.100.9", datagram=datagram), "www.example.org").rcode == "REFUSED"
        assert ask(server, b"", "www.example.org").data() == ["192.0.2.80"]
    assert over_udp(server, binary(CLIENT6, datagram=True), "www.example.org").data() == ["192.0.2.80"]
    wait_until(lambda: server.output().count(f"{CLIENT} www.example.org.") == 2, 5, server.output)
    wait_until(lambda: server.output().count("198.51.100.9 www.example.org.") == 2, 5, server.output)
    wait_until(lambda: f"{CLIENT6}] www.example.org." in server.output(), 5, server.output)
    assert any('family="2"' in name and 'proto="udp"' in name for name in server.metrics())


@pytest.mark.parametrize("header", [text(), binary()])
def test_a_header_may_come_octet_by_octet_and_queries_right_behind_it(server, header):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in header:
            connection.sendall(bytes([octet]))
            time.sleep(0.002)
        connection.sendall(dot.frame("a.example", identifier=1) + dot.frame("b.example", identifier=2))
        for identifier in (1, 2):
            wire = dns.receive(connection, struct.unpack("!H", dns.receive(connection, 2))[0])
            assert struct.unpack_from("!H", wire)[0] == identifier
            assert seen(dns.decode(wire)) == (CLIENT, 4242)


MALFORMED = [
    b"PROXY TCP4 192.0.2.7 198.51.100.1 4242\r\n", b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n", b"PROXY " + b"x" * 200,
    SIGNATURE + b"\x31\x11\0\x0c" + bytes(12), SIGNATURE + b"\x21\x11\0\x04" + bytes(4), SIGNATURE + b"\x21\x11\xff\xff",
    binary(datagram=True),
]


def test_malformed_headers_end_connections_and_are_counted(scenario):
    server = scenario.server(BELIEVES + "}\nwhoami")
    for header in MALFORMED:
        assert over_tcp(server, header) is None, header
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as half:
        half.sendall(binary()[:20])
        half.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert half.recv(1) == b""
    for header in (text(), binary(), SIGNATURE + b"\x21\x12\xff\xff"):
        assert over_udp(server, header, timeout=0.3) is None, header
    [dropped] = [value for name, value in server.metrics().items() if "proxyproto_dropped" in name and "malformed" in name]
    assert dropped == len(MALFORMED) + 1 + 3
    assert seen(over_tcp(server, text())) == (CLIENT, 4242)


def test_connections_without_a_header_to_their_end_do_not_keep_others_out(server):
    with contextlib.ExitStack() as stack:
        for _ in range(600):
            stuck = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            stuck.sendall(b"PROXY TCP4 ")
        assert seen(over_tcp(server, text())) == (CLIENT, 4242)


def test_a_session_of_datagrams_has_its_header_in_front(scenario):
    server = scenario.server(BELIEVES + "udp_session_tracking 60s 2\n}\nwhoami")

    def ask(client, identifier):
        client.send(dns.encode_query("x.example", identifier=identifier))
        return seen(dns.decode(client.recv(4096)))[0]

    with datagrams(server) as first, datagrams(server) as second, datagrams(server) as third:
        assert ask(first, 1) == "127.0.0.1"
        first.send(binary(datagram=True))
        second.send(binary("192.0.2.8", datagram=True) + dns.encode_query("x.example"))
        assert seen(dns.decode(second.recv(4096)))[0] == "192.0.2.8"
        wait_until(lambda: ask(first, 2) == CLIENT, 5, lambda: "the session is known")
        assert ask(second, 3) == "192.0.2.8"
        assert ask(third, 4) == "127.0.0.1"


def test_the_header_stands_in_front_of_the_encryption(scenario, tmp_path):
    authority = Authority(tmp_path / "authority")
    port = free_port()
    certificate, key = authority.server("server")
    server = scenario.server(
        corefile=f""".:{{port}} {{
    bind 127.0.0.1
    ready 127.0.0.1:{{ready}}
    whoami
}}
tls://.:{port} {{
    bind 127.0.0.1
    tls {certificate} {key}
    {BELIEVES}
    }}
    whoami
}}
""")
    assert server.port
    for header in (text(), binary(), b""):
        with dot.Connection(port, dot.context(authority), before=header) as connection:
            assert seen(connection.ask("x.example"))[0] == (CLIENT if header else "127.0.0.1")


def test_a_reload_begins_and_ends_it(scenario):
    server = scenario.server("whoami")
    assert is_no_query(over_tcp(server, binary()))
    for directives, expected in ((BELIEVES + "}\nwhoami", CLIENT), ("whoami", None)):
        server.write_corefile(server_block(directives))
        done = server.output().count("Reloading complete")
        server.reload()
        wait_until(lambda done=done: server.output().count("Reloading complete") > done, 15, server.output)
        answer = over_tcp(server, binary())
        if expected:
            assert seen(answer)[0] == expected
        else:
            assert is_no_query(answer)
