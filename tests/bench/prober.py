"""A client with a clock: questions at a steady rate over one socket, and when each was asked and answered."""

import contextlib
import os
import socket
import struct
import threading
import time

PATIENCE_SECONDS = 5.0


class Prober:
    """Asks name(number) for A; `samples` are (asked at, seconds until the answer or None, RCODE)."""

    def __init__(self, port, rate, name):
        self._rate, self._name = rate, name
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(0.2)
        self._asked = {}
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._receive)]
        self.samples = []

    def __enter__(self):
        self.begun = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + 2)
        self._socket.close()
        self.samples += [(asked, None, None) for asked in self._asked.values()]
        self.samples.sort(key=lambda sample: sample[0])

    @staticmethod
    def _go_first():
        """Before the load that shares the core, where that is allowed: what is measured is the server's time."""
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)

    def _send(self):
        self._go_first()
        number = 0
        while not self._stopping.is_set():
            due = self.begun + number / self._rate
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            identifier = number % 65536
            labels = self._name(number).rstrip(".").split(".")
            question = b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\x00\x00\x01\x00\x01"
            self._asked[identifier] = time.monotonic()
            try:
                self._socket.send(struct.pack("!6H", identifier, 0x0100, 1, 0, 0, 0) + question)
            except OSError:
                pass
            number += 1

    def _receive(self):
        self._go_first()
        ends = None
        while True:
            if self._stopping.is_set():
                ends = ends or time.monotonic() + PATIENCE_SECONDS
                if not self._asked or time.monotonic() > ends:
                    return
            try:
                reply = self._socket.recv(4096)
            except OSError:
                continue
            asked = self._asked.pop(struct.unpack_from("!H", reply)[0], None)
            if asked is not None:
                self.samples.append((asked, time.monotonic() - asked, reply[3] & 15))

    def between(self, begin, end):
        """The answer times of what was asked in these seconds after the start, lost ones as PATIENCE_SECONDS."""
        return [PATIENCE_SECONDS if seconds is None else seconds for asked, seconds, _ in self.samples
                if begin <= asked - self.begun < end]


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
