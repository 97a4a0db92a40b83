// The pages /debug/top and /debug/slow of a running server.
//
// Threads: blocks the calling one, at most for the timeout.
// Limits: debug_page_octets_max; the server's own limits are far below.
// Errors: a sentence with what to do about it.
// Standards: RFC 9112, as much of it as the server speaks: the body's length is known.
#pragma once

#include <chrono>
#include <expected>
#include <string>

#include "tools/fairleadctl/server_address.hpp"

namespace fairlead::ctl {

inline constexpr std::size_t debug_page_octets_max = 16 * 1024 * 1024;

/// The body of the page, as it was sent.
std::expected<std::string, std::string> get_debug_page(const ServerAddress& server, const std::string& path,
                                                       std::chrono::milliseconds timeout);

}  // namespace fairlead::ctl
