// What packets are owed that are not plain questions for a name that is served.

#include <doctest/doctest.h>

#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

std::string rcode_of(ClusterFixture& cluster, std::vector<std::uint8_t> packet) {
  const auto reply = cluster.reply(packet);
  if (reply.empty()) return "silence";
  const auto header = dns::read_header(reply);
  // BADVERS needs the upper bits in OPT, which is the last record.
  const auto low = static_cast<unsigned>(header.rcode());
  const unsigned high = header.additional_count > 0 ? reply[reply.size() - 6] : 0;
  return to_string(static_cast<dns::Rcode>(high << 4 | low));
}

TEST_CASE("every packet has one outcome: an answer, an error that RFCs name, or silence") {
  ClusterFixture cluster;
  cluster.sync();
  const auto query = [](auto change) {
    auto packet = query_packet("cluster.local", RRType::a, {.edns_octets = 1232});
    change(packet);
    return packet;
  };
  CHECK(rcode_of(cluster, query([](auto&) {})) == "NOERROR");
  CHECK(rcode_of(cluster, {}) == "silence");
  CHECK(rcode_of(cluster, query([](auto& p) { p.resize(11); })) == "silence");
  CHECK(rcode_of(cluster, query([](auto& p) { p[2] |= 0x80; })) == "silence");
  CHECK(rcode_of(cluster, query([](auto& p) { p[2] |= 0x28; })) == "NOTIMP");
  CHECK(rcode_of(cluster, query([](auto& p) { p.resize(12); })) == "FORMERR");
  CHECK(rcode_of(cluster, query([](auto& p) { p[5] = 2; })) == "FORMERR");
  CHECK(rcode_of(cluster, query([](auto& p) { p[5] = 0; })) == "FORMERR");
  CHECK(rcode_of(cluster, query([](auto& p) { p.push_back(0); })) == "FORMERR");
  CHECK(rcode_of(cluster, query([](auto& p) { p[p.size() - 5] = 1; })) == "BADVERS");
}

TEST_CASE("a class other than IN and a zone that nobody serves are REFUSED") {
  ClusterFixture cluster;
  cluster.sync();
  const auto chaos = query_packet("version.bind", RRType::txt, {.qclass = dns::RRClass::ch});
  CHECK(rcode_of(cluster, chaos) == "REFUSED");
  cluster.plan->routers[0] = {};
  CHECK(rcode_of(cluster, query_packet("cluster.local", RRType::a)) == "REFUSED");
}

TEST_CASE("id, question case, RD and CD come back as they were sent") {
  ClusterFixture cluster;
  cluster.sync();
  const auto packet =
      query_packet("CLUSTER.local", RRType::a, {.id = 0xbeef, .flags = dns::Header::rd | dns::Header::cd});
  const auto reply = cluster.reply(packet);
  const auto header = dns::read_header(reply);
  CHECK(header.id == 0xbeef);
  CHECK(header.has(dns::Header::qr));
  CHECK(header.has(dns::Header::rd));
  CHECK(header.has(dns::Header::cd));
  CHECK(name_text(reply, dns::header_octets) == "CLUSTER.local.");
  CHECK_FALSE(
      dns::read_header(cluster.reply(query_packet("cluster.local", RRType::a, {.flags = 0}))).has(dns::Header::rd));
}

TEST_CASE("the DO bit comes back as it was sent (RFC 3225 §3)") {
  ClusterFixture cluster;
  cluster.sync();
  for (const bool dnssec_ok : {true, false}) {
    const auto reply =
        cluster.reply(query_packet("cluster.local", RRType::soa, {.edns_octets = 1232, .dnssec_ok = dnssec_ok}));
    // The OPT is the last record and empty here: flags, then RDLENGTH.
    CHECK(((reply.at(reply.size() - 4) & 0x80) != 0) == dnssec_ok);
  }
}

TEST_CASE("OPT is sent to those who sent one, with the reason of a negative answer in words") {
  ClusterFixture cluster;
  cluster.cluster->store().upsert(k8s::Namespace{"shop"});
  cluster.sync();
  const auto text_of = [](const std::vector<std::uint8_t>& reply) { return std::string(reply.begin(), reply.end()); };
  const auto with = cluster.reply(query_packet("web.shop.svc.cluster.local", RRType::a, {.edns_octets = 1232}));
  CHECK(text_of(with).contains("no such Service"));
  const auto elsewhere = cluster.reply(query_packet("web.other.svc.cluster.local", RRType::a, {.edns_octets = 1232}));
  CHECK(text_of(elsewhere).contains("no such Namespace"));
  const auto without = cluster.reply(query_packet("web.shop.svc.cluster.local", RRType::a));
  CHECK(dns::read_header(without).additional_count == 0);
}

}  // namespace
}  // namespace fairlead::test
