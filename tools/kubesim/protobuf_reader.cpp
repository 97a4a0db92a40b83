#include "tools/kubesim/protobuf_reader.hpp"

#include <cstdint>
#include <optional>
#include <span>

#include "tools/kubesim/protobuf_schema.hpp"

namespace fairlead::kubesim {
namespace {

struct Record {
  std::uint32_t number = 0;
  std::uint64_t integer = 0;
  std::string_view octets;
  bool is_octets = false;
};

/// Reads the records of one message.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  /// Nothing at the end of the message, or if it is broken.
  std::optional<Record> next() {
    if (rest_.empty() || is_broken) return std::nullopt;
    Record record;
    const std::uint64_t tag = varint();
    record.number = static_cast<std::uint32_t>(tag >> 3);
    switch (tag & 7) {
      case 0: record.integer = varint(); break;
      case 1: take(8); break;
      case 2: {
        const std::uint64_t size = varint();
        record.octets = take(size);
        record.is_octets = true;
        break;
      }
      case 5: take(4); break;
      default: is_broken = true;  // groups, which proto2 had and Kubernetes never
    }
    if (is_broken) return std::nullopt;
    return record;
  }

  bool is_broken = false;

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto octet = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(octet & 0x7f) << shift;
      if ((octet & 0x80) == 0) return value;
    }
    is_broken = true;
    return 0;
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) {
      is_broken = true;
      return {};
    }
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest_;
};

/// The record with that number, if the message has it as octets.
std::string_view octets_of(std::string_view message, std::uint32_t number) {
  Reader reader(message);
  std::string_view found;
  while (const auto record = reader.next()) {
    if (record->number == number && record->is_octets) found = record->octets;
  }
  return found;
}

std::uint64_t integer_of(std::string_view message, std::uint32_t number) {
  Reader reader(message);
  std::uint64_t found = 0;
  while (const auto record = reader.next()) {
    if (record->number == number && !record->is_octets) found = record->integer;
  }
  return found;
}

std::optional<Json> read_message(std::string_view text, std::span<const ProtobufField> fields);

std::optional<Json> read_value(const ProtobufField& field, const Record& record) {
  const bool is_number = field.type == ProtobufType::integer || field.type == ProtobufType::boolean;
  if (is_number == record.is_octets) return std::nullopt;
  switch (field.type) {
    case ProtobufType::text: return Json(std::string(record.octets));
    case ProtobufType::integer: return Json(static_cast<std::int64_t>(record.integer));
    case ProtobufType::boolean: return Json(record.integer != 0);
    case ProtobufType::message: return read_message(record.octets, field.fields);
    case ProtobufType::map: return Json(nullptr);  // read by the caller, who holds the map
    case ProtobufType::time: {
      const auto seconds = static_cast<std::int64_t>(integer_of(record.octets, 1));
      // Go's zero time, which stands for none, and what RFC 3339 cannot print.
      constexpr std::int64_t year_10000 = 253'402'300'800;
      if (seconds <= 0 || seconds >= year_10000) return Json(nullptr);
      return Json(print_time(seconds));
    }
    case ProtobufType::int_or_string:
      if (integer_of(record.octets, 1) == 1) return Json(std::string(octets_of(record.octets, 3)));
      return Json(static_cast<std::int32_t>(integer_of(record.octets, 2)));
  }
  return std::nullopt;
}

std::optional<Json> read_message(std::string_view text, std::span<const ProtobufField> fields) {
  Json message = Json::object();
  Reader reader(text);
  while (const auto record = reader.next()) {
    for (const ProtobufField& field : fields) {
      if (field.number != record->number) continue;
      auto value = read_value(field, *record);
      if (!value) return std::nullopt;
      Json& place = message[std::string(field.name)];
      if (field.type == ProtobufType::map) {
        place[std::string(octets_of(record->octets, 1))] = std::string(octets_of(record->octets, 2));
      } else if (field.is_list) {
        place.push_back(std::move(*value));
      } else {
        place = std::move(*value);
      }
      // Go writes the fields of a struct even when they are empty or 0; JSON leaves those out.
      if (place.is_null() || place == "" || (field.type == ProtobufType::integer && place == 0)) {
        message.erase(std::string(field.name));
      }
    }
  }
  if (reader.is_broken) return std::nullopt;
  return message;
}

}  // namespace

bool has_protobuf_schema(const Kind& kind) {
  // What kubectl's generators send.
  return &kind == &kind::of_namespace() || &kind == &kind::service();
}

std::expected<Json, std::string> read_protobuf(const Kind& kind, std::string_view body) {
  static constexpr std::string_view magic("k8s\0", 4);
  if (!body.starts_with(magic)) return std::unexpected("the body does not begin as Kubernetes protobuf");
  const std::string_view envelope = body.substr(magic.size());
  const std::string_view type = octets_of(envelope, 1);
  auto object = read_message(octets_of(envelope, 2), protobuf_schema_of(kind));
  if (!object) return std::unexpected("the body is not the protobuf of a " + std::string(kind.name));
  if (const auto version = octets_of(type, 1); !version.empty()) (*object)["apiVersion"] = std::string(version);
  if (const auto name = octets_of(type, 2); !name.empty()) (*object)["kind"] = std::string(name);
  return std::move(*object);
}

}  // namespace fairlead::kubesim
