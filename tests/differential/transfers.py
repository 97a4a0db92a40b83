"""Transfers of whole zones: under which Corefiles, and a zone in the form that is compared."""

from dataclasses import dataclass

from corefiles import REVERSE, Corefile, plain
from support.dig import dig_zone

TO_ALL = "transfer {\n        to *\n    }"


@dataclass(frozen=True)
class Transfer:
    """One zone under one Corefile."""

    corefile: Corefile
    zone: str

    @property
    def name(self):
        return f"{self.zone}, {self.corefile.name}"

    @property
    def is_external(self):
        return self.zone in self.corefile.external

    @property
    def apex(self):
        return f"{self.zone}."


def _transfer(name, *kubernetes, zone="cluster.local", before=TO_ALL, **fields):
    return Transfer(plain(name, *kubernetes, before=before, **fields), zone)


TRANSFERS = [
    _transfer("transfer"),
    _transfer("transfer of some Namespaces", "namespaces shop team-a", "endpoint_pod_names", "ttl 30", ttl=30),
    _transfer(
        "transfer of a clusterset",
        "multicluster clusterset.local",
        zone="clusterset.local",
        zones="cluster.local clusterset.local " + REVERSE,
    ),
    _transfer(
        "transfer of external addresses",
        zone="ext.example",
        before=f"{TO_ALL}\n    k8s_external ext.example",
        external=("ext.example",),
    ),
    _transfer(
        "transfer of external addresses and headless Services",
        zone="ext.example",
        before=f"{TO_ALL}\n    k8s_external ext.example {{\n        headless\n        ttl 77\n        apex names\n    }}",
        external=("ext.example",),
        external_ttl=77,
        external_apex="names",
    ),
]


def records_of(port, zone):
    """(name, ttl, type, data), sorted, each as often as it came; the SOA without its serial."""
    found = []
    for record in dig_zone(port, zone):
        data = record.data
        if record.type == "SOA":
            primary, mailbox, _, *times = data.split()
            data = " ".join([primary, mailbox, "SERIAL", *times])
        found.append((record.name, record.ttl, record.type, data))
    return tuple(sorted(found))
