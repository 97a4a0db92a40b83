// A made-up cluster of any size, the same each time for the same numbers, and updates that never end.
//
// Services are spread evenly over the namespaces, endpoints at random over the Services (each has at least one while
// there are enough), in EndpointSlices of at most 100. Every address is unique: cluster IPs from --service-cidr,
// endpoints and pods from 100.64.0.0/10. Pod number N owns the address of endpoint number N.
//
// Threads: one, as the registry.
// Limits: SyntheticSpec's fields are bounded by parse(), so that a typing error does not fill the memory.
// Errors: parse() says what is wrong; fill() reports what the cluster refuses (a service CIDR that is too small).
#pragma once

#include <cstdint>
#include <expected>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tools/kubesim/cluster.hpp"

namespace fairlead::kubesim {

struct SyntheticSpec {
  std::uint64_t services = 100;  // headless ones included
  std::uint64_t headless = 0;
  std::uint64_t endpoints = 1000;
  std::uint64_t namespaces = 10;
  std::uint64_t pods = 0;
  std::uint64_t nodes = 0;
  std::uint64_t seed = 1;

  /// "services=10000,headless=2000,endpoints=150000": what is left out keeps its default.
  static std::expected<SyntheticSpec, std::string> parse(const std::string& text);
};

/// The slices' size limit of the real controller.
inline constexpr std::uint64_t slice_endpoints_max = 100;

std::expected<void, std::string> fill_cluster(Cluster& cluster, const SyntheticSpec& spec);

/// Replaces endpoints one by one, as a rollout does: each step is one MODIFIED event of an EndpointSlice that DNS can
/// see.
class Churn {
 public:
  Churn(Cluster& cluster, std::uint64_t seed) : cluster_(cluster), random_(seed) {}
  /// Makes `count` updates; returns how many it could make (none in a cluster without slices).
  std::uint64_t step(std::uint64_t count);

 private:
  bool update_one();

  Cluster& cluster_;
  std::mt19937_64 random_;
  std::vector<std::pair<std::string, std::string>> slices_;  // namespace and name
  std::uint32_t next_address_ = 0;
};

}  // namespace fairlead::kubesim
