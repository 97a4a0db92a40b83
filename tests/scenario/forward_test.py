"""Names of elsewhere: what an upstream says, does not say, or says wrongly."""

import contextlib
import os
import socket
import struct
import time

import pytest

from support import dns, fairlead
from support.dns import Channel
from support.kube import namespace, service
from support.processes import free_port, wait_until
from support.unbound import Unbound
from support.upstream import Reply, Upstream, address, nxdomain

SLOW_SECONDS = 0.5
# resolver: every question ends within 5 s.
DEADLINE_SECONDS = 5
ALIAS_CHAIN_MAX = 11
SHOP = "shop.svc.cluster.local"


def truncated_over_udp(reply):
    return lambda query: Reply(truncated=True) if query.transport == "udp" else reply


def many(count):
    return address(*(f"192.0.{number // 250}.{number % 250 + 1}" for number in range(count)))


def spoofed(query):
    """Right in all but its source, and earlier than the right one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.sendto(address("198.51.100.66").wire(query), ("127.0.0.1", query.source_port))
    return address("192.0.2.1", delay=0.05)


WRONG = "198.51.100.66"
SCRIPTS = {
    "www.example.org.": address("192.0.2.7", "192.0.2.8", ttl=300),
    "six.example.org.": address("2001:db8::7"),
    "text.example.org.": Reply([("@", "TXT", 60, "hello")]),
    "alias.example.org.": Reply([("@", "CNAME", 60, "www.example.net."), ("www.example.net.", "A", 60, "192.0.2.9")]),
    "nodata.example.org.": Reply(authority=[("example.org.", "SOA", 60, "ns.example.org. h.example.org. 1 2 3 4 60")]),
    "nobody.example.org.": nxdomain(),
    "servfail.example.org.": Reply(rcode="SERVFAIL"),
    "refused.example.org.": Reply(rcode="REFUSED"),
    "notimp.example.org.": Reply(rcode="NOTIMP"),
    "truncated.example.org.": truncated_over_udp(many(60)),
    "huge.example.org.": truncated_over_udp(many(3500)),
    "wrong-id.example.org.": lambda query: [
        address(WRONG, identifier=query.identifier ^ number) for number in (1, 0x100, 0x8000)] + [
            address("192.0.2.1", delay=0.05)],
    "wrong-question.example.org.": [address(WRONG, question="evil.example.org."), address("192.0.2.1", delay=0.05)],
    "wrong-source.example.org.": spoofed,
    "noise.example.org.": lambda query: [
        Reply(raw=b""), Reply(raw=b"x"), Reply(raw=query.wire), Reply(raw=query.wire[:2] + b"\xff" * 40),
        address("192.0.2.1", delay=0.05)],
    # Who knows identifier, port and question is the upstream; it has nothing better to say.
    "malformed.example.org.": lambda query: Reply(
        raw=struct.pack("!6H", query.identifier, 0x8180, 1, 9, 9, 9) + query.wire[12:]),
    "twice.example.org.": [address("192.0.2.1"), address(WRONG)],
    "slow.example.org.": address("192.0.2.5", delay=SLOW_SECONDS),
    "silent.example.org.": None,
} | {f"slow-{number}.example.org.": address("192.0.2.5", delay=SLOW_SECONDS) for number in range(64)}


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream(SCRIPTS)


@pytest.fixture(scope="module")
def server(shared, upstream):
    return shared.server(f"forward . {upstream.target}")


# Name, type, RCODE, answer section.
ANSWERS = [
    ("www.example.org", "A", "NOERROR", ["192.0.2.7", "192.0.2.8"]),
    ("six.example.org", "AAAA", "NOERROR", ["2001:db8::7"]),
    ("text.example.org", "TXT", "NOERROR", ['"hello"']),
    ("alias.example.org", "A", "NOERROR", ["192.0.2.9", "www.example.net."]),
    ("nodata.example.org", "A", "NOERROR", []),
    ("nobody.example.org", "A", "NXDOMAIN", []),
    ("servfail.example.org", "A", "SERVFAIL", []),
    ("refused.example.org", "A", "REFUSED", []),
    ("notimp.example.org", "A", "NOTIMP", []),
    ("truncated.example.org", "A", "NOERROR", SCRIPTS["truncated.example.org."]),
    ("malformed.example.org", "A", "SERVFAIL", []),
    # What must not be believed.
    ("wrong-id.example.org", "A", "NOERROR", ["192.0.2.1"]),
    ("wrong-question.example.org", "A", "NOERROR", ["192.0.2.1"]),
    ("wrong-source.example.org", "A", "NOERROR", ["192.0.2.1"]),
    ("noise.example.org", "A", "NOERROR", ["192.0.2.1"]),
    ("twice.example.org", "A", "NOERROR", ["192.0.2.1"]),
]


@pytest.mark.parametrize("name, type, rcode, data", ANSWERS, ids=[row[0].split(".")[0] for row in ANSWERS])
def test_what_the_upstream_says_is_what_the_client_gets(server, name, type, rcode, data):
    if callable(data):
        data = [record[3] for record in data(dns_over_tcp()).answer]
    answer = server.dig(name, type)
    assert (answer.rcode, answer.data()) == (rcode, sorted(data))
    assert {"qr", "rd"} <= answer.flags and not {"aa", "tc"} & answer.flags
    assert [record.type for record in answer.authority] == (["SOA"] if name.startswith(("nodata", "nobody")) else [])


def dns_over_tcp():
    return type("Query", (), {"transport": "tcp"})


def test_the_case_the_identifier_and_the_ttl_are_kept(server):
    answer = server.dig("WWW.Example.ORG")
    assert answer.question.startswith("WWW.Example.ORG.")
    assert {(record.name, record.ttl) for record in answer.answer} == {("WWW.Example.ORG.", 300)}


@pytest.mark.parametrize("tcp", [False, True])
def test_the_upstream_is_asked_over_the_transport_of_the_client(server, upstream, tcp):
    before = upstream.count("text.example.org.", transport="tcp" if tcp else "udp")
    assert server.ask("text.example.org", "TXT", tcp=tcp).data() == ['"hello"']
    assert upstream.count("text.example.org.", transport="tcp" if tcp else "udp") == before + 1


def test_a_large_answer_comes_whole_over_tcp_and_truncated_over_udp(server):
    over_udp = server.ask("huge.example.org")
    assert "tc" in over_udp.flags
    over_tcp = server.ask("huge.example.org", tcp=True)
    assert len(over_tcp.answer) == 3500 and "tc" not in over_tcp.flags


def test_equal_questions_in_flight_are_asked_once(server, upstream):
    before = upstream.count("slow.example.org.")
    with Channel(server.port) as channel:
        answers = channel.ask_all([("slow.example.org", "A")] * 100)
    assert all(answer.data() == ["192.0.2.5"] for answer in answers)
    assert upstream.count("slow.example.org.") == before + 1


def test_a_question_in_flight_holds_up_no_other(server):
    with Channel(server.port) as channel:
        slow = channel.send("slow.example.org")
        begin = time.monotonic()
        assert channel.ask("www.example.org").data() == ["192.0.2.7", "192.0.2.8"]
        assert time.monotonic() - begin < SLOW_SECONDS
        assert channel.receive()[0] == slow


def test_max_concurrent_refuses_what_is_above_it(scenario, upstream):
    server = scenario.server(f"forward . {upstream.target} {{\n max_concurrent 20\n}}")
    with Channel(server.port) as channel:
        answers = channel.ask_all([(f"slow-{number}.example.org", "A") for number in range(50)])
    outcomes = [answer.rcode for answer in answers]
    assert (outcomes.count("NOERROR"), outcomes.count("REFUSED")) == (20, 30)
    assert server.metrics()["coredns_forward_max_concurrent_rejects_total"] == 30
    # And it is free again.
    assert server.ask("slow.example.org").rcode == "NOERROR"


def test_a_silent_upstream_ends_in_servfail_in_time_with_the_reason(server, upstream):
    begin = time.monotonic()
    with Channel(server.port, timeout=DEADLINE_SECONDS + 5) as channel:
        answer = channel.ask("silent.example.org")
    assert answer.rcode == "SERVFAIL"
    assert any("timed out" in text for _, text in answer.extended_errors), answer
    assert time.monotonic() - begin < DEADLINE_SECONDS + 2
    line = f"plugin/errors: 2 silent.example.org. A: upstream timed out, last upstream {upstream.target}"
    wait_until(lambda: line in server.output(), 5, server.output)


@contextlib.contextmanager
def black_hole():
    """A port that takes queries and never answers; over TCP it accepts and is silent."""
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.create_server(("127.0.0.1", port)):
        udp.bind(("127.0.0.1", port))
        yield port


@pytest.mark.parametrize("policy", ["sequential", "random", "round_robin"])
@pytest.mark.parametrize("kind", ["closed", "silent"])
def test_a_dead_upstream_beside_a_live_one_costs_no_answer(scenario, upstream, kind, policy):
    with black_hole() if kind == "silent" else contextlib.nullcontext(free_port()) as dead:
        server = scenario.server(f"forward . 127.0.0.1:{dead} {upstream.target} {{\n policy {policy}\n}}")
        times = []
        with Channel(server.port) as channel:
            for tcp in [False] * 40 + [True] * 5:
                begin = time.monotonic()
                answer = server.ask("www.example.org", tcp=True) if tcp else channel.ask("www.example.org")
                times.append(time.monotonic() - begin)
                assert answer.rcode == "NOERROR"
        # CoreDNS would wait for its read timeout of 2 s; the figure of a quiet machine is the benchmarks'.
        assert max(times) < 1.5
        assert sorted(times)[len(times) // 2] < 0.2


def test_an_upstream_that_comes_back_is_asked_again(scenario):
    port = free_port()
    server = scenario.server(f"forward . 127.0.0.1:{port}")
    assert server.ask("www.example.org", timeout=DEADLINE_SECONDS + 2).rcode == "SERVFAIL"
    with Upstream(SCRIPTS, port=port):
        server.eventually("www.example.org", "A", ["192.0.2.7", "192.0.2.8"], 10)


def test_the_options_that_say_where_and_how(scenario, upstream):
    other = scenario.upstream({"www.example.net.": address("192.0.2.20"), "www.example.org.": address("192.0.2.21")})
    server = scenario.server(f"""
forward example.net {other.target} {{
    force_tcp
}}
forward . {upstream.target} {{
    except example.com
}}
""")
    assert server.ask("www.example.net").data() == ["192.0.2.20"]
    assert other.count("www.example.net.", transport="tcp") == 1 and other.count(transport="udp") == 0
    assert server.ask("www.example.org").data() == ["192.0.2.7", "192.0.2.8"]
    assert server.ask("www.example.com").rcode == "REFUSED"


def test_prefer_udp_asks_over_udp_whatever_the_client_came_by(scenario, upstream):
    server = scenario.server(f"forward . {upstream.target} {{\n    prefer_udp\n}}")
    before = upstream.count("www.example.org.", transport="udp")
    assert server.ask("www.example.org", tcp=True).data() == ["192.0.2.7", "192.0.2.8"]
    assert upstream.count("www.example.org.", transport="udp") == before + 1


@pytest.mark.parametrize("recursion, flag", [("", True), ("no_rec ", False)])
def test_a_failure_starts_probes_of_the_domain_and_with_max_fails_0_none(scenario, recursion, flag):
    upstream = scenario.upstream(SCRIPTS | {"silent.example.net.": None})
    server = scenario.server(f"""
forward example.net {upstream.target} {{
    health_check 100ms {recursion}domain never.example.org
    max_fails 0
}}
forward . {upstream.target} {{
    health_check 100ms {recursion}domain probe.example.org
}}
""")
    for name in ("silent.example.net", "silent.example.org"):
        assert dns.ask(server.port, name, timeout=DEADLINE_SECONDS + 5).rcode == "SERVFAIL"
    wait_until(lambda: upstream.count("probe.example.org.") >= 1, 10, server.output)
    assert upstream.count("never.example.org.") == 0
    probe = next(query for query in upstream.asked if query.name.lower() == "probe.example.org.")
    assert bool(probe.wire[2] & 1) == flag, "RD"


def test_a_resolv_conf_names_the_upstreams(scenario, upstream, tmp_path):
    # resolv.conf has no ports, so what can be asked here is that the file is read and its absence named.
    path = tmp_path / "resolv.conf"
    path.write_text("search example.org\nnameserver 127.0.0.1\nnameserver ::1\n")
    server = scenario.server(f"forward example.net {path}\nforward . {upstream.target}")
    assert server.ask("www.example.org").rcode == "NOERROR"


@pytest.mark.parametrize("name", ["slow", "silent"])
def test_a_reload_that_changes_the_upstreams_answers_what_waits_for_the_old_ones(scenario, upstream, name):
    def corefile(number):
        return fairlead.server_block(f"forward . {upstream.target} {{\n    max_concurrent {number}\n}}")

    server = scenario.server(corefile=corefile(1000))
    with Channel(server.port, timeout=DEADLINE_SECONDS + 5) as channel:
        waiting = set()
        for number in range(1001, 1004):
            waiting.add(channel.send(f"{name}.example.org"))
            server.write_corefile(corefile(number))
            before = server.output().count("Reloading complete")
            server.reload()
            wait_until(lambda: server.output().count("Reloading complete") > before, 10, server.output)
        while waiting:
            identifier, answer = channel.receive()
            waiting.remove(identifier)
            assert answer.rcode == ("NOERROR" if name == "slow" else "SERVFAIL")
    assert server.ask("www.example.org").rcode == "NOERROR"


# --- aliases of the cluster that lead out of it


@pytest.fixture(scope="module")
def aliases(shared, upstream):
    def external(name, target):
        return service(name, "shop", (), type="ExternalName", externalName=target)

    chain = [external(f"chain-{n}", f"chain-{n + 1}.{SHOP}") for n in range(ALIAS_CHAIN_MAX + 1)]
    cluster = shared.cluster(
        namespace("shop"), *chain, service(f"chain-{ALIAS_CHAIN_MAX + 1}", "shop", clusterIP="10.96.7.1"),
        *(external(name, f"{name}.example.org") for name in
          ("www", "alias", "nobody", "nodata", "servfail", "silent", "huge", "slow")))
    return shared.server(f"forward . {upstream.target}", cluster)


ALIASES = [
    ("www", "A", ["192.0.2.7", "192.0.2.8", "www.example.org."]),
    ("alias", "A", ["192.0.2.9", "alias.example.org.", "www.example.net."]),
    ("slow", "A", ["192.0.2.5", "slow.example.org."]),
    ("nobody", "A", ["nobody.example.org."]),
    ("nodata", "A", ["nodata.example.org."]),
    ("servfail", "A", ["servfail.example.org."]),
    ("www", "CNAME", ["www.example.org."]),
    ("www", "TXT", []),
]


@pytest.mark.parametrize("name, type, data", ALIASES, ids=[f"{name} {type}" for name, type, _ in ALIASES])
@pytest.mark.parametrize("flag", ["+notcp", "+tcp"])
def test_an_external_name_carries_what_its_target_has(aliases, name, type, data, flag):
    answer = aliases.dig(f"{name}.{SHOP}", type, flag)
    assert (answer.rcode, answer.data(), "aa" in answer.flags) == ("NOERROR", sorted(data), True)


def test_an_external_name_to_a_large_target_is_truncated_then_whole(aliases):
    assert "tc" in aliases.ask(f"huge.{SHOP}").flags
    assert len(aliases.ask(f"huge.{SHOP}", tcp=True).answer) == 3501


def test_a_chain_of_aliases_ends_at_the_limit(aliases):
    whole = aliases.ask(f"chain-1.{SHOP}")
    assert (whole.data("A"), len(whole.data("CNAME"))) == (["10.96.7.1"], ALIAS_CHAIN_MAX)
    beyond = aliases.ask(f"chain-0.{SHOP}")
    assert (beyond.rcode, beyond.answer, [r.type for r in beyond.authority]) == ("NOERROR", [], ["SOA"])


def test_names_of_the_cluster_are_quick_while_the_upstream_is_dead(aliases):
    with Channel(aliases.port, timeout=DEADLINE_SECONDS + 5) as channel:
        waiting = {channel.send("silent.example.org", type) for type in ("A", "AAAA", "TXT", "MX", "SRV")}
        waiting |= {channel.send(f"silent.{SHOP}")}
        begin = time.monotonic()
        for _ in range(50):
            identifier = channel.send(f"chain-1.{SHOP}")
            assert channel.receive()[0] == identifier
        assert time.monotonic() - begin < 2
        for _ in range(len(waiting)):
            identifier, answer = channel.receive()
            assert identifier in waiting
            assert (answer.rcode, answer.data()) in [("SERVFAIL", []), ("NOERROR", ["silent.example.org."])]


# --- loops


@pytest.mark.parametrize("transport", ["", "force_tcp"])
def test_forwarding_to_itself_ends_the_server_with_the_reason(scenario, transport):
    server = scenario.server(corefile=f"""
.:{{port}} {{
    bind 127.0.0.1
    errors
    loop
    forward . 127.0.0.1:{{port}} {{
        {transport}
    }}
}}
""".replace("        \n", ""), start=False)
    process = server.launch()
    assert process.wait(20) == 1
    assert 'plugin/loop: Loop (127.0.0.1:' in process.output()
    assert f'-> 127.0.0.1:{server.port}) detected for zone "."' in process.output()
    assert not process.findings()


def test_two_servers_that_forward_to_each_other_are_a_loop_too(scenario):
    port = free_port()
    first = scenario.server(f"loop\nforward . 127.0.0.1:{port}", start=False)
    second = scenario.server(f"loop\nforward . 127.0.0.1:{first.port}", start=False)
    second.write_corefile(f".:{port} {{\n bind 127.0.0.1\n loop\n forward . 127.0.0.1:{first.port}\n}}\n")
    processes = [first.launch(), second.launch()]
    wait_until(lambda: any(process.exit_status == 1 for process in processes), 20, "one of them ends")
    assert any("plugin/loop: Loop" in process.output() for process in processes)


def test_a_loop_names_the_line_of_resolv_conf(scenario, tmp_path):
    # Port 53 is what a resolv.conf means; an address of this test run alone.
    stub = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250 + 1}.53"
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text(f"# local stub\nsearch example.org\nnameserver {stub}\n")
    server = scenario.server(f"loop\nforward . {resolv_conf}", start=False)
    back = scenario.server(
        corefile=f".:53 {{\n    bind {stub}\n    forward . 127.0.0.1:{server.port}\n}}\n", start=False)
    back.launch()
    process = server.launch()
    assert process.wait(20) == 1
    assert (f"what is forwarded to {stub}:53 ({resolv_conf}:3), an address of this machine, comes back" in
            process.output())


def test_a_loop_that_degrades_ends_forwarding_alone_until_it_is_gone(scenario, tmp_path):
    zone = tmp_path / "db"
    zone.write_text("@ 60 SOA ns hostmaster 1 2 3 4 5\nwww 60 A 192.0.2.7\n")
    upstream = scenario.upstream({"out.example.net.": address("192.0.2.1")})
    server = scenario.server("", start=False)
    back = scenario.server(f"forward . 127.0.0.1:{server.port} {{\n    max_fails 0\n}}", start=False)
    server.write_corefile(
        f".:{{port}} {{\n    bind 127.0.0.1\n    loop degrade\n    file {zone} example.org\n"
        f"    forward . 127.0.0.1:{back.port} {{\n        max_fails 0\n    }}\n}}\n")
    back.start(wait_ready=False)
    server.start(wait_ready=False)
    wait_until(lambda: "plugin/loop: Loop (" in server.output(), 20, server.output)
    assert f"what is forwarded to 127.0.0.1:{back.port}, an address of this machine, comes back" in server.output()
    held = server.ask("out.example.net", timeout=5)
    assert (held.rcode, held.extended_errors[0][1]) == (
        "SERVFAIL", "what is forwarded comes back to this server, the log says more")
    assert server.ask("www.example.org").data() == ["192.0.2.7"]
    back.write_corefile(f".:{back.port} {{\n    bind 127.0.0.1\n    forward . {upstream.target}\n}}\n")
    back.reload()
    server.eventually("out.example.net", "A", ["192.0.2.1"], 40)
    assert "The loop for zone \".\" is gone" in server.output()


# --- a real resolver


@pytest.fixture
def unbound(tmp_path):
    with Unbound(tmp_path / "unbound") as running:
        yield running.port


def test_a_real_resolver_is_understood(scenario, unbound):
    server = scenario.server(f"cache\nforward . 127.0.0.1:{unbound}")
    for _ in range(2):  # from unbound, then from the cache
        for flag in ("+notcp", "+tcp", "+noedns", "+dnssec", "+cdflag"):
            assert server.dig("www.example.org", "A", flag).data("A") == ["192.0.2.7"]
        assert server.dig("www.example.org", "AAAA").data() == ["2001:db8::7"]
        assert server.dig("mail.example.org", "MX").data() == ["10 www.example.org."]
        assert server.dig("_sip._tcp.example.org", "SRV").data() == ["1 2 5060 www.example.org."]
        nobody = server.dig("nobody.example.org")
        assert (nobody.rcode, [record.type for record in nobody.authority]) == ("NXDOMAIN", ["SOA"])
        assert (server.dig("www.example.org", "TXT").rcode, server.dig("www.example.org", "TXT").data()) == ("NOERROR", [])
        assert "tc" in server.ask("big.example.org").flags
        assert len(server.ask("big.example.org", tcp=True).answer) == 400
