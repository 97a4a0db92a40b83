"""The API server closes, forgets, refuses, stalls or talks nonsense: what DNS answers meanwhile, and after."""

import contextlib

import pytest

from support.fairlead import Watcher
from support.kube import endpoint_slice, service
from support.processes import wait_until
from support.upstream import address

ZONE = "default.svc.cluster.local"
KINDS = ("services", "endpointslices", "namespaces")
HEAL_SECONDS = 20
QUERIES_MIN = 100

STEADY_OBJECTS = [
    service("steady", clusterIP="10.96.7.1"),
    service("steady-headless", clusterIP="None"),
    endpoint_slice("steady-1", "steady-headless", endpoints=["10.244.0.1", "10.244.0.2"]),
]
STEADY = {
    (f"steady.{ZONE}", "A"): ["10.96.7.1"],
    (f"steady-headless.{ZONE}", "A"): ["10.244.0.1", "10.244.0.2"],
    (f"_http._tcp.steady.{ZONE}", "SRV"): [f"0 100 80 steady.{ZONE}."],
    ("1.7.96.10.in-addr.arpa", "PTR"): [f"steady.{ZONE}."],
}
LEAVES = service("leaves", clusterIP="10.96.7.2")
ARRIVES = service("arrives", clusterIP="10.96.7.3")


@pytest.fixture(params=["json", "protobuf"])
def cluster(scenario, request):
    return scenario.cluster(*STEADY_OBJECTS, LEAVES, options=["--protobuf"] if request.param == "protobuf" else [])


@contextlib.contextmanager
def no_blink(server, steady=STEADY):
    """Names that exist all the time are asked without pause; none may be NXDOMAIN or SERVFAIL, or answer less."""
    with Watcher(server, steady) as watcher:
        yield watcher
        wait_until(lambda: watcher.asked + len(watcher.wrong) > QUERIES_MIN, 20, "queries are asked")
    assert watcher.wrong == []


def change(cluster):
    """One object leaves, one arrives, one changes, whether the API is up or not."""
    cluster.write_manifests(
        *STEADY_OBJECTS[:2], endpoint_slice("steady-1", "steady-headless", endpoints=["10.244.0.1", "10.244.0.2"],
                                            ports=[("more", 9)]), ARRIVES)


def expect_change(server, timeout=HEAL_SECONDS):
    server.eventually(f"arrives.{ZONE}", "A", ["10.96.7.3"], timeout)
    server.eventually(f"leaves.{ZONE}", "A", "NXDOMAIN", timeout)
    server.eventually(f"_more._tcp.steady-headless.{ZONE}", "A", ["10.244.0.1", "10.244.0.2"], timeout)


def lists(cluster):
    return {kind: cluster.requests("list", kind) for kind in KINDS}


def watches(cluster):
    return cluster.stats()["open_watches"]


def wait_for_watches(cluster):
    wait_until(lambda: all(watches(cluster)[kind] == 1 for kind in KINDS), HEAL_SECONDS, lambda: watches(cluster))


@pytest.mark.parametrize("how", ["graceful", "abrupt"])
def test_a_watch_that_ends_is_resumed_without_a_list(scenario, cluster, how):
    server = scenario.server("", cluster)
    before = lists(cluster)
    with no_blink(server):
        for _ in range(2):
            wait_for_watches(cluster)
            cluster.fault(close_watches=True if how == "graceful" else {"how": "abrupt"})
        change(cluster)
        expect_change(server)
    assert lists(cluster) == before


@pytest.mark.parametrize("form", ["event", "http"])
def test_an_expired_history_is_a_relist_in_which_no_name_blinks(scenario, cluster, form):
    server = scenario.server("", cluster)
    before = lists(cluster)
    with no_blink(server):
        wait_for_watches(cluster)
        # Gone, and changed while gone: the relist is what tells.
        cluster.fault(expired_as=form, refuse_connections=True, close_connections=True)
        change(cluster)
        wait_until(lambda: cluster.stats()["manifest_loads"] >= 2, 5, "the change is known to the simulator")
        cluster.fault(expire_history=True)
        cluster.fault(refuse_connections=False)
        expect_change(server)
        wait_for_watches(cluster)
    after = lists(cluster)
    assert all(before[kind] < after[kind] <= before[kind] + 2 for kind in KINDS), (before, after)


def test_a_list_that_is_cut_off_removes_nothing(scenario, cluster):
    server = scenario.server("", cluster)
    with no_blink(server):
        wait_for_watches(cluster)
        cluster.fault(cut_lists={"count": 4, "after_bytes": 600})
        cluster.fault(expire_history=True, close_watches=True)
        change(cluster)
        expect_change(server)
    assert cluster.stats()["faults_injected"] >= 4


def test_names_are_answered_while_the_api_server_is_away(scenario, cluster):
    server = scenario.server("", cluster)
    reachable = 'fairlead_kubernetes_api_reachable'

    def is_reachable():
        return next(value for sample, value in server.metrics().items() if sample.startswith(reachable))

    with no_blink(server) as watcher:
        cluster.fault(refuse_connections=True, close_connections=True)
        change(cluster)
        wait_until(lambda: is_reachable() == 0, 10, "the outage is seen")
        asked = watcher.asked
        wait_until(lambda: watcher.asked > asked + QUERIES_MIN, 20, "queries are answered")
        assert server.is_ready(), "data that was in step once stays in service"
        # What is absent stays NXDOMAIN: nothing better is known.
        assert server.ask(f"arrives.{ZONE}").rcode == "NXDOMAIN"
        cluster.fault(refuse_connections=False)
        expect_change(server)
        assert is_reachable() == 1


def test_a_server_that_starts_before_the_api_server_says_so_and_heals(scenario, cluster):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7")})
    cluster.fault(refuse_connections=True)
    server = scenario.server(
        f"forward . {upstream.target}", cluster, "startup_timeout 1s", wait_ready=False, zones="cluster.local")
    assert server.status("ready", "/ready") == 503
    assert server.status("health", "/health") == 200
    answer = server.dig(f"steady.{ZONE}")
    assert (answer.rcode, answer.data(), [r.type for r in answer.authority]) == ("SERVFAIL", [], ["SOA"])
    assert any("not yet in step" in text for _, text in answer.extended_errors)
    assert server.dig("cluster.local", "SOA").rcode == "NOERROR"
    assert server.dig("svc.cluster.local").rcode == "NOERROR"
    assert server.dig("www.example.org").data() == ["192.0.2.7"]
    cluster.fault(refuse_connections=False)
    server.wait_ready(HEAL_SECONDS)
    for (name, type), data in STEADY.items():
        if not name.endswith("arpa"):
            assert server.ask(name, type).data(type) == data
    assert server.ask(f"nobody.{ZONE}").rcode == "NXDOMAIN"


@pytest.mark.parametrize("fault", [
    {"fail_requests": {"count": 3, "status": 429, "retry_after": 1, "verb": "list"}},
    {"fail_requests": {"count": 6, "status": 500}},
    {"fail_requests": {"count": 3, "status": 403}},
    {"fail_requests": {"count": 3, "status": 401}},
    {"cut_lists": {"count": 3, "after_bytes": 100}},
    {"delay": {"ms": 300, "count": 10}},
    {"bad_events": {"count": 3, "form": "garbage"}},
], ids=lambda fault: " ".join([next(iter(fault)), str(next(iter(fault.values())).get("status", ""))]).strip())
def test_a_start_among_faults_ends_in_step(scenario, cluster, fault):
    cluster.fault(**fault)
    server = scenario.server("", cluster, "startup_timeout 1s", wait_ready=False)
    server.wait_ready(HEAL_SECONDS)
    for (name, type), data in STEADY.items():
        assert server.ask(name, type).data(type) == data
    change(cluster)
    expect_change(server)


@pytest.mark.parametrize("form", ["serve", "refuse", "ignore"])
def test_lists_are_streamed_where_the_server_can_and_read_in_pages_elsewhere(scenario, cluster, form):
    cluster.fault(streaming_lists=form)
    server = scenario.server("", cluster, "startup_timeout 10s")
    streamed = sum(value for sample, value in server.metrics().items()
                   if sample.startswith("fairlead_kubernetes_streamed_lists_total"))
    assert streamed == (len(KINDS) if form == "serve" else 0)
    with no_blink(server):
        wait_for_watches(cluster)
        cluster.fault(refuse_connections=True, close_connections=True)
        change(cluster)
        wait_until(lambda: cluster.stats()["manifest_loads"] >= 2, 5, "the change is known to the simulator")
        cluster.fault(expire_history=True)
        cluster.fault(refuse_connections=False)
        expect_change(server)


def test_too_many_requests_are_not_answered_by_more_requests(scenario, cluster):
    server = scenario.server("", cluster)
    wait_for_watches(cluster)
    before = sum(sum(kinds.values()) for kinds in cluster.stats()["requests"].values())
    with no_blink(server):
        cluster.fault(fail_requests={"count": 1000, "status": 429, "retry_after": 1}, close_connections=True)
        with pytest.raises(AssertionError):
            wait_until(lambda: False, 3, "the server backs off")
        during = sum(sum(kinds.values()) for kinds in cluster.stats()["requests"].values()) - before
        # Three reflectors, a second between their tries.
        assert 0 < during <= 3 * 5, f"{during} requests in 3 s"
        cluster.fault(reset=True)
        change(cluster)
        expect_change(server)


@pytest.mark.parametrize("form", ["garbage", "cut"])
def test_an_event_that_cannot_be_read_is_asked_for_again(scenario, cluster, form):
    server = scenario.server("", cluster)
    with no_blink(server):
        wait_for_watches(cluster)
        cluster.fault(bad_events={"count": 3, "form": form})
        change(cluster)
        expect_change(server)


def test_a_silent_watch_delays_changes_but_no_answer(scenario, cluster):
    server = scenario.server("", cluster)
    with no_blink(server):
        wait_for_watches(cluster)
        cluster.fault(silent_watches=True)
        change(cluster)
        wait_until(lambda: cluster.stats()["manifest_loads"] >= 2, 5, "the change is known to the simulator")
        assert server.ask(f"arrives.{ZONE}").rcode == "NXDOMAIN"
        assert server.is_ready()
        cluster.fault(silent_watches=False)
        expect_change(server)


def test_faults_of_all_kinds_under_churn_leave_the_right_names(scenario):
    """Endpoints change all the time, while watches end, lists break and history goes."""
    cluster = scenario.cluster(*STEADY_OBJECTS, LEAVES, options=["--churn", "50"])
    server = scenario.server("", cluster)
    unchurned = {question: data for question, data in STEADY.items() if "headless" not in question[0]}
    with no_blink(server, unchurned):
        for fault in ({"close_watches": {"how": "abrupt"}}, {"bad_events": {"count": 2, "form": "cut"}},
                      {"expire_history": True, "close_watches": True}, {"close_connections": True},
                      {"fail_requests": {"count": 3, "status": 503}, "close_watches": True}):
            wait_for_watches(cluster)
            cluster.fault(**fault)
    wait_for_watches(cluster)
    # Churn would replace the endpoints of the manifest again before they are seen.
    cluster.fault(churn=0)
    change(cluster)
    expect_change(server)
