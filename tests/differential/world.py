"""What stands around the two servers: the upstream that both forward to."""

from support.upstream import Reply, Upstream, address, nxdomain

WWW = address("192.0.2.80")
# More than fits a datagram without EDNS, and more than fits 1,232 octets.
BIG_ADDRESSES = [f"192.0.2.{number}" for number in range(1, 120)]
BIG = Reply([("@", "A", 60, address) for address in BIG_ADDRESSES])


def _by_type(**replies):
    """NODATA for the types that are not named."""
    nodata = Reply(authority=nxdomain().authority)
    return lambda query: replies.get(query.type, nodata)


def _big(query):
    if query.type != "A":
        return Reply(authority=nxdomain().authority)
    return Reply(truncated=True) if query.transport == "udp" else BIG


def upstream():
    """Names below example.org. Everything else is NXDOMAIN."""
    alias = [("@", "CNAME", 60, "www.example.org.")]
    return Upstream(
        {
            "www.example.org.": _by_type(A=WWW, TXT=Reply([("@", "TXT", 60, "hello")])),
            "dual.example.org.": _by_type(A=address("192.0.2.81"), AAAA=address("2001:db8::81")),
            "alias.example.org.": _by_type(
                A=Reply([*alias, ("www.example.org.", "A", 60, "192.0.2.80")]),
                AAAA=Reply(alias),
                CNAME=Reply(alias),
                TXT=Reply(alias),
            ),
            "missing.example.org.": nxdomain(),
            "nodata.example.org.": _by_type(),
            "servfail.example.org.": Reply(rcode="SERVFAIL"),
            "big.example.org.": _big,
            # An upstream does not know the cluster's names; whether the alias is followed there is the question.
            "back.example.org.": _by_type(
                A=Reply([("@", "CNAME", 60, "web.shop.svc.cluster.local.")]),
                CNAME=Reply([("@", "CNAME", 60, "web.shop.svc.cluster.local.")]),
            ),
        },
        default=nxdomain(zone="."),
    )
