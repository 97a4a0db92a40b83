"""Two replicas behind a load balancer are restarted in turn, under clients of three kinds: no query is lost."""

import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import balancer, dns, netns
from support.certificates import Authority
from support.fairlead import server_block
from support.kube import endpoint_slice, service
from support.load import QueryLoad
from support.processes import wait_until
from support.upstream import address

ZONE = "default.svc.cluster.local"
ROUNDS = 2
LAMEDUCK_SECONDS = 2
# Between /ready turning 503 and the balancer's new rules: kubelet, API server and kube-proxy take their time.
NOTICE_SECONDS = 0.7
QUERIES_PER_SECOND = 150
PATIENCE_SECONDS = 5

COREFILE = server_block("""
kubernetes cluster.local 10.in-addr.arpa {
    endpoint {api}
}
cache 30 {
    prefetch 2
}
log . {
    class error
}
loadbalance
forward . tls://{upstream} {
    tls {ca}
}
""").replace("health 127.0.0.1:{health}", "health 127.0.0.1:{health} {\n        lameduck LAMEDUCKs\n    }")
EXPECTED = {
    (f"web.{ZONE}", "A"): ["10.96.7.1"],
    (f"db.{ZONE}", "A"): ["10.244.0.1", "10.244.0.2"],
    ("1.7.96.10.in-addr.arpa", "PTR"): [f"web.{ZONE}."],
    ("www.example.org", "A"): ["192.0.2.7"],
    ("slow.example.org", "A"): ["192.0.2.5"],
}


@pytest.fixture
def island():
    """All of it on the loopback of a namespace of its own, whose rules are nobody else's."""
    if netns.missing():
        pytest.skip(netns.missing())
    namespace = netns.NetworkNamespace()
    try:
        with namespace.entered():
            yield namespace
    finally:
        namespace.close()


@pytest.fixture
def replicas(island, scenario, tmp_path):
    cluster = scenario.cluster(
        service("web", clusterIP="10.96.7.1"), service("db", clusterIP="None"),
        endpoint_slice("db-1", "db", endpoints=["10.244.0.1", "10.244.0.2"]))
    authority = Authority(tmp_path / "authority")
    upstream = scenario.upstream(
        {"www.example.org.": address("192.0.2.7", ttl=5), "slow.example.org.": address("192.0.2.5", ttl=1, delay=0.3)},
        tls=authority.server("upstream"))
    values = {"api": cluster.url, "upstream": upstream.target, "ca": authority.certificate}
    corefile = COREFILE.replace("LAMEDUCK", str(LAMEDUCK_SECONDS))
    return [scenario.server(corefile=corefile, values=values) for _ in range(2)]


class StreamLoad(threading.Thread):
    """One TCP client, which keeps its connection (or makes one for each question), and asks one question after the other.

    A connection that ends is made anew, and what it owed is asked again, once (RFC 7766 §6.2.4): whoever closes cannot
    know what is on its way to it.
    """

    def __init__(self, keep):
        super().__init__(daemon=True)
        self._keep = keep
        self._stopping = threading.Event()
        self._connection = None
        self.asked = self.again = 0
        self.lost = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self.join(3 * PATIENCE_SECONDS)

    def run(self):
        while not self._stopping.wait(0.01):
            (name, type), data = list(EXPECTED.items())[self.asked % len(EXPECTED)]
            self.asked += 1
            try:
                answer = self._exchange(name, type)
            except TimeoutError as error:
                answer = error
            except OSError:
                self.again += 1
                try:
                    answer = self._exchange(name, type)
                except OSError as error:
                    answer = error
            if isinstance(answer, OSError):
                self._connection = None
            if isinstance(answer, OSError) or answer.data(type) != data:
                self.lost.append(f"at {time.strftime('%H:%M:%S')} {name} {type}: {answer!r}")

    def _exchange(self, name, type):
        connection, self._connection = self._connection, None
        if connection is None:
            connection = socket.create_connection((balancer.ADDRESS, balancer.PORT), PATIENCE_SECONDS)
        try:
            query = dns.encode_query(name, type)
            connection.sendall(struct.pack("!H", len(query)) + query)
            answer = dns.decode(dns.receive(connection, struct.unpack("!H", dns.receive(connection, 2))[0]))
        except OSError:
            connection.close()
            raise
        if self._keep:
            self._connection = connection
        else:
            connection.close()
        return answer


def test_a_rolling_restart_loses_no_query_of_any_client(replicas):
    ports = [server.port for server in replicas]
    balance = balancer.Balancer(ports)
    target = {"port": balancer.PORT, "address": balancer.ADDRESS, "rate": QUERIES_PER_SECOND}
    with QueryLoad(expected=EXPECTED, renew=True, **target) as fresh, QueryLoad(expected=EXPECTED, **target) as pinned, \
            StreamLoad(keep=False) as streams, StreamLoad(keep=True) as stream, ThreadPoolExecutor() as executor:
        loads = {"new sockets": fresh, "pinned sockets": pinned}
        clients = {"new connections": streams, "one connection": stream}
        for server in replicas * ROUNDS:
            time.sleep(0.5)
            stopping = executor.submit(server.stop)
            wait_until(lambda: server.status("ready", "/ready") != 200, 10, "/ready turns")
            time.sleep(NOTICE_SECONDS)
            balance.set([port for port in ports if port != server.port])
            stopping.result(30)
            server.start()
            balance.set(ports)
        time.sleep(0.5)
    for client, load in loads.items():
        assert load.asked > 100, client
        assert (load.lost, load.wrong) == (0, []), f"{client}: {load.lost} of {load.asked}"
    for client, load in clients.items():
        assert load.asked > 50, client
        assert load.lost == [], client
    # As often as a server ended, and no oftener: nobody else's end was heard of.
    assert streams.again == 0
    assert stream.again <= len(replicas) * ROUNDS
