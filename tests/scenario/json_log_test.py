"""-log.format json: every line of a whole run is an object, whatever happens and however odd the names are."""

import json
import re
import socket
import struct

from support import dns
from support.kube import namespace, service
from support.processes import free_port, wait_until

JSON = ("-log.format=json",)
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def objects(text):
    found = [json.loads(line) for line in text.splitlines()]
    assert all(type(line) is dict and TIME.match(line["time"]) for line in found)
    assert {line["level"] for line in found} <= {"debug", "info", "warning", "error"}
    return found


def queries(server):
    return [line for line in objects(server.output())
            if line.get("plugin") == "log" and "listening" not in line["name"]]


def ask_label(port, *labels):
    """A query whose name has these octets."""
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    wire = struct.pack("!6H", 7, dns.FLAGS["rd"], 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)
    return dns.exchange(port, wire)


def test_a_whole_run_is_json(scenario):
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))
    dead = free_port()
    directives = f"""log
    debug
    metadata
    reload 2s 1s
    forward dead.test 127.0.0.1:{dead} {{
        max_connect_attempts 1
    }}
    whoami"""
    server = scenario.server(directives, cluster, arguments=JSON)
    good = server.corefile_path.read_text()
    server.ask("web.shop.svc.cluster.local")
    server.ask("web.shop.svc.cluster.local", tcp=True)
    assert server.ask("x.dead.test", timeout=10).rcode == "SERVFAIL"
    for labels in ((b'"',), (b"\\", b"a.b"), (b"\xff\xfe\x00",), (b"\n{}",), (b"\xe2\x80\xa8",), (bytes(range(63)),),
                   (b"\xc3\xbc",), tuple([b"\x01" * 63] * 3)):
        ask_label(server.port, *labels)
    for broken in (good + '"\x01 \u2028 {', good.replace("whoami", "erors \U0001f30d")):
        server.write_corefile(broken)
        server.reload()
    wait_until(lambda: server.output().count("Restart failed") >= 2, 20, server.output)
    server.write_corefile(good.replace("debug", ""))
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 20, server.output)
    wait_until(lambda: len(queries(server)) == 11, 10, server.output)
    # The lines of two workers may change places.
    [first] = [line for line in queries(server) if line["name"].startswith("web.") and line["proto"] == "udp"]
    assert {**first, "time": 0, "id": 0, "port": 0, "duration": 0} == {
        "time": 0, "level": "info", "plugin": "log", "client": "127.0.0.1", "port": 0, "id": 0, "opcode": 0, "type": "A",
        "class": "IN", "name": "web.shop.svc.cluster.local.", "proto": "udp", "size": 55, "do": False, "bufsize": 1232,
        "rcode": "NOERROR", "rflags": "qr,aa,rd", "rsize": first["rsize"], "duration": 0}
    assert 0 < first["duration"] < 60 and first["rsize"] > 55
    rcodes = {line["name"]: line["rcode"] for line in queries(server)}
    assert rcodes["x.dead.test."] == "SERVFAIL"
    assert {'\\".', "\\255\\254\\000.", "\\\\.a\\.b.", "\\226\\128\\168."} < set(rcodes)
    process = server.process
    server.stop()
    lines = objects(process.output())
    assert any(line.get("message", "").startswith(".:") for line in lines), "start-up output"
    assert any(line.get("plugin") == "errors" and line["level"] == "error" for line in lines), lines


def test_a_format_of_its_own_is_the_message_and_its_labels_are_metadata(scenario):
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))
    server = scenario.server(
        'metadata\nlog . "{name} \\"{/kubernetes/service}\\" {/log/class} {/none}"', cluster, arguments=JSON)
    server.ask("web.shop.svc.cluster.local")
    wait_until(lambda: queries(server), 10, server.output)
    [line] = queries(server)
    assert line["message"] == 'web.shop.svc.cluster.local. "web" success -'
    assert line["metadata"] == {"kubernetes/service": "web", "log/class": "success"}
    assert line["name"] == "web.shop.svc.cluster.local."


def test_a_start_that_fails_is_json_too(scenario):
    server = scenario.server("erors \u2028", start=False, arguments=JSON)
    process = server.launch()
    assert process.wait(20) == 1
    [line] = objects(process.output())
    assert line["level"] == "error" and "Unknown directive 'erors'" in line["message"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = scenario.server(f"health 127.0.0.1:{taken.getsockname()[1]}", start=False, arguments=JSON)
        process = server.launch()
        assert process.wait(20) == 1
        assert objects(process.output())[-1]["level"] == "error"


def test_a_format_that_is_not_known_is_told(scenario):
    server = scenario.server("whoami", start=False, arguments=("-log.format", "xml"))
    process = server.launch()
    assert process.wait(20) == 2
    assert "-log.format 'xml' is not known; write text or json" in process.output()
