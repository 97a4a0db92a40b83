// YAML text to JSON documents. The only file that includes yaml-cpp is its source.
//
// Plain scalars follow YAML 1.2's core schema: true and false, null, integers, floats; everything else is a string.
// (YAML 1.1 would turn a port named "on" or a namespace "no" into a boolean.)
//
// Threads: a function on values.
// Limits: json_depth_max levels; nodes, after aliases are expanded, in proportion to the text, so that a few lines of
//   nested aliases cannot fill the memory.
// Errors: YamlError with the line, from 1.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {

// What aliases may add to a document, whose text has at least one octet for each node that it writes out.
inline constexpr std::size_t yaml_alias_nodes_max = 100'000;

struct YamlDocument {
  Json json;
  std::size_t line = 1;                 // where the document starts
  std::vector<std::size_t> item_lines;  // where each element of its "items" starts
};

struct YamlError {
  std::size_t line = 1;
  std::string message;
};

/// Empty documents are left out.
std::expected<std::vector<YamlDocument>, YamlError> read_yaml(const std::string& text);

}  // namespace fairlead::kubesim
