"""The differences from CoreDNS that are meant. Each says what CoreDNS's reply would be if it did as we do; nothing else
is accepted, and one that never happens fails the test too, so that the list stays true.

`readme` is the beginning of a row of README's "Differences from CoreDNS", where the reason stands.
"""

from dataclasses import dataclass, field

from corpus import ODD_REVERSE_LABELS, SILENT_SERVICE
from packets import BROKEN
from question import labels_of
from reply import Reply, section

UDP_OCTETS_MAX = 1232
# What the upstream says of names that it does not know (world.py).
UPSTREAM_SOA = (".", 60, "SOA", "ns.example.org. hostmaster.example.org. SERIAL 7200 1800 86400 60")


@dataclass
class Case:
    """One question, and what is known around it."""

    question: object
    corefile: object
    ours: Reply
    names: "Names"

    @property
    def zone(self):
        """The zone, of those that kubernetes serves, that the name is in; None without one."""
        zones = [zone for zone in self.corefile.served if self.question.is_below(zone)]
        return max(zones, key=lambda zone: len(labels_of(zone)), default=None)

    @property
    def relative(self):
        """The labels in front of the zone, in lower case."""
        return self.question.lower[: len(self.question.labels) - len(labels_of(self.zone))]

    @property
    def is_reverse(self):
        return self.zone is not None and self.zone.endswith(".arpa")

    @property
    def falls_through(self):
        return self.question.is_below(*self.corefile.fallthrough)

    def nodata(self, theirs):
        return self._negative(theirs, "NOERROR", self.soa())

    def nxdomain(self, theirs):
        """Of the zone, or where it falls through the upstream's, which does not know such names either."""
        if self.falls_through:
            return self._negative(theirs, "NXDOMAIN", UPSTREAM_SOA, by_upstream=True)
        return self._negative(theirs, "NXDOMAIN", self.soa())

    def _negative(self, theirs, rcode, soa, by_upstream=False):
        flags = theirs.flags - {"tc", "aa", "ra"} | {"ra" if by_upstream else "aa"}
        return theirs.with_(rcode=rcode, answer=(), authority=(soa,), additional=(), flags=flags)

    @property
    def external_zone(self):
        return next((zone for zone in self.corefile.external if self.question.is_below(zone)), None)

    @property
    def external_relative(self):
        return self.question.lower[: len(self.question.labels) - len(labels_of(self.external_zone or ""))]

    def external_negative(self, theirs, rcode):
        zone, apex = self.question.text[-len(self.external_zone) - 1 :], self.corefile.external_apex
        ttl = self.corefile.external_ttl
        soa = (zone, ttl, "SOA", f"ns1.{apex}.{zone} hostmaster.{apex}.{zone} SERIAL 7200 1800 86400 {ttl}")
        return self._negative(theirs, rcode, soa)

    def soa(self):
        """The zone's, in the case of the question."""
        zone = self.question.text[-len(self.zone) - 1 :]
        ttl = self.corefile.ttl
        times = f"SERIAL 7200 1800 86400 {ttl}"
        return (zone, min(ttl, 300), "SOA", f"ns.dns.{zone} hostmaster.{zone} {times}")


@dataclass
class Names:
    """What CoreDNS shows to exist under one Corefile: names with records, and what it said to A."""

    with_records: set = field(default_factory=set)
    above: set = field(default_factory=set)
    exists: set = field(default_factory=set)  # NOERROR to some other type than SOA
    absent: set = field(default_factory=set)  # NXDOMAIN to A

    @classmethod
    def of(cls, questions, replies, corefile):
        names = cls()
        for question, reply in zip(questions, replies, strict=True):
            if (
                question.manner.klass != 1
                or _is_too_long_for_ipv6(question)
                or _is_of_host_names(question)
                or corefile.hides(reply)
                or question.lower[:4] in ODD_REVERSE_LABELS
            ):
                continue
            if reply.answer:
                names.with_records.add(question.lower)
            if reply.rcode == "NOERROR" and question.type != "SOA":
                names.exists.add(question.lower)
                # A topology zone without endpoints, and a port of an import without addresses, exist too.
                if (
                    b"_zone" in question.lower[2:]
                    or question.is_below("clusterset.local")
                    and b"_" not in question.lower[:2]
                ):
                    names.above.update(question.lower[drop:] for drop in range(1, len(question.labels)))
            if reply.rcode == "NXDOMAIN" and question.type == "A":
                names.absent.add(question.lower)
        for labels in names.with_records:
            # What a lone underscore leads to does not exist here.
            if b"_" in labels[:2]:
                continue
            names.above.update(labels[drop:] for drop in range(1, len(labels)))
        return names


@dataclass
class Difference:
    name: str
    readme: str
    # In the OPT record alone: the report counts these apart, because nearly every reply has one.
    is_edns: bool
    apply: object  # (case, theirs) -> what they would say if they did as we do, or None where it does not apply


ACCEPTED = []


def accepted(readme, is_edns=False):
    """Registers a function of (case, theirs); its first line of documentation is the difference's name."""

    def register(function):
        ACCEPTED.append(Difference(function.__doc__.strip().rstrip("."), readme, is_edns, function))
        return function

    return register


# --- the cache, first and last: it holds what was said before, and we cache what an upstream said


@accepted("Cluster names never pass the cache")
def cached(case, theirs):
    """TTL, AA and the case of names come from CoreDNS's cache."""
    if "cache" not in case.corefile.options:
        return None
    sections = ("answer", "authority", "additional")
    ours = {_what_a_cache_keeps(record): record for name in sections for record in getattr(case.ours, name)}
    flags = theirs.flags - {"aa"} | case.ours.flags & {"aa"} if "ra" in theirs.flags else theirs.flags
    return theirs.with_(
        flags=flags,
        **{
            name: section(ours.get(_what_a_cache_keeps(record), record) for record in getattr(theirs, name))
            for name in sections
        },
    )


def _what_a_cache_keeps(record):
    name, _, type, data = record
    return name.lower(), type, data.lower()


@accepted("`autopath` keeps the case")
def autopath_case(case, theirs):
    """Behind autopath names keep the case of the question."""
    if "autopath" in case.corefile.options:
        sections = ("answer", "authority", "additional")
        ours = {
            (ttl, _what_a_cache_keeps(record)): record
            for name in sections
            for record in getattr(case.ours, name)
            for ttl in record[1:2]
        }
        question = case.ours.question if case.ours.question.lower() == theirs.question.lower() else theirs.question
        return theirs.with_(
            question=question,
            **{
                name: section(
                    ours.get((record[1], _what_a_cache_keeps(record)), record) for record in getattr(theirs, name)
                )
                for name in sections
            },
        )


@accepted("`autopath` leaves the aliases")
def autopath_aliases(case, theirs):
    """Behind autopath the alias of an ExternalName stands there once."""
    if "autopath" not in case.corefile.options:
        return None
    # The copy in front has the TTL of what follows; the Service's own comes as ours does.
    kept = {}
    for record in sorted(theirs.answer, key=lambda record: (record not in case.ours.answer, record[1])):
        kept.setdefault(_what_a_cache_keeps(record), record)
    return theirs.with_(answer=section(kept.values()))


@accepted("`autopath` keeps the case")
def autopath_of_search_list(case, theirs):
    """Behind autopath the elements of the search list answer as ever."""
    if (
        "autopath" in case.corefile.options
        and theirs.rcode == "SERVFAIL"
        and case.zone
        and case.relative == (b"shop", b"svc")
    ):
        return case.nodata(theirs)


# --- external addresses


@accepted("`k8s_external`: a name is an alias or")
def external_ttl(case, theirs):
    """The TTL of k8s_external is that of aliases and SRV records too."""
    ttl = case.corefile.external_ttl
    if case.external_zone and ttl != case.corefile.ttl:
        return theirs.with_(
            answer=section(
                (name, ttl if type in ("SRV", "CNAME") else old, type, data) for name, old, type, data in theirs.answer
            )
        )


@accepted("`k8s_external`: a name is an alias or")
def external_case(case, theirs):
    """Names of an external zone keep the case of the question."""
    if case.external_zone:
        ours = {(record[1], _what_a_cache_keeps(record)): record for record in case.ours.records}
        return theirs.with_(
            **{
                name: section(
                    ours.get((record[1], _what_a_cache_keeps(record)), record) for record in getattr(theirs, name)
                )
                for name in ("answer", "authority", "additional")
            }
        )


@accepted("The addresses of `bind`")
def external_bound_addresses(case, theirs):
    """An address of loopback that is bound is the external zone's nameserver too."""
    if not case.external_zone or theirs.rcode != "NOERROR":
        return None
    glue = (case.corefile.external_ttl, "A", "127.0.0.1")
    if not case.external_relative and case.question.type == "NS":
        return theirs.with_(additional=tuple((record[3], *glue) for record in theirs.answer))
    if case.external_relative == (b"ns1", case.corefile.external_apex.encode()) and case.question.type == "A":
        return theirs.with_(answer=((case.question.text, *glue),), authority=())


@accepted("`k8s_external`: a name is an alias or")
def labels_left_of_external_services(case, theirs):
    """A label left of a Service with external addresses is no name, unless it is above a port."""
    relative = case.external_relative
    if (
        theirs.rcode == "NOERROR"
        and case.external_zone
        and len(relative) > 2
        and relative[-1] != case.corefile.external_apex.encode()
    ):
        if case.ours.rcode == "NXDOMAIN":
            return case.external_negative(theirs, "NXDOMAIN")
        if len(relative) == 3 and relative[0] in (b"_tcp", b"_udp", b"_sctp"):
            return case.external_negative(theirs, "NOERROR")


@accepted("Empty non-terminals are NODATA")
def external_non_terminals(case, theirs):
    """A name above a port or an address of an external zone, and an address for every type, is NODATA."""
    lower = case.question.lower
    if theirs.rcode != "NXDOMAIN" or not case.external_zone:
        return None
    is_reverse = case.external_zone.endswith(".arpa")
    if (
        lower in case.names.above
        and (is_reverse or lower[0] in (b"_tcp", b"_udp", b"_sctp"))
        or is_reverse
        and lower in case.names.exists
    ):
        return case.external_negative(theirs, "NOERROR")


@accepted("`k8s_external`: a name is an alias or")
def external_glue(case, theirs):
    """SRV records that lead to a load balancer's host name come without its addresses."""
    if (
        case.external_zone
        and case.question.type == "SRV"
        and {record[0] for record in theirs.additional} == {"www.example.org."}
    ):
        return theirs.with_(additional=())


@accepted("`k8s_external`: a name is an alias or")
def external_aliases(case, theirs):
    """CNAME at a load balancer's host name is answered."""
    ours = case.ours
    if case.external_zone and case.question.type == "CNAME" and theirs.is_nodata and len(ours.answer) == 1:
        if ours.answer[0][1:] == (case.corefile.external_ttl, "CNAME", "www.example.org."):
            return theirs.with_(answer=ours.answer, authority=())


# --- the message as a whole


@accepted("Negative answers say why", is_edns=True)
def extended_errors(case, theirs):
    """An Extended DNS Error says why."""
    if case.ours.extended_errors and theirs.edns and not theirs.extended_errors:
        size, version, do, options = theirs.edns
        return theirs.with_(
            edns=(size, version, do, tuple(sorted((*options, *case.ours.edns[3])))),
            extended_errors=case.ours.extended_errors,
        )


@accepted("UDP replies have at most 1,232 octets", is_edns=True)
def payload_size(case, theirs):
    """EDNS tells the size that we receive, not the client's own."""
    if theirs.edns and theirs.edns[0] != UDP_OCTETS_MAX:
        return theirs.with_(edns=(UDP_OCTETS_MAX, *theirs.edns[1:]))


@accepted("Only class IN is served")
def classes(case, theirs):
    """Other classes than IN are refused."""
    if case.question.manner.klass != 1:
        return theirs.with_(
            rcode="REFUSED", answer=(), authority=(), additional=(), flags=theirs.flags - {"aa", "tc", "ra"}
        )


@accepted("A name that no directive")
def nobody_answers(case, theirs):
    """A name that no directive of the block answers is refused."""
    if theirs.rcode == "SERVFAIL" and case.zone is None and not case.corefile.has_upstream:
        return theirs.with_(rcode="REFUSED")


@accepted("EDNS options of clients are not sent back")
def echoed_options(case, theirs):
    """Cookies, NSID, padding and keepalive are not echoed."""
    if theirs.edns and (echoed := {3, 10, 11, 12} & set(theirs.edns[3])):
        return theirs.with_(edns=(*theirs.edns[:3], tuple(code for code in theirs.edns[3] if code not in echoed)))


@accepted("Malformed messages are FORMERR")
def malformed(case, theirs):
    """Messages that break RFC 1035 or RFC 6891 are FORMERR."""
    if case.question in BROKEN and case.ours.rcode == "FORMERR":
        edns = case.ours.edns and theirs.edns
        return Reply("FORMERR", theirs.flags - {"aa", "ra"}, case.ours.question, edns=edns)


@accepted("NOTIFY is NOTIMP")
def notify(case, theirs):
    """NOTIFY is not implemented."""
    if case.question.text == "opcode 4":
        return Reply("NOTIMP", frozenset({"qr", "rd"}))


@accepted("EDNS options of clients are not sent back")
def unread_options(case, theirs):
    """A client subnet is not looked at, malformed or not."""
    if case.question.text == "a malformed client subnet" and theirs.rcode == "FORMERR":
        return case.ours if case.ours.rcode == "NOERROR" and case.ours.answer else None


# --- which names exist


@accepted("Reverse zones hold nothing but")
def external_reverse_tree(case, theirs):
    """There are no Namespaces in reverse zones of external addresses."""
    if (
        (case.external_zone or "").endswith(".arpa")
        and theirs.rcode == "NOERROR"
        and case.external_relative == (b"svc",)
    ):
        return case.external_negative(theirs, "NXDOMAIN")


@accepted("Reverse zones hold nothing but")
def reverse_tree(case, theirs):
    """There is no name tree in reverse zones."""
    if (
        case.is_reverse
        and theirs.rcode == "NOERROR"
        and case.relative
        and case.relative[-1] in (b"svc", b"pod", b"dns")
    ):
        return case.nxdomain(theirs)


@accepted("Labels left of a reverse name")
def labels_left_of_reverse_names(case, theirs):
    """Labels left of an IPv6 reverse name do not exist."""
    if case.is_reverse and theirs.rcode == "NOERROR" and _is_too_long_for_ipv6(case.question):
        return case.nxdomain(theirs)


def _is_too_long_for_ipv6(question):
    return question.is_below("ip6.arpa") and len(question.labels) > 34


@accepted("`namespace_labels` filters PTR records")
def hidden_namespaces(case, theirs):
    """An address in a Namespace that is not exposed has no PTR record."""
    if case.is_reverse and case.corefile.hides(theirs):
        return case.nxdomain(theirs)


@accepted("A name exists or not, whatever the type")
def soa_of_absent_names(case, theirs):
    """SOA at a name that does not exist is NXDOMAIN."""
    lower = case.question.lower
    if (
        case.question.type == "SOA"
        and theirs.is_nodata
        and lower in case.names.absent
        and lower not in case.names.exists
    ):
        if lower not in case.names.above:
            return case.nxdomain(theirs)


@accepted("A name exists or not, whatever the type")
def types_at_names(case, theirs):
    """Any type at the apex, svc, pod and Namespaces is NODATA."""
    if theirs.rcode == "NXDOMAIN" and case.zone and case.question.lower in case.names.exists:
        if case.is_reverse:
            return None if case.relative else case.nodata(theirs)
        # An import without addresses is such a name too.
        is_import = case.question.is_below("clusterset.local") and case.relative[-1:] == (b"svc",)
        if is_import or len(case.relative) <= 2 and (not case.relative or case.relative[-1] in (b"svc", b"pod")):
            return case.nodata(theirs)


@accepted("In a multicluster zone")
def imports_without_ports(case, theirs):
    """A ClusterSetIP import without ports has its addresses."""
    if (
        theirs.rcode == "NXDOMAIN"
        and case.question.is_below("clusterset.local")
        and case.relative == (b"mc-no-ports", b"shop", b"svc")
    ):
        if case.question.type != "A":
            return case.nodata(theirs)
        return theirs.with_(
            rcode="NOERROR", answer=((case.question.text, case.corefile.ttl, "A", "10.97.0.3"),), authority=()
        )


@accepted("Other types at `dns-version.<zone>`")
def types_at_dns_version(case, theirs):
    """Any type at dns-version is NODATA."""
    if theirs.rcode == "NXDOMAIN" and case.zone and case.relative == (b"dns-version",):
        return case.nodata(theirs)


@accepted("Other types at `dns-version.<zone>`")
def types_at_reverse_names(case, theirs):
    """Any other type at a PTR name is NODATA."""
    if theirs.rcode == "NXDOMAIN" and case.is_reverse and case.question.lower in case.names.with_records:
        return case.nodata(theirs)


@accepted("Empty non-terminals are NODATA")
def empty_non_terminals(case, theirs):
    """A name above one that exists is NODATA."""
    if theirs.rcode == "NXDOMAIN" and case.zone and case.relative:
        if case.question.lower in case.names.above or case.relative == (b"dns",):
            return case.nodata(theirs)


@accepted("A lone underscore is no port")
def lone_underscores(case, theirs):
    """A lone underscore does not stand for every port or protocol."""
    if (
        theirs.rcode == "NOERROR"
        and case.zone
        and len(case.relative) == 5
        and case.relative[-1] == b"svc"
        and b"_" in case.relative[:2]
    ):
        return case.nxdomain(theirs)


@accepted("Labels left of a pod name")
def labels_left_of_pods(case, theirs):
    """Labels left of a pod name do not exist."""
    if theirs.rcode == "NOERROR" and case.zone and case.relative[-1:] == (b"pod",) and len(case.relative) in (4, 5):
        return case.nxdomain(theirs)


@accepted("Labels left of a pod name")
def srv_at_pods(case, theirs):
    """SRV at a pod name is NODATA."""
    if (
        theirs.answer
        and case.question.type == "SRV"
        and case.zone
        and case.relative[-1:] == (b"pod",)
        and len(case.relative) == 3
    ):
        return case.nodata(theirs)


@accepted("`endpoint_pod_names` passes over")
def dotted_pod_names(case, theirs):
    """A Pod whose name has dots gives an endpoint the name of its address."""
    if "endpoint_pod_names" not in case.corefile.options:
        return None
    dotted, address = "pod.with.dots.pods.shop.", "10.244.11.4"
    dashed = address.replace(".", "-") + ".pods.shop."
    lower, type = case.question.lower, case.question.type
    if (
        lower[:3] == labels_of(dashed)[:3]
        and theirs.rcode in ("NXDOMAIN", "NOERROR")
        and case.relative[3:] == (b"svc",)
    ):
        name, ttl = case.question.text, case.corefile.ttl
        glue = ((name, ttl, "A", address),)
        if type == "A":
            return theirs.with_(rcode="NOERROR", answer=glue, authority=())
        if type == "SRV":
            target = dashed + name[len(dashed) :]
            return theirs.with_(
                rcode="NOERROR",
                answer=((name, ttl, "SRV", f"0 100 8080 {target}"),),
                authority=(),
                additional=((target, ttl, "A", address),),
            )
        return case.nodata(theirs)
    if any(dotted in " ".join(map(str, record)) for record in theirs.records):
        return theirs.with_(
            **{
                part: section(
                    (name.replace(dotted, dashed), ttl, type, data.replace(dotted, dashed))
                    for name, ttl, type, data in getattr(theirs, part)
                )
                for part in ("answer", "additional")
            }
        )


@accepted("Slices of host names")
def slices_of_host_names(case, theirs):
    """A slice whose addresses are host names has no endpoints."""
    if theirs.rcode == "NOERROR" and case.zone and _is_of_host_names(case.question):
        return case.nxdomain(theirs)


def _is_of_host_names(question):
    return b"host-names" in question.lower


@accepted("An `externalName` with a label of more than 63 octets")
def no_domain_names(case, theirs):
    """A Service whose externalName is no domain name does not exist."""
    if case.question.lower[:1] == (SILENT_SERVICE.encode(),):
        return _instead_of_silence(case, theirs)


@accepted("A slice whose label names no Service that could be")
def no_service_names(case, theirs):
    """A slice whose label is no name of a Service has no PTR records."""
    if case.question.lower[:4] in ODD_REVERSE_LABELS and theirs.rcode in ("NOERROR", "no reply"):
        return _instead_of_silence(case, theirs)


def _instead_of_silence(case, theirs):
    ours = case.ours
    changed = case.nxdomain(theirs)
    if theirs.rcode != "no reply":
        return changed
    return changed.with_(flags=ours.flags, question=ours.question, edns=ours.edns, extended_errors=ours.extended_errors)


# --- the server's own address


@accepted("The addresses of `bind`")
def bound_addresses(case, theirs):
    """An address of loopback that is bound is the server's own."""
    own = ("A", "127.0.0.1")
    if case.zone and theirs.rcode in ("NOERROR", "NXDOMAIN") and not theirs.answer:
        zone = case.question.text[-len(case.zone) - 1 :]
        flags = theirs.flags - {"ra"} | {"aa"}
        if case.relative == (b"ns", b"dns") and case.question.type == "A" and not case.is_reverse:
            return theirs.with_(
                rcode="NOERROR", flags=flags, answer=((case.question.text, case.corefile.ttl, *own),), authority=()
            )
        if not case.relative and case.question.type == "NS":
            nameserver = f"ns.dns.{zone}"
            return theirs.with_(
                answer=((case.question.text, case.corefile.ttl, "NS", nameserver),),
                authority=(),
                additional=((nameserver, case.corefile.ttl, *own),),
            )


@accepted("`ns.dns.<zone>` exists in any case")
def nameserver_in_any_case(case, theirs):
    """ns.dns exists however it is written."""
    if theirs.rcode == "NXDOMAIN" and case.zone and case.relative == (b"ns", b"dns") and not case.is_reverse:
        return case.nodata(theirs)


# --- aliases and upstreams


@accepted("Truncated upstream replies are asked again")
def truncated_upstream_replies(case, theirs):
    """What an upstream truncates is asked again over TCP."""
    ours = case.ours
    if (
        "tc" in theirs.flags
        and "big" in case.question.text.lower()
        and set(theirs.answer) <= set(ours.answer) | _aliases(theirs)
    ):
        if any(record[0].lower().startswith("big.example.org") for record in ours.answer):
            return theirs.with_(answer=ours.answer, flags=theirs.flags - {"tc"} | ours.flags & {"tc"})


def _aliases(reply):
    return {record for record in reply.answer if record[2] == "CNAME"}


# --- truncation, last: it is of what was said above


@accepted("UDP replies have at most 1,232 octets")
def truncated_at_1232(case, theirs):
    """Over 1,232 octets a reply is truncated, whatever the client offers."""
    ours, manner = case.ours, case.question.manner
    if manner.tcp or (manner.udp_size or 0) <= UDP_OCTETS_MAX or "tc" not in ours.flags or not ours.answer:
        return None
    # Where CoreDNS's is truncated too, it may lack what is in ours.
    if (
        _is_part(ours, theirs)
        or "tc" in theirs.flags
        and _is_of_one_set(case, theirs)
        and len(ours.answer) < len(theirs.answer)
    ):
        return theirs.with_(answer=ours.answer, additional=ours.additional, flags=theirs.flags | {"tc"})


@accepted("A truncated reply holds")
def truncated_selection(case, theirs):
    """A truncated reply holds another selection of the records."""
    ours = case.ours
    if "tc" in theirs.flags and "tc" in ours.flags and theirs.answer != ours.answer and ours.answer and theirs.answer:
        if _is_of_one_set(case, theirs) and abs(len(theirs.answer) - len(ours.answer)) <= 3:
            return theirs.with_(answer=ours.answer, additional=ours.additional)


@accepted("Targets of aliases are spelled out")
def uncompressed(case, theirs):
    """A long chain of aliases is truncated earlier."""
    ours = case.ours
    if "tc" in ours.flags and "tc" not in theirs.flags and ours.answer and _is_part(ours, theirs):
        if sum(record[2] == "CNAME" for record in theirs.answer) > 5:
            return theirs.with_(answer=ours.answer, flags=theirs.flags | {"tc"})


def _is_of_one_set(case, theirs):
    # What is in one reply alone has the case of whoever asked CoreDNS first, and from a cache an older TTL.
    ours, is_cached = case.ours.answer, "cache" in case.corefile.options
    return len({(name.lower(), type, None if is_cached else ttl) for name, ttl, type, _ in theirs.answer + ours}) == 1


def _is_part(ours, theirs):
    return set(ours.answer) <= set(theirs.answer) and set(ours.additional) <= set(theirs.additional)


def explain(case, theirs):
    """The differences that turn CoreDNS's reply into ours; None where they do not. An empty list: they are equal."""
    applied = []
    for difference in [*ACCEPTED, ACCEPTED[0]]:
        if theirs == case.ours:
            break
        changed = difference.apply(case, theirs)
        if changed is not None and changed != theirs:
            theirs = changed
            applied.append(difference)
    return applied if theirs == case.ours else None
