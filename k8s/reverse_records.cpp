#include "k8s/reverse_records.hpp"

#include <algorithm>

namespace fairlead::k8s {

std::optional<zones::NameContent> reverse_content(std::vector<AddressOwner> owners, const dns::DomainName& zone) {
  std::ranges::sort(owners);
  const auto repeated = std::ranges::unique(owners);
  owners.erase(repeated.begin(), repeated.end());
  // The API server gives a ClusterIP to one Service; while one is replaced by another there may be two for a moment.
  const auto cluster_ip = std::ranges::find_if(owners, [](const auto& owner) { return owner.endpoint_label.empty(); });
  if (cluster_ip != owners.end()) owners = {*cluster_ip};

  zones::NameContent content;
  const auto services = zone.with_label("svc");
  if (!services) return std::nullopt;
  for (const auto& owner : owners) {
    if (content.ptrs.size() == ptrs_max) break;
    auto target = services->with_label(owner.namespace_name);
    if (target) target = target->with_label(owner.service_name);
    if (target && !owner.endpoint_label.empty()) target = target->with_label(owner.endpoint_label);
    if (target) content.ptrs.push_back(*std::move(target));  // a zone so long that names do not fit has none
  }
  if (content.ptrs.empty()) return std::nullopt;
  return content;
}

std::optional<zones::NameContent> external_reverse_content(std::vector<AddressOwner> owners,
                                                           const dns::DomainName& zone) {
  std::ranges::sort(owners);
  zones::NameContent content;
  for (const auto& owner : owners) {
    if (content.ptrs.size() == ptrs_max) break;
    auto target = zone.with_label(owner.namespace_name);
    if (target) target = target->with_label(owner.service_name);
    if (target) content.ptrs.push_back(*std::move(target));  // a zone so long that names do not fit has none
  }
  if (content.ptrs.empty()) return std::nullopt;
  return content;
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

std::string ReversePrefix::key() const {
  std::string key;
  for (int i = labels_ - 1; i >= 0; --i) {
    if (v4_) {
      const std::string octet = std::to_string(octets_[i]);
      key += static_cast<char>(octet.size());
      key += octet;
    } else {
      key += '\1';
      key += "0123456789abcdef"[i % 2 == 0 ? octets_[i / 2] >> 4 : octets_[i / 2] & 0xf];
    }
  }
  key += v4_ ? std::string_view("\7in-addr\4arpa") : std::string_view("\3ip6\4arpa");
  return key;
}

std::size_t ReversePrefix::hash() const {
  const std::string_view octets(reinterpret_cast<const char*>(octets_.data()), octets_.size());
  return std::hash<std::string_view>{}(octets) ^ (std::size_t{labels_} << 1 | (v4_ ? 1 : 0)) * 0x9e3779b97f4a7c15;
}

std::string reverse_key(const base::IpAddress& address) { return ReversePrefix(address).key(); }

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
