"""The API server restarts, forgets its history, hangs, or is not there yet: what DNS answers meanwhile."""

import json
import signal

import pytest

from support.fairlead import Watcher
from support.kube import endpoint_slice, service
from support.processes import wait_until
from support.relay import Relay

ZONE = "default.svc.cluster.local"
QUERIES_MIN = 100
# After an outage the server may wait between its tries; this bounds how long.
HEAL_SECONDS = 60


@pytest.fixture
def steady(control_plane):
    """Names that exist all the time, and what they answer."""
    control_plane.apply(
        service("steady", ipFamilyPolicy="RequireDualStack"),
        service("steady-headless", clusterIP="None"),
        endpoint_slice("steady-1", "steady-headless", endpoints=["10.2.0.1", "10.2.0.2"]),
    )
    v4, v6 = control_plane.get("/api/v1/namespaces/default/services/steady")["spec"]["clusterIPs"]
    return {
        (f"steady.{ZONE}", "A"): [v4],
        (f"steady.{ZONE}", "AAAA"): [v6],
        (f"steady-headless.{ZONE}", "A"): ["10.2.0.1", "10.2.0.2"],
        (f"_http._tcp.steady.{ZONE}", "SRV"): [f"0 50 80 steady.{ZONE}."],
    }


@pytest.fixture
def relay(control_plane):
    relay = Relay(control_plane.port)
    yield relay
    relay.close()


def cluster_ip(plane, name):
    return plane.get(f"/api/v1/namespaces/default/services/{name}")["spec"]["clusterIP"]


def test_names_are_answered_while_the_api_server_is_down(control_plane, in_cluster, steady):
    server = in_cluster.start()
    control_plane.stop()
    try:
        with Watcher(server, steady) as watcher:
            wait_until(lambda: watcher.asked > QUERIES_MIN, 30, "queries are answered")
        assert watcher.wrong == []
        assert server.is_ready(), "data that was in step once stays in service"
    finally:
        control_plane.start()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_of_the_api_server_is_not_seen_by_clients(control_plane, in_cluster, steady, number):
    server = in_cluster.start()
    with Watcher(server, steady) as watcher:
        control_plane.restart(number)
        name = f"after-{number.name.lower()}"
        control_plane.apply(service(name))
        server.eventually(f"{name}.{ZONE}", "A", [cluster_ip(control_plane, name)], HEAL_SECONDS)
    assert watcher.asked > QUERIES_MIN
    assert watcher.wrong == []


def test_an_expired_watch_is_a_relist_without_a_blink(control_plane, in_cluster, relay, steady):
    control_plane.apply(
        service("leaves"), service("grows", clusterIP="None"), endpoint_slice("grows-1", "grows", endpoints=["10.2.1.1"]))
    server = in_cluster.start(api_port=relay.port)
    server.eventually(f"grows.{ZONE}", "A", ["10.2.1.1"])
    version = control_plane.resource_version()
    with Watcher(server, steady) as watcher:
        relay.cut()
        control_plane.delete(service("leaves"))
        control_plane.apply(
            service("arrives"), endpoint_slice("grows-1", "grows", endpoints=["10.2.1.1", "10.2.1.2"]))
        control_plane.compact()
        control_plane.restart()
        status, body = control_plane.request(
            "GET", f"/api/v1/services?watch=1&timeoutSeconds=1&resourceVersion={version}")
        assert json.loads(body.splitlines()[0])["object"]["code"] == 410, "the premise of this test"
        relay.mend()
        server.eventually(f"arrives.{ZONE}", "A", [cluster_ip(control_plane, "arrives")], HEAL_SECONDS)
        server.eventually(f"grows.{ZONE}", "A", ["10.2.1.1", "10.2.1.2"], HEAL_SECONDS)
        server.eventually(f"leaves.{ZONE}", "A", "NXDOMAIN", HEAL_SECONDS)
    assert watcher.asked > QUERIES_MIN
    assert watcher.wrong == []


def test_a_connection_that_hangs_delays_changes_but_no_answer(control_plane, in_cluster, relay, steady):
    server = in_cluster.start(api_port=relay.port)
    with Watcher(server, steady) as watcher:
        relay.stall()
        control_plane.apply(service("delayed"))
        wait_until(lambda: watcher.asked > QUERIES_MIN, 30, "queries are answered")
        assert server.ask(f"delayed.{ZONE}").rcode == "NXDOMAIN"
        relay.mend()
        server.eventually(f"delayed.{ZONE}", "A", [cluster_ip(control_plane, "delayed")], HEAL_SECONDS)
    assert watcher.wrong == []


def test_a_server_that_starts_before_the_api_server_says_so_and_heals(control_plane, in_cluster, relay, steady):
    relay.cut()
    server = in_cluster.start(api_port=relay.port, options="startup_timeout 1s", wait_ready=False)
    assert server.status("ready", "/ready") == 503
    assert server.status("health", "/health") == 200
    answer = server.dig(f"steady.{ZONE}")
    assert (answer.rcode, answer.answer) == ("SERVFAIL", [])
    assert server.dig("cluster.local", "SOA").rcode == "NOERROR"
    relay.mend()
    server.wait_ready(HEAL_SECONDS)
    for (name, type), data in steady.items():
        assert server.dig(name, type).data(type) == data
    assert server.dig(f"nobody.{ZONE}").rcode == "NXDOMAIN"


def test_missing_rights_are_servfail_until_they_are_granted(control_plane, in_cluster, steady):
    control_plane.kubectl("create", "serviceaccount", "powerless", "-n", "kube-system")
    account = in_cluster.account(control_plane.token(account="powerless"))
    server = in_cluster.start(account=account, options="startup_timeout 1s", wait_ready=False)
    assert server.status("ready", "/ready") == 503
    assert server.dig(f"steady.{ZONE}").rcode == "SERVFAIL"
    control_plane.kubectl(
        "create", "clusterrolebinding", "powerless", "--clusterrole=system:coredns",
        "--serviceaccount=kube-system:powerless")
    server.wait_ready(HEAL_SECONDS)
    assert server.dig(f"steady.{ZONE}").data() == steady[(f"steady.{ZONE}", "A")]
