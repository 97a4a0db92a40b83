"""fairleadctl top and slow: who asks a running server most, and where the time of its slow queries went."""

import http.client
import json

import pytest

from support import dns, fairlead
from support.dns import Channel
from support.fairlead import server_block
from support.kube import namespace, service
from support.processes import free_port, run, wait_until
from support.upstream import Reply, address, nxdomain

WEB = "web.shop.svc.cluster.local"
SLOW = 0.25  # seconds


@pytest.fixture(autouse=True)
def built():
    if reason := fairlead.missing("fairleadctl"):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream({"slow.example.org.": address("192.0.2.7", delay=SLOW), "quick.example.org.": address("192.0.2.8"),
                            "servfail.example.org.": Reply(rcode="SERVFAIL"), "silent.example.org.": None},
                           default=nxdomain())


def start(shared, upstream, more=""):
    cluster = shared.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.7.1"))
    return shared.server(f"cache\n{more}\nforward . {upstream.target} {{\n    read_timeout 600ms\n    max_connect_attempts 1\n}}",
                         cluster)


@pytest.fixture(scope="module")
def server(shared, upstream):
    return start(shared, upstream)


def ctl(server, command, *arguments):
    return run([fairlead.program("fairleadctl"), command, "--from", f"127.0.0.1:{server.metrics_port}", *arguments],
               check=False)


def told(server, command, *arguments):
    done = ctl(server, command, "-o", "json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def talkers(server, kind):
    return {row[kind]: row for row in told(server, "top")[kind + "s"]}


def slow(server, name):
    return [query for query in told(server, "slow")["queries"] if query["name"] == name + "."]


def test_clients_and_names_are_counted_with_what_became_of_them(server):
    before = talkers(server, "client").get("127.0.0.1", {"queries": 0, "nxdomain": 0, "failed": 0})
    with Channel(server.port) as channel:
        for _ in range(5):
            channel.ask(WEB.upper(), "A")
        for type in ("A", "AAAA"):
            channel.ask(f"{WEB}.shop.svc.cluster.local", type)
    assert server.ask("servfail.example.org", tcp=True).rcode == "SERVFAIL"
    dns.exchange(server.port, dns.encode_query(WEB) + b"\0")  # FORMERR: no name is known of it
    names = talkers(server, "name")
    assert (names[WEB + "."]["queries"], names[WEB + "."]["nxdomain"]) == (5, 0)
    assert (names[f"{WEB}.shop.svc.cluster.local."]["queries"], names[f"{WEB}.shop.svc.cluster.local."]["nxdomain"]) == (2, 2)
    assert names["servfail.example.org."]["failed"] == 1
    after = talkers(server, "client")["127.0.0.1"]
    assert [after[key] - before[key] for key in ("queries", "nxdomain", "failed")] == [9, 2, 2]
    table = ctl(server, "top").stdout
    assert "127.0.0.1" in table and WEB in table and "NXDOMAIN" in table
    assert len(ctl(server, "top", "--rows", "1").stdout.splitlines()) == 7


def test_a_slow_upstream_is_told_with_its_share_of_the_time(server, upstream):
    assert server.ask("slow.example.org").rcode == "NOERROR"
    [query] = slow(server, "slow.example.org")
    assert (query["rcode"], query["directive"], query["upstream"], query["client"], query["proto"], query["type"]) == (
        "NOERROR", "forward", upstream.target, "127.0.0.1", "udp", "A")
    assert query["answered_us"] >= query["upstream_replied_us"] >= query["asked_upstream_us"] + SLOW * 900_000
    assert "error" not in query
    table = ctl(server, "slow", "--at-least", f"{SLOW * 900:.0f}ms").stdout
    assert "slow.example.org." in table and "quick.example.org." not in table
    assert ctl(server, "slow", "--at-least", "1h").stdout == "No query took that long.\n"


def test_a_silent_upstream_is_told_with_the_error(server, upstream):
    assert server.ask("silent.example.org", timeout=10).rcode == "SERVFAIL"
    [query] = slow(server, "silent.example.org")
    assert (query["rcode"], query["directive"], query["upstream"]) == ("SERVFAIL", "forward", upstream.target)
    assert "timed out" in query["error"]


def test_a_question_asked_behind_another_one_is_told_as_the_client_s(shared, upstream):
    """rewrite asks in the client's place; what is told is the client's question, and the upstream that it waited for."""
    server = start(shared, upstream, "rewrite name front.example.org slow.example.org")
    assert server.ask("front.example.org").rcode == "NOERROR"
    [query] = slow(server, "front.example.org")
    assert query["upstream"] == upstream.target and query["upstream_replied_us"] >= SLOW * 900_000
    assert not slow(server, "slow.example.org")


def test_a_reload_forgets_nothing(shared, upstream):
    server = start(shared, upstream, "reload")
    server.ask(WEB)
    server.ask("slow.example.org")
    server.write_corefile(server.corefile_path.read_text() + "# changed\n")
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 20, server.output)
    assert talkers(server, "name")[WEB + "."]["queries"] == 1
    assert len(slow(server, "slow.example.org")) == 1


def test_a_flood_of_names_leaves_the_tables_as_large_as_they_are(server):
    with Channel(server.port) as channel:
        for start_at in range(0, 3000, 100):
            channel.ask_all([(f"n{number}.shop.svc.cluster.local", "A") for number in range(start_at, start_at + 100)])
    top = told(server, "top")
    assert len(top["names"]) <= 100 and top["samples"] < top["queries"]
    assert top["queries"] > 2500


def get(server, path, host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", server.metrics_port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_page_of_the_internet_cannot_have_a_browser_read_it(server):
    for path in ("/debug/top", "/debug/slow"):
        assert get(server, path)[0] == 200
        status, text = get(server, path, "rebound.example")
        assert status == 403 and "port-forward" in text
    assert get(server, "/metrics", "prometheus.example")[0] == 200


def test_without_prometheus_nothing_is_shown(scenario, upstream):
    corefile = "\n".join(line for line in server_block(f"forward . {upstream.target}").splitlines() if "prometheus" not in line)
    server = scenario.server(corefile=corefile + "\n")
    assert server.status("metrics", "/debug/top") is None
    assert server.status("health", "/debug/top") == 404


@pytest.mark.parametrize("command", ["top", "slow"])
def test_what_cannot_be_asked_is_status_1_with_what_to_do(server, command):
    for port, words in ((free_port(), ("prometheus", "--help")), (server.health, ("404", "--from"))):
        done = run([fairlead.program("fairleadctl"), command, "--from", f"127.0.0.1:{port}"], check=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("arguments, word", [
    (["--from", "127.0.0.1:x"], "10.0.0.1:9153"),
    (["--rows", "0"], "--rows"),
    (["-o", "zone"], "json"),
    (["--at-least", "soon"], "soon"),
    (["--no-such-option"], "--no-such-option"),
])
def test_wrong_usage_is_status_2_with_the_reason(arguments, word):
    done = run([fairlead.program("fairleadctl"), "slow", *arguments], check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr and "fairleadctl slow --help" in done.stderr


@pytest.mark.parametrize("command", ["top", "slow"])
def test_help_says_how_to_reach_a_pod(command):
    done = run([fairlead.program("fairleadctl"), command, "--help"], check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Examples:" in done.stdout and "port-forward" in done.stdout and f"/fairleadctl {command}\n" in done.stdout
