#include "k8s/service_records.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <ranges>
#include <tuple>
#include <utility>

#include "zones/base/decimal_octet.hpp"
#include "zones/base/sort_unique.hpp"

namespace fairlead::k8s {
namespace {

using base::sort_unique;

char lower(char c) { return static_cast<char>(dns::to_lower(static_cast<std::uint8_t>(c))); }

// Eight octets at a time: addresses with dashes differ late.
std::size_t common_octets(const char* a, const char* b, std::size_t at, std::size_t end) {
  for (std::uint64_t x, y; at + sizeof x <= end; at += sizeof x) {
    std::memcpy(&x, a + at, sizeof x);
    std::memcpy(&y, b + at, sizeof y);
    if (x != y) break;
  }
  while (at < end && a[at] == b[at]) ++at;
  return at;
}

std::strong_ordering compare_ignoring_case(std::string_view a, std::string_view b) {
  // Names are in lower case nearly always: only where octets differ does their case matter.
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; (i = common_octets(a.data(), b.data(), i, common)) < common; ++i) {
    if (const auto order = static_cast<unsigned char>(lower(a[i])) <=> static_cast<unsigned char>(lower(b[i]));
        order != 0) {
      return order;
    }
  }
  return a.size() <=> b.size();
}

void append_label(std::string& name, std::string_view label) {
  name += static_cast<char>(label.size());
  name += label;
}

std::string_view protocol_label(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp: return "_tcp";
    case Protocol::udp: return "_udp";
    case Protocol::sctp: return "_sctp";
  }
  return "_tcp";
}

// "_" must fit in front.
bool is_port_label(std::string_view name) { return is_label(name) && name.size() < dns::label_octets_max; }

template <typename Port>
bool is_port(const Port& port, std::string_view port_label, std::string_view protocol) {
  return protocol_label(port.protocol) == protocol && is_port_label(port.name) &&
         compare_ignoring_case(port.name, port_label.substr(1)) == 0;
}

template <typename Port>
void append_names(std::span<const Port> ports, std::vector<std::string>& names) {
  for (const auto& port : ports) {
    if (!is_port_label(port.name)) continue;
    std::string terminal;
    append_label(terminal, protocol_label(port.protocol));
    std::string name;
    append_label(name, "_" + to_lower(port.name));
    names.push_back(name + terminal);
    names.push_back(std::move(terminal));
  }
}

// CoreDNS's share of a hundred, over every pair of port and address with repetitions; a record of weight 0 would
// hardly ever be chosen (RFC 2782), so 1 is the least.
std::uint16_t weight_of(std::size_t pairs) {
  return static_cast<std::uint16_t>(std::max<std::size_t>(1, 100 / std::max<std::size_t>(1, pairs)));
}

}  // namespace

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= dns::label_octets_max && !text.contains('.');
}

std::string to_lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), lower);
  return lowered;
}

std::string_view own_label(const Endpoint& endpoint, const RecordOptions& options) {
  if (is_label(endpoint.hostname)) return endpoint.hostname;
  // A Pod name may contain dots; as one label nobody could ask for it, so such a Pod goes by its address.
  if (options.endpoint_pod_names && is_label(endpoint.target_ref_name)) return endpoint.target_ref_name;
  return {};
}

DashedAddress::DashedAddress(const base::IpAddress& address) {
  char* at = octets_.data();
  if (address.is_v4()) {
    for (const std::uint8_t octet : address.octets()) {
      at = base::write_decimal(octet, at);
      *at++ = '-';
    }
    --at;
  } else {
    at = std::ranges::copy(address.to_dashed_string(), at).out;
    if (at[-1] == '-') *at++ = '0';
  }
  size_ = static_cast<std::uint8_t>(at - octets_.data());
}

std::optional<base::IpAddress> parse_dashed_address(std::string_view label) {
  // Host names, and what is too long, are told apart at once.
  std::array<char, 48> text;
  if (label.size() > text.size() || !label.contains('-')) return std::nullopt;
  for (const char separator : {'.', ':'}) {
    std::ranges::transform(label, text.begin(), [&](char c) { return c == '-' ? separator : c; });
    const auto address = base::IpAddress::parse({text.data(), label.size()});
    if (address && DashedAddress(*address) == label) return address;
  }
  return std::nullopt;
}

std::optional<dns::DomainName> external_target(std::string_view external_name) {
  if (base::IpAddress::parse(external_name)) return std::nullopt;
  auto target = dns::DomainName::parse(external_name);
  if (!target || target->view().is_root()) return std::nullopt;
  return *std::move(target);
}

std::string service_suffix(const ObjectKey& key) {
  std::string suffix;
  append_label(suffix, key.name);
  append_label(suffix, key.namespace_name);
  append_label(suffix, "svc");
  return suffix;
}

ReadySlice ready_slice(const EndpointSlice& slice, const RecordOptions& options) {
  ReadySlice ready{.ports = slice.ports, .addresses = {}};
  if (options.clusterset) ready.source_cluster = slice.source_cluster;
  std::ranges::sort(ready.ports);
  ready.addresses.reserve(slice.endpoints.size());
  for (const auto& endpoint : slice.endpoints) {
    if (!endpoint.ready) continue;
    const std::string_view topology_zone = options.zonal ? std::string_view(endpoint.zone) : std::string_view();
    for (const auto& address : endpoint.addresses) {
      ready.addresses.push_back({address, own_label(endpoint, options), topology_zone});
    }
  }
  std::ranges::sort(ready.addresses);
  return ready;
}

void append_port_names(std::span<const ServicePort> ports, std::vector<std::string>& names) {
  append_names(ports, names);
}
void append_port_names(std::span<const EndpointPort> ports, std::vector<std::string>& names) {
  append_names(ports, names);
}

std::optional<std::string> zonal_name(std::string_view topology_zone) {
  if (topology_zone.empty()) return std::nullopt;
  std::string name;
  for (const auto part : std::views::split(topology_zone, '.')) {
    const std::string_view label(part.begin(), part.end());
    if (!is_label(label)) return std::nullopt;
    append_label(name, to_lower(label));
  }
  append_label(name, "pin");
  return name.append(zonal_branch);
}

std::string addressed_name(const base::IpAddress& address) {
  std::string name;
  append_label(name, DashedAddress(address));
  return name;
}

void append_endpoint_names(std::string_view cluster, const ReadyAddress& address, ServiceNames& names) {
  if (address.label.empty() && cluster.empty()) {
    names.addressed.push_back(address.address);
    return;
  }
  std::string name;
  if (address.label.empty()) {
    name = addressed_name(address.address);
  } else {
    append_label(name, to_lower(address.label));
  }
  if (!cluster.empty()) {
    std::string above;
    append_label(above, to_lower(cluster));
    name += above;
    names.others.push_back(std::move(above));
  }
  names.others.push_back(std::move(name));
}

void append_zonal_names(const ReadySlice& slice, std::vector<std::string>& names) {
  std::vector<std::string_view> topology_zones;
  for (const auto& address : slice.addresses) {
    if (!address.topology_zone.empty()) topology_zones.push_back(address.topology_zone);
  }
  sort_unique(topology_zones);
  for (const auto topology_zone : topology_zones) {
    if (auto name = zonal_name(topology_zone)) names.push_back(*std::move(name));
  }
}

void append_possible_names(const Service* service, std::span<const ReadySlice> slices, bool zonal,
                           ServiceNames& names) {
  names.others.emplace_back();
  if (zonal) names.others.emplace_back(zonal_branch);
  if (service != nullptr) append_port_names(service->ports, names.others);
  for (const auto& slice : slices) {
    append_port_names(slice.ports, names.others);
    if (zonal) append_zonal_names(slice, names.others);
    for (const auto& address : slice.addresses) append_endpoint_names(slice.source_cluster, address, names);
  }
}

ServiceRecords::ServiceRecords(const Service& service, std::span<const ReadySlice> slices, const RecordOptions& options)
    : service_(service),
      slices_(slices),
      options_(options),
      suffix_(service_suffix(service.key)),
      all_offers_(offers_of([](const EndpointPort&) { return true; })) {
  for (const auto& slice : slices) {
    addresses_ += slice.addresses.size();
    is_plain_ &= slice.source_cluster.empty();
    const base::IpAddress* last = nullptr;
    for (const auto& [address, label, topology_zone] : slice.addresses) {
      is_plain_ &= label.empty() && (last == nullptr || *last < address);
      last = &address;
    }
  }
}

void ServiceRecords::expect(std::size_t names) { sorts_at_once_ = names > unsorted_lookups_max; }

ServiceRecords::Start::Start(std::string_view label) {
  std::array<std::uint64_t, 2> words{};
  std::memcpy(words.data(), label.data(), std::min(label.size(), sizeof words));
  for (auto& word : words) {
    word = dns::to_lower_each(word);
    if (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
  }
  first = words[0];
  second = words[1];
}

std::strong_ordering ServiceRecords::compare(const Item& item, Start start, std::string_view label,
                                             std::string_view cluster) const {
  if (const auto order = item.start <=> start; order != 0) return order;
  const bool are_whole = label.size() <= sizeof start && item.label.size() == label.size();
  if (!are_whole) {
    if (const auto order = compare_ignoring_case(item.label, label); order != 0) return order;
  }
  return compare_ignoring_case(cluster_of(item), cluster);
}

const ServiceRecords::Item* ServiceRecords::end_of_name(const Item* first, const Item* end) const {
  auto last = first + 1;
  while (last != end && compare(*last, *first) == 0) ++last;
  return last;
}

void ServiceRecords::sort(Items& items) const {
  if (items.size() < 2) return;
  std::ranges::sort(items, [&](const Item& a, const Item& b) {
    if (const auto order = compare(a, b); order != 0) return order < 0;
    return std::tie(a.label, slices_[a.slice].source_cluster, a.from->address, a.slice) <
           std::tie(b.label, slices_[b.slice].source_cluster, b.from->address, b.slice);
  });
}

const ServiceRecords::Items& ServiceRecords::items() const {
  if (!items_.empty() || addresses_ == 0) return items_;
  items_.reserve(addresses_);
  dashed_.reserve(addresses_);
  for (std::uint32_t i = 0; i < slices_.size(); ++i) {
    for (const auto& from : slices_[i].addresses) {
      const std::string_view label = from.label.empty() ? dashed_.emplace_back(from.address) : from.label;
      items_.push_back({.start = Start(label), .label = label, .from = &from, .slice = i});
    }
  }
  sort(items_);
  return items_;
}

void ServiceRecords::find_named(std::string_view label, std::string_view cluster, Items& found) const {
  const auto address_of_label = parse_dashed_address(label);
  for (std::uint32_t i = 0; i < slices_.size(); ++i) {
    if (compare_ignoring_case(slices_[i].source_cluster, cluster) != 0) continue;
    for (const auto& from : slices_[i].addresses) {
      const bool is_named =
          from.label.empty() ? from.address == address_of_label : compare_ignoring_case(from.label, label) == 0;
      if (!is_named) continue;
      // A label that is the form of an address is that to the letter.
      found.push_back({.start = {}, .label = from.label.empty() ? label : from.label, .from = &from, .slice = i});
    }
  }
  sort(found);
}

bool ServiceRecords::fill(std::string_view name, zones::NameContent& content) const {
  if (service_.type == Service::Type::external_name) {
    // No label left of it exists; its ports and slices mean nothing.
    if (name.empty()) content.cname = external_target(service_.external_name);
    return content.cname.has_value();
  }
  if (options_.no_endpoints && service_.headless) return false;
  if (name.empty()) return fill_service(content);
  if (name.ends_with(zonal_branch)) return fill_topology_zone(name, content);

  // Without endpoints there is nothing to be ignored for: `noendpoints` does not look at them.
  const bool is_empty = addresses_ == 0 && !options_.no_endpoints;
  if (is_empty && (service_.headless || options_.ignore_empty_services)) return false;

  const std::string_view first = name.substr(1, static_cast<unsigned char>(name[0]));
  const std::string_view rest = name.substr(1 + first.size());
  if (!rest.empty()) {
    const std::string_view second = rest.substr(1);
    // As CoreDNS tells them apart; both labels of a port come with their underscores here.
    if (options_.clusterset && !first.starts_with('_')) return fill_endpoint(first, second, content);
    return fill_port(first, second, content);
  }
  if (options_.clusterset && has_cluster(first)) return true;
  return fill_endpoint(first, {}, content) || has_port_of(first);
}

bool ServiceRecords::fill_service(zones::NameContent& content) const {
  const bool is_empty = addresses_ == 0 && !options_.no_endpoints;
  if (is_empty && (service_.headless || options_.ignore_empty_services)) {
    content.presence = zones::Presence::no_ready_endpoints;
  } else if (service_.headless) {
    add_endpoints(items(), all_offers_, content);
  } else {
    add_cluster_ips([](const ServicePort&) { return true; }, content);
  }
  return true;
}

bool ServiceRecords::fill_endpoint(std::string_view label, std::string_view cluster,
                                   zones::NameContent& content) const {
  if (options_.no_endpoints) return false;
  if (items_.empty() && !sorts_at_once_ && unsorted_lookups_ < unsorted_lookups_max) {
    ++unsorted_lookups_;
    Items found;
    find_named(label, cluster, found);
    if (found.empty()) return false;
    add_endpoints(found, all_offers_, content);
  } else {
    const Items& all = items();
    const Start start(label);
    const Item* const end = all.data() + all.size();
    const Item* const first = std::ranges::partition_point(
        all.data(), end, [&](const Item& item) { return compare(item, start, label, cluster) < 0; });
    if (first == end || compare(*first, start, label, cluster) != 0) return false;
    add_endpoints({first, end_of_name(first, end)}, all_offers_, content);
  }
  // As CoreDNS: the endpoints behind a ClusterIP can be asked for, but are not listed.
  content.in_transfers = service_.headless;
  return true;
}

bool ServiceRecords::fill_addressed(const base::IpAddress& address, std::string_view label,
                                    zones::NameContent& content) const {
  if (!is_plain_ || options_.clusterset || service_.type == Service::Type::external_name) {
    std::string name;
    append_label(name, label);
    return fill(name, content);
  }
  if (options_.no_endpoints) return false;
  zones::NameContent::List<Item, 2> places;
  for (std::uint32_t i = 0; i < slices_.size(); ++i) {
    const auto& all = slices_[i].addresses;
    const auto from = std::ranges::lower_bound(all, address, {}, &ReadyAddress::address);
    if (from == all.end() || from->address != address) continue;
    places.push_back({.start = {}, .label = label, .from = &*from, .slice = i});
  }
  if (places.empty()) return false;
  add_endpoints({places.data(), places.size()}, all_offers_, content);
  content.in_transfers = service_.headless;  // as in fill_endpoint()
  return true;
}

bool ServiceRecords::fill_port(std::string_view port, std::string_view protocol, zones::NameContent& content) const {
  if (!service_.headless) {
    const auto selects = [&](const ServicePort& p) { return is_port(p, port, protocol); };
    if (!std::ranges::any_of(service_.ports, selects)) return false;
    add_cluster_ips(selects, content);
    return true;
  }
  const auto selects = [&](const EndpointPort& p) { return is_port(p, port, protocol); };
  const auto carries = [&](const ReadySlice& slice) { return std::ranges::any_of(slice.ports, selects); };
  if (std::ranges::all_of(slices_, carries)) {
    if (addresses_ == 0) return false;
    add_endpoints(items(), offers_of(selects), content);
    return true;
  }
  Items carrying;
  for (const auto& item : items()) {
    if (carries(slices_[item.slice])) carrying.push_back(item);
  }
  if (carrying.empty()) return false;
  add_endpoints(carrying, offers_of(selects), content);
  return true;
}

// Of headless Services alone, but of those without ready endpoints too: a topology zone without endpoints is NODATA.
bool ServiceRecords::fill_topology_zone(std::string_view name, zones::NameContent& content) const {
  if (!options_.zonal || !service_.headless) return false;
  if (name == zonal_branch) return true;
  Items within;
  std::string_view last;  // neighbours mostly share their zone
  bool is_within = false;
  for (const auto& item : items()) {
    const std::string_view topology_zone = item.from->topology_zone;
    if (topology_zone != last) is_within = zonal_name(last = topology_zone) == name;
    if (is_within) within.push_back(item);
  }
  if (within.empty()) return false;
  add_endpoints(within, all_offers_, content);
  content.in_transfers = false;
  return true;
}

template <typename Selects>
void ServiceRecords::add_cluster_ips(Selects selects, zones::NameContent& content) const {
  content.addresses.assign(service_.cluster_ips.begin(), service_.cluster_ips.end());
  std::size_t ports = 0;
  for (const auto& port : service_.ports) {
    if (!selects(port)) continue;
    ++ports;
    // One port number under two protocols is one and the same SRV record.
    const auto is_same = [&](const auto& srv) { return srv.port == port.port; };
    if (port.port != 0 && content.srvs.size() < addresses_max && std::ranges::none_of(content.srvs, is_same)) {
      content.srvs.push_back({.port = port.port, .target = 0});
    }
  }
  if (service_.cluster_ips.empty()) content.srvs.clear();  // not yet allocated: there is nowhere to connect to
  if (content.srvs.empty()) return;
  content.srv_weight = weight_of(ports * service_.cluster_ips.size());
  content.srv_suffix = suffix_;
  content.targets.push_back({.label = "", .addresses = {service_.cluster_ips.begin(), service_.cluster_ips.end()}});
}

template <typename Selects>
ServiceRecords::Offers ServiceRecords::offers_of(Selects selects) const {
  Offers offers(slices_.size());
  for (std::size_t i = 0; i < slices_.size(); ++i) {
    for (const auto& port : slices_[i].ports) {
      if (!selects(port)) continue;
      ++offers[i].count;
      if (port.port != 0) offers[i].ports.push_back(port.port);
    }
    if (slices_[i].ports.empty()) offers[i].count = 1;
    sort_unique(offers[i].ports);
  }
  return offers;
}

void ServiceRecords::add_endpoint(std::span<const Item> places, const Offers& offers,
                                  zones::NameContent& content) const {
  const Item& first = places.front();
  std::span<const std::uint16_t> ports(offers[first.slice].ports.data(), offers[first.slice].ports.size());
  std::vector<std::uint16_t> several;
  if (places.size() > 1) {
    for (const Item& place : places) {
      const auto& more = offers[place.slice].ports;
      several.insert(several.end(), more.begin(), more.end());
    }
    sort_unique(several);
    ports = several;
  }
  if (ports.empty() || content.srvs.size() + ports.size() > addresses_max) return;
  for (const auto port : ports) {
    content.srvs.push_back({.port = port, .target = static_cast<std::uint16_t>(content.targets.size())});
  }
  auto& target = content.targets.emplace_back();
  target.label = first.label;
  if (!cluster_of(first).empty()) target.parent = cluster_of(first);
  for (const Item& place : places) {
    if (offers[place.slice].ports.empty()) continue;
    if (target.addresses.size() < addresses_max) target.addresses.push_back(place.from->address);
  }
  sort_unique(target.addresses);
}

void ServiceRecords::add_endpoints(std::span<const Item> items, const Offers& offers,
                                   zones::NameContent& content) const {
  std::size_t pairs = 0;
  if (items.size() > 1) {
    content.targets.reserve(std::min(items.size(), addresses_max));
    content.addresses.reserve(std::min(items.size(), addresses_max));
  }
  const Item* const end = items.data() + items.size();
  for (const Item* first = items.data(); first != end;) {
    const Item* const last = end_of_name(first, end);
    add_endpoint({first, last}, offers, content);
    for (; first != last; ++first) {
      pairs += offers[first->slice].count;
      if (content.addresses.size() < addresses_max) content.addresses.push_back(first->from->address);
    }
  }
  sort_unique(content.addresses);
  if (!content.srvs.empty()) {
    content.srv_weight = weight_of(pairs);
    content.srv_suffix = suffix_;
  }
}

bool ServiceRecords::has_cluster(std::string_view id) const {
  return std::ranges::any_of(slices_, [&](const ReadySlice& slice) {
    return !slice.addresses.empty() && compare_ignoring_case(slice.source_cluster, id) == 0;
  });
}

bool ServiceRecords::has_port_of(std::string_view protocol) const {
  const auto is_named = [&](const auto& port) {
    return is_port_label(port.name) && protocol_label(port.protocol) == protocol;
  };
  if (!service_.headless) return std::ranges::any_of(service_.ports, is_named);
  return std::ranges::any_of(slices_, [&](const ReadySlice& slice) {
    return !slice.addresses.empty() && std::ranges::any_of(slice.ports, is_named);
  });
}

}  // namespace fairlead::k8s
