"""log: a line for each query that a block has answered, and no query that waits for its line."""

import re
import signal
import subprocess

from support.dig import dig, dig_zone
from support.dns import Channel
from support.kube import namespace, service
from support.processes import wait_until
from support.upstream import address

LINE = re.compile(r"^\[INFO\] (\S+):(\d+) - (\d+) \"(.*)\" (\S+) (\S+) (\d+) ([\d.]+)s$")


def lines(server):
    return [line for line in server.output().splitlines()
            if line.startswith("[INFO] ") and "plugin/" not in line and "listening.test.invalid." not in line]


def expect(server, *wanted):
    """These lines of the log, and no others."""
    wait_until(lambda: len(lines(server)) >= len(wanted), 5, server.output)
    assert lines(server) == [f"[INFO] {line}" for line in wanted]


def test_the_common_log_format_is_coredns(scenario):
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))
    server = scenario.server("log", cluster)
    for question in ([], ["+tcp"], ["+noedns", "+norec"], ["+bufsize=4096", "+dnssec"]):
        server.dig("Web.Shop.svc.cluster.local", "A", "+nocookie", *question)
    wait_until(lambda: len(lines(server)) == 4, 5, server.output)
    parts = [LINE.match(line) for line in lines(server)]
    assert all(parts), lines(server)
    assert [part.group(1) for part in parts] == ["127.0.0.1"] * 4
    name = "A IN web.shop.svc.cluster.local."
    assert parts[1].group(4) == f"{name} tcp 55 false 65535"
    assert parts[2].group(4) == f"{name} udp 44 false 512"
    assert parts[3].group(4) == f"{name} udp 55 true 4096"
    assert [part.group(5) for part in parts] == ["NOERROR"] * 4
    assert parts[2].group(6) == "qr,aa"


def test_names_formats_and_classes_choose_what_is_logged(scenario):
    upstream = scenario.upstream({"www.example.org.": address("192.0.2.80")})
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))
    server = scenario.server("""metadata
    log shop.svc.cluster.local 10.0.0.0/8 "{proto} {name} {/kubernetes/service} {/log/class}" {
        class success
    }
    log example.org "{name} {rcode} {/forward/upstream} {remote} {local}"
    cache
    forward . """ + upstream.target, cluster)
    server.dig("web.shop.svc.cluster.local", "A")
    server.dig("nothing.shop.svc.cluster.local", "A")  # a denial
    server.dig("1.0.96.10.in-addr.arpa", "PTR")
    server.dig("kubernetes.default.svc.cluster.local", "A")  # no directive covers it
    server.dig("www.example.org", "A")
    expect(server, "udp web.shop.svc.cluster.local. web success",
           "udp 1.0.96.10.in-addr.arpa. - success",
           f"www.example.org. NOERROR {upstream.target} 127.0.0.1 127.0.0.1")


def test_what_no_block_owns_and_questions_of_our_own_are_not_logged(scenario):
    upstream = scenario.upstream({"target.example.org.": address("192.0.2.80")})
    external = service("alias", "shop", type="ExternalName", externalName="target.example.org")
    cluster = scenario.cluster(namespace("shop"), external)
    server = scenario.server('log . "{name} {type} {rcode}"\nloop\nforward example.org ' + upstream.target, cluster)
    server.dig("alias.shop.svc.cluster.local", "A")
    server.dig("version.bind", "TXT", "-c", "CH")  # REFUSED before there is a block
    server.dig("elsewhere.example", "A")  # REFUSED by the block
    expect(server, "alias.shop.svc.cluster.local. A NOERROR", "elsewhere.example. A REFUSED")


def test_a_transfer_is_one_line_with_all_of_its_octets(scenario):
    cluster = scenario.cluster(namespace("shop"), *(service(f"web-{i}", "shop", clusterIP=f"10.96.1.{i}")
                                                    for i in range(1, 200)))
    server = scenario.server('transfer {\n    to *\n}\nlog . "{type} {name} {rcode} {>rflags} {rsize} {/log/class}"',
                             cluster)
    dig_zone(server.port, "cluster.local")
    wait_until(lambda: lines(server), 5, server.output)
    type_, name, rcode, flags, octets, reply_class = lines(server)[0].split()[1:]
    assert (type_, name, rcode, flags, reply_class) == ("AXFR", "cluster.local.", "NOERROR", "qr,aa", "error")
    assert int(octets) > 199 * 20


def test_the_address_that_was_asked_is_logged_where_the_socket_is_bound_to_all(scenario):
    server = scenario.server(corefile=""".:{port} {
    ready 127.0.0.1:{ready}
    log . "{name} {proto} {local}"
}
""")
    dig(server.port, "one.example", address="127.0.0.3")
    dig(server.port, "two.example", "A", "+tcp", address="127.0.0.3")
    expect(server, "one.example. udp 127.0.0.3", "two.example. tcp 127.0.0.3")


def test_an_output_that_nobody_reads_holds_up_neither_queries_nor_the_exit(scenario):
    cluster = scenario.cluster(namespace("shop"), service("web", "shop", clusterIP="10.96.0.1"))
    padding = 500 * "x"
    server = scenario.server(f'log . "{padding} {{name}}"', cluster, start=False)
    process = subprocess.Popen([server.program(), "-conf", server.corefile_path], stdout=subprocess.PIPE)
    try:
        wait_until(server.is_ready, 30, "ready")
        with Channel(server.port) as client:  # of one worker, whose ring and the pipe hold 576 kB together
            for _ in range(1500):
                assert client.ask("web.shop.svc.cluster.local").data("A") == ["10.96.0.1"]
        assert server.metrics()["fairlead_log_lines_lost_total"] > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
