#include "k8s/packed_objects.hpp"

#include <algorithm>
#include <cstring>

namespace fairlead::k8s {
namespace {

// Flags of a packed address.
constexpr std::uint8_t is_v6 = 1;
constexpr std::uint8_t has_label = 2;
constexpr std::uint8_t has_topology_zone = 4;

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

// Any octets can be read: what is missing at the end counts as zeros.
class Reader {
 public:
  explicit Reader(std::string_view packed) : rest_(packed) {}
  bool at_end() const { return rest_.empty(); }
  std::size_t size() const { return rest_.size(); }
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
    std::memcpy(octets.data(), taken.data(), taken.size());
    return v6 ? base::IpAddress::v6(octets) : base::IpAddress::v4(std::span(octets).first<4>());
  }
  /// Passes over IPv4 addresses with nothing but themselves, which nearly all are, up to `wanted`.
  void skip_other_plain_v4(std::string_view wanted) {
    constexpr std::size_t octets = 5;  // flags and address
    std::size_t at = 0;
    while (at + octets <= rest_.size() && rest_[at] == 0 && std::memcmp(&rest_[at + 1], wanted.data(), 4) != 0) {
      at += octets;
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

void skip_ports_and_cluster(Reader& reader) {
  const std::uint16_t count = reader.u16();
  for (int left = count & ~has_cluster; left > 0; --left) {
    reader.take(reader.u8());
    reader.take(3);  // protocol and number
  }
  if ((count & has_cluster) != 0) reader.take(reader.u8());
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
  put_ports(out, slice.ports, slice.source_cluster.empty() ? 0 : has_cluster);
  if (!slice.source_cluster.empty()) {
    put_u8(out, slice.source_cluster.size());
    out += slice.source_cluster;
  }
  for (const auto& [address, label, topology_zone] : slice.addresses) {
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

ReadySlice unpack_slice(std::string_view packed) {
  ReadySlice slice;
  Reader reader(packed);
  const std::uint16_t count = reader.u16();
  slice.ports = take_ports<EndpointPort>(reader, count & ~has_cluster);
  if ((count & has_cluster) != 0) slice.source_cluster = reader.take(reader.u8());
  slice.addresses.reserve(reader.size() / 5 + 1);  // the smallest: flags and an IPv4 address
  while (!reader.at_end()) {
    const std::uint8_t flags = reader.u8();
    const auto address = reader.address((flags & is_v6) != 0);
    slice.addresses.push_back({address, {}});
    if ((flags & has_label) != 0) slice.addresses.back().label = reader.take(reader.u8());
    if ((flags & has_topology_zone) != 0) slice.addresses.back().topology_zone = reader.take(reader.u8());
  }
  return slice;
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
