#include "tools/kubesim/labels.hpp"

namespace fairlead::kubesim {

Labels Labels::from_json(const Json* object) {
  Labels labels;
  if (object == nullptr || !object->is_object()) return labels;
  for (const auto& [key, value] : object->items()) {
    if (value.is_string()) labels.add(key, value.get_ref<const std::string&>());
  }
  labels.packed_.shrink_to_fit();
  return labels;
}

void Labels::add(std::string_view key, std::string_view value) {
  if (key.find('\0') != std::string_view::npos || value.find('\0') != std::string_view::npos) return;
  packed_.append(key).push_back('\0');
  packed_.append(value).push_back('\0');
}

std::optional<std::string_view> Labels::get(std::string_view key) const {
  std::string_view rest = packed_;
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(name.size() + 1);
    const std::string_view value = rest.substr(0, rest.find('\0'));
    rest.remove_prefix(value.size() + 1);
    if (name == key) return value;
  }
  return std::nullopt;
}

}  // namespace fairlead::kubesim
