"""CoreDNS and Fairlead under Corefiles of directives that make or change answers by rules: the same questions, in front of
the same upstream, without a cluster."""

import pytest

from support import coredns, fairlead
from support.upstream import Reply, Upstream, address

UPSTREAM = {
    "new.example.org.": address("192.0.2.1"),
    "x.service.consul.": Reply([("@", "CNAME", 60, "y.service.consul."), ("y.service.consul.", "A", 60, "192.0.2.2")]),
    "ftp.service.us-west-1.consul.": address("192.0.2.3"),
    "1.2.0.192.in-addr.arpa.": Reply([("@", "PTR", 60, "host.service.consul.")]),
    "app.example.org.": Reply([("@", "CNAME", 90, "app.example.com."), ("app.example.com.", "CNAME", 80, "app.cdn.example.net."),
                               ("app.cdn.example.net.", "A", 70, "192.0.2.4")]),
    "app.other.example.net.": address("192.0.2.5", ttl=33),
    "failing.example.org.": Reply(rcode="SERVFAIL"),
    "www.example.org.": address("192.0.2.6", "192.0.2.7", ttl=100),
    "ns.example.org.": Reply([("@", "NS", 60, "a.service.consul.")], authority=[("service.consul.", "NS", 60, "b.service.consul.")]),
}

# Directives, and questions: name and type.
REWRITES = [
    ("rewrite name old.example.org new.example.org", "old.example.org A", "OLD.example.org A", "x.old.example.org A", "old.example.org TXT"),
    ("rewrite name exact old.example.org. new.example.org. answer value (.*) {1}", "old.example.org A"),
    ("rewrite name prefix old new answer auto", "old.example.org A", "older.example.org A"),
    ("rewrite name suffix .coredns.rocks .service.consul", "x.coredns.rocks A", "coredns.rocks A"),
    ("rewrite name suffix .coredns.rocks .service.consul answer auto", "x.coredns.rocks A", "y.z.coredns.rocks A"),
    ("rewrite name suffix rocks service.consul answer auto", "x.rocks A"),
    ("rewrite name substring coredns.rocks service.consul", "x.coredns.rocks A"),
    (r"rewrite name regex (.*)-(us-west-1)\.coredns\.rocks {1}.service.{2}.consul", "ftp-us-west-1.coredns.rocks A"),
    (r"rewrite name regex (.*)-(us-west-1)\.coredns\.rocks {1}.service.{2}.consul answer name (.*)\.service\.(us-west-1)\.consul {1}-{2}.coredns.rocks",
     "ftp-us-west-1.coredns.rocks A"),
    ("rewrite stop {\n    name suffix .arpa .arpa\n    answer name (.*)\\.nothing {1}.x\n    answer value (.*)\\.service\\.consul\\. {1}.coredns.rocks.\n}",
     "1.2.0.192.in-addr.arpa PTR", "2.2.0.192.in-addr.arpa PTR"),
    (r"rewrite name regex (.*) {1} answer value (.*)\.service\.consul {1}.rocks", "ns.example.org NS", "x.service.consul A"),
    ("rewrite continue name suffix .a.example .b.example answer auto\nrewrite name suffix .b.example .service.consul answer auto",
     "x.a.example A", "x.b.example A"),
    ("rewrite name suffix .a.example .b.example answer auto\nrewrite name suffix .b.example .service.consul answer auto", "x.a.example A"),
    ("rewrite type AAAA A", "www.example.org AAAA", "www.example.org A", "www.example.org TXT"),
    ("rewrite class IN IN", "www.example.org A"),
    ("rewrite ttl www.example.org. 30", "www.example.org A"),
    ("rewrite ttl suffix .example.org 30-50", "www.example.org A", "app.example.org A"),
    ("rewrite ttl regex (.*) 75-85", "app.example.org A"),
    ("rewrite ttl substring nothing 30", "www.example.org A"),
    ("rewrite ttl www.example.org -30", "www.example.org A"),
    ("rewrite rcode regex (.*)\\.example\\.org SERVFAIL NXDOMAIN", "failing.example.org A", "www.example.org A"),
    ("rewrite rcode failing.example.org 2 0", "failing.example.org A", "missing.example.org A"),
    (r"rewrite cname regex (.*)\.cdn\.example\.net\. {1}.other.example.net.", "app.example.org A", "app.example.org AAAA", "www.example.org A"),
    ("rewrite cname exact app.cdn.example.net app.other.example.net", "app.example.org A"),
    ("rewrite cname suffix cdn.example.net. other.example.net.", "app.example.org A"),
    ("rewrite cname prefix app.cdn app.other", "app.example.org A"),
    ("rewrite name regex (.*)\\.bad {1}..example", "x.bad A"),
]

IP = r"^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]example[.]$"
TEMPLATES = [
    ("template ANY ANY invalid {\n    rcode NXDOMAIN\n    authority \"invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)\"\n    ederror 21 Blocked\n}",
     "a.invalid A", "b.invalid TXT", "invalid ANY", "www.example.org A"),
    (f"template IN A example {{\n    match {IP}\n    answer \"{{{{ .Name }}}} 60 IN A 10.0.{{{{ .Group.a }}}}.{{{{ .Group.b }}}}\"\n    fallthrough\n}}",
     "ip-1-2.example A", "IP-1-2.Example A", "other.example A", "ip-1-2.example AAAA", "ip-1-2.example ANY", "ip-300-2.example A"),
    (f"template IN A example {{\n    match {IP}\n    answer \"{{{{ .Name }}}} 60 IN A 10.0.0.1\"\n}}", "other.example A", "ip-1-2.example A", "example A"),
    ("template IN MX example {\n    answer \"{{ .Name }} 60 IN MX 10 {{ .Name }}\"\n    additional \"{{ .Name }} 60 IN A 10.0.0.1\"\n    authority \"example. 60 IN NS ns0.example.\"\n}",
     "a.example MX", "a.example A"),
    ('template IN TXT example {\n    match ^([0-9a-f]*)[.]\n    answer "{{ .Name }} IN TXT \\"{{ parseInt (index .Group `1`) 16 16 }} {{ .Zone }} {{ .Type }} {{ len .Match }}\\""\n}',
     "ff.example TXT", "fffff.example TXT", "x.example TXT"),
    ('template IN A example {\n    answer "{{ if eq .Name `a.example.` }}{{ .Name }} 1 IN A 10.0.0.1{{ else }}{{ .Name }} 1 IN A 10.0.0.2{{ end }}"\n}', "a.example A", "b.example A"),
    ('template IN TXT example {\n    answer "{{ range $i, $m := .Match }}{{ $.Name }} 1 IN TXT {{ printf `%03d-%s-%x` $i $m $m }}{{ end }}"\n}', "a.example TXT"),
    ('template IN TXT example {\n    answer "{{ .Name }} 1 IN TXT {{ slice .Name 0 1 }}{{ .Question.Qtype }}{{ .Group.nothing }}{{ index .Group `nothing` }}"\n}', "a.example TXT"),
    ('template IN A example {\n    answer "{{ .Name }} 1 IN A {{ .Name }}"\n}', "a.example A"),
    ('template IN ANY example {\n    answer "{{ .Name }} 60 IN CNAME www.example.org."\n}', "a.example A", "a.example TXT", "a.example AAAA"),
    ("template IN AAAA . {\n    rcode NOERROR\n}", "www.example.org AAAA", "www.example.org A"),
    ("template IN A example {\n    rcode SERVFAIL\n}", "a.example A"),
    ("template IN ANY a.example b.example {\n    match ^x[.] ^y[.]\n    rcode REFUSED\n    fallthrough b.example\n}\ntemplate IN ANY example {\n    rcode NXDOMAIN\n}",
     "x.a.example A", "y.b.example A", "z.a.example A", "z.b.example A", "z.c.example A"),
    ('rewrite name old.example a.example\ntemplate IN A example {\n    answer "{{ .Name }} 60 IN A 10.0.0.1"\n}', "old.example A", "a.example A"),
]


def section(records):
    return sorted((record.name.lower(), record.ttl, record.type, record.data.lower()) for record in records if record.type != "OPT")


def text_of(answer):
    return {
        "rcode": answer.rcode,
        "flags": sorted(answer.flags),
        "answer": section(answer.answer),
        "authority": section(answer.authority),
        "additional": section(answer.additional),
    }


@pytest.fixture(scope="module")
def outside():
    with Upstream(UPSTREAM) as server:
        yield server


@pytest.mark.parametrize("row", REWRITES + TEMPLATES, ids=lambda row: row[0].split("\n")[0][:60])
def test_both_give_the_same_answers(tmp_path, outside, row):
    for reason in (
        coredns.program() is None and "no CoreDNS; tools/dev setup builds it",
        fairlead.missing("fairlead"),
    ):
        if reason:
            pytest.skip(reason)
    directives, *questions = row
    found = []
    for kind in (coredns.CoreDns, fairlead.Fairlead):
        with kind(tmp_path / kind.name, f"{directives}\nforward . {outside.target}") as server:
            found.append({question: text_of(server.ask(*question.split(" "), timeout=6)) for question in questions})
    theirs, ours = found
    assert ours == theirs
