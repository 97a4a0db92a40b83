#include "zones/answer_template.hpp"

#include <algorithm>
#include <cstring>

namespace fairlead::zones {
namespace {

using dns::Section;

constexpr std::size_t record_fixed_octets = 12;  // owner pointer, type, class, TTL, rdlength
constexpr std::size_t srv_fixed_octets = 6;      // priority, weight, port

std::uint8_t* write_record_head(std::uint8_t* at, std::uint16_t owner_pointer, dns::RRType type, std::uint32_t ttl,
                                std::size_t rdata_octets) {
  dns::write_u16(at, owner_pointer);
  dns::write_u16(at + 2, static_cast<std::uint16_t>(type));
  dns::write_u16(at + 4, static_cast<std::uint16_t>(dns::RRClass::in));
  dns::write_u32(at + 6, ttl);
  dns::write_u16(at + 10, static_cast<std::uint16_t>(rdata_octets));
  return at + record_fixed_octets;
}

// A packed target of an entry; see NameEntry::targets().
struct TargetView {
  std::span<const std::uint8_t> label;  // with its length octet; empty for the suffix itself
  std::size_t v4_count;
  std::size_t v6_count;
  const std::uint8_t* addresses;
  const std::uint8_t* end;
};

TargetView read_target(const std::uint8_t* at) {
  TargetView target;
  target.label = *at == 0 ? std::span<const std::uint8_t>{} : std::span<const std::uint8_t>{at, 1u + *at};
  at += 1 + *at;
  target.v4_count = dns::read_u16(at);
  target.v6_count = dns::read_u16(at + 2);
  target.addresses = at + 4;
  target.end = target.addresses + target.v4_count * 4 + target.v6_count * 16;
  return target;
}

// Where in the message the name of each target stands, so that glue can point to it. Answers with more targets than
// this are larger than any UDP reply; their glue spells the owner out.
constexpr std::size_t targets_remembered_max = 64;

class SrvCopier {
 public:
  SrvCopier(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, std::uint16_t owner_pointer)
      : writer_(writer), entry_(entry), zone_(zone), owner_pointer_(owner_pointer) {}

  Copied copy(std::uint32_t rotation) {
    const std::size_t count = entry_.srv_count();
    // Targets are packed and read in order; SRVs of one port follow the targets' order, so a running cursor serves.
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t index = (i + rotation) % count;
      if (!copy_one(index)) return Copied::truncated;
    }
    copy_glue();
    return Copied::whole;
  }

 private:
  bool copy_one(std::size_t index) {
    std::uint16_t port;
    std::uint16_t target_index;
    std::memcpy(&port, entry_.srvs() + index * 4, 2);
    std::memcpy(&target_index, entry_.srvs() + index * 4 + 2, 2);
    const TargetView target = seek(target_index);
    const std::size_t name_octets = target.label.size() + entry_.srv_suffix().size() + zone_.size();
    const std::size_t octets = record_fixed_octets + srv_fixed_octets + name_octets;
    // A long client zone can push a target over 255 octets: such a name cannot exist, so neither can its record.
    if (name_octets > dns::name_octets_max) return true;
    if (octets > writer_.room()) return false;
    std::uint8_t* at = write_record_head(writer_.cursor(), owner_pointer_, dns::RRType::srv, entry_.ttl(),
                                         srv_fixed_octets + name_octets);
    dns::write_u16(at, 0);
    dns::write_u16(at + 2, entry_.srv_weight());
    dns::write_u16(at + 4, port);
    if (target_index < targets_remembered_max && name_offsets_[target_index] == 0) {
      const std::size_t offset = writer_.size() + record_fixed_octets + srv_fixed_octets;
      name_offsets_[target_index] = static_cast<std::uint16_t>(std::min(offset, dns::pointer_offset_max + 1));
    }
    write_target_name(at + srv_fixed_octets, target);
    writer_.advance(octets, 1, Section::answer);
    return true;
  }

  void copy_glue() {
    const std::uint8_t* at = entry_.targets();
    for (std::size_t i = 0; i < entry_.target_count(); ++i) {
      const TargetView target = read_target(at);
      at = target.end;
      if (target.label.size() + entry_.srv_suffix().size() + zone_.size() > dns::name_octets_max) continue;
      const std::uint8_t* address = target.addresses;
      for (std::size_t n = 0; n < target.v4_count + target.v6_count; ++n) {
        const bool v4 = n < target.v4_count;
        if (!copy_glue_record(i, target, v4 ? dns::RRType::a : dns::RRType::aaaa, {address, v4 ? 4u : 16u})) return;
        address += v4 ? 4 : 16;
      }
    }
  }

  bool copy_glue_record(std::size_t index, const TargetView& target, dns::RRType type,
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
    return writer_.append(Section::additional, {owner, owner_octets}, type, entry_.ttl(), address);
  }

  std::uint8_t* write_target_name(std::uint8_t* at, const TargetView& target) const {
    at = std::ranges::copy(target.label, at).out;
    at = std::ranges::copy(entry_.srv_suffix(), at).out;
    return std::ranges::copy(zone_.wire(), at).out;
  }

  TargetView seek(std::size_t index) {
    if (cursor_ == nullptr || index < cursor_index_) {
      cursor_ = entry_.targets();
      cursor_index_ = 0;
    }
    while (true) {
      const TargetView target = read_target(cursor_);
      if (cursor_index_ == index) return target;
      cursor_ = target.end;
      ++cursor_index_;
    }
  }

  dns::MessageWriter& writer_;
  const NameEntry& entry_;
  dns::NameView zone_;
  std::uint16_t owner_pointer_;
  const std::uint8_t* cursor_ = nullptr;
  std::size_t cursor_index_ = 0;
  std::uint16_t name_offsets_[targets_remembered_max] = {};
};

// Names in RDATA one behind the other, each a record.
Copied copy_names(dns::MessageWriter& writer, std::span<const std::uint8_t> names, dns::RRType type, std::uint32_t ttl,
                  std::uint16_t owner_pointer) {
  std::uint8_t owner[2];
  dns::write_u16(owner, owner_pointer);
  while (!names.empty()) {
    std::size_t octets = 0;
    while (names[octets] != 0) octets += 1 + names[octets];
    ++octets;
    if (!writer.append(Section::answer, owner, type, ttl, names.first(octets))) return Copied::truncated;
    names = names.subspan(octets);
  }
  return Copied::whole;
}

}  // namespace

Copied copy_addresses(dns::MessageWriter& writer, const NameEntry& entry, dns::RRType type, CopyOptions options) {
  const bool v4 = type == dns::RRType::a;
  const auto records = v4 ? entry.a_records() : entry.aaaa_records();
  const std::size_t record_octets = v4 ? a_record_octets : aaaa_record_octets;
  const std::size_t count = v4 ? entry.a_count() : entry.aaaa_count();
  if (count == 0) return Copied::whole;

  const std::size_t taken = std::min(count, writer.room() / record_octets);
  const std::size_t first = count == 1 ? 0 : options.rotation % count;
  const std::size_t before_wrap = std::min(taken, count - first);
  std::uint8_t* const begin = writer.cursor();
  std::memcpy(begin, records.data() + first * record_octets, before_wrap * record_octets);
  std::memcpy(begin + before_wrap * record_octets, records.data(), (taken - before_wrap) * record_octets);
  if (options.owner_pointer != dns::question_pointer) {
    for (std::size_t i = 0; i < taken; ++i) dns::write_u16(begin + i * record_octets, options.owner_pointer);
  }
  writer.advance(taken * record_octets, taken, Section::answer);
  return taken == count ? Copied::whole : Copied::truncated;
}

Copied copy_srvs(dns::MessageWriter& writer, const NameEntry& entry, dns::NameView zone, CopyOptions options) {
  if (entry.srv_count() == 0) return Copied::whole;
  return SrvCopier(writer, entry, zone, options.owner_pointer).copy(options.rotation);
}

Copied copy_cname(dns::MessageWriter& writer, const NameEntry& entry, CopyOptions options) {
  return copy_names(writer, entry.cname(), dns::RRType::cname, entry.ttl(), options.owner_pointer);
}

Copied copy_ptrs(dns::MessageWriter& writer, const NameEntry& entry, CopyOptions options) {
  return copy_names(writer, entry.ptrs(), dns::RRType::ptr, entry.ttl(), options.owner_pointer);
}

}  // namespace fairlead::zones
