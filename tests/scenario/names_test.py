"""What the names of a cluster answer, over the wire: objects, questions, expected replies."""

import pytest

from support import dns
from support.dig import dig, dig_all
from support.kube import endpoint_slice, namespace, service
from support.processes import run, tool
from support.upstream import address, nxdomain

ZONE = "cluster.local"
SHOP = f"shop.svc.{ZONE}"
ENDPOINTS = 1000

# EDNS sizes that are offered, and the octets that a UDP reply may have: 1,232 at most, 512 at least.
UDP_SIZES = {None: 512, 100: 512, 512: 512, 600: 600, 1232: 1232, 4096: 1232}


def objects():
    yield namespace("shop")
    yield namespace("empty")
    yield service("web", "shop", [("http", 80), ("dns", 53, "UDP")], clusterIP="10.96.7.1",
                  clusterIPs=["10.96.7.1", "fd00::1"], ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack")
    yield endpoint_slice("web-1", "web", "shop", ["10.244.0.9"])
    yield service("db", "shop", [("pg", 5432)], clusterIP="None")
    yield endpoint_slice(
        "db-1", "db", "shop",
        [{"addresses": ["10.244.0.1"], "hostname": "db-0"}, {"addresses": ["10.244.0.2"], "hostname": "db-1"}],
        [("pg", 5432)])
    yield service("idle", "shop", clusterIP="None")
    yield endpoint_slice("idle-1", "idle", "shop", [{"addresses": ["10.244.0.3"], "conditions": {"ready": False}}])
    yield service("big", "shop", [("x", 1)], clusterIP="None")
    yield endpoint_slice("big-1", "big", "shop", [f"10.1.{n // 250}.{n % 250}" for n in range(ENDPOINTS)], [("x", 1)])
    for name, target in {
            "out": "db.example.org", "gone": "nothing.example.org", "inside": f"web.{SHOP}",
            "nowhere": f"missing.{SHOP}", "round": f"trip.{SHOP}", "trip": f"round.{SHOP}"}.items():
        yield service(name, "shop", (), type="ExternalName", externalName=target)


@pytest.fixture(scope="module")
def server(shared):
    upstream = shared.upstream({"db.example.org.": address("192.0.2.7"), "nothing.example.org.": nxdomain()})
    cluster = shared.cluster(*objects())
    return shared.server(
        f"bind ::1\nforward . {upstream.target}", cluster, "pods insecure",
        zones=f"{ZONE} in-addr.arpa ip6.arpa")


# Name, type, RCODE, then the answer section as "TYPE data" (or "owner TYPE data" where it is not the question's name),
# then the additional section after "+". A negative answer has the SOA of the zone, and no other has.
NAMES = [
    # A ClusterIP Service.
    (f"web.{SHOP}", "A", "NOERROR", "A 10.96.7.1"),
    (f"web.{SHOP}", "AAAA", "NOERROR", "AAAA fd00::1"),
    (f"web.{SHOP}", "TXT", "NOERROR"),
    (f"web.{SHOP}", "HTTPS", "NOERROR"),
    ("web.other.svc.cluster.local", "A", "NXDOMAIN"),
    (f"a.web.{SHOP}", "A", "NXDOMAIN"),
    (f"10-244-0-9.web.{SHOP}", "A", "NOERROR", "A 10.244.0.9"),
    # SRV.
    (f"_http._tcp.web.{SHOP}", "SRV", "NOERROR", f"SRV 0 50 80 web.{SHOP}.", "+", f"web.{SHOP}. A 10.96.7.1",
     f"web.{SHOP}. AAAA fd00::1"),
    (f"http.tcp.web.{SHOP}", "SRV", "NOERROR", f"SRV 0 50 80 web.{SHOP}.", "+", f"web.{SHOP}. A 10.96.7.1",
     f"web.{SHOP}. AAAA fd00::1"),
    (f"_http._tcp.web.{SHOP}", "A", "NOERROR", "A 10.96.7.1"),
    (f"_http._udp.web.{SHOP}", "SRV", "NXDOMAIN"),
    (f"_tcp.web.{SHOP}", "SRV", "NOERROR"),
    (f"_http._tcp.10-244-0-9.web.{SHOP}", "SRV", "NXDOMAIN"),
    # A headless Service.
    (f"db.{SHOP}", "A", "NOERROR", "A 10.244.0.1", "A 10.244.0.2"),
    (f"db.{SHOP}", "AAAA", "NOERROR"),
    (f"db-1.db.{SHOP}", "A", "NOERROR", "A 10.244.0.2"),
    (f"_pg._tcp.db.{SHOP}", "SRV", "NOERROR", f"SRV 0 50 5432 db-0.db.{SHOP}.", f"SRV 0 50 5432 db-1.db.{SHOP}.", "+",
     f"db-0.db.{SHOP}. A 10.244.0.1", f"db-1.db.{SHOP}. A 10.244.0.2"),
    (f"idle.{SHOP}", "A", "NXDOMAIN"),
    # ExternalName.
    (f"out.{SHOP}", "CNAME", "NOERROR", "CNAME db.example.org."),
    (f"out.{SHOP}", "A", "NOERROR", "CNAME db.example.org.", "db.example.org. A 192.0.2.7"),
    (f"gone.{SHOP}", "A", "NOERROR", "CNAME nothing.example.org."),
    (f"inside.{SHOP}", "A", "NOERROR", f"CNAME web.{SHOP}.", f"web.{SHOP}. A 10.96.7.1"),
    (f"nowhere.{SHOP}", "A", "NOERROR"),
    (f"round.{SHOP}", "A", "NOERROR"),
    (f"out.{SHOP}", "SRV", "NOERROR"),
    (f"x.out.{SHOP}", "A", "NXDOMAIN"),
    # Between the zone and the Services (RFC 8020).
    ("svc.cluster.local", "A", "NOERROR"),
    ("pod.cluster.local", "A", "NOERROR"),
    ("dns.cluster.local", "A", "NOERROR"),
    ("shop.svc.cluster.local", "A", "NOERROR"),
    ("empty.svc.cluster.local", "TXT", "NOERROR"),
    ("other.svc.cluster.local", "A", "NXDOMAIN"),
    ("shop.pod.cluster.local", "A", "NOERROR"),
    ("other.cluster.local", "A", "NXDOMAIN"),
    ("cluster.local", "A", "NOERROR"),
    ("cluster.local", "NS", "NOERROR", "NS ns.dns.cluster.local.", "+", "ns.dns.cluster.local. A 127.0.0.1",
     "ns.dns.cluster.local. AAAA ::1"),
    ("ns.dns.cluster.local", "A", "NOERROR", "A 127.0.0.1"),
    ("dns-version.cluster.local", "TXT", "NOERROR", 'TXT "1.1.0"'),
    ("dns-version.cluster.local", "A", "NOERROR"),
    # Pods.
    ("10-244-0-7.shop.pod.cluster.local", "A", "NOERROR", "A 10.244.0.7"),
    ("fd00--7.shop.pod.cluster.local", "AAAA", "NOERROR", "AAAA fd00::7"),
    ("10-244-0-7.shop.pod.cluster.local", "AAAA", "NOERROR"),
    ("10-244-0-7.other.pod.cluster.local", "A", "NXDOMAIN"),
    ("web.shop.pod.cluster.local", "A", "NXDOMAIN"),
    ("10-244-0-300.shop.pod.cluster.local", "A", "NXDOMAIN"),
    ("x.10-244-0-7.shop.pod.cluster.local", "A", "NXDOMAIN"),
    # Reverse.
    ("1.7.96.10.in-addr.arpa", "PTR", "NOERROR", f"PTR web.{SHOP}."),
    ("1.0.244.10.in-addr.arpa", "PTR", "NOERROR", f"PTR db-0.db.{SHOP}."),
    ("1." + "0." * 27 + "0.0.d.f.ip6.arpa", "PTR", "NOERROR", f"PTR web.{SHOP}."),
    ("1.7.96.10.in-addr.arpa", "A", "NOERROR"),
    ("96.10.in-addr.arpa", "PTR", "NOERROR"),
    ("2.7.96.10.in-addr.arpa", "PTR", "NXDOMAIN"),
    # Labels that are no text, and the longest ones.
    (f"\\000.{SHOP}", "A", "NXDOMAIN"),
    (f"{'x' * 63}.{SHOP}", "A", "NXDOMAIN"),
    (".".join(["y" * 63] * 3 + ["z" * 40]) + ".cluster.local", "A", "NXDOMAIN"),
]


def zone_of(name):
    return next(zone for zone in (ZONE, "in-addr.arpa", "ip6.arpa") if name.endswith(zone)) + "."


def shown(records, owner):
    return sorted(f"{r.type} {r.data}" if r.name == owner else f"{r.name} {r.type} {r.data}" for r in records)


def faults_of(row, answer):
    """What is wrong with an answer, in words; empty when it is as expected."""
    name, type, rcode, *rest = row
    at = rest.index("+") if "+" in rest else len(rest)
    owner = name + "."
    expected = {"rcode": rcode, "answer": sorted(rest[:at]), "additional": sorted(rest[at + 1 :]),
                "authority": [] if rest else [f"{zone_of(name)} SOA"], "aa": True}
    got = {"rcode": answer.rcode, "answer": shown(answer.answer, owner), "additional": shown(answer.additional, owner),
           "authority": [f"{r.name} {r.type}" for r in answer.authority], "aa": "aa" in answer.flags}
    if name == zone_of(name)[:-1]:
        got["authority"] = [f"{zone_of(name)} {record.type}" for record in answer.authority]
    return [f"{name} {type}: {key} is {got[key]}, not {expected[key]}" for key in expected if got[key] != expected[key]]


@pytest.mark.parametrize("address, flags", [("127.0.0.1", ()), ("::1", ("+tcp",)), ("::1", ("+noedns",))])
def test_names_answer_as_the_specification_and_the_table_say(server, address, flags):
    answers = dig_all(server.port, [row[:2] for row in NAMES], *flags, address=address)
    faults = [fault for row, answer in zip(NAMES, answers) for fault in faults_of(row, answer)]
    assert not faults, "\n".join(faults)


def test_ttls_are_those_of_the_directive_and_the_fixed_ones(server):
    assert server.dig(f"web.{SHOP}").answer[0].ttl == 5
    assert server.dig("dns-version.cluster.local", "TXT").answer[0].ttl == 28800
    soa = server.dig(f"missing.{SHOP}").authority[0]
    assert (soa.ttl, soa.data.split()[3:]) == (5, ["7200", "1800", "86400", "5"])


def test_the_case_of_the_question_comes_back(server):
    answer = server.dig("WEB.shop.SVC.Cluster.LOCAL")
    assert answer.question.startswith("WEB.shop.SVC.Cluster.LOCAL.")
    assert [(r.name, r.data) for r in answer.answer] == [("WEB.shop.SVC.Cluster.LOCAL.", "10.96.7.1")]
    srv = server.dig("_HTTP._tcp.web.shop.svc.CLUSTER.local", "SRV")
    assert srv.data() == ["0 50 80 web.shop.svc.CLUSTER.local."]
    assert server.dig("missing.shop.svc.CLUSTER.local").authority[0].name == "CLUSTER.local."
    aliased = server.dig("OUT.Shop.svc.cluster.local")
    assert [(r.name, r.type) for r in aliased.answer] == [
        ("OUT.Shop.svc.cluster.local.", "CNAME"), ("db.example.org.", "A")]


@pytest.mark.parametrize("type", ["ANY", "AXFR", "CH"])
def test_what_is_not_served(server, type):
    if type == "ANY":
        assert server.ask(f"web.{SHOP}", "ANY").rcode == "NOERROR"
    elif type == "AXFR":
        assert server.ask(ZONE, "AXFR").rcode == "REFUSED"
        assert server.ask(ZONE, "AXFR", tcp=True).rcode == "REFUSED"
    else:
        assert server.dig("version.bind", "TXT", "-c", "CH").rcode == "REFUSED"


def test_edns_is_answered_and_a_later_version_is_badvers(server):
    assert server.dig(f"web.{SHOP}", "A", "+edns=1", "+noednsnegotiation").rcode == "BADVERS"
    # Unknown options and flags are ignored (RFC 6891 §6.1.2).
    assert server.dig(f"web.{SHOP}", "A", "+ednsopt=65001:0102", "+ednsflags=0x40").rcode == "NOERROR"
    assert server.dig(f"web.{SHOP}", "A", "+noedns").rcode == "NOERROR"


@pytest.mark.parametrize("reason, name", [
    ("no such Namespace", "web.other.svc.cluster.local"),
    ("no such Service", f"missing.{SHOP}"),
    ("no ready endpoints", f"idle.{SHOP}"),
    ("this address", "9.9.9.9.in-addr.arpa"),
])
def test_a_negative_answer_says_why(server, reason, name):
    answer = server.dig(name, "PTR" if name.endswith("arpa") else "A")
    assert answer.rcode == "NXDOMAIN"
    assert any(reason in text for _, text in answer.extended_errors), answer


@pytest.mark.parametrize("offered", UDP_SIZES)
def test_a_large_answer_is_cut_at_a_record_and_whole_over_tcp(server, offered):
    wire = dns.exchange(server.port, dns.encode_query(f"big.{SHOP}", udp_size=offered))
    answer = dns.decode(wire)  # parses to its last octet, so no record is cut in two
    assert "tc" in answer.flags
    limit = UDP_SIZES[offered]
    assert limit - 32 < len(wire) <= limit
    assert 0 < len(answer.answer) < ENDPOINTS


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("name, type", [(f"big.{SHOP}", "A"), (f"_x._tcp.big.{SHOP}", "SRV")])
def test_dig_falls_back_to_tcp_by_itself(server, name, type, address):
    assert "tc" in dig(server.port, name, type, "+ignore", address=address).flags
    # As text: dig 9.18's +yaml leaves out the header of large messages.
    shown = run([tool("dig"), f"@{address}", "-p", server.port, "+short", "+tries=1", name, type]).stdout
    assert len(set(shown.splitlines())) == ENDPOINTS
    whole = server.ask(name, type, address=address, tcp=True)
    assert (len(whole.answer), "tc" in whole.flags) == (ENDPOINTS, False)


def test_what_no_block_or_directive_answers_is_refused(shared):
    server = shared.server("", corefile="""example.org:{port} {
    bind 127.0.0.1
    ready 127.0.0.1:{ready}
}
""")
    for name in ("example.org", "example.com"):
        answer = server.dig(name)
        assert (answer.rcode, "aa" in answer.flags) == ("REFUSED", False)
