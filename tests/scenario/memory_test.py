"""Memory while the API server forces one list after another: ratios of the server's own sizes, no absolute ones."""

from support.fairlead import Watcher
from support.processes import wait_until

RELISTS = 6
KINDS = 3
# What a sanitizer needs for a list on a busy machine of two cores.
LIST_SECONDS = 60
# Large enough that a list which stood in memory as a whole, or a second table beside the first, breaks the limit.
CLUSTER = "services=4000,headless=800,endpoints=60000,namespaces=1000,seed=1"
STEADY = {
    ("svc-000001.ns-00001.svc.cluster.local", "AAAA"): [],
    ("1.0.64.100.in-addr.arpa", "PTR"): ["100-64-0-1.svc-000000.ns-00000.svc.cluster.local."],
}


def status_mb(process, field):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(f"{field}:"))


def forget_peak(process):
    with open(f"/proc/{process.pid}/clear_refs", "w") as file:
        file.write("5")


def lists_done(server):
    return server.output().count("objects listed")


def test_forced_lists_do_not_grow_the_server(scenario):
    cluster = scenario.cluster(options=["--synthetic", CLUSTER])
    server = scenario.server("", cluster, zones="cluster.local in-addr.arpa")
    wait_until(lambda: lists_done(server) == KINDS, LIST_SECONDS, "the first lists end")
    steady = status_mb(server.process, "VmRSS")
    forget_peak(server.process)
    sizes = []
    with Watcher(server, STEADY) as watcher:
        for number in range(1, RELISTS + 1):
            cluster.fault(expire_history=True, close_watches=True)
            wait_until(lambda: lists_done(server) == KINDS * (number + 1), LIST_SECONDS, "everything is listed again")
            sizes.append(status_mb(server.process, "VmRSS"))
        wait_until(lambda: watcher.asked + len(watcher.wrong) > 100, 20, "queries are asked")
    assert watcher.wrong == []
    if server.process.has_sanitizer():
        return  # it keeps freed memory: the sizes say nothing, the answers did
    peak = status_mb(server.process, "VmHWM")
    assert peak <= 1.25 * steady, f"{steady:.1f} MB became {peak:.1f} MB; after each list: {sizes}"
    # What each list leaves behind would add up.
    assert sizes[-1] <= 1.02 * sizes[1], f"it goes on growing: {sizes}"
