#include "server/config/template_value.hpp"

namespace fairlead::server {

bool TemplateValue::is_true() const {
  if (const auto* const value = as<bool>()) return *value;
  if (const auto* const value = as<std::int64_t>()) return *value != 0;
  if (const auto* const value = as<std::uint64_t>()) return *value != 0;
  if (const auto* const value = as<std::string>()) return !value->empty();
  if (list() != nullptr) return !list()->empty();
  if (map() != nullptr) return !map()->empty();
  return as<const TemplateData*>() != nullptr;
}

std::string TemplateValue::text(std::size_t octets_max) const {
  if (const auto* const value = as<bool>()) return *value ? "true" : "false";
  if (const auto* const value = as<std::int64_t>()) return std::to_string(*value);
  if (const auto* const value = as<std::uint64_t>()) return std::to_string(*value);
  if (const auto* const value = as<std::string>()) return *value;
  std::string text;
  if (list() != nullptr) {
    for (const TemplateValue& element : *list()) {
      if (text.size() > octets_max) break;
      text += (text.empty() ? "[" : " ") + element.text(octets_max);
    }
    return text.empty() ? "[]" : text + "]";
  }
  if (map() != nullptr) {
    for (const auto& [key, element] : *map()) {
      if (text.size() > octets_max) break;
      text += (text.empty() ? "map[" : " ") + key + ":" + element.text(octets_max);
    }
    return text.empty() ? "map[]" : text + "]";
  }
  return "<no value>";
}

std::string_view TemplateValue::type_name() const {
  if (as<bool>() != nullptr) return "bool";
  if (as<std::int64_t>() != nullptr) return "int";
  if (as<std::uint64_t>() != nullptr) return "uint64";
  if (as<std::string>() != nullptr) return "string";
  if (list() != nullptr) return "list";
  if (map() != nullptr) return "map";
  return as<const TemplateData*>() != nullptr ? "query" : "nothing";
}

}  // namespace fairlead::server
