#include "k8s/cluster_zone.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

#include "zones/name_table.hpp"

namespace fairlead::k8s {
namespace {

using dns::RRType;
using zones::NameEntry;
using Octets = std::span<const std::uint8_t>;

// Sorting a run costs about 50 µs; a larger one would hold up the queries beside the transfer.
constexpr std::size_t run_names = 256;
// Names without anything to send that a slice looks at.
constexpr std::size_t slice_names = 1024;

constexpr std::size_t port_labels = 2;         // in front of the Service's
constexpr std::uint16_t service_weight = 100;  // as CoreDNS, whatever a query gets

Octets as_octets(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::size_t count_labels(std::string_view wire) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < wire.size(); at += 1 + static_cast<unsigned char>(wire[at])) ++count;
  return count;
}

std::string_view skip_labels(std::string_view wire, std::size_t count) {
  for (; count > 0; --count) wire.remove_prefix(1 + static_cast<unsigned char>(wire[0]));
  return wire;
}

std::string to_lower_key(std::string_view labels) {
  std::string key(labels);
  std::ranges::transform(key, key.begin(),
                         [](char c) { return static_cast<char>(dns::to_lower(static_cast<std::uint8_t>(c))); });
  return key;
}

// What names of one Service, or of one reverse zone above the last label, have in common.
struct Rank {
  explicit Rank(std::uint64_t rank) : tail(rank >> 8 & 0xff), labels(rank & 0xff) {}
  std::size_t tail;  // where in the key it begins
  std::size_t labels;
};

}  // namespace

// Where the publisher's thread leaves the version. It outlives a transfer that was given up.
struct ClusterZone::Mailbox {
  std::mutex mutex;
  bool has_come = false;
  std::optional<ClusterVersion> version;
  std::function<void()> wake;
};

ClusterZone::ClusterZone(std::shared_ptr<Cluster> cluster, ClusterZoneOptions options, std::function<void()> wake)
    : cluster_(std::move(cluster)),
      options_(std::move(options)),
      service_labels_(is_external(options_.part) ? 2 : 3),  // <service>.<namespace>, and "svc" in a cluster's zone
      mailbox_(std::make_shared<Mailbox>()) {
  mailbox_->wake = std::move(wake);
}

ClusterZone::~ClusterZone() = default;

ClusterZone::Step ClusterZone::next(zones::ZoneRecord& record) {
  if (!std::exchange(asked_, true)) {
    cluster_->take_version(options_.part, [mailbox = mailbox_](std::optional<ClusterVersion> version) {
      {
        const std::scoped_lock lock(mailbox->mutex);
        mailbox->has_come = true;
        mailbox->version = std::move(version);
      }
      mailbox->wake();
    });
  }
  if (!received_ && !receive()) return Step::waiting;
  // Entries may be gone from here on; those read before in this section are not.
  if (version_.names.hold == nullptr || version_.names.hold->is_lost()) return Step::lost;
  if (!sorted_) return sort_some();
  while (pending_at_ == pending_.size()) {
    if (at_end_) return Step::end;
    pending_.clear();
    rdata_.clear();
    pending_at_ = 0;
    if (apex_step_ < 2 + std::max<std::size_t>(1, nameservers_.size())) {
      begin_apex();
    } else if (const NameEntry* const entry = take_first()) {
      expand(*entry);
    } else {
      at_end_ = true;
    }
  }
  const Pending& pending = pending_[pending_at_++];
  record = {.owner = owner_.view(),
            .type = pending.type,
            .ttl = pending.type == RRType::soa ? options_.soa_ttl : ttl_,
            .rdata = Octets(rdata_).subspan(pending.offset, pending.octets)};
  return Step::record;
}

bool ClusterZone::receive() {
  const std::scoped_lock lock(mailbox_->mutex);
  if (!mailbox_->has_come) return false;
  received_ = true;
  if (mailbox_->version) version_ = *std::exchange(mailbox_->version, std::nullopt);
  const auto& nameservers = version_.apex.nameservers;
  for (std::size_t i = 0; i < nameservers.size(); ++i) {
    nameservers_.emplace(to_lower_key(nameservers[i].relative_name), Nameserver{.index = i});
  }
  return true;
}

// ---- order

ClusterZone::Step ClusterZone::sort_some() {
  auto& left = version_.names.entries;
  const std::size_t begin = items_.size();
  for (std::size_t looked_at = 0; looked_at < slice_names && !left.empty() && items_.size() - begin < run_names;
       ++looked_at) {
    const NameEntry* const entry = left.back();
    left.pop_back();
    if (is_sent(*entry)) items_.push_back({entry, rank_of(*entry)});
    if (is_reverse(options_.part) || nameservers_.empty() || !entry->in_transfers()) continue;
    const auto nameserver = nameservers_.find(entry->key());
    if (nameserver != nameservers_.end()) nameserver->second.is_sent = entry->has_a() || entry->has_aaaa();
  }
  std::sort(items_.begin() + static_cast<std::ptrdiff_t>(begin), items_.end(), is_before);
  if (items_.size() > begin) runs_.push_back({begin, items_.size()});
  if (left.empty()) {
    left = {};
    sorted_ = true;
    std::ranges::make_heap(runs_, [this](const Run& a, const Run& b) { return is_before(items_[b.at], items_[a.at]); });
  }
  return Step::working;
}

bool ClusterZone::is_sent(const NameEntry& entry) const {
  if (!entry.in_transfers()) return false;
  const std::string_view key = entry.key();
  if (is_reverse(options_.part)) {
    const std::string_view zone = reverse_key(options_.zone.view());
    if (!entry.has_ptr() || !key.ends_with(zone)) return false;
    // On a label's boundary.
    std::size_t at = 0;
    while (at < key.size() - zone.size()) at += 1 + static_cast<unsigned char>(key[at]);
    return at == key.size() - zone.size();
  }
  if (key.size() + options_.zone.view().size() > dns::name_octets_max) return false;
  const std::size_t labels = count_labels(key);
  if (labels < service_labels_ || labels > service_labels_ + port_labels) return false;
  const std::string_view branch = skip_labels(key, labels - 1);
  // A Namespace with the name of the apex is hidden by it.
  return is_external(options_.part) ? branch != skip_labels(options_.apex.nameserver, 1) : branch == "\3svc";
}

std::uint64_t ClusterZone::rank_of(const NameEntry& entry) const {
  const std::string_view key = entry.key();
  const std::size_t labels = count_labels(key);
  const std::size_t kept = is_reverse(options_.part) ? labels - std::min<std::size_t>(1, labels) : service_labels_;
  const std::string_view tail = skip_labels(key, labels - kept);
  std::uint64_t rank = 0;
  for (std::size_t i = 1; i <= 6; ++i) rank = rank << 8 | (i < tail.size() ? static_cast<unsigned char>(tail[i]) : 0);
  return rank << 16 | (key.size() - tail.size()) << 8 | labels;
}

bool ClusterZone::is_before(const Item& a, const Item& b) {
  if (a.rank >> 16 != b.rank >> 16) return a.rank >> 16 < b.rank >> 16;
  const Rank a_rank(a.rank);
  const Rank b_rank(b.rank);
  const std::string_view a_key = a.entry->key();
  const std::string_view b_key = b.entry->key();
  // By the Service's name and then by its Namespace: the length octet in front would put short names first.
  const auto without_length = [](std::string_view tail) { return tail.substr(std::min<std::size_t>(1, tail.size())); };
  if (const int order = without_length(a_key.substr(a_rank.tail)).compare(without_length(b_key.substr(b_rank.tail)))) {
    return order < 0;
  }
  if (a_rank.labels != b_rank.labels) return a_rank.labels < b_rank.labels;
  return a_key < b_key;
}

// ---- records

const NameEntry* ClusterZone::take_first() {
  if (runs_.empty()) return nullptr;
  const auto is_later = [this](const Run& a, const Run& b) { return is_before(items_[b.at], items_[a.at]); };
  std::ranges::pop_heap(runs_, is_later);
  Run& run = runs_.back();
  const NameEntry* const entry = items_[run.at].entry;
  if (++run.at == run.end) {
    runs_.pop_back();
  } else {
    std::ranges::push_heap(runs_, is_later);
  }
  return entry;
}

bool ClusterZone::begin_name(Octets labels) {
  const auto zone = options_.zone.view();
  if (labels.size() + zone.size() > dns::name_octets_max) return false;
  auto* const at = std::ranges::copy(labels, owner_.octets.data()).out;
  std::ranges::copy(zone.wire(), at);
  owner_.size = static_cast<std::uint8_t>(labels.size() + zone.size());
  return true;
}

void ClusterZone::add(RRType type, Octets rdata) {
  pending_.push_back({type, static_cast<std::uint32_t>(rdata_.size()), static_cast<std::uint32_t>(rdata.size())});
  rdata_.insert(rdata_.end(), rdata.begin(), rdata.end());
}

void ClusterZone::end_with(dns::NameView zone) {
  rdata_.insert(rdata_.end(), zone.wire().begin(), zone.wire().end());
  pending_.back().octets = static_cast<std::uint32_t>(rdata_.size()) - pending_.back().offset;
}

void ClusterZone::add_name(RRType type, std::string_view labels) {
  if (labels.size() + options_.zone.view().size() > dns::name_octets_max) return;
  add(type, as_octets(labels));
  end_with(options_.zone.view());
}

// The SOA, then NS records, then the addresses of each nameserver that does not come with a Service.
void ClusterZone::begin_apex() {
  const auto& nameservers = version_.apex.nameservers;
  const std::size_t step = apex_step_++;
  ttl_ = options_.ttl;
  begin_name({});
  if (step == 0) return add(RRType::soa, soa_rdata(options_.zone, options_.apex, version_.serial, options_.ttl));
  if (step == 1) {
    for (const auto& nameserver : nameservers) add_name(RRType::ns, nameserver.relative_name);
    if (nameservers.empty()) add_name(RRType::ns, options_.apex.nameserver);
    return;
  }
  const auto add_addresses = [&](std::string_view name, std::span<const base::IpAddress> addresses) {
    if (!begin_name(as_octets(name))) return;
    for (const auto& address : addresses) add(address.is_v4() ? RRType::a : RRType::aaaa, address.octets());
  };
  if (nameservers.empty()) {
    const auto& external = version_.external_nameserver;
    return add_addresses(options_.apex.nameserver, external ? external->addresses : options_.nameserver_addresses);
  }
  const auto& [key, nameserver] = *std::next(nameservers_.begin(), static_cast<std::ptrdiff_t>(step - 2));
  if (nameserver.is_sent) return;
  add_addresses(nameservers[nameserver.index].relative_name, nameservers[nameserver.index].addresses);
}

void ClusterZone::expand(const NameEntry& entry) {
  ttl_ = entry.ttl();
  if (!is_reverse(options_.part)) {
    if (begin_name(as_octets(entry.key()))) expand_forward(entry);
    return;
  }
  owner_ = reverse_name(entry.key());
  const ClusterTable& table = cluster_->table();
  const dns::NameView ptr_zone = is_external(options_.part) ? table.external->ptr_zone : table.ptr_zone;
  zones::PtrTargets targets(entry);
  for (Octets target = targets.next(); !target.empty(); target = targets.next()) {
    add(RRType::ptr, target);
    end_with(ptr_zone);
  }
}

void ClusterZone::expand_forward(const NameEntry& entry) {
  const std::size_t labels = count_labels(entry.key());
  const bool is_port = labels == service_labels_ + port_labels && entry.key()[1] == '_';
  if (!is_port) {
    const auto add_all = [&](RRType type, Octets addresses, std::size_t octets) {
      for (; !addresses.empty(); addresses = addresses.subspan(octets)) add(type, addresses.first(octets));
    };
    add_all(RRType::a, entry.a_addresses(), 4);
    add_all(RRType::aaaa, entry.aaaa_addresses(), 16);
  }
  if (entry.has_cname() && !is_port) return add(RRType::cname, entry.cname());
  if (!entry.has_srv()) return;
  zones::SrvRecords srvs(entry);
  if (entry.has_cname()) return add_alias_srvs(srvs, entry.cname());
  // SRV records of a ClusterIP lead to the Service itself, those of a headless Service to its endpoints.
  const bool leads_to_service = srvs.target_count() == 1 && srvs.target(0).label().empty();
  const bool is_at_service = labels == service_labels_ && leads_to_service;
  if (is_port || is_at_service || is_external(options_.part)) {
    add_srvs(srvs, leads_to_service ? service_weight : srvs.weight());
  }
}

void ClusterZone::add_srvs(zones::SrvRecords& srvs, std::uint16_t weight) {
  for (std::size_t i = 0; i < srvs.count(); ++i) {
    const auto srv = srvs[i];
    const Octets label = srvs.target(srv.target).label();
    const Octets suffix = srvs.suffix();
    // A name that is too long does not exist, so neither does its record.
    if (label.size() + suffix.size() + options_.zone.view().size() > dns::name_octets_max) continue;
    std::uint8_t numbers[6] = {};
    dns::write_u16(numbers + 2, weight);
    dns::write_u16(numbers + 4, srv.port);
    add(RRType::srv, numbers);
    rdata_.insert(rdata_.end(), label.begin(), label.end());
    rdata_.insert(rdata_.end(), suffix.begin(), suffix.end());
    end_with(options_.zone.view());
  }
}

void ClusterZone::add_alias_srvs(const zones::SrvRecords& srvs, Octets target) {
  for (std::size_t i = 0; i < srvs.count(); ++i) {
    std::uint8_t numbers[6] = {};
    dns::write_u16(numbers + 2, service_weight);
    dns::write_u16(numbers + 4, srvs[i].port);
    add(RRType::srv, numbers);
    rdata_.insert(rdata_.end(), target.begin(), target.end());
    pending_.back().octets += static_cast<std::uint32_t>(target.size());
  }
}

}  // namespace fairlead::k8s
