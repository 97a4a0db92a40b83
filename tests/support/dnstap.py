"""Receivers of dnstap: Frame Streams, and the part of its protobuf that tests look at.

    with Receiver(path="/tmp/x.sock") as receiver:      # or port=6000; with connect=True it goes to a listener
        ... dnstap /tmp/x.sock full ...
        receiver.wait(4)
    assert receiver.types() == ["CLIENT_QUERY", "CLIENT_RESPONSE", ...]
"""

import contextlib
import ipaddress
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass

from support.processes import wait_until

CONTENT_TYPE = b"protobuf:dnstap.Dnstap"
ACCEPT, START, STOP, READY, FINISH = 1, 2, 3, 4, 5
TYPES = {5: "CLIENT_QUERY", 6: "CLIENT_RESPONSE", 7: "FORWARDER_QUERY", 8: "FORWARDER_RESPONSE"}
PROTOCOLS = {1: "udp", 2: "tcp"}


@dataclass
class Event:
    type: str
    protocol: str
    family: int
    identity: str
    version: str
    extra: str
    query_address: str | None
    query_port: int | None
    response_address: str | None
    response_port: int | None
    query_time: float | None
    response_time: float | None
    query_message: bytes | None
    response_message: bytes | None


def _varint(octets, at):
    value = shift = 0
    while True:
        value |= (octets[at] & 0x7F) << shift
        shift += 7
        at += 1
        if octets[at - 1] < 0x80:
            return value, at


def _fields(octets):
    found, at = {}, 0
    while at < len(octets):
        key, at = _varint(octets, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(octets, at)
        elif kind == 2:
            size, at = _varint(octets, at)
            value, at = octets[at : at + size], at + size
            assert len(value) == size
        else:
            assert kind == 5, kind
            value, at = struct.unpack_from("<I", octets, at)[0], at + 4
        assert number not in found, f"field {number} twice"
        found[number] = value
    return found


def decode(frame):
    outer = _fields(frame)
    assert outer[15] == 1
    message = _fields(outer[14])

    def address(number):
        return str(ipaddress.ip_address(message[number])) if number in message else None

    def moment(number):
        return message[number] + message[number + 1] / 1e9 if number in message else None

    return Event(
        type=TYPES[message[1]], family={1: 4, 2: 6}[message[2]], protocol=PROTOCOLS[message[3]],
        identity=outer.get(1, b"").decode(), version=outer.get(2, b"").decode(), extra=outer.get(3, b"").decode(),
        query_address=address(4), query_port=message.get(6), response_address=address(5), response_port=message.get(7),
        query_time=moment(8), response_time=moment(12), query_message=message.get(10), response_message=message.get(14))


def control(kind, content_type=None):
    body = struct.pack("!I", kind)
    if content_type is not None:
        body += struct.pack("!II", 1, len(content_type)) + content_type
    return struct.pack("!II", 0, len(body)) + body


class Receiver:
    """Takes connections one after another, or makes one. `hello` is what it says to a READY; None: nothing."""

    def __init__(self, path=None, port=None, connect=False, tls=None, hello=control(ACCEPT, CONTENT_TYPE), start=True):
        self._path, self._port, self._connects, self._tls, self._hello = path, port, connect, tls, hello
        self.events = []
        self.connections = 0
        self.goodbyes = 0
        self.reading = threading.Event()
        self.reading.set()
        self._open = []
        self._socket = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._connect if connect else self._listen, daemon=True)
        if start:
            self.start()

    def start(self):
        if not self._connects:
            self._socket = socket.socket(socket.AF_UNIX if self._path else socket.AF_INET)
            if self._path:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._path)
            else:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Before listen(), for what is accepted: a receiver that stalls is noticed soon.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            self._socket.bind(str(self._path) if self._path else ("127.0.0.1", self._port))
            self._socket.listen()
        self._thread.start()
        return self

    def _listen(self):
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _connect(self):
        while not self._stopping.is_set():
            with contextlib.suppress(OSError):
                connection = socket.socket(socket.AF_UNIX if self._path else socket.AF_INET)
                connection.connect(str(self._path) if self._path else ("127.0.0.1", self._port))
                self._serve(connection)
            if self._stopping.wait(0.05):
                return

    def _serve(self, connection):
        try:
            if self._tls:
                connection = self._tls(connection)
            self._open.append(connection)
            stream = connection.makefile("rb")
            assert self._read_control(stream) == READY
            self.connections += 1
            if self._hello is None:
                self._stopping.wait(30)
                return
            connection.sendall(self._hello)
            assert self._read_control(stream) == START
            while True:
                self.reading.wait()
                head = stream.read(4)
                if len(head) < 4:
                    return
                size = struct.unpack("!I", head)[0]
                if size == 0:
                    assert self._read_control(stream, has_escape=False) == STOP
                    connection.sendall(control(FINISH))
                    self.goodbyes += 1
                    return
                frame = stream.read(size)
                if len(frame) == size:
                    self.events.append(decode(frame))
        except (OSError, struct.error):
            pass
        finally:
            with contextlib.suppress(OSError):
                connection.close()

    @staticmethod
    def _read_control(stream, has_escape=True):
        if has_escape:
            assert struct.unpack("!I", stream.read(4))[0] == 0
        size = struct.unpack("!I", stream.read(4))[0]
        return struct.unpack_from("!I", stream.read(size))[0]

    def drop(self):
        """Closes the connections that there are."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def types(self):
        return [event.type for event in self.events]

    def wait(self, count, timeout=10):
        wait_until(lambda: len(self.events) >= count, timeout, lambda: f"{count} events; there are {self.types()}")
        return self.events

    def wait_connected(self, timeout=10):
        wait_until(lambda: self.connections > 0, timeout, "the receiver is connected")
        time.sleep(0.1)  # the server has read the hello
        return self

    def close(self):
        self._stopping.set()
        self.reading.set()
        if self._socket:
            self._socket.close()
        self.drop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
