"""One measurement: dnsperf against one server for some seconds, and what the server's threads used meanwhile."""

import re
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Sample:
    server: str
    start: int           # which process of that server
    round: int
    queries: int
    lost: int
    seconds: float
    cpu_us: float        # of the server, per query
    beside_us: float     # of that, what threads other than the busiest one used
    busy: float          # share of its core
    latency_us: float    # mean, as dnsperf sees it
    rss_mb: float
    others: float        # share of the server's core that went to other processes

    @property
    def qps(self):
        return self.queries / self.seconds


def figure(text, pattern):
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"dnsperf said nothing like /{pattern}/:\n{text}")
    return float(found.group(1))


def core_ticks(cpu):
    """(busy, all) clock ticks of a core so far. Time that the hypervisor stole counts as busy: it was not ours."""
    with open("/proc/stat") as file:
        for line in file:
            if line.startswith(f"cpu{cpu} "):
                ticks = [int(field) for field in line.split()[1:9]]
                return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
    return 0, 0


def measure(server, start_number, round_number, query_file, seconds, server_cpu, load_cpu, clients,
            outstanding, qps, options=(), read_output=None):
    """`options` go to dnsperf; `read_output` is given what it wrote."""
    command = ["taskset", "-c", str(load_cpu), "dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", query_file,
               "-l", str(seconds), "-c", str(clients), "-q", str(outstanding), "-T", "1", "-t", "1"]
    if qps:
        command += ["-Q", str(qps)]
    command += options
    core_before = core_ticks(server_cpu)
    cpu_before = server.cpu_ns()
    start = time.monotonic()
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    elapsed = time.monotonic() - start
    threads_ns = [after - cpu_before.get(task, 0) for task, after in server.cpu_ns().items()]
    cpu_ns = sum(threads_ns)
    core_busy, core_all = (after - before for after, before in zip(core_ticks(server_cpu), core_before))
    busy = cpu_ns / 1e9 / elapsed
    if run.returncode != 0:
        raise RuntimeError(f"dnsperf failed: {run.stderr or run.stdout}")
    text = run.stdout
    if read_output:
        read_output(text)
    queries = int(figure(text, r"Queries completed:\s+(\d+)"))
    if queries == 0:
        server.fail("answered nothing")
    return Sample(server=server.name, start=start_number, round=round_number, queries=queries,
                  lost=int(figure(text, r"Queries lost:\s+(\d+)")), seconds=figure(text, r"Run time \(s\):\s+([\d.]+)"),
                  cpu_us=cpu_ns / 1000 / queries,
                  beside_us=(cpu_ns - max(threads_ns)) / 1000 / queries, busy=busy,
                  others=max(0.0, core_busy / max(core_all, 1) - busy),
                  latency_us=figure(text, r"Average Latency \(s\):\s+([\d.]+)") * 1e6, rss_mb=server.rss_mb())
