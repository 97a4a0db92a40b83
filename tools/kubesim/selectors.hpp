// labelSelector and fieldSelector of lists and watches.
//
// Threads: values, read only after parsing.
// Limits: a selector is part of a request line, whose size the HTTP server bounds.
// Errors: the parsers say what cannot be read; matching is total.
// Standards: Kubernetes labels and selectors: "a=b,c!=d,e in (f,g),h notin (i),j,!k".
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kubesim/object_registry.hpp"

namespace fairlead::kubesim {

class LabelSelector {
 public:
  /// Selects everything.
  LabelSelector() = default;
  static std::expected<LabelSelector, std::string> parse(std::string_view text);

  bool is_empty() const { return requirements_.empty(); }
  bool matches(const Labels& labels) const;

 private:
  enum class Operator { in, not_in, exists, not_exists };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;
  };
  std::vector<Requirement> requirements_;
};

class FieldSelector {
 public:
  /// Selects everything.
  FieldSelector() = default;
  /// Fields are metadata.name, metadata.namespace and those of the kind's row.
  static std::expected<FieldSelector, std::string> parse(const Kind& kind, std::string_view text);
  static FieldSelector of_name(std::string name);

  bool is_empty() const { return requirements_.empty(); }
  bool matches(const Object& object) const;

 private:
  struct Requirement {
    std::string field;
    bool is_equal;
    std::string value;
  };
  std::vector<Requirement> requirements_;
};

/// What a list or watch asks for within its kind and namespace.
struct Selection {
  LabelSelector labels;
  FieldSelector fields;

  bool is_everything() const { return labels.is_empty() && fields.is_empty(); }
  bool matches(const Object& object) const { return labels.matches(object.labels) && fields.matches(object); }
};

}  // namespace fairlead::kubesim
