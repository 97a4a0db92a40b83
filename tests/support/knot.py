"""A real authoritative server: Knot DNS with the zones of a configuration, on one port.

    with Knot(folder, 'zone:\n  - domain: example.org\n    file: "/path"\n', probe="example.org") as knot:
        ... forward . 127.0.0.1:{knot.port} ...
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

from support import dns
from support.processes import Process, free_port, tool, wait_until


class Knot:
    """`configuration` is what follows knotd's own sections, until start(), which returns when `probe` has a SOA; without
    one, at once."""

    def __init__(self, folder, configuration="", hosts=("127.0.0.1",), probe=None):
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.configuration = configuration
        self._hosts = hosts
        self._probe = probe
        self._run_folder = None
        self._process = None

    def start(self):
        # Its control socket lives here: the path of a Unix socket has at most 108 octets, and a test's folder may need more.
        self._run_folder = tempfile.mkdtemp(prefix="fairlead-knot-")
        listen = "".join(f"    listen: {host}@{self.port}\n" for host in self._hosts)
        (self._folder / "knot.conf").write_text(f"""server:
    rundir: "{self._run_folder}"
{listen}    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-io-timeout: 10000
database:
    storage: "{self._folder}"
{self.configuration}""")
        self._process = Process("knotd", [tool("knotd"), "-c", self._folder / "knot.conf"], self._folder)
        if self._probe:
            wait_until(self._serves, 20, lambda: f"knotd serves:\n{self._process.output()}")
        return self

    def _serves(self):
        assert self._process.is_running(), self._process.output()
        with contextlib.suppress(OSError):
            return dns.ask(self.port, self._probe, "SOA", address=self._hosts[0], timeout=0.5).answer

    def output(self):
        return self._process.output()

    def stop(self):
        if self._process:
            self._process.stop()
            shutil.rmtree(self._run_folder, ignore_errors=True)
            self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
