"""Networks that lose, delay, reorder and repeat packets between `forward` and real upstreams: unbound and Knot DNS."""

import contextlib

import pytest

from support import bad_link
from support.dns import Channel
from support.knot import Knot
from support.processes import wait_until
from support.unbound import Unbound
from support import dns

NAMES = 200
ADDRESSES = {f"n{number}.example.org": f"192.0.2.{number + 1}" for number in range(NAMES)}
BIG = [f"192.0.{number // 250}.{number % 250}" for number in range(400)]


def knot_of(folder, host):
    """The same names as unbound's, from a zone file."""
    folder.mkdir()
    records = [f"{name.split('.')[0]} A {data}" for name, data in ADDRESSES.items()]
    records += [f"big A {data}" for data in BIG]
    (folder / "example.zone").write_text("$ORIGIN example.org.\n$TTL 300\n@ SOA ns hostmaster 1 7200 1800 86400 60\n"
                                         "@ NS ns\nns A 192.0.2.1\n" + "\n".join(records) + "\n")
    return Knot(folder, f'zone:\n  - domain: example.org\n    file: "{folder}/example.zone"\n', hosts=[host],
                probe="example.org")


@pytest.fixture
def network(tmp_path):
    """(the link, `TO` words of Knot, of unbound): both behind one link, which is good at first."""
    if bad_link.missing():
        pytest.skip(bad_link.missing())
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(contextlib.closing(bad_link.BadLink()))
        with link.entered():
            knot = stack.enter_context(knot_of(tmp_path / "knot", link.inside))
            local_data = "\n    ".join(f'local-data: "{name}. 300 IN A {data}"' for name, data in ADDRESSES.items())
            unbound = stack.enter_context(Unbound(tmp_path / "unbound", options=local_data, host=link.inside))
        yield link, f"{link.inside}:{knot.port}", f"{link.inside}:{unbound.port}"


def ask_everything(server, rounds=1, batch=20):
    """Asks for every name, those that failed again in the next round; how many failed in each. Wrong ones fail the test."""
    failed = []
    left = list(ADDRESSES)
    with Channel(server.port, timeout=20) as channel:
        for _ in range(rounds):
            answers = {}
            for begin in range(0, len(left), batch):
                names = left[begin : begin + batch]
                answers.update(zip(names, channel.ask_all([(name, "A") for name in names])))
            for name, answer in answers.items():
                assert answer.rcode in ("NOERROR", "SERVFAIL"), answer
                assert answer.rcode == "SERVFAIL" or answer.data() == [ADDRESSES[name]], answer
            left = [name for name in left if answers[name].rcode == "SERVFAIL"]
            failed.append(len(left))
    return failed


def upstreams_down(server):
    return sum(value for name, value in server.metrics().items() if name.startswith("fairlead_upstream_down"))


def test_one_packet_in_five_is_lost(scenario, network):
    link, knot, unbound = network
    server = scenario.server(f"forward . {knot} {unbound}")
    link.loss = 0.2
    failed = ask_everything(server, rounds=4)
    assert link.lost > NAMES * 0.2
    # Each try of four is lost in 36 of 100 cases: two names in a hundred, and nearly none of those twice.
    assert failed[0] < NAMES * 0.1 and failed[-1] == 0, failed
    # Now and then a few tries in a row are lost, and a good upstream counts as down until its next health check.
    link.loss = 0
    wait_until(lambda: upstreams_down(server) == 0, 10, server.metrics_page)


def test_a_single_upstream_behind_a_lossy_line_is_asked_again(scenario, network):
    link, _, unbound = network
    server = scenario.server(f"forward . {unbound}")
    link.loss = 0.2
    failed = ask_everything(server, rounds=5)
    assert failed[0] < NAMES * 0.15 and failed[-1] == 0, failed


def test_a_long_way_is_no_fault(scenario, network):
    link, knot, unbound = network
    server = scenario.server(f"forward . {knot} {unbound}")
    link.delay = 0.2
    assert ask_everything(server, batch=100) == [0]
    assert upstreams_down(server) == 0


def test_reordered_and_repeated_packets_are_each_answered_once_and_right(scenario, network):
    link, knot, unbound = network
    server = scenario.server(f"forward . {knot} {unbound}")
    link.delay, link.reorder, link.duplicate = 0.02, 0.5, 0.3
    assert ask_everything(server, batch=100) == [0]
    with Channel(server.port, timeout=1) as channel:
        channel.ask("n1.example.org")
        with pytest.raises(TimeoutError):
            channel.receive()


@pytest.mark.parametrize("which", ["knot", "unbound"])
def test_where_long_datagrams_vanish_answers_are_short_or_come_over_tcp(scenario, network, which):
    link, knot, unbound = network
    server = scenario.server(f"forward . {knot if which == 'knot' else unbound}")
    link.datagram_max = 1232
    assert server.ask("big.example.org", tcp=True).data() == sorted(BIG)
    assert ask_everything(server) == [0]
    # And over UDP the client is told to come back over TCP, and need not wait for an upstream then.
    assert link.lost == 0


def test_a_lossy_line_carries_large_answers(scenario, network):
    link, knot, unbound = network
    server = scenario.server(f"cache\nforward . {knot} {unbound}")
    link.loss = 0.1
    answers = [server.ask("big.example.org", tcp=True, timeout=20) for _ in range(5)]
    assert any(answer.data() == sorted(BIG) for answer in answers), answers


def test_after_a_cut_of_the_line_names_are_answered_again(scenario, network):
    link, knot, unbound = network
    server = scenario.server(f"forward . {knot} {unbound}")
    assert ask_everything(server) == [0]
    link.loss = 1.0
    with Channel(server.port, timeout=20) as channel:
        assert {answer.rcode for answer in channel.ask_all([(name, "A") for name in list(ADDRESSES)[:50]])} == {"SERVFAIL"}
    link.loss = 0.0
    wait_until(lambda: server.ask("n1.example.org").rcode == "NOERROR", 20, "the line is mended")
    assert ask_everything(server)[-1] == 0
