"""Which cache lines threads share while a server answers: its memory accesses as valgrind's lackey traces them.

Lackey has no switch to begin with, so the trace of the start is read and thrown away, and kept for a window alone.
Valgrind runs one thread at a time and says when it takes another (--trace-sched).
"""

import os
import re
import subprocess
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

from support.fairlead import Fairlead
from support.processes import Process, wait_until

LINE_OCTETS = 64
# A trace writes about a million lines a second; starting the server takes 40 million.
START_SECONDS = 100
QUIET_SECONDS = 0.5

SCHEDULED = re.compile(rb"SCHED\[(\d+)\]:\s+(acquired|releasing) lock")


class Accesses:
    """{thread: {line: {instruction that touched it}}}, for loads and for stores; how much each thread did; and how often
    each line moved: between caches that are one thread's each and know no bounds, the cost of sharing it."""

    def __init__(self, trace):
        self.loads = defaultdict(lambda: defaultdict(set))
        self.stores = defaultdict(lambda: defaultdict(set))
        self.instructions = Counter()
        self.moves = Counter()
        holders = {}  # {line: threads that have it as it is, a bit for each}
        thread, at, loads, stores = None, 0, None, None
        for text in trace.splitlines():
            kind = text[:3]
            if kind == b"I  ":
                if thread is not None:
                    at = int(text[3:text.index(b",")], 16)
                    self.instructions[thread] += 1
            elif kind in (b" L ", b" S ", b" M "):
                if thread is None:
                    continue  # from before the window
                address, _, octets = text[3:].partition(b",")
                first, us = int(address, 16), 1 << thread
                for line in range(first // LINE_OCTETS, (first + int(octets) - 1) // LINE_OCTETS + 1):
                    have = holders.get(line, us)
                    if kind != b" S ":
                        loads[line].add(at)
                    if kind != b" L ":
                        stores[line].add(at)
                        self.moves[line] += have != us
                        holders[line] = us
                    else:
                        self.moves[line] += not have & us
                        holders[line] = have | us
            elif scheduled := SCHEDULED.search(text):
                thread = int(scheduled[1]) if scheduled[2] == b"acquired" else None
                if thread is not None:
                    loads, stores = self.loads[thread], self.stores[thread]

    def workers(self, count):
        """The threads that did most."""
        return [thread for thread, _ in self.instructions.most_common(count)]

    def shared(self, thread, moves_min):
        """[(line, instructions that store there, {other thread: instructions that touch it})] of what `thread` writes
        and what moved so often."""
        found = []
        for line, stored_at in sorted(self.stores[thread].items()):
            if self.moves[line] < moves_min:
                continue
            others = {other: self.loads[other].get(line, set()) | self.stores[other].get(line, set())
                      for other in self.instructions if other != thread}
            others = {other: at for other, at in others.items() if at}
            if others:
                found.append((line, stored_at, others))
        return found


class TracedFairlead(Fairlead):
    """A server under lackey. Threads are valgrind's numbers."""

    def launch(self):
        self._pipe = self.folder / "trace"
        os.mkfifo(self._pipe)
        self._window, self._lock, self._octets = None, threading.Lock(), 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        process = Process(self.name, ["valgrind", "--tool=lackey", "--trace-mem=yes", "--trace-sched=yes",
                                      f"--log-file={self._pipe}", self.program(), "-conf", self.corefile_path,
                                      *self._arguments], self.folder, environment=self._environment, cwd=self.folder)
        self._launched.append(process)
        return process

    def wait_listening(self, timeout=START_SECONDS):
        super().wait_listening(timeout)

    def wait_ready(self, timeout=START_SECONDS):
        super().wait_ready(timeout)

    def trace(self, act):
        """What happens while act() runs, from quiet to quiet."""
        self._wait_quiet()
        with self._lock:
            self._window = []
        act()
        self._wait_quiet()
        with self._lock:
            window, self._window = self._window, None
        return Accesses(b"".join(window))

    def describe(self, instructions):
        """The function and the source line of each."""
        maps = Path(f"/proc/{self.process.pid}/maps").read_text()
        told = []
        for at in sorted(instructions):
            for entry in maps.splitlines():
                fields = entry.split(None, 5)
                begin, end = (int(number, 16) for number in fields[0].split("-"))
                if not begin <= at < end or len(fields) < 6:
                    continue
                offset = at - begin + int(fields[2], 16)
                base = min(int(other.split("-")[0], 16) for other in maps.splitlines() if other.endswith(fields[5]))
                lines = subprocess.run(["addr2line", "-Cfse", fields[5], hex(at - base)], capture_output=True, text=True,
                                       timeout=60).stdout.split("\n")
                told.append(f"{lines[0][:120]} ({lines[1] if len(lines) > 1 else ''}, {Path(fields[5]).name}+{offset:#x})")
        return told or ["?"]

    def _read(self):
        with open(self._pipe, "rb", buffering=0) as pipe:
            while block := pipe.read(1 << 20):
                with self._lock:
                    self._octets += len(block)
                    if self._window is not None:
                        self._window.append(block)

    def _wait_quiet(self):
        """Until the trace stands still but for a timer's tick."""
        def is_quiet():
            before = self._octets
            time.sleep(QUIET_SECONDS)
            return self._octets - before < 1 << 20
        wait_until(is_quiet, START_SECONDS, "the trace is read")
