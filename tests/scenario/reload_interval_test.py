"""reload: when it looks, what it takes for a change, and what it does not. Times are bounds with room, not figures."""

import os
import time

from support.fairlead import server_block
from support.processes import wait_until

DONE = "Reloading complete"
# The shortest that may be written: a look every 2 to 3 seconds.
SHORTEST = "reload 2s 1s"
# What a loaded machine and a sanitizer add to interval and jitter.
SOON = 20
LOOKS = 2 * 3 + 1


def corefile(*lines):
    return server_block("\n".join(lines))


def hosts(address):
    return f"hosts {{\n        {address} www.test\n    }}"


def digests(server):
    """The digest that is shown as running: one, whatever was reloaded."""
    return [sample.split('value="')[1].split('"')[0] for sample in server.metrics()
            if sample.startswith("coredns_reload_version_info")]


def test_a_changed_file_is_taken_over_once_within_interval_and_jitter(scenario):
    server = scenario.server(corefile=corefile(SHORTEST, hosts("192.0.2.1")))
    [before] = digests(server)
    assert f"plugin/reload: Running configuration SHA512 = {before}" in server.output()
    server.write_corefile(corefile(SHORTEST, hosts("192.0.2.2")))
    server.eventually("www.test", "A", ["192.0.2.2"], SOON)
    wait_until(lambda: DONE in server.output(), SOON, server.output)
    [after] = digests(server)
    assert after != before and len(after) == 128
    time.sleep(LOOKS)
    assert server.output().count(DONE) == 1, "and not again"
    # What was there before has its digest again.
    server.write_corefile(corefile(SHORTEST, hosts("192.0.2.1")))
    server.eventually("www.test", "A", ["192.0.2.1"], SOON)
    wait_until(lambda: digests(server) == [before], SOON, server.output)


def test_a_file_that_says_the_same_is_no_change(scenario, tmp_path):
    imported = tmp_path / "more.conf"
    imported.write_text(hosts("192.0.2.1"))
    text = corefile(SHORTEST, f"import {imported}")
    server = scenario.server(corefile=text)
    time.sleep(LOOKS)
    assert "Reloading" not in server.output(), "nothing has changed"
    os.utime(server.corefile_path)
    server.write_corefile(text)  # another file of the same content
    imported.write_text(hosts("192.0.2.1"))
    os.utime(imported)
    time.sleep(LOOKS)
    assert "Reloading" not in server.output()
    assert server.ask("www.test").data() == ["192.0.2.1"]


def test_imported_files_count_as_they_come_change_and_go(scenario, tmp_path):
    folder = tmp_path / "conf.d"
    folder.mkdir()
    server = scenario.server(corefile=corefile(SHORTEST, f"import {folder}/*.conf", "whoami"))
    [empty] = digests(server)
    reloads = 0

    def expect(address):
        nonlocal reloads
        reloads += 1
        wait_until(lambda: server.output().count(DONE) == reloads, SOON, server.output)
        assert server.ask("www.test").data("A") == ([address] if address else [])

    (folder / "a.conf").write_text(hosts("192.0.2.1"))
    expect("192.0.2.1")
    (folder / "a.conf").write_text(hosts("192.0.2.2"))
    expect("192.0.2.2")
    (folder / "a.conf").unlink()
    expect(None)
    assert digests(server) == [empty]


def test_a_new_interval_counts_from_the_reload_on_and_without_the_directive_nobody_looks(scenario):
    server = scenario.server(corefile=corefile(SHORTEST, hosts("192.0.2.1")))
    server.write_corefile(corefile("reload 1h", hosts("192.0.2.2")))
    server.eventually("www.test", "A", ["192.0.2.2"], SOON)
    server.write_corefile(corefile(SHORTEST, hosts("192.0.2.3")))
    time.sleep(LOOKS)
    assert server.ask("www.test").data() == ["192.0.2.2"], "the next look is an hour away"
    server.reload()
    server.eventually("www.test", "A", ["192.0.2.3"], SOON)
    server.write_corefile(corefile(hosts("192.0.2.4")))
    server.eventually("www.test", "A", ["192.0.2.4"], SOON)
    server.write_corefile(corefile(SHORTEST, hosts("192.0.2.5")))
    time.sleep(LOOKS)
    assert server.ask("www.test").data() == ["192.0.2.4"], "it took itself away"


def test_a_file_that_is_away_for_a_while_is_no_change_and_a_half_written_one_is_made_up_for(scenario):
    text = corefile(SHORTEST, hosts("192.0.2.1"))
    server = scenario.server(corefile=text)
    aside = server.corefile_path.with_suffix(".aside")
    server.corefile_path.rename(aside)
    time.sleep(LOOKS)
    assert "Reloading" not in server.output() and server.ask("www.test").data() == ["192.0.2.1"]
    aside.rename(server.corefile_path)
    # An editor that writes in two steps.
    server.write_corefile(corefile(SHORTEST, hosts("192.0.2.2"))[:-8])
    wait_until(lambda: server.metrics()["coredns_reload_failed_total"] == 1, SOON, server.output)
    assert server.ask("www.test").data() == ["192.0.2.1"]
    server.write_corefile(corefile(SHORTEST, hosts("192.0.2.2")))
    server.eventually("www.test", "A", ["192.0.2.2"], SOON)
