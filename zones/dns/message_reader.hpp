// Bounded reading of DNS messages, without heap.
//
// read_query() takes apart what clients send; RecordReader walks the records of a reply that an upstream sent. Both
// look at memory that the caller keeps.
//
// Threads: values.
// Limits: names of at most 255 octets; pointers must lead backwards.
// Security: every octet is untrusted. Nothing here asserts on input, allocates, or loops more than the message is long.
// Errors: QueryFault says which reply the client is owed, if any; MessageError for upstream messages.
// Standards: RFC 1035 §4.1, RFC 6891 (EDNS), RFC 9619 (one question).
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/limits.hpp"
#include "zones/dns/rcode.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::dns {

inline std::uint16_t read_u16(const std::uint8_t* at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }
inline std::uint32_t read_u32(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(at[0]) << 24 | static_cast<std::uint32_t>(at[1]) << 16 |
         static_cast<std::uint32_t>(at[2]) << 8 | at[3];
}

/// The fixed header. Flags are kept as sent; the accessors name their bits.
struct Header {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::uint16_t question_count = 0;
  std::uint16_t answer_count = 0;
  std::uint16_t authority_count = 0;
  std::uint16_t additional_count = 0;

  static constexpr std::uint16_t qr = 0x8000, aa = 0x0400, tc = 0x0200, rd = 0x0100, ra = 0x0080, ad = 0x0020,
                                 cd = 0x0010;
  Opcode opcode() const { return static_cast<Opcode>(flags >> 11 & 0xf); }
  Rcode rcode() const { return static_cast<Rcode>(flags & 0xf); }
  bool has(std::uint16_t bit) const { return (flags & bit) != 0; }
};
/// `message` must hold at least header_octets.
Header read_header(std::span<const std::uint8_t> message);

/// The OPT pseudo-record.
struct Edns {
  std::uint16_t udp_octets = udp_octets_classic;  // as sent; at least 512 is meant
  std::uint8_t extended_rcode = 0;
  std::uint8_t version = 0;
  bool dnssec_ok = false;
  std::span<const std::uint8_t> options;
};

/// A well-formed query with one question.
struct Query {
  Header header;
  NameView qname;  // in the packet: a question name is never compressed
  RRType qtype{};
  RRClass qclass{};
  std::optional<Edns> edns;
  std::span<const std::uint8_t> question;  // QNAME, QTYPE, QCLASS as sent
  /// IXFR: the serial of the SOA in the authority section.
  std::optional<std::uint32_t> ixfr_serial;
};

/// Why a packet is no query, as the reply that is owed.
enum class QueryFault {
  drop,     // shorter than a header, or itself a response: answering could feed a loop
  formerr,  // anything that does not parse, lying counts and trailing octets included
  notimp,   // an opcode other than QUERY
  badvers,  // EDNS version above 0; RFC 6891 §6.1.3
};
struct QueryError {
  QueryFault fault;
  /// The question as sent, when it could be read: the reply repeats it.
  std::span<const std::uint8_t> question;
  std::optional<Edns> edns;
};
std::expected<Query, QueryError> read_query(std::span<const std::uint8_t> packet);

enum class MessageError { truncated, bad_name, bad_count };

/// A name decompressed into a buffer of its own.
struct NameBuffer {
  std::array<std::uint8_t, name_octets_max> octets;
  std::uint8_t size = 0;
  NameView view() const { return NameView({octets.data(), size}); }
};
/// Reads the name at `offset` into `name` and gives the offset behind it.
std::expected<std::size_t, MessageError> read_name(std::span<const std::uint8_t> message, std::size_t offset,
                                                   NameBuffer& name);
/// The offset behind the name at `offset`, without looking where pointers lead.
std::expected<std::size_t, MessageError> skip_name(std::span<const std::uint8_t> message, std::size_t offset);

enum class Section : std::uint8_t { answer, authority, additional };

/// One record of a message, in place.
struct RecordView {
  Section section{};
  std::size_t owner_offset = 0;
  RRType type{};
  std::uint16_t rrclass = 0;  // not RRClass: OPT keeps a size here
  std::uint32_t ttl = 0;
  std::size_t ttl_offset = 0;
  std::size_t rdata_offset = 0;
  std::span<const std::uint8_t> rdata;
};

/// Walks the records behind the questions:
///
///     auto reader = RecordReader::open(message);          // expected: header and questions parse
///     while (auto record = reader->next()) { ... **record ... }   // expected<optional<RecordView>>
class RecordReader {
 public:
  static std::expected<RecordReader, MessageError> open(std::span<const std::uint8_t> message);

  /// The next record, nothing at the end, or why the rest cannot be read. Owner names are bounds-checked, not decoded.
  std::expected<std::optional<RecordView>, MessageError> next();

  const Header& header() const { return header_; }
  std::size_t offset() const { return offset_; }

 private:
  RecordReader(std::span<const std::uint8_t> message, Header header, std::size_t offset)
      : message_(message), header_(header), offset_(offset) {}

  std::span<const std::uint8_t> message_;
  Header header_;
  std::size_t offset_;
  std::uint32_t read_ = 0;
};

}  // namespace fairlead::dns
