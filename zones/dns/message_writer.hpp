// Writes a reply in wire order into memory that the caller keeps: header and question, then answer, authority and
// additional records, then OPT.
//
// The writer knows the limit of the reply and keeps room for OPT, so a record either fits whole or is refused; the
// caller then sets TC. Counts are patched by finish().
//
// Threads: values; one writer is used by one thread.
// Limits: the capacity given to the constructor; message_octets_max.
// Errors: append functions return false when the record does not fit, and leave the message as it was.
// Standards: RFC 1035 §4.1, RFC 6891 §6.1, RFC 8914.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/limits.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::dns {

inline void write_u16(std::uint8_t* at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}
inline void write_u32(std::uint8_t* at, std::uint32_t value) {
  write_u16(at, static_cast<std::uint16_t>(value >> 16));
  write_u16(at + 2, static_cast<std::uint16_t>(value));
}

/// An Extended DNS Error for the reply's OPT. `text` must live until finish().
struct ExtendedErrorOption {
  ExtendedError code{};
  std::string_view text;
};

class MessageWriter {
 public:
  /// Replies of at most `limit` octets (a smaller one than udp_octets_classic counts as that) into `buffer`, which must
  /// hold at least udp_octets_classic.
  MessageWriter(std::span<std::uint8_t> buffer, std::size_t limit);

  /// The header (QR set; id, opcode, RD and CD of the query) and the question as sent. `edns` keeps room for an OPT.
  void begin(const Header& query, std::span<const std::uint8_t> question, bool edns);
  /// The same for the query's OPT, whose DO bit comes back as sent (RFC 3225 §3).
  void begin(const Header& query, std::span<const std::uint8_t> question, const std::optional<Edns>& edns);

  void set_rcode(Rcode rcode) { rcode_ = rcode; }
  Rcode rcode() const { return rcode_; }
  void set_flag(std::uint16_t bit, bool on = true) {
    flags_ = static_cast<std::uint16_t>(on ? flags_ | bit : flags_ & ~bit);
  }
  bool has_flag(std::uint16_t bit) const { return (flags_ & bit) != 0; }
  /// The reason shown to people; kept to what fits.
  void set_extended_error(ExtendedErrorOption error) { extended_error_ = error; }
  /// As above, for a text that goes before finish(): its first own_text_octets_max octets are kept here.
  void set_extended_error_copy(ExtendedError code, std::string_view text) {
    text = text.substr(0, own_text_octets_max);
    std::memcpy(own_text_.data(), text.data(), text.size());
    extended_error_ = {code, {own_text_.data(), text.size()}};
  }
  void clear_extended_error() { extended_error_.reset(); }
  const std::optional<ExtendedErrorOption>& extended_error() const { return extended_error_; }

  /// Further EDNS options, as they stand in the RDATA of OPT, behind the reason; left out when they do not fit, or the
  /// query had no EDNS. They must live until finish().
  void set_edns_options(std::span<const std::uint8_t> options) { edns_options_ = options; }
  std::span<const std::uint8_t> edns_options() const { return edns_options_; }

  /// The most octets that the message may have.
  std::size_t limit() const { return limit_whole_; }
  /// A smaller limit from now on (one below udp_octets_classic counts as that). While the message holds no records.
  void reduce_limit(std::size_t limit);
  /// Room left for records.
  std::size_t room() const { return limit_ - size_; }
  std::size_t size() const { return size_; }
  std::uint8_t* data() { return buffer_.data(); }

  /// Where the next octet goes; for copying ready records. At most room() octets, then advance().
  std::uint8_t* cursor() { return buffer_.data() + size_; }
  /// Takes `octets` written at cursor() as `records` whole records of `section`.
  void advance(std::size_t octets, std::size_t records, Section section) {
    size_ += octets;
    counts_[static_cast<std::size_t>(section)] =
        static_cast<std::uint16_t>(counts_[static_cast<std::size_t>(section)] + records);
  }
  /// Appends one record whose owner is written as it is (`owner` may be a two-octet pointer).
  bool append(Section section, std::span<const std::uint8_t> owner, RRType type, std::uint32_t ttl,
              std::span<const std::uint8_t> rdata, RRClass rrclass = RRClass::in);
  std::size_t count(Section section) const { return counts_[static_cast<std::size_t>(section)]; }

  /// Drops every record, back to header and question.
  void clear_records();
  /// Drops the records behind the answer section.
  void keep_answers_only();

  /// Writes OPT and the header, once. The message is valid until begin() starts the next one. An RCODE above 15
  /// without EDNS becomes SERVFAIL.
  std::span<std::uint8_t> finish();

 private:
  std::span<std::uint8_t> buffer_;
  std::size_t limit_whole_;
  std::size_t limit_;  // without the room kept for OPT
  std::size_t size_ = 0;
  std::size_t question_end_ = 0;
  std::uint16_t id_ = 0;
  std::uint16_t flags_ = 0;
  std::uint16_t questions_ = 0;
  Rcode rcode_ = Rcode::noerror;
  bool edns_ = false;
  bool dnssec_ok_ = false;
  std::uint16_t counts_[3] = {0, 0, 0};
  std::optional<ExtendedErrorOption> extended_error_;
  static constexpr std::size_t own_text_octets_max = 64;
  std::array<char, own_text_octets_max> own_text_;
  std::span<const std::uint8_t> edns_options_;
};

}  // namespace fairlead::dns
