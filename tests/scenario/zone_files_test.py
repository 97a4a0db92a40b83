"""`file` and `auto`: zones from files, faults in them, changes of them, and who may transfer them."""

import os
import time

from support.dig import dig_zone
from support.load import QueryLoad
from support.processes import wait_until
from support.upstream import address

ZONE = """\
$TTL 60
@     SOA ns hostmaster {serial} 7200 1800 86400 30
      NS  ns
ns    A   192.0.2.53
www   A   192.0.2.{serial}
out   CNAME www.example.net.
gone  CNAME nobody.example.net.
*.any A   192.0.2.99
$INCLUDE more.db
"""
MORE = "more A 192.0.2.77\n"

# Ten faults, each in a line of its own.
FAULTY = """\
$TTL 60
@ SOA ns hostmaster 3 7200 1800 86400
www A 192.0.2.300
mail MX mail
$TTL soon
text TXT "open
bad..name A 192.0.2.1
host B 192.0.2.1
$NONSENSE
$INCLUDE missing.db
open ( A 192.0.2.1
"""


def write(folder, name, text):
    """In one step, as a ConfigMap does."""
    (folder / "new").write_text(text)
    os.rename(folder / "new", folder / name)


def folder_of(tmp_path, serial=1):
    folder = tmp_path / "zones"
    folder.mkdir()
    write(folder, "more.db", MORE)
    write(folder, "example.org", ZONE.format(serial=serial))
    return folder


def test_a_zone_file_is_served_below_root_and_its_aliases_lead_out(scenario, tmp_path):
    upstream = scenario.upstream({"www.example.net.": address("192.0.2.80")})
    server = scenario.server(f"root {folder_of(tmp_path)}\nfile example.org example.org\nforward . {upstream.target}")
    assert server.dig("www.example.org").data() == ["192.0.2.1"]
    assert server.dig("x.y.any.example.org").data() == ["192.0.2.99"]
    assert server.dig("more.example.org").data() == ["192.0.2.77"]
    assert server.dig("out.example.org").data() == ["192.0.2.80", "www.example.net."]
    gone = server.dig("gone.example.org")
    assert (gone.rcode, gone.data()) == ("NXDOMAIN", ["nobody.example.net."])
    nobody = server.dig("nobody.example.org")
    assert (nobody.rcode, nobody.authority[0].ttl) == ("NXDOMAIN", 30)
    assert nobody.extended_errors == [(0, "no such name in the zone file")]
    assert server.dig("www.example.net").data() == ["192.0.2.80"]


def test_a_file_that_changes_is_taken_over_with_its_serial_and_without_a_gap(scenario, tmp_path):
    folder = folder_of(tmp_path)
    server = scenario.server(f"file {folder}/example.org example.org {{\n    reload 1s\n}}")
    with QueryLoad(server.port, {("ns.example.org", "A"): ["192.0.2.53"]}, rate=200) as load:
        write(folder, "example.org", ZONE.format(serial=2))
        server.eventually("www.example.org", "A", ["192.0.2.2"])
        # The same serial: nobody else would hear of it.
        write(folder, "example.org", ZONE.format(serial=2).replace("192.0.2.2\n", "192.0.2.9\n"))
        wait_until(lambda: "is left as it was read before" in server.output(), 10, server.output)
        assert server.dig("www.example.org").data() == ["192.0.2.2"]
        os.remove(folder / "example.org")
        wait_until(lambda: "No such file or directory" in server.output(), 10, server.output)
        assert server.dig("www.example.org").data() == ["192.0.2.2"]
        write(folder, "example.org", ZONE.format(serial=3))
        server.eventually("www.example.org", "A", ["192.0.2.3"])
        # What is included counts too.
        write(folder, "more.db", MORE.replace("77", "78"))
        write(folder, "example.org", ZONE.format(serial=4))
        server.eventually("more.example.org", "A", ["192.0.2.78"])
    assert (load.lost, load.wrong) == (0, [])


def test_by_mtime_the_serial_does_not_matter(scenario, tmp_path):
    folder = folder_of(tmp_path)
    server = scenario.server(f"file {folder}/example.org example.org {{\n    reload 1s\n    reload_by_mtime\n}}")
    write(folder, "more.db", MORE.replace("77", "78"))
    server.eventually("more.example.org", "A", ["192.0.2.78"])


def test_ten_faults_are_all_named_with_their_lines_and_the_rest_goes_on(scenario, tmp_path):
    folder = folder_of(tmp_path)
    write(folder, "faulty", FAULTY)
    server = scenario.server(
        f"root {folder}\nfile example.org example.org\nfile faulty faulty.test {{\n    reload 1s\n}}")
    output = server.output()
    lines = [line for line in output.splitlines() if f"{folder}/faulty:" in line]
    assert [int(line.split("/faulty:")[1].split(":")[0]) for line in lines] == list(range(2, 12)), output
    assert "faulty.test. in" in output and "has 10 fault(s)" in output
    answer = server.dig("www.faulty.test")
    assert (answer.rcode, answer.extended_errors) == ("SERVFAIL", [
        (14, "the zone file could not be read, the log says why")])
    assert server.dig("www.example.org").data() == ["192.0.2.1"]
    time.sleep(2.5)
    assert server.output().count("/faulty:3:") == 1, "a version is told once"
    write(folder, "faulty", ZONE.format(serial=5))
    server.eventually("www.faulty.test", "A", ["192.0.2.5"])
    # And back: what was read stays.
    write(folder, "faulty", FAULTY)
    wait_until(lambda: "it is served as it was before" in server.output(), 10, server.output)
    assert server.dig("www.faulty.test").data() == ["192.0.2.5"]


def test_a_reload_of_the_corefile_reads_what_changed_and_keeps_what_did_not(scenario, tmp_path):
    folder = folder_of(tmp_path)
    line = f"file {folder}/example.org example.org {{\n    reload 0s\n}}"
    corefile = ".:{port} {\n    bind 127.0.0.1\n    errors\n    ready 127.0.0.1:{ready}\n    LINE\n}\n"
    server = scenario.server(corefile=corefile.replace("LINE", line))
    server.reload()
    wait_until(lambda: "Reloading complete" in server.output(), 10, server.output)
    assert server.output().count("is served, ") == 1, "an unchanged file is not read again"
    write(folder, "example.org", ZONE.format(serial=2))
    server.write_corefile(corefile.replace("LINE", line + "\n    loadbalance"))
    server.reload()
    server.eventually("www.example.org", "A", ["192.0.2.2"])
    # A file that is bad by then leaves the zone, also for a directive that has changed.
    write(folder, "example.org", FAULTY)
    server.write_corefile(corefile.replace("LINE", line.replace("0s", "30s")))
    server.reload()
    wait_until(lambda: "it is served as it was before" in server.output(), 10, server.output)
    assert server.dig("www.example.org").data() == ["192.0.2.2"]


def test_transfer_sends_the_zone_and_refuses_one_that_is_not_read(scenario, tmp_path):
    folder = folder_of(tmp_path)
    write(folder, "faulty", FAULTY)
    server = scenario.server(
        f"root {folder}\nfile example.org example.org\nfile faulty faulty.test\ntransfer {{\n    to *\n}}")
    zone = dig_zone(server.port, "example.org")
    assert zone[0].type == "SOA"
    assert sorted(record.name for record in zone[1:]) == sorted(
        f"{name}example.org." for name in ("", "*.any.", "gone.", "more.", "ns.", "out.", "www."))
    assert server.ask("faulty.test", "AXFR", tcp=True).rcode == "SERVFAIL"


def test_auto_serves_the_files_of_a_folder_as_they_come_and_go(scenario, tmp_path):
    folder = folder_of(tmp_path)
    for name in ("db.one.test", "db.two.test", "db.elsewhere.example", "notes.txt"):
        write(folder, name, ZONE.format(serial=1))
    # As a ConfigMap is mounted: links to a hidden folder, which is replaced as a whole.
    versions = folder / "mounted"
    for number in (1, 2):
        (versions / f"..{number}").mkdir(parents=True)
        write(versions / f"..{number}", "db.mapped.test", ZONE.format(serial=number))
        write(versions / f"..{number}", "more.db", MORE)
    (versions / "..data").symlink_to("..1")
    for name in ("db.mapped.test", "more.db"):
        (versions / name).symlink_to(f"..data/{name}")
    server = scenario.server(f"root {tmp_path}\nauto test {{\n    directory zones ^db\\.(.*) {{1}}\n    reload 1s\n}}")
    assert server.dig("www.one.test").data() == ["192.0.2.1"]
    assert server.dig("www.mapped.test").data() == ["192.0.2.1"]
    assert server.dig("www.elsewhere.example").rcode == "REFUSED"
    assert server.dig("www.nobody.test").rcode == "REFUSED"
    with QueryLoad(server.port, {("ns.one.test", "A"): ["192.0.2.53"]}, rate=200) as load:
        os.remove(folder / "db.two.test")
        write(folder, "db.three.test", ZONE.format(serial=3))
        write(folder, "db.bad.test", FAULTY)
        write(folder, "db.one.test", ZONE.format(serial=2))
        (versions / "new").symlink_to("..2")
        os.rename(versions / "new", versions / "..data")
        server.eventually("www.three.test", "A", ["192.0.2.3"])
        server.eventually("www.one.test", "A", ["192.0.2.2"])
        server.eventually("www.mapped.test", "A", ["192.0.2.2"])
        server.eventually("www.two.test", "A", "REFUSED")
        server.eventually("www.bad.test", "A", "SERVFAIL")
    assert (load.lost, load.wrong) == (0, [])
    assert "zone two.test. is served no more" in server.output()


def test_auto_takes_the_zone_from_groups_of_the_file_name(scenario, tmp_path):
    folder = folder_of(tmp_path)
    write(folder, "org_example.zone", ZONE.format(serial=1))
    server = scenario.server(f"auto {{\n    directory {folder} ^([a-z]+)_([a-z]+)\\.zone$ {{2}}.sub.{{1}}\n}}")
    assert server.dig("www.example.sub.org").data() == ["192.0.2.1"]


def test_a_folder_that_is_not_there_is_served_once_it_is(scenario, tmp_path):
    server = scenario.server(f"auto {{\n    directory {tmp_path}/zones\n    reload 1s\n}}\ntransfer {{\n    to *\n}}")
    assert server.dig("www.example.org").rcode == "REFUSED"
    assert f"cannot read the folder {tmp_path}/zones" in server.output()
    folder = folder_of(tmp_path)
    os.rename(folder / "example.org", folder / "db.example.org")
    server.eventually("www.example.org", "A", ["192.0.2.1"])
    assert len(dig_zone(server.port, "example.org")) == 8
