"""Rules for every Python test (tests/scenario, tests/e2e), whether ctest or a person starts pytest.

- The folder tests/ is on the import path, so tests say `from support.fairlead import Fairlead`.
- A skip names its reason on a line of its own, `SKIPPED test: reason`; a file of which everything is skipped ends with
  status 77, which ctest knows as "skipped". With CI=true a skip is a failure.
- What the processes of a failed test wrote is shown with the failure.
"""

import os
import tempfile
from pathlib import Path

import pytest

from support import processes

SKIPPED = 77
_outcomes = {"passed": 0, "failed": 0, "skipped": []}


@pytest.fixture
def socket_folder():
    """A folder for Unix sockets, of which a path has at most 108 octets: tmp_path of a deep checkout has more."""
    with tempfile.TemporaryDirectory(prefix="fairlead-") as folder:
        yield Path(folder)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _outcomes["skipped"].append((item.nodeid, reason.removeprefix("Skipped: ")))
    elif report.failed:
        _outcomes["failed"] += 1
        for process in processes.started_by_this_test_run():
            report.sections.append((f"output of {process.name} (pid {process.pid})", process.tail()))
    elif report.when == "call":
        _outcomes["passed"] += 1


def pytest_terminal_summary(terminalreporter):
    for nodeid, reason in _outcomes["skipped"]:
        terminalreporter.write_line(f"SKIPPED {nodeid}: {reason}")


def pytest_sessionfinish(session, exitstatus):
    if not _outcomes["skipped"] or exitstatus != pytest.ExitCode.OK:
        return
    if os.environ.get("CI") == "true":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    elif _outcomes["passed"] == 0:
        session.exitstatus = SKIPPED
