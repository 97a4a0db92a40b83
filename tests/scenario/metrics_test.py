"""/metrics: CoreDNS's names and labels, so that its dashboards and alerts work unedited."""

import re
import urllib.request

import pytest

from support import dns
from support.certificates import Authority
from support.dns import Channel
from support.fairlead import REPOSITORY, server_block
from support.kube import namespace, service
from support.processes import free_port, wait_until
from support.upstream import Reply, address, nxdomain

NAME = "web.shop.svc.cluster.local"


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream({"www.example.org.": address("192.0.2.7"), "nobody.example.org.": nxdomain(),
                            "servfail.example.org.": Reply(rcode="SERVFAIL")})


@pytest.fixture(scope="module")
def server(shared, upstream):
    cluster = shared.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.7.1"))
    return shared.server(f"bind ::1\ncache\nreload\nforward . {upstream.target}", cluster)


def difference(server, action):
    """The samples that `action` changed, and by how much."""
    before = server.metrics()
    action()
    return {sample: value - before.get(sample, 0) for sample, value in server.metrics().items()
            if value != before.get(sample, 0)}


def labels(server, address="127.0.0.1", zone="."):
    bracketed = f"[{address}]" if ":" in address else address
    return f'server="dns://{bracketed}:{server.port}",zone="{zone}",view=""'


def ask(server, *arguments, **options):
    return lambda: server.ask(*arguments, **options)


# What is asked, the labels of coredns_dns_requests_total, and RCODE and plugin of coredns_dns_responses_total.
QUERIES = [
    ({"name": NAME}, 'proto="udp",family="1",type="A"', "NOERROR", "kubernetes"),
    ({"name": NAME, "type": "AAAA", "tcp": True}, 'proto="tcp",family="1",type="AAAA"', "NOERROR", "kubernetes"),
    ({"name": NAME, "address": "::1"}, 'proto="udp",family="2",type="A"', "NOERROR", "kubernetes"),
    ({"name": f"no.{NAME}", "type": "SRV"}, 'proto="udp",family="1",type="SRV"', "NXDOMAIN", "kubernetes"),
    ({"name": NAME, "type": 65280}, 'proto="udp",family="1",type="other"', "NOERROR", "kubernetes"),
    ({"name": "nobody.example.org"}, 'proto="udp",family="1",type="A"', "NXDOMAIN", "forward"),
    ({"name": "servfail.example.org"}, 'proto="udp",family="1",type="A"', "SERVFAIL", "forward"),
]


@pytest.mark.parametrize("query, request_labels, rcode, plugin", QUERIES,
                         ids=[f"{row[0]['name'].split('.')[0]} {row[1]}" for row in QUERIES])
def test_a_query_is_counted_once_under_its_labels(server, query, request_labels, rcode, plugin):
    changed = difference(server, lambda: dns.ask(server.port, **query))
    own = labels(server, query.get("address", "127.0.0.1"))
    assert changed[f"coredns_dns_requests_total{{{own},{request_labels}}}"] == 1
    assert changed[f'coredns_dns_responses_total{{{own},rcode="{rcode}",plugin="{plugin}"}}'] == 1
    assert changed[f"coredns_dns_request_duration_seconds_count{{{own}}}"] == 1
    proto = re.match('proto="(udp|tcp)"', request_labels)[0]
    assert changed[f"coredns_dns_request_size_bytes_count{{{own},{proto}}}"] == 1
    assert changed[f"coredns_dns_response_size_bytes_count{{{own},{proto}}}"] == 1
    for family in ("requests", "responses"):
        assert sum(value for sample, value in changed.items()
                   if sample.startswith(f"coredns_dns_{family}_total")) == 1


def test_the_do_bit_is_counted(server):
    changed = difference(server, ask(server, NAME, dnssec_ok=True))
    assert changed[f"coredns_dns_do_requests_total{{{labels(server)}}}"] == 1


def test_what_is_no_query_is_counted_as_dropped(server):
    changed = difference(server, lambda: dns.exchange(server.port, dns.encode_query(NAME) + b"\0"))
    assert any('zone="dropped"' in sample and "responses_total" in sample and "FORMERR" in sample for sample in changed)


def test_cache_and_forward_are_counted(server, upstream):
    own = f'server="dns://127.0.0.1:{server.port}",'
    with Channel(server.port) as channel:
        miss = difference(server, lambda: channel.ask("www.example.org"))
        hit = difference(server, lambda: channel.ask("www.example.org"))
    assert miss[f'coredns_cache_misses_total{{{own}zones=".",view=""}}'] == 1
    assert miss[f'coredns_cache_entries{{{own}type="success",zones=".",view=""}}'] == 1
    assert miss[f'coredns_proxy_request_duration_seconds_count{{proxy_name="forward",to="{upstream.target}",'
                'rcode="NOERROR"}'] == 1
    assert hit[f'coredns_cache_hits_total{{{own}type="success",zones=".",view=""}}'] == 1
    assert hit[f'coredns_cache_requests_total{{{own}zones=".",view=""}}'] == 1
    assert not [sample for sample in hit if sample.startswith("coredns_proxy")]


def test_the_process_the_plan_and_the_cluster_are_described(server):
    samples = server.metrics()
    assert any(re.match(r'coredns_build_info\{.*version=".+"', sample) for sample in samples)
    for plugin in ("kubernetes", "forward", "cache", "errors", "health", "ready", "prometheus", "reload"):
        assert samples[f'coredns_plugin_enabled{{{labels(server)},name="{plugin}"}}'] == 1
    assert samples["coredns_panics_total"] == 0
    assert samples["coredns_reload_failed_total"] == 0
    for sample in ("process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"):
        assert samples[sample] > 0
    for family, least in (("fairlead_kubernetes_synced", 1), ("fairlead_kubernetes_api_reachable", 1),
                          ("fairlead_kubernetes_names", 3), ("fairlead_kubernetes_lists_total", 1),
                          ("fairlead_kubernetes_watches_total", 1)):
        values = [value for sample, value in samples.items() if re.match(family + r"(\{|$)", sample)]
        assert values and max(values) >= least, family


def test_the_text_is_a_valid_exposition(server):
    """Each family has one HELP and one TYPE, stands together, and no sample comes twice."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics", timeout=5) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = response.read().decode().splitlines()
    types, samples, order = {}, set(), []
    for line in lines:
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in types, f"{family} has two types"
            types[family] = kind
        elif not line.startswith("#"):
            sample, value = line.rsplit(" ", 1)
            float(value)
            assert sample not in samples, f"{sample} comes twice"
            samples.add(sample)
            family = re.match(r"[a-zA-Z_:][a-zA-Z0-9_:]*", sample)[0]
            if family not in types:
                family = re.sub("_(bucket|sum|count)$", "", family)
            assert family in types, f"{family} has no type"
            if not order or order[-1] != family:
                order.append(family)
            if types[family] == "counter":
                assert family.endswith("_total"), family
    assert len(order) == len(set(order)), "families stand together"


def test_labels_do_not_grow_with_what_clients_ask(server):
    before = len(server.metrics())
    with Channel(server.port) as channel:
        for start in range(0, 600, 50):
            channel.ask_all([(f"n{number}.shop.svc.cluster.local", 1000 + number) for number in range(start, start + 50)])
    assert len(server.metrics()) <= before + 20


def test_the_pages_of_the_directives_name_every_metric_and_no_other(scenario, upstream, tmp_path, socket_folder):
    pages = "".join(page.read_text() for page in (REPOSITORY / "server" / "handlers").glob("*.md"))
    documented = set(re.findall(r"`((?:coredns|fairlead|process)_[a-z_]+)[`{]", pages))
    (tmp_path / "resolv.conf").write_text("search shop.svc.cluster.local example.org\n")
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.7.1"))
    server = scenario.server(f"""cache
local
dnstap {socket_folder}/dnstap.sock
acl policy.test {{
    block type A
    filter type MX
    drop type SRV
}}
hosts /nonexistent {{
    192.0.2.1 inline.test
    fallthrough
}}
dns64 {{
    allow_ipv4
}}
template IN A bad.test {{
    answer "{{{{ index .Match 7 }}}} 1 IN A 10.0.0.1"
}}
template IN A worse.test {{
    answer "{{{{ .Name }}}} 1 IN A {{{{ .Name }}}}"
}}
autopath {tmp_path}/resolv.conf
forward example.net tls://{upstream.target}
forward . {upstream.target}""", cluster, f"pods verified\nsnapshot {tmp_path}/snapshot")
    assert server.ask("www.shop.svc.cluster.local").rcode == "NOERROR"
    assert server.ask("localhost.shop.svc.cluster.local").rcode == "NOERROR"
    assert server.ask("policy.test", "A").rcode == "REFUSED"
    assert server.ask("policy.test", "MX").rcode == "NOERROR"
    with pytest.raises(OSError):
        server.ask("policy.test", "SRV", timeout=0.5)
    assert server.ask("bad.test").rcode == server.ask("worse.test").rcode == "SERVFAIL"
    assert server.ask("servfail.example.org", "AAAA").rcode == "SERVFAIL"  # dns64 asks for A as well
    with Channel(server.port) as channel:
        for number in range(8):  # more than there are ways to the upstream, so that one is used again
            channel.ask(f"n{number}.example.org", dnssec_ok=True)
    cluster.fault(bad_events={"count": 1, "form": "garbage"})  # odd input is shown once there is some
    cluster.apply(service("api", "shop", clusterIP="10.96.7.2"))
    wait_until(lambda: "odd_input" in server.metrics_page(), 20, server.output)
    wait_until(lambda: "snapshot_age_seconds" in server.metrics_page(), 20, server.output)
    certificate, key = Authority(tmp_path / "authority").server("server")
    encrypted = scenario.server(corefile=server_block("whoami") + f"""tls://.:{free_port()} {{
    bind 127.0.0.1
    tls {certificate} {key}
    proxyproto {{
        allow 127.0.0.0/8
    }}
    prometheus 127.0.0.1:{{metrics}}
    whoami
}}
""")
    pages = server.metrics_page() + encrypted.metrics_page()
    shown = set(re.findall("^# TYPE ([a-z_]+) ", pages, re.MULTILINE))
    assert documented == shown


def test_lists_wait_for_apiserver_qps_and_say_how_long(scenario):
    cluster = scenario.cluster(namespace("shop"))
    cluster.fault(streaming_lists="refuse")
    name = "coredns_kubernetes_rest_client_rate_limiter_duration_seconds_sum"
    waited = []
    for options in ("", "apiserver_qps 2\napiserver_burst 1\napiserver_max_inflight 8"):
        server = scenario.server("", cluster, options)
        waited.append(sum(value for sample, value in server.metrics().items() if sample.startswith(name)))
    assert waited[0] < waited[1] and waited[1] > 0.9, "three lists, the first at once, half a second between them"
