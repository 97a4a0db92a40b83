#include "server/query/reply_copy.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "zones/dns/message_reader.hpp"

namespace fairlead::server {
namespace {

using dns::RRType;
using dns::Section;

// RDATA with its names spelled out. Only the types of RFC 1035 may compress them (RFC 3597 §4).
bool expand_rdata(std::span<const std::uint8_t> message, const dns::RecordView& record,
                  std::vector<std::uint8_t>& rdata) {
  std::size_t at = record.rdata_offset;
  const std::size_t end = at + record.rdata.size();
  const auto copy_octets = [&](std::size_t count) {
    if (end - at < count) return false;
    rdata.insert(rdata.end(), message.begin() + static_cast<std::ptrdiff_t>(at),
                 message.begin() + static_cast<std::ptrdiff_t>(at + count));
    at += count;
    return true;
  };
  const auto copy_name = [&] {
    dns::NameBuffer name;
    const auto behind = dns::read_name(message, at, name);
    if (!behind || *behind > end) return false;
    rdata.insert(rdata.end(), name.octets.begin(), name.octets.begin() + name.size);
    at = *behind;
    return true;
  };
  rdata.clear();
  switch (record.type) {
    case RRType::cname:
    case RRType::ns:
    case RRType::ptr:
    case RRType::dname: return copy_name() && at == end;
    case RRType::mx: return copy_octets(2) && copy_name() && at == end;
    case RRType::soa: return copy_name() && copy_name() && copy_octets(20) && at == end;
    case RRType::srv: return copy_octets(6) && copy_name() && at == end;
    default: return copy_octets(record.rdata.size());
  }
}

// A name that stands in the reply already: the owner of the last record, or what its CNAME leads to.
struct KnownName {
  dns::NameBuffer name;
  std::size_t offset = 0;  // 0: none yet
};

bool append_owned(const dns::RecordView& record, const dns::NameBuffer& owner, std::uint32_t ttl,
                  dns::MessageWriter& writer, std::span<const std::uint8_t> rdata, KnownName& known) {
  const auto rrclass = static_cast<dns::RRClass>(record.rrclass);
  const std::size_t owner_offset = writer.size();
  // An upstream's 3,000 addresses of one name must not outgrow a message by being passed on.
  constexpr std::size_t pointer_offset_max = 0x3fff;
  if (known.offset != 0 && known.offset <= pointer_offset_max && owner.view() == known.name.view()) {
    const std::uint8_t pointer[] = {static_cast<std::uint8_t>(0xc0 | known.offset >> 8),
                                    static_cast<std::uint8_t>(known.offset)};
    if (!writer.append(record.section, pointer, record.type, ttl, rdata, rrclass)) return false;
  } else {
    if (!writer.append(record.section, owner.view().wire(), record.type, ttl, rdata, rrclass)) return false;
    known = {owner, owner_offset};
  }
  if (record.type == RRType::cname) {
    std::ranges::copy(rdata, known.name.octets.begin());
    known.name.size = static_cast<std::uint8_t>(rdata.size());
    known.offset = writer.size() - rdata.size();
  }
  return true;
}

bool append_expanded(std::span<const std::uint8_t> message, const dns::RecordView& record, dns::MessageWriter& writer,
                     std::vector<std::uint8_t>& rdata, KnownName& known) {
  dns::NameBuffer owner;
  if (!dns::read_name(message, record.owner_offset, owner) || !expand_rdata(message, record, rdata)) return false;
  return append_owned(record, owner, record.ttl, writer, rdata, known);
}

// The first name in expanded RDATA, through the editor; what is around it stays. As CoreDNS, which leaves the mailbox
// of a SOA alone.
void edit_rdata(RRType type, RecordEditor& editor, std::vector<std::uint8_t>& rdata) {
  // Octets in front of the first name; NAPTR has three character-strings behind its two numbers.
  std::size_t at = type == RRType::srv ? 6 : type == RRType::mx ? 2 : type == RRType::naptr ? 4 : 0;
  for (int i = 0; type == RRType::naptr && i < 3; ++i) {
    if (at >= rdata.size()) return;
    at += 1u + rdata[at];
  }
  dns::NameBuffer name;
  if (at > rdata.size()) return;
  const auto behind = dns::read_name(rdata, at, name);
  if (!behind) return;
  editor.edit_value(name, type);
  std::vector<std::uint8_t> edited(rdata.begin(), rdata.begin() + static_cast<std::ptrdiff_t>(at));
  edited.insert(edited.end(), name.octets.begin(), name.octets.begin() + name.size);
  edited.insert(edited.end(), rdata.begin() + static_cast<std::ptrdiff_t>(*behind), rdata.end());
  rdata.swap(edited);
}

struct ExtendedErrorText {
  dns::ExtendedError code;
  std::string text;
};

// RFC 8914 §2, in the options of an OPT record.
std::optional<ExtendedErrorText> find_extended_error(std::span<const std::uint8_t> options) {
  constexpr std::uint16_t extended_error = 15;
  while (options.size() >= 4) {
    const std::size_t length = dns::read_u16(options.data() + 2);
    if (options.size() - 4 < length) break;
    if (dns::read_u16(options.data()) == extended_error && length >= 2) {
      return ExtendedErrorText{static_cast<dns::ExtendedError>(dns::read_u16(options.data() + 4)),
                               std::string(reinterpret_cast<const char*>(options.data()) + 6, length - 2)};
    }
    options = options.subspan(4 + length);
  }
  return std::nullopt;
}

bool same_owner(std::span<const std::uint8_t> message, std::size_t a, std::size_t b) {
  // As a rule both point to the question, or to what a CNAME leads to.
  const std::uint16_t pointer = dns::read_u16(message.data() + a);
  if (pointer >= 0xc000 && pointer == dns::read_u16(message.data() + b)) return true;
  dns::NameBuffer a_name;
  dns::NameBuffer b_name;
  return dns::read_name(message, a, a_name) && dns::read_name(message, b, b_name) && a_name.view() == b_name.view();
}

// Addresses of one RRset, which stand together in practice. They are rotated by their RDATA, so that owners, pointers
// and sizes stay where they are.
class AddressRun {
 public:
  explicit AddressRun(std::span<std::uint8_t> message) : message_(message) {}

  bool takes(const dns::RecordView& record) const {
    return count_ == 0 || (record.type == type_ && same_owner(message_, owner_offset_, record.owner_offset));
  }
  void add(const dns::RecordView& record) {
    type_ = record.type;
    owner_offset_ = record.owner_offset;
    rdata_octets_ = record.rdata.size();
    rdata_offsets_[count_++] = static_cast<std::uint16_t>(record.rdata_offset);
  }
  void rotate(std::uint32_t rotation) {
    if (count_ > 1) {
      // As std::rotate() could by three reversals, here of what does not stand side by side.
      const std::size_t first = rotation % count_;
      reverse(0, first);
      reverse(first, count_);
      reverse(0, count_);
    }
    count_ = 0;
  }

 private:
  void reverse(std::size_t begin, std::size_t end) {
    for (; begin + 1 < end; ++begin, --end) {
      std::uint8_t* const front = message_.data() + rdata_offsets_[begin];
      std::swap_ranges(front, front + rdata_octets_, message_.data() + rdata_offsets_[end - 1]);
    }
  }

  // Owner (a pointer or the root's single octet), fixed fields and an address.
  static constexpr std::size_t address_record_octets_min = 1 + 10 + 4;

  const std::span<std::uint8_t> message_;
  RRType type_{};
  std::size_t owner_offset_ = 0;
  std::size_t rdata_octets_ = 0;
  std::size_t count_ = 0;
  std::array<std::uint16_t, dns::message_octets_max / address_record_octets_min> rdata_offsets_;
};

bool is_address(const dns::RecordView& record) {
  return (record.type == RRType::a && record.rdata.size() == 4) ||
         (record.type == RRType::aaaa && record.rdata.size() == 16);
}

}  // namespace

bool append_answers(std::span<const std::uint8_t> message, dns::MessageWriter& writer) {
  auto reader = dns::RecordReader::open(message);
  if (!reader) return false;
  std::vector<std::uint8_t> rdata;
  KnownName known;
  while (true) {
    const auto record = reader->next();
    if (!record) return false;
    if (!*record || (*record)->section != Section::answer) return true;
    if (!append_expanded(message, **record, writer, rdata, known)) return false;
  }
}

void copy_whole_reply(std::span<const std::uint8_t> message, dns::NameView question, dns::MessageWriter& writer) {
  using dns::Header;
  const Header header = dns::read_header(message);
  writer.set_rcode(header.rcode());
  for (const std::uint16_t flag : {Header::aa, Header::ra, Header::ad, Header::tc}) {
    writer.set_flag(flag, header.has(flag));
  }
  auto reader = dns::RecordReader::open(message);
  if (!reader) return writer.set_rcode(dns::Rcode::servfail);
  std::vector<std::uint8_t> rdata;
  KnownName known;
  std::ranges::copy(question.wire(), known.name.octets.begin());
  known.name.size = static_cast<std::uint8_t>(question.size());
  known.offset = dns::header_octets;
  bool is_first = true;
  while (true) {
    const auto record = reader->next();
    if (!record) return writer.set_rcode(dns::Rcode::servfail);
    if (!*record) return;
    if ((*record)->type == RRType::opt) continue;
    dns::NameBuffer owner;
    if (std::exchange(is_first, false) && (*record)->section == Section::answer &&
        dns::read_name(message, (*record)->owner_offset, owner) && !(owner.view() == question)) {
      const std::uint8_t pointer[] = {static_cast<std::uint8_t>(dns::question_pointer >> 8),
                                      static_cast<std::uint8_t>(dns::question_pointer & 0xff)};
      if (!writer.append(Section::answer, pointer, RRType::cname, (*record)->ttl, owner.view().wire())) {
        return writer.set_flag(Header::tc);
      }
      // Nobody signed that.
      writer.set_flag(Header::ad, false);
      known = {owner, writer.size() - owner.view().size()};
    }
    if (!append_expanded(message, **record, writer, rdata, known)) {
      // What is beside the answer may be missing.
      if ((*record)->section != Section::additional) writer.set_flag(Header::tc);
      return;
    }
  }
}

bool RecordEditor::has_names(RRType type) {
  switch (type) {
    case RRType::cname:
    case RRType::dname:
    case RRType::mx:
    case RRType::naptr:
    case RRType::ns:
    case RRType::ptr:
    case RRType::soa:
    case RRType::srv: return true;
    default: return false;
  }
}

void copy_edited_reply(std::span<const std::uint8_t> message, dns::NameView question, RecordEditor& editor,
                       dns::MessageWriter& writer, std::string& reason) {
  using dns::Header;
  const Header header = dns::read_header(message);
  unsigned rcode = static_cast<unsigned>(header.rcode());
  for (const std::uint16_t flag : {Header::aa, Header::ra, Header::ad, Header::tc, Header::rd}) {
    writer.set_flag(flag, header.has(flag));
  }
  writer.set_rcode(static_cast<dns::Rcode>(rcode));
  const auto fail = [&] {
    writer.clear_records();
    writer.set_rcode(dns::Rcode::servfail);
  };
  auto reader = dns::RecordReader::open(message);
  if (!reader) return fail();
  std::vector<std::uint8_t> rdata;
  KnownName known;
  std::ranges::copy(question.wire(), known.name.octets.begin());
  known.name.size = static_cast<std::uint8_t>(question.size());
  known.offset = dns::header_octets;
  bool is_full = false;
  while (true) {
    const auto record = reader->next();
    if (!record) return fail();
    if (!*record) return;
    if ((*record)->type == RRType::opt) {
      rcode |= (*record)->ttl >> 24 << 4;
      writer.set_rcode(static_cast<dns::Rcode>(rcode));
      if (const auto error = find_extended_error((*record)->rdata)) {
        reason = error->text;
        writer.set_extended_error({error->code, reason});
      }
      continue;
    }
    if (is_full || !editor.takes(**record)) continue;
    dns::NameBuffer owner;
    if (!dns::read_name(message, (*record)->owner_offset, owner) || !expand_rdata(message, **record, rdata)) {
      return fail();
    }
    editor.edit_owner(owner);
    if (RecordEditor::has_names((*record)->type)) edit_rdata((*record)->type, editor, rdata);
    dns::RecordView edited = **record;
    if (!editor.edit_record(edited.section, edited.type, rdata)) continue;
    if (!append_owned(edited, owner, editor.edit_ttl((*record)->ttl), writer, rdata, known)) {
      // What is beside the answer may be missing.
      if ((*record)->section != Section::additional) writer.set_flag(Header::tc);
      is_full = true;
    }
  }
}

std::vector<std::uint8_t> message_so_far(dns::MessageWriter& writer) {
  std::vector<std::uint8_t> message(writer.data(), writer.data() + writer.size());
  unsigned flags = dns::Header::qr | static_cast<unsigned>(writer.rcode()) % 16;
  for (const std::uint16_t flag : {dns::Header::aa, dns::Header::ra, dns::Header::ad, dns::Header::tc}) {
    if (writer.has_flag(flag)) flags |= flag;
  }
  dns::write_u16(message.data(), 0);
  dns::write_u16(message.data() + 2, static_cast<std::uint16_t>(flags));
  dns::write_u16(message.data() + 4, 1);
  for (std::size_t section = 0; section < 3; ++section) {
    dns::write_u16(message.data() + 6 + 2 * section,
                   static_cast<std::uint16_t>(writer.count(static_cast<Section>(section))));
  }
  return message;
}

void rotate_addresses(std::span<std::uint8_t> message, std::uint32_t rotation) {
  auto reader = dns::RecordReader::open(message);
  if (!reader) return;
  AddressRun run(message);
  while (true) {
    const auto record = reader->next();
    if (!record || !*record || (*record)->section != Section::answer) break;
    const bool counts = is_address(**record);
    if (!counts || !run.takes(**record)) run.rotate(rotation);
    if (counts) run.add(**record);
  }
  run.rotate(rotation);
}

}  // namespace fairlead::server
