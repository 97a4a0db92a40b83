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

// Where in the message the name of each target stands, so that glue can point to it. Answers with more targets than
// this are larger than any UDP reply; their glue spells the owner out.
constexpr std::size_t targets_remembered_max = 64;

class SrvCopier {
 public:
  SrvCopier(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, std::uint16_t owner_pointer)
      : writer_(writer), srvs_(entry), ttl_(entry.ttl()), zone_(zone), owner_pointer_(owner_pointer) {}

  Copied copy(std::uint32_t rotation) {
    const std::size_t count = srvs_.count();
    std::size_t index = rotation % count;
    for (std::size_t left = count; left > 0; --left) {
      if (!copy_one(srvs_[index])) return Copied::truncated;
      if (++index == count) index = 0;
    }
    copy_glue();
    return Copied::whole;
  }

 private:
  bool copy_one(SrvRecords::Srv srv) {
    const SrvTarget& target = srvs_.target(srv.target);
    const std::size_t name_octets = target.label().size() + srvs_.suffix().size() + zone_.size();
    const std::size_t octets = record_fixed_octets + srv_fixed_octets + name_octets;
    // A long client zone can push a target over 255 octets: such a name cannot exist, so neither can its record.
    if (name_octets > dns::name_octets_max) return true;
    if (octets > writer_.room()) return false;
    std::uint8_t* at =
        write_record_head(writer_.cursor(), owner_pointer_, dns::RRType::srv, ttl_, srv_fixed_octets + name_octets);
    dns::write_u16(at, 0);
    dns::write_u16(at + 2, srvs_.weight());
    dns::write_u16(at + 4, srv.port);
    if (srv.target < targets_remembered_max && name_offsets_[srv.target] == 0) {
      const std::size_t offset = writer_.size() + record_fixed_octets + srv_fixed_octets;
      name_offsets_[srv.target] = static_cast<std::uint16_t>(std::min(offset, dns::pointer_offset_max + 1));
    }
    write_target_name(at + srv_fixed_octets, target);
    writer_.advance(octets, 1, Section::answer);
    return true;
  }

  void copy_glue() {
    for (std::size_t i = 0; i < srvs_.target_count(); ++i) {
      const SrvTarget& target = srvs_.target(i);
      if (target.label().size() + srvs_.suffix().size() + zone_.size() > dns::name_octets_max) continue;
      if (!copy_glue_of(i, target, dns::RRType::a, target.a_addresses(), 4)) return;
      if (!copy_glue_of(i, target, dns::RRType::aaaa, target.aaaa_addresses(), 16)) return;
    }
  }

  bool copy_glue_of(std::size_t index, const SrvTarget& target, dns::RRType type,
                    std::span<const std::uint8_t> addresses, std::size_t address_octets) {
    for (; !addresses.empty(); addresses = addresses.subspan(address_octets)) {
      if (!copy_glue_record(index, target, type, addresses.first(address_octets))) return false;
    }
    return true;
  }

  bool copy_glue_record(std::size_t index, const SrvTarget& target, dns::RRType type,
                        std::span<const std::uint8_t> address) {
    std::uint8_t owner[dns::name_octets_max];
    std::size_t owner_octets = 2;
    // Offset 0: no SRV record wrote the name. A pointer to there would read the header as a name.
    if (index < targets_remembered_max && name_offsets_[index] != 0 &&
        name_offsets_[index] <= dns::pointer_offset_max) {
      dns::write_u16(owner, static_cast<std::uint16_t>(0xc000 | name_offsets_[index]));
    } else {
      owner_octets = static_cast<std::size_t>(write_target_name(owner, target) - owner);
    }
    return writer_.append(Section::additional, {owner, owner_octets}, type, ttl_, address);
  }

  std::uint8_t* write_target_name(std::uint8_t* at, const SrvTarget& target) const {
    at = write_octets(at, target.label());
    at = write_octets(at, srvs_.suffix());
    return write_octets(at, zone_.wire());
  }

  dns::MessageWriter& writer_;
  SrvRecords srvs_;
  std::uint32_t ttl_;
  dns::NameView zone_;
  std::uint16_t owner_pointer_;
  std::uint16_t name_offsets_[targets_remembered_max] = {};
};

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
