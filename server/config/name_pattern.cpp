#include "server/config/name_pattern.hpp"

#include <charconv>
#include <utility>

namespace fairlead::server {
namespace {

// "{12}" at `at`: the number, and how many characters it has with its braces; 0 when there is no number there.
struct GroupReference {
  std::size_t group = 0;
  std::size_t size = 0;
};
GroupReference read_reference(std::string_view text, std::size_t at) {
  const std::size_t close = text.find('}', at);
  if (close == std::string_view::npos) return {};
  std::size_t group = 0;
  const auto [end, error] = std::from_chars(text.data() + at + 1, text.data() + close, group);
  if (error != std::errc() || end != text.data() + close) return {};
  return {.group = group, .size = close + 1 - at};
}

}  // namespace

std::expected<NameTemplate, std::string> NameTemplate::parse(std::string_view text, std::size_t group_count) {
  if (text.size() > name_template_octets_max) {
    return std::unexpected("it is longer than " + std::to_string(name_template_octets_max) + " octets");
  }
  NameTemplate result;
  Part part;
  for (std::size_t i = 0; i < text.size();) {
    const auto reference = text[i] == '{' ? read_reference(text, i) : GroupReference{};
    if (reference.size == 0) {
      part.text += text[i++];
      continue;
    }
    if (reference.group > group_count) {
      return std::unexpected("it uses group " + std::to_string(reference.group) + " of a pattern that has " +
                             std::to_string(group_count));
    }
    part.group = reference.group;
    part.has_group = true;
    result.parts_.push_back(std::exchange(part, {}));
    i += reference.size;
  }
  if (!part.text.empty()) result.parts_.push_back(std::move(part));
  return result;
}

std::string NameTemplate::fill(const std::vector<std::string_view>& groups) const {
  std::string filled;
  for (const Part& part : parts_) {
    filled += part.text;
    if (part.has_group && part.group < groups.size()) filled += groups[part.group];
    if (filled.size() > name_text_octets_max) break;
  }
  return filled;
}

bool NamePattern::matches(std::string_view name) const {
  switch (kind_) {
    case Kind::exact: return name == text_;
    case Kind::prefix: return name.starts_with(text_);
    case Kind::suffix: return name.ends_with(text_);
    case Kind::substring: return name.contains(text_);
    case Kind::regex: return pattern_->matches(name);
  }
  return false;
}

std::expected<NameReplacement, std::string> NameReplacement::make(NamePattern from, std::string_view to) {
  if (to.size() > name_template_octets_max) {
    return std::unexpected("it is longer than " + std::to_string(name_template_octets_max) + " octets");
  }
  NameReplacement result;
  if (from.kind() == NamePattern::Kind::regex) {
    auto filled = NameTemplate::parse(to, from.group_count());
    if (!filled) return std::unexpected(std::move(filled.error()));
    result.filled_ = std::move(*filled);
  }
  result.from_ = std::move(from);
  result.to_ = to;
  return result;
}

std::optional<std::string> NameReplacement::replace(std::string_view name) const {
  using Kind = NamePattern::Kind;
  if (from_.kind_ == Kind::regex) {
    std::vector<std::string_view> groups;
    if (!from_.pattern_->find(name, groups)) return std::nullopt;
    return filled_.fill(groups);
  }
  if (!from_.matches(name)) return std::nullopt;
  const std::string_view text = from_.text_;
  switch (from_.kind_) {
    case Kind::prefix: return to_ + std::string(name.substr(text.size()));
    case Kind::suffix: return std::string(name.substr(0, name.size() - text.size())) + to_;
    case Kind::substring: {
      std::string replaced;
      while (replaced.size() <= name_text_octets_max) {
        const std::size_t at = name.find(text);
        replaced += name.substr(0, at);
        if (at == std::string_view::npos) break;
        replaced += to_;
        name.remove_prefix(at + text.size());
      }
      return replaced;
    }
    default: return to_;
  }
}

}  // namespace fairlead::server
