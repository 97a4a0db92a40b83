"""A load balancer as kube-proxy makes one: nftables spreads one address over the servers that are ready.

It lives in the network namespace of the calling thread, which is to be one of a test.
"""

from support.processes import run, tool

# Loopback like everything else in that namespace.
ADDRESS = "127.0.0.53"
PORT = 53
TABLE = "fairlead_balancer"


class Balancer:
    """ADDRESS:PORT, over UDP and TCP, leads to one of `ports` on 127.0.0.1: each flow to the same one, until that goes."""

    def __init__(self, ports):
        self._ports = []
        self.set(ports)

    def set(self, ports):
        """What kube-proxy does when endpoints change: new rules for new flows, and UDP's flows to what went are forgotten
        (TCP connections stay where they are)."""
        gone, self._ports = set(self._ports) - set(ports), list(ports)
        targets = ", ".join(f"{number} : 127.0.0.1 . {port}" for number, port in enumerate(self._ports))
        rules = "".join(
            f"meta l4proto {protocol} ip daddr {ADDRESS} {protocol} dport {PORT} "
            f"dnat ip to numgen inc mod {len(self._ports)} map {{ {targets} }}\n" for protocol in ("udp", "tcp"))
        # In one transaction: there is no moment without rules.
        run([tool("nft"), "-f", "-"], input_text=f"""
add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain output {{
    type nat hook output priority -100
    {rules}
  }}
}}
""")
        for port in gone:
            # Status 1 means that there was none.
            run([tool("conntrack"), "-D", "-p", "udp", "--orig-dst", ADDRESS, "--reply-port-src", port], check=False)
