// What names have, in few words, for the tests of entries and tables.
#pragma once

#include <initializer_list>
#include <string_view>

#include "wire.hpp"
#include "zones/name_entry.hpp"

namespace fairlead::zones::test {

inline NameContent addresses(std::initializer_list<std::string_view> texts) {
  NameContent content;
  for (const auto text : texts) content.addresses.push_back(wire::ip(text));
  return content;
}

}  // namespace fairlead::zones::test
