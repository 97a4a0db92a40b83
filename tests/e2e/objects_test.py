"""Objects as only a real API server admits them: large, changing their kind, on their way out, or just odd."""

import ipaddress

import pytest

from support.dns import exchange, encode_query
from support.kube import endpoint_slice, namespace, path_of, service
from support.processes import wait_until

ZONE = "svc.cluster.local"
ADDRESSES = 1000


@pytest.fixture(scope="module")
def server(shared_server):
    return shared_server


def spec_of(plane, object):
    return plane.get(path_of(object))["spec"]


def answers(server, name, type, count, tcp=True):
    """The answer once its section has `count` records."""
    def complete():
        answer = server.ask(name, type, tcp=tcp)
        return answer if len(answer.answer) == count else None

    return wait_until(complete, 10, lambda: f"{name} {type} has {count} records, not {server.ask(name, type, tcp=tcp)}")


def test_a_slice_of_a_thousand_addresses_is_whole_over_tcp_and_truncated_over_udp(control_plane, server):
    addresses = [f"10.3.{number // 250}.{number % 250}" for number in range(ADDRESSES)]
    # Short names, so that a thousand SRV records fit a message.
    name = f"t.default.{ZONE}"
    slice = endpoint_slice("t-1", "t", endpoints=[
        {"addresses": [address], "hostname": f"h{number}"} for number, address in enumerate(addresses)])
    control_plane.create(service("t", clusterIP="None"), slice)
    assert answers(server, name, "A", ADDRESSES).data() == sorted(addresses)

    wire = exchange(server.port, encode_query(name))
    part = server.ask(name)
    assert len(wire) <= 1232
    assert "tc" in part.flags and part.answer and set(part.data()) < set(addresses)
    small = server.ask(name, udp_size=None)
    assert "tc" in small.flags and 0 < len(small.answer) < len(part.answer)

    srv = answers(server, f"_http._tcp.{name}", "SRV", ADDRESSES)
    assert "tc" not in srv.flags
    targets = {record.data.split()[3] for record in srv.answer}
    assert targets == {f"h{number}.{name}" + "." for number in range(ADDRESSES)}
    # RFC 2181 §9: glue that does not fit is left out, and nothing is said of it.
    glue = {(f"h{number}.{name}.", address) for number, address in enumerate(addresses)}
    found = {(record.name, record.data) for record in srv.additional}
    assert found and found < glue
    assert {record.data.split()[1] for record in srv.answer} == {"1"}, "the least weight there is"

    for number in (0, ADDRESSES - 1):
        reverse = ipaddress.ip_address(addresses[number]).reverse_pointer
        server.eventually(reverse, "PTR", [f"h{number}.{name}."])  # what points to a name comes behind it
    # Half of them leave, and the glue fits; then all but three.
    control_plane.patch(slice, {"endpoints": slice["endpoints"][: ADDRESSES // 2]})
    assert {(record.name, record.data) for record in answers(server, name, "SRV", ADDRESSES // 2).additional} == {
        (f"h{number}.{name}.", address) for number, address in enumerate(addresses[: ADDRESSES // 2])}
    control_plane.patch(slice, {"endpoints": slice["endpoints"][:3]})
    assert answers(server, name, "A", 3, tcp=False).data() == sorted(addresses[:3])
    server.eventually(ipaddress.ip_address(addresses[-1]).reverse_pointer, "PTR", "NXDOMAIN")
    control_plane.remove(slice)
    server.eventually(name, "A", "NXDOMAIN")


# What a Service becomes, in an order that the API server allows, and what is answered then.
TYPES = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "headless", "ExternalName", "ClusterIP"]


def test_a_service_goes_through_all_five_types(control_plane, server):
    name = f"turns.default.{ZONE}"
    turns = service("turns")
    control_plane.create(
        service("target"), turns, endpoint_slice("turns-1", "turns", endpoints=[{"addresses": ["10.3.9.1"], "hostname": "one"}]))
    target = spec_of(control_plane, service("target"))["clusterIP"]
    reverse = None
    for type in TYPES:
        if type == "ExternalName":
            changes = {"type": type, "externalName": f"target.default.{ZONE}", "clusterIP": None, "clusterIPs": None,
                       "ipFamilies": None, "ipFamilyPolicy": None}
        elif type == "headless":
            changes = {"type": "ClusterIP", "clusterIP": "None", "externalName": None}
        else:
            changes = {"type": type, "externalName": None}
        control_plane.patch(turns, {"spec": changes})
        address = spec_of(control_plane, turns).get("clusterIP")
        srv = f"_http._tcp.{name}"
        if type == "ExternalName":
            server.eventually(name, "CNAME", [f"target.default.{ZONE}."])
            assert server.ask(name).data("A") == [target]
            assert server.ask(srv, "SRV").rcode == "NXDOMAIN"
            assert server.ask(f"one.{name}").rcode == "NXDOMAIN"
            server.eventually(reverse, "PTR", "NXDOMAIN")
        elif type == "headless":
            server.eventually(name, "A", ["10.3.9.1"])
            assert server.ask(srv, "SRV").data() == [f"0 100 8080 one.{name}."]
            assert server.ask(f"one.{name}").data() == ["10.3.9.1"]
        else:
            server.eventually(name, "A", [address])
            server.eventually(srv, "SRV", [f"0 100 80 {name}."])
            assert server.ask(f"one.{name}").data() == ["10.3.9.1"], "endpoints have names here too"
            reverse = ipaddress.ip_address(address).reverse_pointer
            server.eventually(reverse, "PTR", [f"{name}."])
        if type != "ExternalName":
            assert server.ask(name, "CNAME").answer == []
        assert server.ask("1.9.3.10.in-addr.arpa", "PTR").data() == [f"one.{name}."], "whatever the Service is"


def test_a_namespace_that_is_deleted_answers_until_it_is_gone_and_may_come_again(control_plane, server):
    space, name = f"going.{ZONE}", f"web.going.{ZONE}"
    web, pods = service("web", "going"), endpoint_slice("web-1", "web", "going", endpoints=["10.3.9.11"])
    control_plane.create(namespace("going"), web, pods)
    server.eventually(name, "A", [spec_of(control_plane, web)["clusterIP"]])
    control_plane.remove(namespace("going"))
    assert control_plane.get("/api/v1/namespaces/going")["status"]["phase"] == "Terminating"
    # What is in it is deleted one by one, by the controller manager in a cluster.
    control_plane.create(service("marker"))
    server.eventually(f"marker.default.{ZONE}", "A", [spec_of(control_plane, service("marker"))["clusterIP"]])
    assert server.ask(name).data() == [spec_of(control_plane, web)["clusterIP"]]
    assert server.ask("10-0-0-1.going.pod.cluster.local").data() == ["10.0.0.1"]
    control_plane.remove(web)
    server.eventually(name, "A", "NXDOMAIN")
    assert server.ask("11.9.3.10.in-addr.arpa", "PTR").rcode == "NOERROR", "the slice is still there"
    control_plane.remove(pods)
    server.eventually("11.9.3.10.in-addr.arpa", "PTR", "NXDOMAIN")
    assert server.ask(space).rcode == "NOERROR", "empty, but there"
    control_plane.finalize("going")
    server.eventually(space, "A", "NXDOMAIN")
    assert server.ask("10-0-0-1.going.pod.cluster.local").rcode == "NXDOMAIN"
    control_plane.create(namespace("going"), service("web", "going", clusterIP="None"), pods)
    server.eventually(name, "A", ["10.3.9.11"])


# What kube-apiserver admits although it looks wrong, and what is answered.
ODD_OBJECTS = [
    ("a port without a number stands for all ports", "null-port", {"ports": [{}, {"name": "named"}]}, ["10.3.10.1"]),
    ("ports may be null", "null-ports", {"ports": None}, ["10.3.10.1"]),
    ("conditions may be missing", "no-conditions", {"endpoints": [{"addresses": ["10.3.10.2"]}]}, ["10.3.10.2"]),
    ("readiness may be null", "null-ready", {"endpoints": [{"addresses": ["10.3.10.3"], "conditions": {"ready": None}}]}, ["10.3.10.3"]),
    ("an endpoint may have many addresses", "addresses", {
        "endpoints": [{"addresses": [f"10.3.11.{number}" for number in range(20)]}]}, [f"10.3.11.{number}" for number in range(20)]),
    ("an address may stand there a thousand times", "repeated", {"endpoints": [{"addresses": ["10.3.10.4"]}] * 1000}, ["10.3.10.4"]),
    ("a slice may hold host names", "host-names", {"addressType": "FQDN", "endpoints": [{"addresses": ["db.example.org"]}]}, "NXDOMAIN"),
    ("an object may be close to the largest", "large", {
        "endpoints": [{"addresses": [f"10.3.12.{number % 250}"], "hostname": f"h{number}" + "x" * 50, "targetRef": {
            "kind": "Pod", "name": "p" * 200, "namespace": "n" * 60}} for number in range(20)] + [
                {"addresses": ["10.3.13.1"], "conditions": {"ready": False}, "nodeName": "n" * 200, "zone": "z" * 60}] * 980},
     [f"10.3.12.{number}" for number in range(20)]),
]


@pytest.mark.parametrize(("what", "name", "fields", "expected"), ODD_OBJECTS, ids=[row[1] for row in ODD_OBJECTS])
def test_odd_slices_that_are_admitted_are_read_for_what_they_say(control_plane, server, what, name, fields, expected):
    odd = endpoint_slice(f"{name}-1", name, endpoints=["10.3.10.1"]) | fields
    odd["metadata"]["annotations"] = {"text": "\u2603 \"}{][\\ \n" + "y" * 200_000}
    control_plane.create(service(name, clusterIP="None"), odd, service(f"beside-{name}"))
    beside = spec_of(control_plane, service(f"beside-{name}"))["clusterIP"]
    server.eventually(f"beside-{name}.default.{ZONE}", "A", [beside])
    server.eventually(f"{name}.default.{ZONE}", "A", expected)


def test_odd_services_that_are_admitted_hurt_nobody(control_plane, server):
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    control_plane.create(
        service("no-name", ports=(), type="ExternalName", externalName="l" * 64 + ".example.org"),
        service("longest", ports=(), type="ExternalName", externalName=longest),
        service("an-address", ports=(), type="ExternalName", externalName="192.0.2.1"),
        service("1st"),
        service("ports-300", ports=[(f"p{number}", 1 + number) for number in range(300)]),
        endpoint_slice("nobody-1", "", endpoints=["10.3.14.1"]),
        endpoint_slice("capitals-1", "CAPITALS", endpoints=["10.3.14.2"]),
        service("after-all"))
    server.eventually(f"after-all.default.{ZONE}", "A", [spec_of(control_plane, service("after-all"))["clusterIP"]])
    server.eventually(f"longest.default.{ZONE}", "CNAME", [longest + "."])
    server.eventually(f"1st.default.{ZONE}", "A", [spec_of(control_plane, service("1st"))["clusterIP"]])
    for name in ("no-name", "an-address"):
        assert server.ask(f"{name}.default.{ZONE}").rcode == "NXDOMAIN"
    assert len(answers(server, f"ports-300.default.{ZONE}", "SRV", 300).additional) == 1
    assert server.ask(f"_p299._tcp.ports-300.default.{ZONE}", "SRV").data() == [f"0 100 300 ports-300.default.{ZONE}."]
    for number in (1, 2):
        assert server.ask(f"{number}.14.3.10.in-addr.arpa", "PTR").rcode == "NXDOMAIN"
