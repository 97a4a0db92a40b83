// Copies the ready records of a NameEntry into a reply, rotated.
//
// The rotation is `loadbalance round_robin`: clients that take the first address spread over all of them, at the cost
// of a second memcpy.
//
// Threads: any, inside the ReadSection that found the entry.
// Limits: what fits into the writer; the caller sets TC on Copied::truncated.
// Standards: RFC 1035 §4.1.4 (compression), RFC 2782 (SRV targets are not compressed).
#pragma once

#include <cstdint>
#include <span>

#include "zones/dns/message_writer.hpp"
#include "zones/name_table.hpp"

namespace fairlead::zones {

enum class Copied { whole, truncated };

struct CopyOptions {
  /// Two octets that stand for the owner; the question unless an alias was followed.
  std::uint16_t owner_pointer = dns::question_pointer;
  /// Any number; the first record is this one modulo their count.
  std::uint32_t rotation = 0;
};

/// A or AAAA records into the answer section.
Copied copy_addresses(dns::MessageWriter& writer, const NameEntry& entry, dns::RRType type, CopyOptions options);

/// SRV records into the answer section and one A or AAAA record for each distinct target and address into the
/// additional section, from that of the first record on. `zone` ends the targets, in the client's case. Missing glue
/// does not truncate (RFC 2181 §9).
Copied copy_srvs(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, CopyOptions options);

/// The CNAME record.
Copied copy_cname(dns::MessageWriter& writer, const NameEntry& entry, CopyOptions options);

/// PTR records, whose targets end in `zone`.
Copied copy_ptrs(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, CopyOptions options);

}  // namespace fairlead::zones
