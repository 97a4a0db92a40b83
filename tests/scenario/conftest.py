"""What the scenario tests share: a simulated cluster, and a server that reads it."""

import pytest

from support import fairlead
from support.kubesim import KubeSim
from support.upstream import Upstream


class Scenario:
    """Starts simulators and servers of one test; all are stopped in order, and looked at for findings, at its end."""

    def __init__(self, folder):
        self._folder = folder
        self._started = []
        self._upstreams = []
        self._count = 0

    def _name(self, kind):
        self._count += 1
        return self._folder / f"{kind}-{self._count}"

    def cluster(self, *manifests, options=()):
        return self._start(KubeSim(self._name("cluster"), manifests, options))

    def server(self, directives="", cluster=None, options="", zones="cluster.local 10.in-addr.arpa ip6.arpa",
               wait_ready=True, start=True, **more):
        """A server with these directives; with `cluster` its names come first, with `options` inside of the block."""
        if cluster:
            directives = f"kubernetes {zones} {{\n    endpoint {cluster.url}\n    {options}\n}}\n{directives}"
        server = fairlead.Fairlead(self._name("server"), directives, **more)
        self._started.append(server)
        return server.start(wait_ready) if start else server

    def _start(self, thing):
        self._started.append(thing)
        return thing.start()

    def upstream(self, scripts=None, **more):
        upstream = Upstream(scripts, **more)
        self._upstreams.append(upstream)
        return upstream

    def stop(self):
        while self._started:
            self._started.pop().stop()

    def kill(self):
        """What is left when something failed on the way."""
        for thing in self._started:
            thing.kill()
        for upstream in self._upstreams:
            upstream.close()


def _run_scenario(folder):
    reason = fairlead.missing("fairlead", "kubesim")
    if reason:
        pytest.skip(reason)
    scenario = Scenario(folder)
    try:
        yield scenario
        scenario.stop()
    finally:
        scenario.kill()


@pytest.fixture
def scenario(tmp_path):
    yield from _run_scenario(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """As `scenario`, for what all tests of a file share."""
    yield from _run_scenario(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def simulator(tmp_path):
    """kubesim alone, with the namespaces of a fresh cluster."""
    reason = fairlead.missing("kubesim")
    if reason:
        pytest.skip(reason)
    with KubeSim(tmp_path / "kubesim") as simulator:
        yield simulator
