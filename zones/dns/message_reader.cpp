#include "zones/dns/message_reader.hpp"

#include <algorithm>

namespace fairlead::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

// The name of a question: uncompressed, since nothing stands before it to point to.
std::expected<NameView, MessageError> read_plain_name(Octets packet, std::size_t offset) {
  std::size_t at = offset;
  while (true) {
    if (at >= packet.size()) return std::unexpected(MessageError::truncated);
    const std::uint8_t length = packet[at];
    if (length > label_octets_max) return std::unexpected(MessageError::bad_name);
    at += 1 + length;
    if (at - offset > name_octets_max) return std::unexpected(MessageError::bad_name);
    if (length == 0) break;
  }
  if (at > packet.size()) return std::unexpected(MessageError::truncated);
  return NameView(packet.subspan(offset, at - offset));
}

// Options must tile the RDATA of OPT exactly (RFC 6891 §6.1.2).
bool are_options_whole(Octets options) {
  std::size_t at = 0;
  while (at < options.size()) {
    if (options.size() - at < 4) return false;
    at += 4 + read_u16(options.data() + at + 2);
  }
  return at == options.size();
}

std::expected<RecordView, MessageError> read_record(Octets message, std::size_t offset) {
  RecordView record;
  record.owner_offset = offset;
  const auto behind = skip_name(message, offset);
  if (!behind) return std::unexpected(behind.error());
  if (message.size() - *behind < 10) return std::unexpected(MessageError::truncated);
  const std::uint8_t* const at = message.data() + *behind;
  record.type = static_cast<RRType>(read_u16(at));
  record.rrclass = read_u16(at + 2);
  record.ttl_offset = *behind + 4;
  record.ttl = read_u32(at + 4);
  record.rdata_offset = *behind + 10;
  const std::size_t rdata_octets = read_u16(at + 8);
  if (message.size() - record.rdata_offset < rdata_octets) return std::unexpected(MessageError::truncated);
  record.rdata = message.subspan(record.rdata_offset, rdata_octets);
  return record;
}

// RFC 1995 §3: an IXFR query carries the client's SOA in the authority section.
std::optional<std::uint32_t> read_soa_serial(Octets message, const RecordView& record) {
  if (record.type != RRType::soa) return std::nullopt;
  auto at = skip_name(message, record.rdata_offset);
  if (at) at = skip_name(message, *at);
  if (!at || *at + 20 != record.rdata_offset + record.rdata.size()) return std::nullopt;
  return read_u32(message.data() + *at);
}

}  // namespace

Header read_header(Octets message) {
  const std::uint8_t* const at = message.data();
  return {.id = read_u16(at),
          .flags = read_u16(at + 2),
          .question_count = read_u16(at + 4),
          .answer_count = read_u16(at + 6),
          .authority_count = read_u16(at + 8),
          .additional_count = read_u16(at + 10)};
}

std::expected<Query, QueryError> read_query(Octets packet) {
  QueryError error{.fault = QueryFault::drop, .question = {}, .edns = std::nullopt};
  const auto fail = [&error](QueryFault fault) {
    error.fault = fault;
    return std::unexpected(error);
  };
  if (packet.size() < header_octets) return fail(QueryFault::drop);
  Query query;
  query.header = read_header(packet);
  if (query.header.has(Header::qr)) return fail(QueryFault::drop);
  if (query.header.opcode() != Opcode::query) return fail(QueryFault::notimp);
  // RFC 9619: QDCOUNT of a query is one. Answers have no place in a query.
  if (query.header.question_count != 1 || query.header.answer_count != 0) return fail(QueryFault::formerr);

  const auto qname = read_plain_name(packet, header_octets);
  if (!qname || packet.size() - header_octets - qname->size() < 4) return fail(QueryFault::formerr);
  std::size_t at = header_octets + qname->size();
  query.qname = *qname;
  query.qtype = static_cast<RRType>(read_u16(packet.data() + at));
  query.qclass = static_cast<RRClass>(read_u16(packet.data() + at + 2));
  at += 4;
  query.question = packet.subspan(header_octets, at - header_octets);
  error.question = query.question;

  const unsigned records = query.header.authority_count + query.header.additional_count;
  for (unsigned i = 0; i < records; ++i) {
    const auto record = read_record(packet, at);
    if (!record) return fail(QueryFault::formerr);
    at = record->rdata_offset + record->rdata.size();
    if (i < query.header.authority_count) {
      if (record->type == RRType::opt) return fail(QueryFault::formerr);
      if (query.qtype == RRType::ixfr && !query.ixfr_serial) query.ixfr_serial = read_soa_serial(packet, *record);
      continue;
    }
    if (record->type != RRType::opt) continue;
    // RFC 6891 §6.1.1: one OPT, owned by the root.
    if (query.edns || packet[record->owner_offset] != 0 || !are_options_whole(record->rdata)) {
      return fail(QueryFault::formerr);
    }
    query.edns = Edns{.udp_octets = std::max<std::uint16_t>(record->rrclass, udp_octets_classic),
                      .extended_rcode = static_cast<std::uint8_t>(record->ttl >> 24),
                      .version = static_cast<std::uint8_t>(record->ttl >> 16),
                      .dnssec_ok = (record->ttl & 0x8000) != 0,
                      .options = record->rdata};
    error.edns = query.edns;
  }
  if (at != packet.size()) return fail(QueryFault::formerr);
  if (query.edns && query.edns->version != 0) return fail(QueryFault::badvers);
  return query;
}

std::expected<std::size_t, MessageError> skip_name(Octets message, std::size_t offset) {
  std::size_t at = offset;
  while (true) {
    if (at >= message.size()) return std::unexpected(MessageError::truncated);
    const std::uint8_t length = message[at];
    if ((length & 0xc0) == 0xc0) {
      if (message.size() - at < 2) return std::unexpected(MessageError::truncated);
      return at + 2;
    }
    if (length > label_octets_max) return std::unexpected(MessageError::bad_name);
    at += 1 + length;
    if (at - offset > name_octets_max) return std::unexpected(MessageError::bad_name);
    if (length == 0) return at;
  }
}

std::expected<std::size_t, MessageError> read_name(Octets message, std::size_t offset, NameBuffer& name) {
  std::size_t at = offset;
  std::size_t behind = 0;
  std::size_t lowest = offset;  // pointers must lead to before every octet that was read so far
  int pointers = 0;
  name.size = 0;
  while (true) {
    if (at >= message.size()) return std::unexpected(MessageError::truncated);
    const std::uint8_t length = message[at];
    if ((length & 0xc0) == 0xc0) {
      if (message.size() - at < 2) return std::unexpected(MessageError::truncated);
      if (behind == 0) behind = at + 2;
      const std::size_t target = read_u16(message.data() + at) & pointer_offset_max;
      if (target >= lowest || ++pointers > name_pointers_max) return std::unexpected(MessageError::bad_name);
      at = lowest = target;
      continue;
    }
    if (length > label_octets_max) return std::unexpected(MessageError::bad_name);
    if (message.size() - at < 1u + length) return std::unexpected(MessageError::truncated);
    if (name.size + 1u + length > name_octets_max) return std::unexpected(MessageError::bad_name);
    std::copy_n(message.data() + at, 1 + length, name.octets.data() + name.size);
    name.size = static_cast<std::uint8_t>(name.size + 1 + length);
    at += 1 + length;
    if (length == 0) return behind != 0 ? behind : at;
  }
}

std::expected<RecordReader, MessageError> RecordReader::open(Octets message) {
  if (message.size() < header_octets) return std::unexpected(MessageError::truncated);
  const Header header = read_header(message);
  std::size_t at = header_octets;
  for (unsigned i = 0; i < header.question_count; ++i) {
    const auto behind = skip_name(message, at);
    if (!behind) return std::unexpected(behind.error());
    if (message.size() - *behind < 4) return std::unexpected(MessageError::truncated);
    at = *behind + 4;
  }
  return RecordReader(message, header, at);
}

std::expected<std::optional<RecordView>, MessageError> RecordReader::next() {
  const std::uint32_t answers = header_.answer_count;
  const std::uint32_t authorities = answers + header_.authority_count;
  if (read_ == authorities + header_.additional_count) return std::nullopt;
  auto record = read_record(message_, offset_);
  if (!record) return std::unexpected(record.error());
  record->section = read_ < answers ? Section::answer : read_ < authorities ? Section::authority : Section::additional;
  offset_ = record->rdata_offset + record->rdata.size();
  ++read_;
  return *record;
}

}  // namespace fairlead::dns
