"""The options of `forward` that say whom to ask next, how long, from where, and who an upstream is."""

import contextlib
import os

import pytest

from support import dns, fairlead
from support.processes import free_port, wait_until
from support.upstream import Reply, address, nxdomain

DEADLINE_SECONDS = 5
NODATA = Reply(authority=[("example.org.", "SOA", 60, "ns.example.org. h.example.org. 1 2 3 4 60")])

# What three upstreams say to the same name.
FIRST = {
    "here.example.org.": address("192.0.2.1"),
    "nowhere.example.org.": nxdomain(),
    "second.example.org.": nxdomain(),
    "third.example.org.": nxdomain(),
    "empty.example.org.": NODATA,
    "broken.example.org.": Reply(rcode="SERVFAIL"),
    "refused.example.org.": Reply(rcode="REFUSED"),
    "denied.example.org.": Reply(rcode="REFUSED"),
    "second.example.net.": nxdomain(),
}
# A slow machine may ask it too, where the order says the first.
SECOND = {
    "here.example.org.": address("192.0.2.1"),
    "denied.example.org.": Reply(rcode="REFUSED"),
    "second.example.org.": address("192.0.2.2"),
    "third.example.org.": nxdomain(),
    "nowhere.example.org.": nxdomain(),
    "empty.example.org.": address("192.0.2.2"),
    "broken.example.org.": address("192.0.2.2"),
    "refused.example.org.": address("192.0.2.2"),
    "second.example.net.": address("192.0.2.2"),
}
THIRD = {
    "third.example.org.": address("192.0.2.3"),
    "nowhere.example.org.": nxdomain(),
    "second.example.net.": address("192.0.2.3"),
}


@pytest.fixture(scope="module")
def upstreams(shared):
    return [shared.upstream(scripts) for scripts in (FIRST, SECOND, THIRD)]


def forward(upstreams, options="", zone="."):
    lines = "".join(f"    {line}\n" for line in options.splitlines())
    return f"forward {zone} {' '.join(upstream.target for upstream in upstreams)} {{\n{lines}}}\n"


# --- next


@pytest.fixture(scope="module")
def chain(shared, upstreams):
    """Three directives: the second one is for example.org alone."""
    first, second, third = upstreams
    return shared.server(
        "cache\n" + forward([first], "next NXDOMAIN refused\nnext_on_nodata") +
        forward([second], "next NXDOMAIN", "example.org") + forward([third], "next NXDOMAIN\nexcept nobody.example.org"))


NEXT = [
    ("here.example.org", "NOERROR", ["192.0.2.1"]),
    ("second.example.org", "NOERROR", ["192.0.2.2"]),
    ("third.example.org", "NOERROR", ["192.0.2.3"]),
    ("nowhere.example.org", "NXDOMAIN", []),  # the last one's
    ("empty.example.org", "NOERROR", ["192.0.2.2"]),
    ("refused.example.org", "NOERROR", ["192.0.2.2"]),
    ("broken.example.org", "SERVFAIL", []),  # not named by `next`
    ("second.example.net", "NOERROR", ["192.0.2.3"]),  # passes over the directive of another zone
]


@pytest.mark.parametrize("name, rcode, data", NEXT, ids=[row[0] for row in NEXT])
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_next_asks_the_next_directive_that_takes_the_name(chain, name, rcode, data, tcp):
    for _ in range(2):  # from upstream, then from the cache
        answer = chain.ask(name, tcp=tcp)
        assert (answer.rcode, answer.data("A")) == (rcode, data)


def test_next_without_another_forward_gives_the_reply(scenario, upstreams):
    server = scenario.server(forward(upstreams[:1], "next NXDOMAIN\nnext_on_nodata") + "whoami")
    assert server.ask("nowhere.example.org").rcode == "NXDOMAIN"
    assert server.ask("empty.example.org").rcode == "NOERROR"


def test_a_directive_that_excepts_the_name_is_no_next(scenario, upstreams):
    server = scenario.server(
        forward(upstreams[:1], "next NXDOMAIN") + forward(upstreams[1:2], "except second.example.org"))
    assert server.ask("second.example.org").rcode == "NXDOMAIN"
    assert server.ask("third.example.org").rcode == "NXDOMAIN"


# --- failover and attempts


def test_failover_asks_the_next_upstream_for_the_named_rcodes(scenario, upstreams):
    server = scenario.server(forward(upstreams[:2], "policy sequential\nfailover SERVFAIL"))
    assert server.ask("broken.example.org").data() == ["192.0.2.2"]
    assert server.ask("denied.example.org").rcode == "REFUSED"
    assert server.ask("here.example.org").data() == ["192.0.2.1"]


def test_failover_gives_the_last_reply_when_all_fail(scenario):
    broken = [scenario.upstream({"www.example.org.": Reply(rcode=rcode)}) for rcode in ("SERVFAIL", "REFUSED")]
    server = scenario.server(forward(broken, "policy sequential\nfailover SERVFAIL REFUSED"))
    assert server.ask("www.example.org").rcode in ("SERVFAIL", "REFUSED")  # the one that came last
    assert [upstream.count("www.example.org.") for upstream in broken] == [1, 1]


@pytest.mark.parametrize("attempts, rcode", [(1, "SERVFAIL"), (2, "NOERROR"), (0, "NOERROR")])
def test_max_connect_attempts_is_how_many_are_tried(scenario, upstreams, attempts, rcode):
    closed = free_port()
    server = scenario.server(
        f"forward . 127.0.0.1:{closed} {upstreams[0].target} {{\n policy sequential\n max_fails 0\n"
        f" max_connect_attempts {attempts}\n}}")
    assert server.ask("here.example.org", timeout=DEADLINE_SECONDS + 2).rcode == rcode


@pytest.mark.parametrize("failfast", [True, False])
def test_failfast_asks_nobody_once_all_are_known_to_be_down(scenario, failfast):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.1")})
    option = "failfast_all_unhealthy_upstreams" if failfast else "policy random"
    server = scenario.server(forward([upstream], f"health_check 20ms\nmax_fails 1\n{option}"))
    upstream.close()
    assert server.ask("www.example.org", timeout=DEADLINE_SECONDS + 2).rcode == "SERVFAIL"
    down = f'fairlead_upstream_down{{proxy_name="forward",to="{upstream.target}"}}'
    wait_until(lambda: server.metrics().get(down, 0) >= 1, 10, server.metrics_page)
    # The kernel spreads clients over workers, each of which finds out by itself.
    with contextlib.suppress(OSError):
        for _ in range(20):
            answer = server.ask("other.example.org", timeout=DEADLINE_SECONDS + 2)
            assert answer.rcode == "SERVFAIL"
            said = any("no healthy upstream" in text for _, text in answer.extended_errors)
            if said:
                break
    assert said == failfast


# --- time


def test_read_timeout_is_how_long_an_upstream_is_waited_for(scenario):
    upstream = scenario.upstream({"slow.example.org.": address("192.0.2.1", delay=2.5)})
    patient = scenario.server(forward([upstream], "read_timeout 4s"))
    impatient = scenario.server(forward([upstream], "read_timeout 100ms"))
    with dns.Channel(patient.port, timeout=DEADLINE_SECONDS + 5) as channel:
        assert channel.ask("slow.example.org").data() == ["192.0.2.1"]
    with dns.Channel(impatient.port, timeout=DEADLINE_SECONDS + 5) as channel:
        assert channel.ask("slow.example.org").rcode == "SERVFAIL"


# --- from where


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_queries_leave_from_the_source_address(scenario, transport):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.1")})
    server = scenario.server(forward([upstream], "source_address 127.0.0.77" + "\nforce_tcp" * (transport == "tcp")))
    assert server.ask("www.example.org").data() == ["192.0.2.1"]
    assert {query.source_address for query in upstream.asked} == {"127.0.0.77"}


@pytest.mark.parametrize("source", ["192.0.2.200", "2001:db8::7"])
def test_a_source_address_that_cannot_be_is_named(scenario, upstreams, source):
    server = scenario.server(forward(upstreams[:1], f"source_address {source}"))
    answer = server.ask("here.example.org", timeout=DEADLINE_SECONDS + 2)
    assert answer.rcode == "SERVFAIL"
    assert any(f"source address {source}" in text for _, text in answer.extended_errors), answer


def test_few_idle_connections_answer_as_well(scenario, upstreams):
    server = scenario.server(forward(upstreams[:1], "max_idle_conns 1"))
    for tcp in (False, True) * 20:
        assert server.ask("here.example.org", tcp=tcp).data() == ["192.0.2.1"]


# --- host names


def test_a_host_name_is_an_upstream_and_resolver_is_who_knows_it(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.1")})
    resolver = scenario.upstream({
        "dns.corp.test.": lambda query: Reply([("@", "CNAME", 60, "a.corp.test."),
                                               ("a.corp.test.", "A", 60, "127.0.0.1")]) if query.type == "A" else NODATA})
    server = scenario.server(
        f"forward . dns.corp.test:{upstream.port} {{\n    resolver 127.0.0.1:{free_port()} {resolver.target}\n}}")
    assert server.ask("www.example.org").data() == ["192.0.2.1"]
    assert resolver.count("dns.corp.test.") == 2


def test_a_host_name_without_an_address_is_a_fault_at_the_start_and_none_later(scenario):
    resolver = scenario.upstream({"dns.corp.test.": nxdomain("corp.test.")})
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.1")})
    directives = f"forward . dns.corp.test:{upstream.port} {{\n    resolver {resolver.target}\n}}"
    server = scenario.server(directives, start=False)
    process = server.launch()
    assert process.wait(20) == 1
    assert "forward: the host name 'dns.corp.test.' has no address: NXDOMAIN" in process.output()
    # Once it was known, a resolver that is away takes nothing from us.
    resolver.scripts["dns.corp.test."] = address("127.0.0.1")
    server = scenario.server(directives)
    resolver.scripts["dns.corp.test."] = nxdomain("corp.test.")
    server.write_corefile(server.corefile_path.read_text().replace("errors", "errors\n    debug"))
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 20, server.output)
    assert "its upstreams stay as they were: 127.0.0.1:" in server.output()
    assert server.ask("www.example.org").data() == ["192.0.2.1"]


def test_a_host_name_is_looked_up_again_when_its_ttl_ends(scenario):
    port = free_port()
    # Both on one port, which is all that the name leaves open.
    old = scenario.upstream(default=address("192.0.2.1"), port=port)
    new = scenario.upstream(default=address("192.0.2.2"), port=port, host="127.0.0.2")
    resolver = scenario.upstream({"dns.corp.test.": host_at("127.0.0.1", ttl=1)})
    server = scenario.server(f"cache\nforward . dns.corp.test:{port} {{\n    resolver {resolver.target}\n}}")
    assert server.ask("a.example.org").data() == ["192.0.2.1"]
    # A resolver that fails for a while takes nothing from us, nor does another order of the same addresses.
    resolver.scripts["dns.corp.test."] = Reply(rcode="SERVFAIL")
    wait_until(lambda: "its upstreams stay as they were: 127.0.0.1:" in server.output(), 20, server.output)
    assert server.ask("b.example.org").data() == ["192.0.2.1"]
    resolver.scripts["dns.corp.test."] = host_at("127.0.0.2", ttl=300)
    wait_until(lambda: f"'dns.corp.test' has other addresses now: 127.0.0.2:{port}" in server.output(), 20, server.output)
    wait_until(lambda: server.ask(f"{dns.random_label()}.example.org").data() == ["192.0.2.2"], 20, server.output)
    assert old.count("b.example.org.") == 1 and new.count() > 0


def host_at(*addresses, ttl):
    return lambda query: address(*addresses, ttl=ttl) if query.type == "A" else NODATA


# --- resolv.conf


@pytest.fixture
def nameservers(scenario):
    """Two upstreams on port 53, which is all that a resolv.conf can name."""
    if os.geteuid() != 0:
        pytest.skip("port 53 needs root")
    number = os.getpid() % 60000
    hosts = [f"127.{64 + index}.{number // 250}.{number % 250 + 1}" for index in range(2)]
    names = ("www.example.org.", "later.example.org.")
    return [scenario.upstream({name: address(f"192.0.2.{index}") for name in names}, host=host, port=53)
            for index, host in enumerate(hosts)]


def write(path, text):
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(path)


def test_a_resolv_conf_that_changes_is_read_again(scenario, nameservers, tmp_path):
    path = tmp_path / "resolv.conf"
    write(path, f"search a.test\nnameserver {nameservers[0].host}\n")
    server = scenario.server(f"forward . {path}")
    assert server.ask("www.example.org").data() == ["192.0.2.0"]
    write(path, f"nameserver {nameservers[1].host}\n")
    server.eventually("www.example.org", "A", ["192.0.2.1"], 20)
    assert f"plugin/forward: {path} has changed" in server.output()
    # Whatever is wrong with it then, what it named before stays.
    for text in ("", "# nothing\n", "nameserver fe80::1%eth0\n", "x" * 100000):
        write(path, text)
        before = server.output().count("its upstreams stay as they were")
        wait_until(lambda: server.output().count("its upstreams stay as they were") > before, 20, server.output)
        assert server.ask("www.example.org").data() == ["192.0.2.1"]
    path.unlink()
    before = server.output().count("its upstreams stay as they were")
    wait_until(lambda: server.output().count("its upstreams stay as they were") > before, 20, server.output)
    assert server.ask("www.example.org").data() == ["192.0.2.1"]
    write(path, f"nameserver {nameservers[0].host}\n")
    server.eventually("www.example.org", "A", ["192.0.2.0"], 20)


def test_a_nameserver_that_cannot_be_asked_does_not_spoil_the_others(scenario, nameservers, tmp_path):
    path = tmp_path / "resolv.conf"
    write(path, f"nameserver fe80::1%eth0\nnameserver {nameservers[0].host}\n")
    server = scenario.server(f"forward . {path}")
    assert server.ask("www.example.org").data() == ["192.0.2.0"]
    assert f'{path}: nameserver "fe80::1%eth0" is not an IP address; it is left out' in server.output()


def test_what_a_changed_resolv_conf_does_not_concern_stays(scenario, nameservers, tmp_path):
    path = tmp_path / "resolv.conf"
    write(path, f"nameserver {nameservers[0].host}\n")
    other = scenario.upstream({"www.example.net.": address("192.0.2.9", ttl=300)})
    server = scenario.server(f"cache\nforward example.net {other.target}\nforward . {path}")
    with dns.Channel(server.port) as channel:  # of one client, so of one worker's cache
        assert channel.ask("www.example.net").data() == ["192.0.2.9"]
        write(path, f"nameserver {nameservers[1].host}\n")
        wait_until(lambda: f"{path} has changed" in server.output(), 20, server.output)
        server.eventually("later.example.org", "A", ["192.0.2.1"], 20)
        assert channel.ask("www.example.net").data() == ["192.0.2.9"]
    assert other.count("www.example.net.") == 1, "the cache is the same"


def test_a_resolv_conf_without_nameservers_is_said_and_heals(scenario, nameservers, tmp_path):
    path = tmp_path / "resolv.conf"
    write(path, "search a.test\n")
    cluster = scenario.cluster()
    server = scenario.server(f"forward . {path}", cluster)
    answer = server.ask("www.example.org")
    assert answer.rcode == "SERVFAIL"
    assert any("no nameserver line" in text for _, text in answer.extended_errors), answer
    assert f"{path}: no nameserver line; names that are forwarded there are SERVFAIL" in server.output()
    assert server.ask("nobody.default.svc.cluster.local").rcode == "NXDOMAIN", "the cluster's names go on"
    write(path, f"nameserver {nameservers[0].host}\n")
    server.eventually("www.example.org", "A", ["192.0.2.0"], 20)


def test_a_resolv_conf_that_names_this_server_is_no_loop(scenario, nameservers, tmp_path):
    path = tmp_path / "resolv.conf"
    own = nameservers[1].host
    nameservers[1].close()
    write(path, f"nameserver {own}\n")
    corefile = f".:53 {{\n    bind {own}\n    errors\n    loop\n    forward . {path}\n}}\n" + fairlead.server_block("whoami")
    server = scenario.server(corefile=corefile)

    def ask():
        return dns.ask(53, "www.example.org", address=own, timeout=DEADLINE_SECONDS + 2)

    assert f"nameserver {own} is this server itself; it is left out" in server.output()
    answer = ask()
    assert answer.rcode == "SERVFAIL"
    assert any("is this server itself" in text for _, text in answer.extended_errors), answer
    write(path, f"nameserver {own}\nnameserver {nameservers[0].host}\n")
    wait_until(lambda: ask().data() == ["192.0.2.0"], 20, server.output)
