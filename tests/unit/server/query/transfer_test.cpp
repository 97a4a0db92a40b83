// Zone transfers: objects, who asks, the messages that come.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "server/handlers/transfer_handler.hpp"
#include "server/query/limits.hpp"
#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;
using k8s::Protocol;
using server::Transport;
using Messages = std::vector<std::vector<std::uint8_t>>;

// A TCP client at `address` that takes what it is sent.
class Client final : public server::Origin {
 public:
  explicit Client(std::string address) : address_(std::move(address)) {}
  Transport transport() const override { return Transport::tcp; }
  bool is_ipv4() const override { return true; }
  std::string client_text() const override { return address_ + ":5353"; }
  base::IpAddress client_address() const override { return *base::IpAddress::parse(address_); }
  std::unique_ptr<server::ReplyTarget> keep() override { return nullptr; }
  bool stream(std::unique_ptr<server::ReplyStream> made) override {
    if (refuses_streams) return false;
    streamed = std::move(made);
    return true;
  }

  bool refuses_streams = false;
  std::unique_ptr<server::ReplyStream> streamed;

 private:
  std::string address_;
};

server::TransferOptions to(std::string_view zones, std::vector<std::string> clients) {
  server::TransferOptions options;
  for (std::size_t at = 0; at < zones.size();) {
    const std::size_t end = std::min(zones.find(' ', at), zones.size());
    options.zones.push_back(*dns::DomainName::parse(zones.substr(at, end - at)));
    at = end + 1;
  }
  for (auto& client : clients) {
    if (client == "*") {
      options.to_all = true;
    } else {
      options.to.push_back({std::move(client), 53});
    }
  }
  return options;
}

class TransferFixture : public ClusterFixture {
 public:
  explicit TransferFixture(std::vector<server::TransferOptions> transfers = {to(".", {"*"})},
                           server::KubernetesOptions options = default_options(),
                           const std::optional<server::K8sExternalOptions>& external = {})
      : ClusterFixture(options, false, external) {
    auto& handlers = plan->chains[0]->handlers;
    auto handler = std::make_unique<server::TransferHandler>(transfers, std::make_shared<server::TransferGate>());
    for (const auto& other : handlers) {
      if (auto* const zones = dynamic_cast<server::TransferableZones*>(other.get())) handler->add(*zones);
    }
    handlers.insert(handlers.begin(), std::move(handler));
  }

  /// Asks; a stream stays with the client.
  std::vector<std::uint8_t> answer(Client& client, std::span<const std::uint8_t> packet) {
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    const base::ReadSection section;
    const auto answered = server::answer(packet, client, plan, 0, buffer);
    REQUIRE(answered.outcome != server::Outcome::silence);
    return {answered.message.begin(), answered.message.end()};
  }

  /// Everything that the stream gives; the cluster publishes when it waits.
  Messages drain(server::ReplyStream& stream) {
    using Step = server::ReplyStream::Step;
    Messages messages;
    bool woken = false;
    stream.start([&] { woken = true; });
    while (true) {
      std::span<const std::uint8_t> message;
      switch (stream.advance(message)) {
        case Step::message: messages.emplace_back(message.begin(), message.end()); break;
        case Step::working: break;
        case Step::waiting:
          cluster->publish();
          REQUIRE(woken);
          break;
        case Step::end: return messages;
        case Step::broken: messages.emplace_back(); return messages;
      }
    }
  }

  /// The reply, or all lines of the transfer.
  Lines transfer(std::string_view zone, std::string address = "192.0.2.1", RRType type = RRType::axfr) {
    Client client(std::move(address));
    auto packet = query_packet(zone, type, {.edns_octets = 1232});
    const auto reply = answer(client, packet);
    if (client.streamed == nullptr) return with_reason(reply);
    Lines lines;
    for (const auto& message : drain(*client.streamed)) {
      const Lines more = message_lines(message);
      CHECK(more.at(0) == "NOERROR aa");
      lines.insert(lines.end(), more.begin() + 1, more.end());
    }
    return lines;
  }

  static Lines with_reason(std::span<const std::uint8_t> reply) {
    Lines lines = message_lines(reply);
    // The last octets of a reply with a reason are its text.
    std::string text;
    for (const auto octet : reply) text += static_cast<char>(octet);
    const std::size_t at = text.find_last_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ,'`");
    if (at != std::string::npos && at + 1 < text.size()) lines.push_back(text.substr(at + 1));
    return lines;
  }
};

// Without owners' common end and the SOAs around them.
Lines inner(Lines lines, const std::string& end = ".cluster.local.") {
  REQUIRE(lines.size() >= 2);
  CHECK(lines.front() == lines.back());
  lines.erase(lines.begin());
  lines.pop_back();
  for (auto& line : lines) {
    line = line.substr(sizeof("answer:"));
    for (std::size_t at = line.find(end); at != std::string::npos; at = line.find(end)) line.erase(at, end.size());
  }
  return lines;
}

// Of each SOA in the message.
std::vector<std::uint32_t> serials(std::span<const std::uint8_t> message) {
  std::vector<std::uint32_t> found;
  auto reader = dns::RecordReader::open(message);
  while (true) {
    const auto record = reader->next();
    REQUIRE(record.has_value());
    if (!*record) return found;
    if ((*record)->type != RRType::soa) continue;
    const auto behind = *dns::skip_name(message, *dns::skip_name(message, (*record)->rdata_offset));
    found.push_back(dns::read_u32(message.data() + behind));
  }
}

std::vector<std::uint8_t> ixfr(std::uint32_t serial, std::string_view zone = "cluster.local") {
  auto packet = query_packet(zone, RRType::ixfr);
  dns::write_u16(packet.data() + 8, 1);
  const std::vector<std::uint8_t> owner = {0xc0, 0x0c};
  std::vector<std::uint8_t> rdata = {0, 0};
  rdata.resize(22);
  dns::write_u32(rdata.data() + 2, serial);
  packet.insert(packet.end(), owner.begin(), owner.end());
  packet.resize(packet.size() + 10);
  dns::write_u16(packet.data() + packet.size() - 10, static_cast<std::uint16_t>(RRType::soa));
  dns::write_u16(packet.data() + packet.size() - 8, 1);
  dns::write_u16(packet.data() + packet.size() - 2, static_cast<std::uint16_t>(rdata.size()));
  packet.insert(packet.end(), rdata.begin(), rdata.end());
  return packet;
}

void fill(TransferFixture& fixture) {
  auto& store = fixture.cluster->store();
  store.upsert(k8s::Namespace{"shop"});
  store.upsert(k8s::Namespace{"kube-system"});
  store.upsert(service("shop", "web", {"10.96.0.1", "fd00::1"},
                       {{"http", Protocol::tcp, 80}, {"dns", Protocol::udp, 53}, {"dns-tcp", Protocol::tcp, 53}}));
  store.upsert(slice("shop", "web", {endpoint("10.244.0.9", "web-0")}, {{"http", Protocol::tcp, 8080}}));
  store.upsert(service("shop", "db", {}));
  store.upsert(slice("shop", "db", {endpoint("10.244.0.1", "db-0"), endpoint("10.244.0.2"), endpoint("fd00::2")},
                     {{"pg", Protocol::tcp, 5432}, {"", Protocol::tcp, 9}}));
  store.upsert(service("shop", "idle", {}));
  store.upsert(slice("shop", "idle", {endpoint("10.244.0.3", "", false)}));
  store.upsert(service("hidden", "web", {"10.96.0.3"}));
  store.upsert(external_name("shop", "out", "db.example.org"));
  fixture.sync();
}

}  // namespace

TEST_CASE("a zone is transferred as CoreDNS does: each kind of Service, and nothing else") {
  TransferFixture fixture;
  fill(fixture);
  const Lines lines = fixture.transfer("cluster.local");
  CHECK(lines.front() ==
        "answer: cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 5");
  CHECK(inner(lines) ==
        Lines{"cluster.local. 5 NS ns.dns", "ns.dns 5 A 10.96.0.10",  //
              "db.shop.svc 5 A 10.244.0.1", "db.shop.svc 5 A 10.244.0.2", "db.shop.svc 5 AAAA fd00::2",
              "db-0.db.shop.svc 5 A 10.244.0.1", "fd00--2.db.shop.svc 5 AAAA fd00::2",
              "10-244-0-2.db.shop.svc 5 A 10.244.0.2", "_pg._tcp.db.shop.svc 5 SRV 0 33 5432 10-244-0-2.db.shop.svc",
              "_pg._tcp.db.shop.svc 5 SRV 0 33 5432 db-0.db.shop.svc",
              "_pg._tcp.db.shop.svc 5 SRV 0 33 5432 fd00--2.db.shop.svc", "out.shop.svc 5 CNAME db.example.org.",
              "web.shop.svc 5 A 10.96.0.1", "web.shop.svc 5 AAAA fd00::1", "web.shop.svc 5 SRV 0 100 80 web.shop.svc",
              "web.shop.svc 5 SRV 0 100 53 web.shop.svc", "_dns._udp.web.shop.svc 5 SRV 0 100 53 web.shop.svc",
              "_http._tcp.web.shop.svc 5 SRV 0 100 80 web.shop.svc",
              "_dns-tcp._tcp.web.shop.svc 5 SRV 0 100 53 web.shop.svc"});
}

TEST_CASE("a Service without ports has no SRV record in a transfer either") {
  TransferFixture fixture;
  fixture.cluster->store().upsert(k8s::Namespace{"shop"});
  fixture.cluster->store().upsert(service("shop", "plain", {"10.96.0.1"}));
  fixture.cluster->store().upsert(service("shop", "bare", {}));
  fixture.cluster->store().upsert(slice("shop", "bare", {endpoint("10.244.0.1")}));
  fixture.sync();
  CHECK(inner(fixture.transfer("cluster.local")) ==
        Lines{"cluster.local. 5 NS ns.dns", "ns.dns 5 A 10.96.0.10", "bare.shop.svc 5 A 10.244.0.1",
              "10-244-0-1.bare.shop.svc 5 A 10.244.0.1", "plain.shop.svc 5 A 10.96.0.1"});
}

TEST_CASE("a reverse zone is transferred with its PTR records, and those of other zones are left out") {
  auto options = ClusterFixture::default_options();
  options.zones = {*dns::DomainName::parse("cluster.local"), *dns::DomainName::parse("96.10.in-addr.arpa"),
                   *dns::DomainName::parse("6.10.in-addr.arpa")};
  TransferFixture fixture({to(".", {"*"})}, options);
  fill(fixture);
  CHECK(inner(fixture.transfer("96.10.in-addr.arpa"), ".96.10.in-addr.arpa.") ==
        Lines{"96.10.in-addr.arpa. 5 NS ns.dns", "ns.dns 5 A 10.96.0.10", "1.0 5 PTR web.shop.svc.cluster.local."});
  // "96" ends in "6", but is another label.
  CHECK(inner(fixture.transfer("6.10.in-addr.arpa")).size() == 2);
}

TEST_CASE("nameservers that are Services come with them, others with addresses of their own") {
  auto options = ClusterFixture::store_options(ClusterFixture::default_options());
  options.local_addresses = {*base::IpAddress::parse("10.244.0.53")};
  TransferFixture fixture;
  TableCluster& cluster = *fixture.cluster;
  k8s::ApexNameservers apex;
  apex.nameservers.push_back({"\3DNS\4shop\3svc", {*base::IpAddress::parse("10.96.0.10")}});
  apex.nameservers.push_back({"\4gone\4shop\3svc", {*base::IpAddress::parse("10.96.0.11")}});
  cluster.store().upsert(k8s::Namespace{"shop"});
  cluster.store().upsert(service("shop", "dns", {"10.96.0.10"}));
  fixture.sync();
  cluster.table_.apex_nameservers.publish(std::make_unique<const k8s::ApexNameservers>(apex));
  CHECK(inner(fixture.transfer("cluster.local")) ==
        Lines{"cluster.local. 5 NS DNS.shop.svc", "cluster.local. 5 NS gone.shop.svc", "gone.shop.svc 5 A 10.96.0.11",
              "dns.shop.svc 5 A 10.96.0.10"});
}

TEST_CASE("an external zone is transferred with its addresses, aliases and ports, each under its own serial") {
  server::K8sExternalOptions external;
  external.zones = {*dns::DomainName::parse("example.org"), *dns::DomainName::parse("0.192.in-addr.arpa")};
  external.headless = true;
  TransferFixture fixture({to(".", {"*"})}, ClusterFixture::default_options(), external);
  auto& store = fixture.cluster->store();
  const auto put = [&](k8s::Service made, std::vector<std::string> ips, std::vector<std::string> names = {}) {
    for (const auto& ip : ips) made.external_ips.push_back(*base::IpAddress::parse(ip));
    made.ingress_names = std::move(names);
    store.upsert(made);
  };
  for (const char* name : {"shop", "dns"}) store.upsert(k8s::Namespace{name});
  put(service("shop", "web", {"10.96.0.1"}, {{"http", Protocol::tcp, 80}, {"", Protocol::udp, 53}}),
      {"192.0.2.2", "192.0.2.1", "2001:db8::1"});
  put(service("shop", "bare", {"10.96.0.2"}), {"192.0.2.3"});
  put(service("shop", "named", {"10.96.0.3"}, {{"http", Protocol::tcp, 80}}), {}, {"lb.example.net", "b.example.net"});
  put(service("shop", "inside", {"10.96.0.4"}), {});
  // Hidden by the apex's label, which stands for the nameserver there.
  put(service("dns", "ns1", {"10.96.0.5"}), {"192.0.2.5"});
  put(service("hidden", "web", {"10.96.0.6"}), {"192.0.2.6"});
  store.upsert(service("shop", "db", {}));
  store.upsert(
      slice("shop", "db", {endpoint("10.244.0.1", "db-0"), endpoint("10.244.0.2")}, {{"pg", Protocol::tcp, 5432}}));
  store.upsert(service("shop", "idle", {}));
  fixture.sync();

  const Lines lines = fixture.transfer("example.org");
  CHECK(lines.front() ==
        "answer: example.org. 5 SOA ns1.dns.example.org. hostmaster.dns.example.org. SERIAL 7200 1800 86400 5");
  CHECK(inner(lines, ".example.org.") == Lines{"example.org. 5 NS ns1.dns",
                                               "ns1.dns 5 A 10.96.0.10",  //
                                               "bare.shop 5 A 192.0.2.3",
                                               "db.shop 5 A 10.244.0.1",
                                               "db.shop 5 A 10.244.0.2",
                                               "db.shop 5 SRV 0 50 5432 10-244-0-2.db.shop",
                                               "db.shop 5 SRV 0 50 5432 db-0.db.shop",
                                               "db-0.db.shop 5 A 10.244.0.1",
                                               "db-0.db.shop 5 SRV 0 100 5432 db-0.db.shop",
                                               "10-244-0-2.db.shop 5 A 10.244.0.2",
                                               "10-244-0-2.db.shop 5 SRV 0 100 5432 10-244-0-2.db.shop",
                                               "_pg._tcp.db.shop 5 SRV 0 50 5432 10-244-0-2.db.shop",
                                               "_pg._tcp.db.shop 5 SRV 0 50 5432 db-0.db.shop",
                                               "named.shop 5 CNAME lb.example.net.",
                                               "_http._tcp.named.shop 5 SRV 0 100 80 lb.example.net.",
                                               "web.shop 5 A 192.0.2.1",
                                               "web.shop 5 A 192.0.2.2",
                                               "web.shop 5 AAAA 2001:db8::1",
                                               "web.shop 5 SRV 0 100 80 web.shop",
                                               "web.shop 5 SRV 0 100 53 web.shop",
                                               "_http._tcp.web.shop 5 SRV 0 100 80 web.shop"});
  CHECK(inner(fixture.transfer("0.192.in-addr.arpa"), ".0.192.in-addr.arpa.") ==
        Lines{"0.192.in-addr.arpa. 5 NS ns1.dns", "ns1.dns 5 A 10.96.0.10", "1.2 5 PTR web.shop.example.org.",
              "2.2 5 PTR web.shop.example.org.", "3.2 5 PTR bare.shop.example.org.", "5.2 5 PTR ns1.dns.example.org."});
  CHECK(fixture.transfer("shop.example.org").front() == "NOTAUTH");

  // The cluster's zone is its own, and so is its serial.
  CHECK(inner(fixture.transfer("cluster.local")).size() > 3);
  const auto serial_of = [&](std::string_view zone) {
    const auto reply = fixture.reply(query_packet(zone, RRType::soa));
    return serials(reply).at(0);
  };
  const std::uint32_t inside = serial_of("cluster.local");
  const std::uint32_t outside = serial_of("example.org");
  put(service("shop", "bare", {"10.96.0.2"}), {"192.0.2.4"});
  fixture.cluster->publish();
  CHECK(serial_of("cluster.local") == inside);
  CHECK(serial_of("example.org") == outside + 1);
  Client client("192.0.2.1");
  CHECK(message_lines(fixture.answer(client, ixfr(outside + 1, "example.org"))).size() == 2);
  CHECK(client.streamed == nullptr);
  fixture.answer(client, ixfr(outside, "example.org"));
  REQUIRE(client.streamed != nullptr);
  CHECK(serials(fixture.drain(*client.streamed).at(0)) == std::vector<std::uint32_t>{outside + 1, outside + 1});
}

TEST_CASE("the nameserver of an external zone is transferred with what a query gets, none included") {
  server::K8sExternalOptions external;
  external.zones = {*dns::DomainName::parse("example.org")};
  external.apex = "names";
  TransferFixture fixture({to(".", {"*"})}, ClusterFixture::default_options(), external);
  fixture.sync();
  CHECK(inner(fixture.transfer("example.org"), ".example.org.") ==
        Lines{"example.org. 5 NS ns1.names", "ns1.names 5 A 10.96.0.10"});
  using Nameserver = k8s::ExternalTable::Nameserver;
  auto& published = fixture.cluster->table_.external->nameserver;
  published.publish(
      std::make_unique<const std::optional<Nameserver>>(Nameserver{{*base::IpAddress::parse("fd00::1")}}));
  CHECK(inner(fixture.transfer("example.org"), ".example.org.") ==
        Lines{"example.org. 5 NS ns1.names", "ns1.names 5 AAAA fd00::1"});
  published.publish(std::make_unique<const std::optional<Nameserver>>(Nameserver{}));
  CHECK(inner(fixture.transfer("example.org"), ".example.org.") == Lines{"example.org. 5 NS ns1.names"});
}

TEST_CASE("what changes while a slow client reads is not in its transfer, and not half") {
  TransferFixture fixture;
  auto& store = fixture.cluster->store();
  store.upsert(k8s::Namespace{"shop"});
  for (int i = 0; i < 3000; ++i) {
    store.upsert(service("shop", "s" + std::to_string(i), {"10.96.0.1"}, {{"http", Protocol::tcp, 80}}));
  }
  fixture.sync();
  Client client("192.0.2.1");
  fixture.answer(client, query_packet("cluster.local", RRType::axfr));
  REQUIRE(client.streamed != nullptr);
  client.streamed->start([] {});
  int messages = 0;
  int records = 0;
  std::vector<std::uint32_t> seen;
  while (true) {
    std::span<const std::uint8_t> message;
    const auto step = client.streamed->advance(message);
    if (step == server::ReplyStream::Step::end) break;
    if (step == server::ReplyStream::Step::waiting) fixture.cluster->publish();
    if (step != server::ReplyStream::Step::message) continue;
    for (const auto serial : serials(message)) seen.push_back(serial);
    for (const auto& line : message_lines(message)) {
      records += line.contains(" A ") ? 1 : 0;
      CHECK_FALSE(line.contains("10.96.9.9"));
    }
    for (int i = 0; i < 3000; i += 2) store.upsert(service("shop", "s" + std::to_string(i), {"10.96.9.9"}));
    for (int i = 1; i < 3000; i += 2) store.remove(k8s::Kind::service, {"shop", "s" + std::to_string(i)});
    store.upsert(service("shop", "new" + std::to_string(messages), {"10.96.9.9"}));
    fixture.cluster->publish();
    ++messages;
  }
  CHECK(messages > 3);
  CHECK(records == 3000 + 1);
  CHECK(seen == std::vector<std::uint32_t>{1001, 1001});
}

TEST_CASE("IXFR with the current serial gets the SOA alone, with any other the whole zone (RFC 1995 §2)") {
  TransferFixture fixture;
  fill(fixture);
  Client client("192.0.2.1");
  CHECK(message_lines(fixture.answer(client, ixfr(1001))) ==
        Lines{"NOERROR aa",
              "answer: cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 5"});
  CHECK(client.streamed == nullptr);
  for (const std::uint32_t serial : {0u, 1000u, 1002u}) {
    Client other("192.0.2.1");
    fixture.answer(other, ixfr(serial));
    REQUIRE(other.streamed != nullptr);
    const auto messages = fixture.drain(*other.streamed);
    REQUIRE(messages.size() == 1);
    CHECK(serials(messages[0]) == std::vector<std::uint32_t>{1001, 1001});
    CHECK(message_lines(messages[0]).size() == fixture.transfer("cluster.local").size() + 1);
  }
}

TEST_CASE("a query with the wrong sections is FORMERR") {
  TransferFixture fixture;
  fill(fixture);
  Client client("192.0.2.1");
  const auto rcode = [&](std::vector<std::uint8_t> packet) {
    return dns::to_string(dns::read_header(fixture.answer(client, packet)).rcode());
  };
  CHECK(rcode(query_packet("cluster.local", RRType::ixfr)) == "FORMERR");
  auto axfr_with_soa = ixfr(1);
  dns::write_u16(axfr_with_soa.data() + dns::header_octets + 15, static_cast<std::uint16_t>(RRType::axfr));
  CHECK(rcode(axfr_with_soa) == "FORMERR");
  auto not_soa = ixfr(1);
  dns::write_u16(not_soa.data() + dns::header_octets + 15 + 4 + 2, static_cast<std::uint16_t>(RRType::txt));
  CHECK(rcode(not_soa) == "FORMERR");
  auto two_questions = query_packet("cluster.local", RRType::axfr);
  const std::vector<std::uint8_t> question(two_questions.begin() + dns::header_octets, two_questions.end());
  two_questions.insert(two_questions.end(), question.begin(), question.end());
  dns::write_u16(two_questions.data() + 4, 2);
  CHECK(rcode(two_questions) == "FORMERR");
  CHECK(client.streamed == nullptr);
}

TEST_CASE("only clients of `to` transfer, over TCP, the apex of a zone that the directive names") {
  TransferFixture fixture({to("cluster.local", {"192.0.2.1", "2001:db8::1"}), to("in-addr.arpa", {"*"})});
  fill(fixture);
  CHECK(fixture.transfer("CLUSTER.local", "2001:db8::1").size() > 3);
  CHECK(fixture.transfer("cluster.local", "192.0.2.2") == Lines{"REFUSED", "this client is not among those of `to`"});
  CHECK(fixture.transfer("in-addr.arpa", "192.0.2.2").size() > 3);
  CHECK(fixture.transfer("ip6.arpa") == Lines{"REFUSED", "zone transfers need the transfer directive"});
  for (const char* name : {"svc.cluster.local", "web.shop.svc.cluster.local", "nothing.cluster.local"}) {
    CHECK(fixture.transfer(name) == Lines{"NOTAUTH", "only the apex of a zone is transferred"});
  }
  for (const RRType type : {RRType::axfr, RRType::ixfr}) {
    const auto reply = fixture.reply(query_packet("cluster.local", type, {.edns_octets = 1232}));
    CHECK(TransferFixture::with_reason(reply) == Lines{"REFUSED", "zones are transferred over TCP only"});
  }
}

TEST_CASE("of two directives the one with the longer zone counts") {
  TransferFixture fixture({to(".", {"192.0.2.1"}), to("cluster.local", {"192.0.2.2"})});
  fill(fixture);
  CHECK(fixture.transfer("cluster.local", "192.0.2.1").front() == "REFUSED");
  CHECK(fixture.transfer("cluster.local", "192.0.2.2").size() > 3);
  CHECK(fixture.transfer("ip6.arpa", "192.0.2.1").size() > 3);
}

TEST_CASE("a cluster that is not in step is not transferred") {
  TransferFixture fixture;
  fixture.cluster->store().upsert(k8s::Namespace{"shop"});
  fixture.cluster->publish();
  CHECK(fixture.transfer("cluster.local") == Lines{"SERVFAIL", "not yet in step with the API server"});
}

TEST_CASE("a zone that the server has, but that cannot be transferred, goes on to the next directive") {
  TransferFixture fixture;
  fill(fixture);
  CHECK(fixture.transfer("example.org").front() == "NXDOMAIN");  // from OutsideHandler
}

TEST_CASE("more transfers at once than transfers_max are SERVFAIL, until one ends") {
  TransferFixture fixture;
  fill(fixture);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < server::transfers_max; ++i) {
    clients.push_back(std::make_unique<Client>("192.0.2.1"));
    fixture.answer(*clients.back(), query_packet("cluster.local", RRType::axfr));
    REQUIRE(clients.back()->streamed != nullptr);
  }
  CHECK(fixture.transfer("cluster.local") == Lines{"SERVFAIL", "too many zone transfers at once, try again later"});
  clients.pop_back();
  CHECK(fixture.transfer("cluster.local").size() > 3);
  CHECK(fixture.transfer("cluster.local").size() > 3);  // its place is free again too
  Client busy("192.0.2.1");
  busy.refuses_streams = true;
  CHECK(TransferFixture::with_reason(
            fixture.answer(busy, query_packet("cluster.local", RRType::axfr, {.edns_octets = 1232}))) ==
        Lines{"SERVFAIL", "too many zone transfers on this connection"});
}

TEST_CASE("a transfer whose version is lost before the first message is SERVFAIL, and broken after it") {
  TransferFixture fixture;
  auto& store = fixture.cluster->store();
  store.upsert(k8s::Namespace{"shop"});
  store.upsert(service("shop", "web", {"10.96.0.20"}));
  fixture.sync();
  // A name of 64 kB, replaced in the table itself: by way of the store it would be read and compared each time.
  zones::NameContent large;
  for (std::uint16_t n = 0; n < k8s::addresses_max; ++n) {
    large.addresses.push_back(*base::IpAddress::parse("fd00::" + std::to_string(n)));
  }
  const auto retire_as_much_as_is_kept = [&] {
    const std::size_t replacements = zones::retired_octets_max / (large.addresses.size() * 16) + 2;
    for (std::size_t n = 0; n < replacements; ++n) {
      fixture.cluster->table_.forward.put(zones::NameEntry::make("\5large\4shop\3svc", large, 5));
    }
  };
  for (const bool after_first : {false, true}) {
    Client client("192.0.2.1");
    fixture.answer(client, query_packet("cluster.local", RRType::axfr, {.edns_octets = 1232}));
    REQUIRE(client.streamed != nullptr);
    client.streamed->start([] {});
    std::span<const std::uint8_t> message;
    CHECK(client.streamed->advance(message) == server::ReplyStream::Step::waiting);
    fixture.cluster->publish();
    while (after_first && client.streamed->advance(message) != server::ReplyStream::Step::message) {
    }
    retire_as_much_as_is_kept();
    const auto step = client.streamed->advance(message);
    if (after_first) {
      CHECK(step == server::ReplyStream::Step::broken);
    } else {
      REQUIRE(step == server::ReplyStream::Step::message);
      CHECK(message_lines(message).front() == "SERVFAIL");
      CHECK(client.streamed->advance(message) == server::ReplyStream::Step::end);
    }
  }
}

}  // namespace fairlead::test
