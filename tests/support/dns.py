"""DNS messages as tests need them: a question out, an answer in, without any library.

dig (support/dig.py) is for assertions about answers; this is for loops that ask thousands of questions, and for bytes
that dig would not send.
"""

import ipaddress
import os
import random
import socket
import struct
from dataclasses import dataclass, field

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33,
    "NAPTR": 35, "OPT": 41, "DS": 43, "DNSKEY": 48, "SVCB": 64, "HTTPS": 65, "IXFR": 251, "AXFR": 252, "ANY": 255,
    "CAA": 257,
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = {
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS", 23: "BADCOOKIE",
}
FLAGS = {"qr": 0x8000, "aa": 0x0400, "tc": 0x0200, "rd": 0x0100, "ra": 0x0080, "ad": 0x0020, "cd": 0x0010}
OPTION_EDE = 15


@dataclass
class Record:
    """One resource record in presentation form."""

    name: str
    ttl: int
    type: str
    data: str


@dataclass
class Answer:
    """A response, as dig shows it: the names keep their case and end in a dot."""

    rcode: str = ""
    flags: set = field(default_factory=set)
    question: str = ""
    answer: list = field(default_factory=list)
    authority: list = field(default_factory=list)
    additional: list = field(default_factory=list)
    extended_errors: list = field(default_factory=list)  # pairs of (code, text), RFC 8914
    edns: tuple = None  # (UDP payload size, version, DO, codes of the options), where decode() saw an OPT record

    def data(self, type=None):
        """The RDATA of the answer section, sorted, of one type or of all."""
        return sorted(record.data for record in self.answer if type in (None, record.type))

    def __str__(self):
        lines = [f"{self.rcode} {' '.join(sorted(self.flags))} for {self.question}"]
        for section in ("answer", "authority", "additional"):
            lines += [f"  {section}: {r.name} {r.ttl} {r.type} {r.data}" for r in getattr(self, section)]
        lines += [f"  EDE {code}: {text}" for code, text in self.extended_errors]
        return "\n".join(lines)


def encode_name(name):
    wire = b""
    for label in name.rstrip(".").split("."):
        if label:
            wire += bytes([len(label)]) + label.encode("latin-1")
    return wire + b"\0"


def encode_query(name, type="A", identifier=None, flags=FLAGS["rd"], udp_size=1232, dnssec_ok=False,
                 edns_option=None):
    """A query with one question, and an OPT record unless udp_size is None; `edns_option` is (code, data)."""
    if identifier is None:
        identifier = random.randrange(0x10000)
    number = type if isinstance(type, int) else TYPES[type]
    wire = struct.pack("!6H", identifier, flags, 1, 0, 0, 0 if udp_size is None else 1)
    wire += encode_name(name) + struct.pack("!2H", number, 1)
    if udp_size is not None:
        rdata = struct.pack("!2H", edns_option[0], len(edns_option[1])) + edns_option[1] if edns_option else b""
        wire += b"\0" + struct.pack("!HHIH", TYPES["OPT"], udp_size, 0x8000 if dnssec_ok else 0, len(rdata)) + rdata
    return wire


def decode_name(wire, offset):
    """Returns (name, offset behind it). A pointer must lead backwards, which bounds the loop."""
    labels, behind = [], None
    while True:
        length = wire[offset]
        if length >= 0xC0:
            target = struct.unpack_from("!H", wire, offset)[0] & 0x3FFF
            if behind is None:
                behind = offset + 2
            if target >= offset:
                raise ValueError("compression pointer does not lead backwards")
            offset = target
        elif length > 63:
            raise ValueError("unknown label type")
        elif length == 0:
            return ".".join(labels) + ".", (offset + 1 if behind is None else behind)
        else:
            labels.append(wire[offset + 1 : offset + 1 + length].decode("latin-1"))
            offset += 1 + length


def decode(wire):
    """Parses a whole response; ValueError, IndexError or struct.error mean that it is malformed."""
    identifier, flags, questions, answers, authorities, additionals = struct.unpack_from("!6H", wire)
    message = Answer(flags={name for name, bit in FLAGS.items() if flags & bit})
    rcode = flags & 0xF
    offset = 12
    for _ in range(questions):
        name, offset = decode_name(wire, offset)
        number = struct.unpack_from("!H", wire, offset)[0]
        message.question = f"{name} {TYPE_NAMES.get(number, f'TYPE{number}')}"
        offset += 4
    for section, count in ((message.answer, answers), (message.authority, authorities), (message.additional, additionals)):
        for _ in range(count):
            name, offset = decode_name(wire, offset)
            number, klass, ttl, length = struct.unpack_from("!HHIH", wire, offset)
            offset += 10
            if offset + length > len(wire):
                raise ValueError("RDATA reaches beyond the message")
            if number == TYPES["OPT"]:
                rcode |= (ttl >> 24) << 4
                message.extended_errors += _extended_errors(wire[offset : offset + length])
                codes = [code for code, _ in _options(wire[offset : offset + length])]
                message.edns = (klass, ttl >> 16 & 0xFF, bool(ttl & 0x8000), codes)
            else:
                data = _rdata(wire, offset, length, number)
                section.append(Record(name, ttl, TYPE_NAMES.get(number, f"TYPE{number}"), data))
            offset += length
    if offset != len(wire):
        raise ValueError(f"{len(wire) - offset} octets behind the message")
    message.rcode = RCODES.get(rcode, str(rcode))
    return message


def _options(rdata):
    found, offset = [], 0
    while offset + 4 <= len(rdata):
        code, length = struct.unpack_from("!2H", rdata, offset)
        found.append((code, rdata[offset + 4 : offset + 4 + length]))
        offset += 4 + length
    return found


def _extended_errors(rdata):
    return [
        (struct.unpack_from("!H", body)[0], body[2:].decode(errors="replace"))
        for code, body in _options(rdata) if code == OPTION_EDE]


def _rdata(wire, offset, length, number):
    name = TYPE_NAMES.get(number)
    rdata = wire[offset : offset + length]
    if name in ("A", "AAAA"):
        return str(ipaddress.ip_address(rdata))
    if name in ("NS", "CNAME", "PTR"):
        return decode_name(wire, offset)[0]
    if name == "MX":
        return f"{struct.unpack_from('!H', rdata)[0]} {decode_name(wire, offset + 2)[0]}"
    if name == "SRV":
        priority, weight, port = struct.unpack_from("!3H", rdata)
        return f"{priority} {weight} {port} {decode_name(wire, offset + 6)[0]}"
    if name == "SOA":
        primary, behind = decode_name(wire, offset)
        mailbox, behind = decode_name(wire, behind)
        return " ".join([primary, mailbox, *map(str, struct.unpack_from("!5I", wire, behind))])
    if name in ("TXT", "HINFO"):
        strings, at = [], 0
        while at < length:
            strings.append('"' + rdata[at + 1 : at + 1 + rdata[at]].decode("latin-1") + '"')
            at += 1 + rdata[at]
        return " ".join(strings)
    return rdata.hex()


def ask(port, name, type="A", address="127.0.0.1", timeout=2.0, tcp=False, **query):
    """One question, one answer. Raises socket.timeout (TimeoutError) when none comes."""
    wire = exchange(port, encode_query(name, type, **query), address, timeout, tcp)
    return decode(wire)


def exchange(port, wire, address="127.0.0.1", timeout=2.0, tcp=False):
    """Sends raw bytes and returns the raw response with the same identifier."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        channel.connect((address, port))
        if not tcp:
            channel.send(wire)
            while True:
                response = channel.recv(65535)
                if response[:2] == wire[:2]:
                    return response
        channel.sendall(struct.pack("!H", len(wire)) + wire)
        length = struct.unpack("!H", receive(channel, 2))[0]
        return receive(channel, length)


def receive(channel, length):
    data = b""
    while len(data) < length:
        part = channel.recv(length - len(data))
        if not part:
            raise ConnectionError("closed before the answer was complete")
        data += part
    return data


def random_label():
    return os.urandom(6).hex()


class Channel:
    """One UDP socket: what it asks is answered by one worker of the server, whose cache and upstream queries it shares.

    send() and receive() do not wait for each other; ask() does both.
    """

    def __init__(self, port, address="127.0.0.1", timeout=5.0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.settimeout(timeout)
        self._socket.connect((address, port))
        self._identifier = random.randrange(0x8000)

    def send(self, name, type="A", **query):
        """Returns the identifier that the answer will have."""
        self._identifier = (self._identifier + 1) % 0x10000
        self._socket.send(encode_query(name, type, self._identifier, **query))
        return self._identifier

    def receive(self):
        """(identifier, Answer) of the next reply."""
        wire = self._socket.recv(65535)
        return struct.unpack_from("!H", wire)[0], decode(wire)

    def ask(self, name, type="A", **query):
        identifier = self.send(name, type, **query)
        while True:
            answered, answer = self.receive()
            if answered == identifier:
                return answer

    def ask_all(self, questions):
        """Sends all (name, type) at once; the Answers in the order of the questions."""
        identifiers = [self.send(*question) for question in questions]
        answers = dict(self.receive() for _ in questions)
        return [answers[identifier] for identifier in identifiers]

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
