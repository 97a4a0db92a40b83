#include "resolver/cache.hpp"

#include <doctest/doctest.h>

#include "resolver/cache_share.hpp"
#include "resolver/question_key.hpp"
#include "unit/resolver/test_messages.hpp"

namespace fairlead::resolver {
namespace {

using dns::RRType;
using dns::Section;
using std::chrono::seconds;
using test::Octets;
using test::ReplyBuilder;
using Lines = std::vector<std::string>;

constexpr std::int64_t wall = 1'750'000'000;

struct Options {
  bool dnssec_ok = false;
  bool checking_disabled = false;
  bool wants_ad = false;
  bool edns = false;
  std::size_t limit = 1232;
};

// A cache, a clock and the two calls that a handler makes.
class Fixture {
 public:
  explicit Fixture(const CacheConfig& config = {}) : cache(config) {}

  CacheOutcome ask(std::string_view qname, RRType qtype = RRType::a, Options options = {}) {
    const test::ClientQuery client(qname, qtype);
    const dns::DomainName owner = test::name(qname);
    dns::MessageWriter writer(buffer_, options.limit);
    writer.begin(client.header, client.question_octets, options.edns);
    const CacheKey key{owner, qtype, dns::RRClass::in, options.dnssec_ok, options.checking_disabled};
    const CacheOutcome outcome = cache.copy_hit(key, options.wants_ad, clock.now(), writer);
    const auto out = writer.finish();
    message.assign(out.begin(), out.end());
    return outcome;
  }
  bool ask_stale(std::string_view qname) {
    const test::ClientQuery client(qname, RRType::a);
    dns::MessageWriter writer(buffer_, 1232);
    writer.begin(client.header, client.question_octets, false);
    const dns::DomainName owner = test::name(qname);
    const bool found = cache.copy_stale({owner, RRType::a}, false, clock.now(), writer);
    const auto out = writer.finish();
    message.assign(out.begin(), out.end());
    return found;
  }

  std::uint32_t store(ReplyBuilder& builder, std::string_view qname = "www.example.", RRType qtype = RRType::a,
                      Options options = {}, CachePermit permit = {}) {
    const Octets octets = builder.octets();
    const auto reply = Reply::parse(octets);
    REQUIRE(reply);
    const dns::DomainName owner = test::name(qname);
    const CacheKey key{owner, qtype, dns::RRClass::in, options.dnssec_ok, options.checking_disabled};
    return cache.store(key, *reply, permit, clock.now(), wall);
  }
  std::uint32_t store_a(std::string_view qname, std::uint32_t ttl = 300) {
    ReplyBuilder builder(qname, RRType::a);
    builder.a(ttl);
    return store(builder, qname);
  }
  void store_rcode(std::string_view qname, dns::Rcode rcode) {
    ReplyBuilder builder(qname, RRType::a);
    builder.rcode(rcode);
    store(builder, qname);
  }
  std::uint32_t store_nxdomain(std::string_view qname, std::uint32_t ttl, std::uint32_t minimum) {
    ReplyBuilder builder(qname, RRType::a);
    builder.rcode(dns::Rcode::nxdomain).soa("example.", ttl, minimum);
    return store(builder, qname);
  }

  void store_failure(std::string_view qname) {
    const dns::DomainName owner = test::name(qname);
    cache.store_failure({owner, RRType::a}, {}, clock.now());
  }
  void refresh_failed(std::string_view qname) {
    const dns::DomainName owner = test::name(qname);
    cache.refresh_failed({owner, RRType::a}, clock.now());
  }

  dns::Header header() const { return dns::read_header(message); }
  /// "3 expired 1 s ago" of the last reply, which was asked for with EDNS.
  std::string reason() const {
    const auto error = Reply::parse(message)->extended_error();
    return error ? std::to_string(static_cast<int>(error->code)) + ' ' + std::string(error->text) : "";
  }
  Lines lines() const { return test::describe(message); }

  base::ManualClock clock;
  Cache cache;
  Octets message;

 private:
  Octets buffer_ = Octets(65535);
};

TEST_CASE("the TTL counts down and the entry is gone when it reaches zero") {
  Fixture f;
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
  CHECK(f.store_a("www.example.", 300) == 300);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.lines() == Lines{"answer www.example. A 300 4"});
  f.clock.advance(seconds(100));
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.lines() == Lines{"answer www.example. A 200 4"});
  f.clock.advance(seconds(200));
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
  CHECK(f.cache.size() == 0);
  CHECK(f.cache.counters().requests.value() == 4);
  CHECK(f.cache.counters().misses.value() == 2);
  CHECK(f.cache.counters().success.hits.value() == 2);
}

TEST_CASE("every record shows the smallest TTL, capped and not below five seconds, as in CoreDNS") {
  Fixture f;
  ReplyBuilder builder("www.example.", RRType::a, true);
  builder.cname("www.example.", "b.example.", 7200)
      .record(Section::answer, "b.example.", RRType::a, 40, {192, 0, 2, 1});
  CHECK(f.store(builder) == 40);
  f.ask("www.example.");
  CHECK(f.lines() == Lines{"answer www.example. CNAME 40 11", "answer b.example. A 40 4"});
  CHECK(f.store_a("big.example.", 100000) == 3600);
  CHECK(f.store_a("small.example.", 0) == 5);
}

TEST_CASE("`cache 30` caps both shares at 30 seconds") {
  CacheConfig config;
  config.success.ttl_max = config.denial.ttl_max = seconds(30);
  Fixture f(config);
  CHECK(f.store_a("www.example.", 300) == 30);
  CHECK(f.store_nxdomain("no.example.", 300, 300) == 30);
}

TEST_CASE("the client's case and id are echoed and owner names that point to the question follow") {
  Fixture f;
  f.store_a("www.example.");
  CHECK(f.ask("wWw.ExAmPlE.") == CacheOutcome::hit);
  CHECK(f.lines() == Lines{"answer wWw.ExAmPlE. A 300 4"});
  CHECK(f.header().id == 0x1234);
}

TEST_CASE("DO and CD have entries of their own") {
  Fixture f;
  ReplyBuilder builder("www.example.", RRType::a);
  builder.a(300);
  f.store(builder, "www.example.", RRType::a, {.dnssec_ok = true});
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
  CHECK(f.ask("www.example.", RRType::a, {.checking_disabled = true}) == CacheOutcome::miss);
  CHECK(f.ask("www.example.", RRType::a, {.dnssec_ok = true, .checking_disabled = true}) == CacheOutcome::miss);
  CHECK(f.ask("www.example.", RRType::a, {.dnssec_ok = true}) == CacheOutcome::hit);
  CHECK(f.ask("www.example.", RRType::aaaa, {.dnssec_ok = true}) == CacheOutcome::miss);
}

TEST_CASE("AD is kept and shown to those who ask; hits set AA as CoreDNS does") {
  Fixture f;
  ReplyBuilder builder("www.example.", RRType::a);
  builder.a(300).flag(dns::Header::ad);
  f.store(builder);
  f.ask("www.example.");
  CHECK_FALSE(f.header().has(dns::Header::ad));
  CHECK(f.header().has(dns::Header::aa));
  CHECK(f.header().has(dns::Header::ra));
  f.ask("www.example.", RRType::a, {.wants_ad = true});
  CHECK(f.header().has(dns::Header::ad));
}

TEST_CASE("a negative reply lives for min(SOA TTL, SOA MINIMUM) (RFC 2308 §5)") {
  Fixture f;
  CHECK(f.store_nxdomain("no.example.", 900, 60) == 60);
  f.clock.advance(seconds(59));
  CHECK(f.ask("no.example.") == CacheOutcome::hit);
  CHECK(f.header().rcode() == dns::Rcode::nxdomain);
  CHECK(f.lines() == Lines{"authority example. SOA 1 22"});
  CHECK(f.cache.counters().denial.hits.value() == 1);
  f.clock.advance(seconds(1));
  CHECK(f.ask("no.example.") == CacheOutcome::miss);
}

TEST_CASE("a negative reply without SOA is not kept") {
  Fixture f;
  f.store_rcode("no.example.", dns::Rcode::nxdomain);
  ReplyBuilder dangling("www.example.", RRType::a);
  dangling.cname("www.example.", "b.example.", 300);
  f.store(dangling);
  CHECK(f.cache.size() == 0);
}

TEST_CASE("SERVFAIL is kept for five seconds") {
  Fixture f;
  f.store_rcode("www.example.", dns::Rcode::servfail);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.header().rcode() == dns::Rcode::servfail);
  f.clock.advance(seconds(5));
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
}

TEST_CASE("SERVFAIL does not hide a good answer") {
  Fixture f;
  f.store_a("www.example.");
  f.store_rcode("www.example.", dns::Rcode::servfail);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.header().rcode() == dns::Rcode::noerror);
}

TEST_CASE("servfail 0 keeps no SERVFAIL") {
  CacheConfig config;
  config.servfail_ttl = seconds(0);
  Fixture f(config);
  f.store_rcode("www.example.", dns::Rcode::servfail);
  CHECK(f.cache.size() == 0);
}

TEST_CASE("truncated replies, REFUSED, other questions and what is not permitted are not kept") {
  Fixture f;
  ReplyBuilder truncated("www.example.", RRType::a);
  truncated.a(300).flag(dns::Header::tc);
  f.store(truncated);
  f.store_rcode("www.example.", dns::Rcode::refused);
  ReplyBuilder spoofed("evil.example.", RRType::a);
  spoofed.a(300);
  f.store(spoofed, "www.example.");
  CHECK(f.cache.counters().drops.value() == 1);
  ReplyBuilder disabled("www.example.", RRType::a);
  disabled.a(300);
  f.store(disabled, "www.example.", RRType::a, {}, {.success = false, .denial = true});
  CHECK(f.cache.size() == 0);
}

TEST_CASE("an answer above 16 KiB is not kept") {
  Fixture f;
  ReplyBuilder builder("www.example.", RRType::a);
  for (int i = 0; i < 1100; ++i) builder.a(300);
  f.store(builder);
  CHECK(f.cache.size() == 0);
}

TEST_CASE("a hit that does not fit keeps whole records, TTLs set, and TC") {
  Fixture f;
  ReplyBuilder builder("www.example.", RRType::a);
  for (std::uint8_t i = 0; i < 100; ++i) builder.a(300, {192, 0, 2, i});
  f.store(builder);
  f.clock.advance(seconds(10));
  CHECK(f.ask("www.example.", RRType::a, {.limit = 512}) == CacheOutcome::hit);
  CHECK(f.header().has(dns::Header::tc));
  CHECK(f.header().answer_count == (512 - 29) / 16);
  CHECK(f.lines().back() == "answer www.example. A 290 4");
}

TEST_CASE("OPT is not kept") {
  Fixture f;
  ReplyBuilder builder("www.example.", RRType::a, true);
  builder.a(300).record(Section::additional, "ns.example.", RRType::a, 300, {192, 0, 2, 53});
  f.store(builder);
  f.ask("www.example.");
  CHECK(f.lines() == Lines{"answer www.example. A 300 4", "additional ns.example. A 300 4"});
}

TEST_CASE("NXDOMAIN replaces an answer and an answer replaces NXDOMAIN") {
  Fixture f;
  f.store_a("www.example.", 3600);
  f.store_nxdomain("www.example.", 10, 10);
  CHECK(f.cache.size() == 1);
  f.clock.advance(seconds(9));
  f.store_a("www.example.");
  f.ask("www.example.");
  CHECK(f.header().rcode() == dns::Rcode::noerror);
  f.store_nxdomain("www.example.", 10, 10);
  f.clock.advance(seconds(10));
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
}

TEST_CASE("the number of entries is bounded and names in use survive a scan") {
  CacheConfig config;
  config.success.capacity = 1000;
  Fixture f(config);
  const auto hot = [](int i) { return "hot" + std::to_string(i) + ".example."; };
  for (int i = 0; i < 500; ++i) f.store_a(hot(i), 3600);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 500; ++i) REQUIRE(f.ask(hot(i)) == CacheOutcome::hit);
  }
  for (int i = 0; i < 20000; ++i) f.store_a("scan" + std::to_string(i) + ".example.", 3600);
  CHECK(f.cache.size() == 1000);
  CHECK(f.cache.counters().success.entries.value() == 1000);
  CHECK(f.cache.counters().success.evictions.value() == 19500);
  int alive = 0;
  for (int i = 0; i < 500; ++i) alive += f.ask(hot(i)) == CacheOutcome::hit;
  CHECK(alive == 500);
}

TEST_CASE("a share of capacity zero keeps nothing") {
  CacheConfig config;
  config.success.capacity = 0;
  Fixture f(config);
  f.store_a("www.example.");
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
}

TEST_CASE("the octets of a share are bounded and slots are reused") {
  CacheShareCounters counters;
  CacheShare share(100000, 10000, counters);
  const HashSeed seed;
  for (int i = 0; i < 5000; ++i) {
    const dns::DomainName owner = test::name("n" + std::to_string(i) + ".example.");
    const QuestionKey key(owner, RRType::a, dns::RRClass::in, 0);
    CacheEntry entry;
    entry.hash = hash_octets(key.octets(), seed);
    entry.key_octets = static_cast<std::uint16_t>(key.octets().size());
    entry.record_octets = 200;
    entry.block = std::make_unique<std::uint8_t[]>(entry.octets());
    std::ranges::copy(key.octets(), entry.block.get());
    CacheEntry* const stored = share.insert(std::move(entry));
    REQUIRE(stored != nullptr);
    REQUIRE(counters.octets.value() <= 10000);
    if (i % 3 == 0) CacheShare::touch(*stored);
  }
  CHECK(share.size() > 30);
  CacheEntry huge;
  huge.record_octets = 10001;
  CHECK(share.insert(std::move(huge)) == nullptr);
}

TEST_CASE("prefetch asks for one refresh of a popular entry near its end") {
  CacheConfig config;
  config.prefetch = CacheConfig::Prefetch{.amount = 3, .duration = seconds(60), .percentage = 10};
  Fixture f(config);
  f.store_a("www.example.", 100);
  f.clock.advance(seconds(85));
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);  // popular, but 15 seconds are left
  f.clock.advance(seconds(6));
  CHECK(f.ask("www.example.") == CacheOutcome::hit_refresh);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);  // one refresh at a time
  f.store_a("www.example.", 100);
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.cache.counters().prefetches.value() == 1);
}

TEST_CASE("serve_stale answers with TTL 0 and asks for one refresh") {
  CacheConfig config;
  config.serve_stale = CacheConfig::ServeStale{};
  Fixture f(config);
  f.store_a("www.example.", 10);
  f.clock.advance(seconds(11));
  CHECK(f.ask("www.example.") == CacheOutcome::hit_refresh);
  CHECK(f.lines() == Lines{"answer www.example. A 0 4"});
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.cache.counters().served_stale.value() == 2);
  SUBCASE("SERVFAIL leaves the stale answer, and upstreams in peace for as long as it would have been kept") {
    f.store_rcode("www.example.", dns::Rcode::servfail);
    CHECK(f.ask("www.example.") == CacheOutcome::hit);
    CHECK(f.header().rcode() == dns::Rcode::noerror);
    f.clock.advance(seconds(5));
    CHECK(f.ask("www.example.") == CacheOutcome::hit_refresh);
    f.store_failure("www.example.");
    CHECK(f.ask("www.example.") == CacheOutcome::hit);
  }
  SUBCASE("after an hour it is gone") {
    f.clock.advance(seconds(3600));
    CHECK(f.ask("www.example.") == CacheOutcome::miss);
  }
}

TEST_CASE("a stale reply says so, and for how long (RFC 8914)") {
  CacheConfig config;
  config.serve_stale = CacheConfig::ServeStale{.response_ttl = seconds(30)};
  config.keep_ttl = true;
  Fixture f(config);
  f.store_a("www.example.", 10);
  f.store_nxdomain("no.example.", 10, 10);
  f.ask("www.example.", RRType::a, {.edns = true});
  CHECK(f.reason() == "");
  f.clock.advance(seconds(52));
  f.ask("www.example.", RRType::a, {.edns = true});
  CHECK(f.reason() == "3 expired 42 s ago");
  CHECK(f.lines()[0] == "answer www.example. A 30 4");
  f.refresh_failed("www.example.");
  f.ask("www.example.", RRType::a, {.edns = true});
  CHECK(f.reason() == "3 expired 42 s ago, upstreams fail");
  f.ask("no.example.", RRType::a, {.edns = true});
  CHECK(f.reason() == "19 expired 42 s ago");
  f.ask("www.example.");
  CHECK(f.lines() == Lines{"answer www.example. A 30 4"});
}

TEST_CASE("a failure that is out of date is not served") {
  CacheConfig config;
  config.serve_stale = CacheConfig::ServeStale{};
  Fixture f(config);
  f.store_rcode("www.example.", dns::Rcode::servfail);
  f.store_rcode("other.example.", dns::Rcode::notimp);
  f.store_failure("silent.example.");
  f.ask("silent.example.", RRType::a, {.edns = true});
  CHECK(f.header().rcode() == dns::Rcode::servfail);
  CHECK(f.reason() == "13 an upstream's failure, remembered for a moment");
  f.clock.advance(seconds(5));
  for (const auto* qname : {"www.example.", "other.example.", "silent.example."}) {
    CHECK(f.ask(qname) == CacheOutcome::miss);
  }
}

TEST_CASE("upstreams that do not reply are a failure that is remembered (RFC 9520 §3.2)") {
  CacheConfig config;
  config.servfail_ttl = seconds(20);
  Fixture f(config);
  f.store_failure("www.example.");
  f.clock.advance(seconds(19));
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.header().rcode() == dns::Rcode::servfail);
  CHECK(f.ask("www.example.", RRType::aaaa) == CacheOutcome::miss);
  CHECK(f.ask("www.example.", RRType::a, {.dnssec_ok = true}) == CacheOutcome::miss);
  f.clock.advance(seconds(1));
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
  f.store_a("www.example.");
  f.store_failure("www.example.");
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  CHECK(f.header().rcode() == dns::Rcode::noerror);
}

TEST_CASE("NOERROR and NXDOMAIN take the place of what is out of date, other replies are failures (RFC 8767 §4)") {
  struct Row {
    dns::Rcode rcode;
    bool with_answer;
    bool settles;
    bool settles_positive;
  };
  for (const Row& row : {Row{dns::Rcode::noerror, true, true, true}, Row{dns::Rcode::noerror, false, true, false},
                         Row{dns::Rcode::nxdomain, false, true, false}, Row{dns::Rcode::servfail, false, false, false},
                         Row{dns::Rcode::refused, false, false, false}, Row{dns::Rcode::formerr, false, false, false},
                         Row{dns::Rcode::notimp, false, false, false}}) {
    CAPTURE(row.rcode);
    ReplyBuilder builder("www.example.", RRType::a);
    if (row.with_answer) builder.a(300);
    const Octets octets = builder.rcode(row.rcode).octets();
    CacheConfig config;
    config.serve_stale = CacheConfig::ServeStale{};
    CHECK(Cache(config).settles(*Reply::parse(octets)) == row.settles);
    config.serve_stale->prefer_positive = true;
    CHECK(Cache(config).settles(*Reply::parse(octets)) == row.settles_positive);
  }
}

TEST_CASE("serve_stale verify asks first; once that has failed nobody waits, and upstreams are asked now and then") {
  CacheConfig config;
  config.serve_stale =
      CacheConfig::ServeStale{.verify = true, .response_ttl = seconds(30), .failure_recheck = seconds(20)};
  Fixture f(config);
  f.store_a("www.example.", 10);
  f.clock.advance(seconds(11));
  CHECK(f.ask("www.example.") == CacheOutcome::stale_verify);
  CHECK(f.ask("www.example.") == CacheOutcome::stale_verify);  // another client meanwhile
  f.refresh_failed("www.example.");
  CHECK(f.ask_stale("www.example."));
  CHECK(f.lines() == Lines{"answer www.example. A 30 4"});
  f.clock.advance(seconds(19));
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  f.clock.advance(seconds(1));
  CHECK(f.ask("www.example.") == CacheOutcome::hit_refresh);
  CHECK(f.lines() == Lines{"answer www.example. A 30 4"});
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  f.store_a("www.example.", 10);
  f.clock.advance(seconds(11));
  CHECK(f.ask("www.example.") == CacheOutcome::stale_verify);
}

TEST_CASE("a refresh that fails is not tried again at once, whatever the Corefile says (RFC 9520 §3.2)") {
  CacheConfig config;
  config.servfail_ttl = seconds(0);
  config.prefetch = CacheConfig::Prefetch{.amount = 1, .duration = seconds(60), .percentage = 90};
  Fixture f(config);
  f.store_a("www.example.", 100);
  f.clock.advance(seconds(50));
  CHECK(f.ask("www.example.") == CacheOutcome::hit_refresh);
  f.refresh_failed("www.example.");
  CHECK(f.ask("www.example.") == CacheOutcome::hit);
  f.clock.advance(seconds(1));
  CHECK(f.ask("www.example.") == CacheOutcome::hit_refresh);
}

TEST_CASE("prefer_positive keeps the last answer through NXDOMAIN and empty replies") {
  CacheConfig config;
  config.serve_stale = CacheConfig::ServeStale{.prefer_positive = true};
  Fixture f(config);
  f.store_a("www.example.", 10);
  f.store_nxdomain("www.example.", 300, 300);
  f.ask("www.example.");
  CHECK(f.header().rcode() == dns::Rcode::noerror);
  f.store_rcode("www.example.", dns::Rcode::noerror);
  f.ask("www.example.");
  CHECK(f.header().answer_count == 1);
}

TEST_CASE("keep_ttl shows the stored TTL until the end") {
  CacheConfig config;
  config.keep_ttl = true;
  Fixture f(config);
  f.store_a("www.example.", 100);
  f.clock.advance(seconds(99));
  f.ask("www.example.");
  CHECK(f.lines() == Lines{"answer www.example. A 100 4"});
  f.clock.advance(seconds(1));
  CHECK(f.ask("www.example.") == CacheOutcome::miss);
}

TEST_CASE("random stores, hits and expiries keep the table whole") {
  CacheConfig config;
  config.success.capacity = 64;
  config.denial.capacity = 32;
  Fixture f(config);
  std::uint32_t state = 1;
  const auto random = [&state](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  for (int i = 0; i < 50000; ++i) {
    const std::string qname = "n" + std::to_string(random(200)) + ".example.";
    switch (random(4)) {
      case 0: f.store_a(qname, 5 + random(20)); break;
      case 1: f.store_nxdomain(qname, 5 + random(20), 30); break;
      case 2: f.clock.advance(std::chrono::milliseconds(random(500))); break;
      default: f.ask(qname); break;
    }
    REQUIRE(f.cache.size() <= 96);
  }
  CHECK(f.cache.size() == f.cache.counters().success.entries.value() + f.cache.counters().denial.entries.value());
}

}  // namespace
}  // namespace fairlead::resolver
