"""More questions than upstreams can answer, and upstreams that are gone: what it costs, and who notices."""

import contextlib
import os
import random
import socket
import threading
import time

from support import dns
from support.dns import Channel
from support.fairlead import Repeater, Watcher
from support.kube import namespace, service
from support.processes import free_port
from support.upstream import address

CLUSTER_NAME = "web.shop.svc.cluster.local"
# Of one worker, each with under 2 kB for the client: server/query/limits.hpp. What upstreams are asked takes as much.
WAITING_MAX = 16384
WAITING_KILOBYTES = 4
WORKERS = len(os.sched_getaffinity(0))


class BlackHole:
    """A port that counts what it takes and never answers."""

    def __init__(self):
        self.port = free_port()
        self.taken = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", self.port))
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with contextlib.suppress(OSError):
            while self._socket.recv(4096):
                self.taken += 1

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


def test_a_black_holed_upstream_costs_few_extra_queries(scenario):
    live = scenario.upstream(default=address("192.0.2.1"))
    hole = BlackHole()
    with contextlib.closing(hole):
        server = scenario.server(f"forward . 127.0.0.1:{hole.port} {live.target}")
        asked = 0
        with Channel(server.port, timeout=10) as channel:
            for batch in range(200):
                answers = channel.ask_all([(f"n{batch}-{number}.example.org", "A") for number in range(20)])
                asked += len(answers)
                assert all(answer.data() == ["192.0.2.1"] for answer in answers)
        # Health checks, hedges and what went there before the silence was noticed.
        extra = live.count() + hole.taken - asked
        if not server.process.has_sanitizer():  # which makes every reply overdue on a busy machine
            assert extra < asked * 0.05, f"{extra} of {asked}: {hole.taken} into the hole"


def test_ten_thousand_equal_misses_are_one_query(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.1", delay=0.8)})
    server = scenario.server(f"cache\nforward . {upstream.target}")
    with contextlib.ExitStack() as stack:
        channels = [stack.enter_context(Channel(server.port, timeout=15)) for _ in range(100)]
        for channel in channels:
            for _ in range(100):
                channel.send("www.example.org")
        answers = [channel.receive()[1] for channel in channels for _ in range(100)]
        assert {tuple(answer.data()) for answer in answers} == {("192.0.2.1",)}
        # Each worker has kept it.
        assert all(channel.ask("www.example.org").data() == ["192.0.2.1"] for channel in channels)
    assert upstream.count("www.example.org.") == 1


def test_ten_thousand_equal_misses_of_one_client_are_all_answered(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.1", delay=1.5)})
    server = scenario.server(f"forward . {upstream.target}")
    with Channel(server.port, timeout=15) as channel:
        for _ in range(100):
            for _ in range(100):
                channel.send("www.example.org")
            time.sleep(0.002)  # its socket buffer is small
        rcodes = {}
        with contextlib.suppress(TimeoutError):
            for _ in range(10_000):
                rcode = channel.receive()[1].rcode
                rcodes[rcode] = rcodes.get(rcode, 0) + 1
    # The client's own socket holds no 10,000 replies; what it got is right, and nobody was refused.
    assert list(rcodes) == ["NOERROR"], rcodes
    metrics = server.metrics()
    assert metrics["fairlead_forward_joined_total"] > 9000 and metrics["fairlead_forward_limit_rejects_total"] == 0
    assert upstream.count("www.example.org.") <= 2  # the only upstream is asked again after a second


class Flood(Repeater):
    """Distinct names at a rate from many source ports; answers are counted and thrown away."""

    def __init__(self, port, rate):
        super().__init__(pause=0.005)
        self._rate = rate
        self._sockets = []
        for _ in range(16):
            channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            channel.connect(("127.0.0.1", port))
            channel.setblocking(False)
            self._sockets.append(channel)
        self._begin = time.monotonic()
        self.sent = 0

    def repeat(self):
        due = int((time.monotonic() - self._begin) * self._rate)
        while self.sent < due:
            channel = self._sockets[self.sent % len(self._sockets)]
            with contextlib.suppress(OSError):
                channel.send(dns.encode_query(f"f{self.sent}-{random.getrandbits(32):x}.example.org"))
            self.sent += 1
        for channel in self._sockets:
            with contextlib.suppress(OSError):
                while channel.recv(4096):
                    pass

    def __exit__(self, *_):
        super().__exit__()
        for channel in self._sockets:
            channel.close()


def test_a_flood_beyond_what_upstreams_answer_is_bounded_and_leaves_the_cluster_alone(scenario):
    hole = BlackHole()
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.7"))
    with contextlib.closing(hole):
        server = scenario.server(f"cache\nforward . 127.0.0.1:{hole.port}", cluster)
        before = server.process.rss_kilobytes()
        sizes = []
        rate = 1000 if server.process.has_sanitizer() else 8000
        with Watcher(server, {(CLUSTER_NAME, "A"): ["10.96.0.7"]}, pause=0.01) as watcher, Flood(server.port, rate):
            for _ in range(8):
                time.sleep(1)
                sizes.append(server.process.rss_kilobytes() - before)
        assert watcher.wrong == [] and watcher.asked > 100
        assert hole.taken > 0
        if not server.process.has_sanitizer():
            assert max(sizes) < WORKERS * WAITING_MAX * WAITING_KILOBYTES, sizes
        # And it is over when the flood is.
        assert server.ask(CLUSTER_NAME).data() == ["10.96.0.7"]
