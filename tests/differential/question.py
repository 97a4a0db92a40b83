"""One question as a client may put it, and how it looks on the wire."""

import struct
import zlib
from dataclasses import dataclass

from support import dns

RD, AD, CD = dns.FLAGS["rd"], dns.FLAGS["ad"], dns.FLAGS["cd"]


@dataclass(frozen=True)
class Manner:
    """How a question is put: transport, flags and EDNS."""

    name: str
    tcp: bool = False
    flags: int = RD
    udp_size: int | None = 1232  # None is no OPT record
    dnssec_ok: bool = False
    klass: int = 1


USUAL = Manner("usual")
MANNERS = [
    USUAL,
    Manner("no EDNS", udp_size=None),
    Manner("512 octets", udp_size=512),
    Manner("4096 octets", udp_size=4096),
    Manner("DO", dnssec_ok=True),
    Manner("CD and AD", flags=RD | CD | AD),
    Manner("no RD", flags=0),
    Manner("TCP", tcp=True),
    Manner("TCP, no EDNS", tcp=True, udp_size=None),
    Manner("TCP, DO", tcp=True, dnssec_ok=True),
]
CHAOS = Manner("class CH", klass=3)
HESIOD_NO_EDNS = Manner("class HS, no EDNS", klass=4, udp_size=None)
ANY_CLASS = Manner("class ANY", klass=255)


@dataclass(frozen=True)
class Question:
    labels: tuple  # of bytes, without the root's
    type: str
    manner: Manner = USUAL

    def wire(self, identifier):
        manner = self.manner
        header = struct.pack("!6H", identifier, manner.flags, 1, 0, 0, 0 if manner.udp_size is None else 1)
        name = b"".join(bytes([len(label)]) + label for label in self.labels) + b"\0"
        wire = header + name + struct.pack("!2H", type_number(self.type), manner.klass)
        if manner.udp_size is not None:
            flags = 0x8000 if manner.dnssec_ok else 0
            wire += b"\0" + struct.pack("!HHIH", dns.TYPES["OPT"], manner.udp_size, flags, 0)
        return wire

    @property
    def lower(self):
        return tuple(label.lower() for label in self.labels)

    def is_below(self, *zones):
        """Whether the name is one of these zones' (text, in lower case) or below."""
        return any(self.lower[len(self.labels) - len(zone) :] == zone for zone in map(labels_of, zones))

    @property
    def text(self):
        return "".join(_escape(label) + "." for label in self.labels) or "."

    def __str__(self):
        return f"{self.text} {self.type}" + ("" if self.manner == USUAL else f" ({self.manner.name})")


def type_number(type):
    return int(type[4:]) if type.startswith("TYPE") else dns.TYPES[type]


def labels_of(text):
    """The labels of a name without escapes."""
    return tuple(label.encode("latin-1") for label in text.rstrip(".").split(".") if label)


def question(name, type, manner=None):
    """A question for a name in text or for a tuple of labels. Without a manner, one of them all, picked by a sum of the
    question, so that each run asks in the same ways."""
    labels = name if isinstance(name, tuple) else labels_of(name)
    if manner is None:
        # Half of the questions come the usual way.
        number = zlib.crc32(b".".join(labels) + type.encode()) % (2 * len(MANNERS))
        manner = MANNERS[number] if number < len(MANNERS) else USUAL
    return Question(labels, type, manner)


def _escape(label):
    return "".join(
        f"\\{chr(octet)}" if chr(octet) in '.\\"' else chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}"
        for octet in label
    )
