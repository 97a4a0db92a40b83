// Replies remembered: the store behind the `cache` directive, for one worker.
//
// Two shares, as in CoreDNS: `success` (answers, referrals) and `denial` (NXDOMAIN, NODATA, SERVFAIL). A hit is one or
// two hash lookups, one copy of the records behind the client's question and a patch of each TTL.
//
//     dns::MessageWriter out(...);  out.begin(query.header, query.question, edns);
//     switch (cache.copy_hit(key, wants_ad, now, out)) { ... }             // see CacheOutcome
//     ...
//     const auto ttl = cache.store(key, reply, permit, now);               // then copy_reply(reply, wants_ad, ttl,
//     out)
//
// Threads: belongs to one worker. Counters may be read from other threads.
// Limits: entries of each share as configured; cache_share_octets_max; cache_entry_octets_max. A full share evicts by
// S3-FIFO: names asked once leave first, so a scan does not push out what is in use.
// Errors: none; what cannot be kept is not kept.
// Security: the key is the whole question with DO and CD, compared in full; the hash has a random seed. Replies that
// do not repeat the question are dropped.
// Standards: RFC 2308 (negative caching), RFC 2181 §8 (TTL), RFC 8767 (serving stale), RFC 9520 (failures), RFC 8914
// (Extended DNS Errors), RFC 6840 §5.7 (AD).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "resolver/counters.hpp"
#include "resolver/limits.hpp"
#include "resolver/reply.hpp"
#include "zones/base/clock.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_writer.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::resolver {

struct CacheConfig {
  struct Share {
    std::size_t capacity = 9984;  // entries; 0: nothing is kept
    std::chrono::seconds ttl_max{0};
    std::chrono::seconds ttl_min{5};
  };
  struct Prefetch {
    std::size_t amount = 0;  // hits within `duration` of each other that make an entry popular
    base::Duration duration = std::chrono::minutes(1);
    unsigned percentage = 10;  // of the TTL that is left when it is refreshed
  };
  struct ServeStale {
    base::Duration up_to = std::chrono::hours(1);
    bool verify = false;
    std::chrono::seconds response_ttl{0};
    /// Between two refreshes of which the first failed; 0: as long as a SERVFAIL is kept.
    base::Duration failure_recheck{0};
    bool prefer_positive = false;
  };
  Share success{9984, std::chrono::seconds(3600), std::chrono::seconds(5)};
  Share denial{9984, std::chrono::seconds(1800), std::chrono::seconds(5)};
  base::Duration servfail_ttl = std::chrono::seconds(5);  // 0: SERVFAIL is not kept
  std::optional<Prefetch> prefetch;
  std::optional<ServeStale> serve_stale;
  /// Hits show the TTL as stored instead of what is left.
  bool keep_ttl = false;
};

/// A question as the cache sees it. Case of the name does not matter.
struct CacheKey {
  dns::NameView qname;
  dns::RRType qtype{};
  dns::RRClass qclass = dns::RRClass::in;
  bool dnssec_ok = false;
  bool checking_disabled = false;
  std::uint64_t options = 0;  // options_hash() of what the upstream was told beside the question
};

/// Whether each share may keep this name; `disable success|denial ZONES` is decided by the server.
struct CachePermit {
  bool success = true;
  bool denial = true;
};

enum class CacheOutcome : std::uint8_t {
  miss,
  hit,           // the reply is written
  hit_refresh,   // the reply is written; ask upstream in the background and store() or refresh_failed()
  stale_verify,  // nothing written: ask upstream first and store(), once for all who are told this; if that fails or
                 // takes too long, copy_stale() and refresh_failed()
};

class Cache {
 public:
  explicit Cache(const CacheConfig& config);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  /// Writes RCODE, flags and records behind the question that `out` holds, when the answer is known.
  /// `wants_ad`: the client sent AD or DO.
  CacheOutcome copy_hit(const CacheKey& key, bool wants_ad, base::TimePoint now, dns::MessageWriter& out);
  /// Writes an entry that is out of date but within serve_stale; false without one.
  bool copy_stale(const CacheKey& key, bool wants_ad, base::TimePoint now, dns::MessageWriter& out);

  /// Keeps `reply` if its kind may be kept and gives the TTL that the client is shown for every record, kept or not.
  /// `wall_seconds`: Unix time, for signatures.
  std::uint32_t store(const CacheKey& key, const Reply& reply, CachePermit permit, base::TimePoint now,
                      std::int64_t wall_seconds);
  /// The TTL that store() would give; for clients that share another's reply.
  std::uint32_t shown_ttl(const Reply& reply, std::int64_t wall_seconds) const;
  /// Upstreams were asked and none replied: RFC 9520 wants that remembered like a SERVFAIL.
  void store_failure(const CacheKey& key, CachePermit permit, base::TimePoint now);
  /// The refresh that copy_hit() asked for found no usable reply, or takes too long. Until a reply is stored the entry
  /// is given at once, and another refresh is asked for after failure_recheck at the earliest.
  void refresh_failed(const CacheKey& key, base::TimePoint now);
  /// Whether a reply takes the place of what is out of date: NOERROR and NXDOMAIN do (RFC 8767 §4), with
  /// prefer_positive only an answer.
  bool settles(const Reply& reply) const;

  std::size_t size() const;
  const CacheCounters& counters() const;
  const CacheConfig& config() const;

 private:
  class Store;
  std::unique_ptr<Store> store_;
};

}  // namespace fairlead::resolver
