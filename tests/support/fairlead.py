"""The server under test: build/PRESET/bin/fairlead on free loopback ports."""

import itertools
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from support import dns
from support.dig import dig
from support.processes import Process, free_port, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]

# What a sanitizer build on a loaded 2-core machine needs, not what a user should see.
START_SECONDS = 30
STOP_SECONDS = 20


def build_folder():
    """Where the programs under test were built: what ctest says, else the release preset."""
    return Path(os.environ.get("FAIRLEAD_BUILD_DIR", REPOSITORY / "build" / "release")).resolve()


def program(name):
    return build_folder() / "bin" / name


def missing(*names):
    """The reason to skip when one of these programs is not built, else None."""
    for name in names:
        if not program(name).exists():
            return f"{name} is not built in {build_folder().name}"
    return None


def server_block(directives, zones="."):
    """A server block of a Corefile that is written with Fairlead's values: loopback addresses and free ports first."""
    keys = " ".join(f"{zone}:{{port}}" for zone in zones.split())
    lines = [
        "bind 127.0.0.1", "errors", "health 127.0.0.1:{health}", "ready 127.0.0.1:{ready}",
        "prometheus 127.0.0.1:{metrics}", *directives.strip().splitlines(),
    ]
    return keys + " {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


class Fairlead:
    """One running server.

    `directives` are the lines of a server block for `.` (or for `zones`), to which ports and loopback addresses are
    added. Or `corefile` is a whole file, in which {port}, {health}, {ready}, {metrics} and names from `values` are
    replaced.
    """

    name = "fairlead"

    def __init__(self, folder, directives="", corefile=None, zones=".", environment=None, values=None, arguments=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.health, self.ready, self.metrics_port = (free_port() for _ in range(4))
        self._environment = environment or {}
        self._arguments = arguments
        self._values = values or {}
        self._process = None
        self._launched = []
        self.corefile_path = self.folder / "Corefile"
        self.write_corefile(corefile or server_block(directives, zones))

    def write_corefile(self, text):
        """Replaces the Corefile in one step, as a ConfigMap update does."""
        replacements = {
            "port": self.port, "health": self.health, "ready": self.ready, "metrics": self.metrics_port, **self._values}
        for name, value in replacements.items():
            text = text.replace("{" + name + "}", str(value))
        temporary = self.corefile_path.with_suffix(".new")
        temporary.write_text(text)
        temporary.rename(self.corefile_path)

    # --- life

    def program(self):
        return program("fairlead")

    def launch(self):
        """Starts the process and returns it at once: for what ends by itself. Nothing is checked when that ends."""
        arguments = [self.program(), "-conf", self.corefile_path, *self._arguments]
        process = Process(self.name, arguments, self.folder, environment=self._environment, cwd=self.folder)
        self._launched.append(process)
        return process

    def start(self, wait_ready=True):
        self._process = self.launch()
        self._launched.remove(self._process)
        self.wait_listening()
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=START_SECONDS):
        wait_until(lambda: self._alive() and self.is_ready(), timeout, lambda: f"/ready is 200:\n{self.output()}")

    def wait_listening(self, timeout=START_SECONDS):
        """Until DNS is answered, whatever the answer."""
        wait_until(lambda: self._alive() and self.answers(), timeout, lambda: f"DNS is served:\n{self.output()}")

    def _alive(self):
        if not self._process.is_running():
            raise AssertionError(f"{self.name} ended with status {self._process.exit_status}:\n{self.output()}")
        return True

    def answers(self):
        try:
            dns.ask(self.port, "listening.test.invalid", timeout=0.5)
            return True
        except OSError:
            return False

    def stop(self, number=signal.SIGTERM):
        """Stops in order and checks that nothing was wrong: status 0, and no finding of a sanitizer."""
        self._kill_launched()
        if not self._process:
            return
        process, self._process = self._process, None
        running = process.is_running()
        status = process.stop(number, STOP_SECONDS)
        findings = process.findings()
        assert not findings, f"a sanitizer or an assertion speaks:\n{process.output()[-20000:]}"
        assert running, f"{self.name} had ended by itself with status {status}:\n{process.tail()}"
        assert status is not None, f"{self.name} did not stop within {STOP_SECONDS} s:\n{process.tail()}"
        assert status == 0, f"{self.name} ended with status {status}:\n{process.tail()}"

    def _kill_launched(self):
        while self._launched:
            process = self._launched.pop()
            process.stop(signal.SIGKILL)
            assert not process.findings(), process.output()[-20000:]

    def kill(self):
        while self._launched:
            self._launched.pop().stop(signal.SIGKILL)
        if self._process:
            self._process.stop(signal.SIGKILL)
            self._process = None

    def reload(self):
        self._process.send(signal.SIGUSR1)

    def __enter__(self):
        if not self._process:
            self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()

    # --- questions

    @property
    def process(self):
        return self._process

    def output(self):
        return self._process.output() if self._process else ""

    def dig(self, name, type="A", *flags):
        return dig(self.port, name, type, *flags)

    def ask(self, name, type="A", **options):
        return dns.ask(self.port, name, type, **options)

    def eventually(self, name, type, expected, timeout=10):
        """Asks until the answer section's data of that type are `expected` (a list, in any order), or, given a string,
        until that is the RCODE. Returns the last answer."""
        last = None

        def matches():
            nonlocal last
            last = self.ask(name, type)
            if isinstance(expected, str):
                return last.rcode == expected
            return last.rcode == "NOERROR" and last.data(type) == sorted(expected)

        wait_until(matches, timeout, lambda: f"{name} {type} is {expected}; last answer:\n{last}")
        return last

    def is_ready(self):
        return self.status("ready", "/ready") == 200

    def status(self, endpoint, path):
        """The HTTP status of "health", "ready" or "metrics", or None when nobody listens."""
        port = {"health": self.health, "ready": self.ready, "metrics": self.metrics_port}[endpoint]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    def metrics_page(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=5) as response:
            return response.read().decode()

    def metrics(self):
        """All samples of /metrics as {'name{label="value"}': number}."""
        lines = self.metrics_page().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}


class Repeater:
    """Calls repeat() over and over from a thread, for as long as a `with` lasts."""

    def __init__(self, pause):
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(10)

    def _run(self):
        while not self._stopping.wait(self._pause):
            self.repeat()

    def repeat(self):
        raise NotImplementedError


class Watcher(Repeater):
    """Asks the same questions over and over from a thread, and remembers each answer that was not as expected.

    with Watcher(server, {("web.default.svc.cluster.local", "A"): ["10.96.0.7"]}) as watcher: ...disturb...
    assert watcher.asked > 100 and not watcher.wrong
    """

    # One lost datagram on a loaded loopback is not the server's fault; two in a row are.
    TRIES = 2

    def __init__(self, server, expected, pause=0.002):
        super().__init__(pause)
        self._server = server
        self._expected = itertools.cycle([(*question, sorted(data)) for question, data in expected.items()])
        self.asked = 0
        self.wrong = []

    def repeat(self):
        self._ask(*next(self._expected))

    def _ask(self, name, type, data):
        for attempt in range(self.TRIES):
            try:
                answer = self._server.ask(name, type, timeout=1.0)
                break
            except OSError as error:
                if attempt == self.TRIES - 1:
                    self._remember(f"{name} {type}: {error!r}")
                    return
        self.asked += 1
        if answer.rcode != "NOERROR" or answer.data(type) != data:
            self._remember(f"{name} {type}: expected {data}, got {answer}")

    def _remember(self, text):
        if len(self.wrong) < 20:
            self.wrong.append(f"at {time.strftime('%H:%M:%S')} {text}")
