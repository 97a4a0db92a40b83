"""`multicluster`: names of ServiceImports in a clusterset zone, beside the cluster's own."""

import pytest

from support.dig import dig_zone
from support.kube import imported_slice, namespace, service, service_import
from support.processes import wait_until

ZONES = "cluster.local clusterset.local in-addr.arpa"
SHOP = "shop.svc.clusterset.local"


def objects():
    yield namespace("shop")
    # Only in this cluster, only in the clusterset, and in both with different addresses.
    yield service("local", "shop", clusterIP="10.96.7.1")
    yield service_import("web", "shop", ["10.42.0.1", "fd42::1"], [("http", 80), ("metrics", 9090)])
    yield imported_slice("web-a", "web", "shop", "east", ["10.1.0.1"])
    yield service("both", "shop", clusterIP="10.96.7.2")
    yield service_import("both", "shop", ["10.42.0.2"], ())
    yield service_import("db", "shop", ports=[("pg", 5432)])
    yield imported_slice("db-east", "db", "shop", "east", [
        {"addresses": ["10.1.0.5"], "hostname": "db-0"}, "10.1.0.6"], [("pg", 5432)])
    yield imported_slice("db-west", "db", "shop", "West-2", [{"addresses": ["10.2.0.5"], "hostname": "db-0"}],
                         [("pg", 5432)])
    yield service_import("idle", "shop")


# Name, type, RCODE, answer; the additional section after "+".
NAMES = [
    (f"web.{SHOP}", "A", "NOERROR", "A 10.42.0.1"),
    (f"web.{SHOP}", "AAAA", "NOERROR", "AAAA fd42::1"),
    (f"web.{SHOP}", "TXT", "NOERROR"),
    (f"_http._tcp.web.{SHOP}", "SRV", "NOERROR", f"SRV 0 50 80 web.{SHOP}.", "+", f"web.{SHOP}. A 10.42.0.1",
     f"web.{SHOP}. AAAA fd42::1"),
    (f"_http.tcp.web.{SHOP}", "A", "NOERROR", "A 10.42.0.1"),
    (f"http._tcp.web.{SHOP}", "A", "NOERROR", "A 10.42.0.1"),
    # Without an underscore the two labels are an endpoint and its cluster.
    (f"http.tcp.web.{SHOP}", "A", "NXDOMAIN"),
    (f"_tcp.web.{SHOP}", "A", "NOERROR"),
    (f"both.{SHOP}", "A", "NOERROR", "A 10.42.0.2"),
    (f"both.{SHOP}", "SRV", "NOERROR"),
    (f"local.{SHOP}", "A", "NXDOMAIN"),
    ("web.nowhere.svc.clusterset.local", "A", "NXDOMAIN"),
    (f"db.{SHOP}", "A", "NOERROR", "A 10.1.0.5", "A 10.1.0.6", "A 10.2.0.5"),
    (f"db-0.east.db.{SHOP}", "A", "NOERROR", "A 10.1.0.5"),
    (f"DB-0.EAST.db.{SHOP}", "A", "NOERROR", "A 10.1.0.5"),
    (f"db-0.west-2.db.{SHOP}", "A", "NOERROR", "A 10.2.0.5"),
    (f"10-1-0-6.east.db.{SHOP}", "A", "NOERROR", "A 10.1.0.6"),
    (f"10-1-0-6.west-2.db.{SHOP}", "A", "NXDOMAIN"),
    (f"10-1-0-1.east.web.{SHOP}", "A", "NOERROR", "A 10.1.0.1"),
    (f"db-0.db.{SHOP}", "A", "NXDOMAIN"),
    (f"x.db-0.east.db.{SHOP}", "A", "NXDOMAIN"),
    # Empty non-terminals above endpoints.
    (f"east.db.{SHOP}", "A", "NOERROR"),
    (f"north.db.{SHOP}", "A", "NXDOMAIN"),
    (f"db-0.west-2.db.{SHOP}", "SRV", "NOERROR", f"SRV 0 100 5432 db-0.West-2.db.{SHOP}.", "+",
     f"db-0.West-2.db.{SHOP}. A 10.2.0.5"),
    (f"_pg._tcp.db.{SHOP}", "SRV", "NOERROR", f"SRV 0 33 5432 10-1-0-6.east.db.{SHOP}.",
     f"SRV 0 33 5432 db-0.east.db.{SHOP}.", f"SRV 0 33 5432 db-0.West-2.db.{SHOP}.", "+",
     f"10-1-0-6.east.db.{SHOP}. A 10.1.0.6", f"db-0.east.db.{SHOP}. A 10.1.0.5", f"db-0.West-2.db.{SHOP}. A 10.2.0.5"),
    (f"idle.{SHOP}", "A", "NXDOMAIN"),
    (SHOP, "A", "NOERROR"),
    ("nowhere.svc.clusterset.local", "A", "NXDOMAIN"),
    ("svc.clusterset.local", "A", "NOERROR"),
    ("pod.clusterset.local", "A", "NOERROR"),
    ("10-9-9-9.shop.pod.clusterset.local", "A", "NOERROR", "A 10.9.9.9"),
    ("dns-version.clusterset.local", "TXT", "NOERROR", 'TXT "1.1.0"'),
    ("clusterset.local", "NS", "NOERROR", "NS ns.dns.clusterset.local.", "+", "ns.dns.clusterset.local. A 127.0.0.1"),
    ("ns.dns.clusterset.local", "A", "NOERROR", "A 127.0.0.1"),
    # The cluster's own names know nothing of it.
    ("local.shop.svc.cluster.local", "A", "NOERROR", "A 10.96.7.1"),
    ("both.shop.svc.cluster.local", "A", "NOERROR", "A 10.96.7.2"),
    ("web.shop.svc.cluster.local", "A", "NXDOMAIN"),
    ("db-0.east.db.shop.svc.cluster.local", "A", "NXDOMAIN"),
    ("db-0.db.shop.svc.cluster.local", "A", "NXDOMAIN"),
    # Addresses lead to names of the cluster alone, in its own zone wherever that stands among the zones.
    ("2.7.96.10.in-addr.arpa", "PTR", "NOERROR", "PTR both.shop.svc.cluster.local."),
    ("1.0.42.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    ("5.0.1.10.in-addr.arpa", "PTR", "NXDOMAIN"),
]


def shown(records, owner):
    return sorted(f"{r.type} {r.data}" if r.name == owner else f"{r.name} {r.type} {r.data}" for r in records)


def faults_of(server, row):
    name, type, rcode, *rest = row
    at = rest.index("+") if "+" in rest else len(rest)
    answer = server.ask(name, type)
    got = (answer.rcode, shown(answer.answer, name + "."), shown(answer.additional, name + "."))
    expected = (rcode, sorted(rest[:at]), sorted(rest[at + 1:]))
    return [] if got == expected else [f"{name} {type}: {got}, not {expected}"]


@pytest.mark.parametrize("zones", [ZONES, "clusterset.local in-addr.arpa cluster.local"])
def test_a_clusterset_zone_has_the_names_of_service_imports_alone(scenario, zones):
    cluster = scenario.cluster(*objects())
    server = scenario.server("", cluster, "multicluster clusterset.local\npods insecure", zones=zones)
    faults = [fault for row in NAMES for fault in faults_of(server, row)]
    assert not faults, "\n".join(faults)


def test_imports_and_their_slices_come_change_and_go(scenario):
    cluster = scenario.cluster(namespace("shop"))
    server = scenario.server("", cluster, "multicluster clusterset.local", zones=ZONES)
    serial = lambda zone: int(server.ask(zone, "SOA").answer[0].data.split()[2])
    before = serial("clusterset.local"), serial("cluster.local")
    cluster.apply(service_import("db", "shop", ports=[("pg", 5432)]))
    cluster.apply(imported_slice("db-1", "db", "shop", "east", ["10.1.0.5"], [("pg", 5432)]))
    server.eventually(f"10-1-0-5.east.db.{SHOP}", "A", ["10.1.0.5"])
    # An endpoint that moves to another cluster has another name.
    cluster.apply(imported_slice("db-1", "db", "shop", "west", ["10.1.0.5"], [("pg", 5432)]))
    server.eventually(f"10-1-0-5.west.db.{SHOP}", "A", ["10.1.0.5"])
    assert server.ask(f"10-1-0-5.east.db.{SHOP}").rcode == "NXDOMAIN"
    assert server.ask(f"east.db.{SHOP}").rcode == "NXDOMAIN"
    assert server.ask(f"db.{SHOP}", "SRV").data() == [f"0 100 5432 10-1-0-5.west.db.{SHOP}."]
    # The type changes, and the import goes with the slice still there.
    cluster.apply(service_import("db", "shop", ["10.42.0.9"], [("pg", 5432)]))
    server.eventually(f"db.{SHOP}", "A", ["10.42.0.9"])
    assert server.ask(f"10-1-0-5.west.db.{SHOP}").data() == ["10.1.0.5"]
    cluster.delete(service_import("db", "shop"))
    server.eventually(f"db.{SHOP}", "A", "NXDOMAIN")
    server.eventually(f"10-1-0-5.west.db.{SHOP}", "A", "NXDOMAIN")
    # Each zone has a serial of its own.
    assert serial("clusterset.local") > before[0]
    assert serial("cluster.local") == before[1]


def test_options_hold_for_imports_too(scenario):
    cluster = scenario.cluster(
        namespace("shop"), namespace("bank"),
        service_import("web", "shop", ["10.42.0.1"], tier="front"), service_import("api", "shop", ["10.42.0.2"]),
        service_import("web", "bank", ["10.42.0.3"], tier="front"),
        service_import("db", "shop", tier="front"),
        imported_slice("db-1", "db", "shop", "east", ["10.1.0.5"], tier="front"),
        imported_slice("db-2", "db", "shop", "east", ["10.1.0.6"]),
        imported_slice("db-3", "db", "shop", "bad.cluster", ["10.1.0.7"], tier="front"))

    def answers(*options):
        server = scenario.server("", cluster, "\n".join(["multicluster clusterset.local", *options]), zones=ZONES)
        names = [f"web.{SHOP}", f"api.{SHOP}", "web.bank.svc.clusterset.local", f"db.{SHOP}"]
        return [answer.data() if (answer := server.ask(name)).rcode == "NOERROR" else answer.rcode for name in names]

    assert answers() == [["10.42.0.1"], ["10.42.0.2"], ["10.42.0.3"], ["10.1.0.5", "10.1.0.6"]]
    assert answers("labels tier=front") == [["10.42.0.1"], "NXDOMAIN", ["10.42.0.3"], ["10.1.0.5"]]
    assert answers("namespaces bank") == ["NXDOMAIN", "NXDOMAIN", ["10.42.0.3"], "NXDOMAIN"]
    assert answers("ignore empty_service") == ["NXDOMAIN", "NXDOMAIN", "NXDOMAIN", ["10.1.0.5", "10.1.0.6"]]
    # As in CoreDNS, it is about the cluster's own endpoints.
    assert answers("noendpoints")[3] == ["10.1.0.5", "10.1.0.6"]


@pytest.mark.parametrize("status, hint", [(404, "install the ServiceImport CRD"), (403, "the ClusterRole must allow")])
def test_without_the_crd_the_cluster_is_served_and_the_clusterset_heals_when_it_comes(scenario, status, hint):
    cluster = scenario.cluster(*objects())
    imports = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports"
    cluster.fault(fail_requests={"count": 100_000, "status": status, "path_prefix": imports})
    server = scenario.server("", cluster, "multicluster clusterset.local", zones=ZONES)
    # Ready without it, at once.
    assert server.ask("local.shop.svc.cluster.local").data() == ["10.96.7.1"]
    assert server.ask("missing.shop.svc.cluster.local").rcode == "NXDOMAIN"
    answer = server.dig(f"web.{SHOP}")
    assert answer.rcode == "SERVFAIL"
    assert any("not yet in step" in text for _, text in answer.extended_errors)
    assert server.ask("clusterset.local", "SOA").rcode == "NOERROR"
    assert hint in server.output()
    cluster.fault(reset=True)
    wait_until(lambda: server.ask(f"web.{SHOP}").data() == ["10.42.0.1"], 60, server.output)
    assert server.ask(f"missing.{SHOP}").rcode == "NXDOMAIN"


def test_nothing_of_a_clusterset_is_read_without_the_option(scenario):
    cluster = scenario.cluster(*objects())
    server = scenario.server("", cluster, zones=ZONES)
    assert server.ask("local.shop.svc.clusterset.local").data() == ["10.96.7.1"]
    assert cluster.requests("list", "serviceimports") == 0
    assert cluster.requests("list", "endpointslices") == 1


def test_both_watches_of_slices_are_one_line_of_the_metrics(scenario):
    server = scenario.server("", scenario.cluster(*objects()), "multicluster clusterset.local", zones=ZONES)
    page = server.metrics_page()
    samples = [line.rsplit(" ", 1)[0] for line in page.splitlines() if line and line[0] != "#"]
    assert len(samples) == len(set(samples))


# --- transfers

TRANSFER = "transfer {\n    to *\n}"

EXPECTED = f"""
clusterset.local. 5 NS ns.dns.clusterset.local.
ns.dns.clusterset.local. 5 A 127.0.0.1
both.{SHOP}. 5 A 10.42.0.2
db.{SHOP}. 5 A 10.1.0.5
db.{SHOP}. 5 A 10.1.0.6
db.{SHOP}. 5 A 10.2.0.5
10-1-0-6.east.db.{SHOP}. 5 A 10.1.0.6
db-0.east.db.{SHOP}. 5 A 10.1.0.5
db-0.west-2.db.{SHOP}. 5 A 10.2.0.5
_pg._tcp.db.{SHOP}. 5 SRV 0 33 5432 10-1-0-6.east.db.{SHOP}.
_pg._tcp.db.{SHOP}. 5 SRV 0 33 5432 db-0.east.db.{SHOP}.
_pg._tcp.db.{SHOP}. 5 SRV 0 33 5432 db-0.West-2.db.{SHOP}.
web.{SHOP}. 5 A 10.42.0.1
web.{SHOP}. 5 AAAA fd42::1
web.{SHOP}. 5 SRV 0 100 80 web.{SHOP}.
web.{SHOP}. 5 SRV 0 100 9090 web.{SHOP}.
_http._tcp.web.{SHOP}. 5 SRV 0 100 80 web.{SHOP}.
_metrics._tcp.web.{SHOP}. 5 SRV 0 100 9090 web.{SHOP}.
""".strip().splitlines()


def test_a_transfer_of_a_clusterset_zone_has_the_ids_of_clusters_and_only_imports(scenario):
    cluster = scenario.cluster(*objects())
    server = scenario.server(TRANSFER, cluster, "multicluster clusterset.local\npods insecure", zones=ZONES)
    records = dig_zone(server.port, "clusterset.local")
    sent = [f"{record.name} {record.ttl} {record.type} {record.data}".lower() for record in records[1:]]
    assert sorted(sent) == sorted(line.lower() for line in EXPECTED)
    assert records[0].data == server.ask("clusterset.local", "SOA").answer[0].data
    # Each is what a query gets; a ClusterSetIP's weights are one number in a transfer.
    for record in records:
        found = server.ask(record.name, record.type, tcp=True).data(record.type)
        weightless = {tuple(data.split()[2:]) for data in found} if record.type == "SRV" else set()
        assert record.data in found or tuple(record.data.split()[2:]) in weightless, record
    # Beside it the cluster's own zone, and nothing of either in the other.
    own = {record.name for record in dig_zone(server.port, "cluster.local")}
    assert "local.shop.svc.cluster.local." in own and not any("east" in name or "web" in name for name in own)
    assert all(".cluster.local." in r.data for r in dig_zone(server.port, "in-addr.arpa") if r.type == "PTR")


def test_a_changed_import_is_in_the_next_transfer_under_a_higher_serial(scenario):
    cluster = scenario.cluster(*objects())
    server = scenario.server(TRANSFER, cluster, "multicluster clusterset.local", zones=ZONES)
    serial = lambda zone: int(dig_zone(server.port, zone)[0].data.split()[2])
    before, own = serial("clusterset.local"), serial("cluster.local")
    cluster.apply(service_import("web", "shop", ["10.42.0.7"], [("http", 80)]))
    server.eventually(f"web.{SHOP}", "A", ["10.42.0.7"])
    records = dig_zone(server.port, "clusterset.local")
    assert [record.data for record in records if record.name == f"web.{SHOP}." and record.type == "A"] == ["10.42.0.7"]
    assert int(records[0].data.split()[2]) > before
    assert serial("cluster.local") == own


def test_without_the_crd_the_clusterset_is_not_transferred_and_the_cluster_is(scenario):
    cluster = scenario.cluster(*objects())
    imports = "/apis/multicluster.x-k8s.io/v1alpha1/serviceimports"
    cluster.fault(fail_requests={"count": 100_000, "status": 404, "path_prefix": imports})
    server = scenario.server(TRANSFER, cluster, "multicluster clusterset.local", zones=ZONES)
    answer = server.ask("clusterset.local", "AXFR", tcp=True)
    assert answer.rcode == "SERVFAIL" and "not yet in step" in answer.extended_errors[0][1]
    assert len(dig_zone(server.port, "cluster.local")) > 3
