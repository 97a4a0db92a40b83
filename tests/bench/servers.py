"""The processes of a benchmark: each pinned to a core, on loopback, ended by its pid."""

import os
import signal
import subprocess
import time
import urllib.request

from support.processes import free_port


class Failed(Exception):
    pass


class Server:
    def __init__(self, name, command, cpu, folder, env=None):
        self.name = name
        self.log = os.path.join(folder, f"{name}.log")
        self.port = None
        self.version = ""
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(["taskset", "-c", str(cpu), *command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, cwd=folder, env={**os.environ, **(env or {})})

    def tasks(self):
        """The folders in /proc of all threads, those of child processes (NSD's) included."""
        pids, found = [self.process.pid], []
        while pids:
            pid = pids.pop()
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    found.append(f"/proc/{pid}/task/{task}")
                    with open(f"{found[-1]}/children") as file:
                        pids += file.read().split()
            except (FileNotFoundError, ProcessLookupError):
                pass  # one that ended
        return found

    def cpu_ns(self):
        """CPU time of each thread so far. schedstat counts nanoseconds where /proc/PID/stat counts 10 ms ticks."""
        times = {}
        for task in self.tasks():
            try:
                with open(f"{task}/schedstat") as file:
                    times[task] = int(file.read().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass  # a thread that ended
        return times

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return 0.0

    def fail(self, why):
        with open(self.log) as file:
            tail = file.read()[-2000:]
        raise Failed(f"{self.name} {why}; its output ends with:\n{tail}")

    def wait_until(self, is_ready, seconds, what):
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.process.poll() is not None:
                self.fail(f"ended with status {self.process.returncode}")
            if time.monotonic() > deadline:
                self.fail(f"did not {what} within {seconds} s")
            time.sleep(0.05)

    def stop(self):
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def first_line(command):
    output = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return ((output.stdout or output.stderr).strip().splitlines() or [""])[0]


def start_kubesim(binary, synthetic, cpu, folder, options=()):
    port = free_port()
    server = Server("kubesim", [binary, "--listen", f"127.0.0.1:{port}", "--synthetic", synthetic,
                                "--protobuf", *options], cpu, folder)
    server.port = port
    server.api = f"http://127.0.0.1:{port}"

    def is_ready():
        try:
            urllib.request.urlopen(f"{server.api}/api/v1/namespaces?limit=1", timeout=2).close()
            return True
        except OSError:
            return False

    server.wait_until(is_ready, 60, "serve the API")
    return server


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as out:
        out.write(text)
    return path


def start_program(name, port, command, version, cpu, folder):
    """A server that is a program of its own; `version` is the flag that tells it."""
    server = Server(name, command, cpu, folder)
    server.port = port
    server.version = first_line([command[0], version])
    return server


def start_reflector(binary, cpu, folder):
    port = free_port()
    server = Server("reflector", [binary, "127.0.0.1", str(port), "1"], cpu, folder)
    server.port = port
    server.version = "recvmmsg/sendmmsg, batch 64"
    server.wait_until(lambda: "listening" in open(server.log).read(), 5, "listen")
    return server


def start_knot(zone_file, cpu, folder, name="knot", zone="cluster.local"):
    port = free_port()
    path = write(folder, f"{name}.conf", f"""server:
    listen: 127.0.0.1@{port}
    rundir: {folder}/{name}-run
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: warning
database:
    storage: {folder}/{name}-db
template:
  - id: default
    semantic-checks: off
    journal-content: none
    zonefile-sync: -1
zone:
  - domain: {zone}
    file: {zone_file}
""")
    os.makedirs(os.path.join(folder, f"{name}-run"), exist_ok=True)
    return start_program(name, port, ["knotd", "-c", path], "--version", cpu, folder)


def start_nsd(zone_file, cpu, folder):
    port = free_port()
    path = write(folder, "nsd.conf", f"""server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    username: ""
    chroot: ""
    pidfile: ""
    database: ""
    zonesdir: {folder}
    xfrdfile: {folder}/nsd-xfrd
    xfrdir: {folder}
    zonelistfile: {folder}/nsd-zones
    ipv4-edns-size: 1232
    round-robin: yes
    rrl-ratelimit: 0
    tcp-count: 500
    tcp-query-count: 0
remote-control:
    control-enable: no
zone:
    name: cluster.local
    zonefile: {zone_file}
""")
    return start_program("nsd", port, ["nsd", "-d", "-c", path], "-v", cpu, folder)


def start_unbound(upstream_port, cpu, folder):
    port = free_port()
    path = write(folder, "unbound.conf", f"""server:
    interface: 127.0.0.1@{port}
    num-threads: 1
    do-daemonize: no
    use-syslog: no
    username: ""
    chroot: ""
    pidfile: ""
    directory: {folder}
    module-config: "iterator"
    do-not-query-localhost: no
    so-rcvbuf: 4m
    edns-buffer-size: 1232
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@{upstream_port}
""")
    return start_program("unbound", port, ["unbound", "-d", "-c", path], "-V", cpu, folder)


def start_dnsdist(upstream_port, probe_name, cpu, folder):
    port = free_port()
    path = write(folder, "dnsdist.conf", f"""setLocal('127.0.0.1:{port}')
setSecurityPollSuffix('')
newServer({{address='127.0.0.1:{upstream_port}', checkName='{probe_name}'}})
getPool(''):setCache(newPacketCache(100000))
""")
    command = ["dnsdist", "-C", path, "--supervised", "--disable-syslog"]
    return start_program("dnsdist", port, command, "--version", cpu, folder)


COREFILE_HEAD = """.:{port} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{health}
    ready 127.0.0.1:{ready}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
       endpoint {api}
"""

COREFILE = COREFILE_HEAD + """       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    prometheus 127.0.0.1:{metrics}
    cache 30
    reload
    loadbalance
}}
"""


# The same, with `forward` to an upstream: all directives of kubeadm's Corefile but `loop`, which is over after its probe.
COREFILE_FORWARDING = COREFILE.replace("    cache 30\n", "    cache 30\n    forward . 127.0.0.1:{upstream}\n")

COREFILE_LOG = COREFILE_FORWARDING.replace("    errors\n", "    errors\n    log\n")

# Nothing but what answers.
COREFILE_BARE = """.:{port} {{
    bind 127.0.0.1
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
       endpoint {api}
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }}
    loadbalance
}}
"""


def start_cluster_dns(name, binary, api, cpu, folder, corefile=COREFILE, upstream=0):
    """Fairlead, or CoreDNS: they read the same Corefile, kubeadm's without `forward` and `loop` if none is given."""
    port = free_port()
    path = write(folder, f"Corefile.{name}",
                 corefile.format(port=port, health=free_port(), ready=free_port(), metrics=free_port(), api=api,
                                 upstream=upstream))
    server = Server(name, [binary, "-conf", path], cpu, folder, env={"GOMAXPROCS": "1"})
    server.port = port
    server.version = first_line([binary, "-version"])
    return server
