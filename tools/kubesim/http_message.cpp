#include "tools/kubesim/http_message.hpp"

#include <algorithm>
#include <optional>

namespace fairlead::kubesim {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> unescape(std::string_view text, bool plus_is_space) {
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      plain.push_back(static_cast<char>(high * 16 + low));
      i += 2;
    } else {
      plain.push_back(text[i] == '+' && plus_is_space ? ' ' : text[i]);
    }
  }
  return plain;
}

}  // namespace

std::string Request::parameter(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

bool Request::flag(const std::string& name) const {
  const std::string value = parameter(name);
  return value == "true" || value == "1" || value == "True";
}

bool parse_target(std::string_view target, Request& request) {
  // Absolute form (RFC 9112 §3.2.2), as proxies send it.
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
    const auto slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  const std::string_view path = target.substr(0, target.find('?'));
  auto plain = unescape(path, false);
  if (!plain || !plain->starts_with('/')) return false;
  request.path = std::move(*plain);
  std::string_view rest = target.substr(std::min(target.size(), path.size() + 1));
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const std::string_view name = pair.substr(0, pair.find('='));
    auto key = unescape(name, true);
    auto value = unescape(pair.substr(std::min(pair.size(), name.size() + 1)), true);
    if (!key || !value) return false;
    request.query.emplace(std::move(*key), std::move(*value));
  }
  return true;
}

}  // namespace fairlead::kubesim
