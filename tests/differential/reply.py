"""A reply in the form that is compared: sections without order, and without what differs from run to run."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Reply:
    """Sections are sorted tuples of (name, ttl, type, data); an SOA's serial is left out."""

    rcode: str
    flags: frozenset = frozenset()
    question: str = ""
    answer: tuple = ()
    authority: tuple = ()
    additional: tuple = ()
    edns: tuple = None  # (UDP payload size, version, DO, option codes)
    extended_errors: tuple = ()

    def with_(self, **changes):
        return replace(self, **changes)

    @property
    def is_nodata(self):
        return self.rcode == "NOERROR" and not self.answer

    @property
    def records(self):
        return self.answer + self.authority + self.additional

    def __str__(self):
        size, version, do, options = self.edns or (None, 0, False, ())
        edns = f"EDNS {size}{' DO' if do else ''}{f' version {version}' if version else ''}"
        edns += f" options {list(options)}" if options else ""
        lines = [f"{self.rcode} {' '.join(sorted(self.flags))}{', ' + edns if self.edns else ''}, for {self.question}"]
        for section in ("answer", "authority", "additional"):
            lines += [f"{section}: {' '.join(map(str, record))}" for record in getattr(self, section)]
        lines += [f"EDE {code}: {text}" for code, text in self.extended_errors]
        return "\n".join(lines)


NONE = Reply("no reply")


def reply(answer):
    """From a dns.Answer; None is no reply at all."""
    if answer is None:
        return NONE
    edns = answer.edns and (*answer.edns[:3], tuple(answer.edns[3]))
    return Reply(
        answer.rcode,
        frozenset(answer.flags),
        answer.question,
        _section(answer.answer),
        _section(answer.authority),
        _section(answer.additional),
        edns,
        tuple(answer.extended_errors),
    )


def section(records):
    """A section of the form above, of records in any order."""
    return tuple(sorted(records))


def _section(records):
    return section((record.name, record.ttl, record.type, _without_serial(record)) for record in records)


def _without_serial(record):
    if record.type != "SOA":
        return record.data
    primary, mailbox, _, *times = record.data.split()
    return " ".join([primary, mailbox, "SERIAL", *times])
