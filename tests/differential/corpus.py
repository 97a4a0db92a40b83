"""The questions, made from the objects: what exists, what nearly exists, and what nobody should ask."""

import ipaddress
import random

from cluster import IMPORTED_SLICES, IMPORTS, LONG_NAME, NAMESPACES, PODS, SERVICES, SLICES
from question import ANY_CLASS, CHAOS, HESIOD_NO_EDNS, MANNERS, USUAL, labels_of, question

# Types that may be asked anywhere. A transfer is refused over UDP, where the corpus asks for it.
TYPES = [
    "A",
    "AAAA",
    "SRV",
    "PTR",
    "TXT",
    "CNAME",
    "NS",
    "SOA",
    "MX",
    "HINFO",
    "HTTPS",
    "SVCB",
    "CAA",
    "DS",
    "DNSKEY",
    "NAPTR",
    "ANY",
    "TYPE65280",
]
MAIN_TYPES = ["A", "AAAA", "SRV"]
# How many of the other types each name is asked for, in rotation.
ROTATED = 2
# CoreDNS sends no reply at all where this Service's externalName or this address's name is part of it. Waiting for none
# takes its time, so this is asked only where the test says.
SILENT_SERVICE = "ext-long-label"
SILENT_ADDRESS = "10.244.17.7"
# The addresses of slices whose label names no Service that could be.
ODD_REVERSE_LABELS = [tuple(reversed(labels_of(address))) for address in (SILENT_ADDRESS, "10.244.17.8")]
SILENT_QUESTIONS = [
    *(question(f"{SILENT_SERVICE}.shop.svc.cluster.local", type, USUAL) for type in ("A", "CNAME", "TXT")),
    question(ipaddress.ip_address(SILENT_ADDRESS).reverse_pointer, "PTR", USUAL),
]
# Around the longest chain of aliases that is followed.
CHAIN_LINKS = ("chain-0", "chain-2", "chain-3", "chain-4", "chain-13", "chain-14")
# Of a slice with a hundred endpoints a few are as good as all.
ENDPOINTS_MAX = 8


class Corpus:
    """A set of questions in a stable order."""

    def __init__(self):
        self._questions = {}
        self._rotation = 0

    def add(self, name, types=MAIN_TYPES, manner=None, rotated=ROTATED):
        """Asks for `types`, and for a few of the others in turns."""
        others = [type for type in TYPES if type not in types]
        for _ in range(rotated if others else 0):
            types = [*types, others[self._rotation % len(others)]]
            self._rotation += 1
        for type in types:
            self._questions[question(name, type, manner)] = None

    def add_all_types(self, name):
        self.add(name, TYPES)

    def add_all_manners(self, name, type):
        for manner in MANNERS:
            self.add(name, [type], manner, rotated=0)

    def questions(self):
        """Each name is also asked for A: whether it exists is seen there, whatever else was asked."""
        names = {asked.labels: None for asked in self._questions}
        return list(self._questions | {question(labels, "A", USUAL): None for labels in names})

    def __len__(self):
        return len(self._questions)


def corpus(zones=("cluster.local",), external=()):
    """All questions for servers whose first zone is zones[0]; `external` are zones of external addresses."""
    found = Corpus()
    for number, zone in enumerate(zones):
        _tree(found, zone)
        if number:
            # The second zone holds the same names; a few of each kind show that it does.
            for item in SERVICES[::6]:
                found.add(f"{_base(item, zone)}")
            _imports(found, zone)
            continue
        _services(found, zone)
        _ports(found, zone)
        _endpoints(found, zone)
        _pods(found, zone)
        _zonal(found, zone)
        _odd_names(found, zone)
        _search(found, zone)
    for zone in external:
        _external(found, zone)
    _reverse(found)
    _manners(found, zones[0])
    _outside(found)
    return found.questions()


def _base(item, zone):
    meta = item["metadata"]
    return f"{meta['name']}.{meta['namespace']}.svc.{zone}"


def _swap_case(name):
    """Every other letter in the other case."""
    return "".join(letter.upper() if number % 2 else letter for number, letter in enumerate(name))


def _tree(found, zone):
    """Apex, the names that every cluster has, and the Namespaces."""
    for name in (zone, f"svc.{zone}", f"pod.{zone}", f"dns.{zone}", f"ns.dns.{zone}", f"dns-version.{zone}"):
        found.add_all_types(name)
        found.add(_swap_case(name), ["A", "TXT", "NS", "SOA"])
        found.add(f"nobody.{name}", ["A", "TXT", "SOA", "NS"])
        found.add(f"a.b.c.{name}", ["A"])
    for name in (
        f"hostmaster.{zone}",
        f"apex.dns.{zone}",
        f"x.dns-version.{zone}",
        f"x.ns.dns.{zone}",
        f"_tcp.{zone}",
        f"any.{zone}",
        f"svc.svc.{zone}",
        f"pod.svc.{zone}",
        f"svc.pod.{zone}",
        f"{zone}.{zone}",
    ):
        found.add(name, [*MAIN_TYPES, "TXT", "SOA"])
    spaces = [item["metadata"]["name"] for item in NAMESPACES]
    for space in [*spaces, "default", "kube-system", "nobody", "sho", "shopp", "shop-", "*"]:
        for branch in ("svc", "pod"):
            found.add(f"{space}.{branch}.{zone}", ["A", "AAAA", "SRV", "TXT", "SOA", "NS"])
            found.add(_swap_case(f"{space}.{branch}.{zone}"), ["A"])
            found.add(f"nobody.{space}.{branch}.{zone}", ["A", "SRV"])
            found.add(f"_http._tcp.{space}.{branch}.{zone}", ["SRV"])
        found.add(f"{space}.{zone}", ["A"])
        found.add(f"{space}.other.{zone}", ["A"])


def _services(found, zone):
    for number, item in enumerate(SERVICES):
        base = _base(item, zone)
        name, space = item["metadata"]["name"], item["metadata"]["namespace"]
        if name == SILENT_SERVICE or name.startswith("chain-") and name not in CHAIN_LINKS:
            continue
        found.add(base, [*MAIN_TYPES, "CNAME", "TXT"], rotated=5)
        found.add(_swap_case(base), [*MAIN_TYPES, "CNAME"], rotated=0)
        found.add(f"nobody.{base}", rotated=1)
        found.add(f"{name}x.{space}.svc.{zone}", ["A"], rotated=1)
        found.add(f"{name}.{space}.pod.{zone}", ["A"])
        found.add(f"{name}.{space}.{zone}", ["A"], rotated=1)
        found.add(f"a.b.c.{base}", ["A"])
        if number % 4 == 0:
            # What a search list makes of the full name.
            found.add(f"{base}.shop.svc.{zone}", ["A"])
            found.add(f"{base}.svc.{zone}", ["AAAA"], rotated=0)
            found.add(f"{base}.{zone}", ["A"], rotated=0)
            found.add(f"*.{base}", ["A"])
            found.add(f"*.{space}.svc.{zone}", ["A"], rotated=0)


def _ports(found, zone):
    ports_of_slices = {}
    for item in SLICES:
        key = item["metadata"]["labels"]["kubernetes.io/service-name"], item["metadata"]["namespace"]
        ports_of_slices.setdefault(key, []).extend(port for port in item["ports"] or () if "port" in port)
    for number, item in enumerate(SERVICES):
        base = _base(item, zone)
        key = item["metadata"]["name"], item["metadata"]["namespace"]
        ports = [*item["spec"]["ports"], *ports_of_slices.get(key, [])]
        if item["metadata"]["name"].startswith("chain-") or item["metadata"]["name"] == SILENT_SERVICE:
            continue
        for port in {(port["name"], port["protocol"]): port for port in ports[:30]}.values():
            name, protocol = port["name"], port["protocol"].lower()
            if name:
                found.add(f"_{name}._{protocol}.{base}", rotated=1)
                found.add(f"{name}.{protocol}.{base}", ["SRV"], rotated=1)
                found.add(f"_{name}.{protocol}.{base}", ["SRV"], rotated=0)
                found.add(_swap_case(f"_{name}._{protocol}.{base}"), ["SRV"], rotated=0)
                found.add(f"__{name}._{protocol}.{base}", ["SRV"], rotated=0)
            other = "udp" if protocol == "tcp" else "tcp"
            found.add(f"_{name or 'unnamed'}._{other}.{base}", ["SRV"], rotated=1)
            found.add(f"_{port['port']}._{protocol}.{base}", ["SRV"], rotated=0)
            found.add(f"_{protocol}.{base}", ["A", "SRV"], rotated=1)
        found.add(f"_nobody._tcp.{base}", ["SRV"])
        found.add(f"_http._quic.{base}", ["SRV"], rotated=0)
        found.add(f"*._tcp.{base}", ["SRV"], rotated=0)
        found.add((b"_", b"_tcp") + labels_of(base), ["SRV"], rotated=0)
        found.add((b"_", b"_") + labels_of(base), ["SRV", "A"], rotated=0)
        if number % 3 == 0:
            found.add(f"a._http._tcp.{base}", ["SRV"])


def _dashed(address):
    return address.replace(".", "-").replace(":", "-")


def _endpoints(found, zone):
    for item in SLICES:
        service = item["metadata"]["labels"]["kubernetes.io/service-name"]
        if item["addressType"] == "FQDN" or not service:
            continue
        base = f"{service}.{item['metadata']['namespace']}.svc.{zone}"
        for endpoint in item["endpoints"][:ENDPOINTS_MAX]:
            names = [_dashed(address) for address in endpoint["addresses"]]
            names += [endpoint[key] for key in ("hostname",) if key in endpoint]
            names += [endpoint["targetRef"]["name"]] if "targetRef" in endpoint else []
            for name in names:
                found.add(f"{name}.{base}", rotated=1)
                found.add(_swap_case(f"{name}.{base}"), ["A"], rotated=0)
                found.add(f"x.{name}.{base}", ["A"], rotated=0)
            found.add(f"_http._tcp.{names[0]}.{base}", ["SRV"], rotated=1)
            if ":" in endpoint["addresses"][0]:
                full = ipaddress.ip_address(endpoint["addresses"][0]).exploded
                found.add(f"{_dashed(full)}.{base}", ["AAAA"], rotated=0)
                found.add(f"{names[0]}0.{base}", ["AAAA", "A"], rotated=0)
        found.add(f"10-244-99-99.{base}", ["A"], rotated=1)


def _pods(found, zone):
    addresses = sorted(
        {address for _, _, addresses, _, _ in PODS for address in addresses} | {"10.244.99.1", "fd00::99"}
    )
    odd = [
        "10-0-0",
        "10-0-0-0-1",
        "256-0-0-1",
        "1-2-3-4x",
        "01-2-3-4",
        "1--2-3",
        "-1-2-3",
        "1-2-3-",
        "10.0.0.1",
        "--1",
        "--",
        "-",
        "fd00--1--2",
        "--ffff-a00-1",
        "0-0-0-0-0-ffff-a00-1",
        "g--1",
        "1-2-3-4-5-6-7-8",
        "1-2-3-4-5-6-7-8-9",
        "--1-2-3",
        "fd00-10-244--11-2",
        "FD00--A",
        "nobody",
        "pod-one",
        "client",
        "127-0-0-1",
        "0-0-0-0",
        "255-255-255-255",
        "00000--1",
        "1-2-3-4-5-6-7--",
        "1-2-3-4-5-6-7-1-2-3-4",
    ]
    for space in ("shop", "team-a", "empty", "leaving", "nobody", "pod", "10-0-0-1"):
        for name in [*map(_dashed, addresses), *odd]:
            in_shop = space == "shop"
            found.add(f"{name}.{space}.pod.{zone}", ["A", "AAAA"], rotated=2 if in_shop else 0)
            if in_shop:
                found.add(_swap_case(f"{name}.{space}.pod.{zone}"), ["A"], rotated=0)
                found.add(f"x.{name}.{space}.pod.{zone}", ["A"], rotated=1)
                found.add(f"_http._tcp.{name}.{space}.pod.{zone}", ["SRV"], rotated=0)
                found.add(f"{name}.{zone}", ["A"], rotated=0)
    found.add(f"a.b.c.10-0-0-1.shop.pod.{zone}", ["A", "SRV"])
    found.add(f"db-example-org.host-names.shop.svc.{zone}", rotated=1)


def _zonal(found, zone):
    for service in ("zonal.shop", "web.shop", "ext-web.shop", "nobody.shop", "one.shop"):
        for prefix in (
            "zone-a.pin",
            "zone-b.pin",
            "ZONE-A.Pin",
            "zone-x.pin",
            "dotted.zone.c.pin",
            "zone-a.prefer",
            "zone-x.prefer",
            "zone-a.nearest",
            "pin",
            "prefer",
            "zone-a",
            "",
        ):
            name = f"{prefix}._zone.{service}.svc.{zone}".lstrip(".")
            found.add(name, [*MAIN_TYPES, "TXT"], rotated=1)
        found.add(f"_http._tcp.zone-a.pin._zone.{service}.svc.{zone}", ["SRV"], rotated=0)
        found.add(f"zone-a.pin._zone.{service}.pod.{zone}", ["A"], rotated=0)


def _external(found, zone):
    """The same Services by their external addresses."""
    for name in (zone, f"dns.{zone}", f"ns1.dns.{zone}"):
        found.add_all_types(name)
        found.add(_swap_case(name), ["A", "NS", "SOA"])
    for name in (
        f"nobody.dns.{zone}",
        f"ns.dns.{zone}",
        f"svc.{zone}",
        f"web.shop.svc.{zone}",
        f"dns-version.{zone}",
        f"x.ns1.dns.{zone}",
        f"hostmaster.dns.{zone}",
        f"10-0-0-1.shop.pod.{zone}",
    ):
        found.add(name, [*MAIN_TYPES, "SOA", "TXT"])
    for space in ("shop", "team-a", "empty", "leaving", "nobody"):
        found.add(f"{space}.{zone}", [*MAIN_TYPES, "NS", "SOA", "TXT"])
        found.add(f"nobody.{space}.{zone}", [*MAIN_TYPES, "SOA", "TXT"])
    for item in SERVICES:
        meta, spec = item["metadata"], item["spec"]
        if meta["name"] in (SILENT_SERVICE, "host-names") or meta["name"].startswith("chain-"):
            continue
        base = f"{meta['name']}.{meta['namespace']}.{zone}"
        found.add(base, rotated=2)
        if "externalIPs" not in spec and spec.get("type") != "LoadBalancer" and spec.get("clusterIP") != "None":
            continue
        found.add(_swap_case(base), [*MAIN_TYPES, "CNAME", "SOA"])
        ports_of_slices = [
            port
            for slice in SLICES
            for port in slice["ports"] or ()
            if "port" in port and slice["metadata"]["labels"]["kubernetes.io/service-name"] == meta["name"]
        ]
        for port in [*spec["ports"][:4], *ports_of_slices[:4]]:
            for prefix in (
                f"_{port['name'] or 'x'}._{port['protocol'].lower()}",
                f"{port['name'] or 'x'}.{port['protocol'].lower()}",
            ):
                found.add(f"{prefix}.{base}", rotated=1)
            found.add(f"_{port['protocol'].lower()}.{base}", ["A"], rotated=1)
        for prefix in ("nobody", "_nobody._tcp", "a.b.c", "_._tcp", "*"):
            found.add(f"{prefix}.{base}", ["A", "SRV"], rotated=1)
    for item in SLICES:
        service = item["metadata"]["labels"]["kubernetes.io/service-name"]
        if item["addressType"] == "FQDN" or not service:
            continue
        for endpoint in item["endpoints"][:3]:
            for name in [
                _dashed(endpoint["addresses"][0]),
                *([endpoint["hostname"]] if "hostname" in endpoint else []),
            ]:
                found.add(f"{name}.{service}.{item['metadata']['namespace']}.{zone}", ["A", "AAAA"], rotated=1)


def _imports(found, zone):
    """Services of other clusters: in a zone that is not multicluster there are none."""
    clusters = ("cluster-a", "cluster-b", "cluster-c", "CLUSTER-A")
    for item in IMPORTS:
        base = _base(item, zone)
        found.add(base, [*MAIN_TYPES, "CNAME", "TXT"], rotated=4)
        found.add(_swap_case(base), [*MAIN_TYPES], rotated=0)
        for prefix in (
            "_http._tcp",
            "_http.tcp",
            "http._tcp",
            "http.tcp",
            "_HTTP._TCP",
            "_dns._udp",
            "_nobody._tcp",
            "_tcp",
            "_http",
            "nobody",
            "a.b.c",
            "_._tcp",
            "_._",
            "cluster-a",
            "cluster-b",
        ):
            found.add(f"{prefix}.{base}", ["SRV", "A"], rotated=1)
    for item in IMPORTED_SLICES:
        base = f"{item['metadata']['labels']['multicluster.kubernetes.io/service-name']}.shop.svc.{zone}"
        for endpoint in item["endpoints"]:
            for name in [
                _dashed(endpoint["addresses"][0]),
                *([endpoint["hostname"]] if "hostname" in endpoint else []),
            ]:
                found.add(f"{name}.{base}", ["A"], rotated=1)
                for cluster in clusters:
                    found.add(f"{name}.{cluster}.{base}", rotated=1)
                    found.add(f"_http._tcp.{name}.{cluster}.{base}", ["SRV"], rotated=0)
                    found.add(f"x.{name}.{cluster}.{base}", ["A"], rotated=0)


def _search(found, zone):
    """What a pod's search list makes of names: full, short and missing ones."""
    names = [
        "www.example.org",
        "dual.example.org",
        "alias.example.org",
        "missing.example.org",
        "nodata.example.org",
        "servfail.example.org",
        "big.example.org",
        "web",
        "web.shop",
        "web.team-a",
        "web.shop.svc",
        f"web.shop.svc.{zone}",
        "db",
        "ext-out",
        "ext-out.shop",
        "nobody",
        "WwW.eXaMpLe.oRg",
        "*",
        "localhost",
        f"nobody.shop.svc.{zone}",
    ]
    for name in names:
        for list in (
            f"shop.svc.{zone}",
            f"svc.{zone}",
            zone,
            f"team-a.svc.{zone}",
            f"nobody.svc.{zone}",
            f"ShOp.SvC.{zone.upper()}",
        ):
            # Not SOA: where a name is absent, it ends CoreDNS's walk and not ours.
            found.add(f"{name}.{list}", ["A", "AAAA", "TXT"], rotated=0)


def _odd_names(found, zone):
    """Names that no object can have, some of them only just."""
    shop = labels_of(f"shop.svc.{zone}")
    for label in (
        b"web.shop",
        b"web\\",
        b"web\0",
        b"\0",
        b" web",
        b"web ",
        b"w eb",
        b"\xff\xfe",
        "wéb".encode(),
        b"web/",
        b"a/b",
        b"//",
        b'"web"',
        b"web;",
        b"(web)",
        b"@",
        b"$web",
        b"%2e",
        b"web\n",
        b"\x7f",
        b"{web}",
        b"web_",
        b"_web",
        b"-",
        b"--",
        b"__",
        b"_",
        b"*",
        b"web*",
        b"9" * 63,
        b"a" * 63,
        LONG_NAME.encode(),
        LONG_NAME.upper().encode(),
        LONG_NAME[:-1].encode(),
        b".",
        b"..",
        b"\\046",
        b"web" * 21,
        b"\xc3\x9c" * 31,
        b"[fd00::1]",
        b"10.0.0.1",
        b"1-2-3-4",
        b"K",
        "\u212a".encode(),
    ):
        found.add((label, *shop), ["A", "SRV"], rotated=1)
        found.add((label, b"web", *shop), ["A"], rotated=0)
        found.add((label, b"_tcp", b"web", *shop), ["SRV"], rotated=0)
        found.add((b"_http", label, b"web", *shop), ["SRV"], rotated=0)
        found.add((b"web", label, b"svc", *labels_of(zone)), ["A"], rotated=0)
        found.add((label, *labels_of(zone)), ["A"], rotated=0)
        found.add((label, b"shop", b"pod", *labels_of(zone)), ["A"], rotated=0)
    # As long as names may be: 255 octets with the root label.
    filled = labels_of(zone)
    room = 255 - 1 - sum(len(label) + 1 for label in filled)
    while room > 1:
        length = min(63, room - 1)
        length -= room - 1 - length == 1  # one octet cannot hold a label
        filled = (b"f" * length, *filled)
        room -= length + 1
    found.add(filled, [*MAIN_TYPES, "SOA", "TXT"])
    found.add(tuple([b"a"] * 100) + labels_of(zone), ["A", "AAAA"])
    found.add((b"web", b"", b"")[:1] + shop, ["A"])
    # Not our zone, though it ends like it.
    for name in (f"x{zone}", f"web.shop.svc.x{zone}", "local", "web.shop.svc.local", zone.split(".")[0], f"{zone}.org"):
        found.add(name, ["A"], rotated=1)
    found.add((zone.encode(),), ["A"], rotated=0)
    found.add((b"web", b"shop", b"svc." + zone.split(".")[0].encode(), *labels_of(zone)[1:]), ["A"], rotated=0)
    # Guesses by a drunk typist, the same ones each time.
    chance = random.Random(20250101)
    for item in SERVICES:
        if item["metadata"]["name"] == SILENT_SERVICE:
            continue
        base = list(labels_of(_base(item, zone)))
        for _ in range(2):
            labels = list(base)
            place = chance.randrange(len(labels))
            action = chance.randrange(4)
            if action == 0:
                labels.pop(place)
            elif action == 1:
                labels.insert(place, chance.choice(base))
            elif action == 2:
                label = bytearray(labels[place])
                label[chance.randrange(len(label))] = chance.randrange(256)
                labels[place] = bytes(label)
            else:
                other = chance.randrange(len(labels))
                labels[place], labels[other] = labels[other], labels[place]
            found.add(tuple(labels), ["A"], rotated=1)


def _reverse(found):
    addresses = set()
    for item in SERVICES:
        addresses.update(item["spec"].get("clusterIPs") or [])
        addresses.update(item["spec"].get("externalIPs") or [])
    for item in SLICES:
        for endpoint in item["endpoints"][:ENDPOINTS_MAX] if item["addressType"] != "FQDN" else ():
            addresses.update(endpoint["addresses"])
    for _, _, pod_addresses, _, _ in PODS:
        addresses.update(pod_addresses)
    addresses |= {
        "10.244.99.99",
        "192.0.2.1",
        "0.0.0.0",
        "255.255.255.255",
        "fd00::dead",
        "::",
        "203.0.113.6",
        "203.0.113.7",
        "2001:db8::6",
    }
    addresses.remove(SILENT_ADDRESS)
    for number, address in enumerate(sorted(addresses)):
        name = ipaddress.ip_address(address).reverse_pointer
        found.add(name, ["PTR"], rotated=2 if number % 3 == 0 else 0)
        found.add(_swap_case(name), ["PTR"], rotated=0)
        if number % 5 == 0:
            found.add(f"x.{name}", ["PTR"], rotated=1)
            found.add(f"1.{name}", ["PTR"], rotated=0)
        if number % 7 == 0:
            labels = labels_of(name)
            for drop in range(1, len(labels) - 1, 1 if len(labels) < 8 else 5):
                found.add(labels[drop:], ["PTR", "A"], rotated=1)
    for name in (
        "1.1.096.10.in-addr.arpa",
        "256.1.96.10.in-addr.arpa",
        "-1.1.96.10.in-addr.arpa",
        "a.1.96.10.in-addr.arpa",
        "in-addr.arpa",
        "ip6.arpa",
        "arpa",
        "10.in-addr.arpa",
        "g.1.0.0.ip6.arpa",
        "10.0.96.10.in-addr.arpa.cluster.local",
        "dns-version.in-addr.arpa",
        "dns-version.ip6.arpa",
        "ns.dns.in-addr.arpa",
        "ns.dns.ip6.arpa",
        "svc.in-addr.arpa",
        "shop.svc.in-addr.arpa",
        "nobody.in-addr.arpa",
        "web.shop.svc.in-addr.arpa",
        "10-0-0-1.shop.pod.in-addr.arpa",
        "1/1.1.96.10.in-addr.arpa",
        "96.10.in-addr.arpa",
        "11.in-addr.arpa",
    ):
        found.add_all_types(name)


def _manners(found, zone):
    """Every way to ask, for a few names of each kind."""
    shop = f"shop.svc.{zone}"
    for name, type in (
        (f"web.{shop}", "A"),
        (f"web.{shop}", "AAAA"),
        (f"nobody.{shop}", "A"),
        (f"hundred.{shop}", "A"),
        (f"hundred.{shop}", "SRV"),
        (f"_http._tcp.hundred.{shop}", "SRV"),
        (f"three.{shop}", "SRV"),
        (f"many-ports.{shop}", "SRV"),
        (zone, "SOA"),
        (zone, "NS"),
        (f"ext-out.{shop}", "A"),
        (f"ext-out-big.{shop}", "A"),
        (f"ext-web.{shop}", "A"),
        (f"dns-version.{zone}", "TXT"),
        (shop, "A"),
        ("1.1.96.10.in-addr.arpa", "PTR"),
        ("www.example.org", "A"),
        ("missing.example.org", "A"),
        ("big.example.org", "TXT"),
        ("big.example.org", "A"),
        (zone, "AXFR"),
        (zone, "IXFR"),
        (f"web.{shop}", "AXFR"),
        (f"web.{shop}", "ANY"),
        (zone, "ANY"),
    ):
        found.add_all_manners(name, type)
        for manner in (CHAOS, HESIOD_NO_EDNS, ANY_CLASS):
            found.add(name, [type], manner, rotated=0)


def _outside(found):
    for name in ("www", "dual", "alias", "missing", "nodata", "servfail", "big", "back", "WwW"):
        found.add(f"{name}.example.org", ["A", "AAAA", "TXT", "CNAME"], rotated=0)
    for name in (".", "org", "localhost", "version.bind", "id.server"):
        found.add(name, ["A", "NS", "TXT", "SOA"], rotated=0)
