"""One measurement: dnsperf against one server for some seconds, and what the server's threads used meanwhile."""

import re
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Sample:
    server: str
    round: int
    queries: int
    lost: int
    seconds: float
    cpu_us: float        # of the server, per query
    busy: float          # share of its core
    latency_us: float    # mean, as dnsperf sees it
    rss_mb: float

    @property
    def qps(self):
        return self.queries / self.seconds


def figure(text, pattern):
    found = re.search(pattern, text)
    if not found:
        raise RuntimeError(f"dnsperf said nothing like /{pattern}/:\n{text}")
    return float(found.group(1))


def measure(server, round_number, query_file, seconds, load_cpu, clients, outstanding, qps):
    command = ["taskset", "-c", str(load_cpu), "dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", query_file,
               "-l", str(seconds), "-c", str(clients), "-q", str(outstanding), "-T", "1", "-t", "1"]
    if qps:
        command += ["-Q", str(qps)]
    cpu_before = server.cpu_ns()
    start = time.monotonic()
    run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
    elapsed = time.monotonic() - start
    cpu_ns = server.cpu_ns() - cpu_before
    if run.returncode != 0:
        raise RuntimeError(f"dnsperf failed: {run.stderr or run.stdout}")
    text = run.stdout
    queries = int(figure(text, r"Queries completed:\s+(\d+)"))
    if queries == 0:
        server.fail("answered nothing")
    return Sample(server=server.name, round=round_number, queries=queries,
                  lost=int(figure(text, r"Queries lost:\s+(\d+)")), seconds=figure(text, r"Run time \(s\):\s+([\d.]+)"),
                  cpu_us=cpu_ns / 1000 / queries, busy=cpu_ns / 1e9 / elapsed,
                  latency_us=figure(text, r"Average Latency \(s\):\s+([\d.]+)") * 1e6, rss_mb=server.rss_mb())
