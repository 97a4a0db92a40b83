"""What the end-to-end tests share: one control plane per file, and the server as a Pod would find it."""

import pytest

from support import fairlead, kube

CLUSTER_ZONES = "cluster.local 10.in-addr.arpa ip6.arpa"


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory):
    """A running API server with kube-system:coredns installed as deploy/ installs it."""
    if kube.missing():
        pytest.skip(kube.missing())
    with kube.installed(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


class InCluster:
    """Starts the server with what a Pod has: the API server's address in the environment, token and CA in a folder."""

    def __init__(self, plane, folder):
        self.plane = plane
        self._folder = folder
        self._servers = []

    def start(self, token=None, options="", api_host="127.0.0.1", api_port=None, wait_ready=True, account=None,
              zones=CLUSTER_ZONES, directives=""):
        """`options` are those of `kubernetes`; `directives` stand behind it."""
        number = len(self._servers)
        account = account or self.account(token)
        directives = f"kubernetes {zones} {{\n    {options}\n}}\n{directives}"
        server = fairlead.Fairlead(
            self._folder / f"server-{number}", directives, environment={
                "KUBERNETES_SERVICE_HOST": api_host,
                "KUBERNETES_SERVICE_PORT": str(api_port or self.plane.port),
                "FAIRLEAD_SERVICEACCOUNT_DIR": str(account.path),
            })
        server.account = account
        self._servers.append(server)
        return server.start(wait_ready)

    def account(self, token=None):
        folder = self._folder / f"account-{len(list(self._folder.glob('account-*')))}"
        return kube.ServiceAccountFolder(folder, self.plane.trust, token or self.plane.token())

    def stop(self):
        for server in self._servers:
            server.stop()

    def kill(self):
        for server in self._servers:
            server.kill()


@pytest.fixture
def in_cluster(control_plane, tmp_path):
    """Servers that are stopped in order, and looked at for findings, when the test ends."""
    reason = fairlead.missing("fairlead")
    if reason:
        pytest.skip(reason)
    servers = InCluster(control_plane, tmp_path)
    try:
        yield servers
        servers.stop()
    finally:
        servers.kill()


@pytest.fixture(scope="module")
def shared_server(control_plane, tmp_path_factory):
    """One server for all tests of a file that do not disturb it."""
    reason = fairlead.missing("fairlead")
    if reason:
        pytest.skip(reason)
    servers = InCluster(control_plane, tmp_path_factory.mktemp("shared"))
    try:
        yield servers.start(options="pods insecure")
        servers.stop()
    finally:
        servers.kill()
