"""The page of `tests/bench/run sync`: each figure with its goal, Fairlead and CoreDNS beside each other."""

import json
import statistics

import report

MS = 1000.0


def rows(found):
    """(what, goal, {server: text}, met or None) for each figure."""
    servers = found["servers"]
    other = servers.get("coredns")
    fairlead = servers["fairlead"]
    made = []

    def add(what, goal, read, met=None):
        made.append((what, goal, {name: read(figures) for name, figures in servers.items()}, met))

    def steady(f):
        return statistics.median(f["steady_mb"])

    def ready(f):
        return statistics.median(f["starts_s"])

    def ratio(f):
        return f["relists"]["peak_mb"] / f["relists"]["steady_mb"]

    def against(read, share):
        return other is None or read(fairlead) <= read(other) * share

    add("Resident memory, MB", "<= 80, and <= 1/3 of CoreDNS", lambda f: f"{steady(f):.1f}",
        steady(fairlead) <= 80 and against(steady, 1 / 3))
    add(f"Peak during {fairlead['relists']['count']} forced relists, of the memory before", "<= 1.25 times",
        lambda f: f"{ratio(f):.2f} ({f['relists']['peak_mb']:.1f} MB)", ratio(fairlead) <= 1.25)
    add("Wrong answers meanwhile, of", "0",
        lambda f: f"{f['relists']['wrong']} of {f['relists']['asked']:,}"
                  + (f", {f['relists']['unanswered']} unanswered" if f["relists"]["unanswered"] else ""),
        fairlead["relists"]["wrong"] == 0 and fairlead["relists"]["unanswered"] == 0)
    add("CPU of a relist, s", "", lambda f: f"{f['relists']['cpu_s_each']:.2f}")
    add("Start to ready, s", "<= 1, and <= 1/5 of CoreDNS",
        lambda f: f"{ready(f):.2f} ({min(f['starts_s']):.2f}..{max(f['starts_s']):.2f})",
        ready(fairlead) <= 1 and against(ready, 1 / 5))
    updates = fairlead["churn"]["updates"]
    for key, share, goal in (("p50", "p50", 1), ("p99", "p99", 5), ("p999", "p99.9", 50)):
        add(f"Event to visible answer, {share}, ms", f"<= {goal}",
            lambda f, key=key: f"{f['churn']['updates'][key] / MS:.2f}", updates[key] <= goal * MS)
    add("The same, slowest, ms (samples)", "",
        lambda f: f"{f['churn']['updates']['max'] / MS:.1f} ({f['churn']['updates']['count']:,}"
                  + (f", {f['churn']['updates']['failed']} not within 5 s" if f["churn"]["updates"]["failed"] else "") + ")")
    add("CPU under churn, of a core", "<= 5 %",
        lambda f: f"{f['churn']['window']['cpu']:.1%} at {f['churn']['window']['updates_per_s']:,.0f} updates/s",
        fairlead["churn"]["window"]["cpu"] <= 0.05)
    add("p99 of queries, churn against none", "within 10 %",
        lambda f: f"{f['churn']['p99_ratio']:.2f} times ({f['churn']['churn_p99']:.0f} of {f['churn']['quiet_p99']:.0f} us, "
                  f"medians of {f['churn']['pairs']} windows)",
        fairlead["churn"]["p99_ratio"] <= 1.1)
    if "pods" in found:
        made.append(("`pods verified`, octets more for a Pod", "<= 40",
                     {name: f"{figures['octets_per_pod']:.0f}" for name, figures in found["pods"].items()},
                     found["pods"]["fairlead"]["octets_per_pod"] <= 40))
    if "lookup" in found:
        sizes = list(found["lookup"]["fairlead"]["cpu_us"])
        made.append((f"CPU per query at {int(sizes[1]):,} Services, of that at {int(sizes[0]):,}", "<= 1.3 times",
                     {name: f"{figures['ratio']:.2f} ({', '.join(f'{us:.2f}' for us in figures['cpu_us'].values())} us)"
                      for name, figures in found["lookup"].items()},
                     found["lookup"]["fairlead"]["ratio"] <= 1.3))
    return made


def table(found):
    names = list(found["servers"])
    lines = [[what, goal, *(texts.get(name, "-") for name in names), {True: "yes", False: "**no**", None: ""}[met]]
             for what, goal, texts, met in rows(found)]
    return report.markdown_table(["figure", "goal", *names, "met"], lines)


def others(found):
    return max(window["others"] for f in found["servers"].values() for window in (f["churn"]["window"], f["churn"]["idle"]))


def busy_machine(found):
    if others(found) <= report.OTHERS_MAX:
        return ""
    return (f"Made on a busy machine: other programs took up to {others(found):.0%} of the server's core. Times and CPU "
            "are not to be quoted; memory and the numbers of answers hold.")


def markdown(found, setup):
    warning = busy_machine(found)
    return f"""# In step with a large cluster
{chr(10) + "**" + warning + "**" + chr(10) if warning else ""}
{table(found)}

Memory is VmRSS of the whole process some seconds after it was ready, median over its starts; the peak is VmHWM, set
back before the first relist. An update's time runs from the arrival of the event at a second watch to the arrival of
the first answer with the new PTR record; the Corefile has no `cache`, so that CoreDNS does not hide its updates
behind one.

## Setup

{chr(10).join(f"- {name}: {value}" for name, value in setup.items())}

Made by `tests/bench/run sync`; its README says what is measured and what is not.

## Raw figures

```json
{json.dumps(found, indent=1)}
```
"""
