"""What is compared: the servers, the queries of each case, and how dnsperf asks them."""

import json
import os
import urllib.request
from dataclasses import dataclass

import dns_check
import servers as processes
from cluster_names import NOERROR, ZONE, ClusterNames, Query

HEADLESS_SIZES = (1, 10, 100, 1000)
CACHED_NAMES = 1000
NAMESPACE = "bench"
QUERIES_IN_FILE = 100_000


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    servers: tuple
    query_file: str          # of Comparison.query_files
    options: tuple = ()      # for dnsperf
    clients: int = 32
    outstanding: int = 200
    qps: int = 0             # 0: as fast as dnsperf can
    seconds: float = 1       # in units of --seconds
    load: str = "dnsperf"    # or what open_loop calls it

    @property
    def is_tcp(self):
        return "tcp" in self.options


ALL = ("fairlead", "knot", "nsd", "coredns")
CASES = (
    Case("mix", "Cluster names: A, AAAA, SRV and NXDOMAIN of ndots:5, UDP",
         ("reflector", "fairlead", "fairlead bare", "knot", "nsd", "coredns"), "mix", seconds=2),
    Case("log", "Cluster names, a line of `log` for each query, UDP", ("fairlead log", "fairlead bare", "coredns log"),
         "mix"),
    *(Case(f"headless-{size}", f"Headless Service of {size:,}, UDP with EDNS" + (" (TC)" if size > 72 else ""),
           ALL, f"headless-{size}", ("-e",), outstanding=200 if size < 100 else 20) for size in HEADLESS_SIZES),
    Case("headless-tcp", "Headless Service of 1,000, TCP, whole", ALL, "headless-1000", ("-m", "tcp"), 4, 20),
    Case("tcp", "Cluster names over TCP, pipelined", ALL, "mix", ("-m", "tcp"), 8, 200),
    # Not by dnsperf, which opens its connections in bursts of ten a second. As many as leave ports to their successors.
    Case("tcp-connections", "Cluster names over TCP, one query a connection", ALL, "mix", ("-m", "tcp"), qps=4000,
         load="connections"),
    Case("cached", "Cached forwarded names, UDP", ("fairlead", "unbound", "dnsdist", "coredns"), "cached", seconds=2),
    Case("workers", "Cluster names, UDP, 1 and 2 workers", ("fairlead", "fairlead 2 workers"), "mix"),
)


def post(api, path, body):
    request = urllib.request.Request(f"{api}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()


def create_headless_services(api):
    post(api, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    for number, size in enumerate(HEADLESS_SIZES):
        name = f"headless-{size}"
        port = {"name": "http", "port": 8080, "protocol": "TCP"}
        post(api, f"/api/v1/namespaces/{NAMESPACE}/services", {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"clusterIP": "None", "clusterIPs": ["None"], "ports": [port], "type": "ClusterIP"}})
        addresses = [f"10.{200 + number}.{i // 250}.{1 + i % 250}" for i in range(size)]
        post(api, f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices", {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": f"{name}-1", "namespace": NAMESPACE,
                         "labels": {"kubernetes.io/service-name": name}},
            "ports": [port],
            "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]})


class Comparison:
    """The data of one run, in `folder`: a simulated cluster, the same names as zone files, and query files."""

    def __init__(self, kubesim, folder):
        self._kubesim, self._folder = kubesim, folder
        names = ClusterNames(kubesim.api)
        self.checked = {"mix": names.queries(QUERIES_IN_FILE)}
        create_headless_services(kubesim.api)
        self.zone_file = os.path.join(folder, "cluster.local.zone")
        ClusterNames(kubesim.api).write_zone_file(self.zone_file)
        for size in HEADLESS_SIZES:
            self.checked[f"headless-{size}"] = [
                Query(f"headless-{size}.{NAMESPACE}.svc.{ZONE}", "A", NOERROR, min(size, 28))]
        self.checked["cached"] = [Query(f"n{i}.example.org.", "A", NOERROR, 1) for i in range(CACHED_NAMES)]
        self.upstream_zone_file = os.path.join(folder, "example.org.zone")
        with open(self.upstream_zone_file, "w") as out:
            out.write("$ORIGIN example.org.\n$TTL 3600\n@ SOA ns hostmaster 1 7200 1800 86400 30\n@ NS ns\n"
                      "ns A 127.0.0.1\n")
            out.writelines(f"n{i} A 192.0.2.{i % 250 + 1}\n" for i in range(CACHED_NAMES))
        # As dnsperf reads them, and as open_loop does.
        self.query_files, self.question_files = {}, {}
        for name, queries in self.checked.items():
            self.query_files[name] = processes.write(
                folder, f"{name}.queries", "".join(f"{query.name} {query.type}\n" for query in queries))
            self.question_files[name] = processes.write(
                folder, f"{name}.questions", "".join(f"{query.name} {dns_check.TYPES[query.type]}\n" for query in queries))

    def start_upstream(self, cpu):
        return processes.start_knot(self.upstream_zone_file, cpu, self._folder, "upstream", "example.org")

    def start(self, name, programs, upstream, cpu, second_cpu):
        api, folder = self._kubesim.api, self._folder
        if name == "reflector":
            return processes.start_reflector(programs["reflector"], cpu, folder)
        if name == "knot":
            return processes.start_knot(self.zone_file, cpu, folder)
        if name == "nsd":
            return processes.start_nsd(self.zone_file, cpu, folder)
        if name == "unbound":
            return processes.start_unbound(upstream.port, cpu, folder)
        if name == "dnsdist":
            return processes.start_dnsdist(upstream.port, "n0.example.org.", cpu, folder)
        corefile = {"bare": processes.COREFILE_BARE, "log": processes.COREFILE_LOG}.get(
            name.split()[-1], processes.COREFILE_FORWARDING)
        cores = f"{cpu},{second_cpu}" if name == "fairlead 2 workers" else cpu
        server = processes.start_cluster_dns(name.replace(" ", "-"), programs[name.split()[0]], api, cores, folder,
                                             corefile, upstream.port)
        server.name = name
        return server
