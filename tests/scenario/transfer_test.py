"""Zone transfers from outside: what is sent, to whom, and clients that are slow, gone or greedy (RFC 5936, RFC 1995)."""

import contextlib
import re
import signal
import socket
import struct

import pytest

from support import dns
from support.fairlead import STOP_SECONDS, program
from support.kube import endpoint_slice, namespace, service
from support.processes import run, tool, wait_until

ZONE = "cluster.local"

# server/query/limits.hpp, server/net/limits.hpp
TRANSFERS_MAX = 8
STREAMS_MAX = 4
MESSAGE_OCTETS_MAX = 16 * 1024


def connect(server, timeout=20, receive_buffer=None):
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(timeout)
    connection.connect(("127.0.0.1", server.port))
    return connection


def frame(wire):
    return struct.pack("!H", len(wire)) + wire


def axfr(zone=ZONE, identifier=1):
    return frame(dns.encode_query(zone, "AXFR", identifier))


def ixfr(serial, zone=ZONE, identifier=1):
    wire = bytearray(dns.encode_query(zone, "IXFR", identifier, udp_size=None))
    wire[8:10] = struct.pack("!H", 1)
    rdata = b"\0\0" + struct.pack("!5I", serial, 0, 0, 0, 0)
    return frame(bytes(wire) + b"\xc0\x0c" + struct.pack("!2HIH", dns.TYPES["SOA"], 1, 0, len(rdata)) + rdata)


def read_message(connection):
    """(identifier, wire)"""
    wire = dns.receive(connection, struct.unpack("!H", dns.receive(connection, 2))[0])
    return struct.unpack_from("!H", wire)[0], wire


def read_zone(connection, identifier=1):
    """All records but the last SOA, and what came in between for other queries."""
    records, others = [], []
    while True:
        number, wire = read_message(connection)
        answer = dns.decode(wire)
        if number != identifier:
            others.append((number, answer))
            continue
        assert answer.rcode == "NOERROR", answer
        assert "aa" in answer.flags and len(wire) <= MESSAGE_OCTETS_MAX
        records += answer.answer
        assert records[0].type == "SOA"
        if len(records) > 1 and records[-1].type == "SOA":
            assert records.pop() == records[0]
            return records, others


def read_zone_end(connection, soa):
    """The rest of a zone whose first message was read."""
    records = []
    while not records or records[-1].type != "SOA":
        records += dns.decode(read_message(connection)[1]).answer
    assert records.pop() == soa
    return records


def is_closed(connection):
    with contextlib.suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


def transfer(server, query=None):
    with connect(server) as connection:
        connection.sendall(query or axfr())
        return read_zone(connection)[0]


def serial_of(records):
    return int(records[0].data.split()[2])


# --- what is sent

OBJECTS = [
    namespace("shop"),
    service("web", "shop", (("http", 80), ("admin", 8081)), clusterIP="10.96.7.1", clusterIPs=["10.96.7.1", "fd00::7:1"]),
    endpoint_slice("web-1", "web", "shop", [{"addresses": ["10.244.7.1"]}]),
    service("db", "shop", clusterIP="None"),
    endpoint_slice("db-1", "db", "shop", [{"addresses": ["10.244.7.2"], "hostname": "db-0"}, {"addresses": ["10.244.7.3"]}]),
    service("idle", "shop", clusterIP="None"),
    service("out", "shop", (), type="ExternalName", externalName="db.example.org"),
]

EXPECTED = """
cluster.local. 5 NS ns.dns.cluster.local.
ns.dns.cluster.local. 5 A 127.0.0.1
web.shop.svc.cluster.local. 5 A 10.96.7.1
web.shop.svc.cluster.local. 5 AAAA fd00::7:1
web.shop.svc.cluster.local. 5 SRV 0 100 80 web.shop.svc.cluster.local.
web.shop.svc.cluster.local. 5 SRV 0 100 8081 web.shop.svc.cluster.local.
_http._tcp.web.shop.svc.cluster.local. 5 SRV 0 100 80 web.shop.svc.cluster.local.
_admin._tcp.web.shop.svc.cluster.local. 5 SRV 0 100 8081 web.shop.svc.cluster.local.
db.shop.svc.cluster.local. 5 A 10.244.7.2
db.shop.svc.cluster.local. 5 A 10.244.7.3
db-0.db.shop.svc.cluster.local. 5 A 10.244.7.2
10-244-7-3.db.shop.svc.cluster.local. 5 A 10.244.7.3
_http._tcp.db.shop.svc.cluster.local. 5 SRV 0 50 8080 db-0.db.shop.svc.cluster.local.
_http._tcp.db.shop.svc.cluster.local. 5 SRV 0 50 8080 10-244-7-3.db.shop.svc.cluster.local.
out.shop.svc.cluster.local. 5 CNAME db.example.org.
""".strip().splitlines()

EXPECTED_REVERSE = """
7.96.10.in-addr.arpa. 5 NS ns.dns.7.96.10.in-addr.arpa.
ns.dns.7.96.10.in-addr.arpa. 5 A 127.0.0.1
1.7.96.10.in-addr.arpa. 5 PTR web.shop.svc.cluster.local.
""".strip().splitlines()


@pytest.fixture(scope="module")
def cluster(shared):
    return shared.cluster(*OBJECTS, options=["--bare"])


@pytest.fixture(scope="module")
def server(shared, cluster):
    return shared.server("transfer {\n    to *\n}", cluster, zones="cluster.local 7.96.10.in-addr.arpa")


def lines(records):
    return sorted(f"{r.name} {r.ttl} {r.type} {r.data}" for r in records if r.type != "SOA")


def test_each_kind_of_service_is_sent_and_nothing_else(server):
    records = transfer(server)
    assert lines(records) == sorted(EXPECTED)
    assert records[0].data.split()[:2] == ["ns.dns.cluster.local.", "hostmaster.cluster.local."]
    assert serial_of(records) == int(server.ask(ZONE, "SOA").answer[0].data.split()[2])
    assert lines(transfer(server, axfr("7.96.10.in-addr.arpa"))) == sorted(EXPECTED_REVERSE)


@pytest.mark.parametrize("client", ["dig", "kdig"])
def test_other_peoples_clients_read_the_zone(server, client):
    done = run([tool(client), "@127.0.0.1", "-p", server.port, ZONE, "AXFR", "+noall", "+answer"])
    found = [re.sub(r"\s+", " ", line).replace(" IN ", " ") for line in done.stdout.splitlines() if not line.startswith(";")]
    assert sorted(line for line in found if line and " SOA " not in line) == sorted(EXPECTED)
    assert sum(" SOA " in line for line in found) == 2


def test_fairleadctl_lists_what_the_server_has(server):
    done = run([program("fairleadctl"), "dump", "--server", f"127.0.0.1:{server.port}", "--zone", ZONE])
    found = [line.replace("\t", " ").replace(" IN ", " ") for line in done.stdout.splitlines()]
    assert sorted(line for line in found if " SOA " not in line) == sorted(EXPECTED)


def test_every_record_sent_is_what_a_query_gets(server):
    for record in transfer(server):
        if record.type in ("A", "AAAA", "CNAME"):
            assert record.data in server.ask(record.name, record.type, tcp=True).data(record.type)


def test_an_equal_serial_gets_the_soa_alone_and_any_other_the_zone(server):
    serial = serial_of(transfer(server))
    with connect(server) as connection:
        connection.sendall(ixfr(serial))
        (soa,) = dns.decode(read_message(connection)[1]).answer
        assert (soa.type, int(soa.data.split()[2])) == ("SOA", serial)
    for other in (serial - 1, serial + 1, 0):
        assert lines(transfer(server, ixfr(other))) == sorted(EXPECTED)


def test_a_change_is_in_the_next_transfer_under_a_higher_serial(scenario):
    cluster = scenario.cluster(*OBJECTS, options=["--bare"])
    server = scenario.server("transfer {\n    to *\n}", cluster)
    before = transfer(server)
    cluster.apply(service("fresh", "shop", clusterIP="10.96.7.8"))
    cluster.delete(OBJECTS[-1])
    server.eventually("fresh.shop.svc.cluster.local", "A", ["10.96.7.8"])
    server.eventually("out.shop.svc.cluster.local", "CNAME", "NXDOMAIN")
    after = transfer(server)
    assert serial_of(after) > serial_of(before)
    fresh = [line for line in lines(after) if "fresh.shop" in line]
    assert sorted(set(lines(after)) - set(fresh)) == sorted(line for line in EXPECTED if " CNAME " not in line)
    assert len(fresh) == 3


# --- to whom

def test_only_listed_clients_transfer_and_others_are_told_why(scenario, cluster):
    server = scenario.server("transfer {\n    to 127.0.0.2 [::1]:5353\n}", cluster, zones=ZONE)
    answer = server.ask(ZONE, "AXFR", tcp=True)
    assert answer.rcode == "REFUSED" and "to" in answer.extended_errors[0][1]
    with socket.socket() as connection:
        connection.settimeout(10)
        connection.bind(("127.0.0.2", 0))
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(axfr())
        assert lines(read_zone(connection)[0]) == sorted(EXPECTED)


@pytest.mark.parametrize("name, type, rcode", [
    (ZONE, "AXFR", "REFUSED"), (ZONE, "IXFR", "REFUSED"), ("svc.cluster.local", "AXFR", "REFUSED"),
    ("example.org", "AXFR", "REFUSED"),
])
def test_udp_transfers_are_refused(server, name, type, rcode):
    answer = server.ask(name, type)
    assert answer.rcode == rcode and answer.extended_errors


@pytest.mark.parametrize("query, rcode", [
    (axfr("svc.cluster.local"), "9"),
    (axfr("nothing.web.shop.svc.cluster.local"), "9"),
    (axfr("example.org"), "REFUSED"),
    (frame(dns.encode_query(ZONE, "IXFR", 1)), "FORMERR"),
    (ixfr(1).replace(struct.pack("!2H", 251, 1), struct.pack("!2H", 252, 1)), "FORMERR"),  # AXFR with an SOA
    (frame(dns.encode_query(ZONE, "AXFR", 1, udp_size=None)[:4] + struct.pack("!4H", 2, 0, 0, 0)
           + dns.encode_query(ZONE, "AXFR", 1, udp_size=None)[12:] * 2), "FORMERR"),  # two questions
    (frame(dns.encode_query(ZONE, "AXFR", 1, udp_size=None)[:6] + struct.pack("!3H", 1, 0, 0)
           + dns.encode_query(ZONE, "AXFR", 1, udp_size=None)[12:]
           + b"\xc0\x0c" + struct.pack("!2HIH", 1, 1, 0, 4) + bytes(4)), "FORMERR"),  # an answer in a query
    (frame(dns.encode_query(ZONE, "AXFR", 1) + b"\0"), "FORMERR"),  # an octet behind its end
], ids=["below_apex", "absent_name", "other_zone", "ixfr_without_soa", "axfr_with_soa", "two_questions", "answer", "trailing"])
def test_what_is_no_transfer_query_is_answered_and_the_connection_goes_on(server, query, rcode):
    with connect(server) as connection:
        connection.sendall(query + axfr(identifier=2))
        identifier, wire = read_message(connection)
        assert (identifier, dns.decode(wire).rcode) == (1, rcode)
        assert lines(read_zone(connection, 2)[0]) == sorted(EXPECTED)


# --- clients that are slow, gone or greedy

PATIENT = "startup_timeout 60s"  # builds with sanitizers read it for long
LARGE = "services=600,headless=400,endpoints=40000,namespaces=20"


@pytest.fixture(scope="module")
def large(shared):
    return shared.server("transfer {\n    to *\n}", shared.cluster(options=["--synthetic", LARGE]), PATIENT)


def check_whole(records):
    """Records of one version point to each other."""
    addresses, targets = {}, set()
    for record in records:
        if record.type == "A":
            addresses.setdefault(record.name, set()).add(record.data)
        elif record.type == "SRV":
            targets.add(record.data.split()[3])
    assert targets and targets <= set(addresses)
    for name, found in addresses.items():
        endpoint = name.split(".", 1)
        if endpoint[1] in addresses:
            assert found <= addresses[endpoint[1]], name
    assert len(records) == len({(r.name, r.type, r.data) for r in records})


def test_a_large_zone_is_whole_while_queries_are_answered_beside_it(large):
    with connect(large) as connection:
        connection.sendall(axfr())
        for _ in range(50):
            assert large.ask("kubernetes.default.svc.cluster.local").rcode == "NOERROR"
        records, _ = read_zone(connection)
    check_whole(records)
    assert sum(record.type == "A" for record in records) > 50000


def test_pipelined_transfers_are_sent_one_after_the_other_and_queries_in_between(large):
    with connect(large) as connection:
        connection.sendall(b"".join(axfr(identifier=number) for number in range(1, STREAMS_MAX + 3)))
        # Those too many are refused at once, before the first is done.
        _, others = read_zone(connection, 1)
        refused = {number: answer for number, answer in others if answer.rcode == "SERVFAIL"}
        assert sorted(refused) == [STREAMS_MAX + 1, STREAMS_MAX + 2]
        assert all("connection" in answer.extended_errors[0][1] for answer in refused.values())
        connection.sendall(frame(dns.encode_query("kubernetes.default.svc.cluster.local", "A", 99)))
        seen = []
        for number in range(2, STREAMS_MAX + 1):
            _, others = read_zone(connection, number)
            seen += [identifier for identifier, _ in others]
        assert seen == [99]


def stalled(server, count):
    """Connections whose transfer is under way and not read."""
    connections = []
    for _ in range(count):
        connections.append(connect(server, receive_buffer=4096))
        connections[-1].sendall(axfr())
    for connection in connections:
        dns.receive(connection, 1000)
    return connections


def count_ended(server):
    return server.output().count("plugin/transfer: Outgoing transfer of")


def is_free(server):
    with connect(server) as connection:
        connection.sendall(axfr())
        return dns.decode(read_message(connection)[1]).rcode == "NOERROR"


def test_clients_that_stop_reading_hold_up_nobody_and_are_cut_off(large):
    ended = count_ended(large)
    connections = stalled(large, TRANSFERS_MAX)
    with connect(large) as connection:
        connection.sendall(axfr())
        answer = dns.decode(read_message(connection)[1])
        assert answer.rcode == "SERVFAIL" and "too many" in answer.extended_errors[0][1]
    assert large.ask("kubernetes.default.svc.cluster.local").rcode == "NOERROR"
    wait_until(lambda: is_free(large), 40, lambda: f"a place is free:\n{large.output()[-2000:]}")
    for connection in connections:
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass
        connection.close()
    # The last one that asked whether a place is free has left too.
    wait_until(lambda: count_ended(large) >= ended + TRANSFERS_MAX + 1, 40, large.output)


def test_clients_that_leave_free_their_places(large):
    for _ in range(3):
        ended = count_ended(large)
        for connection in stalled(large, TRANSFERS_MAX):
            # With a reset, as a client that was killed with unread data.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        wait_until(lambda: count_ended(large) == ended + TRANSFERS_MAX, 40, lambda: "all places are free")
    with connect(large) as connection:
        connection.sendall(axfr())
        connection.shutdown(socket.SHUT_WR)
        check_whole(read_zone(connection)[0])
        assert is_closed(connection)


# --- changes, reloads, the end

def test_a_transfer_is_one_version_while_endpoints_change(scenario):
    cluster = scenario.cluster(options=["--synthetic", "services=200,headless=150,endpoints=6000,namespaces=5",
                                        "--churn", "500"])
    server = scenario.server("transfer {\n    to *\n}", cluster)
    serials = []
    for _ in range(8):
        records = transfer(server)
        check_whole(records)
        serials.append(serial_of(records))
    assert serials == sorted(set(serials))


def test_a_transfer_outlives_a_reload_that_changes_its_cluster(scenario):
    cluster = scenario.cluster(options=["--synthetic", LARGE])
    server = scenario.server("transfer {\n    to *\n}", cluster, PATIENT)
    connection = connect(server, receive_buffer=4096)
    connection.sendall(axfr())
    first = read_message(connection)[1]
    server.write_corefile(server.corefile_path.read_text().replace("endpoint ", "ttl 6\n    endpoint "))
    server.reload()
    wait_until(lambda: server.ask(ZONE, "NS").answer[0].ttl == 6, 20, server.output)
    records = dns.decode(first).answer
    records += read_zone_end(connection, records[0])
    assert {record.ttl for record in records} == {5}
    check_whole(records)
    connection.close()
    assert {record.ttl for record in transfer(server)} == {6}


def test_a_transfer_under_way_is_finished_before_the_server_ends(scenario):
    server = scenario.server("transfer {\n    to *\n}", scenario.cluster(options=["--synthetic", LARGE]), PATIENT)
    with connect(server, receive_buffer=4096) as connection:
        connection.sendall(axfr())
        first = dns.decode(read_message(connection)[1]).answer
        server.process.send(signal.SIGTERM)
        check_whole(first + read_zone_end(connection, first[0]))
        # It has nothing to say any more.
        assert is_closed(connection)
    assert server.process.wait(STOP_SECONDS) == 0
    server.kill()


def test_a_client_that_does_not_read_cannot_keep_the_server(scenario):
    server = scenario.server("transfer {\n    to *\n}", scenario.cluster(options=["--synthetic", LARGE]), PATIENT)
    connections = stalled(server, 2)
    server.process.send(signal.SIGTERM)
    assert server.process.wait(STOP_SECONDS) == 0
    server.kill()
    for connection in connections:
        connection.close()
