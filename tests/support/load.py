"""A steady rate of questions over many sockets, each of which must be answered: what a reload may not lose."""

import selectors
import socket
import struct
import threading
import time

from support import dns

# Source ports, so that the kernel spreads the questions over all workers.
SOCKETS = 32
# How long an answer may take on a loaded machine before it counts as lost.
PATIENCE_SECONDS = 3.0


class QueryLoad:
    """Asks (name, type) questions in turn. `expected` maps them to the RDATA of the answer, sorted. With `renew` a socket
    asks one question and is closed once that is answered, as a client's library does; otherwise they stay.

    with QueryLoad(server.port, {...}, rate=500) as load: ...disturb...
    assert load.lost == 0 and load.wrong == []
    """

    def __init__(self, port, expected, rate=500, address="127.0.0.1", renew=False):
        self._target = (address, port)
        self._renew = renew
        self._expected = [(name, type, sorted(data)) for (name, type), data in expected.items()]
        self._rate = rate
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._waiting = {}  # (socket, id) -> (expected data, sent at)
        self.asked = 0
        self.answered = 0
        self.wrong = []

    @property
    def lost(self):
        return self.asked - self.answered

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(PATIENCE_SECONDS + 5)

    def _run(self):
        selector = selectors.DefaultSelector()
        channels = [] if self._renew else [self._open(selector) for _ in range(SOCKETS)]
        begin = time.monotonic()
        while not self._stopping.is_set():
            due = int((time.monotonic() - begin) * self._rate) - self.asked
            # A pause of this machine is no burst of questions.
            for _ in range(min(due, SOCKETS)):
                self._ask(self._open(selector) if self._renew else channels[self.asked % SOCKETS])
            self._collect(selector, 1 / self._rate)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._waiting and time.monotonic() < deadline:
            self._collect(selector, 0.05)
        for key in list(selector.get_map().values()):
            key.fileobj.close()

    @staticmethod
    def _open(selector):
        channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        # Not connected: an ICMP error for one question must not be reported in place of another's answer.
        channel.bind(("127.0.0.1", 0))
        channel.setblocking(False)
        selector.register(channel, selectors.EVENT_READ)
        return channel

    def _ask(self, channel):
        name, type, data = self._expected[self.asked % len(self._expected)]
        identifier = self.asked % 0x10000
        self._waiting[channel, identifier] = (name, type, data)
        channel.sendto(dns.encode_query(name, type, identifier), self._target)
        self.asked += 1

    def _collect(self, selector, seconds):
        for key, _ in selector.select(seconds):
            try:
                wire = key.fileobj.recv(65535)
            except OSError:
                continue
            question = self._waiting.pop((key.fileobj, struct.unpack_from("!H", wire)[0]), None)
            if question is None:
                continue
            if self._renew:
                selector.unregister(key.fileobj)
                key.fileobj.close()
            name, type, data = question
            self.answered += 1
            answer = dns.decode(wire)
            if (answer.rcode != "NOERROR" or answer.data(type) != data) and len(self.wrong) < 20:
                self.wrong.append(f"at {time.strftime('%H:%M:%S')} {name} {type}: expected {data}, got {answer}")
