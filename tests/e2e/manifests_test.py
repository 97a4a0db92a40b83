"""deploy/kustomize against a real API server: it applies, it is admitted, it grants what the server needs."""


import pytest
import yaml

from support import fairlead
from support.kube import KUSTOMIZE, namespace
from support.processes import run

ACCOUNT = "system:serviceaccount:kube-system:coredns"


@pytest.fixture(scope="module")
def applied(control_plane):
    # Twice: an apply that is repeated must not fail on fields that cannot change.
    for _ in range(2):
        control_plane.kubectl("apply", "-k", str(KUSTOMIZE), "--validate=strict")
    return control_plane


@pytest.fixture(scope="module")
def deployment(applied):
    return applied.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns")


def allowed(plane, verb, resource):
    return plane.kubectl("auth", "can-i", verb, resource, "-A", f"--as={ACCOUNT}", check=False).strip() == "yes"


def test_the_account_may_list_and_watch_what_dns_needs_and_no_more(applied):
    for resource in ("services", "pods", "namespaces", "endpointslices.discovery.k8s.io"):
        assert allowed(applied, "list", resource) and allowed(applied, "watch", resource)
        assert not allowed(applied, "delete", resource)
    assert not allowed(applied, "list", "secrets")


def test_the_service_has_the_address_and_the_ports_of_cluster_dns(applied):
    spec = applied.get("/api/v1/namespaces/kube-system/services/kube-dns")["spec"]
    assert spec["clusterIP"] == "10.96.0.10"
    ports = {port["name"]: (port["port"], port["protocol"]) for port in spec["ports"]}
    assert ports == {"dns": (53, "UDP"), "dns-tcp": (53, "TCP"), "metrics": (9153, "TCP")}


def test_service_and_budget_select_the_pods_of_the_deployment(applied, deployment):
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    service = applied.get("/api/v1/namespaces/kube-system/services/kube-dns")
    budget = applied.get("/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets/coredns")
    for selector in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    names = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= names
    assert {container["livenessProbe"]["httpGet"]["port"], container["readinessProbe"]["httpGet"]["port"]} <= names


def test_the_pod_is_admitted_where_the_restricted_standard_is_enforced(applied, deployment):
    applied.apply(namespace("strict", **{"pod-security.kubernetes.io/enforce": "restricted"}))
    spec = dict(deployment["spec"]["template"]["spec"])
    # The priority is reserved for kube-system; it is not what this test is about.
    spec.pop("priorityClassName")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dns", "namespace": "strict"}, "spec": spec}
    applied.kubectl("create", "--dry-run=server", "-f", "-", manifests=[pod])
    spec["securityContext"] = {}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        applied.kubectl("create", "--dry-run=server", "-f", "-", manifests=[pod])


def test_the_corefile_is_valid(applied, tmp_path):
    reason = fairlead.missing("fairlead")
    if reason:
        pytest.skip(reason)
    corefile = applied.get("/api/v1/namespaces/kube-system/configmaps/coredns")["data"]["Corefile"]
    (tmp_path / "Corefile").write_text(corefile)
    run([fairlead.program("fairlead"), "-check", "-conf", tmp_path / "Corefile"])


def test_every_file_of_the_folder_is_part_of_the_kustomization():
    listed = yaml.safe_load((KUSTOMIZE / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(path.name for path in KUSTOMIZE.glob("*.yaml") if path.name != "kustomization.yaml")
