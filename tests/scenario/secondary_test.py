"""Knot DNS as the secondary of a cluster's zones: it is notified, transfers, and then has what the server has."""

import pytest

from support import dns
from support.kube import endpoint_slice, namespace, service
from support.knot import Knot
from support.processes import wait_until

ZONE = "cluster.local"
REVERSE = "96.10.in-addr.arpa"
# The `source` of NOTIFY: Knot takes it from nowhere else.
NOTIFIER = "127.0.0.2"


@pytest.fixture
def secondary(tmp_path):
    """(port of Knot, a function that starts it as the secondary of a port)"""
    knot = Knot(tmp_path)

    def start(primary, names=(ZONE, REVERSE)):
        zones = "".join(
            f'  - domain: {zone}\n    storage: "{tmp_path}"\n    master: primary\n    acl: notify\n'
            for zone in names)
        knot.configuration = f"""remote:
  - id: primary
    address: 127.0.0.1@{primary}
acl:
  - id: notify
    address: {NOTIFIER}
    action: notify
zone:
{zones}"""
        return knot.start()

    yield knot.port, start
    knot.stop()


def answers(port, name, type):
    try:
        return dns.ask(port, name, type, timeout=0.5).data(type)
    except OSError:
        return None


def test_knot_follows_the_cluster_by_notify(scenario, secondary):
    port, start = secondary
    cluster = scenario.cluster(
        namespace("shop"), service("web", "shop", clusterIP="10.96.7.1"),
        service("db", "shop", clusterIP="None"),
        endpoint_slice("db-1", "db", "shop", [{"addresses": ["10.244.7.2"], "hostname": "db-0"}]), options=["--bare"])
    transfer = f"transfer {{\n    to 127.0.0.1:{port}\n    source {NOTIFIER}\n}}"
    server = scenario.server(transfer, cluster, zones=f"{ZONE} {REVERSE}")
    knot = start(server.port)

    def has(name, type, data):
        wait_until(lambda: answers(port, name, type) == data, 30,
                   lambda: f"{name} {type} is {data}:\n{knot.output()}\n{server.output()}")

    has("web.shop.svc.cluster.local", "A", ["10.96.7.1"])
    has("1.7.96.10.in-addr.arpa", "PTR", ["web.shop.svc.cluster.local."])
    # The zone's refresh time is two hours, so what follows can only come from NOTIFY.
    cluster.apply(service("fresh", "shop", clusterIP="10.96.7.8"))
    cluster.delete(endpoint_slice("db-1", "db", "shop"))
    has("fresh.shop.svc.cluster.local", "A", ["10.96.7.8"])
    has("8.7.96.10.in-addr.arpa", "PTR", ["fresh.shop.svc.cluster.local."])
    has("db-0.db.shop.svc.cluster.local", "A", [])
    for name, type in [(ZONE, "SOA"), (ZONE, "NS"), ("_http._tcp.fresh.shop.svc.cluster.local", "SRV"), (REVERSE, "SOA")]:
        has(name, type, server.ask(name, type).data(type))


def test_knot_follows_external_addresses_by_notify(scenario, secondary):
    port, start = secondary
    outside, reverse = "example.org", "2.0.192.in-addr.arpa"
    web = service("web", "shop", clusterIP="10.96.7.1", externalIPs=["192.0.2.1"])
    balanced = service("balanced", "shop", clusterIP="10.96.7.2", type="LoadBalancer")
    balanced["status"] = {"loadBalancer": {"ingress": [{"hostname": "lb.example.net"}]}}
    cluster = scenario.cluster(namespace("shop"), web, balanced, options=["--bare"])
    server = scenario.server(
        f"k8s_external {outside} {reverse}\ntransfer {{\n    to 127.0.0.1:{port}\n    source {NOTIFIER}\n}}", cluster,
        zones=f"{ZONE} 96.10.in-addr.arpa")
    knot = start(server.port, (outside, reverse))

    def has(name, type, data):
        wait_until(lambda: answers(port, name, type) == data, 30,
                   lambda: f"{name} {type} is {data}:\n{knot.output()}\n{server.output()}")

    has(f"web.shop.{outside}", "A", ["192.0.2.1"])
    has(f"balanced.shop.{outside}", "CNAME", ["lb.example.net."])
    has(f"_http._tcp.balanced.shop.{outside}", "SRV", ["0 100 80 lb.example.net."])
    # Only the external zone and its reverse zone see this, and so only these are told of.
    cluster.apply(service("web", "shop", clusterIP="10.96.7.1", externalIPs=["192.0.2.2"]))
    has(f"web.shop.{outside}", "A", ["192.0.2.2"])
    has(f"2.{reverse}", "PTR", [f"web.shop.{outside}."])
    has(f"1.{reverse}", "PTR", [])
    for name, type in [(outside, "SOA"), (outside, "NS"), (reverse, "SOA"), (f"ns1.dns.{outside}", "A")]:
        has(name, type, server.ask(name, type).data(type))


def test_a_secondary_that_is_away_is_named_once_and_told_when_it_is_back(scenario, secondary):
    port, start = secondary
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.7.1"), options=["--bare"])
    transfer = f"transfer {{\n    to 127.0.0.1:{port}\n    source {NOTIFIER}\n}}"
    server = scenario.server(transfer, cluster, zones=f"{ZONE} {REVERSE}")
    complaint = f'notify for zone "{ZONE}." was not accepted by "127.0.0.1:{port}"'
    wait_until(lambda: complaint in server.output(), 40, server.output)
    knot = start(server.port)
    wait_until(lambda: answers(port, "web.shop.svc.cluster.local", "A") == ["10.96.7.1"], 30, knot.output)
    cluster.apply(service("fresh", "shop", clusterIP="10.96.7.8"))
    wait_until(lambda: answers(port, "fresh.shop.svc.cluster.local", "A") == ["10.96.7.8"], 30,
               lambda: f"{knot.output()}\n{server.output()}")
    assert server.output().count(complaint) == 1
