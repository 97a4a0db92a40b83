#include "zones/zone.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "zones/base/seeded_hash.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::zones {
namespace {

using dns::NameView;
using dns::RRType;

// The five numbers at the end of an SOA's RDATA.
constexpr std::size_t soa_numbers_octets = 20;

std::uint32_t soa_number(std::span<const std::uint8_t> rdata, std::size_t index) {
  return dns::read_u32(rdata.data() + rdata.size() - soa_numbers_octets + 4 * index);
}

class Reader final : public ZoneReader {
 public:
  explicit Reader(std::shared_ptr<const Zone> zone) : zone_(std::move(zone)) {}

  Step next(ZoneRecord& record) override {
    if (!std::exchange(begun_, true)) {
      give(record, zone_->apex_node(), *zone_->find(zone_->apex_node(), RRType::soa), 0);
      return Step::record;
    }
    for (; node_ < zone_->nodes().size(); ++node_, rrset_ = 0) {
      const Zone::Node& node = zone_->nodes()[node_];
      for (const auto rrsets = zone_->rrsets(node); rrset_ < rrsets.size(); ++rrset_, record_ = 0) {
        const Zone::RRset& rrset = rrsets[rrset_];
        if (rrset.type == RRType::soa || record_ == rrset.count) continue;
        give(record, node, rrset, record_++);
        return Step::record;
      }
    }
    return Step::end;
  }

 private:
  void give(ZoneRecord& record, const Zone::Node& node, const Zone::RRset& rrset, std::size_t index) {
    record = {.owner = zone_->name(node), .type = rrset.type, .ttl = rrset.ttl, .rdata = zone_->rdata(rrset, index)};
  }

  const std::shared_ptr<const Zone> zone_;
  std::size_t node_ = 0;
  std::size_t rrset_ = 0;
  std::size_t record_ = 0;
  bool begun_ = false;
};

// Sorts out what a zone cannot have.
class Sieve {
 public:
  Sieve(NameView apex, const ZoneFile& file, Zone::Made& made) : apex_(apex), made_(made) {
    for (const ZoneFileRecord& record : file.records) {
      if (!record.owner.view().is_at_or_below(apex)) {
        made.warnings.push_back(
            {record.at, record.owner.to_string() + " is not in the zone " + apex.to_string() + " and left out"});
      } else if (record.type != RRType::soa || is_soa(record)) {
        records_.push_back(&record);
      }
    }
    if (soa_ == nullptr && made.faults.empty()) {
      made.faults.push_back({{}, "there is no SOA record for " + apex.to_string()});
    }
    std::ranges::stable_sort(records_, [](const auto* a, const auto* b) {
      const auto order = compare_canonical(a->owner, b->owner);
      return order != 0 ? order < 0 : a->type < b->type;
    });
    drop_repeated();
    drop_beside_aliases();
  }

  std::span<const ZoneFileRecord* const> records() const { return records_; }

 private:
  bool is_soa(const ZoneFileRecord& record) {
    if (!(record.owner == apex_)) {
      made_.faults.push_back({record.at, "the SOA is that of " + record.owner.to_string() + ", not of the zone " +
                                             apex_.to_string() + "; write '@' or the name with its final dot"});
    } else if (soa_ != nullptr) {
      made_.faults.push_back({record.at, "a zone has one SOA, and this is another one"});
    } else {
      soa_ = &record;
      return true;
    }
    return false;
  }

  // RFC 2181 §5: equal records of an RRset are one.
  void drop_repeated() {
    std::vector<const ZoneFileRecord*> kept;
    for (std::size_t begin = 0; begin < records_.size();) {
      std::size_t end = begin + 1;
      while (end < records_.size() && records_[end]->type == records_[begin]->type &&
             records_[end]->owner == records_[begin]->owner) {
        ++end;
      }
      const auto rrset = std::span(records_).subspan(begin, end - begin);
      std::vector<const ZoneFileRecord*> sorted(rrset.begin(), rrset.end());
      std::ranges::stable_sort(sorted, std::less{}, [](const auto* record) -> const auto& { return record->rdata; });
      for (const auto* record : rrset) {
        const auto first = std::ranges::lower_bound(sorted, record->rdata, std::less{},
                                                    [](const auto* other) -> const auto& { return other->rdata; });
        if (*first == record) kept.push_back(record);
      }
      begin = end;
    }
    records_ = std::move(kept);
  }

  // RFC 1034 §3.6.2. DNSSEC's records may stand there (RFC 4034 §3).
  void drop_beside_aliases() {
    std::vector<const ZoneFileRecord*> kept;
    for (std::size_t begin = 0; begin < records_.size();) {
      std::size_t end = begin + 1;
      while (end < records_.size() && records_[end]->owner == records_[begin]->owner) ++end;
      const auto name = std::span(records_).subspan(begin, end - begin);
      const auto alias = std::ranges::find(name, RRType::cname, &ZoneFileRecord::type);
      const bool is_alias = alias != name.end() && !((*alias)->owner == apex_);
      const ZoneFileRecord* dname = nullptr;
      for (const auto* record : name) {
        const bool is_other = record->type != RRType::cname && record->type != RRType::rrsig &&
                              record->type != RRType::nsec && record->type != RRType::nsec3;
        if (record->type == RRType::cname && (!is_alias || record != *alias)) {
          warn(record, is_alias ? "has another CNAME already" : "is the apex, which can be no alias");
        } else if (is_alias && is_other) {
          warn(record, "is an alias (CNAME), and has no other data");
        } else if (record->type == RRType::dname && std::exchange(dname, record) != nullptr) {
          warn(record, "has another DNAME already");
        } else {
          kept.push_back(record);
        }
      }
      begin = end;
    }
    records_ = std::move(kept);
  }

  void warn(const ZoneFileRecord* record, const std::string& why) {
    made_.warnings.push_back(
        {record->at, to_string(record->type) + " is left out: " + record->owner.to_string() + ' ' + why});
  }

  const NameView apex_;
  Zone::Made& made_;
  const ZoneFileRecord* soa_ = nullptr;
  std::vector<const ZoneFileRecord*> records_;
};

}  // namespace

Zone::Made Zone::make(NameView apex, const ZoneFile& file) {
  Made made;
  made.faults = file.faults;
  const Sieve sieve(apex, file, made);
  if (!made.faults.empty()) return made;
  auto zone = std::shared_ptr<Zone>(new Zone);
  zone->seed_ = base::draw_seed();
  zone->add_nodes(sieve.records());
  zone->index_nodes();
  made.zone = std::move(zone);
  return made;
}

void Zone::add_nodes(std::span<const ZoneFileRecord* const> records) {
  const auto add_node = [this](NameView owner) {
    nodes_.push_back({.name = static_cast<std::uint32_t>(names_.size()),
                      .first_rrset = static_cast<std::uint32_t>(rrsets_.size()),
                      .name_octets = static_cast<std::uint8_t>(owner.size())});
    names_.insert(names_.end(), owner.wire().begin(), owner.wire().end());
  };
  const std::size_t apex_labels = records.front()->owner.view().label_count();
  for (const ZoneFileRecord* record : records) {
    const NameView owner = record->owner.view();
    if (nodes_.empty()) {
      add_node(owner);
    } else if (!(name(nodes_.back()) == owner)) {
      // What lies between this name and the one before it in canonical order has no records: empty non-terminals.
      const dns::LabelOffsets labels(owner);
      const std::vector<std::uint8_t> before(name(nodes_.back()).wire().begin(), name(nodes_.back()).wire().end());
      for (std::size_t count = apex_labels + 1; count < labels.count; ++count) {
        const NameView between(owner.wire().subspan(labels.offset[labels.count - count]));
        if (!NameView(before).is_at_or_below(between)) add_node(between);
      }
      add_node(owner);
    }
    Node& node = nodes_.back();
    if (node.rrset_count == 0 || rrsets_.back().type != record->type) {
      rrsets_.push_back(
          {.type = record->type, .ttl = record->ttl, .first = static_cast<std::uint32_t>(records_.size()), .count = 0});
      ++node.rrset_count;
      if (record->type == RRType::ns && nodes_.size() > 1) node.is_cut = true;
    }
    RRset& rrset = rrsets_.back();
    // RFC 2181 §5.2: one TTL, the least of those that are there.
    rrset.ttl = std::min(rrset.ttl, record->ttl);
    ++rrset.count;
    records_.push_back(static_cast<std::uint32_t>(rdata_.size()));
    rdata_.push_back(static_cast<std::uint8_t>(record->rdata.size() >> 8));
    rdata_.push_back(static_cast<std::uint8_t>(record->rdata.size()));
    rdata_.insert(rdata_.end(), record->rdata.begin(), record->rdata.end());
  }
  // Immutable from here on.
  nodes_.shrink_to_fit();
  rrsets_.shrink_to_fit();
  records_.shrink_to_fit();
  rdata_.shrink_to_fit();
  names_.shrink_to_fit();
}

void Zone::index_nodes() {
  std::size_t size = 4;
  while (size < 2 * nodes_.size()) size *= 2;
  cells_.resize(size);
  std::array<std::uint8_t, dns::name_octets_max> lower;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NameView owner = name(nodes_[i]);
    owner.copy_lower(lower.data());
    std::size_t at = hash(NameView(std::span(lower).first(owner.size()))) & (size - 1);
    while (cells_[at] != 0) at = (at + 1) & (size - 1);
    cells_[at] = static_cast<std::uint32_t>(i + 1);
  }
}

std::uint64_t Zone::hash(NameView lower) const { return base::seeded_hash(lower.data(), lower.size(), seed_); }

std::uint32_t Zone::serial() const { return soa_number(rdata(*find(apex_node(), RRType::soa), 0), 0); }

std::uint32_t Zone::negative_ttl() const {
  const RRset& soa = *find(apex_node(), RRType::soa);
  return std::min(soa.ttl, soa_number(rdata(soa, 0), 4));
}

NameView Zone::name(const Node& node) const { return NameView(std::span(names_).subspan(node.name, node.name_octets)); }

std::span<const Zone::RRset> Zone::rrsets(const Node& node) const {
  return std::span(rrsets_).subspan(node.first_rrset, node.rrset_count);
}

const Zone::RRset* Zone::find(const Node& node, RRType type) const {
  for (const RRset& rrset : rrsets(node)) {
    if (rrset.type == type) return &rrset;
  }
  return nullptr;
}

std::span<const std::uint8_t> Zone::rdata(const RRset& rrset, std::size_t index) const {
  const std::uint8_t* const at = rdata_.data() + records_[rrset.first + index];
  return {at + 2, dns::read_u16(at)};
}

const Zone::Node* Zone::find(NameView name) const {
  std::array<std::uint8_t, dns::name_octets_max> octets;
  name.copy_lower(octets.data());
  const NameView lower{std::span(octets).first(name.size())};
  const std::size_t mask = cells_.size() - 1;
  for (std::size_t at = hash(lower) & mask; cells_[at] != 0; at = (at + 1) & mask) {
    const Node& node = nodes_[cells_[at] - 1];
    if (this->name(node) == name) return &node;
  }
  return nullptr;
}

Zone::Lookup Zone::look_up(NameView name, bool is_parent_side) const {
  using Kind = Lookup::Kind;
  const dns::LabelOffsets labels(name);
  const std::size_t apex_labels = apex().label_count();
  const Node* node = &apex_node();
  for (std::size_t count = apex_labels; count < labels.count;) {
    // `node` is above the name.
    if (node->is_cut) return {.kind = Kind::delegation, .node = node};
    if (find(*node, RRType::dname) != nullptr) return {.kind = Kind::alias_tree, .node = node};
    ++count;
    const Node* const below = find(NameView(name.wire().subspan(labels.offset[labels.count - count])));
    if (below == nullptr) {
      // RFC 4592 §3.3.1: the source of synthesis is the wildcard at the closest encloser, and no other.
      std::array<std::uint8_t, dns::name_octets_max + 2> wildcard{1, '*'};
      const NameView encloser = this->name(*node);
      if (encloser.size() + 2 > dns::name_octets_max) return {.kind = Kind::no_name, .node = nullptr};
      encloser.copy_lower(wildcard.data() + 2);
      const Node* const source = find(NameView(std::span(wildcard).first(encloser.size() + 2)));
      if (source == nullptr) return {.kind = Kind::no_name, .node = nullptr};
      return {.kind = Kind::name, .node = source, .is_wildcard = true};
    }
    node = below;
  }
  if (node->is_cut && !is_parent_side) return {.kind = Kind::delegation, .node = node};
  return {.kind = Kind::name, .node = node};
}

std::unique_ptr<ZoneReader> read_zone(std::shared_ptr<const Zone> zone) {
  return std::make_unique<Reader>(std::move(zone));
}

}  // namespace fairlead::zones
