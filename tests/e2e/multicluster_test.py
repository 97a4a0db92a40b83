"""ServiceImports of a real API server: their CRD comes late, and clusterset names follow what kubectl does."""

import json

import pytest

from support.kube import imported_slice, namespace, service, service_import
from support.processes import wait_until

ZONES = "cluster.local clusterset.local 10.in-addr.arpa"
SHOP = "shop.svc.clusterset.local"
GROUP = "multicluster.x-k8s.io"
HEAL_SECONDS = 60
NOT_READY, STALE = 14, 3  # RFC 8914

# What the Multi-Cluster Services API's own CRD is to a reader: a namespaced kind with a spec and a status.
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"serviceimports.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "serviceimports", "singular": "serviceimport", "kind": "ServiceImport"},
        "versions": [{
            "name": "v1alpha1", "served": True, "storage": True, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}},
        }],
    },
}
# CoreDNS's ClusterRole does not have them.
RIGHTS = [
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "serviceimports"},
     "rules": [{"apiGroups": [GROUP], "resources": ["serviceimports"], "verbs": ["list", "watch"]}]},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "serviceimports"},
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "serviceimports"},
     "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}]},
]
WEB = service_import("web", "shop", ["10.42.0.1", "fd42::1"])
DB = service_import("db", "shop", ports=[("pg", 5432)])
EAST = imported_slice("db-east", "db", "shop", "east", [{"addresses": ["10.1.0.5"], "hostname": "db-0"}], [("pg", 5432)])
WEST = imported_slice("db-west", "db", "shop", "west", ["10.2.0.5"], [("pg", 5432)])


def start(in_cluster, snapshot="", **more):
    return in_cluster.start(zones=ZONES, options=f"multicluster clusterset.local\n    startup_timeout 3s\n    {snapshot}", **more)


@pytest.fixture(scope="module")
def shop(control_plane):
    control_plane.create(namespace("shop"), service("own", "shop"))
    return control_plane.get("/api/v1/namespaces/shop/services/own")["spec"]["clusterIP"]


def test_names_of_a_clusterset_are_served_from_when_the_crd_is_there(control_plane, in_cluster, shop):
    server = start(in_cluster)
    own = "own.shop.svc.cluster.local"
    assert server.dig(own).data() == [shop]
    unknown = server.dig(f"web.{SHOP}")
    assert unknown.rcode == "SERVFAIL" and [code for code, _ in unknown.extended_errors] == [NOT_READY]
    assert "serviceimports" in server.output()

    control_plane.apply(CRD, *RIGHTS)
    control_plane.kubectl("wait", "--for=condition=Established", f"crd/{CRD['metadata']['name']}", "--timeout=30s")
    control_plane.apply(WEB, DB, EAST, WEST)
    server.eventually(f"web.{SHOP}", "A", ["10.42.0.1"], HEAL_SECONDS)
    server.eventually(f"db.{SHOP}", "A", ["10.1.0.5", "10.2.0.5"])
    for name, type, expected in [
            (f"web.{SHOP}", "AAAA", ["fd42::1"]),
            (f"_http._tcp.web.{SHOP}", "SRV", [f"0 50 80 web.{SHOP}."]),
            (f"db-0.east.db.{SHOP}", "A", ["10.1.0.5"]),
            (f"10-2-0-5.west.db.{SHOP}", "A", ["10.2.0.5"]),
            (f"_pg._tcp.db.{SHOP}", "SRV", [f"0 50 5432 10-2-0-5.west.db.{SHOP}.", f"0 50 5432 db-0.east.db.{SHOP}."])]:
        answer = server.dig(name, type)
        assert answer.rcode == "NOERROR" and answer.data(type) == expected, answer
    assert server.dig(f"own.{SHOP}").rcode == "NXDOMAIN", "Services are not of the clusterset"
    assert server.dig("web.shop.svc.cluster.local").rcode == "NXDOMAIN", "nor imports of the cluster"
    assert server.dig(own).data() == [shop]

    # What changes and goes.
    patch = json.dumps({"spec": {"ips": ["10.42.0.9"]}})
    control_plane.kubectl("patch", "serviceimport", "web", "-n", "shop", "--type=merge", "-p", patch)
    server.eventually(f"web.{SHOP}", "A", ["10.42.0.9"])
    assert server.dig(f"web.{SHOP}", "AAAA").data() == []
    control_plane.delete(EAST)
    server.eventually(f"db.{SHOP}", "A", ["10.2.0.5"])
    assert server.dig(f"db-0.east.db.{SHOP}").rcode == "NXDOMAIN"
    control_plane.delete(WEB)
    server.eventually(f"web.{SHOP}", "A", "NXDOMAIN")


def test_a_server_that_starts_with_the_crd_there_waits_for_it_and_keeps_it_in_its_snapshot(
        control_plane, in_cluster, shop, tmp_path):
    control_plane.apply(CRD, *RIGHTS)
    control_plane.kubectl("wait", "--for=condition=Established", f"crd/{CRD['metadata']['name']}", "--timeout=30s")
    control_plane.apply(WEB, DB, EAST, WEST)
    snapshot = f"snapshot {tmp_path / 'snapshot'}"
    server = start(in_cluster, snapshot)
    assert server.dig(f"web.{SHOP}").data() == ["10.42.0.1"]
    assert server.dig(f"db.{SHOP}").data() == ["10.1.0.5", "10.2.0.5"]
    account = server.account
    server.stop()
    control_plane.stop()
    try:
        server = start(in_cluster, snapshot, account=account)
        answer = server.dig(f"web.{SHOP}")
        assert answer.data() == ["10.42.0.1"] and [code for code, _ in answer.extended_errors] == [STALE]
    finally:
        control_plane.start()
    control_plane.delete(WEST)
    server.eventually(f"db.{SHOP}", "A", ["10.1.0.5"], HEAL_SECONDS)
    # An API server that has just started refuses ServiceImports for a while, as everything else.
    wait_until(lambda: server.dig(f"web.{SHOP}").extended_errors == [], HEAL_SECONDS, server.output)
