// The continue token of a paged list: where the next page starts, and of which version the list is.
//
// Threads: values.
// Errors: a token that this server did not make parses to nothing.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::kubesim {

struct ContinueToken {
  std::uint64_t version = 0;  // 0: whatever is current (an inconsistent continuation after 410)
  std::time_t made_at = 0;
  std::string after_key;
  std::optional<std::size_t> left = {};  // objects after the key, at that version

  std::string print() const;
  static std::optional<ContinueToken> parse(std::string_view text);
};

}  // namespace fairlead::kubesim
