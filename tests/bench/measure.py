"""One measurement: dnsperf against one server for some seconds, and what the server's threads used meanwhile."""

import json
import re
import subprocess
import time
from dataclasses import dataclass


# dnsperf 2.10 dies of an assertion of its own (net.h, sock_b) in one run of some hundred over TCP; all other figures of
# the report should not go with it.
TRIES_MAX = 3


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


class Meter:
    """What a server's threads use from here on, and others of its core."""

    def __init__(self, server, server_cpu):
        self._server, self._cpu = server, server_cpu
        self._core, self._threads, self._start = core_ticks(server_cpu), server.cpu_ns(), time.monotonic()

    def sample(self, start_number, round_number, queries, lost, seconds, latency_us=0.0):
        elapsed = time.monotonic() - self._start
        threads_ns = [after - self._threads.get(task, 0) for task, after in self._server.cpu_ns().items()]
        core_busy, core_all = (after - before for after, before in zip(core_ticks(self._cpu), self._core))
        cpu_ns = sum(threads_ns)
        busy = cpu_ns / 1e9 / elapsed
        if queries == 0:
            self._server.fail("answered nothing")
        return Sample(server=self._server.name, start=start_number, round=round_number, queries=queries, lost=lost,
                      seconds=seconds, cpu_us=cpu_ns / 1000 / queries,
                      beside_us=(cpu_ns - max(threads_ns)) / 1000 / queries, busy=busy,
                      others=max(0.0, core_busy / max(core_all, 1) - busy), latency_us=latency_us,
                      rss_mb=self._server.rss_mb())


def measure(server, start_number, round_number, query_file, seconds, server_cpu, load_cpu, clients,
            outstanding, qps, options=()):
    """`options` go to dnsperf."""
    command = ["taskset", "-c", str(load_cpu), "dnsperf", "-s", "127.0.0.1", "-p", str(server.port), "-d", query_file,
               "-l", str(seconds), "-c", str(clients), "-q", str(outstanding), "-T", "1", "-t", "1"]
    if qps:
        command += ["-Q", str(qps)]
    command += options
    for _ in range(TRIES_MAX):
        meter = Meter(server, server_cpu)
        run = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 30)
        if run.returncode >= 0:
            break
    if run.returncode != 0:
        raise RuntimeError(f"dnsperf failed: {run.stderr or run.stdout}")
    text = run.stdout
    return meter.sample(start_number, round_number, int(figure(text, r"Queries completed:\s+(\d+)")),
                        int(figure(text, r"Queries lost:\s+(\d+)")), figure(text, r"Run time \(s\):\s+([\d.]+)"),
                        figure(text, r"Average Latency \(s\):\s+([\d.]+)") * 1e6)


def measure_open_loop(binary, how, server, start_number, round_number, questions, rate, seconds, server_cpu, load_cpu):
    """(Sample, what open_loop printed); `how` and `questions` are as open_loop takes them."""
    meter = Meter(server, server_cpu)
    run = subprocess.run(["taskset", "-c", str(load_cpu), binary, how, str(server.port), str(rate), str(seconds)],
                         stdin=open(questions), capture_output=True, text=True, timeout=seconds + 30)
    if run.returncode != 0:
        raise RuntimeError(f"open_loop failed: {run.stderr}")
    seen = json.loads(run.stdout)
    return meter.sample(start_number, round_number, seen["answered"], seen["sent"] - seen["answered"], seconds), seen
