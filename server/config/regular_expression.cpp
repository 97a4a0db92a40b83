#include "server/config/regular_expression.hpp"

#include <re2/re2.h>

#include <utility>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {

RegularExpression::RegularExpression(std::string text, std::shared_ptr<const re2::RE2> compiled)
    : text_(std::move(text)), compiled_(std::move(compiled)) {
  group_names_.resize(1 + static_cast<std::size_t>(compiled_->NumberOfCapturingGroups()));
  for (const auto& [number, name] : compiled_->CapturingGroupNames()) {
    group_names_[static_cast<std::size_t>(number)] = name;
  }
}

std::expected<RegularExpression, std::string> RegularExpression::parse(std::string_view pattern, Groups groups) {
  if (pattern.size() > regular_expression_octets_max) {
    return std::unexpected("longer than " + std::to_string(regular_expression_octets_max) + " octets");
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(groups == Groups::ignored);
  auto compiled = std::make_shared<const re2::RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
  if (!compiled->ok()) {
    // RE2 says "missing ): (a"; the part of the pattern may hold anything, so it is quoted.
    const std::string& error = compiled->error();
    const std::string& part = compiled->error_arg();
    if (part.empty() || !error.ends_with(": " + part)) return std::unexpected("RE2 refuses it");
    return std::unexpected(error.substr(0, error.size() - part.size() - 2) + " in " + quote(part));
  }
  return RegularExpression(std::string(pattern), std::move(compiled));
}

bool RegularExpression::matches(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled_);
}

bool RegularExpression::find(std::string_view text, std::vector<std::string_view>& groups) const {
  std::vector<re2::StringPiece> found(group_names_.size());
  const re2::StringPiece input(text.data(), text.size());
  if (!compiled_->Match(input, 0, text.size(), re2::RE2::UNANCHORED, found.data(), static_cast<int>(found.size()))) {
    return false;
  }
  groups.clear();
  for (const auto& group : found) groups.emplace_back(group.data(), group.size());
  return true;
}

}  // namespace fairlead::server
