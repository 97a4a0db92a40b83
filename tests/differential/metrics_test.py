"""/metrics of CoreDNS and Fairlead under the same Corefile, with the same cluster and upstream, after the same queries:
families, help, types, labels, buckets and counts are equal, or differ as the tables here say."""

import math
import re
import time

import pytest

import dashboards
import metrics_page
from support import coredns, dns, fairlead
from support.dns import Channel
from support.fairlead import REPOSITORY
from support.kube import endpoint_slice, namespace, service
from support.kubesim import KubeSim
from support.processes import free_port, wait_until
from support.upstream import Reply, Upstream, address, nxdomain

# Several zones, so that what none of them serves is dropped. Cluster names and the names of rules are kept out of the
# cache in both. Without `loop`, which has no metrics: its probes are counted as queries, at moments of their own.
COREFILE = """
cluster.local:{port} in-addr.arpa:{port} example.org:{port} rules.test:{port} dead.test:{port} policy.test:{port} {
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health} {
        lameduck 1s
    }
    ready 127.0.0.1:{ready}
    prometheus 127.0.0.1:{metrics}
    acl policy.test {
        block type A
        filter type MX
        allow
    }
    hosts {hosts} rules.test {
        192.0.2.1 inline.rules.test
        fallthrough
    }
    template IN A rules.test {
        match ^made[.]
        answer "{{ .Name }} 60 IN A 192.0.2.2"
        fallthrough
    }
    template IN A rules.test {
        match ^bad[.]
        answer "{{ .Name }} 60 IN A {{ .Name }}"
        fallthrough
    }
    kubernetes cluster.local in-addr.arpa {
        endpoint {api}
        pods insecure
        fallthrough in-addr.arpa
        ttl 30
    }
    cache 30 example.org {
        servfail 0s
    }
    forward dead.test 127.0.0.1:{dead} {
        max_fails 1
        health_check 100ms
    }
    forward . {upstream} {
        max_concurrent 1000
    }
    reload
    loadbalance
}
"""

CLUSTER = [
    namespace("shop"),
    service("web", "shop", clusterIP="10.96.7.1", ports=[("http", 80)]),
    service("db", "shop", clusterIP="None"),
    endpoint_slice("db-1", "db", "shop", ["10.244.0.5", "10.244.0.6"]),
]

UPSTREAM = {
    "www.example.org.": address("192.0.2.7"),
    "other.example.org.": address("192.0.2.8", "192.0.2.9"),
    "nobody.example.org.": nxdomain(),
    "servfail.example.org.": Reply(rcode="SERVFAIL"),
    "4.3.2.1.in-addr.arpa.": nxdomain(zone="in-addr.arpa."),
    "policy.test.": Reply(rcode="NOERROR"),
}

# Name, type, how often. Over UDP by one client, since Fairlead's cache is its worker's.
QUERIES = [
    ("web.shop.svc.cluster.local", "A", 5),
    ("web.shop.svc.cluster.local", "AAAA", 2),
    ("db.shop.svc.cluster.local", "A", 2),
    ("_http._tcp.web.shop.svc.cluster.local", "SRV", 1),
    ("nobody.shop.svc.cluster.local", "A", 3),
    ("www.example.org.shop.svc.cluster.local", "AAAA", 2),
    ("cluster.local", "SOA", 1),
    ("cluster.local", "NS", 1),
    ("1.7.96.10.in-addr.arpa", "PTR", 1),
    ("4.3.2.1.in-addr.arpa", "PTR", 1),
    ("inline.rules.test", "A", 2),
    ("made.rules.test", "A", 2),
    ("bad.rules.test", "A", 1),
    ("www.example.org", "A", 4),
    ("other.example.org", "A", 2),
    ("nobody.example.org", "A", 3),
    ("servfail.example.org", "A", 1),
    ("www.example.org", "HTTPS", 1),
    ("www.example.org", 65280, 1),
    ("x.dead.test", "A", 1),
    ("policy.test", "A", 2),
    ("policy.test", "MX", 1),
    ("policy.test", "TXT", 1),
    ("outside.example.net", "A", 2),
]
TCP_QUERIES = [("web.shop.svc.cluster.local", "A", 2), ("nobody.shop.svc.cluster.local", "TXT", 1)]
DO_QUERIES = [("web.shop.svc.cluster.local", "A", 2)]
MALFORMED = [b"", b"\x12", dns.encode_query("web.shop.svc.cluster.local")[:20]]

# Families whose counts are not compared, and why. Their help, type, labels and buckets are.
UNCOUNTED = {
    "coredns_build_info": "the version",
    "coredns_health_request_duration_seconds": "one a second, as long as the test takes",
    "coredns_kubernetes_rest_client_requests_total": "client-go and Fairlead list and watch in their own ways",
    "coredns_kubernetes_rest_client_request_duration_seconds": "the same",
    "coredns_kubernetes_rest_client_rate_limiter_duration_seconds": "the same",
    "coredns_proxy_conn_cache_hits_total": "Fairlead asks from changing ports, CoreDNS from one as long as it is idle",
    "coredns_proxy_conn_cache_misses_total": "the same",
    "coredns_proxy_healthcheck_failures_total": "as many as the test takes time for",
    "coredns_forward_healthcheck_broken_total": "when the last upstream is found dead is a matter of moments",
}
# What is counted in another way: a function that makes both sides' counts into what is compared, and why.
COUNTED_OTHERWISE = {
    "coredns_dns_responses_total": (
        lambda their, our: (without("plugin", their), without("plugin", our)),
        "README: the label is the directive that answered; CoreDNS writes errors, or nothing, for most"),
    "coredns_template_rr_failures_total": (
        lambda their, our: (without("template", their), without("template", our)),
        "README: the label is the text of the Corefile; CoreDNS prints what Go's parser made of it"),
    "coredns_plugin_enabled": (
        lambda their, our: (their, {labels: value for labels, value in our.items() if labels in their}),
        "README: each directive of a block in each of its zones; CoreDNS has the first zone, and handlers alone"),
}
# What Fairlead counts and CoreDNS does not: (family, a label, how much, why).
MORE = [
    (family, labels, 1, "README: the one of MALFORMED that has a whole header is answered, and so counted")
    for family, labels in (
        ("coredns_dns_requests_total", {"zone": "dropped", "type": "other"}),
        ("coredns_dns_responses_total", {"zone": "dropped", "rcode": "FORMERR"}),
        ("coredns_dns_request_size_bytes", {"zone": "dropped"}),
        ("coredns_dns_response_size_bytes", {"zone": "dropped"}),
        ("coredns_dns_request_duration_seconds", {"zone": "dropped"}),
    )
]
# Families that CoreDNS documents and does not show.
OURS_ALONE = {"coredns_reload_version_info": "README: CoreDNS shows it after the first reload"}
# Families of CoreDNS that Fairlead does not have.
ABSENT = {
    "coredns_local_": "the directive is not in the Corefile; CoreDNS shows a zero all the same",
    "go_": "there is no Go runtime",
    "process_network_": "Go's library adds what the container's metrics have",
}
# Help texts that differ, and why.
HELP = {
    "coredns_build_info": "Fairlead's version is not CoreDNS's",
    "coredns_dns_request_size_bytes": "it is the size of the query; CoreDNS's text speaks of the EDNS buffer",
}


def reason_for(name, table):
    return next((why for prefix, why in table.items() if name.startswith(prefix)), None)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{server: (page before the queries, page after them)}"""
    for reason in (coredns.program() is None and "no CoreDNS; tools/dev setup builds it",
                   fairlead.missing("fairlead", "kubesim")):
        if reason:
            pytest.skip(reason)
    found = {}
    dead = free_port()
    folder = tmp_path_factory.mktemp("metrics")
    (folder / "hosts").write_text("192.0.2.3 file.rules.test\n192.0.2.4 other.rules.test more.rules.test\n")
    with KubeSim(folder / "cluster", CLUSTER) as cluster, Upstream(UPSTREAM) as upstream:
        values = {"api": cluster.url, "upstream": upstream.target, "dead": dead, "hosts": folder / "hosts"}
        for kind in (coredns.CoreDns, fairlead.Fairlead):
            with kind(folder / kind.name, corefile=COREFILE, values=values) as server:
                found[kind.name] = measure(server, upstream, cluster)
    return {name: tuple(normal(page, ports) for page in two) for name, (two, ports) in found.items()}


def change(cluster, slice_name, owner, address):
    """As the endpoints controller writes a change, with the time of what led to it."""
    changed = endpoint_slice(slice_name, owner, "shop", [address])
    changed["metadata"]["annotations"] = {
        "endpoints.kubernetes.io/last-change-trigger-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    cluster.apply(changed)


def measure(server, upstream, cluster):
    # The own /health is asked once a second.
    wait_until(lambda: re.search("coredns_health_request_duration_seconds_count [1-9]", server.metrics_page()), 10,
               "the process asks its /health")
    before = server.metrics_page()
    with Channel(server.port, timeout=10) as channel:
        for name, type, times in QUERIES:
            for _ in range(times):
                channel.ask(name, type)
        for name, type, times in DO_QUERIES:
            for _ in range(times):
                channel.ask(name, type, dnssec_ok=True)
    for name, type, times in TCP_QUERIES:
        for _ in range(times):
            server.ask(name, type, tcp=True)
    for packet in MALFORMED:
        with pytest.raises(OSError):
            dns.exchange(server.port, packet, timeout=0.1)
            raise OSError
    change(cluster, "db-1", "db", f"10.244.1.{len(server.name)}")
    change(cluster, "web-1", "web", f"10.244.2.{len(server.name)}")
    wait_until(lambda: len(re.findall("coredns_kubernetes_dns_programming_duration_seconds_count.* 1", server.metrics_page())) == 2, 10,
               server.metrics_page)
    time.sleep(0.5)  # CoreDNS counts behind its reply
    return (before, server.metrics_page()), {str(server.port): "PORT", str(upstream.port): "UPSTREAM"}


def normal(page, ports):
    for port, name in ports.items():
        page = page.replace(f":{port}", f":{name}")
    return metrics_page.parse(page)


@pytest.fixture(scope="module")
def theirs(pages):
    return pages["coredns"]


@pytest.fixture(scope="module")
def ours(pages):
    return pages["fairlead"]


def compared(theirs, ours):
    return sorted(theirs[1].keys() & ours[1].keys())


def test_every_family_of_coredns_is_there_and_every_other_one_says_whose_it_is(theirs, ours):
    missing = [name for name in theirs[1].keys() - ours[1].keys() if not reason_for(name, ABSENT)]
    assert not missing
    # A family of zeros says as much as none.
    more = [name for name in ours[1].keys() - theirs[1].keys()
            if not name.startswith("fairlead_") and ours[1][name].values() and name not in OURS_ALONE]
    assert not more, more


def test_help_and_type_are_equal(theirs, ours):
    differing = []
    for name in compared(theirs, ours):
        their, our = theirs[1][name], ours[1][name]
        if their.type != our.type or not our.help:
            differing.append(f"{name}: {their.type} {our.type} {our.help!r}")
        if their.help != our.help and not reason_for(name, HELP):
            differing.append(f"{name}: {their.help!r}, ours {our.help!r}")
    assert not differing, "\n".join(differing)


def test_labels_and_buckets_are_equal(theirs, ours):
    differing = []
    for name in compared(theirs, ours):
        their, our = theirs[1][name], ours[1][name]
        if their.labels != our.labels and our.series and their.series:
            differing.append(f"{name}: labels {their.labels}, ours {our.labels}")
        if their.bounds != our.bounds:
            differing.append(f"{name}: buckets {sorted(their.bounds)}, ours {sorted(our.bounds)}")
    assert not differing, "\n".join(differing)


def growth(pages, name):
    """By how much the queries made the counts larger; gauges as they are."""
    before, after = (page.get(name, metrics_page.Family(name)).values() for page in pages)
    if pages[1][name].type == "gauge":
        return after
    grown = {labels: value - before.get(labels, 0) for labels, value in after.items()}
    return {labels: value for labels, value in grown.items() if value}


def take_more(name, our):
    """Without what MORE says that we count in addition, which must be there."""
    for family, wanted, count, _ in MORE:
        if family == name:
            labels, = [labels for labels in our if wanted.items() <= dict(labels).items()]
            assert our[labels] >= count
            our[labels] -= count
    return our


def without(label, counts):
    summed = {}
    for labels, value in counts.items():
        rest = frozenset(pair for pair in labels if pair[0] != label)
        summed[rest] = summed.get(rest, 0) + value
    return summed


def test_what_is_accepted_occurs(theirs, ours):
    names = theirs[1].keys() | ours[1].keys()
    for prefix in [*UNCOUNTED, *COUNTED_OTHERWISE, *OURS_ALONE, *ABSENT, *HELP]:
        assert any(name.startswith(prefix) for name in names), prefix
    for name in HELP:
        assert any(theirs[1][family].help != ours[1][family].help for family in compared(theirs, ours)
                   if family.startswith(name)), name
    for name, (make, _) in COUNTED_OTHERWISE.items():
        assert growth(theirs, name) != take_more(name, growth(ours, name)), name


def test_the_readme_tells_what_a_dashboard_could_notice():
    row, = [line for line in (REPOSITORY / "README.md").read_text().splitlines() if line.startswith("| Metrics: ")]
    reasons = [why for table in (COUNTED_OTHERWISE.values(), MORE) for *_, why in table] + list(OURS_ALONE.values())
    assert all(reason.startswith("README: ") for reason in reasons)
    for word in ("`plugin`", "coredns_plugin_enabled", "malformed", "`template`", "coredns_reload_version_info"):
        assert word in row, word


def text(labels, value):
    return ",".join(f'{name}="{label}"' for name, label in sorted(labels)) + f" {value:g}"


def test_counts_are_equal(theirs, ours):
    differing = []
    for name in compared(theirs, ours):
        if name in UNCOUNTED or name.startswith("process_"):
            continue
        their, our = growth(theirs, name), take_more(name, growth(ours, name))
        if name in COUNTED_OTHERWISE:
            their, our = COUNTED_OTHERWISE[name][0](their, our)
        for labels in sorted(their.keys() | our.keys(), key=str):
            # The time of a file is told in seconds and in nanoseconds.
            if not math.isclose(their.get(labels, 0), our.get(labels, 0), rel_tol=1e-9):
                differing.append(f"{name}: {text(labels, their.get(labels, 0))}, ours {our.get(labels, 0):g}")
    assert not differing, "\n".join(differing)


@pytest.mark.parametrize("sample, labels, purpose", dashboards.QUERIES, ids=lambda row: row if isinstance(row, str) else "")
def test_what_dashboards_ask_for_is_there(ours, sample, labels, purpose):
    assert labels <= labels_of(ours[1], sample), f"{sample}: {purpose}"


def test_what_dashboards_ask_for_and_is_not_there_has_gone_from_coredns_too(theirs, ours):
    for sample, heir in dashboards.GONE.items():
        assert not labels_of(theirs[1], sample) and not labels_of(ours[1], sample), sample
        assert labels_of(ours[1], heir), heir
    for sample in dashboards.NOT_SERVED:
        assert labels_of(theirs[1], sample) and not labels_of(ours[1], sample)


def labels_of(page, sample):
    """The names of the labels that all of its samples have, with "" for the sample itself; nothing without one."""
    for family in (sample, sample.rpartition("_")[0]):
        if family in page and page[family].series:
            if family != sample and page[family].type != "histogram":
                continue
            common = set.intersection(*[set(names) for names in page[family].labels])
            return common | ({"le"} if sample.endswith("_bucket") else set()) | {""}
    return set()
