// The records of one zone as a lookup needs them: every name with its RRsets, empty non-terminals included, behind a
// hash of the name; and the steps of RFC 1034 §4.3.2 through it.
//
// It stands beside NameTable, which holds what a cluster's names have and nothing else, one entry at a time: a zone
// file has any type, is replaced as a whole, and its names lie in canonical order, so that a transfer reads them one
// behind the other.
//
// Threads: immutable.
// Limits: those of the zone file.
// Errors: make() gives faults and warnings with their places; a lookup has none.
// Standards: RFC 1034 §4.3.2, RFC 4592 (wildcards), RFC 6672 (DNAME), RFC 8020 (empty non-terminals).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/rr_type.hpp"
#include "zones/zone_file.hpp"
#include "zones/zone_transfer.hpp"

namespace fairlead::zones {

class Zone {
 public:
  struct Node {
    std::uint32_t name = 0;  // in names_
    std::uint32_t first_rrset = 0;
    std::uint16_t rrset_count = 0;  // 0: an empty non-terminal
    std::uint8_t name_octets = 0;
    bool is_cut = false;  // has NS and is not the apex
  };
  struct RRset {
    dns::RRType type{};
    std::uint32_t ttl = 0;
    std::uint32_t first = 0;  // record
    std::uint32_t count = 0;
  };

  struct Made;
  /// Takes the records of a file. What cannot be served as it stands there is left out with a warning; without a
  /// proper SOA there is no zone.
  static Made make(dns::NameView apex, const ZoneFile& file);

  dns::NameView apex() const { return name(apex_node()); }
  std::uint32_t serial() const;
  /// RFC 2308 §5: of negative answers, the least of the SOA's TTL and its MINIMUM.
  std::uint32_t negative_ttl() const;
  std::size_t record_count() const { return records_.size(); }

  /// In canonical order; the apex first.
  std::span<const Node> nodes() const { return nodes_; }
  const Node& apex_node() const { return nodes_.front(); }
  dns::NameView name(const Node& node) const;
  std::span<const RRset> rrsets(const Node& node) const;
  /// Null without one.
  const RRset* find(const Node& node, dns::RRType type) const;
  std::span<const std::uint8_t> rdata(const RRset& rrset, std::size_t index) const;
  /// The node of a name in any case, which may be an empty non-terminal; null without one. No wildcards.
  const Node* find(dns::NameView name) const;

  struct Lookup {
    enum class Kind : std::uint8_t {
      name,        // the name is there, or a wildcard stands for it
      no_name,     // NXDOMAIN
      delegation,  // the name is in a zone that is delegated at the node
      alias_tree,  // the node has a DNAME, and the name is below it
    };
    Kind kind;
    const Node* node;  // null for no_name
    bool is_wildcard = false;
  };
  /// `name` in lower case, at the apex or below. With `is_parent_side` the question is for what the parent has at a
  /// zone cut: DS.
  Lookup look_up(dns::NameView name, bool is_parent_side = false) const;

 private:
  Zone() = default;
  void add_nodes(std::span<const ZoneFileRecord* const> records);
  void index_nodes();
  std::uint64_t hash(dns::NameView lower) const;

  std::vector<Node> nodes_;
  std::vector<RRset> rrsets_;
  std::vector<std::uint32_t> records_;  // where in rdata_, behind two octets of length
  std::vector<std::uint8_t> rdata_;
  std::vector<std::uint8_t> names_;
  std::vector<std::uint32_t> cells_;  // 1 + node, or 0; open addressing with linear probing
  std::uint64_t seed_ = 0;
};

struct Zone::Made {
  std::shared_ptr<const Zone> zone;  // null with faults
  std::vector<ZoneFileFault> faults;
  std::vector<ZoneFileFault> warnings;
};

/// The zone record by record, for a transfer.
std::unique_ptr<ZoneReader> read_zone(std::shared_ptr<const Zone> zone);

}  // namespace fairlead::zones
