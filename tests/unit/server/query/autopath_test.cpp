// Search lists walked for the client: who asks what, and what comes back.
#include "server/handlers/autopath_handler.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

#include "resolver/reply.hpp"
#include "server/query/limits.hpp"
#include "server/query/pending_query.hpp"
#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;
using server::Step;

dns::DomainName name(std::string_view text) { return *dns::DomainName::parse(text); }

/// Answers as OutsideHandler does, but later: when the test says so.
class SlowHandler final : public server::Handler {
 public:
  Step handle(server::QueryContext& context) override {
    asked.push_back(context.qname.view().to_string());
    if (!is_slow) return answer(context);
    auto pending = server::PendingQuery::suspend(context);
    if (pending == nullptr) {
      context.writer.set_rcode(dns::Rcode::servfail);
      return Step::answered;
    }
    waiting.push_back(std::move(pending));
    return Step::suspended;
  }
  void answer_one() {
    auto pending = std::move(waiting.front());
    waiting.pop_front();
    answer(pending->context());
    pending->reply(server::no_plugin);
  }
  Step answer(server::QueryContext& context) {
    if (!reason.empty()) context.writer.set_extended_error({dns::ExtendedError::network_error, reason});
    const auto found = addresses.find(context.qname.view().to_string());
    if (found == addresses.end()) {
      context.writer.set_rcode(rcode);
    } else if (context.query.qtype == RRType::a) {
      const std::uint8_t owner[2] = {0xc0, 0x0c};
      context.writer.append(dns::Section::answer, owner, RRType::a, 60,
                            base::IpAddress::parse(found->second)->octets());
    }
    return Step::answered;
  }
  server::PluginLabel plugin() const override { return server::no_plugin; }

  std::map<std::string, std::string> addresses;
  dns::Rcode rcode = dns::Rcode::nxdomain;
  std::string reason;  // an Extended DNS Error of every reply
  bool is_slow = false;
  std::vector<std::string> asked;
  std::deque<std::unique_ptr<server::PendingQuery>> waiting;
};

class AutopathFixture {
 public:
  explicit AutopathFixture(bool from_kubernetes = true, bool with_fallthrough = false)
      : cluster(std::make_shared<TableCluster>(ClusterFixture::store_options(kubernetes_options(false)))) {
    server::AutopathSearch search{.zones = {dns::DomainName()},
                                  .list = {name("corp.example."), name("cluster.local.")},
                                  .cluster = from_kubernetes ? cluster : nullptr,
                                  .cluster_zones = {}};
    const auto options = kubernetes_options(with_fallthrough);
    if (from_kubernetes) search.cluster_zones = options.zones;
    auto chain = std::make_unique<server::Chain>();
    chain->handlers.push_back(std::make_unique<server::AutopathHandler>(std::move(search), io));
    chain->handlers.push_back(
        std::make_unique<server::KubernetesHandler>(options, cluster, std::vector<base::IpAddress>{}, false));
    auto last = std::make_unique<SlowHandler>();
    outside = last.get();
    chain->handlers.push_back(std::move(last));
    plan->routers.resize(1);
    plan->routers[0].add({.zone = dns::DomainName(), .chain = chain.get(), .slots = &slots});
    plan->chains.push_back(std::move(chain));

    auto& store = cluster->store();
    store.upsert(k8s::Namespace{"shop"});
    store.upsert(k8s::Namespace{"lab"});
    store.upsert(service("shop", "web", {"10.96.0.1"}, {{"http", k8s::Protocol::tcp, 80}}));
    store.upsert(service("lab", "db", {"10.96.0.2"}));
    store.upsert(external_name("shop", "out", "www.example.org"));
    store.upsert(k8s::Pod{.key = {"shop", "web-0"}, .address = base::IpAddress::parse("192.0.2.1")});
    store.upsert(k8s::Pod{.key = {"lab", "job"}, .address = base::IpAddress::parse("192.0.2.2")});
    // Host network.
    store.upsert(k8s::Pod{.key = {"shop", "agent"}, .address = base::IpAddress::parse("192.0.2.3")});
    store.upsert(k8s::Pod{.key = {"lab", "agent"}, .address = base::IpAddress::parse("192.0.2.3")});
    cluster->publish();
    cluster->table_.synced = true;
    outside->addresses = {{"www.example.org.", "198.51.100.1"}, {"intranet.corp.example.", "198.51.100.2"}};
  }
  static server::KubernetesOptions kubernetes_options(bool with_fallthrough) {
    auto options = ClusterFixture::default_options();
    options.pods = server::KubernetesOptions::Pods::verified;
    options.fallthrough.enabled = with_fallthrough;
    return options;
  }

  /// The reply as text; "suspended" while there is none.
  Lines ask(std::string_view qname, RRType qtype = RRType::a, const char* client = "192.0.2.1") {
    later = nullptr;
    TestOrigin origin(server::Transport::udp);
    origin.address = *base::IpAddress::parse(client);
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    const auto packet = query_packet(qname, qtype, {});
    const base::ReadSection section;
    const auto answered = server::answer(packet, origin, plan, 0, buffer);
    if (answered.outcome == server::Outcome::suspended) {
      later = origin.later;
      return {"suspended"};
    }
    return message_lines({answered.message.begin(), answered.message.end()});
  }
  std::vector<std::uint8_t> whole_reply(std::string_view qname, QueryPacketOptions options) {
    TestOrigin origin(server::Transport::udp);
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    const auto packet = query_packet(qname, RRType::a, options);
    server::Answer answered;
    {
      const base::ReadSection section;
      answered = server::answer(packet, origin, plan, 0, buffer);
    }
    later = origin.later;
    if (answered.outcome != server::Outcome::suspended) return {answered.message.begin(), answered.message.end()};
    wait();
    return *later;
  }
  /// Lets what waits be answered, one by one, until the client has its reply.
  Lines wait() {
    while (later->empty() && !outside->waiting.empty()) {
      outside->answer_one();
      io.restart();
      io.poll();
    }
    return message_lines(*later);
  }

  const base::ReaderThread reader;
  asio::io_context io;
  std::shared_ptr<TableCluster> cluster;
  server::ZoneSlots slots;
  std::shared_ptr<server::WorkerPlan> plan = std::make_shared<server::WorkerPlan>();
  SlowHandler* outside = nullptr;
  std::shared_ptr<std::vector<std::uint8_t>> later;
};

const std::string soa =
    "authority: cluster.local. 5 SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 5";

TEST_CASE("a name that exists is answered as without autopath, and nobody else is asked") {
  AutopathFixture f;
  CHECK(f.ask("web.shop.svc.cluster.local") ==
        Lines{"NOERROR aa", "answer: web.shop.svc.cluster.local. 5 A 10.96.0.1"});
  CHECK(f.ask("web.shop.svc.cluster.local", RRType::aaaa) == Lines{"NOERROR aa", soa});
  CHECK(f.outside->asked.empty());
  CHECK(f.slots.autopath_successes.value() == 2);
}

TEST_CASE("the search goes through the client's Namespace, the zone, the server's list and the bare name") {
  AutopathFixture f;
  CHECK(f.ask("www.example.org.shop.svc.cluster.local") ==
        Lines{"NOERROR", "answer: www.example.org.shop.svc.cluster.local. 60 CNAME www.example.org.",
              "answer: www.example.org. 60 A 198.51.100.1"});
  // What lies in the cluster's zone is not asked outside, and cluster.local of the list is not asked again.
  CHECK(f.outside->asked == std::vector<std::string>{"www.example.org.corp.example.", "www.example.org."});
  CHECK(f.ask("intranet.shop.svc.cluster.local") ==
        Lines{"NOERROR", "answer: intranet.shop.svc.cluster.local. 60 CNAME intranet.corp.example.",
              "answer: intranet.corp.example. 60 A 198.51.100.2"});
  // "db.lab" is a Service of another Namespace: svc.<zone> finds it.
  CHECK(f.ask("db.lab.shop.svc.cluster.local") ==
        Lines{"NOERROR aa", "answer: db.lab.shop.svc.cluster.local. 5 CNAME db.lab.svc.cluster.local.",
              "answer: db.lab.svc.cluster.local. 5 A 10.96.0.2"});
  CHECK(f.ask("DB.Lab.SHOP.Svc.cluster.local") ==
        Lines{"NOERROR aa", "answer: DB.Lab.SHOP.Svc.cluster.local. 5 CNAME DB.Lab.Svc.cluster.local.",
              "answer: DB.Lab.Svc.cluster.local. 5 A 10.96.0.2"});
  CHECK(f.slots.autopath_successes.value() == 4);
}

TEST_CASE("NODATA wins as well, without a CNAME, and all NXDOMAIN gives the first reply") {
  AutopathFixture f;
  CHECK(f.ask("db.lab.shop.svc.cluster.local", RRType::aaaa) == Lines{"NOERROR aa", soa});
  CHECK(f.ask("www.example.org.shop.svc.cluster.local", RRType::aaaa) == Lines{"NOERROR"});
  CHECK(f.ask("nothing.shop.svc.cluster.local") == Lines{"NXDOMAIN aa", soa});
  CHECK(f.slots.autopath_successes.value() == 2);
  // What nobody wants to answer is no answer either.
  f.outside->rcode = dns::Rcode::refused;
  CHECK(f.ask("nothing.shop.svc.cluster.local") == Lines{"NXDOMAIN aa", soa});
  f.outside->rcode = dns::Rcode::servfail;
  CHECK(f.ask("nothing.shop.svc.cluster.local") == Lines{"SERVFAIL"});
}

TEST_CASE("only names below the first element of a Pod's own search list are searched for") {
  AutopathFixture f;
  const Lines nxdomain{"NXDOMAIN aa", soa};
  CHECK(f.ask("www.example.org.lab.svc.cluster.local") == nxdomain);                           // not its own
  CHECK(f.ask("www.example.org.shop.svc.cluster.local", RRType::a, "192.0.2.2") == nxdomain);  // of another Pod
  CHECK(f.ask("www.example.org.shop.svc.cluster.local", RRType::a, "192.0.2.9") == nxdomain);  // no Pod
  CHECK(f.ask("www.example.org.svc.cluster.local") == nxdomain);
  CHECK(f.ask("shop.svc.cluster.local") == Lines{"NOERROR aa", soa});
  CHECK(f.outside->asked.empty());
  CHECK(f.slots.autopath_successes.value() == 0);
  CHECK(f.ask("www.example.org.lab.svc.cluster.local", RRType::a, "192.0.2.2").size() == 3);
  // A node's address is that of Pods in several Namespaces: the question tells which.
  CHECK(f.ask("www.example.org.lab.svc.cluster.local", RRType::a, "192.0.2.3").size() == 3);
  CHECK(f.ask("www.example.org.shop.svc.cluster.local", RRType::a, "192.0.2.3").size() == 3);
}

TEST_CASE("the client waits only for names that take time, and then gets the same replies") {
  AutopathFixture f;
  f.outside->is_slow = true;
  CHECK(f.ask("db.lab.shop.svc.cluster.local").size() == 3);
  CHECK(f.ask("www.example.org.shop.svc.cluster.local") == Lines{"suspended"});
  CHECK(f.wait() == Lines{"NOERROR", "answer: www.example.org.shop.svc.cluster.local. 60 CNAME www.example.org.",
                          "answer: www.example.org. 60 A 198.51.100.1"});
  CHECK(f.ask("nothing.shop.svc.cluster.local") == Lines{"suspended"});
  CHECK(f.wait() == Lines{"NXDOMAIN aa", soa});
  CHECK(f.ask("nothing.shop.svc.cluster.local", RRType::a) == Lines{"suspended"});
  f.outside->rcode = dns::Rcode::servfail;
  CHECK(f.wait() == Lines{"SERVFAIL"});
  CHECK(f.plan->pending_queries == 0);
}

TEST_CASE("the name itself may take time too: an alias, or a fallthrough") {
  AutopathFixture f(true, true);
  f.outside->is_slow = true;
  CHECK(f.ask("out.shop.svc.cluster.local") == Lines{"suspended"});
  CHECK(f.wait() == Lines{"NOERROR aa", "answer: out.shop.svc.cluster.local. 5 CNAME www.example.org.",
                          "answer: www.example.org. 60 A 198.51.100.1"});
  CHECK(f.ask("www.example.org.shop.svc.cluster.local") == Lines{"suspended"});
  CHECK(f.wait() == Lines{"NOERROR", "answer: www.example.org.shop.svc.cluster.local. 60 CNAME www.example.org.",
                          "answer: www.example.org. 60 A 198.51.100.1"});
  CHECK(f.ask("nothing.shop.svc.cluster.local") == Lines{"suspended"});
  CHECK(f.wait() == Lines{"NXDOMAIN"});
  CHECK(f.plan->pending_queries == 0);
}

TEST_CASE("when too many queries wait, the reply to the name itself stands") {
  AutopathFixture f;
  f.outside->is_slow = true;
  f.plan->pending_queries = server::pending_queries_max - 1;  // room for the question, none for the client
  CHECK(f.ask("www.example.org.shop.svc.cluster.local") == Lines{"NXDOMAIN aa", soa});
  f.outside->answer_one();
  f.io.poll();
  CHECK(f.plan->pending_queries == server::pending_queries_max - 1);
}

TEST_CASE("a search that is given up with the plan leaves nothing behind") {
  AutopathFixture f;
  f.outside->is_slow = true;
  CHECK(f.ask("www.example.org.shop.svc.cluster.local") == Lines{"suspended"});
  f.outside->waiting.clear();
  CHECK(f.later->empty());
  CHECK(f.plan->pending_queries == 0);
}

TEST_CASE("the list of a resolv.conf is walked for everyone") {
  AutopathFixture f(false);
  CHECK(f.ask("web.shop.svc.corp.example", RRType::a, "203.0.113.9") ==
        Lines{"NOERROR aa", "answer: web.shop.svc.corp.example. 5 CNAME web.shop.svc.cluster.local.",
              "answer: web.shop.svc.cluster.local. 5 A 10.96.0.1"});
  CHECK(f.ask("www.example.org.corp.example") ==
        Lines{"NOERROR", "answer: www.example.org.corp.example. 60 CNAME www.example.org.",
              "answer: www.example.org. 60 A 198.51.100.1"});
  CHECK(f.ask("intranet.corp.example") == Lines{"NOERROR", "answer: intranet.corp.example. 60 A 198.51.100.2"});
  CHECK(f.ask("corp.example") == Lines{"NXDOMAIN"});
  CHECK(f.ask("web.shop.svc.other.example") == Lines{"NXDOMAIN"});
}

TEST_CASE("the reason in the reply that is passed on comes with it, whoever waited for what") {
  const auto reason = [](std::span<const std::uint8_t> message) {
    const auto reply = resolver::Reply::parse(message);
    REQUIRE(reply.has_value());
    const auto error = reply->extended_error();
    return error ? std::string(dns::to_string(reply->rcode())) + ": " + std::string(error->text) : "none";
  };
  for (const bool is_slow : {false, true}) {
    for (const bool falls_through : {false, true}) {
      CAPTURE(is_slow);
      CAPTURE(falls_through);
      AutopathFixture f(true, falls_through);
      f.outside->is_slow = is_slow;
      f.outside->reason = std::string("said upstream, ") + (is_slow ? "later" : "at once");
      const auto ask = [&](std::string_view qname, QueryPacketOptions options = {.edns_octets = 1232}) {
        return reason(f.whole_reply(qname, options));
      };
      // All are NXDOMAIN: the first reply, and what it says. That of the cluster when nothing falls through.
      CHECK(ask("nothing.shop.svc.cluster.local") ==
            (falls_through ? "NXDOMAIN: " + f.outside->reason : "NXDOMAIN: no such Service, endpoint or port"));
      CHECK(ask("www.example.org.shop.svc.cluster.local") == "NOERROR: " + f.outside->reason);
      f.outside->rcode = dns::Rcode::servfail;
      CHECK(ask("nothing.shop.svc.cluster.local") == "SERVFAIL: " + f.outside->reason);
      // The winner says nothing, so nothing of the others is left.
      f.outside->reason.clear();
      CHECK(ask("www.example.org.shop.svc.cluster.local") == "none");
      // Without EDNS there is no room for one.
      f.outside->reason = "unheard";
      CHECK(ask("nothing.shop.svc.cluster.local", {}) == "none");
    }
  }
}

TEST_CASE("names that would be too long are left out of the search") {
  AutopathFixture f;
  std::string base;
  for (int i = 0; i < 3; ++i) base += std::string(62, static_cast<char>('a' + i)) + ".";
  base += std::string(40, 'd');  // 230 octets: fits with the cluster's zone, not with a longer one
  f.ask(base + ".shop.svc.cluster.local");
  CHECK(f.outside->asked == std::vector<std::string>{base + ".corp.example.", base + "."});
}

}  // namespace
}  // namespace fairlead::test
