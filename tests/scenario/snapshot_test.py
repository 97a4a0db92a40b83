"""The snapshot file: a server that starts while the API server is away knows the names, and says how old they are."""

import os
import re
import shutil
import signal
import time

import pytest

from support.dns import Channel
from support.fairlead import Watcher
from support.kube import endpoint_slice, imported_slice, namespace, pod, service, service_import
from support.processes import wait_until
from support.upstream import address

ZONE = "default.svc.cluster.local"
STALE = 3  # RFC 8914
NOT_READY = 14
HEAL_SECONDS = 20
KILLS = 3

STEADY = [
    service("web", clusterIP="10.96.7.1", clusterIPs=["10.96.7.1", "fd00:10:96::71"], ipFamilyPolicy="RequireDualStack",
            ipFamilies=["IPv4", "IPv6"]),
    service("db", clusterIP="None"),
    endpoint_slice("db-1", "db", endpoints=["10.244.0.1", {"addresses": ["10.244.0.2"], "hostname": "db-0"}]),
    service("out", ports=(), type="ExternalName", externalName="www.example.org"),
]
LEAVES = [service("leaves", clusterIP="10.96.7.2"), namespace("old"), service("there", "old", clusterIP="10.96.7.4")]
ARRIVES = service("arrives", clusterIP="10.96.7.3")

# Name, type, RCODE, answer section.
ANSWERS = [
    (f"web.{ZONE}", "A", "NOERROR", ["10.96.7.1"]),
    (f"web.{ZONE}", "AAAA", "NOERROR", ["fd00:10:96::71"]),
    (f"_http._tcp.web.{ZONE}", "SRV", "NOERROR", [f"0 50 80 web.{ZONE}."]),
    (f"db.{ZONE}", "A", "NOERROR", ["10.244.0.1", "10.244.0.2"]),
    (f"db-0.db.{ZONE}", "A", "NOERROR", ["10.244.0.2"]),
    (f"leaves.{ZONE}", "A", "NOERROR", ["10.96.7.2"]),
    ("there.old.svc.cluster.local", "A", "NOERROR", ["10.96.7.4"]),
    ("1.7.96.10.in-addr.arpa", "PTR", "NOERROR", [f"web.{ZONE}."]),
    ("2.0.244.10.in-addr.arpa", "PTR", "NOERROR", [f"db-0.db.{ZONE}."]),
    (f"web.{ZONE}", "MX", "NOERROR", []),
    (ZONE, "A", "NOERROR", []),
    ("cluster.local", "SOA", "NOERROR", None),
    (f"missing.{ZONE}", "A", "NXDOMAIN", []),
    ("9.9.96.10.in-addr.arpa", "PTR", "NXDOMAIN", []),
]


class Site:
    """A cluster that comes and goes, and servers that share one snapshot file."""

    def __init__(self, scenario, folder, *more):
        self._scenario = scenario
        self.cluster = scenario.cluster(*STEADY, *LEAVES, *more)
        self.folder = folder / "snapshots"
        self.folder.mkdir()
        self.file = self.folder / "cluster"
        self.upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=300)})

    def server(self, age="", options="", file=None, **more):
        return self._scenario.server(
            f"forward . {self.upstream.target}", self.cluster, f"snapshot {file or self.file} {age}\n    {options}", **more)

    def leave_snapshot(self):
        """What a server in step leaves behind when it ends; the cluster is away then."""
        server = self.server()
        server.stop()
        assert self.file.exists(), server.output()
        self.cluster.stop()

    def start_without_cluster(self, **more):
        return self.server(wait_ready=False, options="startup_timeout 1s", **more)


@pytest.fixture
def site(scenario, tmp_path):
    return Site(scenario, tmp_path)


def metric(server, name):
    """Figures of the plan come a moment after its answers."""
    sample = f"fairlead_kubernetes_{name}"
    return wait_until(lambda: server.metrics().get(sample, -1) + 1, 10, sample) - 1


def codes(answer):
    return [code for code, _ in answer.extended_errors]


def test_a_server_that_starts_while_the_api_server_is_away_answers_all_names_and_says_so(site):
    site.leave_snapshot()
    assert [path.name for path in site.folder.iterdir()] == [site.file.name], "nothing is left beside it"
    assert site.file.stat().st_mode & 0o777 == 0o640
    server = site.start_without_cluster()
    server.wait_ready()
    with Channel(server.port) as channel:
        for name, type, rcode, data in ANSWERS:
            answer = channel.ask(name, type)
            assert answer.rcode == rcode and data in (None, answer.data(type)), answer
            assert codes(answer) == [STALE], answer
            assert "from the snapshot of 20" in answer.extended_errors[0][1], answer
        out = channel.ask(f"out.{ZONE}")
        assert out.data("A") == ["192.0.2.7"] and codes(out) == [STALE]
        assert codes(channel.ask("www.example.org")) == [], "what is forwarded is nobody's snapshot"
        plain = channel.ask(f"web.{ZONE}", udp_size=None)
        assert plain.data() == ["10.96.7.1"], "without EDNS there is no place to say it"
    assert metric(server, "snapshot_in_use") == 1
    assert metric(server, "synced") == 0
    assert 0 <= metric(server, "snapshot_age_seconds") < 600
    assert metric(server, "snapshot_writes_total") == 0, "what is not in step is not written"


def test_the_first_list_is_a_difference_to_the_snapshot(site):
    site.leave_snapshot()
    server = site.start_without_cluster()
    serial = int(server.ask("cluster.local", "SOA").answer[0].data.split()[2])
    steady = {(name, type): data for name, type, _, data in ANSWERS if data and "leaves" not in name and "old" not in name}
    with Watcher(server, steady) as watcher:
        site.cluster.write_manifests(*STEADY, ARRIVES)
        site.cluster.start()
        server.eventually(f"arrives.{ZONE}", "A", ["10.96.7.3"], HEAL_SECONDS)
        server.eventually(f"leaves.{ZONE}", "A", "NXDOMAIN", HEAL_SECONDS)
        server.eventually("there.old.svc.cluster.local", "A", "NXDOMAIN", HEAL_SECONDS)
        wait_until(lambda: metric(server, "synced") == 1, HEAL_SECONDS, server.output)
    assert watcher.wrong == [] and watcher.asked > 0
    assert codes(server.ask(f"web.{ZONE}")) == []
    assert STALE not in codes(server.ask(f"leaves.{ZONE}"))
    assert metric(server, "snapshot_in_use") == 0
    assert int(server.ask("cluster.local", "SOA").answer[0].data.split()[2]) > serial
    # And what is in step is written, without waiting for the end.
    wait_until(lambda: metric(server, "snapshot_writes_total") >= 1, 20, server.output)
    server.stop()
    site.cluster.stop()
    again = site.start_without_cluster()
    assert again.ask(f"arrives.{ZONE}").data() == ["10.96.7.3"]
    assert again.ask(f"leaves.{ZONE}").rcode == "NXDOMAIN"


def test_names_that_come_of_age_are_answered_no_more(site):
    site.leave_snapshot()
    server = site.start_without_cluster(age="6s")
    assert server.ask(f"web.{ZONE}").data() == ["10.96.7.1"]
    answer = server.eventually(f"web.{ZONE}", "A", "SERVFAIL", 20)
    assert codes(answer) == [NOT_READY] and [record.type for record in answer.authority] == ["SOA"]
    assert server.ask("1.7.96.10.in-addr.arpa", "PTR").rcode == "SERVFAIL"
    assert server.ask("cluster.local", "SOA").rcode == "NOERROR"
    assert "is older than 6 s now" in server.output()
    assert metric(server, "snapshot_in_use") == 0
    site.cluster.start()
    server.eventually(f"web.{ZONE}", "A", ["10.96.7.1"], HEAL_SECONDS)


def test_ready_follows_the_snapshot_where_it_is_monitored(site, scenario):
    site.leave_snapshot()
    server = scenario.server(corefile=f"""
.:{{port}} {{
    bind 127.0.0.1
    ready 127.0.0.1:{{ready}} {{
        monitor continuously
    }}
    kubernetes cluster.local 10.in-addr.arpa ip6.arpa {{
        endpoint {site.cluster.url}
        snapshot {site.file} 6s
    }}
}}""", wait_ready=False)
    server.wait_ready()
    wait_until(lambda: not server.is_ready(), 20, server.output)
    site.cluster.start()
    wait_until(server.is_ready, HEAL_SECONDS, server.output)


def replace(path, octets):
    path.write_bytes(octets)


BROKEN = {
    "empty": (lambda path: replace(path, b""), "it is cut short or damaged"),
    "cut short": (lambda path: replace(path, path.read_bytes()[:-30]), "it is cut short or damaged"),
    "one bit": (lambda path: replace(path, path.read_bytes()[:60] + bytes([path.read_bytes()[60] ^ 1]) + path.read_bytes()[61:]),
                "it is cut short or damaged"),
    "longer": (lambda path: replace(path, path.read_bytes() + b"x"), "it is cut short or damaged"),
    "something else": (lambda path: replace(path, b"kind: Service\n" * 100), "it is no snapshot"),
    "another version": (lambda path: replace(path, path.read_bytes()[:8] + b"\x63\0\0\0" + path.read_bytes()[12:]),
                        "it is of version 99"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "it is no regular file"),
    "a pipe": (lambda path: (path.unlink(), os.mkfifo(path)), "it is no regular file"),
    "huge": (lambda path: os.truncate(path, 1 << 40), "it is larger than"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_file_is_said_and_counted_and_the_server_starts_as_without_it(site, broken):
    site.leave_snapshot()
    damage, reason = BROKEN[broken]
    damage(site.file)
    server = site.start_without_cluster()
    assert f"{site.file} is not used: {reason}" in server.output()
    assert metric(server, "snapshot_refusals_total") == 1
    answer = server.ask(f"web.{ZONE}")
    assert answer.rcode == "SERVFAIL" and codes(answer) == [NOT_READY]
    assert not server.is_ready()
    site.cluster.start()
    server.wait_ready()
    assert server.ask(f"web.{ZONE}").data() == ["10.96.7.1"]
    if site.file.is_dir():
        wait_until(lambda: metric(server, "snapshot_write_failures_total") >= 1, 20, server.output)
        assert "it cannot be written: renaming" in server.output()
    else:
        wait_until(lambda: metric(server, "snapshot_writes_total") >= 1, 20, server.output)
        assert site.file.is_file() and site.file.stat().st_size < 10_000


@pytest.mark.parametrize("option", ["namespaces default", "labels a=b", "endpoint_pod_names", "noendpoints"])
def test_a_snapshot_of_other_options_is_not_used(site, scenario, option):
    site.leave_snapshot()
    server = scenario.server("", site.cluster, f"snapshot {site.file}\n    startup_timeout 1s\n    {option}", wait_ready=False)
    assert "it is of another cluster, or of other options" in server.output()
    assert server.ask(f"web.{ZONE}").rcode == "SERVFAIL"


def test_a_snapshot_of_another_cluster_is_not_used(site, scenario):
    site.leave_snapshot()
    other = scenario.cluster(service("other", clusterIP="10.96.9.9"))
    server = scenario.server("", other, f"snapshot {site.file}")
    assert "it is of another cluster, or of other options" in server.output()
    assert server.ask(f"web.{ZONE}").rcode == "NXDOMAIN"
    assert server.ask(f"other.{ZONE}").data() == ["10.96.9.9"]


def test_a_snapshot_that_is_too_old_is_not_used(site):
    site.leave_snapshot()
    time.sleep(2.1)
    assert "it is older than the 1 s that the Corefile allows" in site.start_without_cluster(age="1s").output()


def test_a_place_that_cannot_be_written_harms_nothing(site, scenario):
    server = site.server(file=site.folder / "missing" / "cluster")
    wait_until(lambda: metric(server, "snapshot_write_failures_total") >= 1, 20, server.output)
    assert server.ask(f"web.{ZONE}").data() == ["10.96.7.1"]
    assert server.output().count("it cannot be written: opening") == 1
    assert "fairlead_kubernetes_snapshot_age_seconds" not in server.metrics()
    # Once the folder is there, it is written: at the latest at the end.
    (site.folder / "missing").mkdir()
    server.stop()
    assert (site.folder / "missing" / "cluster").exists()


def test_a_kill_while_a_snapshot_is_written_leaves_a_whole_one(site, scenario):
    cluster = scenario.cluster(options=["--synthetic", "services=2000,headless=400,endpoints=20000,namespaces=50"])
    site.cluster = cluster
    site.server().stop()
    draft = site.file.with_name(site.file.name + ".tmp")
    caught = 0
    for _ in range(KILLS):
        server = site.server()
        wait_until(lambda: draft.exists() or metric(server, "snapshot_writes_total"), 20, server.output, interval=0.001)
        server.kill()
        caught += draft.exists()
        shutil.copy(site.file, site.folder / "left")
    assert caught > 0, "at least one was killed in the middle"
    cluster.stop()
    server = site.start_without_cluster(file=site.folder / "left")
    answer = server.ask(f"kubernetes.{ZONE}")
    assert len(answer.data("A")) == 1 and codes(answer) == [STALE]
    assert metric(server, "names") > 20_000


def test_a_reload_while_names_are_from_the_snapshot_reads_it_again(site, scenario):
    site.leave_snapshot()
    server = site.start_without_cluster()
    text = server.corefile_path.read_text()
    server.write_corefile(text.replace("startup_timeout 1s", "startup_timeout 1s\n    ttl 42"))
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 20, server.output)
    answer = server.ask(f"web.{ZONE}")
    assert answer.answer[0].ttl == 42 and codes(answer) == [STALE]
    # Without the file the names would be lost: the old plan stays.
    server.write_corefile(text.replace("snapshot ", "#"))
    server.reload()
    wait_until(lambda: server.metrics()["coredns_reload_failed_total"] == 1, 20, server.output)
    assert server.ask(f"web.{ZONE}").data() == ["10.96.7.1"]


def test_the_last_server_of_a_path_writes_and_reloads_do_not_write_back(site):
    """A plan that is replaced ends after its successor has begun; what it knows is older."""
    server = site.server(options="ttl 5")
    text = server.corefile_path.read_text()
    wait_until(lambda: metric(server, "snapshot_writes_total") >= 1, 20, server.output)
    server.write_corefile(text.replace("ttl 5", "ttl 7\n    endpoint_pod_names"))
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 20, server.output)
    wait_until(lambda: metric(server, "snapshot_writes_total") >= 1, 20, server.output)
    server.stop()
    site.cluster.stop()
    again = site.server(options="ttl 7\n    endpoint_pod_names\n    startup_timeout 1s", wait_ready=False)
    assert codes(again.ask(f"web.{ZONE}")) == [STALE]


# --- Pods, a clusterset and an external zone

SHARED = "svc.clusterset.local"
EXTERNAL = "example.test"
POD, HOST = "127.0.0.5", "192.0.2.30"
MORE = [
    pod("client", "default", POD), pod("six", "default", "fd00:10:244::6"), pod("leaves", "default", "10.244.0.99"),
    pod("node-1", "default", HOST), pod("node-2", "default", HOST),
    service_import("shared", "default", ["10.42.0.1"]), service_import("leaves", "default", ["10.42.0.2"]),
    service_import("spread", "default", ports=[("pg", 5432)]),
    imported_slice("spread-east", "spread", "default", "east", [{"addresses": ["10.1.0.5"], "hostname": "db-0"}],
                   [("pg", 5432)]),
    service("outside", clusterIP="10.96.7.9", externalIPs=["192.0.2.9"]),
    {**service("balanced", clusterIP="10.96.7.10", type="LoadBalancer"),
     "status": {"loadBalancer": {"ingress": [{"hostname": "www.example.org"}]}}},
]
PODS = [
    ("127-0-0-5.default.pod.cluster.local", "A", "NOERROR", [POD]),
    ("fd00-10-244--6.default.pod.cluster.local", "AAAA", "NOERROR", ["fd00:10:244::6"]),
    ("10-244-0-99.default.pod.cluster.local", "A", "NOERROR", ["10.244.0.99"]),
    ("192-0-2-30.default.pod.cluster.local", "A", "NOERROR", [HOST]),
    ("10-244-0-98.default.pod.cluster.local", "A", "NXDOMAIN", []),
    ("127-0-0-5.old.pod.cluster.local", "A", "NXDOMAIN", []),
]
IMPORTS = [
    (f"shared.default.{SHARED}", "A", "NOERROR", ["10.42.0.1"]),
    (f"leaves.default.{SHARED}", "A", "NOERROR", ["10.42.0.2"]),
    (f"spread.default.{SHARED}", "A", "NOERROR", ["10.1.0.5"]),
    (f"db-0.east.spread.default.{SHARED}", "A", "NOERROR", ["10.1.0.5"]),
    (f"_pg._tcp.spread.default.{SHARED}", "SRV", "NOERROR", [f"0 100 5432 db-0.east.spread.default.{SHARED}."]),
    (f"old.{SHARED}", "A", "NOERROR", []),
    (f"web.default.{SHARED}", "A", "NXDOMAIN", []),
    ("clusterset.local", "SOA", "NOERROR", None),
]
OUTSIDE = [
    (f"outside.default.{EXTERNAL}", "A", "NOERROR", ["192.0.2.9"]),
    (f"_http._tcp.outside.default.{EXTERNAL}", "SRV", "NOERROR", [f"0 100 80 outside.default.{EXTERNAL}."]),
    (f"balanced.default.{EXTERNAL}", "CNAME", "NOERROR", ["www.example.org."]),
    (f"balanced.default.{EXTERNAL}", "A", "NOERROR", ["192.0.2.7"]),
    ("9.2.0.192.in-addr.arpa", "PTR", "NOERROR", [f"outside.default.{EXTERNAL}."]),
    (f"web.default.{EXTERNAL}", "A", "NXDOMAIN", []),
    (EXTERNAL, "SOA", "NOERROR", None),
]
EVERYTHING = """
.:{port} {
    bind 127.0.0.1
    errors
    ready 127.0.0.1:{ready}
    prometheus 127.0.0.1:{metrics}
    kubernetes cluster.local clusterset.local 10.in-addr.arpa ip6.arpa {
        endpoint {api}
        startup_timeout 1s
        snapshot {file} {age}
        pods verified
        multicluster clusterset.local
    }
    k8s_external example.test 192.in-addr.arpa
    autopath @kubernetes
    metadata
    debug
    forward . {upstream}
}
"""


class WholeSite(Site):
    """With every kind of object that a snapshot can hold."""

    def __init__(self, scenario, folder):
        super().__init__(scenario, folder, *MORE)

    def server(self, age="24h", **more):
        values = {"api": self.cluster.url, "file": self.file, "age": age, "upstream": self.upstream.target}
        return self._scenario.server(corefile=EVERYTHING, values=values, **more)

    def start_without_cluster(self, **more):
        server = self.server(wait_ready=False, **more)
        server.wait_ready()
        return server


@pytest.fixture
def whole(scenario, tmp_path):
    return WholeSite(scenario, tmp_path)


def serials(server):
    return [int(server.ask(zone, "SOA").answer[0].data.split()[2]) for zone in ("cluster.local", "clusterset.local", EXTERNAL)]


def search(server, name="www.example.org.default.svc.cluster.local", client=POD):
    """What autopath finds for the Pod with that address."""
    return server.dig(name, "A", "-b", client)


def test_pods_their_search_lists_imports_and_external_names_are_in_the_snapshot(whole):
    server = whole.server()
    wait_until(lambda: server.ask(f"shared.default.{SHARED}").data() == ["10.42.0.1"], 20, server.output)
    before = serials(server)
    server.stop()
    whole.cluster.stop()
    server = whole.start_without_cluster()
    assert re.search(r"\d Services, \d EndpointSlices, 5 Pods, 3 ServiceImports and \d Namespaces", server.output())
    with Channel(server.port) as channel:
        for name, type, rcode, data in [*ANSWERS, *PODS, *IMPORTS, *OUTSIDE]:
            answer = channel.ask(name, type)
            assert answer.rcode == rcode and data in (None, answer.data(type)), answer
            assert codes(answer) == [STALE], answer
            assert "from the snapshot of 20" in answer.extended_errors[0][1], answer
    found = search(server)
    assert found.data("CNAME") == ["www.example.org."] and found.data("A") == ["192.0.2.7"], found
    assert codes(found) == [STALE]
    assert search(server, client="127.0.0.6").rcode == "NXDOMAIN"
    assert "kubernetes/client-namespace=default" in server.output()
    assert all(late > early for late, early in zip(serials(server), before)), "every serial rises"
    assert metric(server, "snapshot_in_use") == 1


def test_the_first_lists_of_all_kinds_are_differences_to_the_snapshot(whole):
    whole.leave_snapshot()
    server = whole.start_without_cluster()
    gone = {"10-244-0-99.default.pod.cluster.local", f"leaves.default.{SHARED}"}
    steady = {(name, type): data for name, type, _, data in [*PODS, *IMPORTS, *OUTSIDE] if data and name not in gone}
    with Watcher(server, steady) as watcher:
        whole.cluster.write_manifests(
            *STEADY, *(object for object in MORE if object["metadata"]["name"] != "leaves"), pod("new", "default", "10.244.0.97"))
        whole.cluster.start()
        server.eventually("10-244-0-97.default.pod.cluster.local", "A", ["10.244.0.97"], HEAL_SECONDS)
        for name in gone:
            server.eventually(name, "A", "NXDOMAIN", HEAL_SECONDS)
        wait_until(lambda: metric(server, "snapshot_in_use") == 0, HEAL_SECONDS, server.output)
    assert watcher.wrong == [] and watcher.asked > 0
    for name, type in [*steady, (f"leaves.default.{SHARED}", "A")]:
        assert STALE not in codes(server.ask(name, type))
    assert STALE not in codes(search(server))
    # Pods that share an address are two again.
    whole.cluster.delete(pod("node-1", "default", HOST))
    whole.cluster.apply(service("mark", clusterIP="10.96.7.50"))
    server.eventually(f"mark.{ZONE}", "A", ["10.96.7.50"])
    assert server.ask("192-0-2-30.default.pod.cluster.local").data() == [HOST]
    whole.cluster.delete(pod("node-2", "default", HOST))
    server.eventually("192-0-2-30.default.pod.cluster.local", "A", "NXDOMAIN")


def test_pods_imports_and_external_names_come_of_age_too(whole):
    whole.leave_snapshot()
    server = whole.start_without_cluster(age="6s")
    assert server.ask(f"shared.default.{SHARED}").data() == ["10.42.0.1"]
    names = ["127-0-0-5.default.pod.cluster.local", f"shared.default.{SHARED}", f"outside.default.{EXTERNAL}"]
    for name in names:
        assert codes(server.eventually(name, "A", "SERVFAIL", 20)) == [NOT_READY]
    assert search(server).rcode == "SERVFAIL", "nobody's search list is known any more"
    whole.cluster.start()
    for name in names:
        wait_until(lambda: server.ask(name).rcode == "NOERROR", HEAL_SECONDS, server.output)


def test_kinds_that_are_watched_since_the_snapshot_are_not_known_from_it(whole, scenario):
    """As of old: what the file does not hold is SERVFAIL until it has been listed."""
    plain = scenario.server(f"k8s_external {EXTERNAL}", whole.cluster, f"snapshot {whole.file}")
    plain.stop()
    whole.cluster.stop()
    server = whole.start_without_cluster()
    assert server.ask(f"web.{ZONE}").data() == ["10.96.7.1"]
    for name in ("127-0-0-5.default.pod.cluster.local", f"shared.default.{SHARED}"):
        answer = server.ask(name)
        assert answer.rcode == "SERVFAIL" and codes(answer) == [NOT_READY], answer
    whole.cluster.start()
    server.eventually("127-0-0-5.default.pod.cluster.local", "A", [POD], HEAL_SECONDS)
    server.eventually(f"shared.default.{SHARED}", "A", ["10.42.0.1"], HEAL_SECONDS)


def test_a_snapshot_with_more_than_is_watched_serves_the_rest(whole, scenario):
    whole.server().stop()
    whole.cluster.stop()
    server = scenario.server(f"k8s_external {EXTERNAL}", whole.cluster, f"snapshot {whole.file}\n    startup_timeout 1s",
                             wait_ready=False)
    assert codes(server.ask(f"web.{ZONE}")) == [STALE]
    assert server.ask(f"outside.default.{EXTERNAL}").data() == ["192.0.2.9"]
    assert server.ask("127-0-0-5.default.pod.cluster.local").rcode == "NXDOMAIN"
