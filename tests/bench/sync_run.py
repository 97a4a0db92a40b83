"""What it costs to stay in step with a large cluster: Fairlead and CoreDNS with the same Corefile beside one kubesim.

Memory, time to ready, forced relists with answers checked all the while, updates and queries under churn, and what a
lookup costs in a small and in a large cluster. See README.md beside this file.
"""

import argparse
import datetime
import glob
import os
import shutil
import statistics
import sys
import tempfile
import time

import dns_check
import in_step
import report
import servers as processes
import sync_report
from cluster_names import ClusterNames
from measure import measure

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

PODS = 150_000
CHECKED_QUERIES = 400
# A reply of 512 octets holds these with their question; larger ones come truncated.
CHECKED_ANSWERS_MAX = 20
SIZES = (100, 100_000)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="tests/bench/run sync", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the cluster, few rounds, no report; to see that it works")
    parser.add_argument("--synthetic", help="the cluster, as kubesim --synthetic takes it")
    parser.add_argument("--coredns", metavar="BINARY",
                        help="default: FAIRLEAD_COREDNS, or what tools/dev setup built; 'none' leaves it out")
    parser.add_argument("--build", type=os.path.abspath, default=os.path.join(ROOT, "build/release"),
                        help="the build to measure")
    parser.add_argument("--starts", type=int, help="of each server; default 3")
    parser.add_argument("--relists", type=int, help="default 20")
    parser.add_argument("--churn", type=int, default=1000, help="endpoints replaced a second")
    parser.add_argument("--seconds", type=int, help="of each window of churn; default 20")
    parser.add_argument("--without", default="", help="leave out some of pods,lookup")
    parser.add_argument("--report", metavar="FILE", help="default: a new file in tests/bench/reports/; 'none' for none")
    parser.add_argument("--server-cpu", type=int)
    parser.add_argument("--load-cpu", type=int)
    parsed = parser.parse_args(arguments)
    quick = parsed.quick
    parsed.synthetic = parsed.synthetic or (
        "services=1000,headless=200,endpoints=15000,namespaces=500,seed=1" if quick
        else "services=10000,headless=2000,endpoints=150000,namespaces=5000,seed=1")
    parsed.starts = parsed.starts or (1 if quick else 3)
    parsed.relists = parsed.relists or (2 if quick else 20)
    parsed.seconds = parsed.seconds or (4 if quick else 20)
    parsed.settle_s = 1 if quick else 8
    parsed.windows = 3 if quick else 15
    parsed.pods = 15_000 if quick else PODS
    parsed.sizes = (100, 10_000) if quick else SIZES
    if quick:
        parsed.report = parsed.report or "none"
    parsed.without = parsed.without.split(",")
    if parsed.coredns is None:
        built = sorted(glob.glob(os.path.join(os.environ.get("FAIRLEAD_CACHE", os.path.expanduser("~/.cache/fairlead")),
                                              "coredns", "*", "coredns")), key=os.path.getmtime)
        parsed.coredns = os.environ.get("FAIRLEAD_COREDNS") or (built[-1] if built else "none")
    cpus = sorted(os.sched_getaffinity(0))
    parsed.server_cpu = cpus[0] if parsed.server_cpu is None else parsed.server_cpu
    parsed.load_cpu = cpus[-1] if parsed.load_cpu is None else parsed.load_cpu
    return parsed


class Bench:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.folder = folder
        self.binaries = {"fairlead": self.built("fairlead")}
        if arguments.coredns != "none":
            self.binaries["coredns"] = arguments.coredns
        self.started = []
        self.failures = []

    def built(self, name):
        path = os.path.join(self.arguments.build, "bin", name)
        if not os.access(path, os.X_OK):
            raise processes.Failed(f"{path} is not there; build it with tools/dev build")
        return path

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)

    def kubesim(self, synthetic):
        # The usual /16 has no room for 100,000 Services.
        kubesim = processes.start_kubesim(self.built("kubesim"), synthetic, self.arguments.load_cpu, self.folder,
                                          ["--service-cidr", "10.96.0.0/12"])
        self.started.append(kubesim)
        return kubesim

    def server(self, name, kubesim, pods="insecure"):
        server = in_step.start(name, self.binaries[name], kubesim.api, self.arguments.server_cpu, self.folder, pods)
        server.version = processes.first_line([self.binaries[name], "-version"])
        self.started.append(server)
        return server

    def stop(self, *servers):
        for server in servers:
            server.stop()
            self.started.remove(server)

    def stop_all(self):
        for server in reversed(self.started):
            server.stop()

    def one_server(self, name):
        """All figures of one server, beside a kubesim that is as fresh as for the others."""
        arguments = self.arguments
        kubesim = self.kubesim(arguments.synthetic)
        names = ClusterNames(kubesim.api)
        queries = [q for q in names.queries(50_000) if q.answers <= CHECKED_ANSWERS_MAX]
        found = {"starts_s": [], "steady_mb": []}
        for number in range(arguments.starts):
            server = self.server(name, kubesim)
            found["starts_s"].append(server.start_s)
            time.sleep(arguments.settle_s)
            found["steady_mb"].append(server.rss_mb())
            if number + 1 < arguments.starts:
                self.stop(server)
        found["version"] = server.version
        self.say(f"{name}: ready after {statistics.median(found['starts_s']):.2f} s, "
                 f"{statistics.median(found['steady_mb']):.1f} MB")
        found["relists"] = in_step.force_relists(server, kubesim, queries[:CHECKED_QUERIES], arguments.relists)
        self.say(f"{name}: {arguments.relists} relists, {found['relists']['wrong']} wrong answers, "
                 f"peak {found['relists']['peak_mb']:.1f} MB")
        questions = "".join(f"{q.name.rstrip('.')} {dns_check.TYPES[q.type]}\n" for q in queries)
        found["churn"] = in_step.measure_churn(server, kubesim, arguments.churn, arguments.seconds, arguments.windows,
                                               arguments.server_cpu, arguments.load_cpu, self.built("latency_probe"),
                                               questions)
        self.say(f"{name}: updates {found['churn']['updates']}, {found['churn']['window']['cpu']:.1%} of a core")
        self.stop(server, kubesim)
        return found

    def verified_pods(self):
        """Resident memory with and without `pods verified`, in a cluster with Pods; None where it is not served."""
        arguments = self.arguments
        kubesim = self.kubesim(f"{arguments.synthetic},pods={arguments.pods}")
        found = {}
        for name in self.binaries:
            sizes = {}
            for mode in ("insecure", "verified"):
                server = self.server(name, kubesim, mode)
                time.sleep(arguments.settle_s)
                sizes[mode] = server.rss_mb()
                self.stop(server)
            found[name] = {**sizes, "octets_per_pod": (sizes["verified"] - sizes["insecure"]) * 2**20 / arguments.pods}
            self.say(f"{name}: {found[name]['octets_per_pod']:.1f} octets a Pod with `pods verified`")
        self.stop(kubesim)
        return found

    def lookups(self):
        """CPU per query in a small and in a large cluster, in turn."""
        arguments = self.arguments
        found = {}
        clusters = {}
        for size in arguments.sizes:
            spaces = max(1, size // 20)
            kubesim = self.kubesim(f"services={size},headless=0,endpoints={size},namespaces={spaces},seed=1")
            path = os.path.join(self.folder, f"queries.{size}")
            step = max(1, size // 50_000)
            with open(path, "w") as out:
                # In an order that no cache of the processor can follow.
                for i in sorted(range(0, size, step), key=lambda n: n * 2654435761 % 2**32):
                    out.write(f"svc-{i:06d}.ns-{i % spaces:05d}.svc.cluster.local A\n")
            clusters[size] = (kubesim, path)
        for name in self.binaries:
            running = {size: self.server(name, clusters[size][0]) for size in arguments.sizes}
            samples = {size: [] for size in arguments.sizes}
            for number in range(4):
                for size, server in running.items():
                    sample = measure(server, 1, number, clusters[size][1], 1 if number == 0 else 4,
                                     arguments.server_cpu, arguments.load_cpu, 32, 200, None)
                    if number > 0:
                        samples[size].append(sample.cpu_us)
            small, large = (samples[size] for size in arguments.sizes)
            found[name] = {"cpu_us": {str(size): statistics.median(samples[size]) for size in arguments.sizes},
                           "ratio": statistics.median(b / a for a, b in zip(small, large))}
            self.say(f"{name}: lookups {found[name]}")
            self.stop(*running.values())
        return found

    def run(self):
        found = {"servers": {name: self.one_server(name) for name in self.binaries}}
        for part, measure_part in (("pods", self.verified_pods), ("lookup", self.lookups)):
            if part in self.arguments.without:
                continue
            try:
                found[part] = measure_part()
            except processes.Failed as failure:  # what was measured before is not lost
                self.failures.append(f"{part}: {failure}")
        return found


def main(arguments):
    arguments = parse_arguments(arguments)
    for program in ("dnsperf", "taskset"):
        if not shutil.which(program):
            sys.exit(f"bench: {program} is missing; tools/dev setup installs it")
    folder = tempfile.mkdtemp(prefix="fairlead-bench-")
    load_before = os.getloadavg()[0]
    begin = time.monotonic()
    bench = None
    try:
        bench = Bench(arguments, folder)
        found = bench.run()
    except processes.Failed as failure:
        sys.exit(f"bench: {failure}")
    finally:
        if bench:
            bench.stop_all()
        shutil.rmtree(folder, ignore_errors=True)
    setup = {
        "Date": f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        "Machine": report.machine(),
        "Revision": report.revision(ROOT),
        **{name: figures["version"] for name, figures in found["servers"].items()},
        "Cluster": f"`kubesim --synthetic {arguments.synthetic}`",
        "Cores": f"the server on {arguments.server_cpu} (GOMAXPROCS=1 for CoreDNS), kubesim and the measuring client "
                 f"on {arguments.load_cpu}",
        "Churn": f"{arguments.churn:,} slice updates a second, windows of {arguments.seconds} s",
        "Other work on the machine": f"load average {load_before:.1f} before the run, {os.getloadavg()[0]:.1f} after",
        "Duration": f"{time.monotonic() - begin:.0f} s",
    }
    print(sync_report.table(found))
    warning = sync_report.busy_machine(found)
    if warning:
        print(warning, file=sys.stderr)
    if arguments.report != "none":
        path = arguments.report or os.path.join(HERE, "reports",
                                                f"sync-{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d-%H%M}.md")
        with open(path, "w") as out:
            out.write(sync_report.markdown(found, setup))
        print(f"\nreport: {os.path.relpath(path)}")
    wrong = {name: figures["relists"] for name, figures in found["servers"].items() if figures["relists"]["wrong"]}
    if "fairlead" in wrong:
        sys.exit(f"bench: wrong answers during relists, such as {wrong['fairlead']['example']}")
    if bench.failures:
        sys.exit("bench: " + "; ".join(bench.failures))
