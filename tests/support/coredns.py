"""CoreDNS, to compare with: the program that tools/dev setup builds from tests/support/coredns/, on free loopback ports."""

import os
from pathlib import Path

from support.fairlead import Fairlead


def program():
    """FAIRLEAD_COREDNS (tools/dev test sets it), else the newest that tools/dev setup has built, else None."""
    if os.environ.get("FAIRLEAD_COREDNS"):
        path = Path(os.environ["FAIRLEAD_COREDNS"])
        return path if path.exists() else None
    cache = Path(os.environ.get("FAIRLEAD_CACHE", Path.home() / ".cache" / "fairlead")) / "coredns"
    built = sorted(cache.glob("v*/coredns"), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None


class CoreDns(Fairlead):
    """One running CoreDNS: what Fairlead's class takes, waits for and asks holds here too, because the two read the same
    Corefile, have the same flags and the same HTTP endpoints."""

    name = "coredns"

    def program(self):
        return program()
