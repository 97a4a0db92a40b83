"""The Corefiles of tests/corefiles: read as they stand, run with ports and addresses of the test in their place.

A sample is for a machine with port 53, private networks and a resolv.conf. adapt() gives every port a free one, loopback
for addresses to listen on, kubesim to each `kubernetes`, and one of two upstreams to each `forward`: the company's for
addresses of private networks, the world's for the rest.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from support import dns
from support.kube import endpoint_slice, namespace, pod, service, service_import
from support.processes import free_port
from support.upstream import Reply, Upstream, address, nxdomain

# What the samples take from the environment.
ENVIRONMENT = {"CLUSTER_DOMAIN": "cluster.local", "CLUSTER_TTL": "10"}

FOLDER = Path(__file__).resolve().parents[1] / "corefiles"

CLUSTER = [
    namespace("default"), namespace("kube-system"), namespace("shop"), namespace("ingress-nginx"),
    service("kubernetes", "default", (("https", 443),), clusterIP="10.96.0.1"),
    service("kube-dns", "kube-system", (("dns", 53, "UDP"),), clusterIP="10.96.0.10"),
    service("web", "shop", clusterIP="10.96.0.20"),
    endpoint_slice("web-1", "web", "shop", ["10.244.1.5"]),
    service("db", "shop", (("postgres", 5432),), clusterIP="None"),
    endpoint_slice("db-1", "db", "shop", [
        {"addresses": ["10.244.1.10"], "hostname": "db-0"}, {"addresses": ["10.244.2.11"], "hostname": "db-1"},
    ], (("postgres", 5432),)),
    service("payments", "shop", type="ExternalName", externalName="www.example.org"),
    service("ingress-nginx-controller", "ingress-nginx", type="LoadBalancer", clusterIP="10.96.0.80",
            externalIPs=["203.0.113.10"]),
    pod("web-1", "shop", "10.244.1.5"),
    service_import("orders", "shop", ["10.112.0.7"]),
]


def _records(**by_type):
    nodata = Reply(authority=nxdomain().authority)
    return lambda query: by_type.get(query.type, nodata)


def world():
    """What the public resolvers and the node's resolv.conf know."""
    return Upstream({
        "www.example.org.": _records(A=address("192.0.2.80"), TXT=Reply([("@", "TXT", 60, "hello")])),
        "dual.example.org.": _records(A=address("192.0.2.81"), AAAA=address("2001:db8::81")),
        "servfail.example.org.": Reply(rcode="SERVFAIL"),
        "80.2.0.192.in-addr.arpa.": _records(PTR=Reply([("@", "PTR", 60, "www.example.org.")])),
    }, default=nxdomain(zone="."))


def company():
    """What resolvers in private networks know: a zone, Consul's names, and another cluster's."""
    return Upstream({
        "git.corp.example.": _records(A=address("172.20.0.90")),
        "90.0.20.172.in-addr.arpa.": _records(PTR=Reply([("@", "PTR", 60, "git.corp.example.")])),
        "vault.service.consul.": _records(A=address("172.20.0.91")),
        "far.shop.svc.cluster.local.": _records(A=address("10.96.7.7")),
        "7.7.96.10.in-addr.arpa.": _records(PTR=Reply([("@", "PTR", 60, "far.shop.svc.cluster.local.")])),
    }, default=nxdomain(zone="."))


@dataclass
class Question:
    name: str
    type: str
    chaos: bool
    port: int  # as it stands in the Corefile
    ours: str
    theirs: str

    def ask(self, port):
        if not self.chaos:
            return answered(dns.ask(port, self.name, self.type))
        wire = bytearray(dns.encode_query(self.name, self.type, udp_size=None))
        wire[-1] = 3
        return answered(dns.decode(dns.exchange(port, bytes(wire))))


def answered(answer):
    """As the files write it: data, or what there is instead."""
    if answer.rcode != "NOERROR":
        return answer.rcode
    return ", ".join(answer.data()) or "NODATA"


class Sample:
    def __init__(self, path):
        self.path, self.name = path, path.stem
        self.text = path.read_text()
        self.warnings = re.findall(r"^#! (.+)$", self.text, re.MULTILINE)
        self.questions = [self._question(*found) for found in re.findall(r"^#([?=]) (.+)$", self.text, re.MULTILINE)]

    @staticmethod
    def _question(kind, line):
        asked, _, expected = line.partition("  ")
        name, type, *more = asked.split()
        ours, _, theirs = expected.strip().partition(" | ")
        ports = [int(word[1:]) for word in more if word.startswith("@")]
        if kind == "?":
            theirs = ours
        return Question(name, type, "CH" in more, ports[0] if ports else 53,
                        *(", ".join(sorted(text.split(", "))) for text in (ours, theirs)))

    def adapt(self, cluster, world, company):
        """The Corefile to run, and the port that stands for each of its ports."""
        ports = {53: "{port}"}

        def port_for(number):
            return ports.setdefault(int(number), free_port())

        def upstreams(found):
            return found[1] + " ".join(_target(word, world, company) for word in found[2].split())

        has = set()

        def once(directive, value):
            """One listener a file: blocks share it."""
            has.add(directive)
            return f"{directive} 127.0.0.1:{{{value}}}"

        lines = []
        for line in self.text.splitlines():
            if line.startswith("#"):
                continue
            if re.match(r"\S.*\{\s*(#.*)?$", line) and not line.startswith("("):
                keys, brace, rest = line.rpartition("{") if "{$" not in line else (line[:-1], "{", "")
                line = " ".join(_key(key, port_for) for key in keys.split()) + " " + brace + rest
                if not any(line.startswith("import") for line in lines[-1:]):
                    lines += [line, "    bind 127.0.0.1"]
                    continue
            line = re.sub(r"^(\s+)bind .*", r"\1", line)
            line = re.sub(r"^(\s+)health( [\d.]*:\d+)?(?=\s|$)", lambda found: found[1] + once("health", "health"), line)
            line = re.sub(r"^(\s+)ready( [\d.]*:\d+)?(?=\s|$)", lambda found: found[1] + once("ready", "ready"), line)
            line = re.sub(r"^(\s+)prometheus\s+\S+", lambda found: found[1] + once("prometheus", "metrics"), line)
            line = re.sub(r"^(\s+forward\s+\S+\s+)([^{#]*[^{#\s])", upstreams, line)
            line = re.sub(r"lameduck \S+", "lameduck 0s", line)
            if found := re.match(r"^(\s+kubernetes\s[^{]*(?:\{\$[^}]*\})?[^{]*)(\{?)\s*$", line):
                line = found[1] + f" {{\n        endpoint {cluster.url}" + ("" if found[2] else "\n    }")
            lines.append(line)
        for directive, value in (("health", "health"), ("ready", "ready")):
            if directive not in has:
                first = next(i for i, line in enumerate(lines) if line == "    bind 127.0.0.1")
                lines.insert(first, f"    {directive} 127.0.0.1:{{{value}}}")
        if len(ports) > 1 and not re.search(r"\{port\}", "\n".join(lines)):
            # Nobody listens on 53: the tests wait for the first port instead.
            number = next(number for number in ports if number != 53)
            lines = [line.replace(f":{ports[number]} ", ":{port} ") for line in lines]
            ports[number] = "{port}"
        return "\n".join(lines) + "\n", ports


def _target(word, world, company):
    text = re.sub(r":\d+$", "", word.removeprefix("dns://"))
    if text.startswith("/"):
        return world.target
    return (company if ipaddress.ip_address(text).is_private else world).target


def _key(key, port_for):
    scheme, separator, rest = key.rpartition("://")
    zone, _, port = rest.partition(":") if "{$" not in rest else _split_variable(rest)
    return f"{scheme}{separator}{zone}:{port_for(port or 53)}"


def _split_variable(rest):
    variable, _, port = rest.rpartition("}")
    return variable + "}", ":", port.lstrip(":")


SAMPLES = [Sample(path) for path in sorted(FOLDER.glob("*.Corefile"))]
