"""The network between the server and the API server breaks without a word, for longer than a connection is trusted."""

import time

import pytest

from support import kube, netns
from support.fairlead import Watcher
from support.kube import endpoint_slice, service
from support.relay import Relay

ZONE = "default.svc.cluster.local"
# Longer than the 30 s after which the kernel gives up on a silent connection.
CUT_SECONDS = 40
HEAL_SECONDS = 60
QUERIES_MIN = 100


@pytest.fixture(scope="module")
def island():
    if netns.missing():
        pytest.skip(netns.missing())
    namespace = netns.NetworkNamespace()
    yield namespace
    namespace.close()


@pytest.fixture(scope="module")
def control_plane(island, tmp_path_factory):
    """One that is known by the address of the link."""
    if kube.missing():
        pytest.skip(kube.missing())
    with kube.installed(tmp_path_factory.mktemp("control-plane"), "127.0.0.1", island.outside) as plane:
        yield plane


def test_a_cut_link_delays_changes_but_no_answer(control_plane, island, in_cluster):
    stays, leaves, grows = service("stays"), service("leaves"), endpoint_slice("grows-1", "grows", endpoints=["10.2.4.1"])
    control_plane.create(stays, leaves, service("grows", clusterIP="None"), grows)
    address = control_plane.get(kube.path_of(stays))["spec"]["clusterIP"]
    relay = Relay(control_plane.port, island.outside)
    account = in_cluster.account()
    with island.entered():
        server = in_cluster.start(api_host=island.outside, api_port=relay.port, account=account)
        server.eventually(f"grows.{ZONE}", "A", ["10.2.4.1"])
        watcher = Watcher(server, {(f"stays.{ZONE}", "A"): [address]}, pause=0.01)
        watcher.__enter__()
    try:
        island.cut()
        begin = time.monotonic()
        control_plane.remove(leaves)
        control_plane.create(service("arrives"))
        control_plane.patch(grows, {"endpoints": [{"addresses": ["10.2.4.1"]}, {"addresses": ["10.2.4.2"]}]})
        arrived = control_plane.get(kube.path_of(service("arrives")))["spec"]["clusterIP"]
        time.sleep(max(0, CUT_SECONDS - (time.monotonic() - begin)))
        with island.entered():
            assert server.ask(f"arrives.{ZONE}").rcode == "NXDOMAIN", "the link is cut: the premise of this test"
            assert server.ask(f"leaves.{ZONE}").rcode == "NOERROR"
            assert server.is_ready(), "data that was in step once stays in service"
        island.mend()
        with island.entered():
            server.eventually(f"arrives.{ZONE}", "A", [arrived], HEAL_SECONDS)
            server.eventually(f"grows.{ZONE}", "A", ["10.2.4.1", "10.2.4.2"], HEAL_SECONDS)
            server.eventually(f"leaves.{ZONE}", "A", "NXDOMAIN", HEAL_SECONDS)
    finally:
        watcher.__exit__()
        relay.close()
    assert watcher.asked > QUERIES_MIN
    assert watcher.wrong == []
    with island.entered():
        in_cluster.stop()
