"""fairleadctl from outside: transfers from a real name server and from broken ones, and its exit statuses."""

import json
import os
import re
import socket
import struct
import subprocess
import threading

import pytest

from support import dns, fairlead, kube
from support.certificates import Authority
from support.kubesim import KubeSim
from support.knot import Knot
from support.processes import free_port, run, wait_until

ZONE = "cluster.local"

# Out of order, with names that must be escaped and types that the tool has no name for.
ZONE_FILE = r"""$ORIGIN cluster.local.
$TTL 5
@ IN SOA ns.dns hostmaster 1700000000 7200 1800 86400 5
@ IN NS ns.dns
web.default.svc IN A 10.96.0.10
web.default.svc IN A 10.96.0.9
web.default.svc IN AAAA fd00:10:96::9
_http._tcp.web.default.svc IN SRV 0 100 80 web.default.svc
db-0.db.default.svc IN A 10.244.0.1
ext.default.svc IN CNAME example.com.
ns.dns IN A 10.96.0.10
dns-version 28800 IN TXT "1.1.0"
a\.b.default.svc IN TXT "say \"hello\"" "\255"
odd.default.svc IN TYPE65280 \# 3 0a0b0c
"""

# Fields are parted by tabs.
LISTING = r"""cluster.local.	5	IN	SOA	ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 5
cluster.local.	5	IN	NS	ns.dns.cluster.local.
ns.dns.cluster.local.	5	IN	A	10.96.0.10
dns-version.cluster.local.	28800	IN	TXT	"1.1.0"
a\.b.default.svc.cluster.local.	5	IN	TXT	"say \"hello\"" "\255"
db-0.db.default.svc.cluster.local.	5	IN	A	10.244.0.1
ext.default.svc.cluster.local.	5	IN	CNAME	example.com.
odd.default.svc.cluster.local.	5	IN	TYPE65280	\# 3 0a0b0c
web.default.svc.cluster.local.	5	IN	A	10.96.0.9
web.default.svc.cluster.local.	5	IN	A	10.96.0.10
web.default.svc.cluster.local.	5	IN	AAAA	fd00:10:96::9
_http._tcp.web.default.svc.cluster.local.	5	IN	SRV	0 100 80 web.default.svc.cluster.local.
"""


def dump(*arguments, environment=None):
    return run([fairlead.program("fairleadctl"), "dump", *arguments], check=False, environment=environment)


@pytest.fixture(autouse=True)
def built():
    reason = fairlead.missing("fairleadctl")
    if reason:
        pytest.skip(reason)


def primary(folder, zone_text, acl="127.0.0.1"):
    """Knot DNS as the primary of cluster.local."""
    (folder / "cluster.local.zone").write_text(zone_text)
    return Knot(folder, f"""acl:
  - id: transfer
    address: [{acl}, "::1"]
    action: transfer
zone:
  - domain: {ZONE}
    storage: "{folder}"
    file: cluster.local.zone
    acl: transfer
""", hosts=["127.0.0.1", "::1"], probe=ZONE)


@pytest.fixture
def knot(tmp_path):
    with primary(tmp_path, ZONE_FILE) as knot:
        yield knot.port


def test_a_transferred_zone_is_listed_in_canonical_order(knot):
    done = dump("--server", f"127.0.0.1:{knot}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == LISTING
    assert dump("--server", f"[::1]:{knot}").stdout == LISTING


def test_a_listing_loads_into_a_name_server_and_comes_back_the_same(knot, tmp_path):
    folder = tmp_path / "again"
    folder.mkdir()
    with primary(folder, dump("--server", f"127.0.0.1:{knot}").stdout) as again:
        assert dump("--server", f"127.0.0.1:{again.port}").stdout == LISTING


def test_json_has_the_same_records_one_a_line(knot):
    done = dump("--server", f"127.0.0.1:{knot}", "-o", "json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["zone"] == "cluster.local."
    lines = ["\t".join([r["owner"], str(r["ttl"]), r["class"], r["type"], r["rdata"]]) for r in document["records"]]
    assert lines == LISTING.splitlines()
    assert len(done.stdout.splitlines()) == len(lines) + 2


def test_a_zone_of_many_messages_is_whole(tmp_path):
    names = "".join(f"e{i}.big.default.svc IN A 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n" for i in range(30000))
    with primary(tmp_path, ZONE_FILE + names) as knot:
        done = dump("--server", f"127.0.0.1:{knot.port}")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(LISTING.splitlines()) + 30000
    assert len(set(done.stdout.splitlines())) == len(done.stdout.splitlines())


def fails(done, *words):
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    for word in ("fairleadctl: ", *words):
        assert word in done.stderr, done.stderr


def test_a_zone_that_the_server_does_not_have_says_to_check_it(knot):
    fails(dump("--server", f"127.0.0.1:{knot}", "--zone", "other.example"), "NOTAUTH", "other.example.", "--zone")


def test_a_refused_transfer_says_what_the_server_needs(tmp_path):
    with primary(tmp_path, ZONE_FILE, acl="192.0.2.1") as knot:
        done = dump("--server", f"127.0.0.1:{knot.port}")
    # Knot says NOTAUTH to clients that no rule lets in, other servers REFUSED.
    fails(done, f"127.0.0.1:{knot.port}", "NOTAUTH", "does not let this client")


def test_an_unreachable_server_is_named_at_once():
    port = free_port()
    fails(dump("--server", f"127.0.0.1:{port}"), f"127.0.0.1:{port}", "Connection refused", "TCP")
    fails(dump("--server", "no-such-host.invalid"), "no-such-host.invalid:53")


# --- servers that do it wrong


def record(owner, type, rdata):
    return dns.encode_name(owner) + struct.pack("!HHIH", dns.TYPES[type], 1, 5, len(rdata)) + rdata


def soa(zone=ZONE):
    names = dns.encode_name("ns." + zone) + dns.encode_name("h." + zone)
    return record(zone, "SOA", names + struct.pack("!5I", 1, 2, 3, 4, 5))


def a(owner):
    return record(owner, "A", bytes([10, 0, 0, 1]))


def response(*records, flags=0x8400, identifier=None, count=None):
    """A function from the query's id to a framed message."""

    def make(query_id):
        header = struct.pack("!6H", query_id if identifier is None else query_id ^ identifier, flags, 0,
                             len(records) if count is None else count, 0, 0)
        message = header + b"".join(records)
        return struct.pack("!H", len(message)) + message

    return make


@pytest.fixture
def broken_server():
    """Starts servers that read one query, send these frames and then close, or stay open in silence."""
    listeners = []

    def start(*frames, stay_open=False, tail=b""):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                length = struct.unpack("!H", client.recv(2))[0]
                query = b""
                while len(query) < length:
                    query += client.recv(length - len(query))
                query_id = struct.unpack_from("!H", query)[0]
                try:
                    for frame in frames:
                        client.sendall(frame(query_id))
                    client.sendall(tail)
                    if stay_open:
                        client.settimeout(20)
                        client.recv(1)
                except OSError:
                    pass

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("frames, words", [
    ([response(flags=0x8405)], ["REFUSED", "transfer { to", "cluster.local."]),
    ([response(flags=0x8404)], ["NOTIMP", "does not transfer zones"]),
    ([response(flags=0x8402)], ["SERVFAIL", "not ready"]),
    ([], ["closed", "after 0 records"]),
    ([response(soa(), a("web." + ZONE))], ["closed after 2 records", "incomplete"]),
    ([response(soa())], ["closed after 1 records", "incomplete"]),
    ([response()], ["without records"]),
    ([response(soa("other.example"))], ["SOA of cluster.local.", "other.example. SOA", "--zone"]),
    ([response(a("web." + ZONE))], ["SOA of cluster.local.", "web.cluster.local. A"]),
    ([response(soa(), a("evil.example"), soa())], ["evil.example.", "not in cluster.local."]),
    ([response(soa(), soa(), a("web." + ZONE))], ["behind the final SOA"]),
    ([response(soa(), soa(), identifier=1)], ["does not belong"]),
    ([response(soa(), soa(), flags=0x0400)], ["does not belong"]),
    ([response(soa(), soa(), flags=0x8600)], ["truncated"]),
    ([response(soa(), soa(), count=3)], ["cut or broken"]),
    ([response(soa(), record("web." + ZONE, "A", b"abc"), soa())], ["broken record"]),
    ([lambda _: b"\0\3abc"], ["no DNS message"]),
    ([lambda _: b"\0\0"], ["no DNS message"]),
])
def test_a_server_that_does_it_wrong_is_told_apart(broken_server, frames, words):
    fails(dump("--server", broken_server(*frames)), *words)


def test_a_stream_cut_inside_of_a_message_lists_nothing(broken_server):
    server = broken_server(response(soa()), tail=b"\2\0abc")
    fails(dump("--server", server), "closed inside of a message", "after 1 records")


def test_a_server_that_falls_silent_is_left_at_the_timeout(broken_server):
    server = broken_server(response(soa()), stay_open=True)
    fails(dump("--server", server, "--timeout", "300ms"), "in time", "--timeout", "after 1 records")


def test_one_record_a_message_is_a_transfer_too(broken_server):
    server = broken_server(response(soa()), response(a("web." + ZONE)), response(soa()))
    done = dump("--server", server)
    assert done.returncode == 0
    assert [line.split("\t")[3] for line in done.stdout.splitlines()] == ["SOA", "A"]


# --- usage


@pytest.mark.parametrize("arguments, word", [
    (["--timeout", "5"], "30s"),
    (["--timeout", "0s"], "30s"),
    (["--timeout", "99999999999h"], "30s"),
    (["--zone", "a..b"], "empty label"),
    (["-o", "xml"], "json"),
    (["--ttl", "3601"], "3600"),
    (["--server", "127.0.0.1:x"], "127.0.0.1:x"),
    (["--server", "127.0.0.1", "--reverse"], "--reverse"),
    (["--server", "127.0.0.1", "--endpoint", "http://127.0.0.1"], "--endpoint"),
    (["--tls-cert", "/dev/null"], "--tls-cert"),
    (["--kubeconfig", "/nonexistent/config"], "/nonexistent/config"),
    (["--no-such-option"], "--no-such-option"),
])
def test_wrong_usage_is_status_2_with_the_reason(arguments, word):
    done = dump(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert word in done.stderr


def test_help_has_examples_and_is_no_error():
    done = dump("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Examples:" in done.stdout
    assert run([fairlead.program("fairleadctl")], check=False).returncode == 2


def test_without_any_cluster_the_ways_to_name_one_are_listed(tmp_path):
    environment = {"HOME": str(tmp_path), "KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}
    fails(dump(environment=environment), "--kubeconfig", "--endpoint", "--server")
    environment["KUBECONFIG"] = f"{tmp_path}/no:{tmp_path}/neither"
    fails(dump(environment=environment), f"{tmp_path}/no", "$KUBECONFIG")


# --- the API server

CLUSTER = [
    kube.namespace("shop"),
    kube.service("web", "shop", clusterIP="10.96.0.7", clusterIPs=["10.96.0.7", "fd00:10:96::7"]),
    kube.endpoint_slice("web-1", "web", "shop", ["10.244.0.9"]),
    kube.service("db", "shop", [("pg", 5432)], clusterIP="None"),
    kube.endpoint_slice("db-1", "db", "shop", [{"addresses": ["10.244.0.5"], "hostname": "db-0"}], [("pg", 5432)]),
    kube.service("ext", "shop", (), type="ExternalName", externalName="db.example.com"),
    kube.service("idle", "shop", clusterIP="None"),
]

# Behind the SOA, whose serial is the time.
NAMES = """cluster.local.	5	IN	NS	ns.dns.cluster.local.
db.shop.svc.cluster.local.	5	IN	A	10.244.0.5
db.shop.svc.cluster.local.	5	IN	SRV	0 100 5432 db-0.db.shop.svc.cluster.local.
_pg._tcp.db.shop.svc.cluster.local.	5	IN	A	10.244.0.5
_pg._tcp.db.shop.svc.cluster.local.	5	IN	SRV	0 100 5432 db-0.db.shop.svc.cluster.local.
db-0.db.shop.svc.cluster.local.	5	IN	A	10.244.0.5
db-0.db.shop.svc.cluster.local.	5	IN	SRV	0 100 5432 db-0.db.shop.svc.cluster.local.
ext.shop.svc.cluster.local.	5	IN	CNAME	db.example.com.
web.shop.svc.cluster.local.	5	IN	A	10.96.0.7
web.shop.svc.cluster.local.	5	IN	AAAA	fd00:10:96::7
web.shop.svc.cluster.local.	5	IN	SRV	0 50 80 web.shop.svc.cluster.local.
10-244-0-9.web.shop.svc.cluster.local.	5	IN	A	10.244.0.9
10-244-0-9.web.shop.svc.cluster.local.	5	IN	SRV	0 100 8080 10-244-0-9.web.shop.svc.cluster.local.
_http._tcp.web.shop.svc.cluster.local.	5	IN	A	10.96.0.7
_http._tcp.web.shop.svc.cluster.local.	5	IN	AAAA	fd00:10:96::7
_http._tcp.web.shop.svc.cluster.local.	5	IN	SRV	0 50 80 web.shop.svc.cluster.local.
"""

PTRS = """5.0.244.10.in-addr.arpa.	5	IN	PTR	db-0.db.shop.svc.cluster.local.
9.0.244.10.in-addr.arpa.	5	IN	PTR	10-244-0-9.web.shop.svc.cluster.local.
7.0.96.10.in-addr.arpa.	5	IN	PTR	web.shop.svc.cluster.local.
7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.	5	IN	PTR	web.shop.svc.cluster.local.
"""


@pytest.fixture
def cluster(tmp_path):
    """Starts kubesim with CLUSTER and nothing else, and more options."""
    reason = fairlead.missing("kubesim")
    if reason:
        pytest.skip(reason)
    started = []

    def start(*options):
        started.append(KubeSim(tmp_path / "kubesim", CLUSTER, ["--bare", *options]).start())
        return started[-1]

    yield start
    for simulator in started:
        simulator.stop()


def names_of(done):
    """The listing behind its SOA."""
    assert (done.returncode, done.stderr) == (0, "")
    soa_line, names = done.stdout.split("\n", 1)
    assert re.fullmatch(r"cluster\.local\.\t5\tIN\tSOA\tns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. "
                        r"\d+ 7200 1800 86400 5", soa_line)
    return names


def test_the_names_of_a_cluster_are_listed_from_its_api_server(cluster):
    url = cluster().url
    assert names_of(dump("--endpoint", url)) == NAMES
    assert names_of(dump("--endpoint", url, "--reverse")) == NAMES + PTRS
    other = dump("--endpoint", url, "--zone", "k8s.example", "--ttl", "3600")
    assert other.returncode == 0
    assert other.stdout.splitlines()[0].startswith("k8s.example.\t300\tIN\tSOA\t")
    assert "web.shop.svc.k8s.example.\t3600\tIN\tA\t10.96.0.7" in other.stdout.splitlines()


def test_a_listing_from_the_api_server_loads_into_a_name_server(cluster, tmp_path):
    listing = dump("--endpoint", cluster().url).stdout
    with primary(tmp_path, listing) as knot:
        assert dump("--server", f"127.0.0.1:{knot.port}").stdout == listing


def test_a_kubeconfig_is_found_where_kubectl_finds_it(cluster, tmp_path):
    config = tmp_path / "home" / ".kube" / "config"
    config.parent.mkdir(parents=True)
    cluster("--kubeconfig-out", config)
    wait_until(config.exists, 5, "the kubeconfig is written")
    home = {"HOME": str(tmp_path / "home"), "KUBECONFIG": "", "KUBERNETES_SERVICE_HOST": ""}
    assert names_of(dump(environment=home)) == NAMES
    listed = {"HOME": "/nonexistent", "KUBECONFIG": f"/nonexistent:{config}"}
    assert names_of(dump(environment=listed)) == NAMES
    assert names_of(dump("--kubeconfig", config)) == NAMES
    fails(dump("--kubeconfig", config, "--context", "nowhere"), "nowhere", str(config))
    (tmp_path / "broken").write_text("no: kubeconfig\n")
    fails(dump("--kubeconfig", tmp_path / "broken"), str(tmp_path / "broken"))


def test_client_certificates_reach_an_api_server_that_asks_for_them(cluster, tmp_path):
    (tmp_path / "pki").mkdir()
    (tmp_path / "other").mkdir()
    authority, stranger = Authority(tmp_path / "pki"), Authority(tmp_path / "other")
    certificate, key = authority.server("kubesim")
    simulator = cluster("--tls-cert", certificate, "--tls-key", key, "--client-ca", authority.certificate)
    endpoint = ["--endpoint", simulator.url.replace("http:", "https:")]
    mine, my_key = authority.client("admin")
    client = ["--tls-cert", mine, "--tls-key", my_key]
    assert names_of(dump(*endpoint, *client, "--ca", authority.certificate)) == NAMES
    fails(dump(*endpoint, *client, "--ca", stranger.certificate, "--timeout", "1s"), simulator.url.split("//")[1],
          "certificate")
    fails(dump(*endpoint, "--ca", authority.certificate, "--timeout", "1s"), "401", "client certificate")


def test_an_api_server_that_does_not_let_us_in_is_reported_at_the_timeout(cluster, tmp_path):
    (tmp_path / "tokens").write_text("secret\n")
    simulator = cluster("--token-file", tmp_path / "tokens")
    fails(dump("--endpoint", simulator.url, "--timeout", "1s"), "401")


def test_an_api_server_out_of_reach_is_reported_at_the_timeout():
    port = free_port()
    fails(dump("--endpoint", f"http://127.0.0.1:{port}", "--timeout", "500ms"), f"127.0.0.1:{port}", "Services")


def test_a_list_that_breaks_off_is_tried_again_within_the_timeout(cluster):
    simulator = cluster()
    simulator.fault(cut_lists={"count": 3, "after_bytes": 100}, fail_requests={"count": 1, "status": 429})
    assert names_of(dump("--endpoint", simulator.url)) == NAMES


def test_a_terminal_shows_how_far_it_is_and_a_pipe_does_not(cluster):
    simulator = cluster()
    simulator.fault(delay={"ms": 700, "verb": "list"})
    assert dump("--endpoint", simulator.url).stderr == ""
    controller, terminal = os.openpty()
    process = subprocess.Popen([fairlead.program("fairleadctl"), "dump", "--endpoint", simulator.url],
                               stdout=subprocess.PIPE, stderr=terminal, text=True)
    os.close(terminal)
    listing, _ = process.communicate(timeout=30)
    shown = os.read(controller, 65536).decode()
    os.close(controller)
    assert process.returncode == 0
    assert listing.split("\n", 1)[1] == NAMES
    assert "reading the API server: " in shown
    # The line is gone at the end.
    assert shown.endswith("\r\x1b[K")
