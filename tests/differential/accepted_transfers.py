"""The differences between two transfers of a zone that are meant. As in accepted.py, each says what CoreDNS would send
if it did as we do; nothing else is accepted, and one that never happens fails the test.

Records are (name, ttl, type, data).
"""

from accepted import Difference
from cluster import IMPORTED_SLICES

ACCEPTED_TRANSFERS = []
SERVER = "127.0.0.1"  # of `bind`, in every Corefile
ENDPOINT_LABELS = 7  # of "db-0.db.shop.svc.clusterset.local.", without the cluster and with what is behind the last dot
# The cluster of each address of a clusterset.
CLUSTERS = {
    address: made["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"]
    for made in IMPORTED_SLICES
    for endpoint in made["endpoints"]
    for address in endpoint["addresses"]
}


def accepted(readme):
    """Registers a function of (transfer, theirs, ours), sorted tuples of records; None where it does not apply."""

    def register(function):
        name = function.__doc__.strip().rstrip(".")
        ACCEPTED_TRANSFERS.append(Difference(name, readme, False, function))
        return function

    return register


def explain_transfer(transfer, theirs, ours):
    """[(difference, what left, what came)] that turn CoreDNS's records into ours; None where they do not."""
    applied = []
    for difference in ACCEPTED_TRANSFERS:
        changed = difference.apply(transfer, theirs, ours)
        if changed is None or tuple(sorted(changed)) == theirs:
            continue
        changed = tuple(sorted(changed))
        gone, come = _without(theirs, changed), _without(changed, theirs)
        applied.append((difference, gone, come))
        theirs = changed
    return applied if theirs == ours else None


def _without(records, others):
    left = list(others)
    found = []
    for record in records:
        if record in left:
            left.remove(record)
        else:
            found.append(record)
    return found


@accepted("Each record of a transfer comes once")
def once(transfer, theirs, ours):
    """Each record of a transfer comes once."""
    return set(theirs)


@accepted("The addresses of `bind`")
def bound_nameserver(transfer, theirs, ours):
    """An address of loopback that is bound is the nameserver of a zone that is transferred."""
    labels = f"ns1.{transfer.corefile.external_apex}" if transfer.is_external else "ns.dns"
    nameserver = f"{labels}.{transfer.apex}"
    ttl = transfer.corefile.external_ttl if transfer.is_external else transfer.corefile.ttl
    own = [(transfer.apex, ttl, "NS", nameserver), (nameserver, ttl, "A", SERVER)]
    return [*theirs, *(record for record in own if record not in theirs)]


@accepted("`k8s_external`: a name is an alias or")
def ttl_of_external_records(transfer, theirs, ours):
    """The TTL of k8s_external is that of aliases and SRV records in a transfer too."""
    if transfer.is_external:
        ttl = transfer.corefile.external_ttl
        return [(name, ttl if type in ("SRV", "CNAME") else old, type, data) for name, old, type, data in theirs]


@accepted("Slices of host names")
def host_names(transfer, theirs, ours):
    """A slice whose addresses are host names is not transferred."""
    return [record for record in theirs if "host-names" not in record[0].split(".")]


@accepted("A port without a number")
def ports_without_number(transfer, theirs, ours):
    """A port of a slice without a number has no SRV record."""
    return [record for record in theirs if record[2] != "SRV" or record[3].split()[2] != "65535"]


@accepted("`endpoint_pod_names` passes over")
def dotted_pod_names(transfer, theirs, ours):
    """In a transfer too, a Pod whose name has dots gives an endpoint the name of its address."""
    dotted, dashed = "pod.with.dots.pods.shop.", "10-244-11-4.pods.shop."
    return [(name.replace(dotted, dashed), ttl, type, data.replace(dotted, dashed)) for name, ttl, type, data in theirs]


@accepted("In a multicluster zone")
def ids_of_clusters(transfer, theirs, ours):
    """Endpoints of a clusterset are transferred with the id of their cluster, without which nobody finds them."""
    if transfer.zone != "clusterset.local":
        return None
    ids = {}
    for name, _, type, data in theirs:
        if type in ("A", "AAAA") and len(name.split(".")) == ENDPOINT_LABELS:
            ids.setdefault(name, set()).add(CLUSTERS[data])
    changed = []
    for name, ttl, type, data in theirs:
        *numbers, target = data.split()
        if type == "SRV" and target in ids:
            changed += [(name, ttl, type, " ".join([*numbers, _with_id(target, id)])) for id in ids[target]]
        else:
            changed.append((_with_id(name, CLUSTERS[data]) if name in ids else name, ttl, type, data))
    return _strongest(changed)


def _with_id(name, id):
    endpoint, rest = name.split(".", 1)
    return f"{endpoint}.{id}.{rest}"


@accepted("Each record of a transfer comes once")
def weights(transfer, theirs, ours):
    """The weights of SRV records in a transfer count all endpoints of a Service."""
    weights = {}
    for name, _, type, data in ours:
        if type == "SRV":
            weights.setdefault(name, set()).add(int(data.split()[1]))
    changed = []
    for name, ttl, type, data in theirs:
        found = weights.get(name, ())
        if type == "SRV" and len(found) == 1 and (weight := min(found)) <= int(data.split()[1]):
            data = _with_weight(data, weight)
        changed.append((name, ttl, type, data))
    # What differed in its weight alone came once for each slice.
    return set(changed) if len(theirs) == len(set(theirs)) else changed


@accepted("In transfers of external zones")
def nothing_beside_an_alias(transfer, theirs, ours):
    """Nothing stands beside an alias in a transfer."""
    aliases = {name for name, _, type, _ in theirs if type == "CNAME"}
    return [record for record in theirs if record[2] == "CNAME" or record[0] not in aliases]


@accepted("In transfers of external zones")
def targets_of_ports(transfer, theirs, ours):
    """SRV records of an alias's ports lead where the alias does."""
    aliases = {name: data for name, _, type, data in theirs if type == "CNAME"}
    changed = []
    for name, ttl, type, data in theirs:
        target = aliases.get(name.split(".", 2)[-1]) if type == "SRV" else None
        if target and target.split(".", 2)[2] == data.split()[3]:
            data = " ".join([*data.split()[:3], target])
        changed.append((name, ttl, type, data))
    return changed


@accepted("In transfers of external zones")
def every_port(transfer, theirs, ours):
    """Every port has an SRV record at its Service's name."""
    if transfer.is_external:
        named = [record for record in theirs if record[2] == "SRV" and record[0].startswith("_")]
        found = {(r[3].split()[3], *r[1:]) for r in named if r[0].split(".", 2)[2] == r[3].split()[3]}
        return [*theirs, *(found - {*theirs})]


@accepted("In transfers of external zones")
def ports_without_name(transfer, theirs, ours):
    """A port without a name has no SRV record of its own."""
    return [record for record in theirs if not (transfer.is_external and record[0].startswith("_._"))]


def _weightless(record):
    return (*record[:3], _with_weight(record[3], 0)) if record[2] == "SRV" else record


def _with_weight(data, weight):
    priority, _, *rest = data.split()
    return " ".join([priority, str(weight), *rest])


def _strongest(records):
    """One SRV record for each target: that of the slice with the greater weight."""
    found = {}
    for record in sorted(set(records), key=lambda r: int(r[3].split()[1]) if r[2] == "SRV" else 0):
        found[_weightless(record)] = record
    return found.values()
