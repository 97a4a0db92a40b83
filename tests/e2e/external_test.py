"""Load balancers of a real API server: what their controller writes into `status` is in the external zone at once."""

import json

import pytest

from support.kube import service

ZONE = "example.test"
NAME = f"lb.default.{ZONE}"


def set_ingress(plane, ingress):
    """As the controller of load balancers does: the status subresource alone."""
    patch = json.dumps({"status": {"loadBalancer": {"ingress": ingress}}})
    plane.kubectl("patch", "service", "lb", "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture(scope="module")
def balanced(control_plane):
    control_plane.create(service("lb", type="LoadBalancer"))
    return control_plane.get("/api/v1/namespaces/default/services/lb")["spec"]["clusterIP"]


def test_ingress_points_come_change_their_kind_and_go(control_plane, in_cluster, balanced):
    server = in_cluster.start(directives=f"k8s_external {ZONE} 192.in-addr.arpa")
    cluster_name, reverse = "lb.default.svc.cluster.local", "9.2.0.192.in-addr.arpa"
    assert server.dig(cluster_name).data() == [balanced]
    assert server.dig(NAME).rcode == "NXDOMAIN", "it has no address yet"

    set_ingress(control_plane, [{"ip": "192.0.2.9"}])
    server.eventually(NAME, "A", ["192.0.2.9"])
    assert server.dig(f"_http._tcp.{NAME}", "SRV").data() == [f"0 100 80 {NAME}."]
    server.eventually(reverse, "PTR", [f"{NAME}."])

    set_ingress(control_plane, [{"ip": "192.0.2.10"}, {"ip": "2001:db8::10"}])
    server.eventually(NAME, "AAAA", ["2001:db8::10"])
    assert server.dig(NAME).data() == ["192.0.2.10"]
    server.eventually(reverse, "PTR", "NXDOMAIN")

    set_ingress(control_plane, [{"hostname": "lb.example.net"}])
    server.eventually(NAME, "CNAME", ["lb.example.net."])
    alias = server.dig(NAME)
    assert (alias.rcode, alias.data()) == ("NOERROR", ["lb.example.net."]), "though it leads nowhere here"
    assert server.dig(f"_http._tcp.{NAME}", "SRV").data() == ["0 100 80 lb.example.net."]

    set_ingress(control_plane, None)
    server.eventually(NAME, "A", "NXDOMAIN")
    assert server.dig(cluster_name).data() == [balanced], "the cluster's own name never noticed"
