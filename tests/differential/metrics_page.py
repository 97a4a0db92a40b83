"""A page of /metrics, taken apart: families with their help, type, labels, buckets and samples."""

import re
from collections import defaultdict
from dataclasses import dataclass, field

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')


@dataclass
class Family:
    name: str
    help: str = ""
    type: str = ""
    # {labels without "le": {"": value}} or, of histograms, {"count": ..., "sum": ..., "0.001": cumulative count}
    series: dict = field(default_factory=lambda: defaultdict(dict))

    @property
    def labels(self):
        """The sets of label names that occur."""
        return {frozenset(name for name, _ in labels) for labels in self.series}

    @property
    def bounds(self):
        """Of a histogram, as numbers; those of all series together."""
        return {float(key) for parts in self.series.values() for key in parts if key not in ("", "count", "sum")}

    def values(self):
        """{labels: value}; of a histogram its count, of which zero says as much as no series."""
        found = {labels: parts.get("count", parts.get("")) for labels, parts in self.series.items()}
        return {labels: value for labels, value in found.items() if value}


def parse(text):
    """{name: Family}"""
    families = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            _, kind, name, rest = line.split(" ", 3)
            setattr(families.setdefault(name, Family(name)), kind.lower(), rest)
        elif line:
            name, labels, value = SAMPLE.match(line).groups()
            labels = dict(LABEL.findall(labels or ""))
            part = ""
            if name not in families:
                name, part = name.rsplit("_", 1)
            bound = labels.pop("le", None)
            families[name].series[frozenset(labels.items())][bound or part] = float(value)
    return families
