#include "tools/kubesim/selectors.hpp"

#include <algorithm>

namespace fairlead::kubesim {
namespace {

constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Reads a label selector word by word.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  /// One of "(", ")", ",", "=", "==", "!=", "!", a word, or "" at the end.
  std::string_view next() {
    skip_space();
    if (rest_.empty()) return {};
    std::size_t size = 1;
    if (rest_.starts_with("==") || rest_.starts_with("!=")) {
      size = 2;
    } else if (!is_mark(rest_.front())) {
      while (size < rest_.size() && !is_mark(rest_[size]) && !is_space(rest_[size])) ++size;
    }
    const std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return word;
  }
  std::string_view peek() {
    const std::string_view before = rest_;
    const std::string_view word = next();
    rest_ = before;
    return word;
  }
  static bool is_mark(char c) { return c == '(' || c == ')' || c == ',' || c == '=' || c == '!'; }

 private:
  void skip_space() {
    while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

bool is_plain(std::string_view word) { return !word.empty() && !Words::is_mark(word.front()); }

}  // namespace

std::expected<LabelSelector, std::string> LabelSelector::parse(std::string_view text) {
  LabelSelector selector;
  Words words(text);
  const auto fault = [&](std::string_view found, std::string_view wanted) {
    return std::unexpected("unable to parse requirement: found '" + std::string(found) +
                           "', expected: " + std::string(wanted));
  };
  if (words.peek().empty()) return selector;
  while (true) {
    std::string_view word = words.next();
    if (word == "!") {
      const std::string_view key = words.next();
      if (!is_plain(key)) return fault(key, "a label key");
      selector.requirements_.push_back({std::string(key), Operator::not_exists, {}});
    } else {
      if (!is_plain(word)) return fault(word, "a label key");
      Requirement requirement{std::string(word), Operator::exists, {}};
      const std::string_view op = words.peek();
      if (op == "=" || op == "==" || op == "!=") {
        words.next();
        requirement.op = op == "!=" ? Operator::not_in : Operator::in;
        // "a=" selects the empty value.
        requirement.values.emplace_back(is_plain(words.peek()) ? words.next() : std::string_view());
      } else if (op == "in" || op == "notin") {
        words.next();
        requirement.op = op == "in" ? Operator::in : Operator::not_in;
        if (const auto open = words.next(); open != "(") return fault(open, "'('");
        while (true) {
          requirement.values.emplace_back(is_plain(words.peek()) ? words.next() : std::string_view());
          const std::string_view mark = words.next();
          if (mark == ")") break;
          if (mark != ",") return fault(mark, "',' or ')'");
        }
      } else if (!op.empty() && op != ",") {
        return fault(op, "in, notin, =, ==, !=");
      }
      selector.requirements_.push_back(std::move(requirement));
    }
    const std::string_view mark = words.next();
    if (mark.empty()) return selector;
    if (mark != ",") return fault(mark, "',' or the end");
  }
}

bool LabelSelector::matches(const Labels& labels) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    const auto value = labels.get(requirement.key);
    const auto is_listed = [&] {
      return value && std::ranges::find(requirement.values, *value) != requirement.values.end();
    };
    switch (requirement.op) {
      case Operator::in: return is_listed();
      case Operator::not_in: return !is_listed();  // a missing label is selected, as in Kubernetes
      case Operator::exists: return value.has_value();
      case Operator::not_exists: return !value.has_value();
    }
    return false;
  });
}

std::expected<FieldSelector, std::string> FieldSelector::parse(const Kind& kind, std::string_view text) {
  FieldSelector selector;
  while (!text.empty()) {
    const std::string_view term = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), term.size() + 1));
    if (term.empty()) continue;
    const auto mark = term.find('=');
    if (mark == std::string_view::npos || mark == 0) {
      return std::unexpected("invalid selector: '" + std::string(term) + "'; can't understand it");
    }
    Requirement requirement{std::string(term.substr(0, mark)), true, std::string(term.substr(mark + 1))};
    if (requirement.field.ends_with('!')) {
      requirement.field.pop_back();
      requirement.is_equal = false;
    } else if (requirement.value.starts_with('=')) {
      requirement.value.erase(0, 1);
    }
    const bool is_known = requirement.field == "metadata.name" || requirement.field == "metadata.namespace" ||
                          std::ranges::any_of(kind.fields, [&](const SelectableField& field) {
                            return field.selector == requirement.field;
                          });
    if (!is_known) return std::unexpected("field label not supported: " + requirement.field);
    selector.requirements_.push_back(std::move(requirement));
  }
  return selector;
}

FieldSelector FieldSelector::of_name(std::string name) {
  FieldSelector selector;
  selector.requirements_.push_back({"metadata.name", true, std::move(name)});
  return selector;
}

bool FieldSelector::matches(const Object& object) const {
  return std::ranges::all_of(requirements_, [&](const Requirement& requirement) {
    const std::string_view value = requirement.field == "metadata.name" ? object.name
                                   : requirement.field == "metadata.namespace"
                                       ? object.ns
                                       : object.fields.get(requirement.field).value_or("");
    return (value == requirement.value) == requirement.is_equal;
  });
}

}  // namespace fairlead::kubesim
