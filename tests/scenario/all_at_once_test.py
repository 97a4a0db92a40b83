"""Queries, object changes, relists, reloads, transfers and scrapes at the same time, and SIGTERM in the middle of it.

What it is for is the ThreadSanitizer build, in which every thread of the server meets every other here; each of the
parts is tested by itself elsewhere. A report is in the server's output, and makes its exit status 66: both are looked
at when the server is stopped. In every build no sampled name may be answered wrongly.
"""

import http.client
import itertools
import random
import struct
import threading
import time
import urllib.request

from support import dns
from support.dig import dig_zone
from support.fairlead import server_block
from support.kube import endpoint_slice, namespace, pod, service
from support.load import QueryLoad
from support.processes import Process, free_port, tool, wait_until
from support.upstream import Reply, address

SECONDS = 30
# Enough for the threads to meet all the time; not so much that a sanitizer build on two cores falls behind.
UDP_RATE = 600
TCP_RATE = 150
CHECKED_RATE = 100
# Of the questions that are checked: a loaded machine may drop a datagram, but the server goes on answering.
ANSWERED_MIN = 0.9
WAIT_SECONDS = 60

ZONE = "default.svc.cluster.local"
# A Pod by its address: the server walks its search list.
POD_ADDRESS = "127.0.0.5"
STEADY = {
    (f"web.{ZONE}", "A"): ["10.96.7.1"],
    (f"web.{ZONE}", "AAAA"): ["fd00:10:96::71"],
    (f"_http._tcp.web.{ZONE}", "SRV"): [f"0 50 80 web.{ZONE}."],
    ("1.7.96.10.in-addr.arpa", "PTR"): [f"web.{ZONE}."],
    (f"out.{ZONE}", "CNAME"): ["www.example.org."],
    ("cluster.local", "NS"): ["ns.dns.cluster.local."],
    ("web.default.example.test", "A"): ["192.0.2.9"],
    ("127-0-0-5.default.pod.cluster.local", "A"): [POD_ADDRESS],
}
# From that address alone.
SEARCHED = {(f"web.default.{ZONE}", "A"): ["10.96.7.1"]}
# Answered by whoever is asked, right or wrong: names that come and go, forwarded ones, and none at all.
OTHERS = [
    f"out.{ZONE} A", "www.example.org A", "slow.example.org A", "nobody.example.org A", "text.example.org TXT",
    f"comes-0.{ZONE} A", f"comes-1.{ZONE} A", f"missing.{ZONE} A", f"db.{ZONE} A", f"_http._tcp.db.{ZONE} SRV",
    "1-2-3-4.default.pod.cluster.local A", "cluster.local SOA", "2.1.244.10.in-addr.arpa PTR", f"moves.{ZONE} A",
    "10-244-20-1.default.pod.cluster.local A", "10-244-20-2.space-1.pod.cluster.local A", "example.test SOA",
    "comes-2.default.example.test A", f"db.{ZONE}.{ZONE} A", f"www.example.org.{ZONE} A", f"out.default.{ZONE} AAAA",
]

COREFILE = server_block("""
kubernetes cluster.local 10.in-addr.arpa ip6.arpa {
    endpoint {api}
    pods verified
    snapshot {snapshot}
    startup_timeout 2s
    ttl TTL
}
k8s_external example.test
autopath @kubernetes
transfer {
    to SECONDARIES
}
forward . {upstream}
MORE
""")


def corefile(ttl=5, more="cache", secondaries="*"):
    return COREFILE.replace("TTL", str(ttl)).replace("MORE", more).replace("SECONDARIES", secondaries)


# What a client of the API gets while the faults are about: no connection, half an answer, a status other than 200.
REFUSED_BY_FAULT = (OSError, http.client.HTTPException, AssertionError)


class Disturbers:
    """Threads that each do one thing over and over. What one of them raises fails the test."""

    def __init__(self):
        self._stopping = threading.Event()
        self._threads = []
        self.counts = {}
        self.failures = []

    def add(self, name, act, pause, tolerated=()):
        """`tolerated` are exceptions after which it is tried again."""
        self.counts[name] = 0
        self._threads.append(threading.Thread(target=self._run, args=(name, act, pause, tolerated), daemon=True))
        self._threads[-1].start()

    def _run(self, name, act, pause, tolerated):
        while not self._stopping.wait(pause):
            try:
                act()
                self.counts[name] += 1
            except tolerated:
                continue
            except Exception as error:
                if not self._stopping.is_set():
                    self.failures.append(f"{name}: {error!r}")
                    return

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(15)


def disturb_objects(cluster):
    """Objects that come and go, change their type, and move their endpoints from one slice to another."""
    comes = [service(f"comes-{number}", clusterIP=f"10.96.8.{number + 1}", externalIPs=[f"192.0.2.{number + 10}"])
             for number in range(4)]
    pods = [pod("comes", space, f"10.244.20.{number}") for number in range(1, 4) for space in ("default", "space-1")]
    headless = service("moves", clusterIP="None")
    slices = [endpoint_slice("moves-1", "moves", endpoints=[f"10.244.9.{number}" for number in range(1, 40)]),
              endpoint_slice("moves-1", "moves", endpoints=["10.244.9.1"], ports=[("other", 9)]),
              endpoint_slice("moves-1", "web", endpoints=["10.244.9.1"])]
    cluster.apply(headless)
    rounds = itertools.count()

    def act():
        number = next(rounds)
        cluster.apply(comes[number % 4], slices[number % 3], namespace(f"space-{number % 3}"), pods[number % 6])
        cluster.delete(comes[number % 4])
        if number % 2:
            cluster.delete(namespace(f"space-{number % 3}"))
        if number % 5 == 0:
            cluster.delete(pods[number % 6])

    return act


def disturb_api(cluster):
    """What makes reflectors list anew, resume, wait and be refused."""
    faults = itertools.cycle([
        {"expire_history": True, "close_watches": True},
        {"close_watches": {"how": "abrupt"}},
        {"expired_as": "http", "expire_history": True, "close_connections": True},
        {"bad_events": {"count": 2, "form": "garbage"}},
        {"cut_lists": {"count": 1, "after_bytes": 2000}, "expire_history": True, "close_watches": True},
        {"expired_as": "event", "fail_requests": {"count": 2, "status": 429, "retry_after": 1}, "close_watches": True},
        {"refuse_connections": {"for_ms": 300}, "close_connections": True},
    ])
    return lambda: cluster.fault(**next(faults))


def disturb_plan(server):
    """Reloads, some of which make the cluster's table or the cache anew or notify somebody, and one of which fails."""
    nobody = f"* 127.0.0.1:{free_port()}"
    variants = itertools.cycle([
        (5, "cache"), (5, "cache\n    loadbalance", nobody), (7, "cache 30"), (7, "", nobody), (5, "loop"),
        (5, "erors")])

    def act():
        server.write_corefile(corefile(*next(variants)))
        server.reload()

    return act


def scrape(server):
    for port, path in ((server.metrics_port, "/metrics"), (server.metrics_port, "/debug/top"),
                       (server.metrics_port, "/debug/slow"), (server.health, "/health")):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            assert response.status == 200 and response.read()


def ask_over_tcp(server):
    """Pipelined questions on a connection that is closed at times in the middle of an answer."""
    expected = {**STEADY, **SEARCHED}
    with dns.socket.create_connection(("127.0.0.1", server.port), 10, (POD_ADDRESS, 0)) as connection:
        for name, type in expected:
            query = dns.encode_query(name, type)
            connection.sendall(struct.pack("!H", len(query)) + query)
        if random.random() < 0.3:
            return
        for _ in expected:
            answer = dns.decode(dns.receive(connection, struct.unpack("!H", dns.receive(connection, 2))[0]))
            name, type = answer.question.split()
            assert answer.rcode == "NOERROR" and answer.data(type) == expected[name.rstrip("."), type], str(answer)


def dnsperf(folder, server, mode, rate, address="127.0.0.1"):
    questions = folder / "questions.txt"
    questions.write_text("\n".join([*OTHERS, *(f"{name} {type}" for name, type in STEADY)]) + "\n")
    arguments = [tool("dnsperf"), "-s", "127.0.0.1", "-p", server.port, "-d", questions, "-m", mode, "-Q", rate,
                 "-a", address, "-c", 8, "-q", 50, "-t", 3, "-e", "-l", SECONDS + 4 * WAIT_SECONDS]
    return Process(f"dnsperf-{mode}", arguments, folder)


def test_everything_at_once_is_answered_rightly_and_stops_in_order_under_load(scenario, tmp_path):
    cluster = scenario.cluster(
        service("web", clusterIP="10.96.7.1", clusterIPs=["10.96.7.1", "fd00:10:96::71"], ipFamilyPolicy="RequireDualStack",
                ipFamilies=["IPv4", "IPv6"], externalIPs=["192.0.2.9"]),
        service("db", clusterIP="None"),
        service("out", ports=(), type="ExternalName", externalName="www.example.org"),
        endpoint_slice("db-1", "db", endpoints=[f"10.244.1.{number}" for number in range(1, 30)]),
        pod("client", "default", POD_ADDRESS),
        options=["--churn", "50"])
    upstream = scenario.upstream({
        "www.example.org.": address("192.0.2.7", ttl=1), "slow.example.org.": address("192.0.2.5", ttl=1, delay=0.3),
        "text.example.org.": Reply([("@", "TXT", 1, "hello")])})
    server = scenario.server(
        corefile=corefile(),
        values={"api": cluster.url, "upstream": upstream.target, "snapshot": tmp_path / "snapshot"})
    noise = [dnsperf(tmp_path, server, "udp", UDP_RATE), dnsperf(tmp_path, server, "tcp", TCP_RATE, POD_ADDRESS)]
    disturbers = Disturbers()
    try:
        disturbers.add("objects", disturb_objects(cluster), 0.02, REFUSED_BY_FAULT)
        disturbers.add("API", disturb_api(cluster), 0.7)
        disturbers.add("reloads", disturb_plan(server), 0.5)
        disturbers.add("scrapes", lambda: scrape(server), 0.1)
        disturbers.add("TCP", lambda: ask_over_tcp(server), 0.05)
        zones = itertools.cycle(["cluster.local", "10.in-addr.arpa", "example.test"])
        # None while names are not in step, and a plan that is replaced may end one on the way.
        disturbers.add("transfers", lambda: dig_zone(server.port, next(zones)), 0.5, AssertionError)
        with QueryLoad(server.port, STEADY, rate=CHECKED_RATE) as load:
            time.sleep(SECONDS)
        wait_until(lambda: all(disturbers.counts.values()) or disturbers.failures, WAIT_SECONDS, lambda: disturbers.counts)
        assert load.wrong == []
        assert load.answered >= load.asked * ANSWERED_MIN, f"{load.answered} of {load.asked}, {disturbers.counts}"
        assert disturbers.failures == []
        assert "Reloading complete" in server.output()
        assert all(process.is_running() for process in noise), [process.tail() for process in noise]
        # The load goes on while it ends, and so do the changes.
        server.stop()
    finally:
        disturbers.stop()
        for process in noise:
            process.stop()
