#include <array>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

using std::chrono::seconds;

// A TTL is at most 2^31 - 1 seconds (RFC 2181 §8).
constexpr std::uint64_t ttl_max = 0x7fffffff;
// Ten million entries are several gigabytes; more is a slip of the pen.
constexpr std::uint64_t capacity_max = 10'000'000;

void read_share(const Statement& option, OptionReader& reader, CacheOptions::Share& share) {
  if (const auto capacity = reader.number(option.argument(0), 0, capacity_max)) share.capacity = *capacity;
  if (option.argument_count() > 1) {
    if (const auto ttl = reader.number(option.argument(1), 1, ttl_max)) share.ttl_max = seconds(*ttl);
  }
  if (option.argument_count() > 2) {
    if (const auto ttl = reader.number(option.argument(2), 0, ttl_max)) share.ttl_min = seconds(*ttl);
  }
}

void read_prefetch(const Statement& option, OptionReader& reader, CacheOptions& options) {
  CacheOptions::Prefetch prefetch;
  if (const auto amount = reader.number(option.argument(0), 0, capacity_max)) prefetch.amount = *amount;
  if (option.argument_count() > 1) {
    prefetch.duration = reader.duration(option.argument(1)).value_or(prefetch.duration);
  }
  if (option.argument_count() > 2) {
    const Word& word = option.argument(2);
    const auto percentage = word.text.ends_with('%')
                                ? parse_number(std::string_view(word.text).substr(0, word.text.size() - 1), 10, 90)
                                : Parsed<std::uint64_t>(std::unexpect);
    if (percentage) {
      prefetch.percentage = static_cast<unsigned>(*percentage);
    } else {
      reader.fault(word.at, quote(word.text) + " is not a percentage from 10% to 90%");
    }
  }
  options.prefetch = prefetch;
}

// As CoreDNS takes it: in any case.
Word lower_case(Word word) {
  for (char& c : word.text) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  return word;
}

// [DURATION] [immediate [TTL [RECHECK]] | verify [TIMEOUT [TTL [RECHECK]]]]
void read_serve_stale(const Statement& option, OptionReader& reader, CacheOptions& options) {
  CacheOptions::ServeStale stale;
  if (options.serve_stale) stale.prefer_positive = options.serve_stale->prefer_positive;
  std::size_t next = 0;
  const auto take_duration = [&](Duration& into) {
    if (next < option.argument_count()) into = reader.duration(option.argument(next++)).value_or(into);
  };
  take_duration(stale.up_to);
  if (next < option.argument_count()) {
    static constexpr std::array<std::string_view, 2> modes = {"immediate", "verify"};
    stale.verify = reader.choice(lower_case(option.argument(next++)), modes) == 1;
    if (stale.verify) take_duration(stale.verify_timeout);
  }
  if (next < option.argument_count()) {
    const Word& word = option.argument(next++);
    if (const auto ttl = reader.duration(word)) {
      stale.response_ttl = std::chrono::duration_cast<seconds>(*ttl);
      if (stale.response_ttl != *ttl || stale.response_ttl > seconds(ttl_max)) {
        reader.fault(word.at, quote(word.text) + " is not a TTL; write whole seconds, such as '30s'");
      }
    }
  }
  if (next < option.argument_count()) {
    const Word& word = option.argument(next);
    take_duration(stale.failure_recheck);
    if (stale.failure_recheck > std::chrono::minutes(5)) {
      reader.fault(word.at, "the failure recheck " + quote(word.text) + " is too long; write '5m' or less");
    }
  }
  if (next < option.argument_count()) {
    reader.fault(option.name().at, "too many arguments for 'serve_stale'; write 'serve_stale [DURATION] [MODE]'");
  }
  options.serve_stale = stale;
}

void read_disable(const Statement& option, OptionReader& reader, CacheOptions& options) {
  static constexpr std::array<std::string_view, 2> kinds = {"success", "denial"};
  const auto kind = reader.choice(option.argument(0), kinds);
  std::vector<dns::DomainName> zones = reader.zones(std::span(option.words).subspan(2));
  if (option.argument_count() == 1) zones.emplace_back();  // the root: every name
  if (kind) (*kind == 0 ? options.success : options.denial).disabled_zones = std::move(zones);
}

}  // namespace

void read_cache(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  CacheOptions options;
  std::span<const Word> zones = directive.arguments();
  // A first argument of digits is the TTL; a zone may follow it or stand alone.
  if (!zones.empty() && zones.front().text.find_first_not_of("-+0123456789") == std::string::npos) {
    if (const auto ttl = reader.number(zones.front(), 1, ttl_max)) {
      options.success.ttl_max = options.denial.ttl_max = seconds(*ttl);
    }
    zones = zones.subspan(1);
  }
  options.zones = reader.zones_or_keys(zones, block);
  bool has_policy = false;
  reader.read_options(
      directive, {{"success", 1, 3, "success CAPACITY [TTL] [MINTTL]",
                   [&](const Statement& option) { read_share(option, reader, options.success); }},
                  {"denial", 1, 3, "denial CAPACITY [TTL] [MINTTL]",
                   [&](const Statement& option) { read_share(option, reader, options.denial); }},
                  {"prefetch", 1, 3, "prefetch AMOUNT [DURATION] [PERCENTAGE%]",
                   [&](const Statement& option) { read_prefetch(option, reader, options); }},
                  {"serve_stale", 0, 5, "serve_stale [DURATION] [immediate|verify]",
                   [&](const Statement& option) { read_serve_stale(option, reader, options); }},
                  {"serve_stale_policy", 1, 1, "serve_stale_policy prefer_positive",
                   [&](const Statement& option) {
                     static constexpr std::array<std::string_view, 1> policies = {"prefer_positive"};
                     has_policy = reader.choice(lower_case(option.argument(0)), policies).has_value();
                   }},
                  {"servfail", 1, 1, "servfail DURATION",
                   [&](const Statement& option) {
                     options.servfail_ttl = reader.duration(option.argument(0)).value_or(options.servfail_ttl);
                     // RFC 2308 §7.1: SERVFAIL is not cached for longer than five minutes.
                     if (options.servfail_ttl > std::chrono::minutes(5)) {
                       reader.fault(option.argument(0).at, "'servfail " + option.argument(0).text +
                                                               "' is longer than RFC 2308 allows; write '5m' or less");
                     }
                   }},
                  {"disable", 1, any_count, "disable success|denial [ZONES...]",
                   [&](const Statement& option) { read_disable(option, reader, options); }},
                  {"keepttl", 0, 0, "keepttl", [&](const Statement&) { options.keep_ttl = true; }}});
  if (has_policy) {
    if (options.serve_stale) {
      options.serve_stale->prefer_positive = true;
    } else {
      reader.fault(directive.name().at, "'serve_stale_policy' goes with 'serve_stale'; add 'serve_stale'");
    }
  }
  block.options.cache = std::move(options);
}

}  // namespace fairlead::server
