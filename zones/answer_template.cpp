#include "zones/answer_template.hpp"

#include <algorithm>
#include <cstring>

namespace fairlead::zones {
namespace {

using dns::Section;

constexpr std::size_t record_fixed_octets = 12;  // owner pointer, type, class, TTL, rdlength
constexpr std::size_t srv_fixed_octets = 6;      // priority, weight, port

// Faster than std::ranges::copy from about five octets on, which goes octet by octet.
std::uint8_t* write_octets(std::uint8_t* at, std::span<const std::uint8_t> octets) {
  std::memcpy(at, octets.data(), octets.size());
  return at + octets.size();
}

std::uint8_t* write_record_head(std::uint8_t* at, std::uint16_t owner_pointer, dns::RRType type, std::uint32_t ttl,
                                std::size_t rdata_octets) {
  dns::write_u16(at, owner_pointer);
  dns::write_u16(at + 2, static_cast<std::uint16_t>(type));
  dns::write_u16(at + 4, static_cast<std::uint16_t>(dns::RRClass::in));
  dns::write_u32(at + 6, ttl);
  dns::write_u16(at + 10, static_cast<std::uint16_t>(rdata_octets));
  return at + record_fixed_octets;
}

// What is the same in every record, in two registers: memory that octets are written to may be anywhere, so from memory
// it would be read again for each record.
struct RecordHead {
  explicit RecordHead(const std::uint8_t* head) {
    std::memcpy(&first, head, sizeof first);
    std::memcpy(&second, head + sizeof first, sizeof second);
  }
  std::uint64_t first;
  std::uint32_t second;
};
static_assert(sizeof(RecordHead::first) + sizeof(RecordHead::second) == record_fixed_octets);

// Records of one type and RDATA length. The size is a constant, so that each copy is a few instructions.
template <std::size_t address_octets>
void write_addresses(std::uint8_t* at, RecordHead head, std::span<const std::uint8_t> addresses) {
  const std::uint8_t* address = addresses.data();
  const std::uint8_t* const end = address + addresses.size();
  for (; address != end; address += address_octets) {
    std::memcpy(at, &head.first, sizeof head.first);
    std::memcpy(at + sizeof head.first, &head.second, sizeof head.second);
    std::memcpy(at + record_fixed_octets, address, address_octets);
    at += record_fixed_octets + address_octets;
  }
}

template <std::size_t address_octets>
Copied copy_family(dns::MessageWriter& writer, std::span<const std::uint8_t> addresses, RecordHead head,
                   std::uint32_t rotation) {
  constexpr std::size_t record_octets = record_fixed_octets + address_octets;
  const std::size_t count = addresses.size() / address_octets;
  const std::size_t taken = std::min(count, writer.room() / record_octets);
  const std::size_t first = count == 1 ? 0 : rotation % count;
  const std::size_t before_wrap = std::min(taken, count - first);
  std::uint8_t* const begin = writer.cursor();
  write_addresses<address_octets>(begin, head, addresses.subspan(first * address_octets, before_wrap * address_octets));
  write_addresses<address_octets>(begin + before_wrap * record_octets, head,
                                  addresses.first((taken - before_wrap) * address_octets));
  writer.advance(taken * record_octets, taken, Section::answer);
  return taken == count ? Copied::whole : Copied::truncated;
}

// The first SRV record that has a target is where its glue's owner points to. A message has room for twice as many
// targets at most; those behind have owners of their own label and a pointer.
constexpr std::size_t targets_remembered_max = 1024;

class SrvCopier {
 public:
  SrvCopier(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, std::uint16_t owner_pointer)
      : writer_(writer), srvs_(entry), ttl_(entry.ttl()) {
    std::uint8_t* const tail = write_octets(tail_, srvs_.suffix());
    tail_octets_ = static_cast<std::size_t>(write_octets(tail, zone.wire()) - tail_);
    std::uint8_t* const fields = write_record_head(head_, owner_pointer, dns::RRType::srv, ttl_, 0);
    dns::write_u16(fields, 0);
    dns::write_u16(fields + 2, srvs_.weight());
    std::fill_n(name_offsets_, std::min(srvs_.target_count(), targets_remembered_max), std::uint16_t{0});
  }

  Copied copy(std::uint32_t rotation) {
    const std::size_t count = srvs_.count();
    const std::size_t first = rotation % count;
    std::size_t index = first;
    for (std::size_t left = count; left > 0; --left) {
      if (!copy_one(srvs_[index])) return Copied::truncated;
      if (++index == count) index = 0;
    }
    // Where glue ends for lack of room, it is that of the records in front.
    copy_glue(srvs_[first].target);
    return Copied::whole;
  }

 private:
  bool copy_one(SrvRecords::Srv srv) {
    const auto label = srvs_.target(srv.target).label();
    const std::size_t name_octets = label.size() + tail_octets_;
    const std::size_t octets = sizeof head_ + name_octets;
    // A long client zone can push a target over 255 octets: such a name cannot exist, so neither can its record.
    if (name_octets > dns::name_octets_max) return true;
    if (octets > writer_.room()) return false;
    std::uint8_t* const at = writer_.cursor();
    std::memcpy(at, head_, sizeof head_);
    dns::write_u16(at + record_fixed_octets - 2, static_cast<std::uint16_t>(srv_fixed_octets + name_octets));
    dns::write_u16(at + sizeof head_ - 2, srv.port);
    std::memcpy(write_octets(at + sizeof head_, label), tail_, tail_octets_);
    const std::size_t name_offset = writer_.size() + sizeof head_;
    if (tail_offset_ == 0) tail_offset_ = name_offset + label.size();
    if (srv.target < targets_remembered_max && name_offsets_[srv.target] == 0) {
      name_offsets_[srv.target] = static_cast<std::uint16_t>(std::min(name_offset, dns::pointer_offset_max + 1));
    }
    writer_.advance(octets, 1, Section::answer);
    return true;
  }

  void copy_glue(std::size_t first) {
    if (tail_offset_ == 0 || tail_offset_ > dns::pointer_offset_max) return;
    const std::size_t count = srvs_.target_count();
    std::size_t index = first;
    for (std::size_t left = count; left > 0; --left) {
      if (!copy_glue_of(index)) return;
      if (++index == count) index = 0;
    }
  }

  bool copy_glue_of(std::size_t index) {
    const SrvTarget& target = srvs_.target(index);
    // Offset 0: no SRV record wrote the name. A pointer to there would read the header as a name.
    const std::size_t offset = index < targets_remembered_max ? name_offsets_[index] : 0;
    if (offset != 0 && offset <= dns::pointer_offset_max) {
      const auto pointer = static_cast<std::uint16_t>(0xc000 | offset);
      return copy_glue_at<4>(pointer, dns::RRType::a, target.a_addresses()) &&
             copy_glue_at<16>(pointer, dns::RRType::aaaa, target.aaaa_addresses());
    }
    const auto label = target.label();
    if (label.size() + tail_octets_ > dns::name_octets_max) return true;
    std::uint8_t owner[dns::name_octets_max + 2];
    dns::write_u16(write_octets(owner, label), static_cast<std::uint16_t>(0xc000 | tail_offset_));
    const std::span<const std::uint8_t> owner_octets(owner, label.size() + 2);
    return append_glue(owner_octets, dns::RRType::a, target.a_addresses(), 4) &&
           append_glue(owner_octets, dns::RRType::aaaa, target.aaaa_addresses(), 16);
  }

  template <std::size_t address_octets>
  bool copy_glue_at(std::uint16_t owner_pointer, dns::RRType type, std::span<const std::uint8_t> addresses) {
    if (addresses.empty()) return true;
    constexpr std::size_t record_octets = record_fixed_octets + address_octets;
    const std::size_t count = addresses.size() / address_octets;
    const std::size_t taken = std::min(count, writer_.room() / record_octets);
    std::uint8_t head[record_fixed_octets];
    write_record_head(head, owner_pointer, type, ttl_, address_octets);
    write_addresses<address_octets>(writer_.cursor(), RecordHead(head), addresses.first(taken * address_octets));
    writer_.advance(taken * record_octets, taken, Section::additional);
    return taken == count;
  }

  bool append_glue(std::span<const std::uint8_t> owner, dns::RRType type, std::span<const std::uint8_t> addresses,
                   std::size_t address_octets) {
    for (; !addresses.empty(); addresses = addresses.subspan(address_octets)) {
      if (!writer_.append(Section::additional, owner, type, ttl_, addresses.first(address_octets))) return false;
    }
    return true;
  }

  dns::MessageWriter& writer_;
  SrvRecords srvs_;
  std::uint32_t ttl_;
  std::uint8_t head_[record_fixed_octets + srv_fixed_octets];  // of a record, but for its length and port
  std::uint8_t tail_[2 * dns::name_octets_max];                // suffix and zone, the end of every target
  std::size_t tail_octets_;
  std::size_t tail_offset_ = 0;  // where it stands in the message; 0: nowhere
  std::uint16_t name_offsets_[targets_remembered_max];
};

}  // namespace

Copied copy_addresses(dns::MessageWriter& writer, const NameEntry& entry, dns::RRType type, CopyOptions options) {
  const bool v4 = type == dns::RRType::a;
  const auto addresses = v4 ? entry.a_addresses() : entry.aaaa_addresses();
  if (addresses.empty()) return Copied::whole;
  std::uint8_t head[record_fixed_octets];
  write_record_head(head, options.owner_pointer, type, entry.ttl(), v4 ? 4 : 16);
  return v4 ? copy_family<4>(writer, addresses, RecordHead(head), options.rotation)
            : copy_family<16>(writer, addresses, RecordHead(head), options.rotation);
}

Copied copy_srvs(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, CopyOptions options) {
  if (!entry.has_srv()) return Copied::whole;
  return SrvCopier(writer, entry, zone, options.owner_pointer).copy(options.rotation);
}

Copied copy_cname(dns::MessageWriter& writer, const NameEntry& entry, CopyOptions options) {
  if (!entry.has_cname()) return Copied::whole;
  const std::uint8_t owner[] = {static_cast<std::uint8_t>(options.owner_pointer >> 8),
                                static_cast<std::uint8_t>(options.owner_pointer)};
  const bool is_whole = writer.append(Section::answer, owner, dns::RRType::cname, entry.ttl(), entry.cname());
  return is_whole ? Copied::whole : Copied::truncated;
}

Copied copy_ptrs(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, CopyOptions options) {
  PtrTargets targets(entry);
  for (auto target = targets.next(); !target.empty(); target = targets.next()) {
    const std::size_t name_octets = target.size() + zone.size();
    if (name_octets > dns::name_octets_max) continue;  // no such name
    const std::size_t octets = record_fixed_octets + name_octets;
    if (octets > writer.room()) return Copied::truncated;
    std::uint8_t* at =
        write_record_head(writer.cursor(), options.owner_pointer, dns::RRType::ptr, entry.ttl(), name_octets);
    at = write_octets(at, target);
    write_octets(at, zone.wire());
    writer.advance(octets, 1, Section::answer);
  }
  return Copied::whole;
}

}  // namespace fairlead::zones
