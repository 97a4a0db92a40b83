"""A thousand reloads under thousands of queries a second: none is lost, nothing is listed, /ready never turns."""

import itertools
import re
import time

import pytest

from support.certificates import Authority
from support.fairlead import Repeater, server_block
from support.kube import endpoint_slice, service
from support.load import QueryLoad
from support.processes import Process, tool, wait_until
from support.upstream import address

ZONE = "default.svc.cluster.local"
LISTED = ("services", "endpointslices", "namespaces")
RELOADS = 1000
QUERIES_PER_SECOND = 5000
# A sanitizer's build is an order of magnitude slower: it is to find races, not to be fast.
SANITIZED_RELOADS = 60
SANITIZED_QUERIES_PER_SECOND = 300
# So many at a second are looked at by what they say, the others by their RCODE.
CHECKED_PER_SECOND = 100
SECONDS_MAX = 150
# What a reload may leave behind until its last query has surely ended.
GROWTH_KILOBYTES_MAX = 64 * 1024

COREFILE = server_block("""
kubernetes cluster.local 10.in-addr.arpa {
    endpoint {api}
}
VARIANT
""")

# One after the other: caches, upstreams, logs and connections come, stay, change and go; the cluster stays.
PLAIN = "forward . {upstream}"
OVER_TLS = "forward . tls://{tls} {\n    tls {ca}\n}"
VARIANTS = [
    f"cache\n{PLAIN}",
    f"cache\n{PLAIN}\nloop",
    f"cache 30 {{\n    prefetch 2 1m 50%\n    serve_stale 1h immediate\n}}\n{PLAIN}",
    f"cache 30 {{\n    prefetch 2 1m 50%\n    serve_stale 1h immediate\n}}\n{OVER_TLS}",
    f"log . {{\n    class denial error\n}}\n{OVER_TLS}",
    f"log example.net\nloadbalance\nminimal\n{PLAIN}",
    f"chaos\nnsid\nbufsize 1232\ncancel 4s\n{PLAIN}\ncache",
]
EXPECTED = {
    (f"web.{ZONE}", "A"): ["10.96.7.1"],
    (f"db.{ZONE}", "A"): ["10.244.0.1", "10.244.0.2"],
    ("1.7.96.10.in-addr.arpa", "PTR"): [f"web.{ZONE}."],
    ("www.example.org", "A"): ["192.0.2.7"],
    ("short.example.org", "A"): ["192.0.2.8"],
}


class Readiness(Repeater):
    """Asks /ready and /health without pause."""

    def __init__(self, server):
        super().__init__(pause=0.005)
        self._server = server
        self.asked = 0
        self.others = []

    def repeat(self):
        statuses = (self._server.status("ready", "/ready"), self._server.status("health", "/health"))
        self.asked += 1
        if statuses != (200, 200):
            self.others.append(statuses)


class DnsPerf:
    """dnsperf at a steady rate until it is stopped; then what it sent, lost and got."""

    def __init__(self, folder, port, rate):
        questions = folder / "questions.txt"
        questions.write_text("".join(f"{name} {type}\n" for name, type in EXPECTED))
        self._process = Process("dnsperf", [
            tool("dnsperf"), "-s", "127.0.0.1", "-p", port, "-d", questions, "-Q", rate, "-c", 32, "-q", 20000,
            "-t", 5, "-e", "-l", SECONDS_MAX + 60], folder)

    def stop(self):
        assert self._process.is_running(), self._process.output()
        self._process.stop(2, timeout=20)
        text = self._process.output()
        # Those that were on their way when it was stopped are "interrupted", neither completed nor lost.
        self.completed, self.lost = (int(re.search(rf"Queries {what}:\s+(\d+)", text)[1]) for what in ("completed", "lost"))
        self.rcodes = re.search(r"Response codes:\s+(.*)", text)[1]


class Log:
    """Counts lines as they are written; the whole output of a thousand reloads is not read a thousand times."""

    def __init__(self, process):
        self._file = open(process.log_path, "rb")
        self._file.seek(0, 2)
        self._rest = b""
        self.counts = {}

    def count(self, *marks):
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            for mark in marks:
                self.counts[mark] = self.counts.get(mark, 0) + (mark in line)
        return [self.counts.get(mark, 0) for mark in marks]


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_thousand_reloads_lose_no_query_list_nothing_and_stay_ready(scenario, authority, tmp_path):
    cluster = scenario.cluster(
        service("web", clusterIP="10.96.7.1"), service("db", clusterIP="None"),
        endpoint_slice("db-1", "db", endpoints=["10.244.0.1", "10.244.0.2"]))
    scripts = {"www.example.org.": address("192.0.2.7", ttl=300), "short.example.org.": address("192.0.2.8", ttl=5)}
    values = {
        "api": cluster.url, "upstream": scenario.upstream(scripts).target,
        "tls": scenario.upstream(scripts, tls=authority.server("upstream")).target, "ca": authority.certificate}
    server = scenario.server(corefile=COREFILE.replace("VARIANT", VARIANTS[0]), values=values)
    sanitized = server.process.has_sanitizer()
    reloads = SANITIZED_RELOADS if sanitized else RELOADS
    rate = SANITIZED_QUERIES_PER_SECOND if sanitized else QUERIES_PER_SECOND
    lists = [cluster.requests("list", plural) for plural in LISTED]
    watches = cluster.stats()["open_watches"]
    descriptors = len(server.process.descriptors())
    log = Log(server.process)
    variants = itertools.cycle(VARIANTS[1:] + VARIANTS[:1])
    give_up = time.monotonic() + SECONDS_MAX

    perf = DnsPerf(tmp_path, server.port, rate)
    with QueryLoad(server.port, EXPECTED, rate=CHECKED_PER_SECOND) as load, Readiness(server) as readiness:
        sizes = []
        for number in range(1, reloads + 1):
            server.write_corefile(COREFILE.replace("VARIANT", next(variants)))
            server.reload()
            wait_until(lambda: log.count(b"Reloading complete", b"Restart failed") == [number, 0],
                       max(1, give_up - time.monotonic()), server.output, interval=0.002)
            if number % (reloads // 10) == 0:
                sizes.append(server.process.rss_kilobytes())
        perf.stop()
    assert (load.lost, load.wrong) == (0, [])
    assert (perf.lost, perf.rcodes) == (0, f"NOERROR {perf.completed} (100.00%)")
    assert readiness.asked > 100 or sanitized
    assert readiness.others == []
    assert [cluster.requests("list", plural) for plural in LISTED] == lists
    assert cluster.stats()["open_watches"] == watches
    assert server.metrics()["coredns_reload_failed_total"] == 0
    if not sanitized:
        assert sizes[-1] - sizes[len(sizes) // 2] < GROWTH_KILOBYTES_MAX, sizes
    wait_until(lambda: len(server.process.descriptors()) <= descriptors + 16, 30,
               lambda: f"old plans leave nothing open: {len(server.process.descriptors())}, at first {descriptors}")
    print(f"{reloads} reloads, {perf.completed} queries, sizes {sizes}")
