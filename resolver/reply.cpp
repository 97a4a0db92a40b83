#include "resolver/reply.hpp"

#include <algorithm>
#include <limits>

#include "resolver/limits.hpp"

namespace fairlead::resolver {
namespace {

using dns::read_u16;
using dns::read_u32;
using dns::RRType;
using dns::Section;

constexpr std::uint16_t option_extended_error = 15;  // RFC 8914 §2
constexpr std::size_t record_fixed_octets = 10;      // TYPE, CLASS, TTL, RDLENGTH
constexpr std::uint16_t class_any = static_cast<std::uint16_t>(dns::RRClass::any);

// The offset behind a name that was bounds-checked before.
std::size_t skip_checked_name(std::span<const std::uint8_t> octets, std::size_t at) {
  while (octets[at] != 0) {
    if ((octets[at] & 0xc0) == 0xc0) return at + 2;
    at += 1 + octets[at];
  }
  return at + 1;
}

// Where the name at `at` ends; 0 for one that is none: a pointer that does not lead backwards, more than 255 octets.
std::size_t end_of_name(std::span<const std::uint8_t> message, std::size_t at) {
  // The question's name, which was read before, is what most owners are.
  if (at + 2 <= message.size() && message[at] == 0xc0 && message[at + 1] == dns::header_octets) return at + 2;
  dns::NameBuffer name;
  return dns::read_name(message, at, name).value_or(0);
}

// Clients decode what we pass on: a name that leads in a circle must not reach them. RFC 3597 §4 names the types whose
// RDATA may be compressed.
bool has_sound_names(std::span<const std::uint8_t> message, const dns::RecordView& record) {
  if (end_of_name(message, record.owner_offset) == 0) return false;
  std::size_t before = 0;
  std::size_t behind = 0;
  int names = 1;
  switch (record.type) {
    case RRType::ns:
    case RRType::cname:
    case RRType::ptr: break;
    case RRType::mx: before = 2; break;
    case RRType::srv: before = 6; break;
    case RRType::soa:
      names = 2;
      behind = 20;
      break;
    default: return true;
  }
  const std::size_t end = record.rdata_offset + record.rdata.size();
  std::size_t at = record.rdata_offset + before;
  for (int i = 0; i < names; ++i) {
    if (at >= end || (at = end_of_name(message, at)) == 0) return false;
  }
  return at + behind == end;
}

// Calls `visit` with each record but OPT until it returns false. The message was walked whole by parse().
template <typename Visit>
void for_each_record(std::span<const std::uint8_t> message, Visit&& visit) {
  auto reader = dns::RecordReader::open(message);
  if (!reader) return;
  while (true) {
    const auto record = reader->next();
    if (!record || !*record) return;
    if ((*record)->type == RRType::opt) continue;
    if (!visit(**record)) return;
  }
}

// MINIMUM is the last field of an SOA.
std::optional<std::uint32_t> read_soa_minimum(const dns::RecordView& record) {
  if (record.type != RRType::soa || record.rdata.size() < 22) return std::nullopt;
  return read_u32(record.rdata.data() + record.rdata.size() - 4);
}

// RFC 4034 §3.1.5: both times in serial arithmetic, so that they work beyond 2106.
bool is_signature_valid(std::span<const std::uint8_t> rdata, std::int64_t wall_seconds) {
  if (rdata.size() < 18) return false;
  const auto now = static_cast<std::uint32_t>(wall_seconds);
  const std::uint32_t expiration = read_u32(rdata.data() + 8);
  const std::uint32_t inception = read_u32(rdata.data() + 12);
  return static_cast<std::int32_t>(now - inception) >= 0 && static_cast<std::int32_t>(expiration - now) >= 0;
}

bool is_class_match(std::uint16_t rrclass, std::uint16_t qclass) { return qclass == class_any || rrclass == qclass; }

}  // namespace

std::expected<Reply, dns::MessageError> Reply::parse(std::span<const std::uint8_t> message) {
  auto reader = dns::RecordReader::open(message);
  if (!reader) return std::unexpected(reader.error());
  Reply reply;
  reply.message_ = message;
  reply.header_ = reader->header();
  if (reply.header_.question_count != 1) return std::unexpected(dns::MessageError::bad_count);
  // The name of the question must stand there in full: the client's takes its place.
  dns::NameBuffer qname;
  const auto behind_qname = dns::read_name(message, dns::header_octets, qname);
  if (!behind_qname) return std::unexpected(behind_qname.error());
  if (*behind_qname != dns::header_octets + qname.size) return std::unexpected(dns::MessageError::bad_name);

  unsigned rcode = reply.header_.flags & 0xf;
  reply.body_offset_ = reader->offset();
  std::size_t body_end = reply.body_offset_;
  bool behind_opt = false;
  while (true) {
    const auto next = reader->next();
    if (!next) return std::unexpected(next.error());
    if (!*next) break;
    const dns::RecordView& record = **next;
    if (record.type == RRType::opt) {
      if (record.section != Section::additional) return std::unexpected(dns::MessageError::bad_count);
      reply.edns_ = dns::Edns{.udp_octets = record.rrclass,
                              .extended_rcode = static_cast<std::uint8_t>(record.ttl >> 24),
                              .version = static_cast<std::uint8_t>(record.ttl >> 16),
                              .dnssec_ok = (record.ttl & 0x8000) != 0,
                              .options = record.rdata};
      rcode |= static_cast<unsigned>(reply.edns_->extended_rcode) << 4;
      behind_opt = true;
      continue;
    }
    // What stands behind OPT (TSIG, SIG(0)) is hop by hop like OPT itself, or its pointers would have to be moved.
    if (behind_opt) continue;
    if (!has_sound_names(message, record)) return std::unexpected(dns::MessageError::bad_name);
    body_end = reader->offset();
    ++reply.counts_[static_cast<std::size_t>(record.section)];
    if (record.section == Section::authority && record.type == RRType::soa) reply.has_soa_ = true;
  }
  if (reader->offset() != message.size()) return std::unexpected(dns::MessageError::bad_count);
  reply.body_octets_ = body_end - reply.body_offset_;
  reply.rcode_ = static_cast<dns::Rcode>(rcode);
  return reply;
}

std::optional<dns::ExtendedErrorOption> Reply::extended_error() const {
  if (!edns_) return std::nullopt;
  const std::span<const std::uint8_t> options = edns_->options;
  std::size_t at = 0;
  while (options.size() - at >= 4) {
    const std::size_t octets = read_u16(&options[at + 2]);
    if (options.size() - at - 4 < octets) break;
    if (read_u16(&options[at]) == option_extended_error && octets >= 2) {
      return dns::ExtendedErrorOption{.code = static_cast<dns::ExtendedError>(read_u16(&options[at + 4])),
                                      .text = {reinterpret_cast<const char*>(options.data()) + at + 6, octets - 2}};
    }
    at += 4 + octets;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> Reply::ttl_min() const {
  std::optional<std::uint32_t> ttl;
  const auto lower = [&ttl](std::uint32_t other) {
    // RFC 2181 §8: a TTL with the topmost bit set is zero.
    if (other > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max())) other = 0;
    ttl = ttl ? std::min(*ttl, other) : other;
  };
  for_each_record(message_, [&](const dns::RecordView& record) {
    lower(record.ttl);
    if (record.section == Section::authority) {
      if (const auto minimum = read_soa_minimum(record)) lower(*minimum);
    }
    return true;
  });
  return ttl;
}

bool Reply::is_answered() const {
  if (count(Section::answer) == 0) return false;
  const RRType type = qtype();
  const auto rrclass = static_cast<std::uint16_t>(qclass());
  dns::NameBuffer name;
  std::copy(qname().wire().begin(), qname().wire().end(), name.octets.begin());
  name.size = static_cast<std::uint8_t>(qname().size());
  for (int links = 0; links < cname_chain_max; ++links) {
    bool found = false;
    bool ambiguous = false;
    std::optional<dns::NameBuffer> target;
    for_each_record(message_, [&](const dns::RecordView& record) {
      if (record.section != Section::answer) return false;
      if (!is_class_match(record.rrclass, rrclass)) return true;
      const bool is_answer = record.type == type || type == RRType::any;
      if (!is_answer && record.type != RRType::cname) return true;
      dns::NameBuffer owner;
      if (!dns::read_name(message_, record.owner_offset, owner) || !(owner.view() == name.view())) return true;
      if (is_answer) found = true;
      if (record.type == RRType::cname) {
        dns::NameBuffer next;
        if (!dns::read_name(message_, record.rdata_offset, next)) {
          ambiguous = true;
        } else if (target && !(target->view() == next.view())) {
          ambiguous = true;  // RFC 2181 §10.1: an alias has one canonical name
        } else {
          target = next;
        }
      }
      return true;
    });
    if (ambiguous) return false;
    if (found) return true;
    if (!target) return false;
    name = *target;
  }
  return false;  // a loop
}

ReplyKind Reply::classify(std::int64_t wall_seconds) const {
  using dns::Rcode;
  if (header_.opcode() != dns::Opcode::query) return ReplyKind::other;
  if (qtype() == RRType::axfr || qtype() == RRType::ixfr) return ReplyKind::other;
  bool is_expired = false;
  bool has_ns = false;
  const bool dnssec_ok = edns_ && edns_->dnssec_ok;
  for_each_record(message_, [&](const dns::RecordView& record) {
    if (record.type == RRType::rrsig && dnssec_ok && !is_signature_valid(record.rdata, wall_seconds)) is_expired = true;
    if (record.section == Section::authority && record.type == RRType::ns) has_ns = true;
    return true;
  });
  if (is_expired) return ReplyKind::other;

  const bool has_answer = count(Section::answer) != 0;
  switch (rcode_) {
    case Rcode::noerror:
      if (has_answer) return has_soa_ && !is_answered() ? ReplyKind::nodata : ReplyKind::success;
      if (has_soa_) return ReplyKind::nodata;
      return has_ns ? ReplyKind::delegation : ReplyKind::success;
    case Rcode::nxdomain:
      // RFC 2308 §2.1: a CNAME chain may lead to a name that does not exist; the RCODE is about its end.
      return ReplyKind::nxdomain;
    case Rcode::servfail:
    case Rcode::notimp: return ReplyKind::servfail;
    default: return ReplyKind::other;
  }
}

bool copy_records(const RecordBlock& block, dns::MessageWriter& out) {
  if (block.octets.size() <= out.room()) {
    std::copy(block.octets.begin(), block.octets.end(), out.cursor());
    out.advance(block.octets.size(), block.counts[0], Section::answer);
    out.advance(0, block.counts[1], Section::authority);
    out.advance(0, block.counts[2], Section::additional);
    return true;
  }
  std::size_t at = 0;
  for (std::size_t section = 0; section < 3; ++section) {
    for (std::uint16_t i = 0; i < block.counts[section]; ++i) {
      const std::size_t fixed = skip_checked_name(block.octets, at);
      const std::size_t end = fixed + record_fixed_octets + read_u16(&block.octets[fixed + 8]);
      if (end - at > out.room()) {
        const bool is_required = section < 2;
        if (is_required) out.set_flag(dns::Header::tc);
        return !is_required;
      }
      std::copy(block.octets.begin() + static_cast<std::ptrdiff_t>(at),
                block.octets.begin() + static_cast<std::ptrdiff_t>(end), out.cursor());
      out.advance(end - at, 1, static_cast<Section>(section));
      at = end;
    }
  }
  return true;
}

void set_all_ttls(std::span<std::uint8_t> records, std::size_t count, std::uint32_t ttl) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t fixed = skip_checked_name(records, at);
    dns::write_u32(&records[fixed + 4], ttl);
    at = fixed + record_fixed_octets + read_u16(&records[fixed + 8]);
  }
}

void copy_reply(const Reply& reply, bool wants_ad, std::optional<std::uint32_t> ttl, dns::MessageWriter& out) {
  using dns::Header;
  const Header& header = reply.header();
  out.set_rcode(reply.rcode());
  out.set_flag(Header::aa, header.has(Header::aa));
  out.set_flag(Header::ra, header.has(Header::ra));
  out.set_flag(Header::ad, header.has(Header::ad) && wants_ad);
  out.set_flag(Header::tc, header.has(Header::tc));
  const std::size_t start = out.size();
  copy_records({reply.body(),
                {static_cast<std::uint16_t>(reply.count(Section::answer)),
                 static_cast<std::uint16_t>(reply.count(Section::authority)),
                 static_cast<std::uint16_t>(reply.count(Section::additional))}},
               out);
  if (!ttl) return;
  const std::size_t records =
      out.count(Section::answer) + out.count(Section::authority) + out.count(Section::additional);
  set_all_ttls({out.data() + start, out.size() - start}, records, *ttl);
}

}  // namespace fairlead::resolver
