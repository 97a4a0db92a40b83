// What the expressions of a template are made of: Go's values, as far as a DNS query has them.
//
// Threads: values; lists and maps are shared and never change.
// Limits: text is bounded by who makes it (template_runner.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fairlead::server {

class TemplateValue;
using TemplateList = std::vector<TemplateValue>;
using TemplateMap = std::map<std::string, TemplateValue, std::less<>>;

/// What a template is run on: the dot at its beginning, and `$`.
class TemplateData {
 public:
  virtual ~TemplateData() = default;
  /// A field such as "Name"; those that the parser knows (template_parser.hpp) and no others are asked for.
  virtual TemplateValue field(std::string_view name) const = 0;
  /// `.Meta "LABEL"`.
  virtual std::string meta(std::string_view label) const = 0;
};

class TemplateValue {
 public:
  struct None {};  // a key that a map does not have

  TemplateValue() = default;
  TemplateValue(bool value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  TemplateValue(std::int64_t value) : value_(value) {}            // NOLINT(google-explicit-constructor)
  TemplateValue(std::uint64_t value) : value_(value) {}           // NOLINT(google-explicit-constructor)
  TemplateValue(std::string value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  TemplateValue(const TemplateData* value) : value_(value) {}     // NOLINT(google-explicit-constructor)
  TemplateValue(TemplateList value) : value_(std::make_shared<const TemplateList>(std::move(value))) {}  // NOLINT
  TemplateValue(TemplateMap value) : value_(std::make_shared<const TemplateMap>(std::move(value))) {}    // NOLINT

  bool is_none() const { return std::holds_alternative<None>(value_); }
  bool is_number() const { return as<std::int64_t>() != nullptr || as<std::uint64_t>() != nullptr; }
  template <typename T>
  const T* as() const {
    return std::get_if<T>(&value_);
  }
  const TemplateList* list() const {
    const auto* const found = as<std::shared_ptr<const TemplateList>>();
    return found != nullptr ? found->get() : nullptr;
  }
  const TemplateMap* map() const {
    const auto* const found = as<std::shared_ptr<const TemplateMap>>();
    return found != nullptr ? found->get() : nullptr;
  }

  /// Go's: false, 0, nothing, and what is empty are not.
  bool is_true() const;
  /// As an action prints it. At most `octets_max` and a little more.
  std::string text(std::size_t octets_max) const;
  /// Go's name of the type, for messages: "string", "int", "uint64".
  std::string_view type_name() const;

 private:
  std::variant<None, bool, std::int64_t, std::uint64_t, std::string, std::shared_ptr<const TemplateList>,
               std::shared_ptr<const TemplateMap>, const TemplateData*>
      value_;
};

}  // namespace fairlead::server
