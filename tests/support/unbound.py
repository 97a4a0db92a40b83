"""A real resolver: unbound with a zone of its own, over UDP, TCP and, with a certificate, TLS.

    with Unbound(folder, tls=authority.server("unbound")) as unbound:
        ... forward . 127.0.0.1:{unbound.port} ...    or tls://127.0.0.1:{unbound.tls_port}
"""

import contextlib
from pathlib import Path

from support import dns
from support.processes import PORT_MAX, PORT_MIN, Process, free_port, tool, wait_until

ZONE = """
    local-zone: "example.org." static
    local-data: "example.org. 60 IN SOA ns.example.org. hostmaster.example.org. 1 7200 1800 86400 60"
    local-data: "www.example.org. 300 IN A 192.0.2.7"
    local-data: "www.example.org. 300 IN AAAA 2001:db8::7"
    local-data: "mail.example.org. 300 IN MX 10 www.example.org."
    local-data: "_sip._tcp.example.org. 300 IN SRV 1 2 5060 www.example.org."
    local-zone: "every.example.org." redirect
    local-data: "every.example.org. 300 IN A 192.0.2.9"
""" + "".join(f'    local-data: "big.example.org. 300 IN A 192.0.{n // 250}.{n % 250}"\n' for n in range(400))


class Unbound:
    """Names below every.example.org have one address; big.example.org has 400."""

    def __init__(self, folder, tls=None, options="", host="127.0.0.1"):
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.host = host
        self.port = free_port()
        self.tls_port = free_port() if tls else None
        self._process = None
        interfaces = [f"interface: {host}@{self.port}"]
        if tls:
            certificate, key = tls
            interfaces += [
                f"interface: {host}@{self.tls_port}", f"tls-port: {self.tls_port}",
                f'tls-service-pem: "{certificate}"', f'tls-service-key: "{key}"']
        self._configuration = self._folder / "unbound.conf"
        self._configuration.write_text(f"""
server:
    directory: "{self._folder}"
    chroot: ""
    username: ""
    pidfile: ""
    use-syslog: no
    access-control: 0.0.0.0/0 allow
    do-daemonize: no
    num-threads: 1
    module-config: "iterator"
    outgoing-port-avoid: {PORT_MIN}-{PORT_MAX}
    {options}
""" + "".join(f"    {line}\n" for line in interfaces) + ZONE)

    def start(self):
        self._process = Process("unbound", [tool("unbound"), "-d", "-c", self._configuration], self._folder)
        wait_until(self._serves, 20, lambda: f"unbound serves:\n{self._process.output()}")
        return self

    def _serves(self):
        assert self._process.is_running(), self._process.output()
        with contextlib.suppress(OSError):
            return dns.ask(self.port, "www.example.org", address=self.host, timeout=0.5).answer

    def stop(self):
        if self._process:
            self._process.stop()
        self._process = None

    def restart(self):
        self.stop()
        self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
