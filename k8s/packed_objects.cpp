#include "k8s/packed_objects.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

namespace fairlead::k8s {
namespace {

// Flags of a packed address.
constexpr std::uint8_t is_v6 = 1;
constexpr std::uint8_t has_label = 2;
constexpr std::uint8_t has_topology_zone = 4;

// An IPv4 address with nothing but itself: no flags, and four octets. Nearly all are like that.
constexpr std::size_t plain_v4_octets = 5;
// A guess, so that most slices are packed without growing.
constexpr std::size_t ports_usual_octets = 64;

// Flag of a packed Service's type: external addresses or a host name stand behind the ports. Only in stores that serve
// an external zone.
constexpr std::uint8_t has_external = 16;

void put_u8(std::string& out, std::size_t value) { out += static_cast<char>(value); }
void put_u16(std::string& out, std::size_t value) {
  put_u8(out, value >> 8);
  put_u8(out, value & 0xff);
}
void put_octets(std::string& out, std::span<const std::uint8_t> octets) {
  out.append(reinterpret_cast<const char*>(octets.data()), octets.size());
}

void put_address(std::string& out, const base::IpAddress& address) {
  put_u8(out, address.is_v6() ? is_v6 : 0);
  put_octets(out, address.octets());
}

/// `octets` as they stand in memory.
void put_plain_v4(std::string& out, std::uint32_t octets) {
  std::array<char, plain_v4_octets> packed{};
  std::memcpy(&packed[1], &octets, sizeof octets);
  out.append(packed.data(), packed.size());
}

/// Back and forth between octets in memory and a number that sorts as they do.
std::uint32_t in_network_order(std::uint32_t value) {
  return std::endian::native == std::endian::big ? value : __builtin_bswap32(value);
}

using PlainAddresses = boost::container::small_vector<std::uint32_t, 128>;

/// The ready addresses of a slice, sorted, if they are IPv4 and without a label or topology zone.
std::optional<PlainAddresses> plain_v4_addresses(const EndpointSlice& slice, const RecordOptions& options) {
  std::optional<PlainAddresses> made(std::in_place);
  for (const Endpoint& endpoint : slice.endpoints) {
    if (!endpoint.ready) continue;
    if (!endpoint.hostname.empty() || (options.endpoint_pod_names && !endpoint.target_ref_name.empty()) ||
        (options.zonal && !endpoint.zone.empty())) {
      return std::nullopt;
    }
    for (const base::IpAddress& address : endpoint.addresses) {
      if (address.is_v6()) return std::nullopt;
      std::uint32_t octets = 0;
      std::memcpy(&octets, address.octets().data(), sizeof octets);
      made->push_back(in_network_order(octets));
    }
  }
  std::ranges::sort(*made);
  return made;
}

// Any octets can be read: what is missing at the end counts as zeros.
class Reader {
 public:
  explicit Reader(std::string_view packed) : rest_(packed) {}
  bool at_end() const { return rest_.empty(); }
  std::size_t size() const { return rest_.size(); }
  std::string_view rest() const { return rest_; }
  std::string_view take(std::size_t octets) {
    const auto taken = rest_.substr(0, octets);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::uint8_t u8() {
    const auto taken = take(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }
  std::uint16_t u16() {
    const unsigned high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  base::IpAddress address(bool v6) {
    std::array<std::uint8_t, 16> octets{};
    const auto taken = take(v6 ? 16 : 4);
    std::ranges::copy(taken, octets.begin());  // perhaps of a null pointer, which std::memcpy does not take
    return v6 ? base::IpAddress::v6(octets) : base::IpAddress::v4(std::span(octets).first<4>());
  }
  /// An IPv4 address with nothing but itself, if that is what comes next.
  std::optional<base::IpAddress> plain_v4() {
    if (rest_.size() < plain_v4_octets || rest_[0] != 0) return std::nullopt;
    const auto taken = take(plain_v4_octets);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &taken[1], octets.size());
    return base::IpAddress::v4(octets);
  }
  /// Passes over IPv4 addresses with nothing but themselves, which nearly all are, up to `wanted`.
  void skip_other_plain_v4(std::string_view wanted) {
    std::size_t at = 0;
    while (at + plain_v4_octets <= rest_.size() && rest_[at] == 0 &&
           std::memcmp(&rest_[at + 1], wanted.data(), 4) != 0) {
      at += plain_v4_octets;
    }
    rest_.remove_prefix(at);
  }

 private:
  std::string_view rest_;
};

// Flag of a packed count of ports: the cluster's id follows them. Slices of a clusterset alone have one.
constexpr std::uint16_t has_cluster = 0x8000;
static_assert(packed_ports_max < has_cluster);

template <typename Port>
void put_ports(std::string& out, const std::vector<Port>& ports, std::uint16_t flags = 0) {
  const std::size_t count = std::min(ports.size(), packed_ports_max);
  put_u16(out, count | flags);
  for (const auto& port : std::span(ports).first(count)) {
    // What is no label names nothing: such a port is as good as unnamed.
    const std::string_view name = is_label(port.name) ? std::string_view(port.name) : std::string_view();
    put_u8(out, name.size());
    out += name;
    put_u8(out, static_cast<std::size_t>(port.protocol));
    put_u16(out, port.port);
  }
}

/// The cluster's id, if there is one.
std::string_view skip_ports_and_cluster(Reader& reader) {
  const std::uint16_t count = reader.u16();
  for (int left = count & ~has_cluster; left > 0; --left) {
    reader.take(reader.u8());
    reader.take(3);  // protocol and number
  }
  return (count & has_cluster) != 0 ? reader.take(reader.u8()) : std::string_view();
}

template <typename Port>
std::vector<Port> take_ports(Reader& reader, std::uint16_t count) {
  std::vector<Port> ports(count);
  for (auto& port : ports) {
    port.name = reader.take(reader.u8());
    port.protocol = static_cast<Protocol>(reader.u8());
    port.port = reader.u16();
  }
  return ports;
}

ReadyAddress take_ready_address(Reader& reader) {
  if (const auto address = reader.plain_v4()) return {*address, {}};
  const std::uint8_t flags = reader.u8();
  ReadyAddress taken{reader.address((flags & is_v6) != 0), {}};
  if ((flags & has_label) != 0) taken.label = reader.take(reader.u8());
  if ((flags & has_topology_zone) != 0) taken.topology_zone = reader.take(reader.u8());
  return taken;
}

/// Goes from one packed address of a slice to the next, unpacking only what is asked for.
class AddressCursor {
 public:
  /// `reader` stands behind the ports.
  explicit AddressCursor(const Reader& reader) : rest_(reader.rest()) { measure(); }
  bool at_end() const { return rest_.empty(); }
  /// With its label and topology zone; equal exactly when all three are.
  std::string_view octets() const { return rest_.substr(0, size_); }
  ReadyAddress item() const {
    Reader reader(octets());
    return take_ready_address(reader);
  }
  /// Equal for equal addresses.
  std::string_view address() const { return octets().substr(1, (rest_[0] & is_v6) != 0 ? 16 : 4); }
  void next() {
    rest_.remove_prefix(size_);
    measure();
  }
  /// How many octets of plain IPv4 addresses both have from here on.
  std::size_t common_plain_v4(const AddressCursor& other) const {
    const std::size_t end = std::min(rest_.size(), other.rest_.size());
    std::size_t at = 0;
    for (; at + plain_v4_octets <= end && rest_[at] == 0 && other.rest_[at] == 0; at += plain_v4_octets) {
      if (std::memcmp(&rest_[at + 1], &other.rest_[at + 1], 4) != 0) break;
    }
    return at;
  }
  /// Goes on to the last of that many octets of plain IPv4 addresses.
  void skip_plain_v4_but_last(std::size_t octets) {
    rest_.remove_prefix(octets - plain_v4_octets);
    size_ = plain_v4_octets;
  }

 private:
  void measure() {
    if (rest_.size() >= plain_v4_octets && rest_[0] == 0) {
      size_ = plain_v4_octets;
      return;
    }
    Reader behind(rest_);
    const std::uint8_t flags = behind.u8();
    behind.take((flags & is_v6) != 0 ? 16 : 4);
    if ((flags & has_label) != 0) behind.take(behind.u8());
    if ((flags & has_topology_zone) != 0) behind.take(behind.u8());
    size_ = rest_.size() - behind.size();
  }

  std::string_view rest_;
  std::size_t size_ = 0;
};

/// Whether each of two slices has an address, and what follows from that when the next address comes.
class AddressPresence {
 public:
  explicit AddressPresence(SliceDifference& difference) : difference_(difference) {}
  void note(std::string_view address, bool in_before, bool in_after) {
    if (address != address_) {
      settle();
      address_ = address;
      in_before_ = in_after_ = false;
    }
    in_before_ |= in_before;
    in_after_ |= in_after;
  }
  void settle() {
    if (in_before_ == in_after_) return;
    Reader reader(address_);
    (in_before_ ? difference_.vanished : difference_.appeared).push_back(reader.address(address_.size() > 4));
  }

 private:
  SliceDifference& difference_;
  std::string_view address_;
  bool in_before_ = false;
  bool in_after_ = false;
};

}  // namespace

std::string pack(const Service& service) {
  std::string out;
  const bool is_external = service.type == Service::Type::external_name;
  // ClusterIP, NodePort and LoadBalancer answer alike.
  const bool is_outside = !is_external && (!service.external_ips.empty() || !service.ingress_names.empty());
  put_u8(out, (is_external ? 2 : service.headless ? 1 : 0) | (is_outside ? has_external : 0));
  if (is_external) {
    if (service.external_name.size() <= external_name_octets_max) out += service.external_name;
  } else {
    put_ports(out, service.ports);
    if (is_outside) {
      const auto ips = std::span(service.external_ips).first(std::min(service.external_ips.size(), addresses_max));
      put_u16(out, ips.size());
      for (const auto& address : ips) put_address(out, address);
      const std::string_view name =
          service.ingress_names.empty() ? "" : std::string_view(service.ingress_names.front());
      put_u16(out, name.size() <= external_name_octets_max ? name.size() : 0);
      if (name.size() <= external_name_octets_max) out += name;
    }
    if (!service.headless) {
      for (const auto& address : service.cluster_ips) put_address(out, address);
    }
  }
  return std::string(out.data(), out.size());  // without spare capacity
}

Service unpack_service(std::string_view packed, ObjectKey key) {
  Service service;
  service.key = std::move(key);
  Reader reader(packed);
  const std::uint8_t head = reader.u8();
  const std::uint8_t type = head & ~has_external;
  if (type == 2) {
    service.type = Service::Type::external_name;
    service.external_name = reader.take(packed.size());
    return service;
  }
  service.headless = type == 1;
  service.ports = take_ports<ServicePort>(reader, reader.u16());
  if ((head & has_external) != 0) {
    for (int left = reader.u16(); left > 0 && !reader.at_end(); --left) {
      service.external_ips.push_back(reader.address(reader.u8() == is_v6));
    }
    if (const auto name = reader.take(reader.u16()); !name.empty()) service.ingress_names.emplace_back(name);
  }
  while (!reader.at_end()) service.cluster_ips.push_back(reader.address(reader.u8() == is_v6));
  return service;
}

bool is_headless_service(std::string_view packed) {
  Reader reader(packed);
  return !packed.empty() && (reader.u8() & ~has_external) == 1;
}

std::string pack(const ReadySlice& slice) {
  std::string out;
  out.reserve(ports_usual_octets + slice.addresses.size() * plain_v4_octets);
  put_ports(out, slice.ports, slice.source_cluster.empty() ? 0 : has_cluster);
  if (!slice.source_cluster.empty()) {
    put_u8(out, slice.source_cluster.size());
    out += slice.source_cluster;
  }
  for (const auto& [address, label, topology_zone] : slice.addresses) {
    if (address.is_v4() && label.empty() && topology_zone.empty()) {
      std::uint32_t octets = 0;
      std::memcpy(&octets, address.octets().data(), sizeof octets);
      put_plain_v4(out, octets);
      continue;
    }
    put_u8(out, (address.is_v6() ? is_v6 : 0) | (label.empty() ? 0 : has_label) |
                    (topology_zone.empty() ? 0 : has_topology_zone));
    put_octets(out, address.octets());
    for (const auto text : {label, topology_zone}) {
      if (text.empty()) continue;
      put_u8(out, text.size());
      out += text;
    }
  }
  return std::string(out.data(), out.size());
}

std::string pack(const EndpointSlice& slice, const RecordOptions& options) {
  const auto addresses = plain_v4_addresses(slice, options);
  if (!addresses || options.clusterset || !std::ranges::is_sorted(slice.ports))
    return pack(ready_slice(slice, options));
  std::string out;
  out.reserve(ports_usual_octets + addresses->size() * plain_v4_octets);
  put_ports(out, slice.ports);
  for (const std::uint32_t address : *addresses) put_plain_v4(out, in_network_order(address));
  return std::string(out.data(), out.size());
}

ReadySlice unpack_slice(std::string_view packed) {
  ReadySlice slice;
  Reader reader(packed);
  const std::uint16_t count = reader.u16();
  slice.ports = take_ports<EndpointPort>(reader, count & ~has_cluster);
  if ((count & has_cluster) != 0) slice.source_cluster = reader.take(reader.u8());
  slice.addresses.reserve(reader.size() / plain_v4_octets + 1);
  while (!reader.at_end()) slice.addresses.push_back(take_ready_address(reader));
  return slice;
}

std::vector<EndpointPort> unpack_ports(std::string_view packed_slice) {
  Reader reader(packed_slice);
  return take_ports<EndpointPort>(reader, reader.u16() & ~has_cluster);
}

SliceDifference difference(std::string_view before, std::string_view after) {
  SliceDifference made;
  Reader old_reader(before), new_reader(after);
  made.old_cluster = skip_ports_and_cluster(old_reader);
  made.new_cluster = skip_ports_and_cluster(new_reader);
  made.has_other_ports =
      before.substr(0, before.size() - old_reader.size()) != after.substr(0, after.size() - new_reader.size());
  AddressPresence presence(made);
  AddressCursor old_one(old_reader), new_one(new_reader);
  while (!old_one.at_end() || !new_one.at_end()) {
    // Nearly all of nearly all slices.
    if (const std::size_t octets = old_one.common_plain_v4(new_one); octets > 0) {
      old_one.skip_plain_v4_but_last(octets);
      new_one.skip_plain_v4_but_last(octets);
    }
    if (old_one.octets() == new_one.octets()) {
      made.has_common = true;
      presence.note(old_one.address(), true, true);
      old_one.next();
      new_one.next();
    } else if (new_one.at_end() || (!old_one.at_end() && old_one.item() < new_one.item())) {
      presence.note(old_one.address(), true, false);
      made.left.push_back(old_one.item());
      old_one.next();
    } else {
      presence.note(new_one.address(), false, true);
      made.came.push_back(new_one.item());
      new_one.next();
    }
  }
  presence.settle();
  return made;
}

zones::NameContent::List<std::string_view, 2> labels_of(std::string_view packed, const base::IpAddress& address) {
  zones::NameContent::List<std::string_view, 2> labels;
  const auto octets = address.octets();
  const std::string_view wanted(reinterpret_cast<const char*>(octets.data()), octets.size());
  Reader reader(packed);
  skip_ports_and_cluster(reader);
  while (true) {
    if (address.is_v4()) reader.skip_other_plain_v4(wanted);
    if (reader.at_end()) return labels;
    const std::uint8_t flags = reader.u8();
    const auto found = reader.take((flags & is_v6) != 0 ? 16 : 4);
    const auto label = (flags & has_label) != 0 ? reader.take(reader.u8()) : std::string_view();
    if ((flags & has_topology_zone) != 0) reader.take(reader.u8());
    if (found == wanted) labels.push_back(label);
  }
}

}  // namespace fairlead::k8s
