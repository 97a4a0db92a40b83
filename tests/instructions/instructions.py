"""Instructions per query, as callgrind counts them, and their comparison with what was recorded."""

import json
import os
import re
import subprocess
from collections import Counter
from pathlib import Path

RECORDED = Path(__file__).with_name("recorded.json")

# What a path may grow before it is a failure. Random hash seeds make counts differ by less than 1 % between runs.
GROWTH_MAX = 0.05

# libc picks its string functions by processor. The oldest ones are the same everywhere.
PLAIN_PROCESSOR = "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load"

COUNTED_FUNCTION = "fairlead::test::(anonymous namespace)::Worker::run()"


class Failed(Exception):
    pass


class Counts:
    """One run of query_paths under callgrind, whose files are in `folder`."""

    def __init__(self, program, folder, directives=""):
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--toggle-collect={COUNTED_FUNCTION}", "--callgrind-out-file=out", program,
             directives],
            cwd=folder, capture_output=True, text=True, timeout=300,
            env={**os.environ, "GLIBC_TUNABLES": PLAIN_PROCESSOR})
        if done.returncode != 0:
            raise Failed(f"query_paths ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
        first, *lines = done.stdout.splitlines()
        self.compiler = first.removeprefix("compiler ")
        self._files = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        self._queries = {}
        for line in lines:
            queries, path = line.split(" ", 1)
            self._queries[path] = int(queries)

    def per_query(self):
        """{path: instructions}"""
        totals = {}
        for file in self._files:
            text = file.read_text()
            trigger = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
            if trigger:
                totals[trigger.group(1)] = int(re.search(r"^totals: (\d+)$", text, re.MULTILINE).group(1))
        if totals.keys() != self._queries.keys():
            raise Failed(f"callgrind has {sorted(totals)}, the program counted {sorted(self._queries)}")
        return {path: round(total / self._queries[path]) for path, total in totals.items()}

    def profile(self, path, functions=25):
        """[(instructions per query, function)] of a path, the costliest first, callees not included.

        callgrind_annotate does not cope with files that were dumped below main()."""
        names, own = {}, Counter()
        for file in self._files:
            text = file.read_text()
            names.update(re.findall(r"^c?fn=\((\d+)\) (.+)$", text, re.MULTILINE))
            if f"Client Request: {path}\n" in text:
                own = own_costs(text)
        return [(cost / self._queries[path], names.get(number, "?")) for number, cost in own.most_common(functions)]


def own_costs(text):
    function, costs, is_call = None, Counter(), False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = line[line.index("(") + 1:line.index(")")]
        elif line.startswith("calls="):
            is_call = True  # the next line is the callee's cost
        elif re.match(r"[-+*\d]", line):
            if not is_call and len(fields := line.split()) > 1:
                costs[function] += int(fields[1])
            is_call = False
    return costs


def read_recorded(path=RECORDED):
    recorded = json.loads(path.read_text())
    return recorded["compiler"], recorded["instructions per query"]


def write_recorded(compiler, counts, path=RECORDED):
    path.write_text(json.dumps({"compiler": compiler, "instructions per query": counts}, indent=2) + "\n")


def faults(recorded, counts):
    """Sentences: paths that grew too much, and paths that one side does not have."""
    found = []
    for path in sorted(recorded.keys() | counts.keys()):
        if path not in counts:
            found.append(f"{path}: is recorded, but was not counted")
        elif path not in recorded:
            found.append(f"{path}: {counts[path]} instructions a query, but nothing is recorded")
        elif counts[path] > recorded[path] * (1 + GROWTH_MAX):
            found.append(f"{path}: {counts[path]} instructions a query, {growth(recorded[path], counts[path])} "
                         f"more than the {recorded[path]} recorded")
    return found


def growth(recorded, count):
    return f"{count / recorded - 1:.1%}"
