"""Processes that tests start: each is ended by its pid, dies with the test run, and keeps what it wrote.

Nothing here waits without a bound.
"""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

# Ports below Linux's ephemeral range (32768), so that no client socket takes one between the probe and the bind. They come
# in blocks, which belong to one test run at a time: two that run side by side would now and then pick the same port.
PORT_MIN = 12000
PORT_MAX = 32000
PORT_BLOCK = 100

TAIL_BYTES = 4 * 1024
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_free_ports = []  # of the blocks that are ours
_our_blocks = []
_started = []

# Races in libraries that are not built with ThreadSanitizer; of no effect in other builds.
TSAN_SUPPRESSIONS = Path(__file__).with_name("tsan.supp")

# What a sanitizer writes when it has found something, and what a failed assertion of libstdc++ or of libc writes.
FINDINGS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
    "Assertion `",
    "terminate called",
)


def free_port():
    """A loopback port that is free for UDP and TCP, on both families, and that no other test run hands out while this one
    lasts."""
    while True:
        if not _free_ports:
            _take_port_block()
        port = _free_ports.pop()
        try:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                    with socket.socket(family, kind) as probe:
                        try:
                            probe.bind((address, port))
                        except OSError:
                            # A machine without IPv6 has no ::1 to be taken.
                            if family == socket.AF_INET:
                                raise
        except OSError:
            continue
        return port


def _take_port_block():
    """A name that only one can have, and that ends with its owner: an abstract Unix socket, for each network namespace as
    ports are."""
    blocks = list(range(PORT_MIN, PORT_MAX, PORT_BLOCK))
    random.shuffle(blocks)
    for first in blocks:
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0fairlead-tests-ports-{first}")
        except OSError:
            mark.close()
            continue
        _our_blocks.append(mark)
        _free_ports.extend(range(first, first + PORT_BLOCK))
        return
    raise RuntimeError("no free port found")


def wait_until(condition, timeout, what, interval=0.02):
    """Waits for condition() to be true and returns its value; after `timeout` seconds raises AssertionError(what)."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(interval)


def started_by_this_test_run():
    """Newest last; those that were stopped long ago are left out."""
    return _started[-8:]


def tool(name):
    """The path of a program, which Debian may keep in sbin."""
    for folder in (*os.environ.get("PATH", "").split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"):
        path = Path(folder) / name
        if folder and path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise FileNotFoundError(f"{name} is not installed; tools/dev setup does it")


class Process:
    """One child process. Its standard output and error go to a file in `folder`."""

    def __init__(self, name, arguments, folder, environment=None, cwd=None, clean_environment=False):
        self.name = name
        self.arguments = [str(argument) for argument in arguments]
        self.log_path = Path(folder) / f"{name}.log"
        variables = {} if clean_environment else dict(os.environ)
        variables.setdefault("TSAN_OPTIONS", f"suppressions={TSAN_SUPPRESSIONS}")
        variables.update(environment or {})
        self._log = open(self.log_path, "ab")
        self._begin = self._log.tell()
        self._child = subprocess.Popen(
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd=cwd,
            env=variables,
            preexec_fn=_die_with_parent,
        )
        _started.append(self)

    @property
    def pid(self):
        return self._child.pid

    @property
    def exit_status(self):
        """None while it runs; negative for a signal."""
        return self._child.poll()

    def is_running(self):
        return self.exit_status is None

    def output(self):
        with open(self.log_path, "rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")

    def tail(self):
        text = self.output()
        return text if len(text) <= TAIL_BYTES else "...\n" + text[-TAIL_BYTES:]

    def send(self, number):
        if self.is_running():
            self._child.send_signal(number)

    def wait(self, timeout):
        return self._child.wait(timeout)

    def stop(self, number=signal.SIGTERM, timeout=10):
        """Sends the signal and waits; a process that does not obey in time is killed and None is returned."""
        self.send(number)
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait(5)
            return None
        finally:
            self._log.close()

    def findings(self):
        """The lines of its output that report a memory error, a leak, a race or a failed assertion."""
        return [line for line in self.output().splitlines() if any(mark in line for mark in FINDINGS)]

    def descriptors(self):
        """The numbers of its open descriptors."""
        return [int(name) for name in os.listdir(f"/proc/{self.pid}/fd")]

    def has_sanitizer(self):
        """A sanitizer keeps freed memory for a while: what a process grows by says nothing then."""
        maps = Path(f"/proc/{self.pid}/maps").read_text()
        return any(name in maps for name in ("libasan", "libtsan", "libubsan", "libclang_rt"))

    def rss_kilobytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        return 0


def _die_with_parent():
    # A test run that is killed (ctest's timeout) must not leave servers behind.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(arguments, timeout=60, check=True, input_text=None, environment=None):
    """Runs a program to its end and returns its CompletedProcess; on failure the error holds what it wrote."""
    variables = dict(os.environ)
    variables.update(environment or {})
    done = subprocess.run(
        [str(argument) for argument in arguments],
        input=input_text,
        stdin=subprocess.DEVNULL if input_text is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=variables,
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(done.args)} ended with status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done


if sys.version_info < (3, 11):
    raise RuntimeError("the tests need Python 3.11, Debian 12's /usr/bin/python3")
