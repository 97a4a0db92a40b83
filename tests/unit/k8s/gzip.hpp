// Packs what the code under test unpacks.
#pragma once

#include <string>
#include <string_view>

namespace fairlead::k8s::testing {

std::string gzip(std::string_view text);

}  // namespace fairlead::k8s::testing
