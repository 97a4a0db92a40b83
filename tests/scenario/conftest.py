"""What the scenario tests share: a simulated cluster, and a server that reads it."""

import pytest

from support import fairlead
from support.kubesim import KubeSim


class Scenario:
    """Starts simulators and servers of one test; all are stopped in order, and looked at for findings, at its end."""

    def __init__(self, folder):
        self._folder = folder
        self._started = []

    def cluster(self, *manifests, options=()):
        return self._start(KubeSim(self._folder / f"cluster-{len(self._started)}", manifests, options))

    def server(self, directives="", cluster=None, options="", zones="cluster.local 10.in-addr.arpa ip6.arpa",
               wait_ready=True, **more):
        """A server with these directives; with `cluster` its names come first, with `options` inside of the block."""
        if cluster:
            directives = f"kubernetes {zones} {{\n    endpoint {cluster.url}\n    {options}\n}}\n{directives}"
        server = fairlead.Fairlead(self._folder / f"server-{len(self._started)}", directives, **more)
        self._started.append(server)
        return server.start(wait_ready)

    def _start(self, thing):
        self._started.append(thing)
        return thing.start()

    def stop(self):
        for thing in reversed(self._started):
            thing.stop()


@pytest.fixture
def scenario(tmp_path):
    reason = fairlead.missing("fairlead", "kubesim")
    if reason:
        pytest.skip(reason)
    scenario = Scenario(tmp_path)
    yield scenario
    scenario.stop()


@pytest.fixture
def simulator(tmp_path):
    """kubesim alone, with the namespaces of a fresh cluster."""
    reason = fairlead.missing("kubesim")
    if reason:
        pytest.skip(reason)
    with KubeSim(tmp_path / "kubesim") as simulator:
        yield simulator
