"""Workers that answer write no cache line that another thread looks at."""

import os

import pytest

import shared_lines
from support.dns import Channel
from support.fairlead import missing
from support.kube import namespace, service
from support.kubesim import KubeSim
from support.upstream import Upstream, address

WORKERS = 2
CLIENTS = 16  # each is one worker's; all of one are as likely as 15 heads
ROUNDS = 4
# Memory that one thread gives back and another takes moves once or twice, what queries share with each of them.
MOVES_MIN = 2 * ROUNDS
# Instructions a query takes at the least; a worker that took part has done some queries.
INSTRUCTIONS_MIN = 20 * 1000

QUESTIONS = [
    ("web.shop.svc.cluster.local", "A", "NOERROR"),
    ("web.shop.svc.cluster.local", "AAAA", "NOERROR"),
    ("_http._tcp.web.shop.svc.cluster.local", "SRV", "NOERROR"),
    ("www.example.org.shop.svc.cluster.local", "A", "NXDOMAIN"),
    ("www.example.org.cluster.local", "AAAA", "NXDOMAIN"),
    ("1.0.96.10.in-addr.arpa", "PTR", "NOERROR"),
    ("www.example.org", "A", "NOERROR"),
]

# What another thread may do to such a line: the allocator looks at the sizes of neighbours when that thread, which is not
# answering, takes memory or gives it back.
ALLOCATOR = "(malloc.c:"


def ask_all(clients, rounds):
    for _ in range(rounds):
        for client in clients:
            for name, type, rcode in QUESTIONS:
                assert client.ask(name, type).rcode == rcode


@pytest.fixture(name="server")
def traced_server(tmp_path):
    if reason := missing("fairlead", "kubesim"):
        pytest.skip(reason)
    if len(os.sched_getaffinity(0)) < WORKERS:
        pytest.skip("a server on one core has one worker")
    upstream = Upstream({"www.example.org.": address("192.0.2.80")})
    web = service("web", "shop", clusterIP="10.96.0.1", ports=[("http", 80)])
    with KubeSim(tmp_path / "cluster", [namespace("shop"), web]) as cluster:
        # kubeadm's directives that are at work all the time, without `health`, which lets the process ask itself once a
        # second. Sockets towards upstreams stay open for the length of the test: they come and go with the clock, not
        # with queries.
        server = shared_lines.TracedFairlead(tmp_path / "server", corefile=f""".:{{port}} {{
    bind 127.0.0.1
    errors
    ready 127.0.0.1:{{ready}}
    prometheus 127.0.0.1:{{metrics}}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        endpoint {cluster.url}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
        startup_timeout 60s
    }}
    forward . {upstream.target} {{
        expire 1h
    }}
    cache 300
    loadbalance
}}
""", environment={"LD_BIND_NOW": "1"})  # what is bound at the first call is written then
        with server:
            yield server
    upstream.close()


def test_no_worker_writes_a_cache_line_that_another_thread_touches(server):
    clients = [Channel(server.port, timeout=20) for _ in range(CLIENTS)]
    ask_all(clients, 2)
    accesses = server.trace(lambda: ask_all(clients, ROUNDS))
    for client in clients:
        client.close()
    workers = accesses.workers(WORKERS)
    assert len(workers) == WORKERS and accesses.instructions[workers[-1]] > INSTRUCTIONS_MIN, accesses.instructions
    found = []
    for worker in workers:
        assert accesses.stores[worker]
        for line, stored_at, others in accesses.shared(worker, MOVES_MIN):
            told = {other: server.describe(at) for other, at in others.items()}
            told = {other: where for other, where in told.items()
                    if other in workers or not all(ALLOCATOR in place for place in where)}
            if told:
                found.append(f"line {line * shared_lines.LINE_OCTETS:#x}: thread {worker} writes it in "
                             f"{'; '.join(server.describe(stored_at)[:4])}" + "".join(
                                 f"\n    thread {other} touches it in {'; '.join(where[:4])}"
                                 for other, where in told.items()))
    assert not found, "\n".join(found)


TRACE = b"""
I  00001000,4
 S 00009000,8
--1--   SCHED[2]:  acquired lock (VG_(client_syscall)[async])
I  00001000,4
 S 00008000,8
 L 00008080,8
I  00001004,4
 S 0000823c,8
--1--   SCHED[2]: releasing lock (VG_(client_syscall)[async]) -> VgTs_WaitSys
--1--   SCHED[3]:  acquired lock (VG_(client_syscall)[async])
I  00001008,4
 L 00008038,4
 M 00008240,4
 L 00008080,8
"""


def test_lines_that_one_thread_writes_and_another_touches_are_found():
    accesses = shared_lines.Accesses(TRACE)
    assert accesses.instructions == {2: 2, 3: 1}, "what comes before the first thread is told belongs to nobody"
    assert accesses.shared(2, 1) == [(0x8000 // 64, {0x1000}, {3: {0x1008}}), (0x8240 // 64, {0x1004}, {3: {0x1008}})]
    assert accesses.shared(3, 1) == [(0x8240 // 64, {0x1008}, {2: {0x1004}})], "two that only load share nothing"


def test_moves_are_those_between_caches():
    def moves(*accesses):
        trace = "".join(f"--1--   SCHED[{thread}]:  acquired lock (x)\nI  00001000,4\n {kind} 00008000,8\n"
                        for thread, kind in accesses)
        return shared_lines.Accesses(trace.encode()).moves[0x8000 // 64]
    assert moves((2, "S"), (2, "L"), (2, "M")) == 0
    assert moves((2, "S"), (3, "L"), (3, "L"), (2, "L")) == 1, "both have it now"
    assert moves((2, "S"), (3, "L"), (2, "S"), (3, "L")) == 3
    assert moves((2, "S"), (3, "S")) == 1, "given back and taken"
    assert moves((2, "M"), (3, "M"), (2, "M"), (3, "M")) == 3
