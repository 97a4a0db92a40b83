#include "tools/kubesim/continue_token.hpp"

#include <array>

#include "tools/kubesim/json.hpp"

namespace fairlead::kubesim {
namespace {

// RFC 4648 §5: the alphabet that needs no escaping in a URL; without padding.
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode(std::string_view plain) {
  std::string text;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : plain) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) text.push_back(alphabet[bits >> (count -= 6) & 0x3f]);
  }
  if (count > 0) text.push_back(alphabet[bits << (6 - count) & 0x3f]);
  return text;
}

std::optional<std::string> decode(std::string_view text) {
  std::string plain;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) plain.push_back(static_cast<char>(bits >> (count -= 8) & 0xff));
  }
  return plain;
}

}  // namespace

std::string ContinueToken::print() const {
  Json token = {{"v", "meta.k8s.io/v1"}, {"rv", version}, {"at", made_at}, {"start", after_key}};
  if (left) token["left"] = *left;
  return encode(print_json(token));
}

std::optional<ContinueToken> ContinueToken::parse(std::string_view text) {
  const auto plain = decode(text);
  if (!plain) return std::nullopt;
  const auto json = parse_json(*plain);
  if (!json || !json->is_object()) return std::nullopt;
  const Json* version = find_at(*json, {"rv"});
  const Json* made_at = find_at(*json, {"at"});
  ContinueToken token;
  token.after_key = string_at(*json, {"start"});
  if (version == nullptr || !version->is_number_unsigned() || made_at == nullptr || !made_at->is_number_integer() ||
      token.after_key.empty()) {
    return std::nullopt;
  }
  token.version = version->get<std::uint64_t>();
  token.made_at = made_at->get<std::time_t>();
  if (const Json* left = find_at(*json, {"left"})) {
    if (!left->is_number_unsigned()) return std::nullopt;
    token.left = left->get<std::size_t>();
  }
  return token;
}

}  // namespace fairlead::kubesim
