// Which names a change of an object touches, and what a drain makes of them: the side of the ObjectStore towards names.

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>

#include "k8s/object_store.hpp"
#include "k8s/packed_objects.hpp"
#include "k8s/pod_records.hpp"
#include "k8s/reverse_records.hpp"
#include "zones/base/sort_unique.hpp"

namespace fairlead::k8s {
namespace {

using base::sort_unique;

std::string label_name(const ReadyAddress& address) {
  if (address.label.empty()) return addressed_name(address.address);
  return static_cast<char>(address.label.size()) + to_lower(address.label);
}

// What is in one sorted list and not in the other.
std::vector<base::IpAddress> only_in(const std::vector<base::IpAddress>& one,
                                     const std::vector<base::IpAddress>& other) {
  std::vector<base::IpAddress> only;
  std::ranges::set_difference(one, other, std::back_inserter(only));
  return only;
}

// Then an external zone has no endpoints of it.
bool has_external(const Service& service) { return !service.external_ips.empty() || !service.ingress_names.empty(); }

// Endpoint names (empty non-terminals before what is below them), then what leads to them: the names of ports and of
// topology zones, then the Service.
int place_of(std::string_view name) {
  if (name.empty()) return 3;
  std::string_view last = name;
  for (std::size_t octets = 0; octets < last.size(); octets = 1 + static_cast<unsigned char>(last[0])) {
    last.remove_prefix(octets);
  }
  if (last.size() == name.size()) return 0;
  return last.substr(1).starts_with('_') ? 2 : 1;
}

struct PlacedName {
  int place;
  std::string name;
  friend auto operator<=>(const PlacedName&, const PlacedName&) = default;
};

// Once each, in the order in which they are to be published.
std::vector<PlacedName> in_order(std::vector<std::string> names) {
  std::vector<PlacedName> placed;
  placed.reserve(names.size());
  for (auto& name : names) {
    const int place = place_of(name);
    placed.push_back({place, std::move(name)});
  }
  sort_unique(placed);
  return placed;
}

}  // namespace

// ---- what a change touches

// As in CoreDNS, addresses lead to names of the cluster alone, not to those of a clusterset.
bool ObjectStore::has_reverse_names() const { return !options_.records.clusterset; }

std::vector<base::IpAddress> ObjectStore::reverse_addresses(const Service& service) const {
  if (!has_reverse_names()) return {};
  auto addresses = service.cluster_ips;
  std::ranges::copy(service.external_ips, std::back_inserter(addresses));
  return addresses;
}

void ObjectStore::mark() {
  if (!oldest_change_) oldest_change_ = std::chrono::steady_clock::now();
  if (sequence_++ == drained_) wakes_ = true;
}

ObjectStore::Touched& ObjectStore::touched(ServiceId id) {
  mark();
  return touched_services_[id];
}

void ObjectStore::touch(ServiceId id, std::string name) {
  // Slices often come before their Service: names that are not there and do not appear need no look. When the Service
  // becomes visible, all of them are touched.
  if (!is_visible(services_[id]) && !services_[id].is_published) return;
  touched(id).names.others.push_back(std::move(name));
}

void ObjectStore::touch_ports(ServiceId id, const std::vector<ServicePort>& ports) {
  std::vector<std::string> names;
  append_port_names(ports, names);
  for (auto& name : names) touch(id, std::move(name));
}

void ObjectStore::touch_ports(ServiceId id, const std::vector<EndpointPort>& ports) {
  std::vector<std::string> names;
  append_port_names(ports, names);
  for (auto& name : names) touch(id, std::move(name));
}

void ObjectStore::set_known(NamespaceId id, bool known) {
  NamespaceEntry& entry = namespaces_[id];
  entry.is_known = known;
  touched_namespaces_.insert(id);
  for (const ServiceId service : entry.services) {
    Touched& all = touched(service);
    all.all_names = all.all_addresses = true;
  }
  mark();
}

void ObjectStore::replace_service(ServiceId id, std::string packed) {
  ServiceEntry& entry = services_[id];
  const Service before = entry.packed.empty() ? Service{} : decode(entry);
  const bool was_there = !entry.packed.empty();
  const bool was_visible = is_visible(entry);
  entry.packed = std::move(packed);
  const bool is_there = !entry.packed.empty();
  const Service after = is_there ? decode(entry) : Service{};

  Touched& changes = touched(id);
  // The endpoints' names depend on whether the Service has endpoints at all, and its ports come from the slices when
  // it is headless.
  if (was_there != is_there || was_visible != is_visible(entry) || before.type != after.type ||
      before.headless != after.headless || has_external(before) != has_external(after)) {
    changes.all_names = true;
  }
  changes.names.others.emplace_back();
  append_port_names(before.ports, changes.names.others);
  append_port_names(after.ports, changes.names.others);

  auto old_addresses = reverse_addresses(before);
  auto new_addresses = reverse_addresses(after);
  sort_unique(old_addresses);
  sort_unique(new_addresses);
  for (const auto& address : only_in(old_addresses, new_addresses)) by_address_.erase(address, id | service_bit);
  for (const auto& address : only_in(new_addresses, old_addresses)) by_address_.insert(address, id | service_bit);
  // One address may be both inside and outside, and go from one of the two alone.
  if (before.cluster_ips != after.cluster_ips || before.external_ips != after.external_ips) {
    std::ranges::copy(old_addresses, std::back_inserter(touched_addresses_));
    std::ranges::copy(new_addresses, std::back_inserter(touched_addresses_));
  }
  if (entry.local_slices > 0) apex_touched_ = true;
}

void ObjectStore::replace_slice(SliceId id, std::string_view before, std::string_view after) {
  SliceEntry& slice = slices_[id];
  ServiceEntry& service = services_[slice.service];
  const SliceDifference changes = difference(before, after);

  // Names: those of endpoints that came or went, and with other ports those of all, for their SRV records.
  if (is_visible(service) || service.is_published) {
    ServiceNames& names = touched(slice.service).names;
    const auto touch_all = [&](std::string_view cluster, const auto& addresses) {
      for (const auto& address : addresses) append_endpoint_names(cluster, address, names);
    };
    // A new slice has nothing in common with none.
    if (changes.has_other_ports && changes.has_common) {
      touch_all(changes.old_cluster, unpack_slice(before).addresses);
      touch_all(changes.new_cluster, unpack_slice(after).addresses);
    } else {
      touch_all(changes.old_cluster, changes.left);
      touch_all(changes.new_cluster, changes.came);
    }
  }
  const bool is_headless = is_headless_service(service.packed);
  // When the whole Service waits to be looked at, it may have been headless when it was published: the names of ports
  // that this slice had are found nowhere else any more.
  const auto pending = touched_services_.find(slice.service);
  if (is_headless || (pending != touched_services_.end() && pending->second.all_names)) {
    touch(slice.service, "");
    touch_ports(slice.service, unpack_ports(before));
    if (changes.has_other_ports) touch_ports(slice.service, unpack_ports(after));
    if (options_.records.zonal) {
      std::vector<std::string> names;
      append_zonal_names(unpack_slice(before), names);
      append_zonal_names(unpack_slice(after), names);
      for (auto& name : names) touch(slice.service, std::move(name));
    }
  } else if (!service.packed.empty() && options_.records.ignore_empty_services) {
    touch(slice.service, "");
    touch_ports(slice.service, decode(service).ports);
  }

  // Reverse names: those of addresses that came, went or are called something else.
  if (has_reverse_names()) {
    for (const auto& item : changes.left) touched_addresses_.push_back(item.address);
    for (const auto& item : changes.came) touched_addresses_.push_back(item.address);
    for (const auto& address : changes.vanished) by_address_.erase(address, id);
    for (const auto& address : changes.appeared) by_address_.insert(address, id);
  }

  const auto is_ours = [&](const base::IpAddress& address) {
    return std::ranges::find(options_.local_addresses, address) != options_.local_addresses.end();
  };
  const bool was_local = slice.is_local;
  if (std::ranges::any_of(changes.vanished, is_ours) || std::ranges::any_of(changes.appeared, is_ours)) {
    slice.is_local = std::ranges::any_of(
        options_.local_addresses, [&](const base::IpAddress& address) { return !labels_of(after, address).empty(); });
  }
  service.local_slices += (slice.is_local ? 1 : 0);
  service.local_slices -= (was_local ? 1 : 0);
  if (was_local || slice.is_local) apex_touched_ = true;
  mark();
}

// ---- draining

ObjectStore::Drained ObjectStore::drain(NameWriter& writer) {
  const std::scoped_lock lock(mutex_);
  Erased erased;
  drain_namespaces(writer, erased);
  for (auto& [id, changes] : touched_services_) drain_service(id, changes, writer, erased);
  drain_addresses(writer, erased);
  if (std::exchange(apex_touched_, false)) {
    writer.put_apex(apex_nameservers());
    if (options_.external) writer.put_external_nameserver(external_nameserver());
  }
  for (const auto& address : erased.addresses) writer.erase_reverse(address);
  for (const auto& address : erased.external_addresses) writer.erase_external_reverse(address);
  for (const auto& key : std::views::reverse(erased.names)) writer.erase_forward(key);
  for (const auto& key : std::views::reverse(erased.external_names)) writer.erase_external(key);
  release_empty();
  if (const PodChanges changes = pods_.take_changes(); !changes.empty()) writer.change_pods(changes);

  drained_ = sequence_;
  return {.sequence = drained_,
          .all_listed = are_all_listed(),
          .oldest_change = std::exchange(oldest_change_, std::nullopt),
          .dated_changes = std::exchange(dated_changes_, {})};
}

void ObjectStore::drain_namespaces(NameWriter& writer, Erased& erased) {
  for (const NamespaceId id : touched_namespaces_) {
    const NamespaceEntry& entry = namespaces_[id];
    std::vector<std::string> keys{services_of_namespace_key(*entry.name)};
    if (options_.records.pod_names) keys.push_back(pods_of_namespace_key(*entry.name));
    for (auto& key : keys) {
      if (entry.is_known) {
        writer.put_forward(key, {});
      } else {
        erased.names.push_back(std::move(key));
      }
    }
    if (!options_.external) continue;
    std::string key = to_lower(external_suffix({*entry.name, ""}).substr(1));
    if (entry.is_known) {
      writer.put_external(key, {});
    } else {
      erased.external_names.push_back(std::move(key));
    }
  }
}

void ObjectStore::drain_service(ServiceId id, Touched& changes, NameWriter& writer, Erased& erased) {
  ServiceEntry& entry = services_[id];
  std::vector<ReadySlice> slices;
  for (const SliceId slice : entry.slices) slices.push_back(unpack_slice(slices_[slice].packed));
  const std::optional<Service> service = entry.packed.empty() ? std::nullopt : std::optional(decode(entry));

  if (changes.all_addresses && has_reverse_names()) {
    for (const auto& slice : slices) {
      for (const auto& item : slice.addresses) touched_addresses_.push_back(item.address);
    }
    if (service) std::ranges::copy(reverse_addresses(*service), std::back_inserter(touched_addresses_));
  }
  const bool is_shown = is_visible(entry);
  const bool was_published = std::exchange(entry.is_published, is_shown);
  if (!is_shown && !was_published) return;

  ServiceNames names = std::move(changes.names);
  if (changes.all_names) {
    append_possible_names(service ? &*service : nullptr, slices, options_.records.zonal, names);
  }
  sort_unique(names.addressed);
  const auto others = in_order(std::move(names.others));

  // Those of one name after the other, in the same room.
  std::string key;
  zones::NameContent content;
  const auto write = [&](const auto& records, std::string_view suffix, auto put, std::vector<std::string>& gone) {
    const auto write_one = [&](bool is_there) {
      if (is_there) {
        put(content);
      } else {
        gone.push_back(key);
      }
      content.clear();
    };
    for (const auto& address : names.addressed) {
      const DashedAddress dashed(address);
      const std::string_view label = dashed;
      key.assign(1, static_cast<char>(label.size())).append(label).append(suffix);
      write_one(records && records->fill_addressed(address, label, content));
    }
    for (const auto& [place, name] : others) {
      key.assign(name).append(suffix);
      write_one(records && records->fill(name, content));
    }
  };
  std::optional<ServiceRecords> records;
  if (is_shown) records.emplace(*service, slices, options_.records).expect(names.addressed.size() + others.size());
  write(
      records, to_lower(service_suffix(key_of(entry))),
      [&](const zones::NameContent& filled) { writer.put_forward(key, filled); }, erased.names);
  if (!options_.external) return;
  std::optional<ExternalRecords> external;
  if (is_shown) external.emplace(*service, slices, options_.records, *options_.external);
  write(
      external, to_lower(external_suffix(key_of(entry))),
      [&](const zones::NameContent& filled) { writer.put_external(key, filled); }, erased.external_names);
}

void ObjectStore::drain_addresses(NameWriter& writer, Erased& erased) {
  std::vector<base::IpAddress> addresses = std::exchange(touched_addresses_, {});
  sort_unique(addresses);
  std::vector<AddressOwner> owners;
  zones::NameContent content, external_content;  // fill_reverse() uses their room again
  for (const auto& address : addresses) {
    owners.clear();
    const DashedAddress dashed(address);
    by_address_.for_each_candidate(address, [&](std::uint32_t object) { add_owner(object, address, dashed, owners); });
    if (ptr_zone_ && fill_reverse(owners, *ptr_zone_, content)) {
      writer.put_reverse(address, content);
    } else {
      erased.addresses.push_back(address);
    }
    if (!options_.external) continue;
    auto external = external_owners(address);
    if (fill_external_reverse(external, options_.external->zone, external_content)) {
      writer.put_external_reverse(address, external_content);
    } else {
      erased.external_addresses.push_back(address);
    }
  }
}

std::vector<AddressOwner> ObjectStore::external_owners(const base::IpAddress& address) const {
  std::vector<AddressOwner> owners;
  by_address_.for_each_candidate(address, [&](std::uint32_t object) {
    if ((object & service_bit) == 0) return;
    const ServiceEntry& service = services_[object & ~service_bit];
    if (!is_visible(service)) return;
    const auto addresses = decode(service).external_ips;
    if (std::ranges::find(addresses, address) == addresses.end()) return;
    const std::string_view key = *service.key;
    const std::size_t slash = key.find('/');
    owners.push_back({key.substr(0, slash), key.substr(slash + 1), {}});
  });
  return owners;
}

void ObjectStore::add_owner(std::uint32_t object, const base::IpAddress& address, std::string_view dashed,
                            std::vector<AddressOwner>& owners) const {
  const bool is_service = (object & service_bit) != 0;
  const ServiceEntry& service = services_[is_service ? object & ~service_bit : slices_[object].service];
  if (!namespaces_[service.namespace_id].is_known) return;
  const std::string_view key = *service.key;
  const std::size_t slash = key.find('/');
  AddressOwner owner{key.substr(0, slash), key.substr(slash + 1), {}};
  if (is_service) {
    const auto addresses = decode(service).cluster_ips;
    if (std::ranges::find(addresses, address) != addresses.end()) owners.push_back(owner);
    return;
  }
  if (options_.records.no_endpoints) return;
  for (const auto label : labels_of(slices_[object].packed, address)) {
    owner.endpoint_label = label.empty() ? dashed : label;
    owners.push_back(owner);
  }
}

std::optional<ExternalTable::Nameserver> ObjectStore::external_nameserver() const {
  std::optional<ExternalTable::Nameserver> found;
  for (const ServiceEntry& entry : services_) {
    if (entry.local_slices == 0 || entry.packed.empty()) continue;
    const Service service = decode(entry);
    auto& addresses = found ? found->addresses : found.emplace().addresses;
    std::ranges::copy(service.external_ips, std::back_inserter(addresses));
    if (!service.headless || !options_.external->headless || options_.records.no_endpoints) continue;
    for (const SliceId id : entry.slices) {
      if (!slices_[id].is_local) continue;
      for (const auto& item : unpack_slice(slices_[id].packed).addresses) addresses.push_back(item.address);
    }
  }
  if (found) sort_unique(found->addresses);
  return found;
}

ApexNameservers ObjectStore::apex_nameservers() const {
  std::unordered_map<std::string, std::vector<base::IpAddress>> found;
  for (const ServiceEntry& entry : services_) {
    if (entry.local_slices == 0 || entry.packed.empty()) continue;
    const Service service = decode(entry);
    const std::string suffix = service_suffix(service.key);
    if (service.type == Service::Type::external_name) continue;
    if (!service.headless) {
      if (!service.cluster_ips.empty()) found[suffix] = service.cluster_ips;
      continue;
    }
    if (options_.records.no_endpoints) continue;
    for (const SliceId id : entry.slices) {
      if (!slices_[id].is_local) continue;
      for (const auto& item : unpack_slice(slices_[id].packed).addresses) {
        found[label_name(item) + suffix].push_back(item.address);
      }
    }
  }
  ApexNameservers apex;
  for (auto& [name, addresses] : found) {
    sort_unique(addresses);
    apex.nameservers.push_back({.relative_name = name, .addresses = std::move(addresses)});
  }
  std::ranges::sort(apex.nameservers, {}, &ApexNameservers::Nameserver::relative_name);
  return apex;
}

void ObjectStore::release_empty() {
  for (const ServiceId id : std::views::keys(std::exchange(touched_services_, {}))) {
    const ServiceEntry& entry = services_[id];
    if (!entry.packed.empty() || !entry.slices.empty()) continue;
    std::erase(namespaces_[entry.namespace_id].services, id);
    touched_namespaces_.insert(entry.namespace_id);
    service_ids_.erase(service_ids_.find(*entry.key));
    services_[id] = ServiceEntry{};
    free_services_.push_back(id);
  }
  for (const NamespaceId id : std::exchange(touched_namespaces_, {})) {
    if (namespaces_[id].is_known || !namespaces_[id].services.empty()) continue;
    namespace_ids_.erase(namespace_ids_.find(*namespaces_[id].name));
    namespaces_[id] = NamespaceEntry{};
    free_namespaces_.push_back(id);
  }
}

}  // namespace fairlead::k8s
