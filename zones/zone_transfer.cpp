#include "zones/zone_transfer.hpp"

#include <algorithm>

namespace fairlead::zones {
namespace {

constexpr std::size_t soa_numbers_octets = 20;

dns::NameView name_of(std::span<const std::uint8_t> question) {
  return dns::NameView(question.first(question.size() - 4));  // QTYPE and QCLASS follow
}

// Labels that two names have in common at their ends.
std::size_t common_labels(dns::NameView a, const dns::LabelOffsets& a_labels, dns::NameView b,
                          const dns::LabelOffsets& b_labels) {
  std::size_t common = 0;
  const std::size_t most = std::min(a_labels.count, b_labels.count);
  while (common < most) {
    const std::uint8_t* const x = a.data() + a_labels.offset[a_labels.count - common - 1];
    const std::uint8_t* const y = b.data() + b_labels.offset[b_labels.count - common - 1];
    if (*x != *y || !std::equal(x + 1, x + 1 + *x, y + 1,
                                [](std::uint8_t p, std::uint8_t q) { return dns::to_lower(p) == dns::to_lower(q); })) {
      break;
    }
    ++common;
  }
  return common;
}

}  // namespace

void OwnerCompressor::begin(dns::NameView question, std::size_t offset) {
  remember(question, dns::LabelOffsets(question), offset, 0);
}

std::span<const std::uint8_t> OwnerCompressor::write(dns::NameView owner, std::size_t offset) {
  const dns::LabelOffsets labels(owner);
  std::size_t common = common_labels(owner, labels, last_.view(), last_labels_);
  // Beyond 16 KiB nothing can be pointed to.
  while (common > 0 && positions_[common] > dns::pointer_offset_max) --common;
  const std::size_t own_octets = labels.offset[labels.count - common];
  std::uint8_t* at = std::copy_n(owner.data(), own_octets, written_.data());
  if (common > 0) {
    dns::write_u16(at, static_cast<std::uint16_t>(0xc000 | positions_[common]));
    at += 2;
  } else {
    *at++ = 0;
  }
  remember(owner, labels, offset, common);
  return {written_.data(), static_cast<std::size_t>(at - written_.data())};
}

void OwnerCompressor::remember(dns::NameView name, const dns::LabelOffsets& labels, std::size_t offset,
                               std::size_t labels_kept) {
  for (std::size_t i = labels_kept + 1; i <= labels.count; ++i) {
    positions_[i] = static_cast<std::uint16_t>(std::min<std::size_t>(offset + labels.offset[labels.count - i], 0xffff));
  }
  std::ranges::copy(name.wire(), last_.octets.begin());
  last_.size = static_cast<std::uint8_t>(name.size());
  last_labels_ = labels;
}

TransferWriter::KeptRecord::KeptRecord(const ZoneRecord& record)
    : owner(record.owner), type(record.type), ttl(record.ttl), rdata(record.rdata.begin(), record.rdata.end()) {}

TransferWriter::TransferWriter(std::unique_ptr<ZoneReader> reader, const dns::Header& query,
                               std::span<const std::uint8_t> question, const std::optional<dns::Edns>& edns)
    : reader_(std::move(reader)),
      query_(query),
      question_(question.begin(), question.end()),
      edns_(edns),
      buffer_(transfer_message_octets),
      writer_(buffer_, buffer_.size()) {}

TransferWriter::Step TransferWriter::advance(std::span<const std::uint8_t>& message) {
  if (soa_repeated_) return Step::end;
  if (!begun_) begin_message();
  if (kept_) {
    if (!append(kept_->view())) return Step::lost;  // no message can hold it
    kept_.reset();
  }
  for (std::size_t n = 0; n < transfer_slice_records; ++n) {
    ZoneRecord record;
    if (!all_read_) {
      switch (reader_->next(record)) {
        case ZoneReader::Step::record: break;
        case ZoneReader::Step::working: return Step::working;
        case ZoneReader::Step::waiting: return Step::waiting;
        case ZoneReader::Step::lost: return Step::lost;
        case ZoneReader::Step::end:
          if (!soa_) return Step::lost;
          all_read_ = true;
          break;
      }
      if (!soa_) {
        if (record.type != dns::RRType::soa || record.rdata.size() < soa_numbers_octets) return Step::lost;
        soa_.emplace(record);
        serial_ = dns::read_u32(record.rdata.data() + record.rdata.size() - soa_numbers_octets);
      }
    }
    if (all_read_) record = soa_->view();
    if (!append(record)) {
      // The SOA that ends the transfer is read from soa_ again.
      if (!all_read_) kept_.emplace(record);
      return finish_message(message);
    }
    if (all_read_) {
      soa_repeated_ = true;
      return finish_message(message);
    }
  }
  return Step::working;
}

void TransferWriter::begin_message() {
  begun_ = true;
  // A record that is larger than a usual message gets one of its own.
  const std::size_t wanted =
      !kept_ || kept_->rdata.size() < transfer_message_octets / 2 ? transfer_message_octets : dns::message_octets_max;
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  writer_ = dns::MessageWriter(buffer_, wanted);
  writer_.begin(query_, question_, edns_);
  writer_.set_flag(dns::Header::aa);
  owners_.begin(name_of(question_), dns::header_octets);
}

TransferWriter::Step TransferWriter::finish_message(std::span<const std::uint8_t>& message) {
  message = writer_.finish();
  begun_ = false;
  return Step::message;
}

bool TransferWriter::append(const ZoneRecord& record) {
  const auto owner = owners_.write(record.owner, writer_.size());
  // When it does not fit, the message ends here, and the next one begins with an empty memory of owners.
  if (!writer_.append(dns::Section::answer, owner, record.type, record.ttl, record.rdata)) return false;
  ++records_;
  return true;
}

}  // namespace fairlead::zones
