#include "k8s/reverse_records.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "k8s/service_records.hpp"
#include "zones/base/decimal_octet.hpp"

namespace fairlead::k8s {

namespace {

char* write_label(char* at, std::string_view label) {
  *at++ = static_cast<char>(label.size());
  std::memcpy(at, label.data(), label.size());
  return at + label.size();
}

// A name for each owner, in their order, in place of what is there; those too long for `zone` do not exist.
bool fill_targets(std::span<const AddressOwner> owners, dns::NameView zone, zones::NameContent& content) {
  std::size_t count = 0;
  for (const auto& [namespace_name, service_name, endpoint_label] : owners) {
    if (count == ptrs_max) break;
    if (!is_label(service_name) || !is_label(namespace_name)) continue;
    const std::size_t endpoint_octets = endpoint_label.empty() ? 0 : 1 + endpoint_label.size();
    const std::size_t octets = endpoint_octets + 1 + service_name.size() + 1 + namespace_name.size();
    if (octets + zone.size() > dns::name_octets_max) continue;
    std::string& target = count < content.ptrs.size() ? content.ptrs[count] : content.ptrs.emplace_back();
    ++count;
    target.resize(octets);
    char* at = target.data();
    if (endpoint_octets > 0) at = write_label(at, endpoint_label);
    write_label(write_label(at, service_name), namespace_name);
  }
  content.ptrs.resize(count);
  return count > 0;
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
    if (last_ == nullptr || last_->first != *above) last_ = &*children_.try_emplace(*above).first;
    if (++last_->second > 1) break;
    appeared.push_back(*above);
  }
  std::ranges::reverse(appeared);
  return appeared;
}

std::vector<ReversePrefix> ReverseNonTerminals::remove(const base::IpAddress& address) {
  std::vector<ReversePrefix> vanished;
  last_ = nullptr;
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
