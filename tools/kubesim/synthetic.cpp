#include "tools/kubesim/synthetic.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace fairlead::kubesim {
namespace {

// RFC 6598's shared space, which no Service CIDR of a test uses: 4,194,302 addresses.
constexpr std::uint32_t endpoint_base = 100u << 24 | 64u << 16;
constexpr std::uint64_t endpoint_addresses = (1u << 22) - 2;
// Benchmarking space (RFC 2544) for the addresses that churn brings: they must not meet those of other endpoints.
constexpr std::uint32_t churn_base = 198u << 24 | 18u << 16;
constexpr std::uint32_t churn_addresses = 1u << 17;

// Fixed, so that two runs give the same bytes.
constexpr const char* created_at = "2025-01-01T00:00:00Z";

std::string print_address(std::uint32_t address) {
  char text[16];
  std::snprintf(text, sizeof text, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
                address & 0xff);
  return text;
}

std::string numbered(const char* prefix, std::uint64_t number, int digits) {
  char text[40];
  std::snprintf(text, sizeof text, "%s-%0*llu", prefix, digits, static_cast<unsigned long long>(number));
  return text;
}

std::string namespace_name(std::uint64_t number) { return numbered("ns", number, 5); }
std::string node_name(std::uint64_t number) { return numbered("node", number, 4); }
std::string pod_name(std::uint64_t number) { return numbered("pod", number, 6); }

Json metadata(const std::string& name, const std::string& ns, Json labels) {
  Json made = {{"name", name}, {"creationTimestamp", created_at}};
  if (!ns.empty()) made["namespace"] = ns;
  if (!labels.is_null()) made["labels"] = std::move(labels);
  return made;
}

class Filler {
 public:
  Filler(Cluster& cluster, const SyntheticSpec& spec) : cluster_(cluster), spec_(spec) {}

  std::expected<void, std::string> fill() {
    for (std::uint64_t i = 0; i < spec_.namespaces; ++i) {
      if (!add(kind::of_namespace(), {{"metadata", metadata(namespace_name(i), "", nullptr)}})) return fault();
    }
    for (std::uint64_t i = 0; i < spec_.nodes; ++i) {
      const Json condition = {{"type", "Ready"}, {"status", "True"}};
      if (!add(kind::node(), {{"metadata", metadata(node_name(i), "", {{"topology.kubernetes.io/zone", zone_of(i)}})},
                              {"status", {{"conditions", Json::array({condition})}}}})) {
        return fault();
      }
    }
    const std::vector<std::uint64_t> shares = share_out();
    std::uint64_t next_endpoint = 0;
    for (std::uint64_t i = 0; i < spec_.services; ++i) {
      if (!add_service(i, next_endpoint, shares[i])) return fault();
      next_endpoint += shares[i];
    }
    // Pods that no Service selects.
    for (std::uint64_t i = next_endpoint; i < spec_.pods; ++i) {
      if (!add_pod(i, namespace_name(i % spec_.namespaces), "none")) return fault();
    }
    return {};
  }

 private:
  bool add(const Kind& kind, Json object) {
    const auto stored = cluster_.apply_manifest(kind, std::move(object));
    if (!stored) fault_ = stored.error().message;
    return stored.has_value();
  }
  std::expected<void, std::string> fault() const { return std::unexpected(fault_); }
  std::string zone_of(std::uint64_t node) const { return "zone-" + std::string(1, static_cast<char>('a' + node % 3)); }

  /// How many endpoints each Service has.
  std::vector<std::uint64_t> share_out() const {
    std::vector<std::uint64_t> shares(spec_.services, 0);
    if (shares.empty()) return shares;
    std::mt19937_64 random(spec_.seed);
    for (std::uint64_t i = 0; i < spec_.endpoints; ++i) ++shares[i < spec_.services ? i : random() % spec_.services];
    return shares;
  }

  bool add_service(std::uint64_t number, std::uint64_t first_endpoint, std::uint64_t endpoints) {
    const std::string name = numbered("svc", number, 6);
    const std::string ns = namespace_name(number % spec_.namespaces);
    // Spread the headless ones evenly, so that every part of the cluster has both sorts.
    const bool is_headless = number * spec_.headless / spec_.services != (number + 1) * spec_.headless / spec_.services;
    Json spec = {{"selector", {{"app", name}}},
                 {"ports",
                  {{{"name", "http"}, {"port", 80}, {"protocol", "TCP"}, {"targetPort", 8080}},
                   {{"name", "metrics"}, {"port", 9090}, {"protocol", "TCP"}, {"targetPort", 9090}}}}};
    if (is_headless) spec["clusterIP"] = "None";
    if (!add(kind::service(), {{"metadata", metadata(name, ns, {{"app", name}})}, {"spec", std::move(spec)}})) {
      return false;
    }
    // A Service without endpoints still has one slice, an empty one.
    std::uint64_t done = 0;
    for (std::uint64_t slice = 0; slice == 0 || done < endpoints; ++slice) {
      const std::uint64_t size = std::min(slice_endpoints_max, endpoints - done);
      Json list = Json::array();
      for (std::uint64_t i = 0; i < size; ++i) list.push_back(endpoint(first_endpoint + done + i, ns, is_headless));
      Json labels = {{"kubernetes.io/service-name", name},
                     {"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"}};
      if (is_headless) labels["service.kubernetes.io/headless"] = "";
      if (!add(kind::endpoint_slice(), {{"metadata", metadata(numbered(name.c_str(), slice, 3), ns, std::move(labels))},
                                        {"addressType", "IPv4"},
                                        {"endpoints", std::move(list)},
                                        {"ports",
                                         {{{"name", "http"}, {"port", 8080}, {"protocol", "TCP"}},
                                          {{"name", "metrics"}, {"port", 9090}, {"protocol", "TCP"}}}}})) {
        return false;
      }
      done += size;
    }
    for (std::uint64_t i = first_endpoint; i < first_endpoint + endpoints && i < spec_.pods; ++i) {
      if (!add_pod(i, ns, name)) return false;
    }
    return true;
  }

  Json endpoint(std::uint64_t number, const std::string& ns, bool is_headless) const {
    Json made = {{"addresses", {address_of(number)}},
                 {"conditions", {{"ready", true}, {"serving", true}, {"terminating", false}}}};
    if (number < spec_.pods) made["targetRef"] = {{"kind", "Pod"}, {"name", pod_name(number)}, {"namespace", ns}};
    if (spec_.nodes > 0) {
      made["nodeName"] = node_name(number % spec_.nodes);
      made["zone"] = zone_of(number % spec_.nodes);
    }
    // StatefulSets give their pods host names.
    if (is_headless && number % 2 == 0) made["hostname"] = pod_name(number);
    return made;
  }

  bool add_pod(std::uint64_t number, const std::string& ns, const std::string& app) {
    const std::string address = address_of(number);
    const Json pod_ip = {{"ip", address}};
    const Json container = {{"name", "main"}, {"image", "registry.example/app:1"}};
    const Json ready = {{"type", "Ready"}, {"status", "True"}};
    Json spec = {{"containers", Json::array({container})}};
    if (spec_.nodes > 0) spec["nodeName"] = node_name(number % spec_.nodes);
    return add(kind::pod(), {{"metadata", metadata(pod_name(number), ns, {{"app", app}})},
                             {"spec", std::move(spec)},
                             {"status",
                              {{"phase", "Running"},
                               {"podIP", address},
                               {"podIPs", Json::array({pod_ip})},
                               {"conditions", Json::array({ready})}}}});
  }

  static std::string address_of(std::uint64_t number) {
    return print_address(endpoint_base + 1 + static_cast<std::uint32_t>(number));
  }

  Cluster& cluster_;
  const SyntheticSpec& spec_;
  std::string fault_;
};

}  // namespace

std::expected<SyntheticSpec, std::string> SyntheticSpec::parse(const std::string& text) {
  SyntheticSpec spec;
  struct Field {
    std::string_view name;
    std::uint64_t* value;
    std::uint64_t most;
  };
  const std::array<Field, 7> fields{{{"services", &spec.services, 1'000'000},
                                     {"headless", &spec.headless, 1'000'000},
                                     {"endpoints", &spec.endpoints, endpoint_addresses},
                                     {"namespaces", &spec.namespaces, 100'000},
                                     {"pods", &spec.pods, endpoint_addresses},
                                     {"nodes", &spec.nodes, 10'000},
                                     {"seed", &spec.seed, ~std::uint64_t{0}}}};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    const auto field = std::ranges::find(fields, pair.substr(0, equals), &Field::name);
    if (equals == std::string_view::npos || field == fields.end()) {
      return std::unexpected("'" + std::string(pair) +
                             "' is not one of services=N headless=N endpoints=N namespaces=N pods=N nodes=N seed=N");
    }
    const std::string_view digits = pair.substr(equals + 1);
    const char* end = digits.data() + digits.size();
    std::uint64_t value = 0;
    if (std::from_chars(digits.data(), end, value) != std::from_chars_result{end, std::errc()} || value > field->most) {
      return std::unexpected("'" + std::string(pair) + "': the number must be 0 to " + std::to_string(field->most));
    }
    *field->value = value;
  }
  if (spec.headless > spec.services)
    return std::unexpected("headless=N counts some of services=N, so it cannot be more");
  if (spec.namespaces == 0) return std::unexpected("namespaces=0 leaves no place for Services");
  if (spec.services == 0 && spec.endpoints > 0) spec.endpoints = 0;
  return spec;
}

std::expected<void, std::string> fill_cluster(Cluster& cluster, const SyntheticSpec& spec) {
  return Filler(cluster, spec).fill();
}

std::uint64_t Churn::step(std::uint64_t count) {
  std::uint64_t done = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (update_one()) ++done;
  }
  return done;
}

bool Churn::update_one() {
  const ObjectRegistry& registry = cluster_.registry();
  if (slices_.empty()) {
    if (registry.count(kind::endpoint_slice()) == 0) return false;
    const auto page = registry.page(kind::endpoint_slice(), {});
    for (const ObjectPtr& object : page->objects) slices_.emplace_back(object->ns, object->name);
  }
  const std::size_t at = random_() % slices_.size();
  const ObjectPtr object = registry.get(kind::endpoint_slice(), slices_[at].first, slices_[at].second);
  if (object == nullptr) {  // deleted meanwhile
    slices_[at] = slices_.back();
    slices_.pop_back();
    return false;
  }
  Json slice = to_json(*object);
  next_address_ = (next_address_ + 1) % churn_addresses;
  const std::string address = print_address(churn_base + next_address_);
  Json& endpoints = slice["endpoints"];
  if (endpoints.is_array() && !endpoints.empty() && string_at(slice, {"addressType"}) == "IPv4") {
    Json& endpoint = endpoints[random_() % endpoints.size()];
    if (endpoint.is_object()) endpoint["addresses"] = Json::array({address});
  } else {
    slice["metadata"]["annotations"]["kubesim/churn"] = address;
  }
  return cluster_.apply_manifest(kind::endpoint_slice(), std::move(slice)).has_value();
}

}  // namespace fairlead::kubesim
