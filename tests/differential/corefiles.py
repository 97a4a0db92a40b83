"""The Corefiles that both servers read, and what is asked under each."""

from dataclasses import dataclass

from cluster import POD_CLIENT
from corpus import corpus

HEAD = """
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health}
    ready 127.0.0.1:{ready}
"""
REVERSE = "in-addr.arpa ip6.arpa"


@dataclass
class Corefile:
    name: str
    text: str
    served: tuple = ()  # the zones of kubernetes
    ttl: int = 5
    fallthrough: tuple = ()  # zones
    options: frozenset = frozenset()  # what else the table of differences has to know
    source: str | None = None  # the address that is asked from
    external: tuple = ()  # zones of k8s_external
    external_ttl: int = 5
    external_apex: str = "dns"
    namespaces: tuple = ()  # those whose addresses have PTR records, if not all have

    @property
    def has_upstream(self):
        return "forward" in self.text

    def hides(self, reply):
        """Whether all that the reply says is about Namespaces without PTR records."""
        spaces = [record[3].split(".svc.")[0].split(".")[-1] for record in reply.answer if record[2] == "PTR"]
        return bool(self.namespaces and spaces) and not set(spaces) & set(self.namespaces)

    def questions(self):
        return corpus(tuple(zone for zone in self.served if not zone.endswith(".arpa")), self.external[:1])


def plain(name, *kubernetes, zones="cluster.local " + REVERSE, before="", after="forward . {upstream}", **fields):
    fields.setdefault("served", tuple(zone for zone in zones.split() if "/" not in zone))
    lines = "".join(f"        {line}\n" for line in ("kubeconfig {kubeconfig}", *kubernetes))
    text = f".:{{port}} {{{HEAD}    {before}\n    kubernetes {zones} {{\n{lines}    }}\n    {after}\n}}\n"
    return Corefile(name, text, **fields)


KUBEADM = """
.:{port} {
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health} {
       lameduck 1s
    }
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       kubeconfig {kubeconfig}
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus 127.0.0.1:{metrics}
    forward . {upstream} {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""

# fd00:10:96::/108
V6_SERVICES = "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa"

COREFILES = [
    Corefile(
        "kubeadm",
        KUBEADM,
        ("cluster.local", "in-addr.arpa", "ip6.arpa"),
        30,
        fallthrough=("in-addr.arpa", "ip6.arpa"),
        options=frozenset({"cache"}),
    ),
    plain("pods disabled"),
    plain("pods insecure", "pods insecure"),
    plain("pods verified", "pods verified"),
    plain("endpoint_pod_names", "endpoint_pod_names", options=frozenset({"endpoint_pod_names"})),
    plain("noendpoints", "noendpoints"),
    plain("ignore empty_service", "ignore empty_service"),
    plain("namespaces", "namespaces shop team-a nobody", "pods insecure"),
    plain("namespace_labels", "namespace_labels tier=back", "pods insecure", namespaces=("team-a", "team-b")),
    plain("labels", "labels app in (web, db),tier"),
    plain("ttl 0", "ttl 0", ttl=0),
    plain("ttl 3600", "ttl 3600", ttl=3600),
    plain("fallthrough", "fallthrough", "pods insecure", fallthrough=("",)),
    plain("fallthrough of one zone", "fallthrough cluster.local", fallthrough=("cluster.local",)),
    plain("two zones", zones="cluster.local other.zone " + REVERSE),
    plain(
        "CIDR zones",
        zones="cluster.local 10.96.0.0/16 10.244.0.0/20 fd00:10:96::/108",
        served=("cluster.local", "96.10.in-addr.arpa", *(f"{n}.244.10.in-addr.arpa" for n in range(16)), V6_SERVICES),
    ),
    plain("no forward", after=""),
    plain("no reverse zones", zones="cluster.local"),
    plain("zonal", "zonal"),
    plain(
        "multicluster",
        "multicluster clusterset.local",
        "pods insecure",
        zones="cluster.local clusterset.local " + REVERSE,
        options=frozenset({"multicluster"}),
    ),
    plain(
        "autopath", "pods verified", before="autopath @kubernetes", source=POD_CLIENT, options=frozenset({"autopath"})
    ),
    plain("k8s_external", "pods insecure", before="k8s_external ext.example", external=("ext.example",)),
    plain(
        "k8s_external headless",
        zones="cluster.local",
        external=("ext.example", "in-addr.arpa", "ip6.arpa"),
        external_ttl=77,
        external_apex="names",
        before="k8s_external ext.example in-addr.arpa ip6.arpa {\n        headless\n        ttl 77\n        apex names\n    }",
    ),
    plain("cache 30", "pods insecure", before="cache 30", options=frozenset({"cache"})),
]
