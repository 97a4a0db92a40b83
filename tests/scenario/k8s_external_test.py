"""`k8s_external`: external addresses of Services in a zone of their own."""

import pytest

from support.dig import dig_zone
from support.kube import endpoint_slice, namespace, service
from support.upstream import address, nxdomain

ZONE = "example.org"
EXTERNAL = "k8s_external example.org in-addr.arpa ip6.arpa"


def balanced(name, namespace, ingress, ports=(("http", 80),), **spec):
    made = service(name, namespace, ports, type="LoadBalancer", **spec)
    made["status"] = {"loadBalancer": {"ingress": [
        {"hostname": point} if point.endswith("net") else {"ip": point} for point in ingress]}}
    return made


def objects():
    yield namespace("shop")
    yield namespace("dns")  # hidden by the apex
    yield service("web", "shop", [("http", 80), ("", 53, "UDP")], clusterIP="10.96.7.1",
                  externalIPs=["192.0.2.2", "2001:db8::2"])
    yield endpoint_slice("web-1", "web", "shop", ["10.244.0.9"])
    yield balanced("lb", "shop", ["192.0.2.9"], clusterIP="10.96.7.2", externalIPs=["192.0.2.10"])
    yield balanced("named", "shop", ["lb.example.net"], [("http", 80), ("https", 443)], clusterIP="10.96.7.3")
    yield balanced("gone", "shop", ["nothing.example.net"], clusterIP="10.96.7.4")
    # Several points: addresses win over names, and one name of several.
    yield balanced("mixed", "shop", ["lb.example.net", "192.0.2.11"], clusterIP="10.96.7.5")
    yield balanced("twice", "shop", ["lb.example.net", "nothing.example.net"], clusterIP="10.96.7.6")
    yield service("bare", "shop", (), clusterIP="10.96.7.7", externalIPs=["192.0.2.12"])
    yield service("inside", "shop", clusterIP="10.96.7.8")
    yield endpoint_slice("inside-1", "inside", "shop", ["10.244.0.8"])
    yield service("db", "shop", [("pg", 5432)], clusterIP="None")
    yield endpoint_slice("db-1", "db", "shop", [
        {"addresses": ["10.244.0.1"], "hostname": "db-0"}, "10.244.0.2"], [("pg", 5432)])
    yield service("idle", "shop", clusterIP="None")
    yield service("both", "shop", [("pg", 5432)], clusterIP="None", externalIPs=["192.0.2.13"])
    yield endpoint_slice("both-1", "both", "shop", [{"addresses": ["10.244.0.3"], "hostname": "b-0"}], [("pg", 5432)])
    # Two Services share an address.
    yield service("twin", "shop", clusterIP="10.96.7.9", externalIPs=["192.0.2.2"])


@pytest.fixture(scope="module")
def cluster(shared):
    return shared.cluster(*objects())


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream({"lb.example.net.": address("203.0.113.7"), "nothing.example.net.": nxdomain()})


def reverse(address):
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


# Name, type, RCODE, answer; the additional section after "+".
NAMES = [
    ("web.shop", "A", "NOERROR", "A 192.0.2.2"),
    ("web.shop", "AAAA", "NOERROR", "AAAA 2001:db8::2"),
    ("WEB.Shop", "A", "NOERROR", "A 192.0.2.2"),
    ("web.shop", "TXT", "NOERROR"),
    ("web.shop", "PTR", "NOERROR"),
    ("web.shop", "SRV", "NOERROR", "SRV 0 25 53 web.shop.example.org.", "SRV 0 25 80 web.shop.example.org.", "+",
     "web.shop.example.org. A 192.0.2.2", "web.shop.example.org. AAAA 2001:db8::2"),
    ("_http._tcp.web.shop", "SRV", "NOERROR", "SRV 0 50 80 web.shop.example.org.", "+",
     "web.shop.example.org. A 192.0.2.2", "web.shop.example.org. AAAA 2001:db8::2"),
    ("http.tcp.web.shop", "A", "NOERROR", "A 192.0.2.2"),
    ("_tcp.web.shop", "A", "NOERROR"),
    ("tcp.web.shop", "A", "NOERROR"),
    ("_http._udp.web.shop", "SRV", "NXDOMAIN"),
    ("10-244-0-9.web.shop", "A", "NXDOMAIN"),
    ("anything.web.shop", "A", "NXDOMAIN"),
    ("a.b.c.web.shop", "A", "NXDOMAIN"),
    ("lb.shop", "A", "NOERROR", "A 192.0.2.10", "A 192.0.2.9"),
    ("mixed.shop", "A", "NOERROR", "A 192.0.2.11"),
    ("mixed.shop", "CNAME", "NOERROR"),
    ("bare.shop", "A", "NOERROR", "A 192.0.2.12"),
    ("bare.shop", "SRV", "NOERROR"),
    # Aliases.
    ("named.shop", "A", "NOERROR", "CNAME lb.example.net.", "lb.example.net. A 203.0.113.7"),
    ("twice.shop", "A", "NOERROR", "CNAME lb.example.net.", "lb.example.net. A 203.0.113.7"),
    ("named.shop", "CNAME", "NOERROR", "CNAME lb.example.net."),
    ("named.shop", "SRV", "NOERROR", "SRV 0 50 443 lb.example.net.", "SRV 0 50 80 lb.example.net."),
    ("_https._tcp.named.shop", "SRV", "NOERROR", "SRV 0 100 443 lb.example.net."),
    ("_tcp.named.shop", "A", "NOERROR"),
    ("gone.shop", "A", "NOERROR", "CNAME nothing.example.net."),
    ("named.shop", "TXT", "NOERROR"),
    # What is only inside.
    ("inside.shop", "A", "NXDOMAIN"),
    ("10-244-0-8.inside.shop", "A", "NXDOMAIN"),
    ("missing.shop", "A", "NXDOMAIN"),
    ("web.other", "A", "NXDOMAIN"),
    ("shop", "A", "NOERROR"),
    ("other", "A", "NXDOMAIN"),
    ("both.shop", "A", "NOERROR", "A 192.0.2.13"),
    ("b-0.both.shop", "A", "NXDOMAIN"),
    # The zone's own names.
    ("", "NS", "NOERROR", "NS ns1.dns.example.org.", "+", "ns1.dns.example.org. A 127.0.0.1"),
    ("", "A", "NOERROR"),
    ("dns", "A", "NOERROR"),
    ("ns1.dns", "A", "NOERROR", "A 127.0.0.1"),
    ("ns1.dns", "AAAA", "NOERROR"),
    ("ns2.dns", "A", "NXDOMAIN"),
    ("x.ns1.dns", "A", "NXDOMAIN"),
]
HEADLESS = [
    ("db.shop", "A", "NOERROR", "A 10.244.0.1", "A 10.244.0.2"),
    ("db.shop", "SRV", "NOERROR", "SRV 0 50 5432 10-244-0-2.db.shop.example.org.",
     "SRV 0 50 5432 db-0.db.shop.example.org.", "+", "10-244-0-2.db.shop.example.org. A 10.244.0.2",
     "db-0.db.shop.example.org. A 10.244.0.1"),
    ("db-0.db.shop", "A", "NOERROR", "A 10.244.0.1"),
    ("_pg._tcp.db.shop", "A", "NOERROR", "A 10.244.0.1", "A 10.244.0.2"),
    ("idle.shop", "A", "NXDOMAIN"),
]


def shown(records, owner):
    return sorted(f"{r.type} {r.data}" if r.name == owner else f"{r.name} {r.type} {r.data}" for r in records)


def faults_of(server, rows):
    for name, type, rcode, *rest in rows:
        at = rest.index("+") if "+" in rest else len(rest)
        asked = f"{name}.{ZONE}" if name else ZONE
        answer = server.ask(asked, type)
        got = (answer.rcode, shown(answer.answer, asked + "."), shown(answer.additional, None), "aa" in answer.flags)
        expected = (rcode, sorted(rest[:at]), sorted(rest[at + 1:]), True)
        if got != expected:
            yield f"{name} {type}: {got}, not {expected}"
        if not rest and [record.type for record in answer.authority] != ["SOA"]:
            yield f"{name} {type}: authority {answer.authority}"


def test_the_names_of_external_addresses(scenario, cluster, upstream):
    server = scenario.server(f"{EXTERNAL}\nforward . {upstream.target}", cluster)
    absent = [(name, type, "NXDOMAIN") for name, type, *_ in HEADLESS]
    faults = [*faults_of(server, NAMES), *faults_of(server, absent)]
    assert not faults, "\n".join(faults)
    # The cluster's own zone is as it was.
    assert server.ask("web.shop.svc.cluster.local").data() == ["10.96.7.1"]
    assert server.ask("db-0.db.shop.svc.cluster.local").data() == ["10.244.0.1"]


def test_headless_shows_endpoints_of_headless_services_alone(scenario, cluster, upstream):
    server = scenario.server(f"{EXTERNAL} {{\n    headless\n}}\nforward . {upstream.target}", cluster)
    faults = [*faults_of(server, NAMES), *faults_of(server, HEADLESS)]
    assert not faults, "\n".join(faults)


def test_external_addresses_have_ptr_records_into_the_first_zone(scenario, cluster):
    server = scenario.server(EXTERNAL, cluster)
    def ptr(name):
        answer = server.ask(name, "PTR")
        return answer.data() if answer.answer else answer.rcode

    assert ptr(reverse("192.0.2.2")) == ["twin.shop.example.org.", "web.shop.example.org."]
    assert ptr(reverse("192.0.2.9")) == ["lb.shop.example.org."]
    assert ptr("2.0.0.0." + "0." * 20 + "8.b.d.0.1.0.0.2.ip6.arpa") == ["web.shop.example.org."]
    assert ptr("2.0.192.in-addr.arpa") == "NOERROR"
    # Nothing else is there: the zones are k8s_external's, before kubernetes.
    assert ptr(reverse("10.96.7.1")) == "NXDOMAIN"
    assert ptr(reverse("10.244.0.1")) == "NXDOMAIN"
    assert server.ask(reverse("192.0.2.200"), "PTR").authority[0].data.startswith("ns1.dns.in-addr.arpa. hostmaster.dns.")
    through = scenario.server(f"{EXTERNAL} {{\n    fallthrough 10.in-addr.arpa\n}}", cluster)
    assert through.ask(reverse("10.96.7.1"), "PTR").data() == ["web.shop.svc.cluster.local."]
    assert through.ask(reverse("192.0.2.200"), "PTR").rcode == "NXDOMAIN"


def test_apex_ttl_and_fallthrough(scenario, cluster):
    upstream = scenario.upstream({"missing.shop.example.org.": address("198.51.100.1")})
    server = scenario.server(
        f"{EXTERNAL} {{\n    apex Names\n    ttl 77\n    fallthrough\n}}\nforward . {upstream.target}", cluster)
    soa = server.ask(ZONE, "SOA").answer[0]
    assert (soa.ttl, soa.data.split()[:2], soa.data.split()[3:]) == (
        77, ["ns1.names.example.org.", "hostmaster.names.example.org."], ["7200", "1800", "86400", "77"])
    assert server.ask("ns1.names.example.org").answer[0].ttl == 77
    srv = server.ask("web.shop.example.org", "SRV")
    assert {record.ttl for record in srv.answer + srv.additional} == {77}
    assert server.ask("web.shop.svc.cluster.local").answer[0].ttl == 5
    # Namespace `dns` is one like others now.
    assert server.ask("dns.example.org").rcode == "NOERROR"
    found = server.ask("missing.shop.example.org")
    assert (found.data(), "aa" in found.flags) == (["198.51.100.1"], False)
    assert server.ask("shop.example.org", "A").data() == []


def test_external_addresses_come_change_and_go(scenario):
    cluster = scenario.cluster(
        namespace("shop"), service("db", "shop", [("pg", 5432)], clusterIP="None"),
        endpoint_slice("db-1", "db", "shop", [{"addresses": ["10.244.0.1"], "hostname": "db-0"}], [("pg", 5432)]))
    upstream = scenario.upstream({"lb.example.net.": address("203.0.113.7")})
    server = scenario.server(f"{EXTERNAL} {{\n    headless\n}}\nforward . {upstream.target}", cluster)
    serial = lambda zone: int(server.ask(zone, "SOA").answer[0].data.split()[2])
    inside, outside = serial("cluster.local"), serial(ZONE)
    assert server.ask("db-0.db.shop.example.org").data() == ["10.244.0.1"]
    # Only the external zone sees this.
    cluster.apply(service("db", "shop", [("pg", 5432)], clusterIP="None", externalIPs=["192.0.2.1"]))
    server.eventually("db.shop.example.org", "A", ["192.0.2.1"])
    assert server.ask("db-0.db.shop.example.org").rcode == "NXDOMAIN"
    assert server.ask(reverse("192.0.2.1"), "PTR").data() == ["db.shop.example.org."]
    assert serial(ZONE) > outside
    assert serial("cluster.local") == inside
    cluster.apply(balanced("db", "shop", ["lb.example.net"], [("pg", 5432)], clusterIP="10.96.7.1"))
    server.eventually("db.shop.example.org", "A", ["203.0.113.7"])
    assert server.ask(reverse("192.0.2.1"), "PTR").rcode == "NXDOMAIN"
    cluster.delete(service("db", "shop"))
    server.eventually("db.shop.example.org", "A", "NXDOMAIN")
    cluster.delete(namespace("shop"))
    server.eventually("shop.example.org", "A", "NXDOMAIN")


def test_the_nameserver_has_the_external_addresses_of_the_services_that_we_stand_behind(scenario):
    def of(*external):
        return service("kube-dns", "kube-system", [("dns", 53, "UDP")], clusterIP="10.96.0.10", externalIPs=list(external))

    cluster = scenario.cluster(
        namespace("kube-system"), of("192.0.2.53", "2001:db8::53"),
        endpoint_slice("kube-dns-1", "kube-dns", "kube-system", ["127.0.0.1"], [("dns", 53, "UDP")]))
    server = scenario.server(EXTERNAL, cluster)
    ns = server.ask(ZONE, "NS")
    assert ns.data() == ["ns1.dns.example.org."]
    assert sorted(record.data for record in ns.additional) == ["192.0.2.53", "2001:db8::53"]
    assert server.ask("ns1.dns.example.org", "AAAA").data() == ["2001:db8::53"]
    cluster.apply(of())
    server.eventually("ns1.dns.example.org", "A", [])


def test_an_alias_that_leads_back_ends(scenario):
    cluster = scenario.cluster(namespace("shop"), balanced("a", "shop", ["x.net"], clusterIP="10.96.7.1"))
    cluster.apply(balanced("loop", "shop", ["loop.shop.net"], clusterIP="10.96.7.2"))
    server = scenario.server("k8s_external net", cluster)
    answer = server.ask("loop.shop.net")
    assert (answer.rcode, {record.type for record in answer.answer}) == ("NOERROR", {"CNAME"})
    assert server.ask("shop.net").rcode == "NOERROR"


# --- transfers

TRANSFER = "transfer {\n    to *\n}"


def by_owner_and_type(records):
    """(owner, type) -> what is there, without the weights of SRV records, which a transfer gives a Service as one."""
    found = {}
    for record in records:
        words = record.data.split()
        data = " ".join([words[0], *words[2:]]) if record.type == "SRV" else record.data
        found.setdefault((record.name, record.type), []).append(data)
    return {key: sorted(data) for key, data in found.items()}


def differences(server, zone):
    """Between a transfer and what queries get, at each name of the zone."""
    sent = by_owner_and_type(dig_zone(server.port, zone))
    for owner in sorted({owner for owner, _ in sent}):
        is_port, is_alias = owner.startswith("_"), (owner, "CNAME") in sent
        for type in ("SOA", "NS", "A", "AAAA", "CNAME", "SRV", "PTR", "TXT"):
            # Addresses of ports are for queries alone; and nothing can be sent beside an alias.
            if is_port and type in ("A", "AAAA", "CNAME") or is_alias and type in ("A", "AAAA", "SRV"):
                assert (owner, type) not in sent
                continue
            answer = server.ask(owner, type, tcp=True)
            asked = by_owner_and_type(record for record in answer.answer if record.name == owner).get((owner, type))
            if asked != sent.get((owner, type)):
                yield f"{owner} {type}: sent {sent.get((owner, type))}, but a query gets {asked}"


@pytest.mark.parametrize("options, rows", [("", NAMES), ("headless", [*NAMES, *HEADLESS])], ids=["plain", "headless"])
def test_a_transfer_is_what_queries_get_and_leaves_nothing_out(scenario, cluster, upstream, options, rows):
    server = scenario.server(
        f"{EXTERNAL} {{\n    {options}\n}}\n{TRANSFER}\nforward . {upstream.target}", cluster, zones="cluster.local")
    faults = [*differences(server, ZONE), *differences(server, "in-addr.arpa"), *differences(server, "ip6.arpa")]
    assert not faults, "\n".join(faults)
    owners = {record.name for record in dig_zone(server.port, ZONE)}
    answered = {f"{name.lower()}.{ZONE}." for name, _, rcode, *rest in rows
                if name and rcode == "NOERROR" and rest and not name.startswith("http.")}
    assert answered <= owners
    assert {record.name for record in dig_zone(server.port, "cluster.local")} & owners == set()
    reverse_names = {record.name for record in dig_zone(server.port, "in-addr.arpa") if record.type == "PTR"}
    assert reverse_names == {reverse(f"192.0.2.{n}") + "." for n in (2, 9, 10, 11, 12, 13)}


def test_aliases_and_their_ports_are_sent_and_stand_alone(scenario, cluster):
    server = scenario.server(f"k8s_external {ZONE} {{\n    ttl 77\n}}\n{TRANSFER}", cluster)
    records = dig_zone(server.port, ZONE)
    assert {record.ttl for record in records} == {77}
    named = sorted(f"{r.name.removesuffix('.shop.example.org.')} {r.type} {r.data}" for r in records if "named." in r.name)
    assert named == ["_http._tcp.named SRV 0 100 80 lb.example.net.", "_https._tcp.named SRV 0 100 443 lb.example.net.",
                     "named CNAME lb.example.net."]


def test_a_zone_of_both_directives_is_sent_as_the_first_has_it_with_a_warning(scenario, cluster):
    server = scenario.server(f"{EXTERNAL} {{\n    fallthrough in-addr.arpa ip6.arpa\n}}\n{TRANSFER}", cluster,
                             zones="cluster.local in-addr.arpa")
    assert server.output().count("transfers of 'in-addr.arpa.' hold what 'k8s_external' has there") == 1
    assert "'ip6.arpa.'" not in server.output()
    targets = {record.data for record in dig_zone(server.port, "in-addr.arpa") if record.type == "PTR"}
    assert targets and all(target.endswith(".example.org.") for target in targets)
