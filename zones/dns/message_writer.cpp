#include "zones/dns/message_writer.hpp"

#include <algorithm>

namespace fairlead::dns {
namespace {

constexpr std::uint16_t option_extended_error = 15;   // RFC 8914 §2
constexpr std::size_t extended_error_octets_min = 6;  // option code, length, INFO-CODE

// RFC 8914 §2: EXTRA-TEXT is UTF-8, so it is cut between characters.
std::string_view cut_text(std::string_view text, std::size_t octets_max) {
  if (text.size() <= octets_max) return text;
  while (octets_max > 0 && (static_cast<std::uint8_t>(text[octets_max]) & 0xc0) == 0x80) --octets_max;
  return text.substr(0, octets_max);
}

}  // namespace

MessageWriter::MessageWriter(std::span<std::uint8_t> buffer, std::size_t limit)
    : buffer_(buffer),
      limit_whole_(std::min({std::max(limit, udp_octets_classic), buffer.size(), message_octets_max})),
      limit_(limit_whole_) {}

void MessageWriter::begin(const Header& query, std::span<const std::uint8_t> question, bool edns) {
  id_ = query.id;
  // Opcode, RD and CD come back as sent; the rest of the flags is ours.
  flags_ = static_cast<std::uint16_t>(Header::qr | (query.flags & (0x7800 | Header::rd | Header::cd)));
  rcode_ = Rcode::noerror;
  edns_ = edns;
  dnssec_ok_ = false;
  extended_error_.reset();
  edns_options_ = {};
  limit_ = limit_whole_ - (edns ? opt_octets : 0);
  std::copy(question.begin(), question.end(), buffer_.begin() + header_octets);
  questions_ = question.empty() ? 0 : 1;
  question_end_ = header_octets + question.size();
  clear_records();
}

void MessageWriter::begin(const Header& query, std::span<const std::uint8_t> question,
                          const std::optional<Edns>& edns) {
  begin(query, question, edns.has_value());
  dnssec_ok_ = edns && edns->dnssec_ok;
}

void MessageWriter::clear_records() {
  size_ = question_end_;
  std::fill(std::begin(counts_), std::end(counts_), std::uint16_t{0});
}

void MessageWriter::reduce_limit(std::size_t limit) {
  const std::size_t whole = std::min(std::max(limit, udp_octets_classic), limit_whole_);
  limit_ -= limit_whole_ - whole;
  limit_whole_ = whole;
}

void MessageWriter::keep_answers_only() {
  std::size_t at = question_end_;
  const std::span<const std::uint8_t> message = buffer_.first(size_);
  for (std::size_t i = 0; i < counts_[0]; ++i) {
    const auto behind = skip_name(message, at);
    if (!behind || message.size() - *behind < 10) return;
    at = *behind + 10 + read_u16(message.data() + *behind + 8);
  }
  if (at > size_) return;
  size_ = at;
  counts_[1] = counts_[2] = 0;
}

bool MessageWriter::append(Section section, std::span<const std::uint8_t> owner, RRType type, std::uint32_t ttl,
                           std::span<const std::uint8_t> rdata, RRClass rrclass) {
  const std::size_t octets = owner.size() + 10 + rdata.size();
  if (octets > room()) return false;
  std::uint8_t* at = std::copy(owner.begin(), owner.end(), cursor());
  write_u16(at, static_cast<std::uint16_t>(type));
  write_u16(at + 2, static_cast<std::uint16_t>(rrclass));
  write_u32(at + 4, ttl);
  write_u16(at + 8, static_cast<std::uint16_t>(rdata.size()));
  std::copy(rdata.begin(), rdata.end(), at + 10);
  advance(octets, 1, section);
  return true;
}

std::span<std::uint8_t> MessageWriter::finish() {
  // Four bits hold no extended RCODE; its lower half alone would be another one (BADVERS would be NOERROR).
  if (!edns_ && static_cast<unsigned>(rcode_) > 0xf) rcode_ = Rcode::servfail;
  if (edns_) {
    std::uint8_t* const opt = cursor();
    const unsigned rcode = static_cast<unsigned>(rcode_);
    opt[0] = 0;
    write_u16(opt + 1, static_cast<std::uint16_t>(RRType::opt));
    write_u16(opt + 3, udp_octets_max);
    write_u32(opt + 5, rcode >> 4 << 24 | (dnssec_ok_ ? 0x8000 : 0));
    std::uint16_t rdata_octets = 0;
    const std::size_t left = limit_whole_ - size_ - opt_octets;
    if (extended_error_ && left >= extended_error_octets_min) {
      const std::string_view text = cut_text(extended_error_->text, left - extended_error_octets_min);
      write_u16(opt + 11, option_extended_error);
      write_u16(opt + 13, static_cast<std::uint16_t>(2 + text.size()));
      write_u16(opt + 15, static_cast<std::uint16_t>(extended_error_->code));
      std::copy(text.begin(), text.end(), opt + 17);
      rdata_octets = static_cast<std::uint16_t>(extended_error_octets_min + text.size());
    }
    if (!edns_options_.empty() && left - rdata_octets >= edns_options_.size()) {
      std::copy(edns_options_.begin(), edns_options_.end(), opt + opt_octets + rdata_octets);
      rdata_octets = static_cast<std::uint16_t>(rdata_octets + edns_options_.size());
    }
    write_u16(opt + 9, rdata_octets);
    advance(opt_octets + rdata_octets, 1, Section::additional);
  }
  std::uint8_t* const header = buffer_.data();
  write_u16(header, id_);
  write_u16(header + 2, static_cast<std::uint16_t>(flags_ | (static_cast<unsigned>(rcode_) & 0xf)));
  write_u16(header + 4, questions_);
  for (std::size_t section = 0; section < 3; ++section) write_u16(header + 6 + 2 * section, counts_[section]);
  return buffer_.first(size_);
}

}  // namespace fairlead::dns
