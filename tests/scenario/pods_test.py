"""`pods verified`: the name of a pod exists while a Pod of that namespace has the address."""

import pytest

from support.fairlead import Watcher
from support.kube import namespace, pod, service
from support.processes import wait_until

ZONE = "pod.cluster.local"
# On a loaded machine; the figure of a quiet one is the benchmarks'.
VISIBLE_SECONDS = 5


def objects():
    yield namespace("shop")
    yield namespace("lab")
    yield pod("web-0", "shop", "10.244.0.7")
    yield pod("web-1", "shop", "fd00::7")
    yield pod("web-0", "lab", "10.244.0.8")
    yield pod("waits", "shop", phase="Pending")
    yield pod("done", "shop", "10.244.0.9", phase="Succeeded")
    yield pod("failed", "shop", "10.244.0.10", phase="Failed")
    # Host network: two Pods of one namespace, and one of another, have the node's address.
    yield pod("proxy", "shop", "192.0.2.1")
    yield pod("agent", "shop", "192.0.2.1")
    yield pod("agent", "lab", "192.0.2.1")


@pytest.fixture
def cluster(scenario):
    return scenario.cluster(*objects())


@pytest.fixture
def server(scenario, cluster):
    return scenario.server("", cluster, "pods verified")


def eventually(server, name, type, expected):
    return server.eventually(f"{name}.{ZONE}", type, expected, VISIBLE_SECONDS)


NAMES = [
    ("10-244-0-7.shop", "A", ["10.244.0.7"]),
    ("10-244-0-7.SHOP", "A", ["10.244.0.7"]),
    ("10-244-0-7.shop", "AAAA", []),
    ("10-244-0-7.shop", "SRV", []),
    ("fd00--7.shop", "AAAA", ["fd00::7"]),
    ("fd00--7.shop", "A", []),
    ("10-244-0-8.lab", "A", ["10.244.0.8"]),
    ("192-0-2-1.shop", "A", ["192.0.2.1"]),
    ("192-0-2-1.lab", "A", ["192.0.2.1"]),
    ("shop", "A", []),
    # Of another namespace, of one that there is not, of Pods that have ended, of nobody, and no addresses.
    ("10-244-0-7.lab", "A", "NXDOMAIN"),
    ("10-244-0-8.shop", "A", "NXDOMAIN"),
    ("10-244-0-7.none", "A", "NXDOMAIN"),
    ("10-244-0-9.shop", "A", "NXDOMAIN"),
    ("10-244-0-10.shop", "A", "NXDOMAIN"),
    ("10-244-0-99.shop", "A", "NXDOMAIN"),
    ("fd00--8.shop", "AAAA", "NXDOMAIN"),
    ("web-0.shop", "A", "NXDOMAIN"),
    ("x.10-244-0-7.shop", "A", "NXDOMAIN"),
]


def test_only_addresses_of_pods_are_answered(server):
    for name, type, expected in NAMES:
        answer = server.ask(f"{name}.{ZONE}", type)
        seen = answer.rcode if isinstance(expected, str) else answer.data()
        assert seen == expected, f"{name} {type}: {answer}"
    assert server.dig(f"10-244-0-99.shop.{ZONE}").extended_errors == [(0, "no such Pod")]


def test_a_pod_comes_moves_and_goes(cluster, server):
    cluster.apply(pod("new", "lab", phase="Pending"))
    cluster.apply(pod("new", "lab", "10.244.9.1"))
    eventually(server, "10-244-9-1.lab", "A", ["10.244.9.1"])
    cluster.apply(pod("new", "lab", "fd00::9:1"))
    eventually(server, "fd00--9-1.lab", "AAAA", ["fd00::9:1"])
    assert server.ask(f"10-244-9-1.lab.{ZONE}").rcode == "NXDOMAIN"
    cluster.apply(pod("new", "lab", "fd00::9:1", phase="Succeeded"))
    eventually(server, "fd00--9-1.lab", "AAAA", "NXDOMAIN")
    cluster.delete(pod("web-0", "shop"))
    eventually(server, "10-244-0-7.shop", "A", "NXDOMAIN")


def test_a_shared_address_stays_until_its_last_pod_is_gone(cluster, server):
    cluster.delete(pod("agent", "lab"))
    eventually(server, "192-0-2-1.lab", "A", "NXDOMAIN")
    cluster.delete(pod("proxy", "shop"))
    cluster.apply(pod("marker", "shop", "10.244.9.2"))
    eventually(server, "10-244-9-2.shop", "A", ["10.244.9.2"])
    assert server.ask(f"192-0-2-1.shop.{ZONE}").data() == ["192.0.2.1"]
    cluster.delete(pod("agent", "shop"))
    eventually(server, "192-0-2-1.shop", "A", "NXDOMAIN")


def test_a_namespace_that_goes_takes_its_pod_names_along(cluster, server):
    cluster.delete(namespace("lab"))
    eventually(server, "10-244-0-8.lab", "A", "NXDOMAIN")
    assert server.ask(f"10-244-0-7.shop.{ZONE}").data() == ["10.244.0.7"]


def test_a_relist_is_a_difference_in_which_no_pod_blinks(scenario, cluster, server):
    stay = {(f"10-244-0-7.shop.{ZONE}", "A"): ["10.244.0.7"], (f"fd00--7.shop.{ZONE}", "AAAA"): ["fd00::7"]}
    lists = cluster.requests("list", "pods")
    with Watcher(server, stay) as watcher:
        wait_until(lambda: cluster.stats()["open_watches"]["pods"] == 1, 10, "Pods are watched")
        cluster.fault(refuse_connections=True, close_connections=True)
        changed = [thing for thing in objects() if thing["metadata"] != pod("web-0", "lab")["metadata"]]
        cluster.write_manifests(*changed, pod("late", "lab", "10.244.7.7"), service("other", "lab"))
        wait_until(lambda: cluster.stats()["manifest_loads"] >= 2, 5, "the change is known to the simulator")
        cluster.fault(expire_history=True)
        cluster.fault(refuse_connections=False)
        server.eventually(f"10-244-7-7.lab.{ZONE}", "A", ["10.244.7.7"], 20)
        eventually(server, "10-244-0-8.lab", "A", "NXDOMAIN")
    assert cluster.requests("list", "pods") > lists
    assert watcher.asked > 20 and not watcher.wrong, watcher.wrong


def test_pods_are_watched_by_selector_and_only_where_they_are_verified(scenario, cluster):
    scenario.server("", cluster, "pods insecure")
    assert cluster.requests("list", "pods") == 0
    cluster.apply(pod("red", "shop", "10.244.3.1", colour="red"), pod("blue", "shop", "10.244.3.2", colour="blue"))
    server = scenario.server("", cluster, "pods verified\nlabels colour=red")
    assert server.ask(f"10-244-3-1.shop.{ZONE}").data() == ["10.244.3.1"]
    assert server.ask(f"10-244-3-2.shop.{ZONE}").rcode == "NXDOMAIN"
    assert server.metrics()["fairlead_kubernetes_pods"] == 1
