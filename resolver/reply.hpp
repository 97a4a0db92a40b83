// A reply of an upstream, taken apart once: what the forwarder checks, the cache keeps and the server sends on.
//
// Records are never decoded or rewritten. Their octets are copied behind the client's own question, which is as long
// as the upstream's (equal names differ in case only), so compression pointers still lead to the right places and
// owner names that point to the question show the client's case.
//
// Threads: values; a Reply looks at memory that the caller keeps.
// Limits: message_octets_max.
// Errors: a message whose records do not tile it exactly does not parse. Names inside of RDATA are not looked at.
// Standards: RFC 2308 §2 (kinds of negative replies), RFC 2181 §9 (TC), RFC 6891 (OPT is hop by hop).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>

#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::resolver {

/// What a reply says about its question.
enum class ReplyKind : std::uint8_t {
  success,     // records that answer, or NOERROR without anything that would say otherwise
  nodata,      // the name exists, the type does not; proven by an SOA
  nxdomain,    // RFC 2308 §2.1
  servfail,    // SERVFAIL, and NOTIMP like CoreDNS
  delegation,  // a referral: NS without SOA and without answer
  other,       // REFUSED and the rest, transfers, expired signatures: nothing to remember
};

class Reply {
 public:
  /// `message` must have exactly one question, which is what upstreams were asked.
  static std::expected<Reply, dns::MessageError> parse(std::span<const std::uint8_t> message);

  std::span<const std::uint8_t> message() const { return message_; }
  const dns::Header& header() const { return header_; }
  bool is_truncated() const { return header_.has(dns::Header::tc); }
  /// All twelve bits.
  dns::Rcode rcode() const { return rcode_; }

  std::span<const std::uint8_t> question() const {
    return message_.subspan(dns::header_octets, body_offset_ - dns::header_octets);
  }
  dns::NameView qname() const { return dns::NameView(question().first(question().size() - 4)); }
  dns::RRType qtype() const { return static_cast<dns::RRType>(dns::read_u16(&message_[body_offset_ - 4])); }
  dns::RRClass qclass() const { return static_cast<dns::RRClass>(dns::read_u16(&message_[body_offset_ - 2])); }

  /// The records without OPT, in wire order, and how many of them each section has.
  std::size_t body_offset() const { return body_offset_; }
  std::span<const std::uint8_t> body() const { return message_.subspan(body_offset_, body_octets_); }
  std::size_t count(dns::Section section) const { return counts_[static_cast<std::size_t>(section)]; }

  bool has_edns() const { return edns_.has_value(); }
  /// The upstream's Extended DNS Error, if it gave one. The text is untrusted.
  std::optional<dns::ExtendedErrorOption> extended_error() const;

  /// The smallest TTL of all records and, with an SOA in the authority section, of its MINIMUM (RFC 2308 §5);
  /// nothing without records.
  std::optional<std::uint32_t> ttl_min() const;
  /// True when the authority section holds an SOA: only then may a negative reply be remembered (RFC 2308 §5).
  bool has_soa() const { return has_soa_; }
  /// True when the answer section answers the question, CNAMEs followed.
  bool is_answered() const;
  /// `wall_seconds`: Unix time, for the validity of signatures.
  ReplyKind classify(std::int64_t wall_seconds) const;

 private:
  std::span<const std::uint8_t> message_;
  dns::Header header_;
  dns::Rcode rcode_{};
  std::size_t body_offset_ = 0;
  std::size_t body_octets_ = 0;
  std::array<std::uint16_t, 3> counts_{};
  std::optional<dns::Edns> edns_;
  bool has_soa_ = false;
};

/// Records behind a question, ready to be copied: a Reply's body or a cache entry.
struct RecordBlock {
  std::span<const std::uint8_t> octets;
  std::array<std::uint16_t, 3> counts{};
};

/// Copies the records of `block` into `out`, which holds a question of the same length and no records yet. What does
/// not fit is left out by whole records; TC is set if an answer or authority record is among it (RFC 2181 §9).
/// False when TC was set.
bool copy_records(const RecordBlock& block, dns::MessageWriter& out);

/// Writes `ttl` into each of the `count` whole records.
void set_all_ttls(std::span<std::uint8_t> records, std::size_t count, std::uint32_t ttl);

/// Writes `reply` to a client: RCODE, RA, AA, AD and TC as the upstream set them, and the records, all with `ttl` if
/// one is given (CoreDNS's cache does that to what it stores). AD is for clients that sent AD or DO (RFC 6840 §5.7).
void copy_reply(const Reply& reply, bool wants_ad, std::optional<std::uint32_t> ttl, dns::MessageWriter& out);

}  // namespace fairlead::resolver
