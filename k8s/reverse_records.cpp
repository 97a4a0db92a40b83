#include "k8s/reverse_records.hpp"

#include <algorithm>
#include <utility>

#include "k8s/service_records.hpp"
#include "zones/base/decimal_octet.hpp"

namespace fairlead::k8s {

namespace {

void append_label(std::string& name, std::string_view label) {
  name += static_cast<char>(label.size());
  name += label;
}

// A name for each owner, in their order; those too long for `zone` do not exist.
bool fill_targets(std::span<const AddressOwner> owners, dns::NameView zone, zones::NameContent& content) {
  for (const auto& owner : owners) {
    if (content.ptrs.size() == ptrs_max) break;
    if (!is_label(owner.service_name) || !is_label(owner.namespace_name)) continue;
    std::string target;
    target.reserve(3 + owner.endpoint_label.size() + owner.service_name.size() + owner.namespace_name.size());
    if (!owner.endpoint_label.empty()) append_label(target, owner.endpoint_label);
    append_label(target, owner.service_name);
    append_label(target, owner.namespace_name);
    if (target.size() + zone.size() <= dns::name_octets_max) content.ptrs.push_back(std::move(target));
  }
  return !content.ptrs.empty();
}

}  // namespace

bool fill_reverse(std::span<AddressOwner> owners, dns::NameView ptr_zone, zones::NameContent& content) {
  if (owners.size() > 1) {
    std::ranges::sort(owners);
    const auto repeated = std::ranges::unique(owners);
    owners = {owners.begin(), repeated.begin()};
  }
  // The API server gives a ClusterIP to one Service; while one is replaced by another there may be two for a moment.
  const auto cluster_ip = std::ranges::find_if(owners, [](const auto& owner) { return owner.endpoint_label.empty(); });
  if (cluster_ip != owners.end()) owners = {cluster_ip, 1};
  return fill_targets(owners, ptr_zone, content);
}

bool fill_external_reverse(std::span<AddressOwner> owners, dns::NameView zone, zones::NameContent& content) {
  std::ranges::sort(owners);
  return fill_targets(owners, zone, content);
}

ReversePrefix::ReversePrefix(const base::IpAddress& address) : labels_(address.is_v4() ? 4 : 32), v4_(address.is_v4()) {
  std::ranges::copy(address.octets(), octets_.begin());
}

std::optional<ReversePrefix> ReversePrefix::parent() const {
  if (labels_ == 0) return std::nullopt;
  ReversePrefix shorter = *this;
  --shorter.labels_;
  if (v4_) {
    shorter.octets_[shorter.labels_] = 0;
  } else {
    shorter.octets_[shorter.labels_ / 2] &= shorter.labels_ % 2 == 0 ? 0x00 : 0xf0;
  }
  return shorter;
}

ReverseKey ReversePrefix::key() const {
  ReverseKey key;
  char* at = key.octets.data();
  for (int i = labels_ - 1; i >= 0; --i) {
    char* const length = at++;
    if (v4_) {
      at = base::write_decimal(octets_[i], at);
    } else {
      *at++ = "0123456789abcdef"[i % 2 == 0 ? octets_[i / 2] >> 4 : octets_[i / 2] & 0xf];
    }
    *length = static_cast<char>(at - length - 1);
  }
  *at++ = v4_ ? '\7' : '\3';  // of "in-addr" and "ip6"
  key.count = static_cast<std::uint8_t>(at - key.octets.data());
  return key;
}

std::size_t ReversePrefix::hash() const {
  const std::string_view octets(reinterpret_cast<const char*>(octets_.data()), octets_.size());
  return std::hash<std::string_view>{}(octets) ^ (std::size_t{labels_} << 1 | (v4_ ? 1 : 0)) * 0x9e3779b97f4a7c15;
}

ReverseKey reverse_key(const base::IpAddress& address) { return ReversePrefix(address).key(); }

std::vector<ReversePrefix> ReverseNonTerminals::add(const base::IpAddress& address) {
  std::vector<ReversePrefix> appeared;
  for (auto above = ReversePrefix(address).parent(); above; above = above->parent()) {
    if (++children_[*above] > 1) break;
    appeared.push_back(*above);
  }
  std::ranges::reverse(appeared);
  return appeared;
}

std::vector<ReversePrefix> ReverseNonTerminals::remove(const base::IpAddress& address) {
  std::vector<ReversePrefix> vanished;
  for (auto above = ReversePrefix(address).parent(); above; above = above->parent()) {
    const auto found = children_.find(*above);
    if (found == children_.end()) break;
    if (--found->second > 0) break;
    children_.erase(found);
    vanished.push_back(*above);
  }
  return vanished;
}

}  // namespace fairlead::k8s
