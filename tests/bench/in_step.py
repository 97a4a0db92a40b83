"""What it costs to stay in step with the API server, for one server beside one kubesim: the single measurements."""

import json
import statistics
import subprocess
import threading
import time
import urllib.request

import dns_check
import servers as processes
from measure import core_ticks
from support.processes import free_port

QUERIES_WINDOW_SECONDS = 2

WATCHED = ["namespaces", "services", "endpointslices"]

COREFILE = processes.COREFILE_HEAD + """       pods {pods}
       ttl 30
    }}
    prometheus 127.0.0.1:{metrics}
    loadbalance
}}
"""


def get(url):
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.read()


def stats(kubesim):
    return json.loads(get(f"{kubesim.api}/kubesim/stats"))


def inject(kubesim, fault):
    request = urllib.request.Request(f"{kubesim.api}/kubesim/faults", data=json.dumps(fault).encode(), method="POST")
    urllib.request.urlopen(request, timeout=30).close()


def start(name, binary, api, cpu, folder, pods="insecure"):
    """A server whose `start_s` says how long it took until /ready said yes."""
    port, ready = free_port(), free_port()
    path = processes.write(folder, f"Corefile.{name}",
                           COREFILE.format(port=port, ready=ready, health=free_port(),
                                           metrics=free_port(), api=api, pods=pods))
    begin = time.monotonic()
    server = processes.Server(name, [binary, "-conf", path], cpu, folder, env={"GOMAXPROCS": "1"})
    server.port = port
    while True:
        try:
            get(f"http://127.0.0.1:{ready}/ready")
            break
        except OSError:
            pass
        if server.process.poll() is not None:
            server.fail(f"ended with status {server.process.returncode}")
        if time.monotonic() - begin > 120:
            server.fail("was not ready within 120 s")
        time.sleep(0.003)
    server.start_s = time.monotonic() - begin
    return server


def cpu_s(server):
    return sum(server.cpu_ns().values()) / 1e9


class Window:
    """CPU of the server, and what others took of its core, between begin and end."""

    def __init__(self, server, cpu):
        self.server, self.cpu = server, cpu
        self.begin = time.monotonic(), cpu_s(server), core_ticks(cpu)

    def end(self):
        seconds = time.monotonic() - self.begin[0]
        share = (cpu_s(self.server) - self.begin[1]) / seconds
        busy, ticks = (after - before for after, before in zip(core_ticks(self.cpu), self.begin[2]))
        return {"cpu": share, "others": max(0.0, busy / max(ticks, 1) - share), "seconds": seconds}


class PeakMemory:
    """The largest resident set since the object was made. Needs the right to write clear_refs of the process."""

    def __init__(self, server):
        self.server = server
        with open(f"/proc/{server.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def mb(self):
        with open(f"/proc/{self.server.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
        return 0.0


class Checker:
    """Asks queries whose answers are known, all the while, on a thread of its own."""

    PAUSE_S = 0.005

    def __init__(self, server, queries):
        self.server, self.queries = server, queries
        self.asked = self.wrong = self.unanswered = 0
        self.example = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            query = self.queries[self.asked % len(self.queries)]
            self.asked += 1
            got = dns_check.ask(self.server.port, query, 2.0)
            if got is None:
                self.unanswered += 1
            elif got != (query.rcode, query.answers):
                self.wrong += 1
                self.example = self.example or f"{query.name} {query.type} gave {got}, not {(query.rcode, query.answers)}"
            time.sleep(self.PAUSE_S)

    def stop(self):
        self._stop.set()
        self._thread.join()
        return {"asked": self.asked, "wrong": self.wrong, "unanswered": self.unanswered, "example": self.example}


def wait_until_in_step(server, kubesim, seconds=90):
    """Every kind is watched again and the server has nothing left to do."""
    quiet = 0
    deadline = time.monotonic() + seconds
    while quiet < 3:
        before = cpu_s(server)
        time.sleep(0.2)
        open_watches = stats(kubesim)["open_watches"]
        is_quiet = all(open_watches[kind] >= 1 for kind in WATCHED) and cpu_s(server) - before < 0.2 * 0.1
        quiet = quiet + 1 if is_quiet else 0
        if time.monotonic() > deadline:
            server.fail(f"was not in step again within {seconds} s")


def force_relists(server, kubesim, queries, count):
    steady = server.rss_mb()
    peak = PeakMemory(server)
    checker = Checker(server, queries)
    begin = time.monotonic()
    cpu = cpu_s(server)
    try:
        for _ in range(count):
            inject(kubesim, {"expire_history": True, "close_watches": True})
            wait_until_in_step(server, kubesim)
    finally:
        answers = checker.stop()
    return {"count": count, "steady_mb": steady, "peak_mb": peak.mb(), "after_mb": server.rss_mb(),
            "seconds": time.monotonic() - begin, "cpu_s_each": (cpu_s(server) - cpu) / count, **answers}


def probe_command(cpu):
    """Ahead of kubesim, which has the same core and would be what is measured otherwise; where that is allowed."""
    command = ["taskset", "-c", str(cpu)]
    allowed = subprocess.run(["chrt", "-f", "10", "true"], capture_output=True).returncode == 0
    return command + (["chrt", "-f", "10"] if allowed else [])


def probe(binary, cpu, arguments, seconds, text=None):
    run = subprocess.run([*probe_command(cpu), binary, *map(str, arguments)], input=text, capture_output=True,
                         text=True, timeout=seconds + 60)
    if run.returncode != 0:
        raise processes.Failed(f"latency_probe failed: {run.stderr}")
    return json.loads(run.stdout)


def measure_queries(binary, cpu, port, seconds, questions):
    return probe(binary, cpu, ["queries", port, seconds, 1000], seconds, questions)


def measure_updates(binary, cpu, server, kubesim, seconds):
    first = json.loads(get(f"{kubesim.api}/apis/discovery.k8s.io/v1/endpointslices?limit=1"))
    return probe(binary, cpu, ["updates", kubesim.port, server.port, seconds, first["metadata"]["resourceVersion"]],
                 seconds)


def measure_churn(server, kubesim, rate, seconds, pairs, server_cpu, load_cpu, binary, questions):
    """CPU and latencies while kubesim replaces `rate` endpoints a second; and queries' latencies with and without, in
    short windows in turn: what else happens on the machine spoils some of them, and the median window counts."""
    quiet, busy = [], []
    for _ in range(pairs):
        quiet.append(measure_queries(binary, load_cpu, server.port, QUERIES_WINDOW_SECONDS, questions))
        inject(kubesim, {"churn": rate})
        time.sleep(0.5)
        busy.append(measure_queries(binary, load_cpu, server.port, QUERIES_WINDOW_SECONDS, questions))
        inject(kubesim, {"churn": 0})
        time.sleep(0.5)
    idle = Window(server, server_cpu)
    time.sleep(2)
    idle = idle.end()
    inject(kubesim, {"churn": rate})
    time.sleep(1)
    churned = stats(kubesim)["churned"]
    window = Window(server, server_cpu)
    time.sleep(seconds)
    window = window.end()
    window["updates_per_s"] = (stats(kubesim)["churned"] - churned) / window["seconds"]
    updates = measure_updates(binary, load_cpu, server, kubesim, seconds)
    inject(kubesim, {"churn": 0})
    quiet, busy = (statistics.median(window["p99"] for window in windows) for windows in (quiet, busy))
    return {"idle": idle, "window": window, "updates": updates, "quiet_p99": quiet, "churn_p99": busy,
            "pairs": pairs, "p99_ratio": busy / quiet}
