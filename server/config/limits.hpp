// How large a configuration may be. A Corefile is an operator's, but one that is generated wrongly, or an import that
// matches the wrong folder, must end in a fault and not in a killed pod.
#pragma once

#include <cstddef>

namespace fairlead::server {

/// A ConfigMap holds at most 1 MiB, so no real Corefile is larger.
inline constexpr std::size_t file_octets_max = std::size_t{1} << 20;
/// A folder of one file a team; beyond it a glob has matched something else.
inline constexpr std::size_t files_max = 1'000;
/// All files together, each read counted once.
inline constexpr std::size_t corefile_octets_max = 16 * file_octets_max;
/// Words after imports: each costs about 60 octets, so this is 30 MB while loading. Twenty snippets that import each
/// other twice would be a million copies of the last one.
inline constexpr std::size_t words_max = 500'000;
/// Text after imports and environment variables.
inline constexpr std::size_t expanded_octets_max = 2 * corefile_octets_max;
/// Deep enough for a main file, a folder, a snippet in it, and a snippet in that; bounds recursion.
inline constexpr std::size_t import_depth_max = 20;
/// Server block, directive, option: three. The rest is slack; bounds recursion.
inline constexpr std::size_t nesting_max = 8;
/// Zone names in all keys and directives. A network such as 10.0.0.0/9 is 128 names.
inline constexpr std::size_t zones_max = 100'000;
/// Faults that are returned; nobody reads more, and a Corefile in a foreign format has one a line.
inline constexpr std::size_t faults_max = 100;
/// Faults that are kept until they are sorted: they are found in several passes over the blocks.
inline constexpr std::size_t faults_kept_max = 1'000;
/// Addresses of one transfer directive: each gets NOTIFY messages, several times while it does not answer.
inline constexpr std::size_t transfer_targets_max = 64;
/// Upstreams of one forward directive (CoreDNS's limit).
inline constexpr std::size_t upstreams_max = 15;
/// Addresses of the `bind` directives of one block: each is a socket of every worker.
inline constexpr std::size_t bind_addresses_max = 256;
/// A format of `log`: five times the Common Log Format with every label that there is.
inline constexpr std::size_t log_format_octets_max = 1'024;
/// Records of one section of a `template`: a reply that is larger does not fit a datagram by far.
inline constexpr std::size_t template_records_max = 100;
/// Variables of one `template`: each is made for every query that matches.
inline constexpr std::size_t template_variables_max = 100;
/// Rules of `rewrite` in one block: each query is held against all of them.
inline constexpr std::size_t rewrite_rules_max = 1'000;
/// Regular expressions of one Corefile: a compiled one is some kilobytes, and a nasty one several megabytes.
inline constexpr std::size_t regular_expressions_max = 256;
/// Quoted from the Corefile in a message.
inline constexpr std::size_t quoted_octets_max = 60;

static_assert(faults_max <= faults_kept_max);
static_assert(file_octets_max <= corefile_octets_max && corefile_octets_max <= expanded_octets_max);

}  // namespace fairlead::server
