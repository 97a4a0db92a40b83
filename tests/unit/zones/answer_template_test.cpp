#include "zones/answer_template.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::zones;
using dns::Section;
using wire::ip;
using wire::labels;
using wire::Octets;
using wire::Packet;

namespace {

struct Reply {
  explicit Reply(std::string_view qname, dns::RRType type, std::size_t limit = 65535, bool edns = false)
      : question(Packet().question(qname, type).octets()), buffer(65535), writer(buffer, limit) {
    writer.begin({.id = 1}, question, edns);
  }
  wire::Message read() { return wire::read_strictly(writer.finish()); }

  Octets question;
  Octets buffer;
  dns::MessageWriter writer;
};

NameEntry::Pointer make_addresses(int v4_count, int v6_count = 0) {
  NameContent content;
  for (int i = v4_count - 1; i >= 0; --i) {
    content.addresses.push_back(ip("10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256)));
  }
  for (int i = 0; i < v6_count; ++i) content.addresses.push_back(ip("2001:db8::" + std::to_string(i)));
  return NameEntry::make(labels("web.default.svc"), content, 5);
}

// A headless Service with `count` endpoints "e0", "e1", ... of one address each, a port each of `ports`.
NameEntry::Pointer make_headless(int count, std::vector<std::uint16_t> ports = {80}, bool dual_stack = false) {
  NameContent content;
  content.srv_suffix = labels("web.default.svc");
  content.srv_weight = 25;
  for (int i = 0; i < count; ++i) {
    content.targets.push_back({.label = "e" + std::to_string(i),
                               .addresses = {ip("10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256))}});
    if (dual_stack) content.targets.back().addresses.push_back(ip("2001:db8::" + std::to_string(i)));
  }
  for (const auto port : ports) {
    for (int i = 0; i < count; ++i) content.srvs.push_back({.port = port, .target = static_cast<std::uint16_t>(i)});
  }
  return NameEntry::make(labels("web.default.svc"), content, 30);
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("addresses are answered at the question's name, one family at a time") {
  const auto entry = make_addresses(2, 1);
  Reply a("Web.default.svc.cluster.LOCAL", dns::RRType::a);
  CHECK(copy_addresses(a.writer, *entry, dns::RRType::a, {}) == Copied::whole);
  CHECK(a.read().texts(Section::answer) ==
        Texts{"Web.default.svc.cluster.LOCAL. 5 A 10.0.0.0", "Web.default.svc.cluster.LOCAL. 5 A 10.0.0.1"});
  Reply aaaa("web.default.svc.cluster.local", dns::RRType::aaaa);
  CHECK(copy_addresses(aaaa.writer, *entry, dns::RRType::aaaa, {}) == Copied::whole);
  CHECK(aaaa.read().texts(Section::answer) == Texts{"web.default.svc.cluster.local. 5 AAAA 2001:db8::"});
  Reply none("web", dns::RRType::aaaa);
  CHECK(copy_addresses(none.writer, *make_addresses(1), dns::RRType::aaaa, {}) == Copied::whole);
  CHECK(none.read().records.empty());
}

TEST_CASE("rotation begins at every address in turn and leaves none out") {
  for (const int count : {1, 2, 3, 7}) {
    const auto entry = make_addresses(count, count);
    std::set<std::string> firsts;
    for (std::uint32_t rotation = 0; rotation < static_cast<std::uint32_t>(count); ++rotation) {
      for (const auto type : {dns::RRType::a, dns::RRType::aaaa}) {
        Reply reply("web", type);
        // Far from zero, where a counter that only rises ends up.
        REQUIRE(copy_addresses(reply.writer, *entry, type,
                               {.rotation = 4294967295u - 4294967295u % static_cast<unsigned>(count) -
                                            7u * static_cast<unsigned>(count) + rotation}) == Copied::whole);
        const auto texts = reply.read().texts(Section::answer);
        CHECK(std::set<std::string>(texts.begin(), texts.end()).size() == static_cast<std::size_t>(count));
        if (type == dns::RRType::a) firsts.insert(texts.front());
      }
    }
    CHECK(firsts.size() == static_cast<std::size_t>(count));
  }
}

TEST_CASE("an answer that does not fit is cut between records and says so, rotated all the same") {
  const auto entry = make_addresses(100);
  std::map<std::string, int> seen;
  for (std::uint32_t rotation = 0; rotation < 100; ++rotation) {
    for (const bool edns : {false, true}) {
      Reply reply("web.default.svc.cluster.local", dns::RRType::a, 512, edns);
      CHECK(copy_addresses(reply.writer, *entry, dns::RRType::a, {.rotation = rotation}) == Copied::truncated);
      const auto message = reply.read();
      const auto texts = message.texts(Section::answer);
      CHECK(texts.size() == (512u - 12 - reply.question.size() - (edns ? 11 : 0)) / 16);
      CHECK(texts.front().ends_with(" 10.0.0." + std::to_string(rotation)));
      for (const auto& text : texts) ++seen[text];
    }
  }
  CHECK(seen.size() == 100);
}

TEST_CASE("exactly as many records as there is room for are not truncated") {
  Reply measure("web", dns::RRType::a, 512);
  const int fitting = static_cast<int>(measure.writer.room() / 16);
  Reply whole("web", dns::RRType::a, 512);
  CHECK(copy_addresses(whole.writer, *make_addresses(fitting), dns::RRType::a, {}) == Copied::whole);
  Reply cut("web", dns::RRType::a, 512);
  CHECK(copy_addresses(cut.writer, *make_addresses(fitting + 1), dns::RRType::a, {}) == Copied::truncated);
}

TEST_CASE("behind an alias the records are owned by its target") {
  NameContent content;
  content.cname = wire::name("web.default.svc.cluster.local");
  const auto alias = NameEntry::make(labels("ext.default.svc"), content, 5);
  Reply reply("Ext.default.svc.cluster.local", dns::RRType::a);
  REQUIRE(copy_cname(reply.writer, *alias, {}) == Copied::whole);
  // The target begins behind the question and the CNAME's fixed fields.
  const auto target = static_cast<std::uint16_t>(0xc000 | (12 + reply.question.size() + 12));
  REQUIRE(copy_addresses(reply.writer, *make_addresses(2), dns::RRType::a, {.owner_pointer = target}) == Copied::whole);
  CHECK(reply.read().texts(Section::answer) ==
        Texts{"Ext.default.svc.cluster.local. 5 CNAME web.default.svc.cluster.local.",
              "web.default.svc.cluster.local. 5 A 10.0.0.0", "web.default.svc.cluster.local. 5 A 10.0.0.1"});
}

TEST_CASE("PTR records are answered whole or cut") {
  NameContent content;
  for (int i = 0; i < 30; ++i) content.ptrs.push_back(labels("e" + std::to_string(i)));
  const auto entry = NameEntry::make(labels("1.0.0.10") + '\7', content, 5);
  const auto zone = wire::name("svc.cluster.local");
  Reply whole("1.0.0.10.in-addr.arpa", dns::RRType::ptr);
  CHECK(copy_ptrs(whole.writer, *entry, zone, {}) == Copied::whole);
  const auto texts = whole.read().texts(Section::answer);
  REQUIRE(texts.size() == 30);
  CHECK(texts[29] == "1.0.0.10.in-addr.arpa. 5 PTR e29.svc.cluster.local.");
  Reply cut("1.0.0.10.in-addr.arpa", dns::RRType::ptr, 512);
  CHECK(copy_ptrs(cut.writer, *entry, zone, {}) == Copied::truncated);
  CHECK(cut.read().records.size() == 13);
  // An entry has either; the other copies nothing.
  Reply none("1.0.0.10.in-addr.arpa", dns::RRType::cname);
  CHECK(copy_cname(none.writer, *entry, {}) == Copied::whole);
  CHECK(none.read().records.empty());
}

TEST_CASE("a PTR target that is the address with dashes is put together from the key") {
  NameContent content;
  content.ptrs = {labels("10-244-0-7.db.default")};
  const auto entry = NameEntry::make(labels("7.0.244.10") + '\7', content, 5);
  const auto zone = wire::name("svc.cluster.local");
  Reply reply("7.0.244.10.in-addr.arpa", dns::RRType::ptr);
  CHECK(copy_ptrs(reply.writer, *entry, zone, {}) == Copied::whole);
  CHECK(reply.read().texts(Section::answer) ==
        Texts{"7.0.244.10.in-addr.arpa. 5 PTR 10-244-0-7.db.default.svc.cluster.local."});
}

TEST_CASE("PTR targets that a zone makes too long for a name are left out") {
  NameContent content;
  content.ptrs = {labels("a.web.default"), labels("b")};
  const auto entry = NameEntry::make("\0011\7", content, 5);
  std::string long_zone;
  for (int i = 0; i < 126; ++i) long_zone += "z.";
  Reply reply("1.in-addr.arpa", dns::RRType::ptr);
  CHECK(copy_ptrs(reply.writer, *entry, wire::name(long_zone), {}) == Copied::whole);
  CHECK(reply.read().texts(Section::answer) == Texts{"1.in-addr.arpa. 5 PTR b." + long_zone});
}

TEST_CASE("SRV targets end in the client's spelling of the zone, and their glue points to them") {
  Reply reply("_http._tcp.web.default.svc.CLUSTER.local", dns::RRType::srv);
  CHECK(copy_srvs(reply.writer, *make_headless(2, {80}, true), wire::name("CLUSTER.local"), {}) == Copied::whole);
  const auto message = reply.read();
  CHECK(message.texts(Section::answer) ==
        Texts{"_http._tcp.web.default.svc.CLUSTER.local. 30 SRV 0 25 80 e0.web.default.svc.CLUSTER.local.",
              "_http._tcp.web.default.svc.CLUSTER.local. 30 SRV 0 25 80 e1.web.default.svc.CLUSTER.local."});
  CHECK(message.texts(Section::additional) ==
        Texts{"e0.web.default.svc.CLUSTER.local. 30 A 10.0.0.0",
              "e0.web.default.svc.CLUSTER.local. 30 AAAA 2001:db8::", "e1.web.default.svc.CLUSTER.local. 30 A 10.0.0.1",
              "e1.web.default.svc.CLUSTER.local. 30 AAAA 2001:db8::1"});
  for (const auto& record : message.records) CHECK(record.owner_octets == 2);
}

TEST_CASE("a ClusterIP Service's SRV leads to the Service itself") {
  NameContent content;
  content.srv_suffix = labels("web.default.svc");
  content.srv_weight = 50;
  content.targets = {{.label = "", .addresses = {ip("10.96.0.7")}}};
  content.srvs = {{.port = 80, .target = 0}, {.port = 443, .target = 0}};
  Reply reply("web.default.svc.cluster.local", dns::RRType::srv);
  CHECK(copy_srvs(reply.writer, *NameEntry::make(labels("web.default.svc"), content, 5), wire::name("cluster.local"),
                  {.rotation = 1}) == Copied::whole);
  const auto message = reply.read();
  CHECK(message.texts(Section::answer) ==
        Texts{"web.default.svc.cluster.local. 5 SRV 0 50 443 web.default.svc.cluster.local.",
              "web.default.svc.cluster.local. 5 SRV 0 50 80 web.default.svc.cluster.local."});
  // One record for each distinct target and address, however many ports lead there.
  CHECK(message.texts(Section::additional) == Texts{"web.default.svc.cluster.local. 5 A 10.96.0.7"});
}

TEST_CASE("every rotation of SRV records holds all of them, with right glue") {
  const auto entry = make_headless(5, {80, 443});
  std::set<std::string> all;
  for (std::uint32_t rotation = 0; rotation < 10; ++rotation) {
    Reply reply("web", dns::RRType::srv);
    CHECK(copy_srvs(reply.writer, *entry, wire::name("cluster.local"), {.rotation = 4294967280u + rotation}) ==
          Copied::whole);
    const auto message = reply.read();
    const auto answers = message.texts(Section::answer);
    const std::set<std::string> now(answers.begin(), answers.end());
    CHECK(now.size() == 10);
    if (all.empty()) all = now;
    CHECK(now == all);
    CHECK(message.texts(Section::additional).size() == 5);
  }
}

TEST_CASE("glue of a target that no SRV record names has an owner of its own") {
  NameContent content;
  content.srv_suffix = labels("web.default.svc");
  content.targets = {{.label = "named", .addresses = {ip("10.0.0.1")}},
                     {.label = "unnamed", .addresses = {ip("10.0.0.2")}}};
  content.srvs = {{.port = 80, .target = 0}};
  Reply reply("web", dns::RRType::srv);
  CHECK(copy_srvs(reply.writer, *NameEntry::make("\3web", content, 5), wire::name("cluster.local"), {}) ==
        Copied::whole);
  CHECK(reply.read().texts(Section::additional) == Texts{"named.web.default.svc.cluster.local. 5 A 10.0.0.1",
                                                         "unnamed.web.default.svc.cluster.local. 5 A 10.0.0.2"});
}

TEST_CASE("missing glue does not truncate, missing SRV records do (RFC 2181 §9)") {
  Reply without_srv("_http._tcp.web.default.svc.cluster.local", dns::RRType::srv, 512);
  CHECK(copy_srvs(without_srv.writer, *make_headless(9), wire::name("cluster.local"), {}) == Copied::truncated);
  CHECK(without_srv.read().texts(Section::answer).size() == 8);
  Reply without_glue("_http._tcp.web.default.svc.cluster.local", dns::RRType::srv, 512);
  CHECK(copy_srvs(without_glue.writer, *make_headless(8), wire::name("cluster.local"), {}) == Copied::whole);
  const auto message = without_glue.read();
  CHECK(message.texts(Section::answer).size() == 8);
  CHECK(message.texts(Section::additional).size() < 8);
}

TEST_CASE("1,000 targets fill 64 KiB: all SRV records, glue with right owners beyond what pointers reach") {
  const auto entry = make_headless(1000);
  Reply reply("_http._tcp.web.default.svc.cluster.local", dns::RRType::srv);
  CHECK(copy_srvs(reply.writer, *entry, wire::name("cluster.local"), {.rotation = 500}) == Copied::whole);
  const auto message = reply.read();
  CHECK(message.texts(Section::answer).size() == 1000);
  const auto glue = message.texts(Section::additional);
  CHECK(glue.size() == 628);
  CHECK(reply.writer.size() > 65500);
  // That of the records in front, in their order.
  for (std::size_t i = 0; i < glue.size(); ++i) {
    const std::size_t target = (500 + i) % 1000;
    CHECK(glue[i] == "e" + std::to_string(target) + ".web.default.svc.cluster.local. 30 A 10.0." +
                         std::to_string(target / 256) + '.' + std::to_string(target % 256));
  }
  // Pointers reach the first ones; the others have their label and a pointer.
  for (const auto& record : message.records) CHECK(record.owner_octets <= 2 + 5);
  // Twice as many do not fit into any message.
  Reply larger("_http._tcp.web.default.svc.cluster.local", dns::RRType::srv);
  CHECK(copy_srvs(larger.writer, *make_headless(2000), wire::name("cluster.local"), {}) == Copied::truncated);
  CHECK(larger.read().texts(Section::answer).size() > 1000);
}

TEST_CASE("glue of more targets than are remembered has right owners, wherever the records begin") {
  NameContent content;
  content.srv_suffix = "\1w";
  for (std::uint16_t i = 0; i < 1300; ++i) {
    content.targets.push_back({.label = "e" + std::to_string(i),
                               .addresses = {ip("10.0." + std::to_string(i / 256) + '.' + std::to_string(i % 256))}});
    content.srvs.push_back({.port = 80, .target = i});
  }
  const auto entry = NameEntry::make("\1w", content, 30);
  for (const std::uint32_t rotation : {0u, 900u, 1023u, 1024u, 1200u, 1299u}) {
    Reply reply("w.z", dns::RRType::srv);
    CHECK(copy_srvs(reply.writer, *entry, wire::name("z"), {.rotation = rotation}) == Copied::whole);
    const auto glue = reply.read().texts(Section::additional);
    CHECK(glue.size() > 1000);
    for (std::size_t i = 0; i < glue.size(); ++i) {
      const std::size_t target = (rotation + i) % 1300;
      CHECK(glue[i] == "e" + std::to_string(target) + ".w.z. 30 A 10.0." + std::to_string(target / 256) + '.' +
                           std::to_string(target % 256));
    }
  }
}

TEST_CASE("a target seen again beyond the reach of pointers keeps the place where it was first written") {
  // 60 targets and enough ports to leave 16 KiB behind.
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 1; port <= 8; ++port) ports.push_back(port);
  Reply reply("web", dns::RRType::srv);
  CHECK(copy_srvs(reply.writer, *make_headless(60, ports), wire::name("cluster.local"), {}) == Copied::whole);
  CHECK(reply.writer.size() > dns::pointer_offset_max);
  const auto message = reply.read();
  CHECK(message.texts(Section::additional).size() == 60);
  for (const auto& record : message.records) CHECK(record.owner_octets == 2);
}

TEST_CASE("a zone so long that the targets cannot exist leaves their records out") {
  std::string long_zone;
  for (int i = 0; i < 118; ++i) long_zone += "z.";
  Reply reply("web", dns::RRType::srv);
  CHECK(copy_srvs(reply.writer, *make_headless(3), wire::name(long_zone), {}) == Copied::whole);
  CHECK(reply.read().records.empty());
}
