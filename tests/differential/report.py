"""What was asked and what differed, as a page for people."""

from collections import Counter, defaultdict

EXAMPLE_LINES = 4
VERDICTS = ("equal", "equal but for EDNS", "differ as accepted", "unexplained")
EXAMPLE_COLUMNS = 150


class Report:
    """Collects while the Corefiles are run; write() makes the page."""

    def __init__(self, version):
        self._version = version
        self._rows = []
        self._counts = Counter()
        self._corefiles = defaultdict(set)
        self._examples = {}
        self._transfers = []

    def add(self, corefile, results):
        """`results` are (question, theirs, ours, differences); None instead of differences is unexplained."""
        counts = Counter(_verdict(differences) for *_, differences in results)
        self._rows.append((corefile.name, len(results), *(counts[verdict] for verdict in VERDICTS)))
        for question, theirs, ours, differences in results:
            for difference in differences or ():
                self._counts[difference.name] += 1
                self._corefiles[difference.name].add(corefile.name)
                # The best example is one where nothing else differs.
                size = len(differences), len(str(theirs) + str(ours))
                if difference.name not in self._examples or size < self._examples[difference.name][0]:
                    self._examples[difference.name] = size, question, theirs, ours

    def add_transfer(self, transfer, theirs, ours, differences):
        """`differences` are (difference, what left, what came); None is unexplained."""
        numbers = len(theirs), len(ours), len(differences or ())
        self._transfers.append((transfer.name, *numbers, "yes" if differences is None else "no"))
        for difference, gone, come in differences or ():
            self._counts[difference.name] += 1
            self._corefiles[difference.name].add(transfer.name)
            self._examples.setdefault(difference.name, (0, f"{transfer.zone} AXFR", _Records(gone), _Records(come)))

    def occurred(self, difference):
        return self._counts[difference.name] > 0

    def text(self, accepted, of_transfers):
        total = [sum(row[column] for row in self._rows) for column in range(1, 2 + len(VERDICTS))]
        lines = [
            "# Fairlead and CoreDNS, asked the same",
            "",
            "Made by running `tools/dev test -- -L differential`: one API server, "
            f"CoreDNS {self._version}, every question to both. "
            "TTLs count; the order of records and an SOA's serial do not.",
            "",
            f"| Corefile | questions | {' | '.join(VERDICTS)} |",
            "|---|---:|" + "---:|" * len(VERDICTS),
            *(f"| {' | '.join(map(str, row))} |" for row in self._rows),
            f"| **all** | {' | '.join(f'**{number}**' for number in total)} |",
            "",
            "## Accepted differences",
            "",
            'Each stands in the README\'s "Differences from CoreDNS" with its reason, and occurs at least once here.',
            "",
        ]
        for difference in accepted:
            lines += self._difference(difference, "Replies")
        lines += [
            "## Transfers",
            "",
            "The records of a whole zone (AXFR over TCP, read by dig), as sets with their TTLs.",
            "",
            "| zone, Corefile | records of CoreDNS | of Fairlead | accepted differences | unexplained |",
            "|---|---:|---:|---:|---:|",
            *(f"| {' | '.join(map(str, row))} |" for row in self._transfers),
            "",
        ]
        for difference in of_transfers:
            lines += self._difference(difference, "Transfers")
        return "\n".join(lines)

    def _difference(self, difference, what):
        corefiles = self._corefiles[difference.name]
        lines = [
            f"### {difference.name}",
            "",
            f"{what}: {self._counts[difference.name]}, Corefiles: {len(corefiles)}. "
            f'README: "{difference.readme} ...".',
            "",
        ]
        if difference.name in self._examples:
            _, question, theirs, ours = self._examples[difference.name]
            lines += [f"    {question}", *_quoted("CoreDNS", theirs), *_quoted("Fairlead", ours), ""]
        return lines


class _Records:
    """What one of the two sends and the other does not."""

    def __init__(self, records):
        self._records = records

    def __str__(self):
        return "\n".join(" ".join(map(str, record)) for record in self._records) or "nothing"


def _verdict(differences):
    if differences is None:
        return "unexplained"
    if not differences:
        return "equal"
    return "equal but for EDNS" if all(difference.is_edns for difference in differences) else "differ as accepted"


def _quoted(who, reply):
    lines = str(reply).split("\n")
    shown = lines[: EXAMPLE_LINES + 1]
    if len(lines) > len(shown):
        shown.append(f"... {len(lines) - len(shown)} lines more")
    return [f"    {who + ':' if number == 0 else '':<10}{line[:EXAMPLE_COLUMNS]}" for number, line in enumerate(shown)]
