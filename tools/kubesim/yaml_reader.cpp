#include "tools/kubesim/yaml_reader.hpp"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdint>
#include <limits>

namespace fairlead::kubesim {
namespace {

std::size_t line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : static_cast<std::size_t>(mark.line) + 1; }

Json scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const char* begin = text.data();
  const char* end = begin + text.size();
  int base = 10;
  if (text.starts_with("0x")) {
    base = 16;
    begin += 2;
  } else if (text.starts_with("0o")) {
    base = 8;
    begin += 2;
  } else if (text.starts_with('+')) {
    begin += 1;
  }
  std::int64_t integer = 0;
  if (auto [at, error] = std::from_chars(begin, end, integer, base); error == std::errc() && at == end) return integer;
  // Only what starts like a number: from_chars would also take "inf" and "nan", which are names here.
  const bool is_numeric = text.find_first_of("0123456789") != std::string::npos &&
                          text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  double real = 0;
  if (is_numeric) {
    if (auto [at, error] = std::from_chars(begin, end, real); error == std::errc() && at == end) return real;
  }
  return text;
}

class Converter {
 public:
  explicit Converter(std::size_t nodes_max) : nodes_max_(nodes_max) {}

  std::expected<Json, YamlError> convert(const YAML::Node& node, std::size_t depth) {
    if (depth > json_depth_max) {
      return std::unexpected(YamlError{line_of(node.Mark()), "nested deeper than " + std::to_string(json_depth_max)});
    }
    if (++nodes_ > nodes_max_) {
      return std::unexpected(YamlError{line_of(node.Mark()), "aliases expand to more nodes than kubesim accepts"});
    }
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null: return Json(nullptr);
      case YAML::NodeType::Scalar:
        // "?" is the tag of plain scalars; quoted ones have "!", explicit tags are "tag:yaml.org,2002:str" and so on.
        if (node.Tag() == "?" || node.Tag().empty()) return scalar(node.Scalar());
        return Json(node.Scalar());
      case YAML::NodeType::Sequence: {
        Json list = Json::array();
        for (const YAML::Node& element : node) {
          auto value = convert(element, depth + 1);
          if (!value) return value;
          list.push_back(std::move(*value));
        }
        return list;
      }
      case YAML::NodeType::Map: {
        Json object = Json::object();
        for (const auto& entry : node) {
          if (!entry.first.IsScalar()) {
            return std::unexpected(YamlError{line_of(entry.first.Mark()), "a key must be a string"});
          }
          const std::string& key = entry.first.Scalar();
          if (object.contains(key)) {
            return std::unexpected(YamlError{line_of(entry.first.Mark()), "key '" + key + "' stands here twice"});
          }
          auto value = convert(entry.second, depth + 1);
          if (!value) return value;
          object[key] = std::move(*value);
        }
        return object;
      }
    }
    return Json(nullptr);
  }

 private:
  const std::size_t nodes_max_;
  std::size_t nodes_ = 0;
};

}  // namespace

std::expected<std::vector<YamlDocument>, YamlError> read_yaml(const std::string& text) {
  std::vector<YamlDocument> documents;
  try {
    for (const YAML::Node& node : YAML::LoadAll(text)) {
      if (!node.IsDefined() || node.IsNull()) continue;
      auto json = Converter(text.size() + yaml_alias_nodes_max).convert(node, 1);
      if (!json) return std::unexpected(json.error());
      YamlDocument document{std::move(*json), line_of(node.Mark()), {}};
      if (node.IsMap()) {
        if (const YAML::Node items = node["items"]; items.IsDefined() && items.IsSequence()) {
          for (const YAML::Node& item : items) document.item_lines.push_back(line_of(item.Mark()));
        }
      }
      documents.push_back(std::move(document));
    }
  } catch (const YAML::Exception& error) {
    return std::unexpected(YamlError{line_of(error.mark), error.msg});
  }
  return documents;
}

}  // namespace fairlead::kubesim
