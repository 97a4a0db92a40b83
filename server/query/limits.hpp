// Bounds of the query path, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fairlead::server {

/// Aliases followed for one question: CoreDNS's limit, so that the same chains resolve.
inline constexpr std::uint8_t alias_chain_max = 10;
/// Names that a search list makes of one question: resolv.conf(5)'s lists are shorter.
inline constexpr std::size_t search_names_max = 16;
/// Queries of one worker that wait for an upstream. Each holds under 2 kB, so a dead upstream costs 16 MB at most.
inline constexpr std::size_t pending_queries_max = 8192;

}  // namespace fairlead::server
