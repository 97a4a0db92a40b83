"""CoreDNS, Knot and Fairlead serve the same zone file and are asked the same questions."""

import itertools

import pytest

from asking import ask_all
from question import MANNERS, Question
from reply import reply
from support import coredns, dns, fairlead
from support.knot import Knot

ZONE = """\
$TTL 60
@           SOA ns hostmaster 7 7200 1800 86400 60
            NS  ns
            NS  ns.elsewhere.test.
            MX  10 mail
ns          A   192.0.2.53
            AAAA 2001:db8::53
mail        A   192.0.2.25
www         A   192.0.2.1
            A   192.0.2.2
            TXT "hello" "world"
alias       CNAME www
hop         CNAME alias
dangling    CNAME nobody
towild      CNAME x.wild
tocut       CNAME host.cut
*.wild      A   192.0.2.9
            MX  10 mail
host.wild   A   192.0.2.10
a.deep.wild A   192.0.2.11
*.cwild     CNAME www
sub.*.odd   TXT "below"
a.b.c.ent   A   192.0.2.12
cut         NS  ns.cut
            NS  ns
ns.cut      A   192.0.2.54
hidden.cut  A   192.0.2.55
tree        DNAME other
            TXT "beside"
x.other     A   192.0.2.56
_http._tcp  SRV 0 0 80 www
            SRV 0 0 81 elsewhere.test.
UPPER       A   192.0.2.57
esc\\.aped   A   192.0.2.58
$ORIGIN gen.example.org.
h2          A   192.0.2.12
"""
NAMES = [
    "", "ns", "mail", "www", "WWW", "x.www", "alias", "hop", "dangling", "towild", "tocut", "wild", "x.wild", "y.x.wild",
    "host.wild", "x.host.wild", "deep.wild", "x.deep.wild", "*.wild", "x.*.wild", "x.cwild", "x.odd", "*.odd", "odd",
    "sub.*.odd", "ent", "c.ent", "a.b.c.ent", "x.b.c.ent", "cut", "ns.cut", "x.cut", "hidden.cut", "tree", "x.tree",
    "nobody.tree", "_tcp", "_http._tcp", "upper", "esc\\.aped", "nobody", "x.y.nobody", "h2.gen", "gen", "h4.gen",
]
TYPES = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "CNAME", "SRV", "DS", "ANY"]
ORIGIN = "example.org"


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    """Of each server by its name, in the order of questions()."""
    if coredns.program() is None:
        pytest.skip("no CoreDNS; tools/dev setup builds it")
    if fairlead.missing("fairlead"):
        pytest.skip(fairlead.missing("fairlead"))
    folder = tmp_path_factory.mktemp("zone")
    (folder / "db").write_text(ZONE)
    found = {}
    for kind in (coredns.CoreDns, fairlead.Fairlead):
        with kind(tmp_path_factory.mktemp(kind.name), f"file {folder}/db {ORIGIN}") as server:
            found[kind.name] = [reply(answer) for answer in ask_all(server.port, questions())]
    zone = f'zone:\n  - domain: {ORIGIN}\n    file: "{folder}/db"\n    semantic-checks: off\n'
    with Knot(folder, zone, probe=ORIGIN) as knot:
        found["knot"] = [reply(answer) for answer in ask_all(knot.port, questions())]
    return found


def questions():
    """Every name with every type, without EDNS, so that replies are compared in what all three say."""
    found = []
    for name, type in itertools.product(NAMES, TYPES):
        labels = [label.encode() for label in name.replace("\\.", "\0").split(".") if label]
        labels = tuple(label.replace(b"\0", b".") for label in labels) + (b"example", b"org")
        found.append(Question(labels, type, TCP))
    return found


TCP = next(manner for manner in MANNERS if manner.name == "TCP, no EDNS")


def without_ttl(section):
    return sorted((name.lower(), type, data.lower()) for name, _, type, data in section)


def said(question, answer):
    """What is compared. Records of the authority section of answers, and additional ones, are the server's choice."""
    is_answer = any(type in (question.type, "ANY") for _, _, type, _ in answer.answer)
    return (answer.rcode, "aa" in answer.flags, without_ttl(answer.answer),
            [] if is_answer else without_ttl(answer.authority))


ONE_RRSET = "ANY has one RRset (RFC 8482); CoreDNS says NODATA, Knot sends all"
ALIAS_SOA = "the SOA of an alias that ends in NODATA (RFC 2308 §2.2)"
ENCLOSER = "the closest encloser and empty non-terminals (RFC 4592)"
MEANT = {"coredns": {ONE_RRSET, ALIAS_SOA, ENCLOSER}, "knot": {ONE_RRSET}}


def meant(question, ours, theirs, peer):
    """Why they may differ, or None."""
    if question.type == "ANY":
        return ONE_RRSET
    if peer == "coredns":
        if (ours.answer == theirs.answer and ours.answer and all(type in ("CNAME", "TYPE39") for _, _, type, _ in ours.answer)
                and [type for _, _, type, _ in ours.authority] == ["SOA"]):
            return ALIAS_SOA
        if question.text.lower().startswith(("x.*.wild.", "x.deep.wild.", "x.host.wild.", "x.odd.", "deep.wild.")):
            return ENCLOSER
    return None


@pytest.mark.parametrize("peer", ["coredns", "knot"])
def test_a_zone_file_is_answered_as_by_others(replies, peer):
    differences, reasons = [], set()
    for question, ours, theirs in zip(questions(), replies["fairlead"], replies[peer], strict=True):
        if said(question, ours) == said(question, theirs):
            continue
        why = meant(question, ours, theirs, peer)
        reasons.add(why)
        if why is None:
            differences.append(f"{question}\n  {peer}: {theirs}\n  fairlead: {ours}")
    assert not differences, f"{len(differences)} differ without a reason:\n" + "\n".join(differences[:40])
    assert reasons == MEANT[peer], "a difference that never occurs is none"
