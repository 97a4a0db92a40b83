"""Medians and spreads of the samples, as a table for the console and as a page for tests/bench/reports/."""

import datetime
import os
import platform
import statistics
import subprocess


def by_server(samples):
    groups = {}
    for sample in samples:
        groups.setdefault(sample.server, []).append(sample)
    return groups


def summary(samples, yardstick="reflector"):
    """One row per server. `cpu_min` and `cpu_max` are of the medians of single processes: within a process the samples
    agree closely, and it is between processes that the spread lies."""
    groups = by_server(samples)
    base = {s.round: s.cpu_us for s in groups.get(yardstick, [])}
    rows = []
    for name, group in groups.items():
        # Within a round the machine's state is the same for all, so ratios are taken there.
        ratios = [s.cpu_us / base[s.round] for s in group if s.round in base]
        starts = [statistics.median(s.cpu_us for s in group if s.start == start) for start in {s.start for s in group}]
        rows.append({
            "server": name,
            "cpu": statistics.median(starts), "cpu_min": min(starts), "cpu_max": max(starts),
            "ratio": statistics.median(ratios) if ratios else None,
            "ratio_min": min(ratios, default=None), "ratio_max": max(ratios, default=None),
            "qps": statistics.median(s.qps for s in group),
            "busy": statistics.median(s.busy for s in group),
            "others": statistics.median(s.others for s in group),
            "latency": statistics.median(s.latency_us for s in group),
            "lost": sum(s.lost for s in group) / sum(s.queries + s.lost for s in group),
            "rss": max(s.rss_mb for s in group),
        })
    return rows


HEADINGS = ["server", "CPU us/query", "of processes", "ratio", "of rounds", "queries/s", "core busy", "others",
            "mean latency us", "lost", "RSS MB"]


def cells(row):
    return [row["server"], f"{row['cpu']:.2f}", f"{row['cpu_min']:.2f}..{row['cpu_max']:.2f}",
            *(["-", "-"] if row["ratio"] is None
              else [f"{row['ratio']:.2f}", f"{row['ratio_min']:.2f}..{row['ratio_max']:.2f}"]),
            f"{row['qps']:,.0f}", f"{row['busy']:.0%}", f"{row['others']:.0%}",
            f"{row['latency']:.0f}", f"{row['lost']:.3%}", f"{row['rss']:.1f}"]


def console_table(rows):
    table = [HEADINGS] + [cells(row) for row in rows]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
    lines = ["  ".join(text.ljust(widths[i]) if i == 0 else text.rjust(widths[i]) for i, text in enumerate(line))
             for line in table]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def markdown_table(headings, lines):
    return "\n".join(["| " + " | ".join(headings) + " |", "|" + "---|" * len(headings),
                      *("| " + " | ".join(line) + " |" for line in lines)])


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    system = platform.platform()
    try:
        with open("/etc/os-release") as file:
            system = dict(line.rstrip().split("=", 1) for line in file if "=" in line)["PRETTY_NAME"].strip('"')
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {system}, Linux {platform.release()}"


def revision(root):
    def git(*arguments):
        return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True).stdout.strip()
    # Reports are the outcome of this; they do not change what is measured.
    changed = git("status", "--porcelain", "--", ".", ":!tests/bench/reports")
    return git("rev-parse", "--short", "HEAD") + (" with local changes" if changed else "")


OTHERS_MAX = 0.05


def busy_machine(rows):
    """A warning where other programs had more than a little of the servers' core; empty on a quiet machine."""
    most = max(row["others"] for row in rows)
    if most <= OTHERS_MAX:
        return ""
    return (f"Made on a busy machine: other programs took up to {most:.0%} of the servers' core. Good for the order of "
            "the servers at best; not to be quoted as what a query costs.")


def markdown(samples, servers, root, setup):
    rows = summary(samples)
    notes = [f"- Date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
             f"- Machine: {machine()}", f"- Revision: {revision(root)}",
             *(f"- {server.name}: {server.version}" for server in servers if server.version),
             *(f"- {name}: {value}" for name, value in setup.items())]
    raw = [[str(s.start), str(s.round), s.server, f"{s.queries}", f"{s.lost}", f"{s.seconds:.2f}", f"{s.cpu_us:.3f}",
            f"{s.beside_us:.3f}", f"{s.busy:.3f}", f"{s.others:.3f}", f"{s.latency_us:.0f}", f"{s.rss_mb:.1f}"] for s in samples]
    warning = busy_machine(rows)
    return f"""# Server CPU per query, UDP
{chr(10) + "**" + warning + "**" + chr(10) if warning else ""}
{markdown_table(HEADINGS, [cells(row) for row in rows])}

CPU is the median over the servers' processes, with the lowest and highest process beside it; `ratio` is the median
over the rounds of a server's CPU per query divided by the reflector's in the same round, with the lowest and highest
round beside it. `others` is the share of the servers' core that other programs took: above a few per cent, caches are
shared with them and the figures are those of a busy machine. `beside` is the CPU per query of all threads but the
busiest: what is spent beside the worker.

## Setup

{chr(10).join(notes)}

Made by `tests/bench/run`; its README says what is measured and what is not.

## Raw figures

{markdown_table(["start", "round", "server", "queries", "lost", "seconds", "CPU us/query", "beside", "busy", "others",
                 "latency us",                 "RSS MB"], raw)}
"""
