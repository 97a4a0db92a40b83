"""Messages that no resolver would send, or only a rare one: headers, counts, names and EDNS out of order."""

import struct
from dataclasses import dataclass

from question import USUAL, Manner
from support import dns

NAME = dns.encode_name("web.shop.svc.cluster.local")
QUESTION = NAME + struct.pack("!2H", dns.TYPES["A"], 1)
OPT = b"\0" + struct.pack("!HHIH", dns.TYPES["OPT"], 1232, 0, 0)
RECORD = NAME + struct.pack("!HHIH4s", dns.TYPES["A"], 1, 60, 4, b"\x0a\0\0\1")


@dataclass(frozen=True)
class Packet:
    """Takes a Question's place; the identifier is set by who sends it."""

    title: str
    body: bytes  # behind the identifier
    manner: Manner = USUAL
    labels: tuple = ()
    type: str = "raw"

    def wire(self, identifier):
        return struct.pack("!H", identifier) + self.body

    lower = ()

    def is_below(self, *_zones):
        return False

    @property
    def text(self):
        return self.title

    def __str__(self):
        return self.title


def _message(title, flags=dns.FLAGS["rd"], counts=(1, 0, 0, 0), body=QUESTION):
    return Packet(title, struct.pack("!5H", flags, *counts) + body)


def _options(title, *options):
    rdata = b"".join(struct.pack("!2H", code, len(body)) + body for code, body in options)
    opt = b"\0" + struct.pack("!HHIH", dns.TYPES["OPT"], 1232, 0, len(rdata)) + rdata
    return _message(title, counts=(1, 0, 0, 1), body=QUESTION + opt)


def _opt(title, size=1232, version=0, extended=0, flags=0, rdata=b"", owner=b"\0", copies=1):
    ttl = extended << 24 | version << 16 | flags
    opt = owner + struct.pack("!HHIH", dns.TYPES["OPT"], size, ttl, len(rdata)) + rdata
    return _message(title, counts=(1, 0, 0, copies), body=QUESTION + opt * copies)


RD = dns.FLAGS["rd"]
PACKETS = [
    *(_message(f"opcode {number}", RD | number << 11) for number in (1, 2, 3, 4, 5, 6, 15)),
    _message("a response", RD | dns.FLAGS["qr"]),
    _message("AA set", RD | dns.FLAGS["aa"]),
    _message("TC set", RD | dns.FLAGS["tc"]),
    _message("RA set", RD | dns.FLAGS["ra"]),
    _message("Z set", RD | 0x40),
    _message("RCODE set", RD | 5),
    _message("no question", counts=(0, 0, 0, 0), body=b""),
    _message("no question, but its octets", counts=(0, 0, 0, 0)),
    _message("two questions", counts=(2, 0, 0, 0), body=QUESTION * 2),
    _message("more questions than there are", counts=(2, 0, 0, 0)),
    _message("a question cut short", body=QUESTION[:-1]),
    _message("a name cut short", body=NAME[:-5]),
    _message("nothing behind the header", body=b""),
    _message("octets behind the message", body=QUESTION + b"junk"),
    _message("a pointer to itself as name", body=b"\xc0\x0c" + QUESTION[-4:]),
    _message("a pointer forwards as name", body=b"\xc0\x10" + QUESTION[-4:] + b"\0"),
    _message("a pointer into the header as name", body=b"\xc0\x05" + QUESTION[-4:]),
    _message("label type 0x40", body=b"\x41a\0" + QUESTION[-4:]),
    _message("label type 0x80", body=b"\x81a\0" + QUESTION[-4:]),
    _message("a name of 256 octets", body=(b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + b"\0" + QUESTION[-4:]),
    _message("a name of 300 octets", body=(b"\x3f" + b"a" * 63) * 4 + b"\x20" + b"a" * 32 + b"\0" + QUESTION[-4:]),
    _message("a record in the answer section", counts=(1, 1, 0, 0), body=QUESTION + RECORD),
    _message("a record in the authority section", counts=(1, 0, 1, 0), body=QUESTION + RECORD),
    _message("a record in the additional section", counts=(1, 0, 0, 1), body=QUESTION + RECORD),
    _message("a record that is missing", counts=(1, 0, 0, 1)),
    _message("a record cut short", counts=(1, 0, 0, 1), body=QUESTION + RECORD[:-2]),
    _opt("EDNS version 1", version=1),
    _opt("EDNS version 255", version=255),
    _opt("two OPT records", copies=2),
    _opt("an OPT record with an owner", owner=b"\1a\0"),
    _opt("EDNS size 0", size=0),
    _opt("EDNS size 65535", size=65535),
    _opt("EDNS flags beyond DO", flags=0x7FFF),
    _opt("an extended RCODE in a query", extended=1),
    _opt("EDNS options cut short", rdata=b"\0\x0a\0\x08abc"),
    _options("a client cookie", (10, b"12345678")),
    _options("a cookie of a wrong length", (10, b"123")),
    _options("a client subnet", (8, b"\0\1\x18\0\xc0\0\2")),
    _options("a malformed client subnet", (8, b"\0\1\xff\0")),
    _options("NSID", (3, b"")),
    _options("padding", (12, b"\0" * 20)),
    _options("TCP keepalive over UDP", (11, b"")),
    _options("an unknown option", (65001, b"hello")),
    _options("an Extended DNS Error in a query", (15, b"\0\1")),
]

# Those of which RFC 1035 §4 or RFC 6891 §6.1.1 says that there is no such message, and that CoreDNS answers.
BROKEN = [
    packet
    for packet in PACKETS
    if packet.title
    in (
        "nothing behind the header",
        "octets behind the message",
        "a pointer forwards as name",
        "a pointer into the header as name",
        "a record in the answer section",
        "a record that is missing",
        "two OPT records",
        "an OPT record with an owner",
    )
]
