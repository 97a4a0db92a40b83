// How the zones of a cluster are replied to: what `kubernetes` and `k8s_external` have in common.
//
// A handler finds the zone of a question, splits the name there, looks up what stands in front of it, and says what it
// found; the flags, the zone's own records, the reasons of negative answers and the snapshot's part in them are written
// here. Names in records are pointers into the question, so they keep the client's case.
//
// Threads: one worker's, inside the worker's ReadSection.
// Limits: what fits into the writer; TC says that it did not.
// Standards: RFC 1035 §4.1.4 (pointers), RFC 2308 (negative answers), RFC 8914 (reasons).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "k8s/cluster.hpp"
#include "k8s/cluster_apex.hpp"
#include "server/config/directive_options.hpp"
#include "server/query/query_context.hpp"
#include "server/query/transferable_zones.hpp"
#include "zones/answer_template.hpp"

namespace fairlead::server {

/// A zone of a directive, and where its names are.
struct ServedZone {
  dns::DomainName name;
  k8s::ClusterPart part;
  const k8s::ClusterTable* table;
  const std::atomic<std::uint32_t>* serial;
  dns::NameView ptr_zone;  // the table's, that PTR targets end in
};

/// A question's name, split at the zone that it is in.
struct ClusterName {
  const ServedZone* served;
  dns::NameView zone;          // the end of the question's name, in the client's case
  std::string_view prefix;     // lower-case wire labels left of the zone, no root
  std::uint16_t zone_pointer;  // to the zone, in the question
};

ClusterName split_name(const QueryContext& context, const ServedZone& zone);

/// A compression pointer to an octet of the message.
constexpr std::uint16_t pointer_to(std::size_t offset) { return static_cast<std::uint16_t>(0xc000 | offset); }
constexpr std::array<std::uint8_t, 2> pointer_octets(std::uint16_t pointer) {
  return {static_cast<std::uint8_t>(pointer >> 8), static_cast<std::uint8_t>(pointer)};
}

inline bool is_transfer(dns::RRType type) { return type == dns::RRType::axfr || type == dns::RRType::ixfr; }
inline dns::RRType type_of(const base::IpAddress& address) {
  return address.is_v4() ? dns::RRType::a : dns::RRType::aaaa;
}
/// Ready records of the type.
bool has_type(const zones::NameEntry& entry, dns::RRType type);
void set_truncated(QueryContext& context, zones::Copied copied);
/// Which snapshot the names are from; empty when they are not.
std::string_view snapshot_note(const k8s::ClusterTable& table);

class ClusterReply {
 public:
  struct Options {
    std::vector<ServedZone> zones;
    Fallthrough fallthrough;
    k8s::ApexLabels apex;
    std::uint32_t ttl = 5;
    std::uint32_t soa_ttl = 5;
    bool rotates_answers = false;
  };
  explicit ClusterReply(Options options);

  // ---- zones
  /// The one with the most labels that the name is in; null without one.
  const ServedZone* find_zone(dns::NameView name) const;
  /// As TransferableZones::find_zone() and read_zone() need them.
  std::optional<TransferableZone> find_transferable(dns::NameView apex) const;
  std::unique_ptr<zones::ZoneReader> read_zone(const std::shared_ptr<k8s::Cluster>& cluster, dns::NameView apex,
                                               const std::vector<base::IpAddress>& nameserver_addresses,
                                               std::function<void()> wake) const;

  // ---- a reply as a whole
  /// Runs `answer()`, unless a snapshot is too old to be answered from, and marks its reply as ours or as stale.
  template <typename Answer>
  Step reply(QueryContext& context, const ClusterName& name, Answer&& answer) const {
    context.writer.set_flag(dns::Header::aa);
    const k8s::NamesFrom names_from = name.served->table->names_from.load(std::memory_order_relaxed);
    const bool is_expired = names_from == k8s::NamesFrom::expired_snapshot && !name.prefix.empty();
    const Step step = is_expired ? no_name(context, name, {}) : answer();
    if (step == Step::next) context.writer.set_flag(dns::Header::aa, false);
    // RFC 8914 §4.4, for negative answers too: one code to look for, whose text says which snapshot it is.
    if (names_from == k8s::NamesFrom::snapshot && step == Step::answered &&
        context.writer.rcode() != dns::Rcode::servfail) {
      context.writer.set_extended_error({dns::ExtendedError::stale_answer, name.served->table->snapshot_note});
    }
    return step;
  }
  /// Transfers are the business of `transfer`, which stands before the handlers of zones.
  static Step refuse_transfer(QueryContext& context);

  // ---- what stands at a name
  /// The records of the type that was asked for, or NODATA.
  Step answer_entry(QueryContext& context, const ClusterName& name, const zones::NameEntry& entry) const;
  Step answer_addresses(QueryContext& context, const ClusterName& name,
                        std::span<const base::IpAddress> addresses) const;
  Step answer_soa(QueryContext& context, const ClusterName& name) const;
  Step no_data(QueryContext& context, const ClusterName& name) const;
  /// NXDOMAIN; SERVFAIL while nobody can know. `is_in_snapshots`: one that does not have the name says that there is
  /// none.
  Step no_name(QueryContext& context, const ClusterName& name, std::string_view why, bool is_in_snapshots = true) const;

  // ---- parts of answers
  zones::CopyOptions copy_options(QueryContext& context) const;
  /// An NS record of the apex. Returns where its target stands, for glue; nothing when it did not fit, or the zone is
  /// too long to have such a name.
  std::optional<std::size_t> append_nameserver(QueryContext& context, const ClusterName& name,
                                               std::string_view labels) const;
  void append_glue(QueryContext& context, std::size_t owner, std::span<const base::IpAddress> addresses) const;

 private:
  void append_soa(QueryContext& context, const ClusterName& name, dns::Section section) const;

  Options options_;  // zones: most labels first
  // The SOA's RDATA but for pointers to the zone and the serial.
  std::vector<std::uint8_t> soa_rdata_;
};

}  // namespace fairlead::server
