"""The outcome of tests/bench/compare: medians, spreads and goals as a page and a plot."""

import datetime
import statistics

import bar_chart
from report import OTHERS_MAX, machine, markdown_table, revision

HEADINGS = ["server", "CPU us/query", "of rounds", "ratio", "queries/s", "core busy", "others", "lost"]


class Results:
    def __init__(self, cases, samples, latencies, lines_kept):
        self.cases, self.samples, self.latencies, self.lines_kept = cases, samples, latencies, lines_kept

    def of(self, case, server):
        return [sample for name, sample in self.samples if name == case and sample.server == server]

    def cpu(self, case, server):
        """(median, lowest, highest) CPU time of a query in us, or None."""
        values = [sample.cpu_us for sample in self.of(case, server)]
        return (statistics.median(values), min(values), max(values)) if values else None

    def ratio(self, case, server, to_case, to_server):
        """Median over the rounds of one server's CPU time by another's in the same round: a machine that slows down
        slows both."""
        base = {sample.round: sample.cpu_us for sample in self.of(to_case, to_server)}
        ratios = [sample.cpu_us / base[sample.round] for sample in self.of(case, server) if sample.round in base]
        return statistics.median(ratios) if ratios else None

    def others(self):
        """How much of the servers' core other programs took, at most in one case's median."""
        return max(statistics.median(sample.others for sample in samples) for case in self.cases for server in case.servers
                   if server != "fairlead 2 workers" and (samples := self.of(case.name, server)))

    def lines(self, case):
        base = case.servers[0]
        for server in case.servers:
            samples = self.of(case.name, server)
            if not samples:
                continue  # it answered nothing in time, in any round
            median, low, high = self.cpu(case.name, server)
            ratio = self.ratio(case.name, server, case.name, base)
            lost = sum(s.lost for s in samples) / sum(s.queries + s.lost for s in samples)
            yield [server, f"{median:.2f}", f"{low:.2f} to {high:.2f}",
                   "-" if ratio is None else f"{ratio:.2f}",
                   f"{statistics.median(s.qps for s in samples):,.0f}",
                   f"{statistics.median(s.busy for s in samples):.0%}",
                   f"{statistics.median(s.others for s in samples):.0%}", f"{lost:.3%}"]

    def latency_lines(self):
        for server in dict.fromkeys(name for name, *_ in self.latencies):
            rows = [row for row in self.latencies if row[0] == server]
            yield [server, f"{statistics.median(row[1] for row in rows):,.0f}",
                   *("{1:.0f} ({0:.0f} to {2:.0f})".format(*statistics.quantiles([row[i] for row in rows], n=4))
                       for i in (2, 3, 4))]

    def latency(self, server, column):
        values = [row[column] for row in self.latencies if row[0] == server]
        return statistics.median(values) if values else None

    def goals(self):
        """(goal, measured, met) for what was measured."""
        found = []

        def at_most(goal, value, limit):
            if value is not None:
                found.append((goal, f"{value:.2f}", "yes" if value <= limit else "no"))

        def cpu_of(case, other, goal, limit=1.0, server="fairlead", other_case=None):
            at_most(goal, self.ratio(case, server, other_case or case, other), limit)

        cpu_of("mix", "reflector", "Cluster names: at most 1.15 times a bare reflector", 1.15)
        cpu_of("mix", "knot", "Cluster names: below Knot")
        cpu_of("mix", "nsd", "Cluster names: below NSD")
        cpu_of("mix", "coredns", "Cluster names: at most 1/8 of CoreDNS", 1 / 8)
        cpu_of("mix", "fairlead bare", "kubeadm's directives: at most 1.05 times bare", 1.05)
        cpu_of("log", "fairlead bare", "`log`: at most 2.5 times bare", 2.5, server="fairlead log")
        if self.lines_kept:
            kept = min(self.lines_kept)
            found.append(("`log`: a line for every query, in every round", f"{kept:.2%}", "yes" if kept >= 0.9999 else "no"))
        for case in self.cases:
            if case.name.startswith("headless"):
                cpu_of(case.name, "knot", f"{case.title}: below Knot")
            elif case.is_tcp:
                cpu_of(case.name, "knot", f"{case.title}: below Knot")
                cpu_of(case.name, "nsd", f"{case.title}: below NSD")
        cpu_of("cached", "fairlead", "Cached names: at most 1.3 times cluster names", 1.3, other_case="mix")
        cpu_of("cached", "unbound", "Cached names: below unbound")
        cpu_of("cached", "dnsdist", "Cached names: below dnsdist's packet cache")
        cpu_of("workers", "fairlead", "2 workers: at most 1/0.95 of the CPU of 1", 1 / 0.95, server="fairlead 2 workers")
        for column, name in ((3, "p99"), (4, "p99.9")):
            if self.latencies:
                at_most(f"Latency at 70 % of the peak, {name}: no worse than Knot's",
                        self.latency("fairlead", column) / self.latency("knot", column), 1.0)
        return found

    def console(self):
        text = []
        for case in self.cases:
            text += ["", case.title, *("  " + "  ".join(f"{cell:>16}" for cell in line)
                                       for line in [HEADINGS, *self.lines(case)])]
        if self.latencies:
            text += ["", "Latency in us: server, queries/s, p50, p99, p99.9",
                     *("  " + "  ".join(f"{cell:>22}" for cell in line) for line in self.latency_lines())]
        text += ["", *(f"{met:>3}  {value:>6}  {goal}" for goal, value, met in self.goals())]
        return "\n".join(text)

    def busy_warning(self):
        others = self.others()
        if others <= OTHERS_MAX:
            return ""
        return (f"\n**Made on a busy machine: other programs took up to {others:.0%} of the servers' core. Good for the "
                "order of the servers at best; not to be quoted.**\n")


def write(base, results, versions, root, setup):
    plot = bar_chart.draw("Server CPU per query", "microseconds, median of the rounds (lowest to highest); less is better",
                          [(case.title, [(server, *results.cpu(case.name, server)) for server in case.servers
                                         if results.of(case.name, server)]) for case in results.cases])
    with open(f"{base}.svg", "w") as out:
        out.write(plot)
    tables = "\n\n".join(f"### {case.title}\n\n{markdown_table(HEADINGS, results.lines(case))}" for case in results.cases)
    if results.latencies:
        tables += ("\n\n### Latency at 70 % of the peak, cluster names\n\n"
                   "Of windows of a tenth of a second, servers in turn, under an even load (`open_loop`): medians, and quartiles.\n\n"
                   + markdown_table(["server", "queries/s", "p50 us", "p99 us", "p99.9 us"], results.latency_lines()))
    notes = [f"Date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC", f"Machine: {machine()}",
             f"Revision: {revision(root)}", *(f"{name}: {version}" for name, version in versions.items() if version),
             *(f"{name}: {value}" for name, value in setup.items())]
    raw = [[name, str(s.round), s.server, str(s.queries), str(s.lost), f"{s.seconds:.2f}", f"{s.cpu_us:.3f}",
            f"{s.busy:.3f}", f"{s.others:.3f}"] for name, s in results.samples]
    with open(f"{base}.md", "w") as out:
        out.write(f"""# Query serving compared
{results.busy_warning()}
![Server CPU per query]({base.rsplit("/", 1)[-1]}.svg)

## Goals

{markdown_table(["goal", "measured", "met"], results.goals())}

## Cases

CPU is user and system time of all threads of the server by the queries answered: the median over the rounds, each with
new processes, and the lowest and highest round. `ratio` is the median over the rounds of CPU by the first server's.
`others` is the share of the servers' core that other programs took.

{tables}

## Setup

{chr(10).join("- " + note for note in notes)}

Made by `tools/dev bench compare`; the README beside `reports/` says what is measured and what is not.

## Raw figures

{markdown_table(["case", "round", "server", "queries", "lost", "seconds", "CPU us/query", "busy", "others"], raw)}
""")
