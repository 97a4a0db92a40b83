// Records between presentation form and wire form, with ldns; the only file pair that knows <ldns/ldns.h>.
//
// For tools, zone files and tests. Nothing here stands on the query path: ldns allocates for every field.
//
// Threads: values; ldns keeps no state between calls.
// Limits: a line of 64 KiB.
// Errors: a sentence that says what is wrong with the text or the message.
// Standards: RFC 1035 §5.1, RFC 3597 §5 (types without a form of their own).
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_reader.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::dns {

/// A record on its own: names in RDATA are not compressed.
struct ResourceRecord {
  DomainName owner;
  RRType type{};
  RRClass rrclass = RRClass::in;
  std::uint32_t ttl = 0;
  std::vector<std::uint8_t> rdata;

  friend bool operator==(const ResourceRecord&, const ResourceRecord&) = default;
};

/// RDATA as a zone file has it. RDATA that does not fit its type is written as RFC 3597 says: "\# 3 0a0000".
std::string rdata_to_string(RRType type, std::span<const std::uint8_t> rdata);

/// One line: owner, TTL, class, type, RDATA, with a tab between each; names are absolute.
std::string to_string(const ResourceRecord& record);

/// What a line may leave out.
struct LineDefaults {
  NameView origin;
  std::uint32_t ttl = 3600;
};
/// A record on one line, without comment or parentheses.
std::expected<ResourceRecord, std::string> parse_record(std::string_view line, const LineDefaults& defaults = {});
/// RDATA alone, "0 100 80 web.example." for SRV.
std::expected<std::vector<std::uint8_t>, std::string> parse_rdata(RRType type, std::string_view text,
                                                                  NameView origin = {});

/// As parse_rr_type(), and all that ldns has a name for.
std::optional<RRType> find_rr_type(std::string_view text);

/// The record that a RecordReader found in `message`, with its names spelled out.
std::expected<ResourceRecord, std::string> read_record(std::span<const std::uint8_t> message, const RecordView& record);

/// A whole message as dig prints it.
std::string message_to_string(std::span<const std::uint8_t> message);

}  // namespace fairlead::dns
