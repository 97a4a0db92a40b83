"""DNS over TCP: pipelining, slow and silent clients, limits (RFC 7766)."""

import contextlib
import os
import resource
import socket
import struct
import time

import pytest

from support import dns
from support.kube import namespace, service
from support.upstream import address

NAME = "web.shop.svc.cluster.local"
ADDRESS = "10.96.7.1"
SLOW_SECONDS = 0.7

# server/net/limits.hpp
CONNECTIONS_MAX = 512  # a worker
PENDING_MAX = 100
IDLE_SECONDS = 10
QUERY_SECONDS = 5


def slow(query):
    return address("192.0.2.9", delay=SLOW_SECONDS)


def numbered(query):
    return address("192.0.2.8", delay=0.02)


@pytest.fixture(scope="module")
def upstream(shared):
    scripts = {"slow.example.org.": slow, "quick.example.org.": address("192.0.2.7")}
    scripts |= {f"n{number}.example.org.": numbered for number in range(400)}
    return shared.upstream(scripts)


@pytest.fixture(scope="module")
def server(shared, upstream):
    cluster = shared.cluster(
        namespace("shop"), service("web", "shop", clusterIP=ADDRESS),
        service("out", "shop", (), type="ExternalName", externalName="quick.example.org"))
    return shared.server(f"cache\nforward . {upstream.target}", cluster)


@pytest.fixture
def connection(server):
    with connect(server) as connection:
        yield connection


def connect(server, timeout=10):
    return socket.create_connection(("127.0.0.1", server.port), timeout=timeout)


def frame(name=NAME, type="A", identifier=1):
    wire = dns.encode_query(name, type, identifier)
    return struct.pack("!H", len(wire)) + wire


def read_reply(connection):
    """(identifier, Answer) of the next reply."""
    wire = dns.receive(connection, struct.unpack("!H", dns.receive(connection, 2))[0])
    return struct.unpack_from("!H", wire)[0], dns.decode(wire)


def is_closed(connection):
    """Whether the server has closed it, by then."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def test_fifty_queries_in_one_write_get_fifty_replies(connection):
    connection.sendall(b"".join(frame(identifier=number) for number in range(50)))
    replies = dict(read_reply(connection) for _ in range(50))
    assert set(replies) == set(range(50))
    assert all(answer.data() == [ADDRESS] for answer in replies.values())


def test_a_reply_that_is_ready_does_not_wait_for_one_that_is_not(connection):
    begin = time.monotonic()
    connection.sendall(frame("slow.example.org", identifier=1) + frame(identifier=2) +
                       frame("quick.example.org", identifier=3))
    order = [read_reply(connection)[0] for _ in range(2)]
    assert sorted(order) == [2, 3]
    assert time.monotonic() - begin < SLOW_SECONDS
    assert read_reply(connection)[0] == 1


@pytest.mark.parametrize("count", [PENDING_MAX, PENDING_MAX + 50, 3 * PENDING_MAX])
def test_more_queries_than_may_wait_are_answered_once_others_are(connection, count):
    connection.sendall(b"".join(frame(f"n{number}.example.org", identifier=number) for number in range(count)))
    connection.settimeout(5)
    replies = dict(read_reply(connection) for _ in range(count))
    assert set(replies) == set(range(count))
    assert all(answer.data() == ["192.0.2.8"] for answer in replies.values())


def test_waiting_queries_do_not_hold_back_those_behind_them_for_good(connection):
    """The last ones that fit wait in the server's buffer; no further octet comes to wake it."""
    count = PENDING_MAX + 1
    connection.sendall(b"".join(frame(f"n{number}.example.org", identifier=number) for number in range(count - 1)))
    connection.sendall(frame(identifier=count - 1))
    connection.settimeout(5)
    assert {read_reply(connection)[0] for _ in range(count)} == set(range(count))


def test_an_alias_whose_target_is_known_leaves_the_stream_in_order(connection):
    """Its reply comes while the query is still in the server's buffer; the next query was once taken for the first."""
    asked = ["out.shop.svc.cluster.local", NAME, "quick.example.org", "out.shop.svc.cluster.local", NAME]
    connection.settimeout(5)
    for identifier, name in enumerate(asked):
        connection.sendall(frame(name, identifier=identifier))
        answered, answer = read_reply(connection)
        assert (answered, answer.question) == (identifier, f"{name}. A")
    connection.sendall(b"".join(frame(name, identifier=100 + number) for number, name in enumerate(asked * 10)))
    assert {read_reply(connection)[0] for _ in range(50)} == set(range(100, 150))


def test_a_query_may_come_octet_by_octet(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in frame():
        connection.sendall(bytes([octet]))
        time.sleep(0.001)
    assert read_reply(connection)[1].data() == [ADDRESS]


def test_a_client_that_closed_its_side_still_gets_its_replies(connection):
    connection.sendall(frame("slow.example.org", identifier=1) + frame(identifier=2))
    connection.shutdown(socket.SHUT_WR)
    assert sorted(read_reply(connection)[0] for _ in range(2)) == [1, 2]
    assert is_closed(connection)


def test_a_client_that_leaves_while_its_query_waits_harms_nobody(server, upstream):
    for _ in range(20):
        with connect(server) as connection:
            connection.sendall(frame("slow.example.org"))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(SLOW_SECONDS)
    assert server.ask(NAME, tcp=True).data() == [ADDRESS]


def test_silent_and_slow_clients_are_closed_in_bounded_time(server):
    """All at once, as each of them takes its time: idle, after an answer, half a query, a length alone, a huge one."""
    begin = time.monotonic()
    beginnings = {
        "silent": b"",
        "half a query": frame()[:20],
        "a length alone": b"\0\x30",
        "the largest length": b"\xff\xff" + b"x" * 100,
    }
    with contextlib.ExitStack() as stack:
        clients = {what: stack.enter_context(connect(server, timeout=20)) for what in [*beginnings, "answered"]}
        for what, octets in beginnings.items():
            clients[what].sendall(octets)
        clients["answered"].sendall(frame())
        assert read_reply(clients["answered"])[1].data() == [ADDRESS]
        # Octets in a trickle do not buy more time for a query.
        trickle = stack.enter_context(connect(server, timeout=0.5))
        trickled = 0.0
        with contextlib.suppress(ConnectionError):
            for octet in frame("trickle." * 20 + "example.org"):
                trickle.sendall(bytes([octet]))
                with contextlib.suppress(TimeoutError):
                    if trickle.recv(1) == b"":
                        break
        trickled = time.monotonic() - begin
        assert QUERY_SECONDS - 1 < trickled < QUERY_SECONDS + 4
        for what in ("half a query", "a length alone", "the largest length"):
            assert is_closed(clients[what]), what
        assert time.monotonic() - begin < IDLE_SECONDS - 0.5
        for what in ("silent", "answered"):
            assert is_closed(clients[what]), what
        assert IDLE_SECONDS - 1 < time.monotonic() - begin < IDLE_SECONDS + 4


def test_idle_connections_do_not_lock_out_a_new_client(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    workers = len(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS_MAX * workers + 100):
            stack.enter_context(connect(server))
        for _ in range(20):
            assert server.ask(NAME, tcp=True).data() == [ADDRESS]
        open_descriptors = len(server.process.descriptors())
        assert open_descriptors < CONNECTIONS_MAX * workers + 200
        assert server.ask(NAME).data() == [ADDRESS]


def test_garbage_is_answered_or_closed_and_the_next_client_served(server):
    for octets in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"z" * 500, b"\0\0" * 1000):
        with connect(server) as connection:
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
    assert server.ask(NAME, tcp=True).data() == [ADDRESS]


def test_a_client_that_takes_no_replies_is_not_read_without_end(server):
    """Its replies stay below a bound: it asks for megabytes, and reads none of them."""
    before = server.process.rss_kilobytes()
    with connect(server, timeout=1) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sent = 0
        with contextlib.suppress(TimeoutError, ConnectionError):
            while sent < 40_000_000:
                sent += connection.send(frame() * 200)
        assert sent < 40_000_000
        if not server.process.has_sanitizer():
            assert server.process.rss_kilobytes() - before < 8 * 1024
        assert server.ask(NAME, tcp=True).data() == [ADDRESS]
