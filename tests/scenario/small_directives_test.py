"""The directives that answer or change a query by themselves, over real sockets: one test each that fails without it."""

import socket
import struct
import time

from support import dns
from support.kube import namespace, service
from support.processes import wait_until
from support.upstream import Reply, address


def texts(server, name):
    return [text.strip('"') for text in server.dig(name, "TXT", "-c", "CH").data()]


def test_whoami_tells_address_and_port(scenario):
    server = scenario.server("whoami")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect(("127.0.0.1", server.port))
        client.send(dns.encode_query("who.example."))
        answer = dns.decode(client.recv(4096))
        port = client.getsockname()[1]
    assert [record.type for record in answer.additional] == ["A", "SRV"]
    assert answer.additional[0].data == "127.0.0.1"
    assert answer.additional[1].data.split()[2] == str(port)


def test_any_is_answered_small(scenario):
    server = scenario.server("any\nwhoami")
    answer = server.dig("example.org", "ANY", "+notcp")
    assert answer.data("HINFO") == ['"ANY obsoleted" "See RFC 8482"']


def test_chaos_tells_version_host_and_whether_the_server_is_in_step(scenario):
    server = scenario.server("chaos", scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1")))
    assert texts(server, "version.bind")[0].startswith("Fairlead-")
    assert texts(server, "id.server") == [socket.gethostname()]
    [status] = texts(server, "status.server")
    assert status.startswith("kubernetes cluster.local.: in step, serial ")
    assert server.dig("web.shop.svc.cluster.local", "A", "-c", "CH").rcode == "REFUSED"


def test_a_server_that_cannot_read_the_cluster_is_not_in_step(scenario):
    server = scenario.server(
        "chaos\nkubernetes cluster.local {\n    endpoint http://127.0.0.1:1\n    startup_timeout 0s\n}", wait_ready=False)
    assert texts(server, "status.server") == ["kubernetes cluster.local.: not in step"]


def test_minimal_leaves_out_the_authority_section(scenario):
    reply = Reply([("@", "A", 60, "192.0.2.80")], authority=[("example.org.", "NS", 60, "ns.example.org.")])
    upstream = scenario.upstream({"www.example.org.": reply})
    with_it = scenario.server(f"minimal\nforward . {upstream.target}")
    without = scenario.server(f"forward . {upstream.target}")
    assert with_it.dig("www.example.org").authority == []
    assert with_it.dig("www.example.org").data() == ["192.0.2.80"]
    assert len(without.dig("www.example.org").authority) == 1
    # A negative answer says how long it holds.
    assert with_it.dig("missing.example.org").authority[0].type == "SOA"


def test_bufsize_bounds_datagrams(scenario):
    upstream = scenario.upstream({"big.example.org.": address(*(f"192.0.2.{n}" for n in range(1, 60)))})
    server = scenario.server(f"bufsize 700\nforward . {upstream.target}")
    reply = dns.exchange(server.port, dns.encode_query("big.example.org.", udp_size=1232))
    assert 512 < len(reply) <= 700
    assert "tc" in dns.decode(reply).flags
    assert len(server.dig("big.example.org", "A", "+bufsize=1232").data()) == 59  # over TCP


def test_nsid_goes_to_those_who_ask(scenario):
    server = scenario.server("nsid rack 7\nwhoami")
    wire = dns.encode_query("x.example.", udp_size=1232)
    asking = wire[:-2] + struct.pack("!HHH", 4, 3, 0)
    assert dns.exchange(server.port, asking).endswith(struct.pack("!HH", 3, 6) + b"rack 7")
    assert b"rack 7" not in dns.exchange(server.port, wire)


def test_local_answers_localhost_and_counts_it(scenario):
    server = scenario.server("local\nforward . 127.0.0.1:1")
    assert server.dig("localhost", "A").data() == ["127.0.0.1"]
    assert server.dig("localhost.corp.example", "AAAA").data() == ["::1"]
    assert server.dig("1.0.0.127.in-addr.arpa", "PTR").data() == ["localhost."]
    assert server.metrics()["coredns_local_localhost_requests_total"] == 1


def test_header_changes_replies_and_what_the_upstream_is_asked(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.80")})
    server = scenario.server(
        f"header {{\n    response set aa\n    response clear ra\n    query clear rd\n}}\nforward . {upstream.target}")
    answer = server.dig("www.example.org")
    assert answer.data() == ["192.0.2.80"]
    assert "aa" in answer.flags and "ra" not in answer.flags
    flags = struct.unpack_from("!H", upstream.asked[-1].wire, 2)[0]
    assert not flags & dns.FLAGS["rd"]


def test_cancel_answers_when_the_upstream_does_not(scenario):
    upstream = scenario.upstream({"slow.example.org.": lambda query: None, "late.example.org.": address("192.0.2.9", delay=1.0)})
    server = scenario.server(f"cancel 300ms\ncache\nforward . {upstream.target}")
    answer = server.dig("slow.example.org")
    assert answer.rcode == "SERVFAIL"
    assert any("cancelled" in text for _, text in answer.extended_errors), answer
    assert server.dig("late.example.org").rcode == "SERVFAIL"
    # Several at once, in all places: nothing is answered twice, and the server lives.
    with dns.Channel(server.port) as client:
        answers = client.ask_all([(f"n{number}.slow.example.org.", "A") for number in range(50)])
    assert len(answers) == 50
    time.sleep(1.0)
    assert server.ask("other.example.org.").rcode == "NXDOMAIN"


def test_timeouts_end_connections(scenario):
    server = scenario.server("timeouts {\n    idle 1s\n    maxtcpqueries 2\n}\nwhoami")
    query = dns.encode_query("x.example.")
    frame = struct.pack("!H", len(query)) + query
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as idle:
        assert idle.recv(1) == b""  # after a second, and not after ten
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as busy:
        busy.sendall(frame * 3)
        received = b""
        while octets := busy.recv(4096):
            received += octets
    first = struct.unpack_from("!H", received)[0]
    assert len(received) == 2 * (2 + first)


def test_what_is_accepted_without_effect_says_so(scenario):
    server = scenario.server("root /\nshed\nmultisocket 4\nbufsize 4096\nwhoami")
    wait_until(lambda: "'shed' is accepted without effect" in server.output(), 5, server.output)
    wait_until(lambda: "'multisocket' is accepted without effect" in server.output(), 5, server.output)
    assert "'bufsize 4096' is more than the 1232 octets" in server.output()
