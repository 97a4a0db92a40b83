"""template over real sockets, beside the cluster's names and an upstream."""

from support.kube import namespace, service
from support.processes import wait_until
from support.upstream import address

CLUSTER = (namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))

DIRECTIVES = r"""
template IN A ip.example {
    match ^(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]ip[.]example[.]$
    answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ .Group.b }}"
    fallthrough
}
template IN ANY shop.example {
    answer "{{ .Name }} 60 IN CNAME web.shop.svc.cluster.local."
}
template IN ANY far.example {
    answer "{{ .Name }} 60 IN CNAME www.example.org."
}
template IN AAAA v4only.example {
    rcode NOERROR
    authority "v4only.example. 60 IN SOA ns.v4only.example. admin.v4only.example. (1 60 60 60 60)"
}
template IN A bad.example {
    answer "{{ .Name }} 60 IN A {{ .Name }}"
}
"""


def test_templates_answer_beside_the_cluster_and_an_upstream(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7"), "x.ip.example.": address("192.0.2.8")})
    server = scenario.server(f"{DIRECTIVES}cache\nforward . {upstream.target}", scenario.cluster(*CLUSTER))
    for name, type, data in [
        ("1-2.ip.example", "A", ["10.0.1.2"]),
        ("x.ip.example", "A", ["192.0.2.8"]),
        ("shop.example", "A", ["10.96.0.1", "web.shop.svc.cluster.local."]),
        ("shop.example", "TXT", ["web.shop.svc.cluster.local."]),
        ("far.example", "A", ["192.0.2.7", "www.example.org."]),
        ("v4only.example", "AAAA", []),
    ]:
        for _ in range(2):
            answer = server.dig(name, type)
            assert answer.rcode == "NOERROR" and answer.data() == data, answer
    assert server.dig("v4only.example", "AAAA").authority[0].type == "SOA"
    assert server.dig("1-2.ip.example").flags >= {"aa", "qr"}
    failed = server.dig("bad.example")
    assert failed.rcode == "SERVFAIL"
    assert any("its text is no record" in text for _, text in failed.extended_errors), failed
    wait_until(lambda: "template: its text is no record" in server.output(), 5, server.output)
    metrics = server.metrics()
    [matches] = [value for key, value in metrics.items()
                 if key.startswith("coredns_template_matches_total") and 'zone="ip.example."' in key]
    assert matches == 3
    assert any(key.startswith("coredns_template_rr_failures_total") and 'section="answer"' in key for key in metrics)


ORDER = r"""
rewrite name old.example.org a.example.org
template IN A example.org {
    match ^a[.]
    answer "{{ .Name }} 60 IN A 10.0.0.1"
    fallthrough
}
template IN A example.org {
    match ^(a|b)[.]
    answer "{{ .Name }} 60 IN A 10.0.0.2"
    fallthrough
}
"""


def test_templates_are_tried_in_order_behind_rewrite(scenario):
    upstream = scenario.upstream({"plain.example.org.": address("192.0.2.9")})
    server = scenario.server(f"forward . {upstream.target}\n{ORDER}")
    assert server.dig("a.example.org").data() == ["10.0.0.1"]
    assert server.dig("old.example.org").data() == ["10.0.0.1"]
    assert server.dig("b.example.org").data() == ["10.0.0.2"]
    assert server.dig("plain.example.org").data() == ["192.0.2.9"]
