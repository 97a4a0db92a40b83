#include "resolver/cache.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "resolver/cache_share.hpp"
#include "resolver/question_key.hpp"

namespace fairlead::resolver {
namespace {

using dns::Header;
using dns::Section;

/// CoreDNS's TTL for a message without records and for kinds without a rule of their own.
constexpr std::uint32_t ttl_fallback = 5;
/// A refresh that nobody reported back is forgotten after this: longer than any question is in flight.
constexpr std::chrono::seconds refresh_forgotten_after{10};
/// RFC 9520 §3.2: a resolution failure is remembered for a second at least.
constexpr std::chrono::seconds failure_recheck_min{1};

QuestionKey key_of(const CacheKey& key) {
  std::uint8_t flags = 0;
  if (key.dnssec_ok) flags |= question_flag::dnssec_ok;
  if (key.checking_disabled) flags |= question_flag::checking_disabled;
  return QuestionKey(key.qname, key.qtype, key.qclass, flags, key.options);
}

std::int64_t whole_seconds(base::Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

// Seconds that are left; zero and below: out of date.
std::int64_t ttl_left(const CacheEntry& entry, base::TimePoint now) {
  return std::int64_t{entry.ttl} - whole_seconds(now - entry.stored);
}

bool is_failure(std::uint16_t rcode) {
  return static_cast<dns::Rcode>(rcode) == dns::Rcode::servfail || static_cast<dns::Rcode>(rcode) == dns::Rcode::notimp;
}

struct Verdict {
  ReplyKind kind{};
  bool keep = false;
  std::uint32_t ttl = 0;
};

}  // namespace

class Cache::Store {
 public:
  explicit Store(const CacheConfig& config)
      : config_(config),
        success_(config.success.capacity, cache_share_octets_max, counters_.success),
        denial_(config.denial.capacity, cache_share_octets_max, counters_.denial) {}

  CacheOutcome copy_hit(const CacheKey& key, bool wants_ad, base::TimePoint now, dns::MessageWriter& out) {
    counters_.requests.add();
    const Found found = find(key, now);
    if (!found.entry) {
      counters_.misses.add();
      return CacheOutcome::miss;
    }
    CacheEntry& entry = *found.entry;
    CacheShare::touch(entry);
    (found.is_denial ? counters_.denial : counters_.success).hits.add();
    const std::int64_t left = ttl_left(entry, now);
    if (left > 0) {
      const bool refresh = is_due_for_prefetch(entry, left, now) && begin_refresh(entry, now);
      if (refresh) counters_.prefetches.add();
      write(entry, wants_ad, static_cast<std::uint32_t>(left), out);
      return refresh ? CacheOutcome::hit_refresh : CacheOutcome::hit;
    }
    // find() gives nothing out of date without serve_stale. While upstreams are known to fail nobody waits for them.
    if (config_.serve_stale->verify && !entry.refresh_failed) return CacheOutcome::stale_verify;
    write_stale(entry, wants_ad, -left, out);
    if (!begin_refresh(entry, now)) return CacheOutcome::hit;
    counters_.prefetches.add();
    return CacheOutcome::hit_refresh;
  }

  bool copy_stale(const CacheKey& key, bool wants_ad, base::TimePoint now, dns::MessageWriter& out) {
    const Found found = find(key, now);
    if (!found.entry) return false;
    const std::int64_t left = ttl_left(*found.entry, now);
    if (left > 0) {
      write(*found.entry, wants_ad, static_cast<std::uint32_t>(left), out);
    } else {
      write_stale(*found.entry, wants_ad, -left, out);
    }
    return true;
  }

  std::uint32_t store(const CacheKey& key, const Reply& reply, CachePermit permit, base::TimePoint now,
                      std::int64_t wall_seconds) {
    const Verdict verdict = judge(reply, wall_seconds);
    if (!verdict.keep) return verdict.ttl;
    const bool is_denial = verdict.kind != ReplyKind::success && verdict.kind != ReplyKind::delegation;
    if (is_denial ? !permit.denial : !permit.success) return verdict.ttl;
    if (!(reply.qname() == key.qname) || reply.qtype() != key.qtype || reply.qclass() != key.qclass) {
      counters_.drops.add();
      return verdict.ttl;
    }
    if (reply.body().size() > cache_entry_octets_max) return verdict.ttl;

    const QuestionKey question = key_of(key);
    const std::uint64_t hash = hash_octets(question.octets(), seed_);
    const bool answers = verdict.kind == ReplyKind::success && reply.is_answered();
    if (config_.serve_stale && is_retained(question, hash, verdict.kind, answers, now)) return verdict.ttl;

    CacheEntry entry = make_entry(question, reply, now);
    entry.hash = hash;
    entry.ttl = verdict.ttl;
    entry.answers_question = answers;
    CacheShare& share = is_denial ? denial_ : success_;
    if (const CacheEntry* const old = share.find(hash, question.octets())) {
      entry.hits = old->hits;  // popularity outlives the refresh
      entry.last_hit = old->last_hit;
    }
    share.insert(std::move(entry));

    // The newest reply is the truth: what the other share says about the question must not come back when this one
    // expires. SERVFAIL is no truth, and prefer_positive asks for a good answer to be kept.
    const bool prefers_positive = config_.serve_stale && config_.serve_stale->prefer_positive;
    const bool supersedes =
        is_denial ? verdict.kind != ReplyKind::servfail && !prefers_positive : answers || !prefers_positive;
    CacheShare& other = is_denial ? success_ : denial_;
    if (supersedes) {
      if (CacheEntry* const old = other.find(hash, question.octets())) other.erase(*old);
    }
    return verdict.ttl;
  }

  Verdict judge(const Reply& reply, std::int64_t wall_seconds) const {
    Verdict verdict{.kind = reply.classify(wall_seconds), .keep = false, .ttl = ttl_fallback};
    const auto clamp = [](std::uint32_t ttl, const CacheConfig::Share& share) {
      return static_cast<std::uint32_t>(std::min(std::max(std::int64_t{ttl}, std::int64_t{share.ttl_min.count()}),
                                                 std::int64_t{share.ttl_max.count()}));
    };
    switch (verdict.kind) {
      case ReplyKind::nxdomain:
      case ReplyKind::nodata: verdict.ttl = clamp(reply.ttl_min().value_or(ttl_fallback), config_.denial); break;
      case ReplyKind::servfail:
        verdict.ttl = static_cast<std::uint32_t>(std::max<std::int64_t>(whole_seconds(config_.servfail_ttl), 0));
        break;
      case ReplyKind::success: verdict.ttl = clamp(reply.ttl_min().value_or(ttl_fallback), config_.success); break;
      case ReplyKind::delegation:
      case ReplyKind::other: verdict.ttl = clamp(ttl_fallback, config_.success); break;
    }
    verdict.keep = verdict.ttl > 0 && !reply.is_truncated() && verdict.kind != ReplyKind::other;
    // RFC 2308 §5: a negative reply without SOA should not be kept. That includes a CNAME chain that ends nowhere. An
    // empty NOERROR is kept for ttl_fallback, as CoreDNS does: it stops a storm and is gone before it hurts.
    if (verdict.kind == ReplyKind::nxdomain && !reply.has_soa()) verdict.keep = false;
    if (verdict.kind == ReplyKind::success && reply.count(Section::answer) != 0 && !reply.is_answered()) {
      verdict.keep = false;
    }
    return verdict;
  }

  void store_failure(const CacheKey& key, CachePermit permit, base::TimePoint now) {
    const std::int64_t ttl = whole_seconds(config_.servfail_ttl);
    const QuestionKey question = key_of(key);
    const std::uint64_t hash = hash_octets(question.octets(), seed_);
    if (config_.serve_stale && is_retained(question, hash, ReplyKind::servfail, false, now)) return;
    if (ttl <= 0 || !permit.denial) return;
    CacheEntry entry;
    entry.stored = now;
    entry.hash = hash;
    entry.ttl = static_cast<std::uint32_t>(ttl);
    entry.key_octets = static_cast<std::uint16_t>(question.octets().size());
    entry.rcode = static_cast<std::uint16_t>(dns::Rcode::servfail);
    entry.recursion_available = true;
    entry.block = std::make_unique_for_overwrite<std::uint8_t[]>(entry.octets());
    std::ranges::copy(question.octets(), entry.block.get());
    denial_.insert(std::move(entry));
  }

  void refresh_failed(const CacheKey& key, base::TimePoint now) {
    const QuestionKey question = key_of(key);
    const std::uint64_t hash = hash_octets(question.octets(), seed_);
    for (CacheShare* const share : {&success_, &denial_}) {
      if (CacheEntry* const entry = share->find(hash, question.octets())) block_refresh(*entry, now);
    }
  }

  bool settles(const Reply& reply) const {
    const bool is_noerror = reply.rcode() == dns::Rcode::noerror;
    if (config_.serve_stale && config_.serve_stale->prefer_positive) return is_noerror && reply.is_answered();
    return is_noerror || reply.rcode() == dns::Rcode::nxdomain;
  }

  std::size_t size() const { return success_.size() + denial_.size(); }
  const CacheCounters& counters() const { return counters_; }
  const CacheConfig& config() const { return config_; }

 private:
  struct Found {
    CacheEntry* entry = nullptr;
    bool is_denial = false;
  };

  bool is_usable(const CacheEntry& entry, base::TimePoint now) const {
    const std::int64_t left = ttl_left(entry, now);
    if (left > 0) return true;
    // A failure that is out of date is of no use to anyone.
    return config_.serve_stale && !is_failure(entry.rcode) && -left < whole_seconds(config_.serve_stale->up_to);
  }

  // Drops what can never be used again, so that it does not count as an entry.
  CacheEntry* find_usable(CacheShare& share, std::uint64_t hash, std::span<const std::uint8_t> key,
                          base::TimePoint now) {
    CacheEntry* const entry = share.find(hash, key);
    if (!entry) return nullptr;
    if (is_usable(*entry, now)) return entry;
    share.erase(*entry);
    return nullptr;
  }

  Found find(const CacheKey& key, base::TimePoint now) {
    const QuestionKey question = key_of(key);
    const std::uint64_t hash = hash_octets(question.octets(), seed_);
    CacheEntry* const success = find_usable(success_, hash, question.octets(), now);
    if (success && config_.serve_stale && config_.serve_stale->prefer_positive && success->answers_question) {
      return {success, false};
    }
    CacheEntry* const denial = find_usable(denial_, hash, question.octets(), now);
    if (!denial) return {success, false};
    // SERVFAIL passes: it must not hide an answer that is still good.
    if (success && static_cast<dns::Rcode>(denial->rcode) == dns::Rcode::servfail) return {success, false};
    return {denial, true};
  }

  // RFC 8767 §4: a failed refresh leaves what is there. With prefer_positive, so does a reply that answers nothing.
  bool is_retained(const QuestionKey& question, std::uint64_t hash, ReplyKind kind, bool answers, base::TimePoint now) {
    CacheEntry* const success = find_usable(success_, hash, question.octets(), now);
    CacheEntry* const denial = find_usable(denial_, hash, question.octets(), now);
    if (kind == ReplyKind::servfail) {
      const bool has_denial = denial && static_cast<dns::Rcode>(denial->rcode) != dns::Rcode::servfail;
      if (!success && !has_denial) return false;
      for (CacheEntry* const entry : {success, denial}) {
        if (entry) block_refresh(*entry, now);
      }
      return true;
    }
    const bool is_positive = kind == ReplyKind::success || kind == ReplyKind::delegation;
    return config_.serve_stale->prefer_positive && is_positive && !answers && success && success->answers_question;
  }

  CacheEntry make_entry(const QuestionKey& question, const Reply& reply, base::TimePoint now) const {
    CacheEntry entry;
    entry.stored = now;
    entry.key_octets = static_cast<std::uint16_t>(question.octets().size());
    entry.record_octets = static_cast<std::uint32_t>(reply.body().size());
    std::size_t records = 0;
    for (std::size_t section = 0; section < 3; ++section) {
      entry.counts[section] = static_cast<std::uint16_t>(reply.count(static_cast<Section>(section)));
      records += entry.counts[section];
    }
    entry.ttl_count = static_cast<std::uint16_t>(records);
    entry.rcode = static_cast<std::uint16_t>(reply.rcode());
    entry.authentic_data = reply.header().has(Header::ad);
    entry.recursion_available = reply.header().has(Header::ra);
    entry.block = std::make_unique_for_overwrite<std::uint8_t[]>(entry.octets());
    std::uint8_t* at = std::ranges::copy(question.octets(), entry.block.get()).out;
    at = std::ranges::copy(reply.body(), at).out;
    auto reader = dns::RecordReader::open(reply.message());
    for (std::size_t i = 0; i < records; ++i, at += 2) {
      // The reply was walked before and what stands behind its body is not counted: there is a record.
      const auto record = reader->next();
      dns::write_u16(at, static_cast<std::uint16_t>((*record)->ttl_offset - reply.body_offset()));
    }
    return entry;
  }

  bool is_due_for_prefetch(CacheEntry& entry, std::int64_t left, base::TimePoint now) const {
    if (!config_.prefetch || config_.prefetch->amount == 0 || is_failure(entry.rcode)) return false;
    entry.hits = now - entry.last_hit > config_.prefetch->duration ? 1 : entry.hits + 1;
    entry.last_hit = now;
    const double threshold = std::ceil(config_.prefetch->percentage / 100.0 * entry.ttl);
    return entry.hits >= config_.prefetch->amount && static_cast<double>(left) <= threshold;
  }

  static bool begin_refresh(CacheEntry& entry, base::TimePoint now) {
    if (now < entry.refresh_blocked_until) return false;
    entry.refresh_blocked_until = now + refresh_forgotten_after;
    return true;
  }

  void block_refresh(CacheEntry& entry, base::TimePoint now) const {
    base::Duration recheck = config_.serve_stale ? config_.serve_stale->failure_recheck : base::Duration(0);
    if (recheck <= base::Duration(0)) recheck = std::max<base::Duration>(config_.servfail_ttl, failure_recheck_min);
    entry.refresh_blocked_until = now + recheck;
    entry.refresh_failed = true;
  }

  void write_stale(const CacheEntry& entry, bool wants_ad, std::int64_t age, dns::MessageWriter& out) {
    counters_.served_stale.add();
    // Whatever keepttl says: nobody may keep for long what is out of date.
    write_records(entry, wants_ad, static_cast<std::uint32_t>(config_.serve_stale->response_ttl.count()), out);
    std::array<char, 64> text;
    char* end = std::ranges::copy(std::string_view("expired "), text.data()).out;
    end = std::to_chars(end, end + 20, age).ptr;
    const std::string_view rest = entry.refresh_failed ? " s ago, upstreams fail" : " s ago";
    end = std::ranges::copy(rest, end).out;
    const bool is_nxdomain = static_cast<dns::Rcode>(entry.rcode) == dns::Rcode::nxdomain;
    out.set_extended_error_copy(
        is_nxdomain ? dns::ExtendedError::stale_nxdomain_answer : dns::ExtendedError::stale_answer, {text.data(), end});
  }

  void write(const CacheEntry& entry, bool wants_ad, std::uint32_t left, dns::MessageWriter& out) {
    write_records(entry, wants_ad, config_.keep_ttl ? entry.ttl : left, out);
    if (is_failure(entry.rcode)) {
      out.set_extended_error({dns::ExtendedError::cached_error, "an upstream's failure, remembered for a moment"});
    }
  }

  void write_records(const CacheEntry& entry, bool wants_ad, std::uint32_t ttl, dns::MessageWriter& out) {
    out.set_rcode(static_cast<dns::Rcode>(entry.rcode));
    // CoreDNS sets AA on hits: some old resolver libraries discard answers without it.
    out.set_flag(Header::aa);
    out.set_flag(Header::ra, entry.recursion_available);
    out.set_flag(Header::ad, entry.authentic_data && wants_ad);
    const std::size_t start = out.size();
    copy_records({entry.records(), entry.counts}, out);
    std::uint8_t* const records = out.data() + start;
    const std::size_t octets = out.size() - start;
    if (octets != entry.record_octets) {
      set_all_ttls({records, octets},
                   out.count(Section::answer) + out.count(Section::authority) + out.count(Section::additional), ttl);
      return;
    }
    const std::uint8_t* offset = entry.ttl_offsets();
    for (std::uint16_t i = 0; i < entry.ttl_count; ++i, offset += 2) {
      dns::write_u32(records + dns::read_u16(offset), ttl);
    }
  }

  const CacheConfig config_;
  CacheCounters counters_;
  HashSeed seed_;
  CacheShare success_;
  CacheShare denial_;
};

Cache::Cache(const CacheConfig& config) : store_(std::make_unique<Store>(config)) {}
Cache::~Cache() = default;

CacheOutcome Cache::copy_hit(const CacheKey& key, bool wants_ad, base::TimePoint now, dns::MessageWriter& out) {
  return store_->copy_hit(key, wants_ad, now, out);
}
bool Cache::copy_stale(const CacheKey& key, bool wants_ad, base::TimePoint now, dns::MessageWriter& out) {
  return store_->copy_stale(key, wants_ad, now, out);
}
std::uint32_t Cache::store(const CacheKey& key, const Reply& reply, CachePermit permit, base::TimePoint now,
                           std::int64_t wall_seconds) {
  return store_->store(key, reply, permit, now, wall_seconds);
}
std::uint32_t Cache::shown_ttl(const Reply& reply, std::int64_t wall_seconds) const {
  return store_->judge(reply, wall_seconds).ttl;
}
void Cache::store_failure(const CacheKey& key, CachePermit permit, base::TimePoint now) {
  store_->store_failure(key, permit, now);
}
void Cache::refresh_failed(const CacheKey& key, base::TimePoint now) { store_->refresh_failed(key, now); }
bool Cache::settles(const Reply& reply) const { return store_->settles(reply); }
std::size_t Cache::size() const { return store_->size(); }
const CacheCounters& Cache::counters() const { return store_->counters(); }
const CacheConfig& Cache::config() const { return store_->config(); }

}  // namespace fairlead::resolver
