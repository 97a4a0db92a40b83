#include "server/control/query_watch.hpp"

#include <algorithm>
#include <bit>
#include <unordered_map>
#include <utility>

#include "zones/base/seeded_hash.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t address_octets = 16;
// Of a window's two tables for each of their places, and of both windows.
constexpr std::size_t octets_a_place = 2 * (sizeof(std::uint64_t) * 6 * 2 + dns::name_octets_max + address_octets);
// One slow query of each magnitude for sixteen places.
constexpr std::size_t places_a_slow_query = 16;
constexpr std::size_t octets_a_place_with_slow =
    octets_a_place + sizeof(SlowQuery) * slow_query_bounds.size() / places_a_slow_query;
constexpr std::size_t places_max = 256;

std::size_t places_for(std::size_t octets) {
  return std::clamp(std::bit_floor(octets / octets_a_place_with_slow), talker_ways, places_max);
}

std::uint64_t next_random(std::uint64_t& state) {
  // xorshift64: gaps need no more.
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

std::string address_text(std::string_view octets) {
  const auto* const data = reinterpret_cast<const std::uint8_t*>(octets.data());
  const auto address = octets.size() == 4 ? base::IpAddress::v4(std::span<const std::uint8_t, 4>(data, 4))
                                          : base::IpAddress::v6(std::span<const std::uint8_t, 16>(data, 16));
  return address.to_string();
}

std::string name_text(std::string_view wire) {
  return dns::NameView({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()}).to_string();
}

using Merged = std::unordered_map<std::string, TalkerCounts>;

void merge(const TalkerTable& table, Merged& merged) {
  table.for_each([&](std::string_view key, const TalkerCounts& counts) {
    TalkerCounts& sum = merged[std::string(key)];
    sum.queries += counts.queries;
    sum.nxdomain += counts.nxdomain;
    sum.failed += counts.failed;
    sum.overcount += counts.overcount;
  });
}

std::vector<Talker> heaviest(const Merged& merged, std::string (*text)(std::string_view)) {
  std::vector<std::pair<std::string_view, TalkerCounts>> found(merged.begin(), merged.end());
  const std::size_t shown = std::min(found.size(), top_talkers_max);
  std::ranges::partial_sort(found, found.begin() + static_cast<std::ptrdiff_t>(shown),
                            [](const auto& a, const auto& b) {
                              return std::pair(b.second.queries, a.first) < std::pair(a.second.queries, b.first);
                            });
  std::vector<Talker> talkers;
  for (std::size_t i = 0; i < shown; ++i) talkers.push_back({text(found[i].first), found[i].second});
  return talkers;
}

}  // namespace

QueryWatch::Window::Window(std::size_t capacity)
    : clients(capacity, address_octets), names(capacity, dns::name_octets_max) {}

void QueryWatch::Window::clear() {
  queries = samples = 0;
  clients.clear();
  names.clear();
}

QueryWatch::QueryWatch(std::size_t octets, base::TimePoint now)
    : random_(base::draw_seed() | 1),
      windows_{Window(places_for(octets)), Window(places_for(octets))},
      slow_(places_for(octets) / places_a_slow_query) {
  windows_[0].begin = windows_[1].begin = now;
}

void QueryWatch::see(const SeenQuery& query) {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    // The next query stands for this one too.
    if (until_sample_ <= 0) until_sample_ = 1, ++gap_;
    return;
  }
  if (until_sample_ <= 0) {
    turn(query.received);
    sample(query);
    until_sample_ = gap_ = next_gap();
  }
  if (query.duration >= slow_query_min) remember(query);
}

void QueryWatch::sample(const SeenQuery& query) {
  Window& window = windows_[0];
  const auto stands_for = static_cast<std::uint64_t>(gap_);
  window.queries += stands_for;
  ++window.samples;
  const bool is_nxdomain = query.rcode == dns::Rcode::nxdomain;
  const bool has_failed = !is_nxdomain && query.rcode != dns::Rcode::noerror;
  const TalkerCounts more{
      .queries = stands_for, .nxdomain = is_nxdomain ? stands_for : 0, .failed = has_failed ? stands_for : 0};
  window.clients.count(query.client.octets(), more);
  if (query.qname) window.names.count(query.qname->wire(), more);
}

void QueryWatch::remember(const SeenQuery& query) {
  SlowQuery slow;
  slow.received = std::chrono::system_clock::now() -
                  std::chrono::duration_cast<std::chrono::system_clock::duration>(query.duration);
  slow.total = query.duration;
  slow.client = query.client;
  slow.qtype = query.qtype;
  slow.proto = query.proto;
  slow.rcode = query.rcode;
  slow.directive = query.directive;
  if (query.qname) slow.set_qname(*query.qname);
  slow.set_error(query.error);
  if (exchange_ != nullptr) {
    // Who came while the question was under way has waited for it from the start.
    const auto since = [&](base::TimePoint then) {
      return std::clamp<std::chrono::nanoseconds>(then - query.received, std::chrono::nanoseconds(0), query.duration);
    };
    slow.until_asked = since(exchange_->asked);
    slow.until_replied = since(exchange_->replied);
    if (exchange_->upstream != nullptr) {
      slow.upstream = exchange_->upstream->address;
      slow.upstream_port = exchange_->upstream->port;
      slow.is_tls = exchange_->upstream->protocol == resolver::UpstreamProtocol::tls;
    }
  }
  slow_.add(slow);
}

void QueryWatch::turn(base::TimePoint now) {
  const auto age = now - windows_[0].begin;
  if (age < query_window) return;
  const bool is_recent = age < 2 * query_window;
  if (is_recent) std::swap(windows_[0], windows_[1]);
  windows_[0].clear();
  windows_[0].begin = now;
  if (is_recent) return;
  windows_[1].clear();
  windows_[1].begin = now;
}

std::int32_t QueryWatch::next_gap() {
  if (windows_[0].samples < query_exact_samples) return 1;
  // 1 to 127, so 64 on average.
  return static_cast<std::int32_t>(1 + next_random(random_) % (2 * query_sample_gap - 1));
}

QueryWatches::QueryWatches(std::size_t workers)
    : octets_each_(query_watches_octets_max / std::max<std::size_t>(workers, 1)) {}

QueryWatch* QueryWatches::of_worker(unsigned worker) {
  const std::scoped_lock lock(mutex_);
  auto& watch = watches_[worker];
  if (watch == nullptr) watch = std::make_unique<QueryWatch>(octets_each_);
  return watch.get();
}

// They are never taken away, so that nobody has to hold the lock while he reads one.
std::vector<QueryWatch*> QueryWatches::all() {
  const std::scoped_lock lock(mutex_);
  std::vector<QueryWatch*> watches;
  for (const auto& [worker, watch] : watches_) watches.push_back(watch.get());
  return watches;
}

TopTalkers QueryWatches::top(base::TimePoint now) {
  TopTalkers top;
  Merged clients, names;
  for (QueryWatch* const watch : all()) {
    watch->read(now, [&](const QueryWatch::Window& current, const QueryWatch::Window& before, const SlowQueries&) {
      for (const auto* const window : {&current, &before}) {
        merge(window->clients, clients);
        merge(window->names, names);
        top.queries += window->queries;
        top.samples += window->samples;
        top.covered = std::max<std::chrono::nanoseconds>(top.covered, now - window->begin);
      }
    });
  }
  top.clients = heaviest(clients, address_text);
  top.names = heaviest(names, name_text);
  return top;
}

std::vector<SlowQuery> QueryWatches::slow() {
  std::vector<SlowQuery> queries;
  for (QueryWatch* const watch : all()) {
    watch->read(std::chrono::steady_clock::now(),
                [&](const QueryWatch::Window&, const QueryWatch::Window&, const SlowQueries& slow) {
                  slow.for_each([&](const SlowQuery& query) { queries.push_back(query); });
                });
  }
  std::ranges::stable_sort(queries, [](const SlowQuery& a, const SlowQuery& b) { return a.total > b.total; });
  return queries;
}

}  // namespace fairlead::server
