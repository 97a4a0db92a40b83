"""A DNS server that answers by script, over UDP and TCP, or TLS instead of TCP: the upstream of forwarding tests.

    with Upstream({"www.example.org.": address("192.0.2.7", ttl=60)}) as upstream:
        ... forward . 127.0.0.1:{upstream.port} ...
    assert upstream.count("www.example.org.") == 1

A script is a Reply, a list of Replies that are all sent, None (silence), or a function from a Query to one of these.
Names without a script are NXDOMAIN with an SOA; the root is answered, since health checks ask for it.
"""

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

from support import dns
from support.processes import free_port

SOA = "ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"


@dataclass
class Query:
    """One question as it arrived."""

    wire: bytes
    name: str  # as sent
    type: str
    transport: str  # "udp", "tcp" or "tls"
    source_port: int = 0
    source_address: str = ""

    @property
    def identifier(self):
        return struct.unpack_from("!H", self.wire)[0]


@dataclass
class Reply:
    """Records are (name, type, ttl, data); the name "@" is the question's."""

    answer: list = field(default_factory=list)
    authority: list = field(default_factory=list)
    rcode: str = "NOERROR"
    truncated: bool = False
    delay: float = 0.0
    identifier: int | None = None  # another than the query's
    question: str | None = None  # another name than the query's, or its name in another case
    raw: bytes | None = None  # instead of all others
    stream: bytes | None = None  # over TCP and TLS: written as it is, without a length
    pace: float = 0.0  # over TCP and TLS: seconds between two octets

    def wire(self, query):
        if self.raw is not None:
            return self.raw
        number = next(number for number, name in dns.RCODES.items() if name == self.rcode)
        # RFC 1035 §4.1.1, RFC 4035 §3.2.2: RD and CD are copied from the query.
        copied = struct.unpack_from("!H", query.wire, 2)[0] & (dns.FLAGS["rd"] | dns.FLAGS["cd"])
        flags = dns.FLAGS["qr"] | dns.FLAGS["ra"] | copied | number
        if self.truncated:
            flags |= dns.FLAGS["tc"]
        identifier = query.identifier if self.identifier is None else self.identifier
        wire = struct.pack("!6H", identifier, flags, 1, len(self.answer), len(self.authority), 0)
        _, end = dns.decode_name(query.wire, 12)
        # The question as it was sent, with its case.
        name = query.wire[12:end] if self.question is None else dns.encode_name(self.question)
        wire += name + query.wire[end : end + 4]
        for record in [*self.answer, *self.authority]:
            wire += _record(query, *record)
        return wire


def address(*data, ttl=60, **more):
    """A Reply with A or AAAA records of the question's name."""
    return Reply([("@", _address_type(text), ttl, text) for text in data], **more)


def nxdomain(zone="example.org.", ttl=60, **more):
    return Reply(authority=[(zone, "SOA", ttl, SOA)], rcode="NXDOMAIN", **more)


def _address_type(text):
    return "AAAA" if ":" in text else "A"


def _record(query, name, type, ttl, data):
    owner = b"\xc0\x0c" if name == "@" else dns.encode_name(name)
    rdata = _rdata(type, data)
    return owner + struct.pack("!HHIH", dns.TYPES[type], 1, ttl, len(rdata)) + rdata


def _rdata(type, data):
    if type in ("A", "AAAA"):
        return ipaddress.ip_address(data).packed
    if type in ("CNAME", "NS", "PTR"):
        return dns.encode_name(data)
    if type == "TXT":
        return bytes([len(data)]) + data.encode()
    if type == "SOA":
        primary, mailbox, *numbers = data.split()
        return dns.encode_name(primary) + dns.encode_name(mailbox) + struct.pack("!5I", *map(int, numbers))
    raise ValueError(type)


class Upstream:
    """One running server. `scripts` may be changed at any time; names are compared without case.

    With `tls`, a (certificate, key), the TCP port speaks TLS; with `clients`, an authority, to those alone who show a
    certificate of it.
    """

    def __init__(self, scripts=None, default=None, port=None, tls=None, clients=None, host="127.0.0.1"):
        self.scripts = dict(scripts or {})
        self.default = default or nxdomain(zone=".")
        self.asked = []  # Query objects, health checks left out
        self.host = host
        self.port = port or free_port()
        self.connections = 0  # accepted, and with TLS shaken hands with
        self._tls = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(*tls)
            if clients:
                self._tls.load_verify_locations(clients.certificate)
                self._tls.verify_mode = ssl.CERT_REQUIRED
        self._lock = threading.Lock()
        self._connections = set()
        self._closing = False
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._udp.bind((host, self.port))
        self._tcp = socket.create_server((host, self.port), backlog=128)
        self._threads = [threading.Thread(target=serve, daemon=True) for serve in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    @property
    def target(self):
        return f"{self.host}:{self.port}"

    def count(self, name=None, type=None, transport=None):
        """How often a name was asked for."""
        with self._lock:
            return sum(
                (name is None or query.name.lower() == name.lower()) and type in (None, query.type)
                and transport in (None, query.transport) for query in self.asked)

    def cut(self):
        """Ends every connection, as a server that restarts does."""
        for channel in list(self._connections):
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._closing = True
        for channel in (self._udp, self._tcp, *list(self._connections)):
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)  # a port is free once nobody waits on its socket
        for channel in (self._udp, self._tcp, *list(self._connections)):
            channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- serving

    def _replies(self, wire, transport, client):
        name, end = dns.decode_name(wire, 12)
        number = struct.unpack_from("!H", wire, end)[0]
        query = Query(wire, name, dns.TYPE_NAMES.get(number, f"TYPE{number}"), transport, client[1], client[0])
        if name == ".":
            return query, [Reply(authority=[(".", "SOA", 60, SOA)])]
        with self._lock:
            self.asked.append(query)
        script = self.scripts.get(name.lower(), self.default)
        if callable(script):
            script = script(query)
        if script is None:
            return query, []
        return query, script if isinstance(script, list) else [script]

    def _answer(self, wire, transport, client, send):
        try:
            query, replies = self._replies(wire, transport, client)
        except (IndexError, ValueError, struct.error):
            return
        for reply in replies:
            if reply.delay:
                timer = threading.Timer(reply.delay, self._send, (send, reply, query))
                timer.daemon = True
                timer.start()
            else:
                self._send(send, reply, query)

    def _send(self, send, reply, query):
        with contextlib.suppress(OSError):
            if query.transport == "udp":
                send(reply.wire(query))
                return
            wire = reply.wire(query)
            stream = struct.pack("!H", len(wire)) + wire if reply.stream is None else reply.stream
            if not reply.pace:
                send(stream)
                return
            for octet in stream:
                send(bytes([octet]))
                time.sleep(reply.pace)

    def _serve_udp(self):
        while not self._closing:
            try:
                wire, client = self._udp.recvfrom(65535)
            except OSError:
                continue  # an ICMP error of a client that has left
            if client is None:
                return  # closed
            self._answer(wire, "udp", client, lambda reply, client=client: self._udp.sendto(reply, client))

    def _serve_tcp(self):
        while not self._closing:
            try:
                connection, client = self._tcp.accept()
            except OSError:
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve_connection, args=(connection, client), daemon=True).start()

    def _serve_connection(self, connection, client):
        writing = threading.Lock()
        transport = "tls" if self._tls else "tcp"
        plain = connection

        def send(stream):
            with writing:
                connection.sendall(stream)

        with contextlib.suppress(OSError, ConnectionError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections.discard(plain)  # it has moved
                self._connections.add(connection)
            self.connections += 1
            while True:
                length = struct.unpack("!H", dns.receive(connection, 2))[0]
                self._answer(dns.receive(connection, length), transport, client, send)
        self._connections.discard(plain)
        self._connections.discard(connection)
        connection.close()
