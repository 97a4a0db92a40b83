"""CoreDNS and Fairlead read the same hosts, acl, view and dns64 directives and answer the same questions.

No API server is needed here. What is compared is RCODE, AA and TC, and the answer section as a set with its TTLs; what
differs on purpose stands in DIFFERENT, with both replies and the row of README's "Differences from CoreDNS".
"""

import pytest

from corefiles import HEAD
from support import coredns, fairlead
from support.fairlead import REPOSITORY
from world import upstream

HOSTS = """
# a comment
192.0.2.1 www.example.org www
2001:db8::1 www.example.org
192.0.2.2 WWW.example.org other.example.org   # behind a line
192.0.2.9 *.wild.example.org
2001:db8::9 *.wild.example.org
192.0.2.10 a.wild.example.org
fe80::1%eth0 link.example.org
::ffff:192.0.2.7 mapped.example.org
rubbish
192.0.2.3
192.0.2.4 www.example.net
"""


def block(directives, zone="."):
    return f"{zone}:{{port}} {{{HEAD}{directives}\n}}\n"


HOSTS_QUESTIONS = [
    (name, type)
    for name in (
        "www.example.org", "WWW.Example.ORG", "www", "other.example.org", "example.org", "org", "missing.example.org",
        "a.wild.example.org", "b.wild.example.org", "c.b.wild.example.org", "wild.example.org", "*.wild.example.org",
        "link.example.org", "mapped.example.org", "www.example.net", "inline.example.org", "www.example.org.x",
    )
    for type in ("A", "AAAA", "TXT", "PTR", "ANY")
] + [
    (name, type)
    for name in (
        "1.2.0.192.in-addr.arpa", "2.2.0.192.in-addr.arpa", "9.2.0.192.in-addr.arpa", "7.2.0.192.in-addr.arpa",
        "8.2.0.192.in-addr.arpa", "4.2.0.192.in-addr.arpa", "2.0.192.in-addr.arpa", "x.1.2.0.192.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa", "ip6.arpa",
    )
    for type in ("PTR", "A")
]
ACL_QUESTIONS = [
    (name, type)
    for name in ("www.example.org", "a.blocked.example.org", "blocked.example.org", "xblocked.example.org", "dual.example.org")
    for type in ("A", "AAAA", "TXT", "MX")
]
VIEW_QUESTIONS = [
    (name, type) for name in ("a.example.org", "B.example.org", "c.d.example.org", "x.org") for type in ("A", "AAAA", "TXT")
]


def views(*conditions):
    """Blocks that answer with their number, the last for everything."""
    blocks = []
    for number, condition in enumerate([*conditions, None], 1):
        names = " ".join(("a.example.org", "b.example.org", "c.d.example.org", "x.org"))
        view = f"view v{number} {{\n expr {condition}\n}}\n" if condition else ""
        head = HEAD if number == 1 else "\nbind 127.0.0.1\n"
        blocks.append(f".:{{port}} {{{head}{view}hosts /nonexistent {{\n192.0.2.{number} {names}\n2001:db8::{number} {names}\n}}\n}}\n")
    return "".join(blocks)


# Name, Corefile, questions.
EQUAL = [
    ("hosts", block("hosts {hosts}\nwhoami"), HOSTS_QUESTIONS),
    ("hosts with fallthrough", block("hosts {hosts} {\n fallthrough\n}\nforward . {upstream}"), HOSTS_QUESTIONS),
    ("hosts of a zone", block("hosts {hosts} example.org {\n ttl 77\n fallthrough wild.example.org\n}\nwhoami"), HOSTS_QUESTIONS),
    ("hosts without reverse", block("hosts {hosts} {\n no_reverse\n}\nwhoami"), HOSTS_QUESTIONS),
    ("hosts inline", block("hosts {hosts} {\n 192.0.2.8 inline.example.org missing.example.org\n 2001:db8::8 www.example.org\n"
                           " fallthrough\n fallthrough_unsupported\n}\nforward . {upstream}"), HOSTS_QUESTIONS),
    ("acl", block("acl {\n allow type AAAA net 127.0.0.0/8\n block type A net 127.0.0.1\n filter type TXT net *\n"
                  " block net 10.0.0.0/8 2001:db8::/32\n}\nforward . {upstream}"), ACL_QUESTIONS),
    ("acl of zones", block("acl blocked.example.org {\n block type *\n}\nacl example.org {\n allow net 127.0.0.0/8\n}\n"
                           "acl {\n block\n}\nforward . {upstream}"), ACL_QUESTIONS),
    ("acl before the cache", block("cache\nacl {\n filter type A\n}\nforward . {upstream}"), ACL_QUESTIONS),
    ("view by type and name", views("type() == 'A' && name() startsWith 'a.'", "name() matches '^b\\\\.' || type() in ['TXT']",
                                    "not (name() endsWith '.example.org.')"), VIEW_QUESTIONS),
    ("view by client", views("incidr(client_ip(), '10.0.0.0/8')", "incidr(client_ip(), '127.0.0.0/8') and size() > 31"), VIEW_QUESTIONS),
    ("view by the query", views("proto() == 'tcp' or do()", "bufsize() != 1232 or opcode() > 0 or class() != 'IN'",
                                "server_ip() == '127.0.0.1' and len(name()) % 2 == 0", "int(port()) < 1 or id() < 0"), VIEW_QUESTIONS),
    ("view by sums", views("size() * 2 - 1 > 100 ? false : type() == 'A'", "name() contains 'd' and size() / 4 > 7.5",
                           "id() in 1..3 or upper(name()) == 'X.ORG.'"), VIEW_QUESTIONS),
    ("dns64", block("dns64 {\n allow_ipv4\n}\nforward . {upstream}"),
     [(name, type) for name in ("www.example.org", "dual.example.org", "missing.example.org", "nodata.example.org", "alias.example.org")
      for type in ("A", "AAAA", "TXT")]),
    ("dns64 of everything", block("dns64 {\n translate_all\n allow_ipv4\n prefix 2001:db8:64::/48\n}\nforward . {upstream}"),
     [(name, type) for name in ("www.example.org", "dual.example.org", "missing.example.org") for type in ("A", "AAAA")]),
    ("dns64 for IPv6 alone", block("dns64 2001:db8:64::/96\nforward . {upstream}"), [("www.example.org", "AAAA"), ("dual.example.org", "AAAA")]),
]

# Corefile, question, CoreDNS's RCODE and answers, ours, the row of the README.
DIFFERENT = [
    (block("dns64 {\n allow_ipv4\n}\nforward . {upstream}"), ("servfail.example.org", "AAAA"),
     ("NOERROR", []), ("SERVFAIL", []), "`dns64` answers PTR questions"),
    (block("dns64 {\n allow_ipv4\n}\nacl {\n block type AAAA\n}\nforward . {upstream}"), ("www.example.org", "AAAA"),
     ("NOERROR", ["64:ff9b::c000:250"]), ("REFUSED", []), "`dns64` answers PTR questions"),
    (block("dns64 64:ff9b::/96 {\n allow_ipv4\n}\nforward . {upstream}"), ("www.example.org", "AAAA"),
     ("NOERROR", []), ("NOERROR", ["64:ff9b::c000:250"]), "A block behind `dns64 PREFIX`"),
    (block("hosts /nonexistent {\n 192.0.2.1{$NOT_SET:7} www\n}"), ("www", "A"),
     ("NOERROR", ["192.0.2.1"]), ("NOERROR", ["192.0.2.17"]), "`{$NAME:default}`"),
    (block("hosts /nonexistent {\n 192.0.2.1 www www\n}"), ("www", "A"),
     ("NOERROR", ["192.0.2.1", "192.0.2.1"]), ("NOERROR", ["192.0.2.1"]), "Lines of `hosts`"),
]


@pytest.fixture(scope="module")
def outside():
    for reason in (
        coredns.program() is None and "no CoreDNS; tools/dev setup builds it",
        fairlead.missing("fairlead"),
    ):
        if reason:
            pytest.skip(reason)
    with upstream() as server:
        yield server


@pytest.fixture
def ask_both(outside, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text(HOSTS)
    values = {"upstream": outside.target, "hosts": hosts}

    def ask(corefile, questions):
        found = []
        for kind in (coredns.CoreDns, fairlead.Fairlead):
            with kind(tmp_path / kind.name, corefile=corefile, values=values) as server:
                found.append([server.ask(name, type) for name, type in questions])
        return found

    return ask


def shown(answer):
    """Owners in lower case: CoreDNS's hosts has them so, ours keeps the case of the question."""
    records = sorted((record.name.lower(), record.ttl, record.type, record.data) for record in answer.answer)
    return answer.rcode, sorted(answer.flags & {"aa", "tc"}), records


@pytest.mark.parametrize("corefile, questions", [row[1:] for row in EQUAL], ids=[row[0] for row in EQUAL])
def test_replies_are_equal(ask_both, corefile, questions):
    theirs, ours = ask_both(corefile, questions)
    different = [f"{question}\n  CoreDNS: {shown(one)}\n  Fairlead: {shown(other)}"
                 for question, one, other in zip(questions, theirs, ours) if shown(one) != shown(other)]
    assert not different, "\n".join(different)


@pytest.mark.parametrize("corefile, question, theirs, ours, row", DIFFERENT)
def test_what_differs_on_purpose_does_so_in_this_way(ask_both, corefile, question, theirs, ours, row):
    [[one], [other]] = ask_both(corefile, [question])
    assert (one.rcode, one.data()) == theirs
    assert (other.rcode, other.data()) == ours
    assert f"| {row}" in (REPOSITORY / "README.md").read_text()
