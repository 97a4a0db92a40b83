"""A network namespace with one link out of it, which can be cut: what a broken network looks like to a process."""

import contextlib
import ctypes
import os
import random

from support.processes import run, tool

CLONE_NEWNET = 0x40000000
# RFC 2544's network for tests of devices: nobody routes it.
NETWORK = "198.18"

_libc = ctypes.CDLL(None, use_errno=True)


def missing():
    """The reason to skip where namespaces cannot be made, else None."""
    return None if os.geteuid() == 0 else "network namespaces need root"


class NetworkNamespace:
    """A namespace named after this process. `outside` and `inside` are the addresses of the link's two ends."""

    def __init__(self):
        # Two runs at once on one machine do not meet, neither by name nor by address.
        number = random.randrange(1, 250)
        self.name = f"fairlead-{os.getpid()}-{number}"
        self._link = f"fl{os.getpid() % 100000}o{number}"
        self._peer = f"fl{os.getpid() % 100000}i{number}"
        self.outside, self.inside = f"{NETWORK}.{number}.1", f"{NETWORK}.{number}.2"
        self._ip("netns", "add", self.name)
        try:
            self._ip("-n", self.name, "link", "set", "lo", "up")
            self._connect()
        except (AssertionError, OSError):
            self.close()
            raise

    def _connect(self):
        """The link; the addresses of its ends are known."""
        self._ip("link", "add", self._link, "type", "veth", "peer", "name", self._peer, "netns", self.name)
        self._ip("address", "add", f"{self.outside}/30", "dev", self._link)
        self._ip("link", "set", self._link, "up")
        self._ip("-n", self.name, "address", "add", f"{self.inside}/30", "dev", self._peer)
        self._ip("-n", self.name, "link", "set", self._peer, "up")

    def cut(self):
        """Takes the outer end down: packets vanish in both directions, and nobody is told."""
        self._ip("link", "set", self._link, "down")

    def mend(self):
        self._ip("link", "set", self._link, "up")

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is inside, with the processes and threads that it starts."""
        with open("/proc/thread-self/ns/net") as before, open(f"/run/netns/{self.name}") as namespace:
            _set_namespace(namespace)
            try:
                yield
            finally:
                _set_namespace(before)

    def close(self):
        # The link goes with its inner end.
        self._ip("netns", "delete", self.name, check=False)

    @staticmethod
    def _ip(*arguments, check=True):
        run([tool("ip"), *arguments], check=check)


def _set_namespace(file):
    if _libc.setns(file.fileno(), CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"setns {file.name}")
