"""Services and EndpointSlices of a real API server: dig's answers follow what kubectl does.

Expected answers: Kubernetes DNS specification 1.1.0.
"""

import ipaddress

import pytest

from support.kube import endpoint_slice, namespace, service

ZONE = "svc.cluster.local"


@pytest.fixture(scope="module")
def server(shared_server):
    return shared_server


def spec_of(plane, name, namespace="default"):
    return plane.get(f"/api/v1/namespaces/{namespace}/services/{name}")["spec"]


def test_a_new_service_is_answered_and_a_deleted_one_is_not(control_plane, server):
    name = f"web.default.{ZONE}"
    assert server.dig(name).rcode == "NXDOMAIN"
    web = service("web")
    control_plane.apply(web)
    address = spec_of(control_plane, "web")["clusterIP"]
    server.eventually(name, "A", [address])
    answer = server.dig(name)
    assert (answer.rcode, answer.data(), [record.ttl for record in answer.answer]) == ("NOERROR", [address], [5])
    assert {"qr", "aa", "rd"} <= answer.flags
    control_plane.delete(web)
    server.eventually(name, "A", "NXDOMAIN")
    negative = server.dig(name)
    assert [record.type for record in negative.authority] == ["SOA"]


def test_lists_are_streamed_and_in_protobuf(server):
    """What the real API server offers is used: otherwise nothing else here would be about it."""
    metrics = server.metrics()

    def total(name):
        return sum(value for sample, value in metrics.items() if sample.startswith(name))

    assert total("fairlead_kubernetes_streamed_lists_total") == total("fairlead_kubernetes_lists_total") == 3
    assert total("fairlead_kubernetes_protobuf_answers_total") >= 3
    assert total("fairlead_kubernetes_odd_input_total") == 0


def test_answers_are_the_same_over_tcp_and_in_any_case(control_plane, server):
    control_plane.apply(service("cased"))
    address = spec_of(control_plane, "cased")["clusterIP"]
    server.eventually(f"cased.default.{ZONE}", "A", [address])
    for flags in ((), ("+tcp",), ("+noedns",), ("+dnssec",)):
        answer = server.dig(f"CaSeD.Default.SVC.cluster.LOCAL", "A", *flags)
        assert answer.data() == [address]
        assert answer.answer[0].name == "CaSeD.Default.SVC.cluster.LOCAL."


def test_a_service_of_both_families_answers_both_and_another_only_its_own(control_plane, server):
    control_plane.apply(
        service("both", ipFamilyPolicy="RequireDualStack"),
        service("six", ipFamilies=["IPv6"], ipFamilyPolicy="SingleStack"),
    )
    v4, v6 = spec_of(control_plane, "both")["clusterIPs"]
    server.eventually(f"both.default.{ZONE}", "A", [v4])
    server.eventually(f"both.default.{ZONE}", "AAAA", [v6])
    six = spec_of(control_plane, "six")["clusterIP"]
    server.eventually(f"six.default.{ZONE}", "AAAA", [six])
    missing = server.dig(f"six.default.{ZONE}", "A")
    assert (missing.rcode, missing.answer) == ("NOERROR", [])
    for address, owner in ((v4, "both"), (v6, "both"), (six, "six")):
        reverse = ipaddress.ip_address(address).reverse_pointer
        assert server.dig(reverse, "PTR").data() == [f"{owner}.default.{ZONE}."]


def test_srv_follows_the_ports_of_a_service(control_plane, server):
    ports = service("ports", ports=[("http", 80), ("dns", 53, "UDP")])
    control_plane.apply(ports)
    target = f"ports.default.{ZONE}."
    server.eventually(f"_http._tcp.{target}", "SRV", [f"0 100 80 {target}"])
    udp = server.dig(f"_dns._udp.{target}", "SRV")
    assert udp.data() == [f"0 100 53 {target}"]
    assert [(record.name, record.type) for record in udp.additional] == [(target, "A")]
    assert server.dig(f"_dns._tcp.{target}", "SRV").rcode == "NXDOMAIN"
    ports["spec"]["ports"] = [{"name": "web", "port": 8080, "protocol": "TCP"}]
    control_plane.apply(ports)
    server.eventually(f"_web._tcp.{target}", "SRV", [f"0 100 8080 {target}"])
    assert server.dig(f"_http._tcp.{target}", "SRV").rcode == "NXDOMAIN"


def test_a_headless_service_is_its_ready_endpoints(control_plane, server):
    name = f"db.default.{ZONE}"
    control_plane.apply(service("db", clusterIP="None"))
    slice = endpoint_slice("db-1", "db", endpoints=[
        {"addresses": ["10.1.2.3"], "hostname": "db-0"},
        "10.1.2.4",
        {"addresses": ["10.1.2.5"], "conditions": {"ready": False}},
    ])
    control_plane.apply(slice)
    server.eventually(name, "A", ["10.1.2.3", "10.1.2.4"])
    assert server.dig(f"db-0.{name}").data() == ["10.1.2.3"]
    assert server.dig(f"10-1-2-4.{name}").data() == ["10.1.2.4"]
    assert server.dig(f"10-1-2-5.{name}").rcode == "NXDOMAIN"
    assert server.dig("3.2.1.10.in-addr.arpa", "PTR").data() == [f"db-0.{name}."]
    srv = server.dig(f"_http._tcp.{name}", "SRV")
    assert srv.data() == [f"0 50 8080 10-1-2-4.{name}.", f"0 50 8080 db-0.{name}."]
    assert sorted(record.data for record in srv.additional) == ["10.1.2.3", "10.1.2.4"]
    # The endpoint that was not ready becomes so, another one leaves.
    slice["endpoints"] = [slice["endpoints"][0], {"addresses": ["10.1.2.5"], "conditions": {"ready": True}}]
    control_plane.apply(slice)
    server.eventually(name, "A", ["10.1.2.3", "10.1.2.5"])
    assert server.dig("4.2.1.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
    control_plane.delete(slice)
    server.eventually(name, "A", "NXDOMAIN")


def test_several_slices_make_one_answer(control_plane, server):
    control_plane.apply(
        service("many", clusterIP="None"),
        endpoint_slice("many-a", "many", endpoints=["10.1.3.1", "10.1.3.2"]),
        endpoint_slice("many-b", "many", endpoints=["10.1.3.2", "10.1.3.3"]),
        endpoint_slice("many-6", "many", endpoints=["fd00:10:1::3"], family="IPv6"),
    )
    server.eventually(f"many.default.{ZONE}", "A", ["10.1.3.1", "10.1.3.2", "10.1.3.3"])
    server.eventually(f"many.default.{ZONE}", "AAAA", ["fd00:10:1::3"])


def test_a_slice_that_comes_before_its_service_counts(control_plane, server):
    control_plane.apply(endpoint_slice("early-1", "early", endpoints=["10.1.4.1"]))
    assert server.dig(f"early.default.{ZONE}").rcode == "NXDOMAIN"
    control_plane.apply(service("early", clusterIP="None"))
    server.eventually(f"early.default.{ZONE}", "A", ["10.1.4.1"])


def test_a_slice_that_changes_its_service_moves_its_addresses(control_plane, server):
    slice = endpoint_slice("moving", "left", endpoints=["10.1.5.1"])
    control_plane.apply(service("left", clusterIP="None"), service("right", clusterIP="None"), slice)
    server.eventually(f"left.default.{ZONE}", "A", ["10.1.5.1"])
    slice["metadata"]["labels"]["kubernetes.io/service-name"] = "right"
    control_plane.apply(slice)
    server.eventually(f"right.default.{ZONE}", "A", ["10.1.5.1"])
    server.eventually(f"left.default.{ZONE}", "A", "NXDOMAIN")


def test_an_external_name_is_an_alias(control_plane, server):
    control_plane.apply(
        service("inside"),
        service("alias", ports=(), type="ExternalName", externalName=f"inside.default.{ZONE}"),
        service("outside", ports=(), type="ExternalName", externalName="db.example.org"),
    )
    address = spec_of(control_plane, "inside")["clusterIP"]
    server.eventually(f"outside.default.{ZONE}", "CNAME", ["db.example.org."])
    answer = server.dig(f"alias.default.{ZONE}")
    assert answer.data("CNAME") == [f"inside.default.{ZONE}."]
    assert answer.data("A") == [address]
    assert server.dig(f"outside.default.{ZONE}", "TXT").answer == []


def test_a_service_that_becomes_an_external_name_answers_so(control_plane, server):
    control_plane.apply(service("turning"))
    address = spec_of(control_plane, "turning")["clusterIP"]
    server.eventually(f"turning.default.{ZONE}", "A", [address])
    control_plane.kubectl(
        "patch", "service", "turning", "--type=merge", "-p",
        '{"spec":{"type":"ExternalName","externalName":"db.example.org","clusterIP":null,"clusterIPs":null}}')
    server.eventually(f"turning.default.{ZONE}", "CNAME", ["db.example.org."])
    assert server.dig(ipaddress.ip_address(address).reverse_pointer, "PTR").rcode == "NXDOMAIN"


def test_a_new_namespace_exists_before_its_services(control_plane, server):
    assert server.dig(f"shop.{ZONE}").rcode == "NXDOMAIN"
    control_plane.apply(namespace("shop"))
    server.eventually(f"shop.{ZONE}", "A", [])
    control_plane.apply(service("web", namespace="shop"))
    server.eventually(f"web.shop.{ZONE}", "A", [spec_of(control_plane, "web", "shop")["clusterIP"]])
    assert server.dig("10-1-2-3.shop.pod.cluster.local").data() == ["10.1.2.3"]


def test_two_hundred_services_come_and_go_at_once(control_plane, server):
    batch = [service(f"batch-{number}") for number in range(200)]
    control_plane.apply(*batch)
    items = control_plane.get("/api/v1/namespaces/default/services")["items"]
    addresses = {item["metadata"]["name"]: item["spec"].get("clusterIP") for item in items}
    for number in range(200):
        server.eventually(f"batch-{number}.default.{ZONE}", "A", [addresses[f"batch-{number}"]])
    control_plane.delete(*batch)
    for number in range(200):
        server.eventually(f"batch-{number}.default.{ZONE}", "A", "NXDOMAIN")
