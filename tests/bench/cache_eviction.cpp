// How often the cache has the answer, by the requests that it sees: the real cache beside LRU, random eviction and
// Belady's optimum, which knows the future.
//
//     cache_eviction            a page in Markdown
//     cache_eviction --quick    a tenth of the requests
//
// Traces are made with a fixed seed and nothing is timed, so the page is the same on every machine (but for the last
// digit: the cache's hash has a random seed).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <list>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "resolver/cache.hpp"
#include "zones/dns/message_writer.hpp"

namespace {

using namespace fairlead;

using Trace = std::vector<std::uint32_t>;  // numbers of names

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    // SplitMix64.
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(unit() * static_cast<double>(bound)); }

 private:
  std::uint64_t state_;
};

class Zipf {
 public:
  Zipf(std::size_t names, double exponent) : sums_(names) {
    double sum = 0;
    for (std::size_t i = 0; i < names; ++i) sums_[i] = sum += 1 / std::pow(static_cast<double>(i + 1), exponent);
  }
  std::size_t pick(Random& random) const {
    const auto at = std::ranges::lower_bound(sums_, random.unit() * sums_.back());
    return static_cast<std::size_t>(at - sums_.begin());
  }

 private:
  std::vector<double> sums_;
};

// --- traces

constexpr std::uint32_t names = 100'000;
constexpr std::uint32_t fresh_names = 1'000'000;  // from here on: names that come once

Trace zipf(std::size_t requests, double exponent) {
  Random random(1);
  const Zipf popular(names, exponent);
  Trace trace(requests);
  for (auto& request : trace) request = static_cast<std::uint32_t>(popular.pick(random));
  return trace;
}

// Three in ten requests are for names that nobody asks again: reverse lookups of logs, tracking, block lists.
Trace once_only(std::size_t requests) {
  Random random(2);
  const Zipf popular(names, 0.9);
  Trace trace(requests);
  std::uint32_t fresh = fresh_names;
  for (auto& request : trace) {
    request = random.unit() < 0.3 ? fresh++ : static_cast<std::uint32_t>(popular.pick(random));
  }
  return trace;
}

// A crawler walks through 30,000 names between every 70,000 ordinary requests.
Trace scans(std::size_t requests, bool same_names) {
  Random random(3);
  const Zipf popular(names, 0.9);
  Trace trace(requests);
  std::uint32_t fresh = fresh_names;
  for (std::size_t i = 0; i < requests; ++i) {
    const bool is_scan = i % 100'000 >= 70'000;
    if (is_scan && same_names && i % 100'000 == 70'000) fresh = fresh_names;
    trace[i] = is_scan ? fresh++ : static_cast<std::uint32_t>(popular.pick(random));
  }
  return trace;
}

// What is popular changes: the ranks move on by 200 names every 20,000 requests.
Trace drift(std::size_t requests) {
  Random random(4);
  const Zipf popular(names, 0.9);
  Trace trace(requests);
  for (std::size_t i = 0; i < requests; ++i) {
    trace[i] = static_cast<std::uint32_t>((popular.pick(random) + i / 20'000 * 200) % names);
  }
  return trace;
}

// Half of the requests walk round and round through a few more names than fit; the other half is ordinary.
Trace loop(std::size_t requests, std::size_t capacity) {
  Random random(5);
  const Zipf popular(names, 0.9);
  Trace trace(requests);
  const auto round = static_cast<std::uint32_t>(capacity + capacity / 5);
  for (std::size_t i = 0; i < requests; ++i) {
    trace[i] = i % 2 == 0 ? fresh_names + static_cast<std::uint32_t>(i / 2) % round
                          : static_cast<std::uint32_t>(popular.pick(random));
  }
  return trace;
}

// --- caches; each gives its hits

std::vector<std::uint8_t> name_of(std::uint32_t number) {
  const std::string label = "n" + std::to_string(number);
  std::vector<std::uint8_t> wire{static_cast<std::uint8_t>(label.size())};
  wire.insert(wire.end(), label.begin(), label.end());
  for (const std::string_view rest : {std::string_view("\7example", 8), std::string_view("\3org", 4)}) {
    wire.insert(wire.end(), rest.begin(), rest.end());
  }
  wire.push_back(0);
  return wire;
}

std::size_t ours(const Trace& trace, std::size_t capacity) {
  resolver::CacheConfig config;
  config.success.capacity = capacity;
  resolver::Cache cache(config);
  const base::TimePoint now{std::chrono::hours(1)};
  std::vector<std::uint8_t> buffer(dns::message_octets_max);
  std::size_t hits = 0;
  for (const std::uint32_t number : trace) {
    const std::vector<std::uint8_t> name = name_of(number);
    std::vector<std::uint8_t> question = name;
    question.insert(question.end(), {0, 1, 0, 1});
    dns::Header header;
    header.question_count = 1;
    dns::MessageWriter writer(buffer, dns::message_octets_max);
    writer.begin(header, question, false);
    const resolver::CacheKey key{.qname = dns::NameView(name), .qtype = dns::RRType::a};
    if (cache.copy_hit(key, false, now, writer) != resolver::CacheOutcome::miss) {
      ++hits;
      continue;
    }
    const std::array<std::uint8_t, 2> owner{0xc0, 0x0c};
    const std::array<std::uint8_t, 4> address{192, 0, 2, 1};
    writer.append(dns::Section::answer, owner, dns::RRType::a, 3600, address);
    const auto reply = resolver::Reply::parse(writer.finish());
    cache.store(key, *reply, {}, now, 0);
  }
  return hits;
}

std::size_t least_recent(const Trace& trace, std::size_t capacity) {
  std::list<std::uint32_t> order;
  std::unordered_map<std::uint32_t, std::list<std::uint32_t>::iterator> known;
  std::size_t hits = 0;
  for (const std::uint32_t number : trace) {
    if (const auto found = known.find(number); found != known.end()) {
      ++hits;
      order.splice(order.begin(), order, found->second);
      continue;
    }
    if (known.size() == capacity) {
      known.erase(order.back());
      order.pop_back();
    }
    order.push_front(number);
    known[number] = order.begin();
  }
  return hits;
}

// CoreDNS's way: any entry goes.
std::size_t at_random(const Trace& trace, std::size_t capacity) {
  Random random(6);
  std::vector<std::uint32_t> kept;
  std::unordered_map<std::uint32_t, std::size_t> known;
  std::size_t hits = 0;
  for (const std::uint32_t number : trace) {
    if (known.contains(number)) {
      ++hits;
      continue;
    }
    if (kept.size() < capacity) {
      known[number] = kept.size();
      kept.push_back(number);
      continue;
    }
    const std::size_t place = random.below(capacity);
    known.erase(kept[place]);
    known[number] = place;
    kept[place] = number;
  }
  return hits;
}

// Belady's: what is needed last goes, be it what has just come.
std::size_t optimum(const Trace& trace, std::size_t capacity) {
  constexpr std::size_t never = ~std::size_t{0};
  std::vector<std::size_t> next(trace.size(), never);
  std::unordered_map<std::uint32_t, std::size_t> seen;
  for (std::size_t i = trace.size(); i-- > 0;) {
    if (const auto later = seen.find(trace[i]); later != seen.end()) next[i] = later->second;
    seen[trace[i]] = i;
  }
  std::set<std::pair<std::size_t, std::uint32_t>> by_need;
  std::unordered_map<std::uint32_t, std::size_t> need;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < trace.size(); ++i) {
    if (const auto found = need.find(trace[i]); found != need.end()) {
      ++hits;
      by_need.erase({found->second, trace[i]});
      need.erase(found);
    }
    if (next[i] == never) continue;
    by_need.emplace(next[i], trace[i]);
    need[trace[i]] = next[i];
    if (need.size() <= capacity) continue;
    need.erase(by_need.rbegin()->second);
    by_need.erase(std::prev(by_need.end()));
  }
  return hits;
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_quick = argc > 1 && std::string_view(argv[1]) == "--quick";
  const std::size_t requests = is_quick ? 200'000 : 2'000'000;
  std::printf("# What the cache has: hits by eviction policy\n\n");
  std::printf(
      "`tools/dev bench cache`: %zu requests over %u names and those that come once, fixed seed, no TTL ends.\n",
      requests, names);
  std::printf(
      "`fairlead` is the real cache (S3-FIFO), `LRU` what unbound does, `random` CoreDNS; `optimum` is Belady's,\n"
      "which knows what comes. The last column: how much of the way from random to the optimum.\n\n");
  std::printf(
      "| requests | entries | random | LRU | fairlead | optimum | of the way |\n|---|---|---|---|---|---|---|\n");
  for (const std::size_t capacity : {1'000, 9'984}) {
    const struct {
      const char* what;
      Trace trace;
    } rows[] = {
        {"Zipf, exponent 0.9", zipf(requests, 0.9)},
        {"Zipf, exponent 1.1", zipf(requests, 1.1)},
        {"Zipf 0.9, 30 % of names that come once", once_only(requests)},
        {"Zipf 0.9, a scan of 30,000 new names in every 100,000", scans(requests, false)},
        {"Zipf 0.9, a scan of the same 30,000 names in every 100,000", scans(requests, true)},
        {"Zipf 0.9 whose popular names change", drift(requests)},
        {"Zipf 0.9, half a loop over 1.2 times what fits", loop(requests, capacity)},
    };
    for (const auto& row : rows) {
      const auto share = [&](std::size_t hits) {
        return 100 * static_cast<double>(hits) / static_cast<double>(row.trace.size());
      };
      const double random = share(at_random(row.trace, capacity));
      const double lru = share(least_recent(row.trace, capacity));
      const double own = share(ours(row.trace, capacity));
      const double best = share(optimum(row.trace, capacity));
      std::printf("| %s | %zu | %.1f %% | %.1f %% | %.1f %% | %.1f %% | %.0f %% |\n", row.what, capacity, random, lru,
                  own, best, 100 * (own - random) / (best - random));
      std::fflush(stdout);
    }
  }
}
