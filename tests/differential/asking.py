"""Asks one server thousands of questions, a window of them at a time, and keeps what it said of each."""

import socket
import struct
import time

from support import dns

WINDOW = 48
# CoreDNS closes a connection after 128 queries.
QUERIES_PER_CONNECTION = 100
REPLY_SECONDS = 2.0
# What is not answered within the window's time is asked again alone: one lost datagram is no answer of a server.
AGAIN_SECONDS = 1.0


def ask_all(port, questions, source=None):
    """The replies in the order of the questions; None where none came. A reply that cannot be parsed is ValueError."""
    by_transport = {False: [], True: []}
    for index, question in enumerate(questions):
        by_transport[question.manner.tcp].append((index, question))
    replies = [None] * len(questions)
    for index, wire in _ask_udp(port, by_transport[False], source):
        replies[index] = _decoded(questions[index], wire)
    for index, wire in _ask_tcp(port, by_transport[True], source):
        replies[index] = _decoded(questions[index], wire)
    return replies


def _decoded(question, wire):
    try:
        return dns.decode(wire)
    except (ValueError, IndexError, struct.error) as error:
        raise AssertionError(f"the reply to {question} is malformed ({error}): {wire.hex()}") from error


def _ask_udp(port, numbered, source):
    with _connected(port, socket.SOCK_DGRAM, source) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        for begin in range(0, len(numbered), WINDOW):
            waiting = {}
            for index, question in numbered[begin : begin + WINDOW]:
                waiting[index & 0xFFFF] = index, question
                channel.send(question.wire(index & 0xFFFF))
            yield from _collect_udp(channel, waiting, REPLY_SECONDS)
            for identifier, (index, question) in list(waiting.items()):
                channel.send(question.wire(identifier))
                yield from _collect_udp(channel, {identifier: (index, question)}, AGAIN_SECONDS)


def _collect_udp(channel, waiting, seconds):
    deadline = time.monotonic() + seconds
    while waiting and (left := deadline - time.monotonic()) > 0:
        channel.settimeout(left)
        try:
            wire = channel.recv(65535)
        except TimeoutError:
            return
        found = waiting.pop(struct.unpack_from("!H", wire)[0], None)
        if found:
            yield found[0], wire


def _ask_tcp(port, numbered, source):
    for begin in range(0, len(numbered), QUERIES_PER_CONNECTION):
        waiting = {}
        with _connected(port, socket.SOCK_STREAM, source) as channel:
            channel.settimeout(REPLY_SECONDS)
            for index, question in numbered[begin : begin + QUERIES_PER_CONNECTION]:
                waiting[index & 0xFFFF] = index
                wire = question.wire(index & 0xFFFF)
                channel.sendall(struct.pack("!H", len(wire)) + wire)
            try:
                while waiting:
                    wire = dns.receive(channel, struct.unpack("!H", dns.receive(channel, 2))[0])
                    index = waiting.pop(struct.unpack_from("!H", wire)[0], None)
                    if index is not None:
                        yield index, wire
            except (TimeoutError, ConnectionError):
                # What is left has no reply.
                pass


def _connected(port, kind, source):
    channel = socket.socket(socket.AF_INET, kind)
    if source:
        channel.bind((source, 0))
    channel.settimeout(REPLY_SECONDS)
    channel.connect(("127.0.0.1", port))
    return channel
