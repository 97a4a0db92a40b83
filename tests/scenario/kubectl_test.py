"""kubectl against kubesim, and a server that finds its cluster by the kubeconfig that both use."""

import subprocess

import pytest

from support import kube
from support.processes import run

NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"""

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: %s
  ports: [{name: http, port: 80}]
"""

SLICE = """
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.244.0.7], hostname: web-0}]
"""


@pytest.fixture
def kubectl(scenario, tmp_path):
    """A function that runs kubectl, with the simulator as its cluster."""
    folder = kube.assets()
    if not folder:
        pytest.skip("kubectl is not there: run tools/dev setup")
    kubeconfig = tmp_path / "kubeconfig"
    scenario.simulator = scenario.cluster(options=["--kubeconfig-out", kubeconfig])

    def kubectl(*arguments, manifest=None):
        return run([folder / "kubectl", f"--kubeconfig={kubeconfig}", *arguments], 60, True, manifest).stdout

    kubectl.program, kubectl.kubeconfig = folder / "kubectl", kubeconfig
    return kubectl


def test_kubectl_applies_lists_and_deletes_every_kind_and_answers_follow(scenario, kubectl):
    server = scenario.server(f"""kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubectl.kubeconfig}
}}""")
    name = "web.shop.svc.cluster.local"

    kubectl("apply", "-f", "-", manifest="---".join([NAMESPACE, SERVICE % "10.96.0.20", SLICE]))
    server.eventually(name, "A", ["10.96.0.20"])
    server.eventually("web-0." + name, "A", ["10.244.0.7"])
    assert "web-1" in kubectl("get", "endpointslices", "-n", "shop")
    assert "10.96.0.20" in kubectl("get", "services", "-A")
    assert kubectl("get", "service", "web", "-n", "shop", "-o", "jsonpath={.spec.ports[0].port}") == "80"

    kubectl("label", "service", "web", "-n", "shop", "tier=front")
    assert "web" in kubectl("get", "services", "-A", "-l", "tier=front", "-o", "name")

    kubectl("delete", "-f", "-", manifest=SLICE)
    server.eventually("web-0." + name, "A", "NXDOMAIN")
    kubectl("delete", "service", "web", "-n", "shop")
    server.eventually(name, "A", "NXDOMAIN")
    assert scenario.simulator.stats()["requests"]["list"]["services"] >= 1


def test_kubectl_watches(kubectl):
    kubectl("apply", "-f", "-", manifest=NAMESPACE)
    watch = subprocess.Popen(
        [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", "get", "services", "-n", "shop", "-w",
         "--output-watch-events"], stdout=subprocess.PIPE, text=True)
    try:
        kubectl("apply", "-f", "-", manifest=SERVICE % "10.96.0.21")
        lines = iter(watch.stdout.readline, "")
        assert any(line.split()[:2] == ["ADDED", "web"] for line in lines)
        kubectl("delete", "service", "web", "-n", "shop")
        assert any(line.split()[:2] == ["DELETED", "web"] for line in lines)
    finally:
        watch.kill()
        watch.wait()
