"""A new Corefile while queries come: what changes, what stays, and that nothing is lost."""

import socket
import struct
import time

import pytest

from support.dns import Channel, encode_query
from support.fairlead import server_block
from support.kube import endpoint_slice, service
from support.load import QueryLoad
from support.processes import free_port, wait_until
from support.upstream import address

ZONE = "default.svc.cluster.local"
LISTED = ("services", "endpointslices", "namespaces")
FAILED = "coredns_reload_failed_total"
RELOADS = 10

COREFILE = server_block("""
kubernetes cluster.local 10.in-addr.arpa {
    endpoint {api}
    ttl {ttl}
    startup_timeout {timeout}
}
cache
forward . {upstream}
{more}
""") + "{blocks}\n"


class Site:
    """A cluster, an upstream, and a server whose Corefile is written anew."""

    def __init__(self, scenario, **values):
        self.cluster = scenario.cluster(
            service("web", clusterIP="10.96.7.1"), service("db", clusterIP="None"),
            endpoint_slice("db-1", "db", endpoints=["10.244.0.1", "10.244.0.2"]))
        self.upstream = scenario.upstream({
            "www.example.org.": address("192.0.2.7", ttl=300), "slow.example.org.": address("192.0.2.5", delay=1.0)})
        self._values = {"ttl": 5, "timeout": "5s", "more": "", "blocks": "", "api": self.cluster.url, "upstream": self.upstream.target}
        self.server = scenario.server(corefile=self.text(**values))
        self.reloads = 0

    def text(self, **values):
        text = COREFILE
        for name, value in {**self._values, **values}.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def write(self, **values):
        self.server.write_corefile(self.text(**values))

    def reload(self, **values):
        """Writes the Corefile, sends SIGUSR1 and waits until it is served."""
        self.write(**values)
        self.server.reload()
        self.reloads += 1
        wait_until(lambda: self.server.output().count("Reloading complete") == self.reloads, 20, self.server.output)

    def lists(self):
        return [self.cluster.requests("list", plural) for plural in LISTED]


@pytest.fixture
def site(scenario):
    return Site(scenario)


def test_a_reload_takes_over_ttl_zone_and_port(site):
    server = site.server
    site.reload(ttl=42)
    assert server.ask(f"web.{ZONE}").answer[0].ttl == 42
    port = free_port()
    site.reload(blocks=f"example.com:{port} {{\n bind 127.0.0.1\n forward . {site.upstream.target}\n}}")
    site.upstream.scripts["www.example.com."] = address("192.0.2.20")
    with Channel(port) as channel:
        assert channel.ask("www.example.com").data() == ["192.0.2.20"]
        assert channel.ask("www.example.org").rcode == "REFUSED"
    site.reload()
    assert server.ask(f"web.{ZONE}").answer[0].ttl == 5
    # The port is closed again, for both transports.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", port))
        tcp.bind(("127.0.0.1", port))


def test_a_reload_under_load_loses_no_query_and_lists_nothing(site):
    server = site.server
    lists, watches = site.lists(), site.cluster.stats()["open_watches"]
    descriptors = len(server.process.descriptors())
    expected = {
        (f"web.{ZONE}", "A"): ["10.96.7.1"],
        (f"db.{ZONE}", "A"): ["10.244.0.1", "10.244.0.2"],
        ("1.7.96.10.in-addr.arpa", "PTR"): [f"web.{ZONE}."],
        ("www.example.org", "A"): ["192.0.2.7"],
    }
    with QueryLoad(server.port, expected, rate=500) as load:
        for number in range(RELOADS):
            site.reload(more="loadbalance" if number % 2 else "loop")
            assert server.status("health", "/health") == 200
            assert server.status("ready", "/ready") == 200
            time.sleep(0.1)
        wait_until(lambda: load.asked > 700, 20, "enough was asked")
    assert load.wrong == []
    assert load.lost == 0, f"{load.lost} of {load.asked}"
    assert site.lists() == lists
    assert site.cluster.stats()["open_watches"] == watches
    assert server.metrics()[FAILED] == 0
    wait_until(lambda: len(server.process.descriptors()) <= descriptors + 8, 20, "old plans leave nothing open")


def test_a_reload_keeps_the_cache_and_connections(site):
    server = site.server
    with Channel(server.port) as channel, socket.create_connection(("127.0.0.1", server.port), timeout=5) as stream:
        channel.ask("www.example.org")
        asked = site.upstream.count("www.example.org.")
        site.reload(more="loadbalance")
        assert channel.ask("www.example.org").data() == ["192.0.2.7"]
        assert site.upstream.count("www.example.org.") == asked
        query = encode_query("www.example.org")
        stream.sendall(struct.pack("!H", len(query)) + query)
        assert stream.recv(4)[2:4] == query[:2]


def test_a_query_that_waits_is_answered_across_a_reload(site):
    with Channel(site.server.port) as channel:
        channel.send("slow.example.org")
        time.sleep(0.2)
        site.reload(ttl=7)
        assert channel.receive()[1].data() == ["192.0.2.5"]


BROKEN = {
    "an unknown directive": {"more": "erors"},
    "an imported file that is not there": {"more": "import nowhere.conf"},
    "a port that cannot be bound": {"blocks": ".:{taken} {\n bind 127.0.0.1\n errors\n}"},
    "an HTTP port that cannot be bound": {"blocks": ".:{free} {\n bind 127.0.0.1\n health 127.0.0.1:{taken}\n}"},
    "an upstream that is no address": {"upstream": "nowhere.test"},
    "a resolv.conf that is not there": {"upstream": "/nowhere/resolv.conf"},
    "a kubeconfig that is not there": {"blocks": "example.net:{free} {\n kubernetes example.net {\n  kubeconfig ./no\n }\n}"},
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_corefile_that_fails_leaves_everything_running(site, broken):
    server = site.server
    lists = site.lists()
    expected = {(f"web.{ZONE}", "A"): ["10.96.7.1"], ("www.example.org", "A"): ["192.0.2.7"]}
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        values = {name: value.replace("{taken}", str(taken.getsockname()[1])).replace("{free}", str(free_port()))
                  for name, value in BROKEN[broken].items()}
        descriptors = len(server.process.descriptors())
        with QueryLoad(server.port, expected, rate=200) as load:
            site.write(**values)
            for number in range(2):
                server.reload()
                wait_until(lambda: server.metrics()[FAILED] == number + 1, 20, server.output)
                for endpoint, path in (("health", "/health"), ("ready", "/ready"), ("metrics", "/metrics")):
                    assert server.status(endpoint, path) == 200
            wait_until(lambda: load.asked > 50, 20, "some was asked")
        assert (load.lost, load.wrong) == (0, [])
        assert "everything goes on as before" in server.output()
        assert len(server.process.descriptors()) <= descriptors + 4, "what failed left nothing open"
    assert site.lists() == lists
    # And the next good one is taken.
    site.reload(ttl=11)
    assert server.ask(f"web.{ZONE}").answer[0].ttl == 11


def test_a_changed_file_is_picked_up_by_itself_and_a_broken_one_is_tried_once(scenario):
    site = Site(scenario, more="reload 2s 1s")
    server = site.server
    site.write(more="reload 2s 1s", ttl=33)
    wait_until(lambda: server.ask(f"web.{ZONE}").answer[0].ttl == 33, 10, "the changed file is served")
    digest = [sample for sample in server.metrics() if sample.startswith("coredns_reload_version_info")]
    assert len(digest) == 1 and 'hash="sha512"' in digest[0]
    site.write(more="reload 2s 1s\n    erors", ttl=34)
    wait_until(lambda: server.metrics()[FAILED] == 1, 10, "the broken file was tried")
    assert server.ask(f"web.{ZONE}").answer[0].ttl == 33
    time.sleep(3.5)
    assert server.metrics()[FAILED] == 1, "and not tried again"
    site.write(more="reload 2s 1s", ttl=35)
    wait_until(lambda: server.ask(f"web.{ZONE}").answer[0].ttl == 35, 10, "the mended file is served")


def test_an_imported_file_counts_as_the_corefile(scenario, tmp_path):
    imported = tmp_path / "more.conf"
    imported.write_text("loadbalance\n")
    site = Site(scenario, more=f"reload 2s 1s\n    import {imported}")
    imported.write_text("chaos-monkey\n")
    wait_until(lambda: site.server.metrics()[FAILED] == 1, 10, "the change was seen")
    assert f"{imported}:1" in site.server.output()


def test_a_reload_to_another_cluster_answers_its_names(scenario):
    site = Site(scenario)
    other = scenario.cluster(service("other", clusterIP="10.96.9.9"))
    site.reload(api=other.url)
    site.server.eventually(f"other.{ZONE}", "A", ["10.96.9.9"])
    site.server.eventually(f"web.{ZONE}", "A", "NXDOMAIN")
    wait_until(lambda: not any(site.cluster.stats()["open_watches"].values()), 20, "the old watches are closed")


def test_a_reload_while_the_api_server_is_away_keeps_the_names_and_is_made_up_for(scenario):
    """A new ttl makes the table anew; the old one is not given up for one that cannot be read."""
    site = Site(scenario, more="reload 2s 1s")
    server = site.server
    site.cluster.fault(refuse_connections=True, close_connections=True)
    with QueryLoad(server.port, {(f"web.{ZONE}", "A"): ["10.96.7.1"]}, rate=50) as load:
        site.write(more="reload 2s 1s", ttl=42, timeout="1s")
        wait_until(lambda: server.metrics()[FAILED] >= 2, 15, "the reload fails, and is tried again")
        assert server.is_ready()
        site.cluster.fault(refuse_connections=False)
        wait_until(lambda: server.ask(f"web.{ZONE}").answer[0].ttl == 42, 15, server.output)
    assert (load.lost, load.wrong) == (0, [])
    wait_until(lambda: site.cluster.stats()["open_watches"]["services"] == 1, 20, "the old watches are closed")


def test_many_signals_at_once_are_a_few_reloads(site):
    for _ in range(50):
        site.server.reload()
    assert site.server.ask(f"web.{ZONE}").data() == ["10.96.7.1"]
    wait_until(lambda: "Reloading complete" in site.server.output(), 20, site.server.output)


def test_memory_does_not_grow_with_reloads(site):
    for _ in range(5):
        site.reload()
    before = site.server.process.rss_kilobytes()
    for number in range(40):
        site.reload(ttl=number)
    if not site.server.process.has_sanitizer():
        # Plans of the last ten seconds are kept for queries that may wait.
        assert site.server.process.rss_kilobytes() - before < 16 * 1024


def test_a_restart_while_clients_ask_answers_what_was_taken(scenario):
    """SIGTERM and a new process on the same port: nobody who was answered once gets a wrong answer."""
    site = Site(scenario)
    with Channel(site.server.port, timeout=10) as channel:
        channel.send("slow.example.org")
        time.sleep(0.2)
        site.server.stop()
        assert channel.receive()[1].data() == ["192.0.2.5"], "the suspended query was owed"
        site.server.start()
        assert channel.ask(f"web.{ZONE}").data() == ["10.96.7.1"]
