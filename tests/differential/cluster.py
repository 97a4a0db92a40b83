"""The objects that both servers answer from: every kind of Service, slice, Pod and Namespace that the real API server
lets in and that DNS might treat in its own way.

Addresses are fixed, so that a question and its answer are the same in every run and a difference can be asked for
again.
"""

from support.kube import endpoint_slice, namespace, service
from support.processes import wait_until

# Addresses of loopback, from which the tests ask as a Pod would (autopath), and at which the servers listen.
POD_CLIENT = "127.0.0.2"
DUAL = {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"]}
# In protobuf's order of a Service's ports.
TCP, UDP, SCTP = "TCP", "UDP", "SCTP"
LONG_NAME = "a" + "b" * 61 + "c"

NAMESPACES = [
    namespace("shop", team="shop", tier="front"),
    namespace("team-a", team="a", tier="back"),
    namespace("team-b", team="b", tier="back"),
    namespace("empty"),
    namespace("leaving"),
    # Names that are also labels of the name tree.
    namespace("svc"),
    namespace("pod"),
    namespace("dns"),
    namespace("10-0-0-1"),
    namespace("n" + "x" * 61 + "y"),
]


def labelled(object, **labels):
    object["metadata"].setdefault("labels", {}).update(labels)
    return object


def four(number):
    return f"10.96.{number // 250 + 1}.{number % 250 + 1}"


def six(number):
    return f"fd00:10:96::1:{number:x}"


def cluster_ip(name, number, namespace="shop", families="4", **spec):
    addresses = {
        "4": [four(number)],
        "6": [six(number)],
        "46": [four(number), six(number)],
        "64": [six(number), four(number)],
    }
    families_of = {"4": "IPv4", "6": "IPv6"}
    return service(
        name,
        namespace,
        clusterIP=addresses[families][0],
        clusterIPs=addresses[families],
        ipFamilies=[families_of[family] for family in families],
        ipFamilyPolicy="RequireDualStack" if len(families) == 2 else "SingleStack",
        **spec,
    )


def headless(name, namespace="shop", **spec):
    return service(name, namespace, clusterIP="None", **spec)


def external_name(name, target, namespace="shop", ports=()):
    return service(name, namespace, ports=ports, type="ExternalName", externalName=target)


def pod_ref(name, namespace="shop"):
    return {"targetRef": {"kind": "Pod", "name": name, "namespace": namespace}}


MANY_PORTS = [(f"p{number}", 9000 + number, TCP if number % 2 else UDP) for number in range(24)]

SERVICES = [
    # ClusterIP, NodePort and LoadBalancer, one family and both.
    cluster_ip("web", 1),
    cluster_ip("web6", 2, families="6"),
    cluster_ip("dual", 3, families="46"),
    cluster_ip("dual64", 4, families="64"),
    cluster_ip("node", 5, type="NodePort"),
    cluster_ip("balancer", 6, type="LoadBalancer", families="46"),
    cluster_ip("balancer-name", 7, type="LoadBalancer"),
    cluster_ip("pending", 8, type="LoadBalancer"),
    cluster_ip("balancer-both", 15, type="LoadBalancer"),
    cluster_ip("outside-ips", 9, externalIPs=["198.51.100.9", "198.51.100.10"]),
    cluster_ip(
        "outside-ports",
        16,
        families="46",
        externalIPs=["198.51.100.11", "2001:db8::11"],
        ports=[("dns", 53, UDP), ("dns-tcp", 53, TCP), ("http", 80)],
    ),
    # One external address under two Services, and one that is also inside.
    cluster_ip("outside-shared", 17, externalIPs=["198.51.100.9"], ports=[("", 80)]),
    headless("outside-headless", externalIPs=["198.51.100.12"]),
    # Ports: without a name, of all protocols, of one number, many.
    cluster_ip("unnamed", 10, ports=[("", 80)]),
    cluster_ip("protocols", 11, ports=[("dns", 53, UDP), ("dns-tcp", 53, TCP), ("sctp", 5353, SCTP)]),
    cluster_ip("same-number", 12, families="46", ports=[("a", 7000, TCP), ("b", 7000, UDP), ("c", 7000, SCTP)]),
    cluster_ip("many-ports", 13, ports=MANY_PORTS),
    cluster_ip("odd-ports", 14, ports=[("tcp", 1), ("udp", 2, UDP), ("http-alt-8080", 3), ("1a", 4)]),
    # Endpoints of Services with an address; none at all; none that is ready.
    cluster_ip("backed", 20),
    cluster_ip("backed-dual", 21, families="46"),
    cluster_ip("no-slices", 22),
    cluster_ip("empty-slice", 23),
    cluster_ip("none-ready", 24),
    # Unusual names.
    cluster_ip(LONG_NAME, 30),
    cluster_ip("x", 31),
    cluster_ip("svc", 32),
    cluster_ip("pod", 33),
    cluster_ip("dns", 34),
    cluster_ip("a--b", 35),
    cluster_ip("x10-0-0-1", 36),
    cluster_ip("dns-version", 37),
    cluster_ip("ns", 38, namespace="dns"),
    cluster_ip("web", 39, namespace="svc"),
    cluster_ip("web", 40, namespace="pod"),
    cluster_ip("web", 41, namespace="10-0-0-1"),
    cluster_ip("web", 42, namespace="n" + "x" * 61 + "y"),
    # The same name in several namespaces, with labels to select.
    labelled(cluster_ip("web", 50, namespace="team-a"), app="web", tier="front"),
    labelled(cluster_ip("api", 51, namespace="team-a", families="46"), app="api"),
    labelled(cluster_ip("web", 52, namespace="team-b"), app="web", tier="back"),
    labelled(headless("db", namespace="team-a"), app="db", tier="back"),
    headless("db", namespace="team-b"),
    cluster_ip("still-there", 53, namespace="leaving"),
    cluster_ip(
        "kube-dns", 54, namespace="kube-system", ports=[("dns", 53, UDP), ("dns-tcp", 53, TCP), ("metrics", 9153)]
    ),
    # Headless.
    headless("db"),
    headless("db6", ipFamilies=["IPv6"], ipFamilyPolicy="SingleStack"),
    headless("db-dual", **DUAL),
    headless("hosts"),
    headless("no-ports", ports=()),
    headless("slice-ports"),
    headless("not-ready"),
    headless("published", publishNotReadyAddresses=True),
    headless("headless-empty"),
    headless("headless-alone"),
    headless("one"),
    headless("three"),
    headless("hundred"),
    headless("duplicates"),
    headless("pods"),
    headless("many-slices"),
    headless("zonal"),
    headless("protocols-headless", ports=[("dns", 53, UDP), ("dns-tcp", 53, TCP)]),
    headless("many-addresses"),
    headless("selected", selector={"app": "db"}),
    # What the API server lets in besides.
    cluster_ip("1st", 61),
    cluster_ip("ports-300", 62, ports=[(f"q{number}", 1 + number) for number in range(300)]),
    headless("null-port"),
    headless("null-ports"),
    headless("host-names"),
    headless("one-address"),
    headless("two-families"),
    # ExternalName: into the cluster, out of it, to nothing, in circles, to addresses.
    external_name("ext-web", "web.shop.svc.cluster.local"),
    external_name("ext-dual", "dual.shop.svc.cluster.local"),
    external_name("ext-headless", "db.shop.svc.cluster.local"),
    external_name("ext-endpoint", "db-0.hosts.shop.svc.cluster.local"),
    external_name("ext-other-zone", "web.shop.svc.other.zone"),
    external_name("ext-pod", "10-244-0-1.shop.pod.cluster.local"),
    external_name("ext-missing", "nobody.shop.svc.cluster.local"),
    external_name("ext-namespace", "shop.svc.cluster.local"),
    external_name("ext-apex", "cluster.local"),
    external_name("ext-self", "ext-self.shop.svc.cluster.local"),
    external_name("ext-loop-a", "ext-loop-b.shop.svc.cluster.local"),
    external_name("ext-loop-b", "ext-loop-a.shop.svc.cluster.local"),
    *(external_name(f"chain-{n}", f"chain-{n + 1}.shop.svc.cluster.local") for n in range(14)),
    cluster_ip("chain-14", 60),
    external_name("ext-to-ext", "ext-web.shop.svc.cluster.local"),
    external_name("ext-out", "www.example.org"),
    external_name("ext-out-dual", "dual.example.org"),
    external_name("ext-out-alias", "alias.example.org"),
    external_name("ext-out-missing", "missing.example.org"),
    external_name("ext-out-nodata", "nodata.example.org"),
    external_name("ext-out-servfail", "servfail.example.org"),
    external_name("ext-out-big", "big.example.org"),
    external_name("ext-out-case", "www.example.org."),
    external_name("ext-label", "localhost"),
    external_name("ext-four", "192.0.2.1"),
    external_name("ext-ports", "www.example.org", ports=[("http", 80)]),
    external_name("ext-via-out", "back.example.org"),
    external_name("ext-longest", ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])),
    external_name("ext-long-label", "l" * 64 + ".example.org"),
]

READY = {"conditions": {"ready": True}}
NOT_READY = {"conditions": {"ready": False}}

SLICES = [
    endpoint_slice("web-1", "web", "shop", ["10.244.1.1", "10.244.1.2"]),
    endpoint_slice(
        "backed-1",
        "backed",
        "shop",
        [{"addresses": ["10.244.2.1"], "hostname": "named"}, "10.244.2.2", {"addresses": ["10.244.2.3"], **NOT_READY}],
    ),
    endpoint_slice("backed-dual-4", "backed-dual", "shop", ["10.244.2.11"]),
    endpoint_slice("backed-dual-6", "backed-dual", "shop", ["fd00:10:244::2:11"], family="IPv6"),
    endpoint_slice("empty-slice-1", "empty-slice", "shop", []),
    endpoint_slice("none-ready-1", "none-ready", "shop", [{"addresses": ["10.244.2.21"], **NOT_READY}]),
    endpoint_slice(
        "kube-dns-1",
        "kube-dns",
        "kube-system",
        ["10.244.9.1", "10.244.9.2"],
        ports=[("dns", 53, UDP), ("dns-tcp", 53, TCP), ("metrics", 9153)],
    ),
    endpoint_slice("unnamed-1", "unnamed", "shop", ["10.244.2.31"], ports=[("", 8080)]),
    # Headless.
    endpoint_slice("outside-headless-1", "outside-headless", "shop", ["10.244.3.91"]),
    endpoint_slice("db-1", "db", "shop", ["10.244.3.1", "10.244.3.2"]),
    endpoint_slice("db-1", "db", "team-a", [{"addresses": ["10.244.3.11"], "hostname": "db-0"}, "10.244.3.12"]),
    endpoint_slice("db-1", "db", "team-b", ["10.244.3.21"]),
    labelled(endpoint_slice("db-2", "db", "team-a", ["10.244.3.13"]), app="db", tier="back"),
    endpoint_slice("db6-1", "db6", "shop", ["fd00:10:244::3:1", "fd00:10:244:3::"], family="IPv6"),
    endpoint_slice("db-dual-4", "db-dual", "shop", [{"addresses": ["10.244.3.31"], "hostname": "both"}, "10.244.3.32"]),
    endpoint_slice(
        "db-dual-6",
        "db-dual",
        "shop",
        [{"addresses": ["fd00:10:244::3:31"], "hostname": "both"}, "fd00:10:244::3:32"],
        family="IPv6",
    ),
    endpoint_slice(
        "hosts-1",
        "hosts",
        "shop",
        [
            {"addresses": ["10.244.4.1"], "hostname": "db-0"},
            {"addresses": ["10.244.4.2"], "hostname": "db-1"},
            # Two endpoints of one host name, and one whose name looks like another's address.
            {"addresses": ["10.244.4.3"], "hostname": "twin"},
            {"addresses": ["10.244.4.4"], "hostname": "twin"},
            {"addresses": ["10.244.4.5"], "hostname": "10-244-4-1"},
            {"addresses": ["10.244.4.6"], "hostname": "h" + "o" * 61 + "t"},
            {"addresses": ["10.244.4.7"], **NOT_READY, "hostname": "sick"},
        ],
    ),
    endpoint_slice("no-ports-1", "no-ports", "shop", ["10.244.5.1", "10.244.5.2"], ports=[]),
    endpoint_slice(
        "slice-ports-1", "slice-ports", "shop", ["10.244.5.11"], ports=[("other", 4711), ("udp-one", 4712, UDP)]
    ),
    endpoint_slice(
        "not-ready-1",
        "not-ready",
        "shop",
        [
            {"addresses": ["10.244.6.1"], **NOT_READY},
            {"addresses": ["10.244.6.2"], **READY},
            {"addresses": ["10.244.6.3"], "conditions": {"ready": False, "serving": True, "terminating": True}},
            {"addresses": ["10.244.6.4"], "conditions": {"serving": False}},
            {"addresses": ["10.244.6.5"], "conditions": {}},
        ],
    ),
    # The controller says "ready" for such a Service; one that does not is taken at its word.
    endpoint_slice("published-1", "published", "shop", ["10.244.6.11", {"addresses": ["10.244.6.12"], **NOT_READY}]),
    endpoint_slice("headless-empty-1", "headless-empty", "shop", []),
    endpoint_slice("one-1", "one", "shop", ["10.244.7.1"]),
    endpoint_slice("three-1", "three", "shop", ["10.244.7.11", "10.244.7.12", "10.244.7.13"]),
    endpoint_slice("hundred-1", "hundred", "shop", [f"10.244.8.{number}" for number in range(100)]),
    endpoint_slice("duplicates-1", "duplicates", "shop", ["10.244.10.1", "10.244.10.2"]),
    endpoint_slice("duplicates-2", "duplicates", "shop", ["10.244.10.2", "10.244.10.3"]),
    endpoint_slice(
        "pods-1",
        "pods",
        "shop",
        [
            {"addresses": ["10.244.11.1"], **pod_ref("pod-one")},
            {"addresses": ["10.244.11.2"], **pod_ref("pod-two"), "hostname": "second"},
            {"addresses": ["10.244.11.3"], **pod_ref("p" * 64)},
            {"addresses": ["10.244.11.4"], **pod_ref("pod.with.dots")},
            "10.244.11.5",
        ],
    ),
    *(endpoint_slice(f"many-slices-{number}", "many-slices", "shop", [f"10.244.12.{number}"]) for number in range(12)),
    endpoint_slice(
        "zonal-1",
        "zonal",
        "shop",
        [
            {"addresses": ["10.244.13.1"], "zone": "zone-a"},
            {"addresses": ["10.244.13.2"], "zone": "zone-a"},
            {"addresses": ["10.244.13.3"], "zone": "zone-b", "hostname": "b-host"},
            {"addresses": ["10.244.13.4"], "zone": "dotted.zone.c"},
            "10.244.13.5",
        ],
    ),
    endpoint_slice(
        "protocols-headless-1",
        "protocols-headless",
        "shop",
        ["10.244.14.1"],
        ports=[("dns", 53, UDP), ("dns-tcp", 53, TCP)],
    ),
    endpoint_slice(
        "many-addresses-1",
        "many-addresses",
        "shop",
        [{"addresses": ["10.244.15.1", "10.244.15.2", "10.244.15.3"], "hostname": "three-of-one"}],
    ),
    # A port without a number stands for all of them; a slice without ports has none; a slice of names has no addresses.
    endpoint_slice("null-port-1", "null-port", "shop", ["10.244.17.1"], ports=[]) | {"ports": [{}, {"name": "named"}]},
    endpoint_slice("null-ports-1", "null-ports", "shop", ["10.244.17.2"], ports=[]) | {"ports": None},
    endpoint_slice("host-names-1", "host-names", "shop", ["db.example.org"], family="FQDN"),
    endpoint_slice("one-address-1", "one-address", "shop", ["10.244.17.3"] * 250),
    endpoint_slice("two-families-4", "two-families", "shop", ["10.244.17.4", "10.244.17.5", "10.244.17.6"]),
    endpoint_slice("two-families-6", "two-families", "shop", ["fd00:10:244::17:4"], family="IPv6"),
    endpoint_slice("no-name-1", "", "shop", ["10.244.17.7"]),
    endpoint_slice("capitals-1", "DB", "shop", ["10.244.17.8"]),
    # Slices that no Service has, and one for an ExternalName.
    endpoint_slice("orphan-1", "orphan", "shop", ["10.244.16.1"]),
    endpoint_slice("ext-out-1", "ext-out", "shop", ["10.244.16.2"]),
    endpoint_slice("headless-elsewhere", "headless-alone", "empty", ["10.244.16.3"]),
    # One address under two Services, and one that is a ClusterIP too.
    endpoint_slice("selected-1", "selected", "shop", ["10.244.3.1", four(1)]),
]

# --- the Services of other clusters (KEP-1645)

IMPORTS_PATH = "/apis/multicluster.x-k8s.io/v1alpha1"
IMPORTS_DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {
        "name": "serviceimports.multicluster.x-k8s.io",
        "annotations": {
            # Whatever the text: groups below k8s.io must have one.
            "api-approved.kubernetes.io": "https://github.com/kubernetes/enhancements/tree/master/keps"
        },
    },
    "spec": {
        "group": "multicluster.x-k8s.io",
        "scope": "Namespaced",
        "names": {
            "kind": "ServiceImport",
            "listKind": "ServiceImportList",
            "plural": "serviceimports",
            "singular": "serviceimport",
        },
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


def service_import(name, *addresses, type="ClusterSetIP", ports=(("http", 80),), space="shop"):
    return {
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"name": name, "namespace": space},
        "spec": {
            "type": type,
            "ips": list(addresses),
            "ports": [
                {"name": port[0], "port": port[1], "protocol": port[2] if len(port) > 2 else TCP} for port in ports
            ],
        },
    }


def imported_slice(name, service, cluster, *endpoints, family="IPv4", ports=(("http", 8080),)):
    object = endpoint_slice(name, service, "shop", endpoints, ports, family)
    object["metadata"]["labels"] = {
        "multicluster.kubernetes.io/service-name": service,
        "multicluster.kubernetes.io/source-cluster": cluster,
    }
    return object


IMPORTS = [
    service_import("mc-web", "10.97.0.1"),
    service_import("mc-dual", "10.97.0.2", "fd00:10:97::2", ports=[("http", 80), ("dns", 53, UDP)]),
    service_import("mc-no-ports", "10.97.0.3", ports=()),
    service_import("mc-no-address"),
    service_import("mc-headless", type="Headless"),
    service_import("mc-empty", type="Headless"),
    # As a Service of this cluster is named, with another address.
    service_import("web", "10.97.0.4"),
    service_import("web", "10.97.0.5", space="team-a"),
]

IMPORTED_SLICES = [
    imported_slice(
        "mc-headless-a", "mc-headless", "cluster-a", {"addresses": ["10.98.0.1"], "hostname": "db-0"}, "10.98.0.2"
    ),
    imported_slice(
        "mc-headless-b",
        "mc-headless",
        "cluster-b",
        {"addresses": ["10.98.1.1"], "hostname": "db-0"},
        {"addresses": ["10.98.1.2"], "conditions": {"ready": False}},
    ),
    imported_slice("mc-headless-b6", "mc-headless", "cluster-b", "fd00:10:98::1", family="IPv6"),
    imported_slice("mc-web-a", "mc-web", "cluster-a", "10.98.0.11"),
]

# namespace, name, podIPs, phase, labels
PODS = [
    ("shop", "pod-one", ["10.244.11.1"], "Running", {"app": "web"}),
    ("shop", "pod-two", ["10.244.11.2", "fd00:10:244::11:2"], "Running", {}),
    ("shop", "pod-six", ["fd00:10:244::11:6"], "Running", {}),
    ("shop", "pod-pending", ["10.244.11.7"], "Pending", {}),
    ("shop", "pod-done", ["10.244.11.8"], "Succeeded", {}),
    ("shop", "pod-failed", ["10.244.11.9"], "Failed", {}),
    ("shop", "pod-unknown", ["10.244.11.10"], "Unknown", {}),
    ("shop", "client", [POD_CLIENT], "Running", {}),
    ("team-a", "pod-one", ["10.244.11.1"], "Running", {"app": "web"}),
    ("team-a", "pod-a", ["10.244.11.21"], "Running", {"app": "web", "tier": "front"}),
    ("team-b", "no-address", [], "Pending", {}),
]


def pod(namespace, name, labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "none.invalid/none"}], "nodeName": "node-1"},
    }


def build(plane):
    """Makes all objects on a fresh control plane."""
    plane.create(*NAMESPACES, *SERVICES, *SLICES, *IMPORTED_SLICES)
    _import(plane)
    for space, name, addresses, phase, labels in PODS:
        status = {"phase": phase}
        if addresses:
            status |= {"podIP": addresses[0], "podIPs": [{"ip": address} for address in addresses]}
        plane.create(pod(space, name, labels))
        plane.patch(pod(space, name, labels), {"status": status}, "/status")
    ingress = {
        "balancer": [{"ip": "203.0.113.6"}, {"ip": "2001:db8::6"}],
        "balancer-name": [{"hostname": "www.example.org"}],
        "balancer-both": [{"ip": "203.0.113.7"}, {"ip": "203.0.113.8"}],
    }
    for name, entries in ingress.items():
        plane.patch(service(name, "shop"), {"status": {"loadBalancer": {"ingress": entries}}}, "/status")
    # Nobody finishes the deletion: it stays in phase Terminating, with what is in it.
    plane.remove(namespace("leaving"))


def _import(plane):
    code, body = plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", IMPORTS_DEFINITION)
    assert code == 201, body[:500]
    wait_until(
        lambda: plane.request("GET", f"{IMPORTS_PATH}/serviceimports")[0] == 200, 30, "ServiceImports are served"
    )
    for item in IMPORTS:
        path = f"{IMPORTS_PATH}/namespaces/{item['metadata']['namespace']}/serviceimports"
        code, body = plane.request("POST", path, item)
        assert code == 201, body[:500]
