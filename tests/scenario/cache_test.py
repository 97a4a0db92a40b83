"""Replies of upstreams are remembered as long as their records allow, and names of the cluster never."""

import time

import pytest

from support.dns import Channel
from support.kube import namespace, service
from support.upstream import Reply, address, nxdomain

SOA = ("example.org.", "SOA", 60, "ns.example.org. hostmaster.example.org. 1 7200 1800 86400 20")
EXTERNAL = "out.shop.svc.cluster.local"


def changing(query):
    """Another answer each time, so that a test sees where one came from."""
    changing.count += 1
    return address(f"192.0.2.{changing.count % 250 + 1}", ttl=300)


changing.count = 0

SCRIPTS = {
    "www.example.org.": address("192.0.2.7", ttl=300),
    "short.example.org.": address("192.0.2.8", ttl=0),
    "long.example.org.": address("192.0.2.9", ttl=864000),
    "nobody.example.org.": nxdomain(ttl=60),
    "nodata.example.org.": Reply(authority=[SOA]),
    "no-soa.example.org.": Reply(rcode="NXDOMAIN"),
    "servfail.example.org.": Reply(rcode="SERVFAIL"),
    "refused.example.org.": Reply(rcode="REFUSED"),
    "truncated.example.org.": lambda query: Reply([("@", "A", 300, "192.0.2.1")], truncated=True),
    "changing.example.org.": changing,
}


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream(SCRIPTS)


@pytest.fixture(scope="module")
def server(shared, upstream):
    cluster = shared.cluster(
        namespace("shop"), service("web", "shop", clusterIP="10.96.7.1"),
        service("out", "shop", (), type="ExternalName", externalName="www.example.org"))
    return shared.server(f"cache\nforward . {upstream.target}", cluster)


@pytest.fixture
def channel(server):
    # One socket is one worker, and one worker one cache.
    with Channel(server.port) as channel:
        yield channel


# Name, RCODE, how often the upstream is asked for three questions, and the TTL that is shown first.
KEPT = [
    ("www", "NOERROR", 1, 300),
    ("short", "NOERROR", 1, 5),
    ("long", "NOERROR", 1, 3600),
    ("nobody", "NXDOMAIN", 1, 60),
    ("nodata", "NOERROR", 1, 20),
    ("no-soa", "NXDOMAIN", 3, None),
    ("servfail", "SERVFAIL", 1, None),
    ("refused", "REFUSED", 3, None),
]


@pytest.mark.parametrize("name, rcode, asked, ttl", KEPT, ids=[row[0] for row in KEPT])
def test_what_is_kept_and_for_how_long(upstream, channel, name, rcode, asked, ttl):
    name = f"{name}.example.org"
    before = upstream.count(f"{name}.")
    answers = [channel.ask(name) for _ in range(3)]
    assert {answer.rcode for answer in answers} == {rcode}
    assert upstream.count(f"{name}.") - before == asked
    records = answers[-1].answer or answers[-1].authority
    if ttl is not None:
        assert ttl - 2 <= records[0].ttl <= ttl


def test_the_ttl_counts_down(channel):
    # Negative ones too: a client that caches on must not add the whole time again.
    names = ("www.example.org", "nobody.example.org")
    first = [channel.ask(name) for name in names]
    time.sleep(2.1)
    for name, before in zip(names, first):
        after = channel.ask(name)
        ttl = [(answer.answer or answer.authority)[0].ttl for answer in (before, after)]
        assert 2 <= ttl[0] - ttl[1] <= 4, name


def test_a_hit_has_the_case_and_the_identifier_of_its_question(channel):
    assert channel.ask("www.example.org").data() == ["192.0.2.7"]
    answer = channel.ask("WWW.exAMPle.org")
    assert answer.question.startswith("WWW.exAMPle.org.")
    assert answer.answer[0].name == "WWW.exAMPle.org."
    assert "aa" in answer.flags, "as CoreDNS: some old resolver libraries want it"


def test_questions_that_differ_share_nothing(channel, upstream):
    """The DO and CD bits are part of the question; CoreDNS once left CD out of its key."""
    plain = channel.ask("changing.example.org").data()
    checking_disabled = channel.ask("changing.example.org", flags=0x0110).data()
    dnssec = channel.ask("changing.example.org", dnssec_ok=True).data()
    assert len({tuple(data) for data in (plain, checking_disabled, dnssec)}) == 3
    assert channel.ask("changing.example.org").data() == plain
    assert channel.ask("changing.example.org", flags=0x0110).data() == checking_disabled
    assert channel.ask("changing.example.org", dnssec_ok=True).data() == dnssec


def test_the_target_of_an_external_name_is_kept_as_any_other(channel, upstream):
    channel.ask("www.example.org")
    before = upstream.count("www.example.org.")
    for _ in range(3):
        answer = channel.ask(EXTERNAL)
        assert answer.data() == ["192.0.2.7", "www.example.org."]
    assert upstream.count("www.example.org.") == before


def test_a_hit_larger_than_the_client_takes_is_truncated(channel, upstream):
    upstream.scripts["wide.example.org."] = address(*(f"192.0.2.{n}" for n in range(1, 60)), ttl=300)
    assert "tc" not in channel.ask("wide.example.org").flags
    cut = channel.ask("wide.example.org", udp_size=None)
    assert "tc" in cut.flags and len(cut.answer) < 32
    assert upstream.count("wide.example.org.") == 1


def test_the_options(scenario, upstream):
    server = scenario.server(f"""
cache 30 example.org {{
    success 100 20
    servfail 0s
    disable denial
}}
forward . {upstream.target}
""")
    upstream.scripts["www.example.com."] = address("192.0.2.20")
    with Channel(server.port) as channel:
        assert channel.ask("www.example.org").answer[0].ttl <= 20
        for name in ("servfail.example.org", "nobody.example.org", "www.example.com"):
            before = upstream.count(f"{name}.")
            for _ in range(3):
                channel.ask(name)
            assert upstream.count(f"{name}.") - before == 3, name


def test_a_flood_of_names_takes_bounded_memory_and_leaves_the_popular_ones(scenario):
    upstream = scenario.upstream(default=address("192.0.2.1", ttl=300))
    server = scenario.server(f"cache {{\n    success 500\n}}\nforward . {upstream.target}")
    with Channel(server.port) as channel:
        for _ in range(5):
            channel.ask("popular.example.org")
        for start in range(0, 3000, 50):
            channel.ask_all([(f"n{number}.example.org", "A") for number in range(start, start + 50)])
            channel.ask("popular.example.org")
        asked = upstream.count("popular.example.org.")
    assert asked == 1
    samples = server.metrics()
    entries = sum(value for sample, value in samples.items()
                  if sample.startswith("coredns_cache_entries") and 'type="success"' in sample)
    assert 0 < entries <= 500 * 8
    assert sum(value for sample, value in samples.items() if sample.startswith("coredns_cache_evictions_total")) > 0


def cache_metric(server, name):
    return sum(value for sample, value in server.metrics().items() if sample.startswith(f"coredns_cache_{name}{{"))


def wait_until(condition, seconds=10):
    ends = time.monotonic() + seconds
    while not condition() and time.monotonic() < ends:
        time.sleep(0.05)
    assert condition()


def test_a_client_subnet_stays_here_and_answers_do_not_depend_on_it(scenario):
    """RFC 7871: what was answered for one subnet must not be given to another. Nothing is asked with one."""
    upstream = scenario.upstream({"www.example.org.": changing})
    server = scenario.server(f"cache\nforward . {upstream.target}")
    subnets = [b"\x00\x01\x18\x00" + octets for octets in (b"\xc0\x00\x02", b"\xcb\x00\x71")]
    with Channel(server.port) as channel:
        plain = channel.ask("www.example.org").data()
        for subnet in subnets:
            for dnssec_ok in (False, True):
                answer = channel.ask("www.example.org", dnssec_ok=dnssec_ok, edns_option=(8, subnet))
                assert dnssec_ok or answer.data() == plain
                assert answer.edns[3] == [], "an option would say that the answer is the subnet's"
    assert upstream.count("www.example.org.") == 2  # with DO and without
    assert not [query for query in upstream.asked if b"\xc0\x00\x02" in query.wire or b"\xcb\x00\x71" in query.wire]


def test_keepttl_shows_the_time_that_was_stored(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=60)})
    server = scenario.server(f"cache {{\n    keepttl\n}}\nforward . {upstream.target}")
    with Channel(server.port) as channel:
        channel.ask("www.example.org")
        time.sleep(2.1)
        assert channel.ask("www.example.org").answer[0].ttl == 60


def test_prefetch_brings_a_new_answer_before_the_old_one_ends(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=6)})
    server = scenario.server(f"cache {{\n    prefetch 2 1m 50%\n}}\nforward . {upstream.target}")
    with Channel(server.port) as channel:
        channel.ask("www.example.org")
        upstream.scripts["www.example.org."] = address("192.0.2.8", ttl=6, delay=0.5)
        time.sleep(3.1)
        for _ in range(20):
            assert channel.ask("www.example.org").data() == ["192.0.2.7"], "nobody waits for it"
        wait_until(lambda: channel.ask("www.example.org").data() == ["192.0.2.8"])
    assert upstream.count("www.example.org.") == 2
    assert cache_metric(server, "prefetch_total") == 1


STALE = """cache {{
    success 1000 5 1
    denial 1000 5 1
    serve_stale 1h {mode}
}}
forward . {target} {{
    max_fails 0
}}"""


def test_serve_stale_answers_at_once_and_asks_behind_the_client(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=1), "no.example.org.": nxdomain(ttl=1)})
    server = scenario.server(STALE.format(mode="immediate 30s", target=upstream.target))
    with Channel(server.port) as channel:
        channel.ask("www.example.org")
        channel.ask("no.example.org")
        upstream.scripts["www.example.org."] = address("192.0.2.8", ttl=60, delay=0.5)
        time.sleep(2.1)
        stale = channel.ask("www.example.org")
        assert (stale.data(), stale.answer[0].ttl) == (["192.0.2.7"], 30)
        assert stale.extended_errors[0][0] == 3 and "expired" in stale.extended_errors[0][1]
        assert channel.ask("no.example.org").extended_errors[0][0] == 19
        wait_until(lambda: channel.ask("www.example.org").data() == ["192.0.2.8"])
        assert channel.ask("www.example.org").extended_errors == []
    assert upstream.count("www.example.org.") == 2
    assert cache_metric(server, "served_stale_total") >= 2


def test_serve_stale_verify_prefers_what_is_new(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7", ttl=1)})
    server = scenario.server(STALE.format(mode="verify", target=upstream.target))
    with Channel(server.port) as channel:
        channel.ask("www.example.org")
        upstream.scripts["www.example.org."] = address("192.0.2.8", ttl=60, delay=0.3)
        time.sleep(2.1)
        answers = channel.ask_all([("www.example.org", "A")] * 20)
        assert {tuple(answer.data()) for answer in answers} == {("192.0.2.8",)}
        assert not any(answer.extended_errors for answer in answers)
    assert upstream.count("www.example.org.") == 2
    assert cache_metric(server, "served_stale_total") == 0


@pytest.mark.parametrize("mode", ["immediate", "verify", "verify 100ms"])
def test_with_all_upstreams_dead_every_cached_name_is_answered(scenario, mode):
    names = [f"n{number}.example.org" for number in range(50)]
    upstream = scenario.upstream(default=address("192.0.2.7", ttl=1))
    server = scenario.server(STALE.format(mode=mode, target=upstream.target))
    with Channel(server.port, timeout=15) as channel:
        channel.ask_all([(name, "A") for name in names])
        upstream.default = None  # takes queries and says nothing
        time.sleep(2.1)
        before = upstream.count()
        for _ in range(4):
            for answer in channel.ask_all([(name, "A") for name in names]):
                assert answer.data() == ["192.0.2.7"]
                assert [code for code, _ in answer.extended_errors] == [3]
        # One question each, with the repeats of a single upstream that stays silent.
        assert upstream.count() - before <= 6 * len(names)


def test_silent_upstreams_are_not_asked_for_each_query(scenario):
    upstream = scenario.upstream({"dead.example.org.": None})
    server = scenario.server(f"cache {{\n    servfail 1m\n}}\nforward . {upstream.target}")
    with Channel(server.port, timeout=15) as channel:
        assert channel.ask("dead.example.org").rcode == "SERVFAIL"
        asked = upstream.count("dead.example.org.")
        for _ in range(10):
            answer = channel.ask("dead.example.org")
            assert answer.rcode == "SERVFAIL"
            assert answer.extended_errors[0][0] == 13
        assert upstream.count("dead.example.org.") == asked
