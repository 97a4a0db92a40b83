"""A network namespace behind a link that loses, delays, repeats and reorders packets: `tc netem`, which many kernels of
containers are without, as two TUN devices and a thread between them.

    with contextlib.closing(BadLink(loss=0.2)) as link:
        with link.entered():
            ... servers in there, on link.inside ...
        link.delay = 0.2        # any of them may be changed at any time
"""

import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time

from support.netns import NetworkNamespace

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
UDP = 17
MTU = 1500
QUEUE_MAX = 20_000


class BadLink(NetworkNamespace):
    """`loss`, `duplicate` and `reorder` are shares of all packets, each way; `delay` seconds each way, of which those that
    are reordered have none; UDP datagrams with more than `datagram_max` octets of payload vanish."""

    def __init__(self, loss=0.0, delay=0.0, duplicate=0.0, reorder=0.0, datagram_max=None):
        self.loss, self.delay, self.duplicate, self.reorder = loss, delay, duplicate, reorder
        self.datagram_max = datagram_max
        self.moved = self.lost = 0
        self._random = random.Random(1)
        self._ends = []
        self._closing, self._wake = os.pipe()
        self._thread = None
        super().__init__()

    def _connect(self):
        for name in (self._link, self._peer):
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            self._ends.append(end)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
        self._ip("link", "set", self._peer, "netns", self.name)
        for where, name, own in ((), self._link, self.outside), (("-n", self.name), self._peer, self.inside):
            self._ip(*where, "address", "add", f"{own}/30", "dev", name)
            self._ip(*where, "link", "set", name, "mtu", str(MTU), "up")
        self._thread = threading.Thread(target=self._move, daemon=True)
        self._thread.start()

    def close(self):
        os.write(self._wake, b".")
        if self._thread:
            self._thread.join(5)
        for end in (*self._ends, self._closing, self._wake):
            os.close(end)
        self._ends = []
        super().close()

    def _move(self):
        queue, number = [], 0
        while True:
            wait = max(0, queue[0][0] - time.monotonic()) if queue else None
            ready, _, _ = select.select([*self._ends, self._closing], [], [], wait)
            if self._closing in ready:
                return
            for end in ready:
                other = self._ends[1 - self._ends.index(end)]
                for packet in self._read(end):
                    for due in self._dues(packet):
                        number += 1
                        if len(queue) < QUEUE_MAX:
                            heapq.heappush(queue, (due, number, other, packet))
            now = time.monotonic()
            while queue and queue[0][0] <= now:
                _, _, end, packet = heapq.heappop(queue)
                try:
                    os.write(end, packet)
                    self.moved += 1
                except OSError:
                    pass  # an end that is down

    @staticmethod
    def _read(end):
        for _ in range(64):
            try:
                yield os.read(end, 65536)
            except OSError:
                return

    def _dues(self, packet):
        """When copies of it arrive."""
        header = (packet[0] & 15) * 4
        is_long = packet[0] >> 4 == 4 and packet[9] == UDP and self.datagram_max and (
            len(packet) - header - 8 > self.datagram_max)
        if is_long or self._random.random() < self.loss:
            self.lost += 1
            return
        for _ in range(2 if self._random.random() < self.duplicate else 1):
            yield time.monotonic() + (0 if self._random.random() < self.reorder else self.delay)


def missing():
    """The reason to skip where such a link cannot be made, else None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return None if os.path.exists("/dev/net/tun") else "there is no /dev/net/tun"
