// The upstreams of `forward . /etc/resolv.conf`, and the search list that `autopath` walks.
//
// Threads: called while a plan is built, never on the query path.
// Limits: a file of resolv_conf_octets_max; upstreams_max nameservers and search_list_max names are used.
// Errors: a sentence for the operator, without file and line of the Corefile.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/upstream.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::resolver {

inline constexpr std::size_t resolv_conf_octets_max = 64 * 1024;

struct Nameservers {
  std::vector<UpstreamAddress> upstreams;  // in order, without duplicates, port 53
  std::vector<std::string> left_out;       // why, of each line that cannot be used
};

/// The `nameserver` lines of a resolv.conf text. As in the C library one bad line does not spoil the others, so the
/// error is that there is no good one. A scope ("fe80::1%eth0") is of an interface that a pod does not have: left out.
std::expected<Nameservers, std::string> parse_resolv_conf(std::string_view text);
/// The same of a file, which has to be a regular one.
std::expected<Nameservers, std::string> read_resolv_conf(const std::string& path);

/// The line of a file whose `nameserver` is this address; 0 without one.
std::size_t find_nameserver_line(const std::string& path, const base::IpAddress& address);

/// As the C library's since 2.26 allows in practice, with room to spare.
inline constexpr std::size_t search_list_max = 32;

/// The names of the last `search` or `domain` line, as resolv.conf(5) says; words that are no names are left out.
std::vector<dns::DomainName> parse_search_list(std::string_view text);
/// The same of a file.
std::expected<std::vector<dns::DomainName>, std::string> read_search_list(const std::string& path);

}  // namespace fairlead::resolver
