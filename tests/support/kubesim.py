"""kubesim, the simulator of the API server: a cluster of manifests, and faults on demand."""

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from support.fairlead import program
from support.processes import Process, free_port, wait_until

START_SECONDS = 30

# kind -> (path of the API group, plural, whether it lives in a namespace)
KINDS = {
    "Namespace": ("/api/v1", "namespaces", False),
    "Node": ("/api/v1", "nodes", False),
    "Service": ("/api/v1", "services", True),
    "Pod": ("/api/v1", "pods", True),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices", True),
    "ServiceImport": ("/apis/multicluster.x-k8s.io/v1alpha1", "serviceimports", True),
}


class KubeSim:
    """One running simulator. `manifests` are objects that exist from the start; `options` are more arguments."""

    def __init__(self, folder, manifests=(), options=()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self._admin_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = list(options)
        self._process = None
        self._manifests = self.folder / "cluster.yaml"
        if manifests:
            self.write_manifests(*manifests)
            self._options += ["--manifests", self._manifests]

    def start(self):
        self._process = Process(
            "kubesim",
            [program("kubesim"), "--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self._admin_port}",
             *self._options],
            self.folder)
        wait_until(lambda: self._alive() and "serving on" in self._process.output(), START_SECONDS, self._process.tail)
        return self

    def _alive(self):
        if not self._process.is_running():
            raise AssertionError(f"kubesim ended with status {self._process.exit_status}:\n{self._process.tail()}")
        return True

    def stop(self):
        if not self._process:
            return
        process, self._process = self._process, None
        status = process.stop()
        assert not process.findings(), process.tail()
        assert status == 0, f"kubesim ended with status {status}:\n{process.tail()}"

    def kill(self):
        if self._process:
            self._process.stop(signal.SIGKILL)
            self._process = None

    def __enter__(self):
        return self if self._process else self.start()

    def __exit__(self, *_):
        self.stop()

    # --- objects

    def write_manifests(self, *manifests):
        """Replaces the objects that came from manifests, also while the API is refused to everyone."""
        temporary = self._manifests.with_suffix(".new")
        temporary.write_text(yaml.safe_dump_all(list(manifests)))
        temporary.rename(self._manifests)

    def apply(self, *manifests):
        """Creates or replaces objects, one request each."""
        for manifest in manifests:
            path = self._path(manifest)
            status, _ = self._call("GET", self.port, path)
            if status == 404:
                status, body = self._call("POST", self.port, path.rsplit("/", 1)[0], manifest)
            else:
                status, body = self._call("PUT", self.port, path, manifest)
            assert status in (200, 201), f"{path}: {status} {body}"

    def delete(self, *manifests):
        for manifest in manifests:
            status, body = self._call("DELETE", self.port, self._path(manifest))
            assert status in (200, 202), body

    def get(self, kind, name, namespace="default"):
        path = self._path({"kind": kind, "metadata": {"name": name, "namespace": namespace}})
        status, body = self._call("GET", self.port, path)
        assert status == 200, body
        return json.loads(body)

    @staticmethod
    def _path(manifest):
        group, plural, namespaced = KINDS[manifest["kind"]]
        metadata = manifest["metadata"]
        scope = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{group}{scope}/{plural}/{metadata['name']}"

    # --- faults (tools/kubesim/README.md lists them)

    def fault(self, **members):
        status, body = self._call("POST", self._admin_port, "/kubesim/faults", members)
        assert status == 200, body

    def requests(self, verb, plural):
        """How many requests there were, of "list", "watch" ... for "services" ..."""
        return self.stats()["requests"].get(verb, {}).get(plural, 0)

    def stats(self):
        status, body = self._call("GET", self._admin_port, "/kubesim/stats")
        assert status == 200, body
        return json.loads(body)

    @staticmethod
    def _call(method, port, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
