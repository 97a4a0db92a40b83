"""The process: flags, exit codes, signals, HTTP endpoints."""

import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

import pytest

from support import dns, fairlead
from support.dns import Channel
from support.fairlead import REPOSITORY
from support.kube import service
from support.processes import free_port, wait_until
from support.upstream import address

FAULTY = """\
.:{port} {
    errors {
        consolidate soon ".*"
    }
    health nowhere:port
    kubernetes cluster.local {
        pods sometimes
        ttl 9999
        nonsense
    }
    forward . 10.0.0.300
    reload 1ms
    loadbalance weighted
    whoiam
    bind 300.1.1.1
}
example.org:99999 {
    debug
}
"""
FAULTY_LINES = {
    3: "'soon'", 5: "'nowhere:port'", 7: "'sometimes'", 8: "'9999'", 9: "'nonsense'", 11: "'10.0.0.300'", 12: "'1ms'",
    13: "'loadbalance'", 14: "Unknown directive 'whoiam'", 15: "'300.1.1.1'", 17: "'example.org:99999'",
}
LAMEDUCK_SECONDS = 2


@pytest.fixture(autouse=True)
def built():
    reason = fairlead.missing("fairlead", "kubesim")
    if reason:
        pytest.skip(reason)


def run(*arguments, cwd=None, timeout=20, environment=None):
    return subprocess.run(
        [fairlead.program("fairlead"), *map(str, arguments)], cwd=cwd, timeout=timeout, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})


def write(folder, text, **values):
    path = folder / "Corefile"
    for name, value in {"port": free_port(), **values}.items():
        text = text.replace("{" + name + "}", str(value))
    path.write_text(text)
    return path


# --- flags


def test_version_plugins_and_help_are_told_on_standard_output():
    version = run("-version")
    assert (version.returncode, version.stderr) == (0, "")
    assert re.match(r"Fairlead-\d+\.\d+\.\d+\nlinux/\w+, ", version.stdout)
    plugins = run("-plugins")
    assert plugins.returncode == 0
    pages = {page.stem for page in (REPOSITORY / "server" / "handlers").glob("*.md")}
    assert set(plugins.stdout.split()) == pages, "each directive that is served has its page"
    assert "-dns.port" in run("-help").stdout
    assert run("--version").stdout == version.stdout, "two dashes, as Go's flags"


def test_the_readme_and_the_pages_name_what_is_served_and_what_is_to_come(tmp_path):
    table = (REPOSITORY / "README.md").read_text().split("| directive | status |")[1].split("\n\n")[0]
    served = set(re.findall(r"\[(\w+)\]\(server/handlers/\1\.md\)", table))
    to_come = next(row for row in table.splitlines() if row.endswith("| not yet |")).split("|")[1]
    left_out = next(row for row in table.splitlines() if row.endswith("| left out |")).split("|")[1].split(";")[0]
    assert served == set(run("-plugins").stdout.split())
    for words, message in ((to_come, "is not supported by this version of Fairlead yet"),
                           (left_out, "is left out of Fairlead")):
        names = re.findall(r"\w+", words)
        path = write(tmp_path, ".:{port} {\n" + "".join(f"    {name}\n" for name in names) + "}\n")
        faults = faults_of(path)
        for line, name in enumerate(names, 2):
            assert f"{path}:{line}: Directive '{name}' {message}" in faults, faults
    for directive in ("bind 10.0.0.1", "cache", "errors", "forward . 10.0.0.1", "health", "k8s_external", "kubernetes",
                      "loadbalance", "prometheus", "ready", "transfer"):
        name = directive.split()[0]
        path = write(tmp_path, f"example.org:{{port}} {{\n    {directive} {{\n        ?\n    }}\n}}\n")
        options = re.search("unknown option .* of .*; write (.*)", faults_of(path))[1]
        page = (REPOSITORY / "server" / "handlers" / f"{name}.md").read_text()
        missing = [option for option in re.split(", | or ", options) if not re.search(rf"\b{option}\b", page)]
        assert not missing, f"{name}.md lacks {missing}"


def faults_of(path):
    done = run("-check", "-conf", path)
    assert done.returncode == 1
    return done.stdout + done.stderr


@pytest.mark.parametrize("arguments, words", [
    (["-nonsense"], "unknown flag '-nonsense'"),
    (["-conf"], "needs a value"),
    (["-dns.port", "70000"], "'70000' is not a port"),
    (["-dns.port=x"], "'x' is not a port"),
    (["Corefile"], "unexpected argument 'Corefile'"),
])
def test_a_wrong_command_line_is_status_2_in_one_line(arguments, words):
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr and len(done.stderr.splitlines()) == 1


def test_check_says_what_a_good_corefile_does(tmp_path):
    path = write(tmp_path, ".:{port} {\n    forward . 127.0.0.1\n    cache\n    errors {\n        stacktrace\n    }\n}\n")
    done = run("-check", "-conf", path)
    assert done.returncode == 0
    assert f"{path}:5: 'stacktrace' of 'errors' is accepted without effect" in done.stdout
    # The order in which they act, not the file's.
    assert re.search(r"errors\s+cache\s+forward", done.stdout)


def test_check_names_all_faults_at_once(tmp_path):
    path = write(tmp_path, FAULTY)
    done = run("-check", "-conf", path)
    assert done.returncode == 1
    for line, word in FAULTY_LINES.items():
        assert any(text.startswith(f"{path}:{line}: ") and word in text for text in done.stdout.splitlines()), \
            f"line {line}, {word}:\n{done.stdout}"
    # Serving it names the same.
    serve = run("-conf", path)
    assert (serve.returncode, serve.stdout + serve.stderr) == (1, done.stdout)


@pytest.mark.parametrize("text, words", [
    (".:{port} {\n    erors\n}\n", "Corefile:2: Unknown directive 'erors'"),
    (".:{port} {\n    errors\n", "Corefile:"),
    ("import nothing-here\n", "Corefile:1: "),
    (".:{port} {\n    kubernetes cluster.local\n}\n", "this is no Pod"),
    (".:{port} {\n    forward . ./absent.conf\n}\n", "absent.conf"),
    (".:{port} {\n    kubernetes cluster.local {\n        kubeconfig ./absent\n    }\n}\n", "absent"),
])
def test_a_corefile_that_cannot_be_served_is_status_1_with_the_reason(tmp_path, text, words):
    write(tmp_path, text)
    done = run(cwd=tmp_path, environment={"KUBERNETES_SERVICE_HOST": "", "KUBERNETES_SERVICE_PORT": ""})
    assert done.returncode == 1, done.stdout
    assert words in done.stderr + done.stdout


def test_a_corefile_that_is_not_there_is_status_1(tmp_path):
    done = run("-conf", tmp_path / "absent")
    assert done.returncode == 1
    assert f"{tmp_path}/absent" in done.stderr


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("shared", [False, True])
def test_a_port_in_use_is_status_1_with_reason_and_fix(tmp_path, kind, shared):
    port = free_port()
    with socket.socket(socket.AF_INET, kind) as taken:
        # Even if the other one would share the port: each would get some of the queries.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
        taken.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        done = run("-conf", write(tmp_path, ".:{port} {\n    bind 127.0.0.1\n    errors\n}\n", port=port))
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr and "in use" in done.stderr, done.stderr


@pytest.mark.parametrize("directive", ["health", "ready", "prometheus"])
def test_an_http_port_in_use_is_status_1(tmp_path, directive):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = taken.getsockname()[1]
        path = write(tmp_path, ".:{port} {\n    bind 127.0.0.1\n    {directive} 127.0.0.1:{other}\n}\n",
                     directive=directive, other=other)
        done = run("-conf", path)
    assert done.returncode == 1
    assert f"127.0.0.1:{other}" in done.stderr and "in use" in done.stderr, done.stderr


@pytest.mark.parametrize("flag", ["-dns.port", "-p"])
def test_flags_of_a_served_corefile(scenario, tmp_path, flag):
    pidfile, port = tmp_path / "pid", free_port()
    server = scenario.server(
        corefile=". {\n    bind 127.0.0.1\n    ready 127.0.0.1:{ready}\n}\n", start=False,
        arguments=[flag, port, "-pidfile", pidfile, "-quiet"])
    server.port = port
    server.start()
    assert int(pidfile.read_text()) == server.process.pid
    assert server.output() == ""
    server.stop()
    assert not pidfile.exists()


def test_environment_snippets_and_imports_make_one_corefile(scenario, tmp_path):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7")})
    (tmp_path / "more.conf").write_text(f"forward . {upstream.target}\n")
    server = scenario.server(corefile=f"""
(common) {{
    bind 127.0.0.1
    errors
    ready 127.0.0.1:{{ready}}
}}
{{$ZONE:nowhere.test}}:{{port}} {{
    import common
    import {tmp_path}/*.conf
}}
""", environment={"ZONE": "example.org"})
    assert server.ask("www.example.org").data() == ["192.0.2.7"]
    assert server.ask("www.example.com").rcode == "REFUSED"


# --- signals


@pytest.fixture
def lame(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.7"),
                                  "slow.example.org.": address("192.0.2.5", delay=1.0)})
    return scenario.server(corefile=f"""
.:{{port}} {{
    bind 127.0.0.1
    errors
    health 127.0.0.1:{{health}} {{
        lameduck {LAMEDUCK_SECONDS}s
    }}
    ready 127.0.0.1:{{ready}}
    prometheus 127.0.0.1:{{metrics}}
    forward . {upstream.target}
}}
""")


def ended(server, number, timeout):
    """Sends the signal; (status, seconds until the end)."""
    begin = time.monotonic()
    server.process.send(number)
    return server.process.wait(timeout), time.monotonic() - begin


def test_sigterm_answers_on_for_the_lameduck_time_and_says_so(lame):
    begin = time.monotonic()
    lame.process.send(signal.SIGTERM)
    wait_until(lambda: lame.status("ready", "/ready") == 503, 2, "/ready is 503")
    while time.monotonic() - begin < LAMEDUCK_SECONDS - 0.5:
        assert lame.status("health", "/health") == 200
        assert lame.status("ready", "/ready") == 503
        assert lame.status("metrics", "/metrics") == 200
        assert lame.ask("www.example.org").data() == ["192.0.2.7"]
        assert lame.ask("www.example.org", tcp=True).data() == ["192.0.2.7"]
        time.sleep(0.05)
    assert lame.process.wait(10) == 0
    assert LAMEDUCK_SECONDS - 0.1 < time.monotonic() - begin < LAMEDUCK_SECONDS + 3
    assert "lameduck" in lame.output()
    lame.kill()


def test_sigint_ends_without_lameduck_and_cuts_one_short(lame):
    status, seconds = ended(lame, signal.SIGINT, 10)
    assert (status, seconds < LAMEDUCK_SECONDS - 0.5) == (0, True)
    lame.start()
    lame.process.send(signal.SIGTERM)
    wait_until(lambda: lame.status("ready", "/ready") == 503, 2, "/ready is 503")
    status, seconds = ended(lame, signal.SIGINT, 10)
    assert (status, seconds < LAMEDUCK_SECONDS - 0.5) == (0, True)
    lame.kill()


@pytest.mark.parametrize("tcp", [False, True])
def test_a_query_that_waits_is_answered_before_the_end(lame, tcp):
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(lame.ask("slow.example.org", tcp=tcp, timeout=5)), daemon=True)
    thread.start()
    time.sleep(0.3)
    assert ended(lame, signal.SIGINT, 10)[0] == 0
    thread.join(5)
    assert [answer.data() for answer in answers] == [["192.0.2.5"]]
    lame.kill()


def test_what_has_arrived_before_the_end_is_answered(lame):
    """Over UDP, on a connection that idles, and on one that nobody has accepted."""
    query = dns.encode_query("www.example.org")
    framed = struct.pack("!H", len(query)) + query
    for _ in range(5):
        with Channel(lame.port) as channel, \
                socket.create_connection(("127.0.0.1", lame.port), timeout=5) as idle:
            idle.sendall(framed)
            assert dns.receive(idle, 4)[2:] == query[:2]
            # It learns of the end when it goes on; the other way round it may be gone before it stands still.
            lame.process.send(signal.SIGSTOP)
            lame.process.send(signal.SIGINT)
            with socket.create_connection(("127.0.0.1", lame.port), timeout=5) as fresh:
                idle.sendall(framed * 3)
                fresh.sendall(framed)
                identifier = channel.send("www.example.org")
                lame.process.send(signal.SIGCONT)
                assert channel.receive()[0] == identifier
                assert len(dns.receive(fresh, 2 + 12)) == 14
                assert dns.receive(idle, 14 * 3)
        assert lame.process.wait(10) == 0
        lame.kill()
        lame.start()
    lame.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_start_waits_for_the_cluster_ends_soon(scenario, number):
    cluster = scenario.cluster(service("web"))
    cluster.fault(refuse_connections=True)
    server = scenario.server("", cluster, "startup_timeout 60s", start=False)
    process = server.launch()
    wait_until(lambda: server.status("health", "/health") == 200, 20, "it lives")
    assert server.status("ready", "/ready") == 503
    process.send(number)
    assert process.wait(10) == 0


def test_a_start_waits_for_the_cluster_no_longer_than_it_takes(scenario):
    cluster = scenario.cluster(service("web", clusterIP="10.96.7.1"))
    server = scenario.server("", cluster, "startup_timeout 60s", start=False)
    begin = time.monotonic()
    server.start()
    assert time.monotonic() - begin < 10
    # The first answer is a whole one: nothing is served before the names are there.
    assert server.ask("web.default.svc.cluster.local").data() == ["10.96.7.1"]


# --- HTTP


@pytest.fixture(scope="module")
def plain(shared):
    return shared.server()


def test_http_endpoints_know_their_path_and_no_other(plain):
    for endpoint, path, expected in [
            ("health", "/health", 200), ("ready", "/ready", 200), ("metrics", "/metrics", 200), ("health", "/", 404),
            ("health", "/ready", 404), ("ready", "/health", 404), ("metrics", "/debug/pprof", 404),
            ("health", "/health/", 404), ("health", "/health?x=1", 200)]:
        assert plain.status(endpoint, path) == expected, path


HTTP_NOISE = {
    "nothing": b"",
    "blank lines": b"\r\n\r\n",
    "half a request line": b"GET\r\n\r\n",
    "a body without end": b"POST /health HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    "a header without end": b"GET /health HTTP/1.1\r\nX: " + b"y" * 20000,
    "a handshake": b"\x16\x03\x01" + b"z" * 200,
    "HTTP/9.9": b"GET /health HTTP/9.9\r\n\r\n",
}


@pytest.mark.parametrize("noise", HTTP_NOISE)
def test_noise_on_an_http_port_harms_no_probe(plain, noise):
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", plain.health), timeout=5) as connection:
            connection.sendall(HTTP_NOISE[noise])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert plain.status("health", "/health") == 200


def test_idle_http_clients_do_not_starve_a_probe(plain):
    idle = [socket.create_connection(("127.0.0.1", plain.health), timeout=5) for _ in range(200)]
    try:
        assert plain.status("health", "/health") == 200
    finally:
        for connection in idle:
            connection.close()
