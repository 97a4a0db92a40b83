#include "zones/dns/ldns_bridge.hpp"

#include <ldns/ldns.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "zones/dns/message_writer.hpp"

namespace fairlead::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

constexpr std::size_t line_octets_max = 65536;
constexpr auto rr_type_cert = static_cast<RRType>(37);
constexpr std::size_t record_fixed_octets = 10;  // type, class, TTL, RDLENGTH

template <auto free_it>
struct Free {
  void operator()(auto* thing) const { free_it(thing); }
};
using Rr = std::unique_ptr<ldns_rr, Free<ldns_rr_free>>;
using Packet = std::unique_ptr<ldns_pkt, Free<ldns_pkt_free>>;
using Rdf = std::unique_ptr<ldns_rdf, Free<ldns_rdf_deep_free>>;
using Buffer = std::unique_ptr<ldns_buffer, Free<ldns_buffer_free>>;
using Text = std::unique_ptr<char, Free<std::free>>;

std::string take_text(char* text) {
  const Text owned(text);
  std::string copy(owned ? owned.get() : "");
  while (!copy.empty() && (copy.back() == '\n' || copy.back() == ' ')) copy.pop_back();
  return copy;
}

// The RDATA of `rr` in wire form without compression.
std::vector<std::uint8_t> copy_rdata(const ldns_rr* rr) {
  const Buffer buffer(ldns_buffer_new(LDNS_MAX_PACKETLEN));
  if (!buffer || ldns_rr_rdata2buffer_wire(buffer.get(), rr) != LDNS_STATUS_OK) return {};
  const std::uint8_t* const begin = ldns_buffer_begin(buffer.get());
  return {begin, begin + ldns_buffer_position(buffer.get())};
}

// RFC 3597 §5.
std::string write_generic(Octets rdata) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text = "\\# " + std::to_string(rdata.size());
  if (!rdata.empty()) text += ' ';
  for (const std::uint8_t octet : rdata) {
    text += digits[octet >> 4];
    text += digits[octet & 0xf];
  }
  return text;
}

// `rdata` behind a root owner; nothing when it does not fit its type to the last octet.
Rr make_rr(RRType type, Octets rdata) {
  if (rdata.size() > message_octets_max - 1 - record_fixed_octets) return nullptr;
  std::vector<std::uint8_t> wire(1 + record_fixed_octets + rdata.size());
  write_u16(wire.data() + 1, static_cast<std::uint16_t>(type));
  write_u16(wire.data() + 3, static_cast<std::uint16_t>(RRClass::in));
  write_u16(wire.data() + 9, static_cast<std::uint16_t>(rdata.size()));
  std::ranges::copy(rdata, wire.begin() + 1 + record_fixed_octets);
  ldns_rr* parsed = nullptr;
  std::size_t at = 0;
  if (ldns_wire2rr(&parsed, wire.data(), wire.size(), &at, LDNS_SECTION_ANSWER) != LDNS_STATUS_OK) return nullptr;
  Rr rr(parsed);
  // ldns passes over octets that are left and follows pointers, which lone RDATA must not hold.
  if (at != wire.size() || !std::ranges::equal(copy_rdata(rr.get()), rdata)) return nullptr;
  return rr;
}

std::expected<ResourceRecord, std::string> copy_record(const ldns_rr* rr) {
  const ldns_rdf* const owner = ldns_rr_owner(rr);
  const auto name = DomainName::from_wire({ldns_rdf_data(owner), ldns_rdf_size(owner)});
  if (!name) return std::unexpected("bad owner name: " + std::string(to_string(name.error())));
  return ResourceRecord{.owner = *name,
                        .type = static_cast<RRType>(ldns_rr_get_type(rr)),
                        .rrclass = static_cast<RRClass>(ldns_rr_get_class(rr)),
                        .ttl = ldns_rr_ttl(rr),
                        .rdata = copy_rdata(rr)};
}

}  // namespace

std::string rdata_to_string(RRType type, Octets rdata) {
  // ldns 1.8 leaks when it reads back a CERT with an algorithm of 0.
  const Rr rr = type == rr_type_cert ? nullptr : make_rr(type, rdata);
  if (!rr || ldns_rr_rd_count(rr.get()) == 0) return write_generic(rdata);
  std::string text;
  for (std::size_t i = 0; i < ldns_rr_rd_count(rr.get()); ++i) {
    if (i > 0) text += ' ';
    text += take_text(ldns_rdf2str(ldns_rr_rdf(rr.get(), i)));
  }
  // ldns has forms that it does not read back, and none at all for some odd fields.
  return parse_rdata(type, text) == std::vector(rdata.begin(), rdata.end()) ? text : write_generic(rdata);
}

std::string to_string(const ResourceRecord& record) {
  std::string line = record.owner.to_string();
  line += '\t' + std::to_string(record.ttl);
  line += '\t' + to_string(record.rrclass);
  line += '\t' + to_string(record.type);
  line += '\t' + rdata_to_string(record.type, record.rdata);
  return line;
}

std::expected<ResourceRecord, std::string> parse_record(std::string_view line, const LineDefaults& defaults) {
  if (line.size() > line_octets_max) return std::unexpected("line longer than 64 KiB");
  if (line.contains('\0')) return std::unexpected("NUL octet in line");
  const auto origin_wire = defaults.origin.wire();
  const Rdf origin(ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, origin_wire.size(), origin_wire.data()));
  ldns_rr* parsed = nullptr;
  const ldns_status status =
      ldns_rr_new_frm_str(&parsed, std::string(line).c_str(), defaults.ttl, origin.get(), nullptr);
  if (status != LDNS_STATUS_OK) return std::unexpected(ldns_get_errorstr_by_id(status));
  const Rr rr(parsed);
  return copy_record(rr.get());
}

std::expected<std::vector<std::uint8_t>, std::string> parse_rdata(RRType type, std::string_view text, NameView origin) {
  const std::string line = ". 0 IN " + to_string(type) + ' ' + std::string(text);
  auto record = parse_record(line, {.origin = origin, .ttl = 0});
  if (!record) return std::unexpected(std::move(record.error()));
  return std::move(record->rdata);
}

std::optional<RRType> find_rr_type(std::string_view text) {
  constexpr std::size_t mnemonic_octets_max = 16;
  if (const auto known = parse_rr_type(text)) return known;
  // ldns reads any number behind TYPE, and stops where it is none.
  if (text.size() > mnemonic_octets_max || text.size() < 2 || text.contains('\0')) return std::nullopt;
  std::string first(text.substr(0, 4));
  std::ranges::transform(first, first.begin(), [](char c) { return static_cast<char>(c & ~0x20); });
  if (first == "TYPE") return std::nullopt;
  const ldns_rr_type type = ldns_get_rr_type_by_name(std::string(text).c_str());
  return type == 0 ? std::nullopt : std::optional(static_cast<RRType>(type));
}

std::expected<ResourceRecord, std::string> read_record(Octets message, const RecordView& record) {
  ldns_rr* parsed = nullptr;
  std::size_t at = record.owner_offset;
  const ldns_status status = ldns_wire2rr(&parsed, message.data(), message.size(), &at, LDNS_SECTION_ANSWER);
  if (status != LDNS_STATUS_OK) return std::unexpected(ldns_get_errorstr_by_id(status));
  const Rr rr(parsed);
  if (at != record.rdata_offset + record.rdata.size()) return std::unexpected("RDATA does not fit its type");
  return copy_record(rr.get());
}

std::string message_to_string(Octets message) {
  ldns_pkt* parsed = nullptr;
  const ldns_status status = ldns_wire2pkt(&parsed, message.data(), message.size());
  if (status != LDNS_STATUS_OK) return std::string(";; no DNS message: ") + ldns_get_errorstr_by_id(status);
  const Packet packet(parsed);
  return take_text(ldns_pkt2str(packet.get()));
}

}  // namespace fairlead::dns
