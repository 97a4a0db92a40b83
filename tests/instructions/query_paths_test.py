"""No path of a query takes noticeably more instructions than are recorded."""

import platform

import pytest

import instructions
from support.fairlead import missing, program

HOW_TO_RECORD = ("If it is worth what it costs, `tools/dev bench instructions --record` and say why in the commit; "
                 "`--profile PATH` shows where the instructions go.")


def test_no_path_takes_5_percent_more_instructions_than_recorded(tmp_path):
    if reason := missing("query_paths"):
        pytest.skip(reason)
    compiler, recorded = instructions.read_recorded()
    counts = instructions.Counts(program("query_paths"), tmp_path)
    if counts.compiler != compiler or platform.machine() != "x86_64":
        pytest.skip(f"recorded with {compiler} on x86_64; {counts.compiler} on {platform.machine()} makes other code")
    found = instructions.faults(recorded, counts.per_query())
    assert not found, "\n".join([*found, HOW_TO_RECORD])


def test_a_path_that_was_slowed_on_purpose_is_a_fault(tmp_path):
    if reason := missing("query_paths"):
        pytest.skip(reason)
    _, recorded = instructions.read_recorded()
    slowed = instructions.Counts(program("query_paths"), tmp_path, directives="local\nbufsize 1232\nminimal\nheader {\nresponse set ra\n}")
    # Some more handlers, with hardly a thing to do.
    found = "\n".join(instructions.faults(recorded, slowed.per_query()))
    for path in ("udp cluster A", "udp cluster NXDOMAIN", "udp cached forwarded A"):
        assert f"{path}: " in found, found


@pytest.mark.parametrize("recorded, counted, fault", [
    ({"a": 1000}, {"a": 1000}, None),
    ({"a": 1000}, {"a": 1050}, None),
    ({"a": 1000}, {"a": 500}, None),
    ({"a": 1000}, {"a": 1051}, "a: 1051 instructions a query, 5.1% more than the 1000 recorded"),
    ({"a": 1000, "b": 10}, {"a": 1000}, "b: is recorded, but was not counted"),
    ({"a": 1000}, {"a": 1000, "b": 10}, "b: 10 instructions a query, but nothing is recorded"),
])
def test_growth_above_5_percent_is_a_fault_and_so_is_a_path_that_one_side_lacks(recorded, counted, fault):
    assert instructions.faults(recorded, counted) == ([fault] if fault else [])


def test_what_is_recorded_reads_back_as_it_was(tmp_path):
    file = tmp_path / "recorded.json"
    instructions.write_recorded("g++ 12.2", {"udp a": 7, "tcp a": 9}, file)
    assert instructions.read_recorded(file) == ("g++ 12.2", {"udp a": 7, "tcp a": 9})
    assert len([line for line in file.read_text().splitlines() if "a\":" in line]) == 2, "a line a path, for diffs"


def test_own_costs_leave_out_what_callees_took():
    text = "fn=(1) outer\n10 5\ncfn=(2) inner\ncalls=3 20\n10 900\n11 2\nfn=(2)\n20 300\n+1 600\n"
    assert instructions.own_costs(text) == {"1": 7, "2": 900}
