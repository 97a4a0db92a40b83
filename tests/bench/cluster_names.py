"""The names of a simulated cluster: as a zone file for Knot, and as queries with the answers that are expected.

Both come from what the API server lists, so every server of a benchmark answers from the same objects.
"""

import json
import random
import urllib.request
from dataclasses import dataclass

ZONE = "cluster.local."
TTL = 30

NOERROR, NXDOMAIN = 0, 3


@dataclass(frozen=True)
class Query:
    name: str
    type: str
    rcode: int
    answers: int


def list_all(api, path):
    """All objects of a list, page by page."""
    token = ""
    while True:
        url = f"{api}{path}?limit=5000" + (f"&continue={token}" if token else "")
        with urllib.request.urlopen(url, timeout=60) as response:
            page = json.load(response)
        yield from page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return


def service_name(service):
    return f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.{ZONE}"


class ClusterNames:
    def __init__(self, api):
        self.services = [s for s in list_all(api, "/api/v1/services") if s["spec"].get("clusterIP")]
        self.namespaces = [n["metadata"]["name"] for n in list_all(api, "/api/v1/namespaces")]
        self.endpoints = {}  # (namespace, service) -> [(address, name of the endpoint)], of headless Services
        headless = {(s["metadata"]["namespace"], s["metadata"]["name"])
                    for s in self.services if s["spec"]["clusterIP"] == "None"}
        self.ports = {}
        for slice_ in list_all(api, "/apis/discovery.k8s.io/v1/endpointslices"):
            service = slice_["metadata"].get("labels", {}).get("kubernetes.io/service-name")
            key = (slice_["metadata"]["namespace"], service)
            if key not in headless:
                continue
            self.ports[key] = slice_.get("ports") or []
            found = self.endpoints.setdefault(key, [])
            for endpoint in slice_.get("endpoints") or []:
                for address in endpoint["addresses"]:
                    found.append((address, endpoint.get("hostname") or address.replace(".", "-")))

    def is_headless(self, service):
        return service["spec"]["clusterIP"] == "None"

    def endpoints_of(self, service):
        return self.endpoints.get((service["metadata"]["namespace"], service["metadata"]["name"]), [])

    def write_zone_file(self, path):
        with open(path, "w") as out:
            out.write(f"$ORIGIN {ZONE}\n$TTL {TTL}\n")
            out.write(f"@ SOA ns.dns.{ZONE} hostmaster.{ZONE} 1 7200 1800 86400 {TTL}\n")
            out.write("@ NS ns.dns\nns.dns A 127.0.0.1\n")
            for namespace in self.namespaces:
                # A Namespace answers NODATA; a zone file says so by a name below it, or by any record.
                out.write(f'{namespace}.svc TXT "namespace"\n')
            for service in self.services:
                name = service_name(service)
                if not self.is_headless(service):
                    out.write(f"{name} A {service['spec']['clusterIP']}\n")
                    for port in service["spec"]["ports"]:
                        record = f"SRV 0 100 {port['port']} {name}\n"
                        out.write(f"{name} {record}")
                        if port.get("name"):
                            out.write(f"_{port['name']}._{port['protocol'].lower()}.{name} {record}")
                    continue
                key = (service["metadata"]["namespace"], service["metadata"]["name"])
                for address, endpoint in self.endpoints_of(service):
                    out.write(f"{name} A {address}\n{endpoint}.{name} A {address}\n")
                    for port in self.ports[key]:
                        record = f"SRV 0 100 {port['port']} {endpoint}.{name}\n"
                        out.write(f"{name} {record}")
                        if port.get("name"):
                            out.write(f"_{port['name']}._{port['protocol'].lower()}.{name} {record}")

    def queries(self, count, seed=1):
        """What pods with ndots:5 and a search list ask, in the shares below; external names end at the search list."""
        chance = random.Random(seed)
        answerable = [s for s in self.services if not self.is_headless(s) or self.endpoints_of(s)]
        with_ports = [s for s in self.services if not self.is_headless(s) and s["spec"]["ports"][0].get("name")]
        external = ["api.example.com", "www.example.org", "storage.example.net", "metrics.example.io"]
        made = []
        for _ in range(count):
            roll = chance.random()
            if roll < 0.35:
                service = chance.choice(answerable)
                answers = len(self.endpoints_of(service)) if self.is_headless(service) else 1
                made.append(Query(service_name(service), "A", NOERROR, answers))
            elif roll < 0.60:  # resolvers ask A and AAAA together; the cluster has IPv4 alone
                made.append(Query(service_name(chance.choice(answerable)), "AAAA", NOERROR, 0))
            elif roll < 0.65:
                service = chance.choice(with_ports)
                port = service["spec"]["ports"][0]
                made.append(Query(f"_{port['name']}._{port['protocol'].lower()}.{service_name(service)}", "SRV",
                                  NOERROR, 1))
            else:  # the search list, tried on a name of another namespace or an external one
                tried = (chance.choice(external) if chance.random() < 0.5
                         else ".".join(service_name(chance.choice(answerable)).split(".")[:2]))
                suffix = (f"{chance.choice(self.namespaces)}.svc.{ZONE}" if chance.random() < 0.5 else ZONE)
                made.append(Query(f"{tried}.{suffix}", chance.choice(["A", "AAAA"]), NXDOMAIN, 0))
        return made
