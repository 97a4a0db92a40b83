"""Who may ask what, and who is told what: hosts, acl, view, dns64 and loadbalance over real sockets."""

import socket
import time

import pytest

from support import dns
from support.kube import namespace, service
from support.processes import wait_until
from support.upstream import Reply, address, nxdomain

NODATA = Reply(authority=nxdomain().authority)


def replace(path, text):
    """In one step, as a ConfigMap changes."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def only(type, reply):
    return lambda query: reply if query.type == type else NODATA


def is_blocked(answer):
    return answer.rcode == "REFUSED" and any(code == 15 for code, _ in answer.extended_errors) and not answer.answer


# --- hosts


def test_a_hosts_file_is_followed(scenario, tmp_path):
    file = tmp_path / "hosts"
    file.write_text("192.0.2.1 www.example.org\nnonsense\n2001:db8::1 www.example.org\n")
    server = scenario.server(f"hosts {file} {{\n    192.0.2.9 inline.example.org\n    reload 200ms\n    ttl 7\n    fallthrough\n}}\nwhoami")
    assert server.dig("WWW.example.org").data() == ["192.0.2.1"]
    assert server.dig("www.example.org", "AAAA").answer[0].ttl == 7
    assert server.dig("1.2.0.192.in-addr.arpa", "PTR").data() == ["www.example.org."]
    assert server.dig("inline.example.org").data() == ["192.0.2.9"]
    assert f"{file}:2: 'nonsense' is no IP address" in server.output()
    entries = f'coredns_hosts_entries{{hostsfile="{file}"}}'
    assert server.metrics()[entries] == 6
    before = server.metrics()["coredns_hosts_reload_timestamp_seconds"]
    assert abs(before - file.stat().st_mtime) < 0.001
    time.sleep(0.01)
    replace(file, "192.0.2.2 www.example.org\n")
    server.eventually("www.example.org", "A", ["192.0.2.2"])
    assert server.metrics()[entries] == 4
    assert server.metrics()["coredns_hosts_reload_timestamp_seconds"] > before
    file.unlink()
    wait_until(lambda: "what was read before is answered on" in server.output(), 10, server.output)
    assert server.dig("www.example.org").data() == ["192.0.2.2"]
    replace(file, "192.0.2.3 www.example.org\n")
    server.eventually("www.example.org", "A", ["192.0.2.3"])


def test_a_hosts_file_changes_under_queries(scenario, tmp_path):
    file = tmp_path / "hosts"
    names = [f"n{number}.example.org" for number in range(2000)]
    versions = ["".join(f"192.0.2.{version} {name}\n" for name in names) for version in (1, 2)]
    file.write_text(versions[0])
    server = scenario.server(f"hosts {file} {{\n    reload 100ms\n}}")
    with dns.Channel(server.port) as channel:
        for turn in range(20):
            replace(file, versions[turn % 2])
            answers = channel.ask_all([(name, "A") for name in names[turn * 100:turn * 100 + 100]])
            assert {tuple(answer.data()) for answer in answers} <= {("192.0.2.1",), ("192.0.2.2",)}
            time.sleep(0.05)


# --- acl

ACL = """
acl {{
    allow net 10.0.0.0/8
    block type TXT
    filter type MX
    drop type SRV
}}
acl blocked.example.org {{
    block
}}
"""


def test_acl_blocks_filters_and_drops_over_udp_and_tcp(scenario):
    server = scenario.server(ACL.format() + "whoami")
    for tcp in (False, True):
        assert server.ask("www.example.org", "A", tcp=tcp).rcode == "NOERROR"
        assert is_blocked(server.ask("www.example.org", "TXT", tcp=tcp))
        filtered = server.ask("www.example.org", "MX", tcp=tcp)
        assert filtered.rcode == "NOERROR" and filtered.extended_errors[0][0] == 17
        with pytest.raises(OSError):
            server.ask("www.example.org", "SRV", tcp=tcp, timeout=0.5)
        assert is_blocked(server.ask("x.BLOCKED.example.org", "A", tcp=tcp))
    metrics = server.metrics()
    server_label = f'server="dns://127.0.0.1:{server.port}"'
    assert metrics[f'coredns_acl_blocked_requests_total{{{server_label},zone=".",view=""}}'] == 2
    assert metrics[f'coredns_acl_blocked_requests_total{{{server_label},zone="blocked.example.org.",view=""}}'] == 2
    assert metrics[f'coredns_acl_dropped_requests_total{{{server_label},zone=".",view=""}}'] == 2
    assert metrics[f'coredns_acl_filtered_requests_total{{{server_label},zone=".",view=""}}'] == 2
    assert metrics[f'coredns_acl_allowed_requests_total{{{server_label},view=""}}'] >= 2


def ask_from(source, port, name, type="A"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind((source, 0))
        channel.settimeout(5)
        channel.connect(("127.0.0.1", port))
        channel.send(dns.encode_query(name, type))
        return dns.decode(channel.recv(4096))


def test_nothing_blocked_leaves_through_the_cache(scenario):
    """127.0.0.2 fills the cache, keeps it warm and lets it go stale; 127.0.0.1 gets none of it."""
    upstream = scenario.upstream({"secret.example.org.": address("192.0.2.66", ttl=5), "old.example.org.": address("192.0.2.67", ttl=5)})
    server = scenario.server(
        "acl {\n    allow net 127.0.0.2\n    block\n}\n"
        "cache {\n    success 100 5 5\n    prefetch 1 10m 90%\n    serve_stale 1h immediate\n}\n"
        f"forward . {upstream.target} {{\n    max_fails 0\n}}", wait_ready=False)
    until = time.monotonic() + 7
    while time.monotonic() < until:
        # Each socket may meet another worker, and so another cache.
        assert ask_from("127.0.0.2", server.port, "secret.example.org").data() == ["192.0.2.66"]
        assert is_blocked(server.ask("secret.example.org"))
        assert is_blocked(server.ask("secret.example.org", tcp=True))
        time.sleep(0.05)
    assert ask_from("127.0.0.2", server.port, "old.example.org").data() == ["192.0.2.67"]
    asked = upstream.count("secret.example.org.")
    assert asked >= 2  # refreshed while it was asked for
    upstream.scripts = {"secret.example.org.": None, "old.example.org.": None}
    time.sleep(5.5)
    stale = ask_from("127.0.0.2", server.port, "secret.example.org")
    assert stale.data() == ["192.0.2.66"]
    for _ in range(20):
        assert is_blocked(server.ask("secret.example.org"))
        assert is_blocked(server.ask("old.example.org"))


def test_nothing_gets_round_acl_through_search_lists_and_aliases(scenario, tmp_path):
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text("nameserver 192.0.2.1\nsearch team.example.org example.org\n")
    upstream = scenario.upstream({"secret.example.org.": address("192.0.2.66"), "open.example.org.": address("192.0.2.67")})
    cluster = scenario.cluster(
        namespace("shop"),
        service("to-secret", "shop", (), type="ExternalName", externalName="secret.example.org"),
        service("to-open", "shop", (), type="ExternalName", externalName="open.example.org"))
    server = scenario.server(
        f"acl secret.example.org {{\n    block\n}}\nautopath team.example.org {resolv_conf}\ncache\n"
        f"forward . {upstream.target}", cluster)
    assert server.dig("open.team.example.org").data("A") == ["192.0.2.67"]
    assert server.dig("to-open.shop.svc.cluster.local").data("A") == ["192.0.2.67"]
    for tcp in (False, True):
        for name in ("secret.example.org", "secret.team.example.org", "to-secret.shop.svc.cluster.local"):
            assert server.ask(name, tcp=tcp).data("A") == []
    assert upstream.count("secret.example.org.") == 0


# --- view

VIEWS = """
.:{port} {
    view tcp {
        expr proto() == 'tcp'
    }
    bind 127.0.0.1
    prometheus 127.0.0.1:{metrics}
    cache
    forward . {one}
}
.:{port} {
    view types {
        expr type() in ['A', 'AAAA'] && !(name() matches '^b\\\\.')
    }
    bind 127.0.0.1
    prometheus 127.0.0.1:{metrics}
    cache
    forward . {two}
}
.:{port} {
    bind 127.0.0.1
    ready 127.0.0.1:{ready}
    prometheus 127.0.0.1:{metrics}
    cache
    forward . {three}
}
"""


def test_views_tell_queries_of_one_zone_apart(scenario):
    upstreams = [scenario.upstream({f"{letter}.example.org.": address(f"192.0.2.{number}") for letter in "ab"}) for number in (1, 2, 3)]
    values = {name: upstream.target for name, upstream in zip(("one", "two", "three"), upstreams)}
    server = scenario.server(corefile=VIEWS, values=values)
    for _ in range(5):  # from the caches too
        assert server.ask("a.example.org", tcp=True).data() == ["192.0.2.1"]
        assert server.ask("A.example.org").data() == ["192.0.2.2"]
        assert server.ask("b.example.org").data() == ["192.0.2.3"]
    by_view = {view: sum(count for sample, count in server.metrics().items()
                         if sample.startswith("coredns_dns_requests_total") and f'view="{view}"' in sample)
               for view in ("tcp", "types", "")}
    assert by_view["tcp"] == 5 and by_view["types"] >= 5 and by_view[""] >= 5
    assert 'coredns_plugin_enabled{server="dns://127.0.0.1:%d",zone=".",view="types",name="view"}' % server.port in server.metrics()


# --- dns64 and loadbalance


def test_dns64_asks_for_a_where_there_is_no_aaaa(scenario):
    upstream = scenario.upstream({
        "v4.example.org.": only("A", address("192.0.2.33", "192.0.2.34", ttl=300)),
        "both.example.org.": lambda query: address("192.0.2.33") if query.type == "A" else address("2001:db8::1"),
        "mapped.example.org.": lambda query: address("192.0.2.33") if query.type == "A" else address("::ffff:192.0.2.1"),
        "broken.example.org.": lambda query: address("192.0.2.33") if query.type == "A" else Reply(rcode="SERVFAIL"),
        "silent.example.org.": lambda query: address("192.0.2.33", delay=0.3) if query.type == "A" else Reply(NODATA.answer, NODATA.authority, delay=0.3),
        "33.2.0.192.in-addr.arpa.": only("PTR", Reply([("@", "PTR", 60, "v4.example.org.")])),
    })
    server = scenario.server(f"dns64 {{\n    allow_ipv4\n}}\ncache\nforward . {upstream.target}")
    for _ in range(2):
        answer = server.dig("v4.example.org", "AAAA")
        assert answer.data() == ["64:ff9b::c000:221", "64:ff9b::c000:222"]
        assert all(record.ttl <= 60 for record in answer.answer)  # the SOA's
        assert (29, "made from A records by dns64") in [(code, text) for code, text in answer.extended_errors]
    assert server.dig("both.example.org", "AAAA").data() == ["2001:db8::1"]
    assert server.dig("mapped.example.org", "AAAA").data() == ["64:ff9b::c000:221"]
    assert server.dig("broken.example.org", "AAAA").data() == ["64:ff9b::c000:221"]
    assert server.dig("silent.example.org", "AAAA").data() == ["64:ff9b::c000:221"]
    assert server.dig("missing.example.org", "AAAA").rcode == "NXDOMAIN"
    assert upstream.count("missing.example.org.", "A") == 0
    reverse = server.dig("1.2.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa", "PTR")
    assert reverse.data("PTR") == ["v4.example.org."] and reverse.data("CNAME") == ["33.2.0.192.in-addr.arpa."]
    with dns.Channel(server.port) as client:
        answers = client.ask_all([("silent.example.org", "AAAA")] * 50)
    assert all(answer.data() == ["64:ff9b::c000:221"] for answer in answers)


def test_weights_and_preferences_order_what_comes_from_everywhere(scenario, tmp_path):
    weights = tmp_path / "weights"
    weights.write_text("www.example.org\n192.0.2.1 250\n")
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.2", "192.0.2.3", "192.0.2.1")})
    server = scenario.server(f"loadbalance weighted {weights} {{\n    reload 200ms\n}}\ncache\nforward . {upstream.target}")

    def firsts():
        return [server.ask("www.example.org").answer[0].data for _ in range(40)]

    assert firsts().count("192.0.2.1") > 30
    replace(weights, "www.example.org\n192.0.2.2 250\n")
    wait_until(lambda: firsts().count("192.0.2.2") > 30, 10, server.output)
    prefers = scenario.server(f"loadbalance {{\n    prefer 192.0.2.3/32\n}}\ncache\nforward . {upstream.target}")
    assert {prefers.ask("www.example.org").answer[0].data for _ in range(20)} == {"192.0.2.3"}


def test_a_weight_file_with_a_fault_ends_the_start(scenario, tmp_path):
    weights = tmp_path / "weights"
    weights.write_text("www.example.org\n192.0.2.1 0\n")
    server = scenario.server(f"loadbalance weighted {weights}\nwhoami", start=False)
    process = server.launch()
    wait_until(lambda: not process.is_running(), 20, process.output)
    assert "line 2: '0' is not a number from 1 to 255" in process.output()
