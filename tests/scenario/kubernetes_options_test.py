"""The options of `kubernetes`: what each of them hides, shows or names differently, over the wire."""

import pytest

from support.kube import endpoint_slice, namespace, service
from support.processes import wait_until
from support.upstream import address

ZONE = "cluster.local"


def labelled(manifest, **labels):
    manifest["metadata"].setdefault("labels", {}).update(labels)
    return manifest


def objects():
    yield namespace("shop", team="red")
    yield namespace("bank", team="blue", stage="qa")
    yield labelled(service("web", "shop", clusterIP="10.96.7.1"), tier="front")
    yield labelled(endpoint_slice("web-1", "web", "shop", ["10.244.0.9"]), tier="front")
    yield labelled(service("vault", "bank", clusterIP="10.96.7.2"), tier="back")
    yield service("bare", "bank", clusterIP="10.96.7.3")
    yield labelled(service("db", "bank", [("pg", 5432)], clusterIP="None"), tier="back")
    # Two slices of one Service, of which a selector may see one.
    yield labelled(endpoint_slice("db-1", "db", "bank", [
        {"addresses": ["10.244.0.1"], "targetRef": {"kind": "Pod", "name": "db-pod-a"}},
        {"addresses": ["10.244.0.2"], "hostname": "second", "targetRef": {"kind": "Pod", "name": "db-pod-b"}},
    ], [("pg", 5432)]), tier="back")
    yield labelled(endpoint_slice("db-2", "db", "bank", ["10.244.0.3"], [("pg", 5432)]), tier="other")


@pytest.fixture(scope="module")
def cluster(shared):
    return shared.cluster(*objects())


# Names, and what they answer without any option: addresses, or PTR targets.
PLAIN = {
    "web.shop.svc.cluster.local": ["10.96.7.1"],
    "10-244-0-9.web.shop.svc.cluster.local": ["10.244.0.9"],
    "vault.bank.svc.cluster.local": ["10.96.7.2"],
    "bare.bank.svc.cluster.local": ["10.96.7.3"],
    "db.bank.svc.cluster.local": ["10.244.0.1", "10.244.0.2", "10.244.0.3"],
    "10-244-0-1.db.bank.svc.cluster.local": ["10.244.0.1"],
    "second.db.bank.svc.cluster.local": ["10.244.0.2"],
    "10-244-0-3.db.bank.svc.cluster.local": ["10.244.0.3"],
    "db-pod-a.db.bank.svc.cluster.local": "NXDOMAIN",
    "db-pod-b.db.bank.svc.cluster.local": "NXDOMAIN",
    "shop.svc.cluster.local": [],
    "bank.svc.cluster.local": [],
    "10.96.7.1": ["web.shop.svc.cluster.local."],
    "10.96.7.2": ["vault.bank.svc.cluster.local."],
    "10.96.7.3": ["bare.bank.svc.cluster.local."],
    "10.244.0.1": ["10-244-0-1.db.bank.svc.cluster.local."],
    "10.244.0.2": ["second.db.bank.svc.cluster.local."],
    "10.244.0.9": ["10-244-0-9.web.shop.svc.cluster.local."],
}

GONE = "NXDOMAIN"
NO_SHOP = {
    "web.shop.svc.cluster.local": GONE, "10-244-0-9.web.shop.svc.cluster.local": GONE, "shop.svc.cluster.local": GONE,
    "10.96.7.1": GONE, "10.244.0.9": GONE,
}
NO_BANK = {
    name: GONE for name, answer in PLAIN.items()
    if ".bank." in f".{name}" or any(".bank." in record for record in answer)}
NO_OTHER_SLICE = {
    "db.bank.svc.cluster.local": ["10.244.0.1", "10.244.0.2"], "10-244-0-3.db.bank.svc.cluster.local": GONE}

# Options, and what they change.
OPTIONS = {
    "": {},
    "namespaces shop": NO_BANK,
    "namespaces bank other": NO_SHOP,
    "namespaces shop bank": {},
    "namespace_labels team=red": NO_BANK,
    "namespace_labels team!=red": NO_SHOP,
    "namespace_labels team in (blue, green),stage": NO_SHOP,
    "namespace_labels !stage": NO_BANK,
    "namespace_labels nobody=here": NO_SHOP | NO_BANK,
    "labels tier=front": {name: answer for name, answer in NO_BANK.items() if name != "bank.svc.cluster.local"},
    "labels tier in (front, back)": {
        "bare.bank.svc.cluster.local": GONE, "10.96.7.3": GONE, **NO_OTHER_SLICE},
    "noendpoints": {
        "10-244-0-9.web.shop.svc.cluster.local": GONE, "db.bank.svc.cluster.local": GONE,
        "10-244-0-1.db.bank.svc.cluster.local": GONE, "second.db.bank.svc.cluster.local": GONE,
        "10-244-0-3.db.bank.svc.cluster.local": GONE, "10.244.0.1": GONE, "10.244.0.2": GONE, "10.244.0.9": GONE},
    # What has endpoints stays; headless Services are not looked at.
    "ignore empty_service": {
        "vault.bank.svc.cluster.local": GONE, "bare.bank.svc.cluster.local": GONE},
    "endpoint_pod_names": {
        "10-244-0-1.db.bank.svc.cluster.local": GONE, "db-pod-a.db.bank.svc.cluster.local": ["10.244.0.1"],
        "10.244.0.1": ["db-pod-a.db.bank.svc.cluster.local."]},
}


def answer_of(server, name):
    """The data of an answer, sorted, or its RCODE where that is not NOERROR."""
    if name[0].isdigit() and name.count(".") == 3:
        answer = server.ask(".".join(reversed(name.split("."))) + ".in-addr.arpa", "PTR")
    else:
        answer = server.ask(name)
    return answer.data() if answer.rcode == "NOERROR" else answer.rcode


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_these_names_and_no_others(scenario, cluster, option):
    server = scenario.server("", cluster, option)
    expected = PLAIN | OPTIONS[option]
    assert {name: answer_of(server, name) for name in expected} == expected


def test_a_label_that_comes_or_goes_shows_or_hides_an_object(scenario):
    cluster = scenario.cluster(*objects())
    server = scenario.server("", cluster, "labels tier=front")
    hidden = service("bare", "bank", clusterIP="10.96.7.3")
    name = "bare.bank.svc.cluster.local"
    assert answer_of(server, name) == "NXDOMAIN"
    cluster.apply(labelled(hidden, tier="front"))
    wait_until(lambda: answer_of(server, name) == ["10.96.7.3"], 10, "the Service is served")
    hidden["metadata"]["labels"] = {}
    cluster.apply(hidden)
    wait_until(lambda: answer_of(server, name) == "NXDOMAIN", 10, "the Service is hidden")
    assert answer_of(server, "10.96.7.3") == "NXDOMAIN"


def test_a_label_that_comes_or_goes_shows_or_hides_a_namespace(scenario):
    cluster = scenario.cluster(*objects())
    server = scenario.server("", cluster, "namespace_labels team=blue")
    assert answer_of(server, "10.96.7.1") == "NXDOMAIN"
    cluster.apply(namespace("shop", team="blue"))
    wait_until(lambda: answer_of(server, "web.shop.svc.cluster.local") == ["10.96.7.1"], 10, "the Namespace is served")
    assert answer_of(server, "10.244.0.9") == ["10-244-0-9.web.shop.svc.cluster.local."]
    cluster.apply(namespace("shop"))
    wait_until(lambda: answer_of(server, "web.shop.svc.cluster.local") == "NXDOMAIN", 10, "the Namespace is hidden")
    wait_until(lambda: answer_of(server, "10.244.0.9") == "NXDOMAIN", 10, "its PTR records are hidden")


def test_another_selector_in_the_corefile_is_in_force_after_a_reload(scenario, cluster):
    server = scenario.server("", cluster, "labels tier=front")
    assert answer_of(server, "vault.bank.svc.cluster.local") == "NXDOMAIN"
    server.write_corefile(server.corefile_path.read_text().replace("tier=front", "tier=back"))
    server.reload()
    wait_until(lambda: answer_of(server, "vault.bank.svc.cluster.local") == ["10.96.7.2"], 10, "the new selector")
    assert answer_of(server, "web.shop.svc.cluster.local") == "NXDOMAIN"


@pytest.mark.parametrize("ttl, soa_ttl", [(0, 0), (30, 30), (3600, 300)])
def test_ttl_is_that_of_all_records_and_the_soa_has_at_most_300(scenario, cluster, ttl, soa_ttl):
    server = scenario.server("", cluster, f"ttl {ttl}")
    assert server.ask("web.shop.svc.cluster.local").answer[0].ttl == ttl
    srv = server.ask("_pg._tcp.db.bank.svc.cluster.local", "SRV")
    assert {record.ttl for record in srv.answer + srv.additional} == {ttl}
    assert server.ask("1.7.96.10.in-addr.arpa", "PTR").answer[0].ttl == ttl
    soa = server.ask("missing.shop.svc.cluster.local").authority[0]
    assert (soa.ttl, soa.data.split()[-1]) == (soa_ttl, str(ttl))


def test_fallthrough_is_for_names_that_do_not_exist_in_its_zones(scenario, cluster):
    elsewhere = {name: address("192.0.2.7") for name in (
        "missing.shop.svc.cluster.local.", "web.shop.svc.cluster.local.", "shop.svc.cluster.local.",
        "missing.bank.svc.cluster.local.", "9.9.9.10.in-addr.arpa.")}
    upstream = scenario.upstream(elsewhere)
    forward = f"forward . {upstream.target}"
    everywhere = scenario.server(forward, cluster, "fallthrough")
    in_shop = scenario.server(forward, cluster, "fallthrough shop.svc.cluster.local")
    nowhere = scenario.server(forward, cluster)
    answers = {name: [server.ask(name).data() for server in (everywhere, in_shop, nowhere)] for name in elsewhere}
    assert answers == {
        "missing.shop.svc.cluster.local.": [["192.0.2.7"], ["192.0.2.7"], []],
        "web.shop.svc.cluster.local.": [["10.96.7.1"]] * 3,
        "shop.svc.cluster.local.": [[], [], []],  # NODATA does not fall through
        "missing.bank.svc.cluster.local.": [["192.0.2.7"], [], []],
        "9.9.9.10.in-addr.arpa.": [["192.0.2.7"], [], []],
    }
    assert "aa" not in everywhere.ask("missing.shop.svc.cluster.local").flags


def test_an_endpoint_that_moves_to_another_zone_is_found_there_and_the_rest_does_not_change(scenario):
    def slice_in(*zones):
        return endpoint_slice("db-1", "db", "bank", [
            {"addresses": [f"10.244.0.{n}"], "hostname": f"db-{n}", "zone": zone}
            for n, zone in enumerate(zones, 1)], [("pg", 5432)])

    cluster = scenario.cluster(namespace("bank"), service("db", "bank", [("pg", 5432)], clusterIP="None"),
                               slice_in("north", "north", "south.example"))
    server = scenario.server("", cluster, "zonal")
    names = [f"{zone}.{how}._zone.db.bank.svc.{ZONE}" for zone in ("north", "South.Example") for how in ("pin", "prefer")]
    everyone = ["10.244.0.1", "10.244.0.2", "10.244.0.3"]
    assert [answer_of(server, name) for name in names] == [
        everyone[:2], everyone[:2], everyone[2:], everyone[2:]]
    srv = server.ask(f"south.example.pin._zone.db.bank.svc.{ZONE}", "SRV")
    assert srv.data() == [f"0 100 5432 db-3.db.bank.svc.{ZONE}."]
    cluster.apply(slice_in("north", "north", "north"))
    wait_until(lambda: answer_of(server, names[0]) == everyone, 10, "three endpoints in the north")
    assert [answer_of(server, name) for name in names] == [everyone, everyone, [], everyone]
    assert answer_of(server, f"db.bank.svc.{ZONE}") == everyone
    without = scenario.server("", cluster)
    assert {answer_of(without, name) for name in names} == {"NXDOMAIN"}
