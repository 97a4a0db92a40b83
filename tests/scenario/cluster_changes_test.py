"""Objects change, and so do their names: soon, and nothing else's."""

import time

import pytest

from support.kube import endpoint_slice, namespace, service
from support.upstream import address

ZONE = "default.svc.cluster.local"
LISTED = ("services", "endpointslices", "namespaces")
# On a loaded machine; the figure of a quiet one is the benchmarks'.
VISIBLE_SECONDS = 5


@pytest.fixture(scope="module")
def cluster(shared):
    return shared.cluster(service("steady", clusterIP="10.96.7.1"))


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream({"db.example.org.": address("192.0.2.7"), "other.example.org.": address("192.0.2.8")})


@pytest.fixture(scope="module")
def server(shared, cluster, upstream):
    # With a cache, which must not hide what changes.
    return shared.server(f"cache 30\nforward . {upstream.target}", cluster, "pods insecure")


@pytest.fixture(autouse=True)
def no_relist(cluster, server):
    before = [cluster.requests("list", plural) for plural in LISTED]
    yield
    assert [cluster.requests("list", plural) for plural in LISTED] == before, "changes come by watch alone"


def eventually(server, name, type, expected):
    return server.eventually(f"{name}.{ZONE}", type, expected, VISIBLE_SECONDS)


def test_a_service_comes_changes_and_goes(cluster, server):
    assert server.ask(f"web.{ZONE}").rcode == "NXDOMAIN"
    cluster.apply(service("web", clusterIP="10.96.8.1"))
    eventually(server, "web", "A", ["10.96.8.1"])
    assert server.ask("1.8.96.10.in-addr.arpa", "PTR").data() == [f"web.{ZONE}."]
    cluster.apply(service("web", clusterIP="10.96.8.1", ports=[("https", 443)]))
    eventually(server, "_https._tcp.web", "SRV", [f"0 100 443 web.{ZONE}."])
    assert server.ask(f"_http._tcp.web.{ZONE}", "SRV").rcode == "NXDOMAIN"
    cluster.delete(service("web"))
    eventually(server, "web", "A", "NXDOMAIN")
    assert server.ask("1.8.96.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"


def test_a_service_that_is_made_anew_has_its_new_address(cluster, server):
    for number in range(5):
        cluster.apply(service("again", clusterIP=f"10.96.9.{number + 1}"))
        eventually(server, "again", "A", [f"10.96.9.{number + 1}"])
        cluster.delete(service("again"))
    eventually(server, "again", "A", "NXDOMAIN")


def test_a_service_goes_through_all_its_types(cluster, server):
    """ClusterIP, headless, ExternalName, another target, and back: no trace of the type before."""
    name, slice = f"turning.{ZONE}", endpoint_slice("turning-1", "turning", endpoints=["10.244.1.1", "10.244.1.2"])
    cluster.apply(service("turning", clusterIP="10.96.10.1"), slice)
    eventually(server, "turning", "A", ["10.96.10.1"])
    eventually(server, "10-244-1-2.turning", "A", ["10.244.1.2"])

    cluster.delete(service("turning"))
    cluster.apply(service("turning", clusterIP="None"))
    eventually(server, "turning", "A", ["10.244.1.1", "10.244.1.2"])
    assert server.ask("1.10.96.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    assert server.ask("1.1.244.10.in-addr.arpa", "PTR").data() == [f"10-244-1-1.{name}."]

    cluster.delete(service("turning"))
    cluster.apply(service("turning", ports=(), type="ExternalName", externalName="db.example.org"))
    eventually(server, "turning", "CNAME", ["db.example.org."])
    assert server.ask(name).data() == ["192.0.2.7", "db.example.org."]
    assert server.ask(f"10-244-1-2.{name}").rcode == "NXDOMAIN"

    cluster.apply(service("turning", ports=(), type="ExternalName", externalName="other.example.org"))
    eventually(server, "turning", "CNAME", ["other.example.org."])
    assert server.ask(name).data() == ["192.0.2.8", "other.example.org."]

    cluster.delete(service("turning"))
    cluster.apply(service("turning", clusterIP="10.96.10.2"))
    eventually(server, "turning", "A", ["10.96.10.2"])
    assert server.ask(name, "CNAME").data() == []
    assert server.ask(name).data() == ["10.96.10.2"]


def test_endpoints_become_ready_and_leave(cluster, server):
    def slice(*endpoints):
        return endpoint_slice("db-1", "db", endpoints=[
            {"addresses": [address], "conditions": {"ready": ready}} for address, ready in endpoints])

    cluster.apply(service("db", clusterIP="None"), slice(("10.244.2.1", False)))
    assert server.ask(f"db.{ZONE}").rcode == "NXDOMAIN"
    cluster.apply(slice(("10.244.2.1", True), ("10.244.2.2", False)))
    eventually(server, "db", "A", ["10.244.2.1"])
    cluster.apply(slice(("10.244.2.1", True), ("10.244.2.2", True)))
    eventually(server, "db", "A", ["10.244.2.1", "10.244.2.2"])
    cluster.apply(slice(("10.244.2.2", True)))
    eventually(server, "db", "A", ["10.244.2.2"])
    assert server.ask("1.2.244.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    cluster.delete(slice())
    eventually(server, "db", "A", "NXDOMAIN")


def test_a_namespace_exists_before_and_after_its_services(cluster, server):
    assert server.ask("new.svc.cluster.local").rcode == "NXDOMAIN"
    assert server.ask("10-0-0-1.new.pod.cluster.local").rcode == "NXDOMAIN"
    cluster.apply(namespace("new"))
    server.eventually("new.svc.cluster.local", "A", [], VISIBLE_SECONDS)
    assert server.ask("10-0-0-1.new.pod.cluster.local").data() == ["10.0.0.1"]
    cluster.apply(service("web", "new", clusterIP="10.96.11.1"))
    server.eventually("web.new.svc.cluster.local", "A", ["10.96.11.1"], VISIBLE_SECONDS)
    cluster.delete(namespace("new"))
    server.eventually("new.svc.cluster.local", "A", "NXDOMAIN", VISIBLE_SECONDS)
    server.eventually("web.new.svc.cluster.local", "A", "NXDOMAIN", VISIBLE_SECONDS)


def test_the_serial_rises_with_a_change_and_rests_without(cluster, server):
    def serial():
        return int(server.ask("cluster.local", "SOA").data()[0].split()[2])

    begin = serial()
    time.sleep(0.3)
    assert serial() == begin
    for number in range(3):
        cluster.apply(service("serial", clusterIP="10.96.12.1", ports=[("http", 80 + number)]))
        server.eventually(f"serial.{ZONE}", "SRV", [f"0 100 {80 + number} serial.{ZONE}."], VISIBLE_SECONDS)
        assert serial() > begin
        begin = serial()


def test_an_edit_of_the_manifests_is_what_answers(cluster, server):
    cluster.write_manifests(service("steady", clusterIP="10.96.7.1"), service("edited", clusterIP="10.96.13.1"))
    eventually(server, "edited", "A", ["10.96.13.1"])
    cluster.write_manifests(service("steady", clusterIP="10.96.7.1"))
    eventually(server, "edited", "A", "NXDOMAIN")
    assert server.ask(f"steady.{ZONE}").data() == ["10.96.7.1"]


def test_a_burst_of_changes_ends_in_the_last_state(cluster, server):
    for round in range(3):
        cluster.apply(*(service(f"burst-{n}", clusterIP=f"10.96.1{round}0.{n + 1}") for n in range(50)))
        cluster.delete(*(service(f"burst-{n}") for n in range(50)))
    cluster.apply(*(service(f"burst-{n}", clusterIP=f"10.96.200.{n + 1}") for n in range(0, 50, 2)))
    for n in range(50):
        eventually(server, f"burst-{n}", "A", [f"10.96.200.{n + 1}"] if n % 2 == 0 else "NXDOMAIN")
