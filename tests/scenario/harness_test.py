"""The parts that other tests trust, tried on themselves."""

import contextlib
import signal
import socket
import threading
import time

import pytest

from support import dns, kube, load
from support.processes import Process, free_port, wait_until
from support.relay import Relay
from support.upstream import Upstream, address


def test_a_process_that_writes_a_sanitizer_report_has_findings(tmp_path):
    child = Process("child", ["sh", "-c", "echo '==1==ERROR: LeakSanitizer: detected memory leaks' >&2"], tmp_path)
    assert child.wait(5) == 0
    assert child.findings()


def test_a_process_that_ignores_sigterm_is_killed_in_bounded_time(tmp_path):
    child = Process("stubborn", ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.1; done"], tmp_path)
    wait_until(lambda: "up" in child.output(), 5, "it is up")
    begin = time.monotonic()
    assert child.stop(signal.SIGTERM, timeout=0.5) is None
    assert time.monotonic() - begin < 3
    assert not child.is_running()


def test_waiting_ends_with_the_reason():
    with pytest.raises(AssertionError, match="not within 0.1 s: the sky falls"):
        wait_until(lambda: False, 0.1, "the sky falls")


def test_names_and_answers_survive_the_message_codec():
    query = dns.encode_query("Web.shop.svc.cluster.local", "SRV", identifier=7)
    decoded = dns.decode(query)
    assert decoded.question == "Web.shop.svc.cluster.local. SRV"
    response = bytearray(dns.encode_query("a.test", "A", udp_size=None))
    response[2:4] = b"\x84\x00"
    response[6:8] = b"\x00\x01"
    response += b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x0a\x00\x00\x01"
    answer = dns.decode(bytes(response))
    assert (answer.rcode, answer.data("A"), answer.answer[0].ttl) == ("NOERROR", ["10.0.0.1"], 5)
    assert {"qr", "aa"} <= answer.flags


@pytest.mark.parametrize("wire", [b"", b"\0" * 11, b"\0\1\x84\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1"])
def test_a_malformed_message_is_an_error_not_a_loop(wire):
    with pytest.raises((ValueError, IndexError, OSError, dns.struct.error)):
        dns.decode(wire)


@pytest.fixture
def echo_port():
    listener = socket.create_server(("127.0.0.1", free_port()))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection):
        with connection, contextlib.suppress(ConnectionError):
            while data := connection.recv(100):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_a_relay_can_be_cut_stalled_and_mended(echo_port):
    relay = Relay(echo_port)

    def round_trip(connection, timeout):
        connection.settimeout(timeout)
        connection.sendall(b"x")
        return connection.recv(1)

    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        assert round_trip(connection, 5) == b"x"
        relay.stall()
        time.sleep(0.2)
        with pytest.raises(TimeoutError):
            round_trip(connection, 0.3)
        relay.mend()
        connection.settimeout(5)
        assert connection.recv(1) == b"x"
        relay.cut()
        with pytest.raises(ConnectionError):
            round_trip(connection, 5)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", relay.port), timeout=5)
    relay.mend()
    with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as connection:
        assert round_trip(connection, 5) == b"x"
    relay.close()


def test_a_simulated_cluster_takes_objects_and_faults(simulator):
    web = kube.service("web")
    simulator.apply(web)
    address = simulator.get("Service", "web")["spec"]["clusterIP"]
    assert address
    simulator.apply(web, kube.namespace("shop"), kube.endpoint_slice("web-1", "web", endpoints=["10.1.0.1"]))
    assert simulator.get("Service", "web")["spec"]["clusterIP"] == address
    simulator.fault(fail_requests={"count": 1, "status": 429})
    with pytest.raises(AssertionError, match="429|TooMany|too many"):
        simulator.get("Service", "web")
    simulator.delete(web)
    with pytest.raises(AssertionError, match="NotFound|not found"):
        simulator.get("Service", "web")


def test_a_load_counts_what_is_lost_and_what_is_wrong(monkeypatch):
    monkeypatch.setattr(load, "PATIENCE_SECONDS", 0.3)
    scripts = {"right.test.": address("192.0.2.1"), "wrong.test.": address("192.0.2.2"), "silent.test.": None}
    with Upstream(scripts) as upstream:
        for names, lost, wrong in ((["right"], False, False), (["right", "wrong"], False, True),
                                   (["right", "silent"], True, False)):
            expected = {(f"{name}.test", "A"): ["192.0.2.1"] for name in names}
            with load.QueryLoad(upstream.port, expected, rate=200) as queries:
                wait_until(lambda: queries.asked > 20, 5, "questions are asked")
            assert (queries.lost > 0, queries.wrong != []) == (lost, wrong), names
