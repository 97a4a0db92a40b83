// The strings of an object that selectors look at, packed into one allocation.
//
// A cluster of 100,000 pods keeps one such set a pod: one string of "key\0value\0" instead of a map of strings.
//
// Threads: values.
// Limits: a key or value with a NUL in it is left out (the API forbids it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {

class Labels {
 public:
  Labels() = default;
  /// From a JSON object of strings; anything else in it is left out.
  static Labels from_json(const Json* object);

  void add(std::string_view key, std::string_view value);
  std::optional<std::string_view> get(std::string_view key) const;
  bool is_empty() const { return packed_.empty(); }

 private:
  std::string packed_;
};

}  // namespace fairlead::kubesim
