"""rewrite over real sockets: what an upstream is asked, and what the client gets."""

import pytest

from support import dns
from support.kube import namespace, service
from support.processes import wait_until
from support.upstream import Reply, address

CLUSTER = (namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))

# Rules, the question, what the upstream is asked, and the answer: owner, type and data of each record.
ROWS = [
    ("rewrite name old.example.org new.example.org", "Old.example.org.", "new.example.org.",
     [("Old.example.org.", "A", "192.0.2.1")]),
    ("rewrite name suffix .rocks .consul answer auto", "db.rocks.", "db.consul.", [("db.rocks.", "CNAME", "x.db.rocks."), ("x.db.rocks.", "A", "192.0.2.2")]),
    ("rewrite name suffix .rocks .consul", "db.rocks.", "db.consul.", [("db.consul.", "CNAME", "x.db.consul."), ("x.db.consul.", "A", "192.0.2.2")]),
    (r"rewrite name regex (.*)\.rocks {1}.consul answer name (.*)\.consul {1}.rocks", "db.rocks.", "db.consul.",
     [("db.rocks.", "CNAME", "x.db.consul."), ("x.db.rocks.", "A", "192.0.2.2")]),
    (r"rewrite name regex (.*)\.rocks {1}.consul answer value (.*)\.consul {1}.rocks", "db.rocks.", "db.consul.",
     [("db.consul.", "CNAME", "x.db.rocks."), ("x.db.consul.", "A", "192.0.2.2")]),
    # The target of an alias, and what it leads to.
    (r"rewrite cname regex (.*)\.cdn\.example\.net\. {1}.other.example.net.", "app.example.org.", "app.example.org.",
     [("app.example.org.", "CNAME", "app.example.com."), ("app.example.com.", "CNAME", "app.other.example.net."),
      ("app.other.example.net.", "A", "192.0.2.4")]),
    ("rewrite cname gone.example.net. gone.cdn.example.com", "lost.example.org.", "lost.example.org.",
     [("lost.example.org.", "CNAME", "gone.cdn.example.com.")]),
    ("rewrite cname substring nothing some", "app.example.org.", "app.example.org.",
     [("app.example.org.", "CNAME", "app.example.com."), ("app.example.com.", "CNAME", "app.cdn.example.net."),
      ("app.cdn.example.net.", "A", "192.0.2.3")]),
]

SCRIPTS = {
    "new.example.org.": address("192.0.2.1"),
    "db.consul.": Reply([("@", "CNAME", 60, "x.db.consul."), ("x.db.consul.", "A", 60, "192.0.2.2")]),
    "app.example.org.": Reply([("@", "CNAME", 60, "app.example.com."), ("app.example.com.", "CNAME", 60, "app.cdn.example.net."),
                               ("app.cdn.example.net.", "A", 60, "192.0.2.3")]),
    "app.other.example.net.": address("192.0.2.4"),
    "lost.example.org.": Reply([("@", "CNAME", 60, "gone.example.net.")]),
}


def asked_names(upstream):
    """Without those that the test's own start makes."""
    names = [query.name.lower() for query in upstream.asked]
    return [name for name in names if not name.endswith(".invalid.")]


@pytest.mark.parametrize("cache", ["", "cache\n"], ids=["forward", "cache"])
def test_names_are_rewritten_for_upstreams_and_back(scenario, cache):
    for rules, question, asked, expected in ROWS:
        upstream = scenario.upstream(SCRIPTS)
        server = scenario.server(f"{rules}\n{cache}forward . {upstream.target}")
        for _ in range(2 if cache else 1):
            answer = server.dig(question)
            assert [(r.name, r.type, r.data) for r in answer.answer] == expected, rules
            assert answer.question.lower().startswith(question.lower()), answer.question
        assert asked_names(upstream)[0] == asked, rules


def test_a_cluster_name_has_another_name(scenario):
    server = scenario.server("rewrite name shop.example.org web.shop.svc.cluster.local", scenario.cluster(*CLUSTER))
    assert server.dig("shop.example.org").data() == ["10.96.0.1"]
    assert server.dig("web.shop.svc.cluster.local").data() == ["10.96.0.1"]


def test_type_ttl_and_rcode(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=5), "bad.example.org.": Reply(rcode="SERVFAIL")})
    server = scenario.server(
        "rewrite continue type ANY A\nrewrite continue ttl suffix .example.org. 30-300\n"
        f"rewrite rcode regex (.*)\\.example\\.org 2 NXDOMAIN\nforward . {upstream.target}")
    [record] = server.dig("www.example.org", "ANY", "+notcp").answer
    assert (record.type, record.ttl) == ("A", 30)
    assert {query.type for query in upstream.asked if query.name.lower() == "www.example.org."} == {"A"}
    assert server.dig("bad.example.org").rcode == "NXDOMAIN"


def test_aliases_that_lead_to_each_other_end(scenario):
    upstream = scenario.upstream({"a.example.org.": Reply([("@", "CNAME", 60, "b.example.org.")]),
                                  "c.example.org.": Reply([("@", "CNAME", 60, "b.example.org.")])})
    server = scenario.server(f"rewrite cname b.example.org. c.example.org\nforward . {upstream.target}")
    answer = server.dig("a.example.org")
    assert answer.answer and answer.answer[0].data == "c.example.org."
    assert len(asked_names(upstream)) <= 12
    with dns.Channel(server.port) as client:
        assert len(client.ask_all([("a.example.org.", "A")] * 100)) == 100


def test_metrics_and_log_have_the_question_of_the_client(scenario):
    upstream = scenario.upstream(SCRIPTS)
    server = scenario.server(f"log\nrewrite name old.example.org new.example.org\nforward . {upstream.target}")
    server.dig("old.example.org")
    wait_until(lambda: '"A IN old.example.org. udp' in server.output(), 5, server.output)
    assert 'plugin="forward"' in server.metrics_page()


def test_options_reach_the_upstream_and_decide_what_the_cache_gives(scenario):
    def by_subnet(query):
        return address("192.0.2.8" if SUBNET in query.wire else "192.0.2.9")

    upstream = scenario.upstream({"www.example.org.": by_subnet})
    server = scenario.server(
        "rewrite continue type TXT A\nrewrite continue edns0 local set 0xffee abcd\n"
        f"rewrite edns0 subnet set 24 56\ncache\nforward . {upstream.target}")
    for _ in range(10):
        assert server.ask("www.example.org.", edns_option=(10, b"12345678")).data() == ["192.0.2.8"]
    queries = [query for query in upstream.asked if query.name.lower() == "www.example.org."]
    assert len(queries) < 5, "each worker has a cache of its own"
    for query in queries:
        assert b"\xff\xee\0\4abcd" in query.wire
        assert SUBNET in query.wire
        assert b"12345678" not in query.wire, "the client's cookie"
    # Behind the same cache without the option: another question.
    plain = scenario.server(f"rewrite name x.example.org www.example.org\ncache\nforward . {upstream.target}")
    assert plain.ask("x.example.org.").data() == ["192.0.2.9"]


SUBNET = b"\0\x08\0\7\0\1\x18\0\x7f\0\0"
