// The queries that took long, with where their time went: the last few of each magnitude.
//
// A ring for each magnitude of slow_query_bounds, so that a flood of upstream timeouts does not push out the query of
// 20 ms, nor the ordinary ones of 20 ms the single one of 4 s.
//
// Threads: one at a time.
// Limits: `ring` queries for each magnitude, all memory taken at the start; longer error texts are cut off.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "resolver/upstream.hpp"
#include "server/control/metrics.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/rcode.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::server {

/// Where each ring begins. Below the first nothing is remembered: a local answer takes a few microseconds, and an
/// upstream on the node some hundred.
inline constexpr std::array<std::chrono::nanoseconds, 4> slow_query_bounds{
    std::chrono::milliseconds(1), std::chrono::milliseconds(10), std::chrono::milliseconds(100),
    std::chrono::seconds(1)};
inline constexpr std::chrono::nanoseconds slow_query_min = slow_query_bounds.front();

struct SlowQuery {
  std::chrono::system_clock::time_point received;
  std::chrono::nanoseconds total{};
  /// From the arrival to the question that was asked upstream, and to what came of it; nothing where none was asked.
  std::optional<std::chrono::nanoseconds> until_asked;
  std::optional<std::chrono::nanoseconds> until_replied;

  base::IpAddress client;
  dns::RRType qtype{};
  Proto proto{};
  std::optional<dns::Rcode> rcode;  // nothing: no reply was owed
  PluginLabel directive = no_plugin;

  base::IpAddress upstream;  // with upstream_port
  std::uint16_t upstream_port = 0;
  bool is_tls = false;

  dns::NameView qname() const { return dns::NameView({qname_octets_.data(), qname_size_}); }
  void set_qname(dns::NameView name);
  std::string_view error() const { return {error_.data(), error_size_}; }
  void set_error(std::string_view text);

 private:
  std::array<std::uint8_t, dns::name_octets_max> qname_octets_{};
  std::uint8_t qname_size_ = 1;
  std::uint8_t error_size_ = 0;
  std::array<char, 120> error_{};
};

class SlowQueries {
 public:
  explicit SlowQueries(std::size_t ring);

  /// Below slow_query_min: nothing happens.
  void add(const SlowQuery& query);
  /// What it takes, whatever it holds.
  std::size_t octets() const { return size_ * rings_.size() * sizeof(SlowQuery); }

  /// use(query), the last ones first within each magnitude
  template <typename F>
  void for_each(const F& use) const {
    for (const Ring& ring : rings_) {
      for (std::size_t i = ring.queries.size(); i > 0; --i) {
        use(ring.queries[(ring.next + i - 1) % ring.queries.size()]);
      }
    }
  }

 private:
  struct Ring {
    std::vector<SlowQuery> queries;
    std::size_t next = 0;  // where the next one goes, once it is full
  };

  const std::size_t size_;
  std::array<Ring, slow_query_bounds.size()> rings_;
};

}  // namespace fairlead::server
