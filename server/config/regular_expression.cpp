#include "server/config/regular_expression.hpp"

#include <re2/re2.h>

#include <utility>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {

RegularExpression::RegularExpression(std::string text, std::shared_ptr<const re2::RE2> compiled)
    : text_(std::move(text)), compiled_(std::move(compiled)) {}

std::expected<RegularExpression, std::string> RegularExpression::parse(std::string_view pattern) {
  if (pattern.size() > regular_expression_octets_max) {
    return std::unexpected("longer than " + std::to_string(regular_expression_octets_max) + " octets");
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
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

}  // namespace fairlead::server
