"""autopath: the server walks the search list of the pod that asks, known by its address."""

import pytest

from support.kube import namespace, pod, service
from support.upstream import address

ZONE = "cluster.local"
SHOP, LAB, STRANGER = "127.0.0.5", "127.0.0.6", "127.0.0.7"


@pytest.fixture(scope="module")
def upstream(shared):
    return shared.upstream({"www.example.org.": address("192.0.2.80"), "intranet.corp.example.": address("192.0.2.81")})


@pytest.fixture(scope="module")
def cluster(shared):
    return shared.cluster(
        namespace("shop"), namespace("lab"), service("web", "shop", clusterIP="10.96.0.1"),
        service("db", "lab", clusterIP="10.96.0.2"),
        service("out", "shop", (), type="ExternalName", externalName="www.example.org"),
        pod("web-0", "shop", SHOP), pod("job", "lab", LAB))


@pytest.fixture(scope="module")
def server(shared, cluster, upstream):
    return shared.server(f"autopath @kubernetes\nloadbalance\ncache 30\nforward . {upstream.target}", cluster,
                         "pods verified")


def ask(server, name, type="A", client=SHOP, *flags):
    return server.dig(name, type, "-b", client, *flags)


@pytest.mark.parametrize("flags", [(), ("+tcp",)])
def test_names_are_searched_for_the_pod_that_asks(server, flags):
    for name, client, *expected in [
            ("web.shop.svc", SHOP, "A 10.96.0.1"),
            ("db.lab.shop.svc", SHOP, f"CNAME db.lab.svc.{ZONE}.", "A 10.96.0.2"),
            ("www.example.org.shop.svc", SHOP, "CNAME www.example.org.", "A 192.0.2.80"),
            ("www.example.org.lab.svc", LAB, "CNAME www.example.org.", "A 192.0.2.80"),
            ("out.shop.svc", SHOP, "CNAME www.example.org.", "A 192.0.2.80"),
            # Not the search list of that client, or of none at all.
            ("www.example.org.lab.svc", SHOP, "NXDOMAIN"),
            ("www.example.org.shop.svc", LAB, "NXDOMAIN"),
            ("www.example.org.shop.svc", STRANGER, "NXDOMAIN"),
            ("nothing.example.org.shop.svc", SHOP, "NXDOMAIN")]:
        answer = ask(server, f"{name}.{ZONE}", "A", client, *flags)
        seen = [f"{record.type} {record.data}" for record in answer.answer] or [answer.rcode]
        assert seen == expected, f"{name} from {client}: {answer}"
        assert all(record.name == f"{name}.{ZONE}." for record in answer.answer[:1])


def test_a_reply_without_records_is_a_reply(server):
    answer = ask(server, f"db.lab.shop.svc.{ZONE}", "AAAA")
    assert answer.rcode == "NOERROR" and not answer.answer


def test_what_is_found_counts(server):
    def successes():
        return sum(value for name, value in server.metrics().items() if name.startswith("coredns_autopath_success"))

    before = successes()
    ask(server, f"www.example.org.shop.svc.{ZONE}")
    ask(server, f"nothing.example.org.shop.svc.{ZONE}")
    assert successes() == before + 1
    assert any(name.startswith('coredns_autopath_success_total{server="dns://') for name in server.metrics())


def test_a_pod_that_moves_takes_its_search_list_along(scenario, cluster, server):
    name = f"www.example.org.shop.svc.{ZONE}"
    moved = "127.0.0.9"
    assert ask(server, name, "A", moved).rcode == "NXDOMAIN"
    cluster.apply(pod("mover", "shop", moved), service("mark", "shop", clusterIP="10.96.0.9"))
    server.eventually(f"127-0-0-9.shop.pod.{ZONE}", "A", [moved])
    assert ask(server, name, "A", moved).data("A") == ["192.0.2.80"]
    cluster.delete(pod("mover", "shop", moved))
    server.eventually(f"127-0-0-9.shop.pod.{ZONE}", "A", "NXDOMAIN")
    assert ask(server, name, "A", moved).rcode == "NXDOMAIN"


def test_the_list_of_a_file_is_everyones(scenario, cluster, upstream, tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(f"search corp.example svc.{ZONE}\nnameserver 127.0.0.1\n")
    server = scenario.server(f"autopath {path}\nforward . {upstream.target}", cluster)
    assert ask(server, "intranet.corp.example").data() == ["192.0.2.81"]
    assert [record.type for record in ask(server, "www.example.org.corp.example").answer] == ["CNAME", "A"]
    assert ask(server, "db.lab.corp.example").data("CNAME") == [f"db.lab.svc.{ZONE}."]
    assert ask(server, "nothing.corp.example").rcode == "NXDOMAIN"


def test_without_verified_pods_there_is_a_warning_and_no_search(scenario, cluster, upstream):
    server = scenario.server(f"autopath @kubernetes\nforward . {upstream.target}", cluster, "pods insecure")
    assert "'autopath @kubernetes' does nothing without 'pods verified'" in server.output()
    assert ask(server, f"www.example.org.shop.svc.{ZONE}").rcode == "NXDOMAIN"


def test_a_file_that_is_not_there_is_an_error(scenario):
    server = scenario.server("autopath /nonexistent/resolv.conf\nforward . 127.0.0.1", start=False)
    process = server.launch()
    assert process.wait(20) == 1
    assert "autopath: cannot read /nonexistent/resolv.conf" in process.output()
