"""fairleadctl explain: the objects behind a name of the cluster, and why it has the records that it has."""

import json

import pytest

from support import fairlead, kube
from support.kubesim import KubeSim
from support.processes import free_port, run

CLUSTER = [
    kube.namespace("shop"), kube.namespace("other"),
    kube.service("web", "shop", clusterIP="10.96.0.7"),
    kube.endpoint_slice("web-1", "web", "shop", ["10.244.0.9"]),
    kube.service("db", "shop", [("pg", 5432)], clusterIP="None"),
    kube.endpoint_slice("db-1", "db", "shop", [{"addresses": ["10.244.0.5"], "hostname": "db-0"}], [("pg", 5432)]),
    kube.service("idle", "shop", clusterIP="None"),
    kube.service("ext", "shop", (), type="ExternalName", externalName="db.example.com"),
    kube.service("web", "other", clusterIP="10.96.0.8"),
]

# Name, outcome, words of the reason, objects, data of the records.
NAMES = [
    ("web.shop.svc.cluster.local", "NOERROR", "cluster addresses of Service shop/web",
     ["Namespace shop", "Service shop/web", "EndpointSlice shop/web-1"], ["10.96.0.7", "0 100 80 web.shop.svc.cluster.local."]),
    ("web.other.svc.cluster.local", "NOERROR", "connections fail", ["Namespace other", "Service other/web"], None),
    ("db-0.db.shop.svc.cluster.local", "NOERROR", "One endpoint",
     ["Namespace shop", "Service shop/db", "EndpointSlice shop/db-1"], ["10.244.0.5", "0 100 5432 db-0.db.shop.svc.cluster.local."]),
    ("_pg._tcp.db.shop.svc.cluster.local", "NOERROR", "port 'pg'", None, None),
    ("idle.shop.svc.cluster.local", "NODATA", "none of its endpoints is ready", ["Namespace shop", "Service shop/idle"], []),
    ("ext.shop.svc.cluster.local", "NOERROR", "alias of db.example.com", None, ["db.example.com."]),
    ("cart.shop.svc.cluster.local", "NXDOMAIN", "no Service 'cart'", ["Namespace shop"], []),
    ("cart.nowhere.svc.cluster.local", "NXDOMAIN", "no Namespace 'nowhere'", [], []),
    (r"cart.a\,b=c.svc.cluster.local", "NXDOMAIN", "no Namespace", [], []),
    ("shop.svc.cluster.local", "NODATA", "Namespace shop", ["Namespace shop"], []),
    ("10.96.0.7", "NOERROR", "belongs to its Service", ["Service shop/web"], ["web.shop.svc.cluster.local."]),
    ("5.0.244.10.in-addr.arpa", "NOERROR", "ready endpoints", ["EndpointSlice shop/db-1"], ["db-0.db.shop.svc.cluster.local."]),
    ("10.96.0.99", "NXDOMAIN", "No Service has this cluster address", [], []),
    ("10-244-0-9.shop.pod.cluster.local", "computed", "pods insecure", ["Namespace shop"], []),
    ("www.example.org", "elsewhere", "forward", [], []),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if reason := fairlead.missing("fairleadctl", "kubesim"):
        pytest.skip(reason)
    with KubeSim(tmp_path_factory.mktemp("cluster"), CLUSTER) as simulator:
        yield simulator


def explain(cluster, name, *arguments):
    return run([fairlead.program("fairleadctl"), "explain", name, "--endpoint", cluster.url, *arguments], check=False)


@pytest.mark.parametrize("name, outcome, why, objects, data", NAMES, ids=[row[0] for row in NAMES])
def test_a_name_is_explained(cluster, name, outcome, why, objects, data):
    done = explain(cluster, name, "-o", "json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["outcome"] == outcome and why in told["why"], told
    if objects is not None:
        assert [text.split(":")[0].split(" of ")[0] for text in told["objects"]] == objects
    if data is not None:
        assert [record["rdata"] for record in told["records"]] == data
    assert why in explain(cluster, name).stdout


def test_an_api_server_that_is_not_there_is_status_1_with_the_reason(cluster):
    done = run([fairlead.program("fairleadctl"), "explain", "web.shop.svc.cluster.local", "--endpoint",
                f"http://127.0.0.1:{free_port()}", "--timeout", "300ms"], check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "did not list" in done.stderr


@pytest.mark.parametrize("arguments, word", [([], "NAME"), (["a..b"], "a..b"), (["a", "--zone", "a..b"], "a..b"), (["a", "-o", "zone"], "json")])
def test_wrong_usage_is_status_2_with_the_reason(cluster, arguments, word):
    done = run([fairlead.program("fairleadctl"), "explain", *arguments], check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr and "fairleadctl explain --help" in done.stderr
