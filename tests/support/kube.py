"""A real control plane on loopback: etcd and kube-apiserver, with TLS, RBAC and service account tokens.

No controller manager runs: EndpointSlices are what the test applies, and tokens come from the TokenRequest API.
"""

import base64
import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import time
import urllib.request
from pathlib import Path

import yaml

from support import certificates
from support.processes import Process, free_port, run, wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
KUSTOMIZE = REPOSITORY / "deploy" / "kustomize"

SERVICE_RANGES = "10.96.0.0/16,fd00:10:96::/108"
ISSUER = "https://kubernetes.default.svc.cluster.local"

# Where objects of a kind are made.
PATHS = {
    "Namespace": "/api/v1/namespaces",
    "Service": "/api/v1/namespaces/{}/services",
    "Pod": "/api/v1/namespaces/{}/pods",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
}

# The API server takes 4 s of a quiet 2-core machine to get ready; a loaded one may need ten times that.
START_SECONDS = 90
# The shortest life that the TokenRequest API grants.
TOKEN_SECONDS_MIN = 600
# How long the API server accepts a token after its expiry, for clocks that differ.
TOKEN_LEEWAY_SECONDS = 60


def assets():
    """The folder of kube-apiserver, kubectl and etcd: KUBEBUILDER_ASSETS (tools/dev test sets it), else the newest that
    tools/dev setup has built, else None."""
    cache = Path(os.environ.get("FAIRLEAD_CACHE", Path.home() / ".cache" / "fairlead")) / "kube"
    folders = sorted(cache.glob("v*"), key=lambda folder: folder.stat().st_mtime, reverse=True)
    if os.environ.get("KUBEBUILDER_ASSETS"):
        folders = [Path(os.environ["KUBEBUILDER_ASSETS"])]
    for folder in folders:
        if all((folder / name).exists() for name in ("kube-apiserver", "kubectl", "etcd")):
            return folder
    return None


LOOPBACK = ("127.0.0.1", "::1")


def missing():
    """The reason to skip where there is no API server to start, else None."""
    return None if assets() else "no kube-apiserver; tools/dev setup builds it"


@contextlib.contextmanager
def installed(folder, *addresses):
    """A running control plane with kube-system:coredns as deploy/ installs it."""
    plane = ControlPlane(folder, addresses or LOOPBACK)
    try:
        plane.start()
        plane.install_service_account()
        yield plane
    finally:
        plane.close()


class ControlPlane:
    """etcd and kube-apiserver. start(), stop() and restart() may be called in any order; close() ends it."""

    def __init__(self, folder, addresses=LOOPBACK):
        """`addresses` are those that the API server's certificate is for."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._etcd_port = free_port()
        self._etcd_peer_port = free_port()
        self._assets = assets()
        self._etcd = None
        self._apiserver = None
        self.authority = certificates.Authority(self.folder / "pki", "kubernetes")
        self._addresses = addresses
        self._server_certificate, self._server_key = self.authority.server("kube-apiserver", addresses)
        # What clients of ours trust: the authorities of the API server's certificates, old and new.
        self.trust = self.folder / "pki" / "trust.crt"
        self.trust.write_text(self.authority.certificate.read_text())
        self._admin_certificate, self._admin_key = self.authority.client("admin", group="system:masters")
        self._signing_keys = [certificates.make_key(self.folder / "pki" / "service-account-0.key")]
        self.kubeconfig = self._write_kubeconfig()

    # --- life

    def start(self):
        """Starts what is not running and returns when the API server is ready."""
        if not (self._etcd and self._etcd.is_running()):
            self._start_etcd()
        self._start_apiserver()
        return self

    def stop(self, number=signal.SIGTERM):
        """Stops the API server; etcd keeps its data."""
        if self._apiserver:
            # With open watches the API server takes its time over SIGTERM; ten seconds, then it is killed.
            self._apiserver.stop(number)
            self._apiserver = None

    def restart(self, number=signal.SIGTERM):
        self.stop(number)
        self.start()

    def close(self):
        self.stop(signal.SIGKILL)
        if self._etcd:
            self._etcd.stop(signal.SIGKILL)
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def _start_etcd(self):
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{self._etcd_peer_port}"
        self._etcd = Process(
            "etcd",
            [self._assets / "etcd", "--data-dir", self.folder / "etcd", "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
             "--initial-cluster", f"default={peer}", "--unsafe-no-fsync", "--log-level=warn"],
            self.folder,
        )
        wait_until(lambda: self._alive(self._etcd) and self._etcd_is_healthy(), START_SECONDS, self._etcd.tail)

    def _etcd_is_healthy(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._etcd_port}/health", timeout=2) as response:
                return json.load(response)["health"] == "true"
        except OSError:
            return False

    def _start_apiserver(self):
        arguments = [
            self._assets / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={self._server_certificate}",
            f"--tls-private-key-file={self._server_key}",
            f"--client-ca-file={self.authority.certificate}",
            f"--cert-dir={self.folder / 'apiserver'}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-signing-key-file={self._signing_keys[-1]}",
            *(f"--service-account-key-file={key}" for key in self._signing_keys),
            f"--service-cluster-ip-range={SERVICE_RANGES}",
            # Nothing may write Endpoints or insist on service accounts: there is no controller manager.
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount",
            # A stop under open watches ends soon.
            "--shutdown-send-retry-after=false",
            "--profiling=false",
        ]
        self._apiserver = Process("kube-apiserver", arguments, self.folder)
        wait_until(
            lambda: self._alive(self._apiserver) and self.is_ready() and self._has_default_namespace(), START_SECONDS,
            self._apiserver.tail, interval=0.1
        )

    @staticmethod
    def _alive(process):
        if not process.is_running():
            raise AssertionError(f"{process.name} ended with status {process.exit_status}:\n{process.tail()}")
        return True

    def is_ready(self):
        return self._status("/readyz") == 200

    def _has_default_namespace(self):
        # Made by the API server itself, shortly after it is ready for the first time.
        return self._status("/api/v1/namespaces/default") == 200

    def _status(self, path):
        try:
            return self.request("GET", path, timeout=3)[0]
        except (OSError, http.client.HTTPException):
            return None

    # --- requests

    def request(self, method, path, body=None, token=None, timeout=10, headers=None):
        """One request as the administrator, or as the bearer of `token`; returns (status, body bytes)."""
        context = ssl.create_default_context(cafile=str(self.trust))
        headers = dict(headers or {})
        if token is None:
            context.load_cert_chain(self._admin_certificate, self._admin_key)
        else:
            headers["Authorization"] = f"Bearer {token}"
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)
        try:
            if body is not None:
                body = json.dumps(body)
                headers.setdefault("Content-Type", "application/json")
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path):
        status, body = self.request("GET", path)
        assert status == 200, f"GET {path}: {status} {body[:500]}"
        return json.loads(body)

    def create(self, *objects):
        """Makes objects without kubectl, which takes a tenth of a second for each call. 'metadata' needs a namespace."""
        for object in objects:
            status, body = self.request("POST", PATHS[object["kind"]].format(object["metadata"].get("namespace")), object)
            assert status == 201, f"{object['kind']} {object['metadata']['name']}: {status} {body[:1000]}"

    def patch(self, object, changes, subresource=""):
        """Merges `changes` into an object that exists (RFC 7386), or into its "/status"."""
        status, body = self.request(
            "PATCH", path_of(object) + subresource, changes, headers={"Content-Type": "application/merge-patch+json"})
        assert status == 200, f"{path_of(object)}: {status} {body[:1000]}"

    def remove(self, *objects):
        for object in objects:
            status, body = self.request("DELETE", path_of(object))
            assert status in (200, 202), f"{path_of(object)}: {status} {body[:1000]}"

    def finalize(self, name):
        """Ends the deletion of an empty Namespace, as the controller manager does when nothing is left in it."""
        object = self.get(f"/api/v1/namespaces/{name}")
        object["spec"]["finalizers"] = []
        status, body = self.request("PUT", f"/api/v1/namespaces/{name}/finalize", object)
        assert status == 200, body[:1000]

    def kubectl(self, *arguments, manifests=None, check=True, timeout=60):
        """Runs kubectl as the administrator and returns its standard output. `manifests` (a list of objects, or YAML
        text) goes to its standard input: kubectl("apply", "-f", "-", manifests=[...])."""
        text = manifests if manifests is None or isinstance(manifests, str) else yaml.safe_dump_all(manifests)
        return run(
            [self._assets / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments], timeout, check, text,
            environment={"HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig)}
        ).stdout

    def apply(self, *manifests):
        """kubectl apply of objects."""
        return self.kubectl("apply", "-f", "-", manifests=list(manifests))

    def delete(self, *manifests):
        return self.kubectl("delete", "--wait=false", "-f", "-", manifests=list(manifests))

    def _write_kubeconfig(self):
        path = self.folder / "kubeconfig"
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": self.url, "certificate-authority": str(self.trust)}}],
            "users": [{"name": "admin", "user": {
                "client-certificate": str(self._admin_certificate), "client-key": str(self._admin_key)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }))
        return path

    # --- what a Pod finds in its file system

    def install_service_account(self):
        """Makes kube-system:coredns with the rights that deploy/ gives it."""
        for name in ("serviceaccount.yaml", "rbac.yaml"):
            self.kubectl("apply", "-f", str(KUSTOMIZE / name), "-n", "kube-system")

    def token(self, bound_secret=None, seconds=3600, account="coredns", namespace="kube-system"):
        """A token from the TokenRequest API. Bound to a Secret, it dies with the Secret."""
        arguments = ["create", "token", account, "-n", namespace, f"--duration={max(seconds, TOKEN_SECONDS_MIN)}s"]
        if bound_secret:
            self.kubectl("create", "secret", "generic", bound_secret, "-n", namespace)
            arguments += ["--bound-object-kind=Secret", f"--bound-object-name={bound_secret}"]
        return self.kubectl(*arguments).strip()

    def revoke(self, bound_secret, namespace="kube-system"):
        """Makes the tokens invalid that are bound to this Secret. The API server forgets within ten seconds."""
        self.kubectl("delete", "secret", bound_secret, "-n", namespace)

    def rotate_signing_key(self):
        """Restarts the API server with a new signing key alone: every token made before is invalid."""
        self._signing_keys = [
            certificates.make_key(self.folder / "pki" / f"service-account-{time.monotonic_ns()}.key")]
        self.restart()

    def expiring_token(self, seconds, account="coredns", namespace="kube-system"):
        """A token that is refused sooner than the TokenRequest API would let it, signed with the API server's own key."""
        uid = self.get(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}")["metadata"]["uid"]
        now = int(time.time()) - TOKEN_LEEWAY_SECONDS
        claims = {
            "iss": ISSUER, "aud": [ISSUER], "sub": f"system:serviceaccount:{namespace}:{account}", "iat": now, "nbf": now,
            "exp": now + seconds, "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": uid}}}
        return certificates.sign_token(claims, self._signing_keys[-1])

    def rotate_serving_authority(self):
        """Makes an authority for the API server's next certificate, and returns it. `trust` has it at once; restart()
        brings the certificate into use."""
        authority = certificates.Authority(self.folder / f"pki-{time.monotonic_ns()}", "kubernetes")
        self.trust.write_text(self.trust.read_text() + authority.certificate.read_text())
        self._server_certificate, self._server_key = authority.server("kube-apiserver", self._addresses)
        return authority

    def accepts(self, token):
        return self.request("GET", "/api/v1/services?limit=1", token=token)[0] == 200

    # --- history

    def resource_version(self):
        return self.get("/api/v1/services?limit=1")["metadata"]["resourceVersion"]

    def compact(self):
        """Drops all of etcd's history before now: a watch or a paged list from an older version is 410 Gone once the
        API server has no copy of it either, that is, after its restart."""
        revision = self._etcd_call("/v3/kv/range", {"key": base64.b64encode(b"x").decode()})["header"]["revision"]
        self._etcd_call("/v3/kv/compaction", {"revision": revision, "physical": True})

    def _etcd_call(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._etcd_port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


class ServiceAccountFolder:
    """/var/run/secrets/kubernetes.io/serviceaccount as the kubelet lays it out: `token` and `ca.crt` are links through
    `..data` to a dated folder, and an update swaps `..data` at once."""

    def __init__(self, folder, certificate, token, namespace="kube-system"):
        self.path = Path(folder)
        self.path.mkdir(parents=True, exist_ok=True)
        self._files = {"ca.crt": Path(certificate).read_text(), "namespace": namespace, "token": token}
        self._serial = 0
        self._publish()
        for name in self._files:
            (self.path / name).symlink_to(f"..data/{name}")

    def replace_token(self, token):
        self._files["token"] = token
        self._publish()

    def replace_authority(self, certificate):
        self._files["ca.crt"] = Path(certificate).read_text()
        self._publish()

    def _publish(self):
        previous = self.path / f"..{self._serial}"
        self._serial += 1
        dated = self.path / f"..{self._serial}"
        dated.mkdir()
        for name, text in self._files.items():
            (dated / name).write_text(text)
        link = self.path / "..data_tmp"
        link.symlink_to(dated.name)
        link.rename(self.path / "..data")
        shutil.rmtree(previous, ignore_errors=True)


# --- manifests

def path_of(object):
    return PATHS[object["kind"]].format(object["metadata"].get("namespace")) + "/" + object["metadata"]["name"]


def namespace(name, **labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def service(name, namespace="default", ports=(("http", 80),), **spec):
    """A Service; `ports` are (name, number) or (name, number, protocol). Spec fields by their own names:
    clusterIP="None", ipFamilyPolicy="PreferDualStack", type="ExternalName" ..."""
    spec["ports"] = [
        {"name": port[0], "port": port[1], "protocol": port[2] if len(port) > 2 else "TCP"} for port in ports]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def endpoint_slice(name, service, namespace="default", endpoints=(), ports=(("http", 8080),), family="IPv4"):
    """An EndpointSlice; `endpoints` are addresses, or dictionaries with fields by their own names."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "addressType": family,
        "endpoints": [
            {"conditions": {"ready": True}, **endpoint} if isinstance(endpoint, dict)
            else {"addresses": [endpoint], "conditions": {"ready": True}}
            for endpoint in endpoints
        ],
        "ports": [
            {"name": port[0], "port": port[1], "protocol": port[2] if len(port) > 2 else "TCP"} for port in ports],
    }


def service_import(name, namespace, ips=(), ports=(("http", 80),), **labels):
    """Of the Multi-Cluster Services API; of type Headless without addresses."""
    return {
        "apiVersion": "multicluster.x-k8s.io/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"type": "ClusterSetIP" if ips else "Headless", "ips": list(ips),
                 "ports": [{"name": port[0], "port": port[1], "protocol": "TCP"} for port in ports]},
    }


def imported_slice(name, service, namespace, cluster, *rest, **labels):
    """Endpoints of another cluster, as its controller writes them into this one."""
    made = endpoint_slice(name, service, namespace, *rest)
    made["metadata"]["labels"] = {
        "multicluster.kubernetes.io/service-name": service, "multicluster.kubernetes.io/source-cluster": cluster, **labels}
    return made


def pod(name, namespace="default", ip=None, phase="Running", **labels):
    """A Pod with this primary address, or with none yet."""
    status = {"phase": phase}
    if ip:
        status |= {"podIP": ip, "podIPs": [{"ip": ip}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]},
        "status": status,
    }
