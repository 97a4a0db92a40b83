"""Packets that are no questions: each has one outcome, and none harms those who ask."""

import random
import socket
import struct

import pytest

from support import dns
from support.kube import namespace, service
from support.processes import wait_until

NAME = "web.shop.svc.cluster.local"
ADDRESS = "10.96.7.1"
SILENCE = "silence"

RANDOM_PACKETS = 2000
SEED = 20240607
# What malloc may keep of a first burst; a leak of every packet would be above it.
GROWTH_KILOBYTES_MAX = 4 * 1024


@pytest.fixture(scope="module")
def server(shared):
    cluster = shared.cluster(namespace("shop"), service("web", "shop", clusterIP=ADDRESS))
    return shared.server("", cluster)


def changed(**at):
    """The query with octets replaced: changed(_2=0x80) replaces the third."""
    wire = bytearray(dns.encode_query(NAME))
    for position, octet in at.items():
        wire[int(position[1:])] = octet
    return bytes(wire)


WIRE = dns.encode_query(NAME, identifier=0x1234)
BARE = dns.encode_query(NAME, identifier=0x1234, udp_size=None)
OPT = WIRE[len(BARE) :]

PACKETS = [
    ("nothing", b"", SILENCE),
    ("one octet", b"\0", SILENCE),
    ("11 of a header's 12 octets", WIRE[:11], SILENCE),
    ("a response", changed(_2=0x81), SILENCE),
    ("a response with an error", changed(_2=0x81, _3=0x01), SILENCE),
    ("a header alone", WIRE[:12], "FORMERR"),
    ("a name cut off", WIRE[:20], "FORMERR"),
    ("no type", BARE[:-4], "FORMERR"),
    ("half a class", BARE[:-1], "FORMERR"),
    ("no question", changed(_5=0), "FORMERR"),
    ("two questions are counted", changed(_5=2), "FORMERR"),
    ("two questions are there (RFC 9619)", BARE[:4] + b"\0\2" + BARE[6:] + BARE[12:], "FORMERR"),
    ("an octet behind the message", WIRE + b"\0", "FORMERR"),
    ("an answer that is counted and not there", changed(_7=1), "FORMERR"),
    ("65,535 additional records", changed(_10=0xFF, _11=0xFF), "FORMERR"),
    ("two OPT records", WIRE[:11] + b"\2" + WIRE[12:] + OPT, "FORMERR"),
    ("an OPT whose options are cut off", WIRE[:-2] + b"\0\5", "FORMERR"),
    ("a compression pointer as question", BARE[:12] + b"\xc0\x0c\0\1\0\1", "FORMERR"),
    ("a label of an unknown kind", BARE[:12] + b"\x80" + BARE[13:], "FORMERR"),
    ("a name of 256 octets", BARE[:12] + b"\x3f" + b"x" * 63 + (b"\x3f" + b"x" * 63) * 3 + b"\0\0\1\0\1", "FORMERR"),
    ("EDNS version 1", WIRE[:-5] + b"\1" + WIRE[-4:], "BADVERS"),
    ("opcode STATUS", changed(_2=0x10), "NOTIMP"),
    ("opcode NOTIFY", changed(_2=0x20), "NOTIMP"),
    ("opcode UPDATE", changed(_2=0x28), "NOTIMP"),
    ("opcode 15", changed(_2=0x78), "NOTIMP"),
    ("class CH", BARE[:-1] + b"\3", "REFUSED"),
    ("class ANY", BARE[:-2] + b"\0\xff", "REFUSED"),
    ("the root", BARE[:12] + b"\0\0\1\0\1", "REFUSED"),
    ("flags that must be zero", changed(_3=0x70), "NOERROR"),
    ("Z and all the rest of a query's flags", changed(_2=0x07, _3=0xFF), "NOERROR"),
]


@pytest.fixture
def channel(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.connect(("127.0.0.1", server.port))
        channel.settimeout(2)
        yield channel


@pytest.mark.parametrize("what, wire, expected", PACKETS, ids=[row[0] for row in PACKETS])
def test_every_packet_has_one_outcome(channel, what, wire, expected):
    channel.send(wire)
    if expected == SILENCE:
        # What is answered next is the next question: one socket, one worker, in order.
        marker = dns.encode_query(NAME, identifier=0x4321)
        channel.send(marker)
        assert channel.recv(4096)[:2] == marker[:2]
        return
    response = channel.recv(4096)
    assert response[:2] == wire[:2]
    assert dns.decode(response).rcode == expected


@pytest.mark.parametrize("length", [0, 1, 11, 12])
def test_short_frames_do_not_end_a_tcp_connection_without_need(server, length):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(struct.pack("!H", length) + WIRE[:length])
        connection.sendall(struct.pack("!H", len(WIRE)) + WIRE)
        replies = []
        while len(replies) < (2 if length == 12 else 1):
            size = struct.unpack("!H", dns.receive(connection, 2))[0]
            replies.append(dns.decode(dns.receive(connection, size)).rcode)
        assert replies[-1] == "NOERROR"


def random_packets(count):
    """Noise, and queries with a few octets changed, cut or appended; the same ones in every run."""
    source = random.Random(SEED)
    for _ in range(count):
        if source.random() < 0.3:
            yield source.randbytes(source.randrange(0, 600))
            continue
        wire = bytearray(dns.encode_query(NAME, source.choice(["A", "SRV", "AXFR", "ANY"]), source.randrange(0x10000)))
        for _ in range(source.randrange(1, 5)):
            wire[source.randrange(len(wire))] = source.randrange(256)
        if source.random() < 0.3:
            del wire[source.randrange(len(wire)) :]
        if source.random() < 0.3:
            wire += source.randbytes(source.randrange(1, 1500))
        yield bytes(wire)


def send_random_packets(port, count):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.connect(("127.0.0.1", port))
        channel.setblocking(False)
        for number, wire in enumerate(random_packets(count)):
            channel.send(wire)
            try:
                while True:
                    response = channel.recv(65535)
                    assert response[2] & 0x80, "a reply is a response"
                    dns.decode(response)
            except BlockingIOError:
                pass
            if number % 100 == 99:
                assert dns.ask(port, NAME).data() == [ADDRESS]


def test_noise_changes_no_answer_and_takes_no_memory(server):
    send_random_packets(server.port, RANDOM_PACKETS)
    before = server.process.rss_kilobytes()
    send_random_packets(server.port, RANDOM_PACKETS)
    assert dns.ask(server.port, NAME).data() == [ADDRESS]
    assert dns.ask(server.port, NAME, tcp=True).data() == [ADDRESS]
    if not server.process.has_sanitizer():
        assert server.process.rss_kilobytes() - before < GROWTH_KILOBYTES_MAX


def test_noise_over_tcp_changes_no_answer(server):
    for wire in random_packets(200):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(wire)
    assert dns.ask(server.port, NAME, tcp=True).data() == [ADDRESS]
    wait_until(lambda: len(server.process.descriptors()) < 100, 15, "closed connections leave nothing behind")
