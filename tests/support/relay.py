"""A TCP relay between the server under test and the API server, which can be cut, stalled and mended at will.

TLS passes through it untouched, so certificates and tokens stay real.
"""

import selectors
import socket
import threading

from support.processes import free_port

CHUNK = 65536


class Relay:
    """Listens on a loopback port of its own; every connection is forwarded to `target_port` while it is open."""

    def __init__(self, target_port, address="127.0.0.1"):
        self.target_port = target_port
        self._address = address
        self.port = free_port()
        self._stalled = threading.Event()
        self._stopping = threading.Event()
        self._listener = None
        self._thread = None
        self.connections_accepted = 0
        self.mend()

    def cut(self):
        """Closes every connection and refuses new ones, as if the API server's host were gone with an RST."""
        self._stopping.set()
        if self._thread:
            self._thread.join(5)
            self._thread = None

    def stall(self):
        """Connections stay open and new ones are accepted, but no byte moves: a black hole."""
        self._stalled.set()

    def mend(self):
        """Undoes cut() and stall()."""
        self._stalled.clear()
        if self._thread:
            return
        self._stopping.clear()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((self._address, self.port))
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._serve, args=(self._listener,), daemon=True)
        self._thread.start()

    def close(self):
        self.cut()

    def _serve(self, listener):
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ, None)
        try:
            while not self._stopping.is_set():
                if self._stalled.is_set():
                    # Accepting goes on in the kernel's backlog; that is what a stalled peer looks like.
                    self._stopping.wait(0.02)
                    continue
                for key, _ in selector.select(0.05):
                    if key.data is None:
                        self._accept(listener, selector)
                    elif not self._move(key.fileobj, key.data):
                        for end in (key.fileobj, key.data):
                            selector.unregister(end)
                            end.close()
                        # The rest of this batch may name the sockets that were just closed.
                        break
        finally:
            for key in list(selector.get_map().values()):
                selector.unregister(key.fileobj)
                if key.fileobj is not listener:
                    # An RST instead of a FIN, so that the other side notices at once.
                    key.fileobj.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                key.fileobj.close()
            selector.close()

    def _accept(self, listener, selector):
        near, _ = listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port), timeout=2)
        except OSError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            near.close()
            return
        self.connections_accepted += 1
        for one, other in ((near, far), (far, near)):
            one.settimeout(10)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(one, selectors.EVENT_READ, other)

    @staticmethod
    def _move(source, target):
        try:
            data = source.recv(CHUNK)
            if data:
                target.sendall(data)
            return bool(data)
        except OSError:
            return False
