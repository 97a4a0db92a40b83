// A zone file (RFC 1035 §5) read into records: entries are found here, RDATA is ldns's.
//
// Reading goes on behind a fault, so that all of them are told at once, each with its file and line. What a parser of
// another server would let pass although it cannot be meant (a record outside of the zone, data beside a CNAME) is the
// matter of Zone.
//
// Threads: values; off the query path.
// Limits: zone_file_octets_max, zone_records_max, include_depth_max, generate_max, zone_faults_max.
// Standards: RFC 1035 §5.1, RFC 2308 §4 ($TTL), RFC 3597 §5; $GENERATE and units of time ("1h30m") as BIND has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::zones {

/// Of a zone, with what it includes. A TLD has more, and a server of its own; this keeps a log that was named by
/// mistake out of memory.
inline constexpr std::size_t zone_file_octets_max = 256 * 1024 * 1024;
/// With those that $GENERATE makes, which may be longer than the file.
inline constexpr std::size_t zone_records_max = 4'000'000;
inline constexpr std::uint64_t zone_rdata_octets_max = 1 << 30;
/// Files in files; as CoreDNS.
inline constexpr int include_depth_max = 7;
/// Steps of one $GENERATE; as CoreDNS.
inline constexpr std::uint64_t generate_max = 65535;
/// More are not told: the file is something else.
inline constexpr std::size_t zone_faults_max = 100;

/// Where something stands.
struct ZoneFilePosition {
  std::uint32_t file = 0;  // in ZoneFile::files
  std::uint32_t line = 0;
};

struct ZoneFileRecord {
  dns::DomainName owner;
  dns::RRType type{};
  std::uint32_t ttl = 0;
  std::vector<std::uint8_t> rdata;  // names in it are spelled out
  ZoneFilePosition at;
};

struct ZoneFileFault {
  ZoneFilePosition at;
  std::string message;
};

struct ZoneFile {
  std::vector<std::string> files;  // the file itself, then what it includes
  std::vector<ZoneFileRecord> records;
  std::vector<ZoneFileFault> faults;

  /// "db.example.org:7: ..."
  std::string to_string(const ZoneFileFault& fault) const;
};

ZoneFile read_zone_file(const std::string& path, dns::NameView origin);
/// Of a text that is there; `name` stands in faults, and relative files of $INCLUDE are beside it.
ZoneFile parse_zone_text(std::string_view text, const std::string& name, dns::NameView origin);

/// A TTL as zone files have it: seconds, or "1w2d3h4m5s". Nothing for another text or above 2^31 - 1 (RFC 2181 §8).
std::optional<std::uint32_t> parse_ttl(std::string_view text);

}  // namespace fairlead::zones
