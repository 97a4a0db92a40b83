"""Metrics over HTTPS: `prometheus` with a web configuration."""

import http.client
import shutil
import socket
import ssl
import time

import pytest

from support import dot
from support.certificates import Authority
from support.processes import wait_until


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def folder(authority, tmp_path):
    """A folder with a certificate, where the web configuration stands."""
    folder = tmp_path / "web"
    folder.mkdir()
    install(folder, authority.server("metrics"))
    return folder


def install(folder, pair):
    for name, path in zip(("tls.crt", "tls.key"), pair, strict=True):
        shutil.copy(path, folder / f"{name}.new")
        (folder / f"{name}.new").rename(folder / name)


GOOD = "tls_server_config:\n  cert_file: tls.crt\n  key_file: tls.key\n"


def serve(scenario, folder, text=GOOD, **more):
    (folder / "web.yml").write_text(text)
    corefile = f""".:{{port}} {{
    bind 127.0.0.1
    errors
    debug
    health 127.0.0.1:{{health}}
    ready 127.0.0.1:{{ready}}
    prometheus 127.0.0.1:{{metrics}} {{
        tls {folder}/web.yml
    }}
    whoami
}}
"""
    return scenario.server(corefile=corefile, **more)


def connect(server, authority, client=None):
    made = dot.context(authority, client, alpn=("h2", "http/1.1"))
    return http.client.HTTPSConnection("127.0.0.1", server.metrics_port, timeout=10, context=made)


def get(connection, path="/metrics"):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_metrics_are_encrypted_and_the_rest_is_not(scenario, authority, folder):
    server = serve(scenario, folder)
    connection = connect(server, authority)
    for _ in range(3):  # over one connection
        status, page = get(connection)
        assert status == 200 and "coredns_build_info" in page
    assert connection.sock.selected_alpn_protocol() == "http/1.1"
    assert get(connection, "/other")[0] == 404
    connection.close()
    assert server.status("health", "/health") == 200
    with socket.create_connection(("127.0.0.1", server.metrics_port), timeout=10) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while octets := plain.recv(4096):
            received += octets
        assert b"coredns" not in received


def test_clients_without_a_certificate_are_refused_where_one_is_asked_for(scenario, authority, folder):
    shutil.copy(authority.certificate, folder / "ca.crt")
    server = serve(
        scenario, folder, GOOD + "  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n  min_version: TLS13\n")
    assert get(connect(server, authority, authority.client("prometheus")))[0] == 200
    with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
        get(connect(server, authority))


def test_a_replaced_certificate_is_shown_to_the_next_connection(scenario, authority, folder):
    server = serve(scenario, folder)

    def serial():
        connection = connect(server, authority)
        assert get(connection)[0] == 200
        shown = connection.sock.getpeercert()["serialNumber"]
        connection.close()
        return shown

    kept = connect(server, authority)
    assert get(kept)[0] == 200
    before = serial()
    (folder / "tls.crt").write_text("")
    wait_until(lambda: "the certificate stays as it was" in server.output(), 15, server.output)
    assert serial() == before
    install(folder, authority.server("fresh"))
    wait_until(lambda: serial() != before, 15, server.output)
    assert get(kept)[0] == 200
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 15, server.output)
    assert get(kept)[0] == 200


def test_clients_that_stop_within_the_handshake_end_and_do_not_keep_others_out(scenario, authority, folder):
    server = serve(scenario, folder)
    stuck = [socket.create_connection(("127.0.0.1", server.metrics_port), timeout=10) for _ in range(200)]
    for number, connection in enumerate(stuck):
        connection.sendall((b"\x16\x03\x01\x02\x00\x01\x00", b"GET ", b"")[number % 3])
    assert get(connect(server, authority))[0] == 200
    begin = time.monotonic()
    assert stuck[-1].recv(1) == b""  # after five seconds
    assert time.monotonic() - begin < 10
    for connection in stuck:
        connection.close()
    assert get(connect(server, authority))[0] == 200


FAULTS = [
    ("tls_server_config:\n  cert_file: none.crt\n  key_file: tls.key\n", "cannot read {folder}/none.crt: No such file or directory"),
    ("tls_server_config:\n  key_file: tls.key\n", "web.yml: tls_server_config.cert_file: is missing"),
    ("tls_server_config: [\n", "web.yml: line 2: "),
    ("tls_server_config:\n  cert: x\n", "web.yml: tls_server_config.cert: is not supported; write cert_file"),
    (GOOD + "  client_auth_type: Always\n", "web.yml: tls_server_config.client_auth_type: is none that Go knows"),
    (GOOD + "  client_ca_file: ca.crt\n", "web.yml: tls_server_config.client_ca_file: has no effect without client_auth_type"),
    (GOOD + "  client_allowed_sans: [a]\n", "web.yml: tls_server_config.client_allowed_sans: is not supported"),
    (GOOD + "  min_version: SSL3\n", "web.yml: tls_server_config.min_version: is no version; write TLS12 or TLS13"),
    (GOOD + "  certs: x\n", "web.yml: tls_server_config.certs: is no key of a web configuration"),
    (GOOD + "basic_auth_users:\n  alice: secret\n", "web.yml: basic_auth_users: passwords are not supported"),
    ("- a\n", "web.yml: the top of the file is no mapping"),
    (GOOD.replace("tls.crt", "/dev/zero"), "cannot read /dev/zero: it is not a regular file"),
]


@pytest.mark.parametrize("text, words", FAULTS)
def test_a_web_configuration_that_cannot_be_kept_is_a_fault_with_its_line(scenario, folder, text, words):
    process = serve(scenario, folder, text, start=False).launch()
    assert process.wait(20) == 1
    output = process.output()
    assert "Corefile:7: prometheus: " in output and words.format(folder=folder) in output, output


def test_what_has_no_effect_is_a_warning_and_no_tls_is_one_too(scenario, authority, folder):
    server = serve(scenario, folder, GOOD + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\nhttp_server_config:\n  http2: false\n")
    assert get(connect(server, authority))[0] == 200
    assert "tls_server_config.cipher_suites is accepted without effect: OpenSSL's are used" in server.output()
    assert "http_server_config is accepted without effect" in server.output()
    plain = serve(scenario, folder, "")
    assert plain.status("metrics", "/metrics") == 200
    assert "has no tls_server_config; metrics are served without encryption" in plain.output()
