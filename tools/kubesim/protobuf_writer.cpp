#include "tools/kubesim/protobuf_writer.hpp"

#include <cstdint>

namespace fairlead::kubesim {
namespace {

void append_varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>((value & 0x7f) | 0x80));
  out.push_back(static_cast<char>(value));
}

void append_number(std::uint32_t field, std::uint64_t value, std::string& out) {
  append_varint(field << 3, out);
  append_varint(value, out);
}

void append_octets(std::uint32_t field, std::string_view octets, std::string& out) {
  append_varint((field << 3) | 2, out);
  append_varint(octets.size(), out);
  out.append(octets);
}

void append_value(const ProtobufField& field, const Json& value, std::string& out) {
  switch (field.type) {
    case ProtobufType::text:
      if (value.is_string()) append_octets(field.number, value.get_ref<const std::string&>(), out);
      break;
    case ProtobufType::integer:
      if (value.is_number_integer())
        append_number(field.number, static_cast<std::uint64_t>(value.get<std::int64_t>()), out);
      break;
    case ProtobufType::boolean:
      if (value.is_boolean()) append_number(field.number, value.get<bool>() ? 1 : 0, out);
      break;
    case ProtobufType::message:
      if (value.is_object()) append_octets(field.number, write_protobuf(value, field.fields), out);
      break;
    case ProtobufType::map:
      if (!value.is_object()) break;
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string()) continue;
        std::string entry;
        append_octets(1, key, entry);
        append_octets(2, text.get_ref<const std::string&>(), entry);
        append_octets(field.number, entry, out);
      }
      break;
    case ProtobufType::time:
      if (const auto time = value.is_string() ? parse_time(value.get_ref<const std::string&>()) : std::nullopt) {
        std::string seconds;
        append_number(1, static_cast<std::uint64_t>(*time), seconds);
        append_octets(field.number, seconds, out);
      }
      break;
    case ProtobufType::int_or_string: {
      std::string either;
      if (value.is_string()) {
        append_number(1, 1, either);
        append_octets(3, value.get_ref<const std::string&>(), either);
      } else if (value.is_number_integer()) {
        append_number(2, static_cast<std::uint64_t>(value.get<std::int64_t>()), either);
      }
      append_octets(field.number, either, out);
      break;
    }
  }
}

}  // namespace

std::string write_protobuf(const Json& object, std::span<const ProtobufField> fields) {
  std::string out;
  for (const ProtobufField& field : fields) {
    const auto found = object.find(field.name);
    if (found == object.end()) continue;
    if (!field.is_list) {
      append_value(field, *found, out);
    } else if (found->is_array()) {
      for (const Json& each : *found) append_value(field, each, out);
    }
  }
  return out;
}

std::string wrap_protobuf(std::string_view api_version, std::string_view kind, std::string_view message) {
  std::string type;
  append_octets(1, api_version, type);
  append_octets(2, kind, type);
  std::string out("k8s\0", 4);
  append_octets(1, type, out);
  append_octets(2, message, out);
  append_octets(3, "", out);
  append_octets(4, "", out);
  return out;
}

std::string protobuf_list_head(const Kind& kind, const Json& metadata, std::size_t items_octets) {
  std::string list;
  append_octets(1, write_protobuf(metadata, protobuf_schema_of_list_metadata()), list);
  std::string type;
  append_octets(1, kind.api_version(), type);
  append_octets(2, std::string(kind.name) + "List", type);
  std::string out("k8s\0", 4);
  append_octets(1, type, out);
  append_varint((2U << 3) | 2, out);
  append_varint(list.size() + items_octets, out);
  return out + list;
}

std::string protobuf_list_item(std::string_view message) {
  std::string out;
  append_octets(2, message, out);
  return out;
}

std::string protobuf_event(std::string_view type, std::string_view wrapped_object) {
  std::string extension, event;
  append_octets(1, wrapped_object, extension);
  append_octets(1, type, event);
  append_octets(2, extension, event);
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>((event.size() >> shift) & 0xff));
  return out + event;
}

}  // namespace fairlead::kubesim
