"""metadata: what is known about a query, as `debug` shows it."""

from support.kube import namespace, pod, service
from support.processes import wait_until
from support.upstream import address


def test_debug_shows_the_metadata_of_each_query(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.80")})
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"),
                               pod("client-0", "shop", "127.0.0.5"))
    server = scenario.server(f"metadata\ndebug\ncache\nforward . {upstream.target}", cluster, "pods verified")

    def expect(question, values):
        wait_until(lambda: any(
            line.startswith(f"[DEBUG] metadata: {question} from 127.0.0.5:") and line.endswith(f": {values}")
            for line in server.output().splitlines()), 5, lambda: f"{question}: {values} in\n{server.output()}")

    client = "kubernetes/client-namespace=shop kubernetes/client-pod-name=client-0"
    server.dig("web.shop.svc.cluster.local", "A", "-b", "127.0.0.5")
    expect("web.shop.svc.cluster.local. A",
           f"{client} kubernetes/service=web kubernetes/namespace=shop kubernetes/kind=svc")
    server.dig("www.example.org", "A", "-b", "127.0.0.5")
    expect("www.example.org. A", f"{client} forward/upstream={upstream.target}")
    # A Pod that is made anew has another name, at the same address.
    cluster.delete(pod("client-0", "shop"))
    cluster.apply(pod("client-1", "shop", "127.0.0.5"), service("mark", "shop", clusterIP="10.96.0.9"))
    server.eventually("mark.shop.svc.cluster.local", "A", ["10.96.0.9"])
    server.dig("nothing.cluster.local", "A", "-b", "127.0.0.5")
    expect("nothing.cluster.local. A", "kubernetes/client-namespace=shop kubernetes/client-pod-name=client-1 "
           "kubernetes/parse-error=invalid query name")


def test_without_metadata_nothing_is_shown(scenario):
    server = scenario.server("debug\nforward . 127.0.0.1", scenario.cluster(namespace("shop")), "pods verified")
    server.dig("web.shop.svc.cluster.local")
    assert "metadata:" not in server.output()
