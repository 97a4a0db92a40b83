// ObjectStore's objects on their way to a snapshot and back: see snapshot_file.hpp.
#include <algorithm>

#include "k8s/object_store.hpp"
#include "k8s/packed_objects.hpp"

namespace fairlead::k8s {
namespace {

bool is_namespace_label(std::string_view name) { return is_label(name) && !name.contains('/'); }

// A repeated or odd octet would pack differently; what no decoder makes is looked for here.
bool is_canonical(const Service& service, std::string_view packed, bool of_clusterset) {
  return pack(service) == packed && (!of_clusterset || service.type == Service::Type::cluster_ip) &&
         std::ranges::all_of(service.ports, [](const ServicePort& port) { return port.protocol <= Protocol::sctp; });
}

bool is_canonical(const ReadySlice& slice, std::string_view packed, bool of_clusterset) {
  const auto is_known = [](const EndpointPort& port) { return port.protocol <= Protocol::sctp; };
  const auto is_named = [](const ReadyAddress& item) { return item.label.empty() || is_label(item.label); };
  return pack(slice) == packed && std::ranges::all_of(slice.ports, is_known) &&
         (of_clusterset ? is_label(slice.source_cluster) : slice.source_cluster.empty()) &&
         std::ranges::all_of(slice.addresses, is_named) && std::ranges::is_sorted(slice.addresses);
}

std::string_view octets_of(const base::IpAddress& address) {
  const auto octets = address.octets();
  return {reinterpret_cast<const char*>(octets.data()), octets.size()};
}

std::optional<base::IpAddress> address_of(std::string_view octets) {
  const auto* const data = reinterpret_cast<const std::uint8_t*>(octets.data());
  if (octets.size() == 4) return base::IpAddress::v4(std::span<const std::uint8_t, 4>(data, 4));
  if (octets.size() == 16) return base::IpAddress::v6(std::span<const std::uint8_t, 16>(data, 16));
  return std::nullopt;
}

}  // namespace

bool ObjectStore::read_some(Cursor& cursor, std::size_t octets,
                            const std::function<void(const StoredObject&)>& use) const {
  const std::scoped_lock lock(mutex_);
  std::size_t given = 0;
  const auto give = [&](const StoredObject& object) {
    use(object);
    // A free entry costs a step too.
    given += object.namespace_name.size() + object.name.size() + object.service_name.size() + object.packed.size();
  };
  // Entries stay where they are, so a number is a place. One that becomes free and is taken again is another object.
  const auto walk = [&](const auto& entries, Kind next, const auto& visit) {
    for (; cursor.entry < entries.size() && given < octets; ++cursor.entry, ++given) visit(entries[cursor.entry]);
    if (cursor.entry < entries.size()) return false;
    cursor = {.kind = next, .entry = 0};
    return true;
  };
  const auto split = [](const std::string& key) {
    const std::size_t slash = key.find('/');
    return std::pair(std::string_view(key).substr(0, slash), std::string_view(key).substr(slash + 1));
  };
  if (cursor.kind == Kind::kNamespace) {
    if (!walk(namespaces_, Kind::service, [&](const NamespaceEntry& entry) {
          if (!entry.is_known) return;
          give({.kind = Kind::kNamespace, .namespace_name = {}, .name = *entry.name, .service_name = {}, .packed = {}});
        })) {
      return true;
    }
  }
  if (cursor.kind == Kind::service) {
    if (!walk(services_, Kind::endpoint_slice, [&](const ServiceEntry& entry) {
          if (entry.packed.empty()) return;
          const auto [space, name] = split(*entry.key);
          give({.kind = Kind::service,
                .namespace_name = space,
                .name = name,
                .service_name = {},
                .packed = entry.packed});
        })) {
      return true;
    }
  }
  if (cursor.kind == Kind::endpoint_slice) {
    if (!walk(slices_, Kind::pod, [&](const SliceEntry& entry) {
          if (entry.key == nullptr) return;
          const auto [space, name] = split(*entry.key);
          give({.kind = Kind::endpoint_slice,
                .namespace_name = space,
                .name = name,
                .service_name = split(*services_[entry.service].key).second,
                .packed = entry.packed});
        })) {
      return true;
    }
  }
  if (cursor.kind == Kind::pod) {
    constexpr std::size_t pods_at_once = 256;
    std::uint64_t place = cursor.entry;
    bool more = true;
    while (more && given < octets) {
      more = pods_.read_some(place, pods_at_once, [&](std::string_view space, const base::IpAddress& address) {
        give(
            {.kind = Kind::pod, .namespace_name = space, .name = {}, .service_name = {}, .packed = octets_of(address)});
      });
      given += pods_at_once;  // free entries, as above
    }
    cursor.entry = place;
    return more;
  }
  // ServiceImports are Services in a store of their own.
  return false;
}

bool ObjectStore::restore(const StoredObject& object) {
  const bool of_clusterset = options_.records.clusterset;
  switch (object.kind) {
    case Kind::kNamespace:
      if (!is_namespace_label(object.name)) return false;
      upsert(Namespace{std::string(object.name)});
      return true;
    case Kind::service: {
      if (!is_namespace_label(object.namespace_name) || !is_label(object.name)) return false;
      Service service = unpack_service(object.packed, {std::string(object.namespace_name), std::string(object.name)});
      if (!is_canonical(service, object.packed, of_clusterset)) return false;
      upsert(std::move(service));
      return true;
    }
    case Kind::endpoint_slice: {
      if (!is_namespace_label(object.namespace_name) || !is_label(object.service_name)) return false;
      if (!is_canonical(unpack_slice(object.packed), object.packed, of_clusterset)) return false;
      const ObjectKey owner{std::string(object.namespace_name), std::string(object.service_name)};
      const Change change(*this);
      put_slice(owner.namespace_name + '/' + std::string(object.name), owner, std::string(object.packed));
      return true;
    }
    case Kind::pod: {
      const auto address = address_of(object.packed);
      if (!is_namespace_label(object.namespace_name) || !object.name.empty() || !object.service_name.empty() ||
          !address || !options_.pods) {
        return false;
      }
      const Change change(*this);
      const auto outcome = pods_.restore(std::string(object.namespace_name), *address);
      if (outcome == PodStore::Outcome::changed) mark();
      return outcome != PodStore::Outcome::left_out;
    }
    case Kind::service_import: break;
  }
  return false;
}

bool ObjectStore::is_listed() const {
  const std::scoped_lock lock(mutex_);
  return are_all_listed();
}

}  // namespace fairlead::k8s
