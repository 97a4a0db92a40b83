"""What upstreams send that no upstream should: SERVFAIL with the reason at worst, and everything else goes on."""

import random
import struct
import threading

import pytest

from support import dns
from support.dns import Channel
from support.kube import namespace, service
from support.upstream import Reply, address

DEADLINE_SECONDS = 5
RSS_GROWTH_KILOBYTES_MAX = 4 * 1024
GOOD = "www.example.org"
WRONG = "198.51.100.66"
CLUSTER_NAME = "web.shop.svc.cluster.local"


def record(owner, type, rdata, ttl=60):
    return owner + struct.pack("!HHIH", dns.TYPES[type], 1, ttl, len(rdata)) + rdata


def raw(*records, counts=None, tail=b""):
    """A reply with the right id and question, and these octets as its answer section."""

    def build(query):
        header = struct.pack("!6H", query.identifier, 0x8180, *(counts or (1, len(records), 0, 0)))
        _, end = dns.decode_name(query.wire, 12)
        question = query.wire[12:end + 4]
        return Reply(raw=header + question + b"".join(records) + tail)

    return build


def question(name, identifier_too=True):
    def build(query):
        header = struct.pack("!6H", query.identifier, 0x8180, 1, 0, 0, 0)
        return Reply(raw=header + name + struct.pack("!HH", dns.TYPES["A"], 1))

    return build


def over_tcp(reply):
    """Truncated over UDP, so that TCP is tried."""
    return lambda query: Reply(truncated=True) if query.transport == "udp" else reply


def in_another_case(query):
    return address("192.0.2.1", question=query.name.swapcase())


def random_octets(query):
    return Reply(raw=query.wire[:2] + b"\x81\x80" + random.Random(7).randbytes(600))


def chain(length):
    names = ["@", *(f"c{number}.example.org." for number in range(length))]
    records = [(names[i], "CNAME", 60, names[i + 1]) for i in range(length)]
    return Reply([*records, (names[-1], "A", 60, "192.0.2.1")])


POINTER = b"\xc0\x0c"
A = record(POINTER, "A", b"\xc0\x00\x02\x01")
LONG = b"\x3f" + b"x" * 63
# One after the other points at the name before it, so that the last one has far more than 255 octets.
GROWING = [record(b"\x3f" + b"y" * 63 + POINTER, "A", b"\xc0\x00\x02\x01")] * 2

# Name, what the upstream says, the RCODE over UDP (then over TCP, where it differs).
FAULTS = {
    "another-id": (lambda query: address(WRONG, identifier=query.identifier ^ 1), "SERVFAIL"),
    "another-name": (address(WRONG, question="evil.example.org."), "SERVFAIL"),
    "another-case": (in_another_case, "NOERROR"),
    "no-question": (lambda query: Reply(raw=struct.pack("!6H", query.identifier, 0x8180, 0, 0, 0, 0)), "SERVFAIL"),
    "two-questions": (raw(struct.pack("!BHH", 0, 1, 1), counts=(2, 0, 0, 0)), "SERVFAIL"),
    "question-loop": (question(POINTER), "SERVFAIL"),
    "question-forward": (question(b"\xc0\x0e\x00"), "SERVFAIL"),
    "cut-short": (raw(A[:-2]), "SERVFAIL"),
    "header-alone": (lambda query: Reply(raw=query.wire[:2] + b"\x81\x80"), "SERVFAIL"),
    "more-counted": (raw(A, counts=(1, 9, 9, 9)), "SERVFAIL"),
    "more-there": (raw(A, tail=b"more"), "SERVFAIL"),
    "owner-loop": (raw(record(b"\xc0\x2e", "A", b"\xc0\x00\x02\x01") * 3, counts=(1, 3, 0, 0)), "SERVFAIL"),
    "owner-forward": (raw(record(b"\xff\xff", "A", b"\xc0\x00\x02\x01")), "SERVFAIL"),
    "owner-too-long": (raw(record(LONG * 4 + b"\x00", "A", b"\xc0\x00\x02\x01")), "SERVFAIL"),
    "label-type": (raw(record(b"\x80\x00", "A", b"\xc0\x00\x02\x01")), "SERVFAIL"),
    "rdata-beyond": (raw(POINTER + struct.pack("!HHIH", 1, 1, 60, 4000) + b"\x01"), "SERVFAIL"),
    "opt-in-answer": (raw(b"\x00" + struct.pack("!HHIH", 41, 1232, 0, 0)), "SERVFAIL"),
    "random-octets": (random_octets, "SERVFAIL"),
    "always-truncated": (Reply(truncated=True), "NOERROR"),
    "hundred-aliases": (over_tcp(chain(100)), "NOERROR"),
    "alias-loop": (Reply([("@", "CNAME", 60, "@")]), "NOERROR"),
    "64-kilobytes": (over_tcp(address(*(f"10.{n // 62500}.{n // 250 % 250}.{n % 250 + 1}" for n in range(4080)))),
                     "NOERROR"),
    "datagram-of-60000": (raw(*[A] * 3700), "NOERROR", "NOERROR"),
    "one-octet-a-second": (over_tcp(address("192.0.2.1", pace=1)), "NOERROR", "SERVFAIL"),
    "length-0": (over_tcp(Reply(stream=b"\x00\x00")), "NOERROR", "SERVFAIL"),
    "length-of-more": (over_tcp(Reply(stream=b"\xff\xff\x00\x01")), "NOERROR", "SERVFAIL"),
    "stream-of-noise": (over_tcp(Reply(stream=b"\x5a" * 70000)), "NOERROR", "SERVFAIL"),
}


# What breaks a stream ends the other questions on it, so these have an upstream of their own.
STREAMS = ("one-octet-a-second", "length-0", "length-of-more", "stream-of-noise")


def name_of(fault):
    return f"{fault}.stream.test" if fault in STREAMS else f"{fault}.example.org"


def scripts(faults):
    return {f"{name_of(fault)}.": FAULTS[fault][0] for fault in faults}


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream({f"{GOOD}.": address("192.0.2.7")} | scripts(set(FAULTS) - set(STREAMS)))


@pytest.fixture(scope="module")
def server(shared, upstream):
    cluster = shared.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.7"))
    streams = shared.upstream(scripts(STREAMS))
    return shared.server(f"cache\nforward stream.test {streams.target}\nforward . {upstream.target}", cluster)


@pytest.fixture(scope="module")
def answers(server):
    """To every fault over UDP and TCP, all asked at once; meanwhile what is well must be answered."""
    outcome = {}

    def ask(fault, tcp):
        outcome[fault, tcp] = server.ask(name_of(fault), tcp=tcp, timeout=DEADLINE_SECONDS + 10)

    threads = [threading.Thread(target=ask, args=(fault, tcp)) for fault in FAULTS for tcp in (False, True)]
    for thread in threads:
        thread.start()
    goods = 0
    while any(thread.is_alive() for thread in threads):
        assert server.ask(GOOD, timeout=DEADLINE_SECONDS).data() == ["192.0.2.7"]
        assert server.ask(CLUSTER_NAME, timeout=DEADLINE_SECONDS).data() == ["10.96.0.7"]
        goods += 1
    assert goods > 10
    return outcome


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_a_faulty_upstream_is_servfail_with_the_reason_at_worst(answers, fault, tcp):
    answer = answers[fault, tcp]
    assert answer.rcode == FAULTS[fault][1:][-1 if tcp else 0]
    assert WRONG not in answer.data()
    if answer.rcode == "SERVFAIL":
        assert answer.extended_errors and answer.extended_errors[0][1], answer


def test_what_can_be_used_is_passed_on(answers):
    assert answers["another-case", False].data() == ["192.0.2.1"]
    assert len(answers["hundred-aliases", True].answer) == 101
    assert len(answers["64-kilobytes", True].answer) == 4080
    assert "tc" in answers["64-kilobytes", False].flags
    assert "tc" in answers["one-octet-a-second", False].flags


def test_faulty_replies_do_not_grow_the_server(scenario, upstream):
    # Those that end at once; the others wait for their time and are no more than what waits.
    quick = [fault for fault, row in FAULTS.items() if fault in (
        "cut-short", "more-counted", "more-there", "owner-loop", "owner-forward", "owner-too-long", "label-type",
        "rdata-beyond", "opt-in-answer", "alias-loop", "always-truncated")]
    # Without a cache, which would remember them.
    server = scenario.server(f"forward . {upstream.target} {{\n    max_fails 0\n}}")
    sizes = []
    for _ in range(4):
        with Channel(server.port, timeout=DEADLINE_SECONDS + 5) as channel:
            for _ in range(25):
                channel.ask_all([(name_of(fault), "A") for fault in quick])
        sizes.append(server.process.rss_kilobytes())
    assert server.ask(GOOD).data() == ["192.0.2.7"]
    if not server.process.has_sanitizer():
        assert sizes[-1] - sizes[0] < RSS_GROWTH_KILOBYTES_MAX, sizes
