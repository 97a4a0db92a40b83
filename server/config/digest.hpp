// SHA-512, so that `reload` notices that a file has changed. digest.cpp is the only file here that includes OpenSSL.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fairlead::server {

/// The SHA-512 of all parts after one another, in lower-case hex: of one file, it is what sha512sum prints.
std::string sha512_hex(std::span<const std::string_view> parts);

}  // namespace fairlead::server
