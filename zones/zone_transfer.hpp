// A zone as a stream of messages: what AXFR, and IXFR answered as AXFR, send.
//
// A ZoneReader gives one version of a zone record by record, in slices; TransferWriter packs the records into messages.
// Nobody waits: a reader that cannot go on says so, and the writer comes back later. Owner names are compressed against
// the one before and the question, so records of names that lie near each other should come one behind the other.
//
// Threads: one thread at a time, inside a base::ReadSection a slice.
// Limits: transfer_message_octets a message, unless a single record is larger; transfer_slice_records a slice.
// Standards: RFC 5936 §2.2 (every message has the question; AA), RFC 1035 §4.1.4, RFC 3597 §4 (RDATA is not
// compressed).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "zones/dns/domain_name.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::zones {

/// All of a message can be reached by compression pointers.
inline constexpr std::size_t transfer_message_octets = 16 * 1024;
/// About 50 µs of a worker's time, so that a transfer does not hold up the queries beside it.
inline constexpr std::size_t transfer_slice_records = 512;

/// Valid until the ReadSection ends or the next record is read.
struct ZoneRecord {
  dns::NameView owner;
  dns::RRType type{};
  std::uint32_t ttl = 0;
  std::span<const std::uint8_t> rdata;  // names in it are spelled out
};

/// One version of a zone, record by record: the SOA first and only there, then the rest in any order.
class ZoneReader {
 public:
  enum class Step : std::uint8_t {
    record,   // one was read
    working,  // none yet, and this slice has done enough
    waiting,  // for another thread, which wakes the transfer
    end,
    lost,  // the version cannot be read to its end
  };
  virtual ~ZoneReader() = default;
  virtual Step next(ZoneRecord& record) = 0;
};

/// Spells owner names with pointers to the owner before and to the question.
class OwnerCompressor {
 public:
  /// The name at `offset` is what the first owners can point to.
  void begin(dns::NameView question, std::size_t offset);
  /// The owner as it is written at `offset`.
  std::span<const std::uint8_t> write(dns::NameView owner, std::size_t offset);

 private:
  void remember(dns::NameView name, const dns::LabelOffsets& labels, std::size_t offset, std::size_t labels_kept);

  dns::NameBuffer last_;
  dns::LabelOffsets last_labels_{dns::NameView()};
  // Where the last labels of last_ stand, by their count.
  std::array<std::uint16_t, dns::labels_max + 1> positions_{};
  std::array<std::uint8_t, dns::name_octets_max> written_;
};

class TransferWriter {
 public:
  enum class Step : std::uint8_t { message, working, waiting, end, lost };

  /// `question` as the query had it.
  TransferWriter(std::unique_ptr<ZoneReader> reader, const dns::Header& query, std::span<const std::uint8_t> question,
                 const std::optional<dns::Edns>& edns);

  /// One slice. `message` is valid until the next call.
  Step advance(std::span<const std::uint8_t>& message);

  /// Known once the first record was read.
  std::uint32_t serial() const { return serial_; }
  std::uint64_t records() const { return records_; }

 private:
  /// A record that outlives the section it was read in.
  struct KeptRecord {
    dns::DomainName owner;
    dns::RRType type{};
    std::uint32_t ttl = 0;
    std::vector<std::uint8_t> rdata;
    explicit KeptRecord(const ZoneRecord& record);
    ZoneRecord view() const { return {.owner = owner, .type = type, .ttl = ttl, .rdata = rdata}; }
  };

  void begin_message();
  Step finish_message(std::span<const std::uint8_t>& message);
  bool append(const ZoneRecord& record);

  std::unique_ptr<ZoneReader> reader_;
  const dns::Header query_;
  const std::vector<std::uint8_t> question_;
  const std::optional<dns::Edns> edns_;
  std::vector<std::uint8_t> buffer_;
  dns::MessageWriter writer_;
  OwnerCompressor owners_;
  std::optional<KeptRecord> soa_;
  std::optional<KeptRecord> kept_;  // did not fit into the message before
  std::uint32_t serial_ = 0;
  std::uint64_t records_ = 0;
  bool begun_ = false;
  bool all_read_ = false;
  bool soa_repeated_ = false;
};

}  // namespace fairlead::zones
