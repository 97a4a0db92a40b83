// Any octets as a packet: as a query from a client, as a message from an upstream, and as a name in presentation form.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace {

using namespace fairlead::dns;

using Octets = std::span<const std::uint8_t>;

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(Octets part, Octets whole) {
  return part.empty() || (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_name(NameView name) {
  require(name.size() >= 1 && name.size() <= name_octets_max);
  require(name.label_count() <= labels_max);
  const auto copied = DomainName::from_wire(name.wire());
  require(copied.has_value() && copied->view() == name);
  // Presentation form keeps every octet, case included.
  const auto parsed = DomainName::parse(name.to_string());
  require(parsed.has_value() && std::ranges::equal(parsed->view().wire(), name.wire()));
  require(compare_canonical(name, copied->to_lower()) == std::strong_ordering::equal);
  require(hash_value(name) == hash_value(copied->to_lower()));
  for (NameView zone = name; !zone.is_root(); zone = zone.parent()) require(name.is_at_or_below(zone));
  require(name.is_at_or_below(NameView()));
}

// Every record of a message that is right to its last octet.
std::size_t count_records(Octets message) {
  auto reader = RecordReader::open(message);
  require(reader.has_value());
  std::size_t records = 0;
  while (true) {
    const auto record = reader->next();
    require(record.has_value());
    if (!record->has_value()) break;
    ++records;
  }
  require(reader->offset() == message.size());
  return records;
}

void check_reply(const Header& query, Octets question, const std::optional<Edns>& edns, std::string_view reason) {
  static std::uint8_t buffer[message_octets_max];
  const std::size_t limit = edns ? edns->udp_octets : udp_octets_classic;
  MessageWriter writer(buffer, limit);
  writer.begin(query, question, edns);
  writer.set_rcode(Rcode::badvers);
  writer.set_extended_error({.code = ExtendedError::other, .text = reason});
  const std::uint8_t owner[2] = {0xc0, 0x0c};
  std::size_t records = edns ? 1 : 0;
  while (writer.append(Section::answer, owner, RRType::a, 5, std::span(buffer).first(4)) && records < 3) ++records;
  const auto reply = writer.finish();
  require(reply.size() <= limit);
  require(count_records(reply) >= records);
}

void read_as_query(Octets packet, std::string_view text) {
  const auto query = read_query(packet);
  if (!query) {
    require(lies_in(query.error().question, packet));
    if (query.error().fault != QueryFault::drop) {
      check_reply(read_header(packet), query.error().question, query.error().edns, text);
    }
    return;
  }
  require(query->question.size() == query->qname.size() + 4 && lies_in(query->question, packet));
  if (query->edns) require(lies_in(query->edns->options, packet));
  check_name(query->qname);
  // What is accepted as a query is a well-formed message.
  require(count_records(packet) ==
          static_cast<std::size_t>(query->header.authority_count) + query->header.additional_count);
  check_reply(query->header, query->question, query->edns, text);
}

void read_as_message(Octets message) {
  NameBuffer name;
  for (std::size_t offset = 0; offset <= message.size(); ++offset) {
    const auto end = read_name(message, offset, name);
    if (!end) continue;
    require(*end > offset && *end <= message.size());
    const auto skipped = skip_name(message, offset);
    require(skipped.has_value() && *skipped == *end);
    check_name(name.view());
  }
  auto reader = RecordReader::open(message);
  if (!reader) return;
  std::size_t before = reader->offset();
  while (const auto record = reader->next()) {
    if (!record->has_value()) break;
    require(reader->offset() > before && reader->offset() <= message.size());
    require(lies_in((*record)->rdata, message) && (*record)->ttl_offset + 6 == (*record)->rdata_offset);
    before = reader->offset();
  }
}

void read_as_text(std::string_view text) {
  if (const auto name = DomainName::parse(text)) check_name(*name);
  parse_rr_type(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // larger packets add nothing but time
  // A copy of its own, so that AddressSanitizer sees one octet too many.
  const std::vector<std::uint8_t> packet(data, data + size);
  const std::string_view text(reinterpret_cast<const char*>(packet.data()), packet.size());
  read_as_query(packet, text);
  read_as_message(packet);
  read_as_text(text);
  return 0;
}
