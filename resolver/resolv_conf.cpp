#include "resolver/resolv_conf.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "resolver/limits.hpp"

namespace fairlead::resolver {
namespace {

constexpr std::string_view blanks = " \t\r\f\v";
// Of a word that is no address, in what is logged.
constexpr std::size_t shown_octets_max = 64;

// The next word of `line`, cut off its front.
std::string_view take_word(std::string_view& line) {
  const std::size_t start = line.find_first_not_of(blanks);
  if (start == std::string_view::npos) return line = {};
  const std::size_t end = std::min(line.find_first_of(blanks, start), line.size());
  const std::string_view word = line.substr(start, end - start);
  line.remove_prefix(end);
  return word;
}

// A line without its end, cut off the front; nothing for a comment.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return !line.empty() && (line.front() == '#' || line.front() == ';') ? std::string_view{} : line;
}

std::expected<std::string, std::string> read_file(const std::string& path) {
  // To open a pipe would wait for its writer.
  std::error_code fault;
  if (!std::filesystem::is_regular_file(path, fault)) return std::unexpected("cannot read " + path);
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::unexpected("cannot read " + path);
  std::string text(resolv_conf_octets_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return std::unexpected("cannot read " + path);
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > resolv_conf_octets_max) {
    return std::unexpected(path + " is larger than " + std::to_string(resolv_conf_octets_max) + " octets");
  }
  return text;
}

}  // namespace

std::expected<Nameservers, std::string> parse_resolv_conf(std::string_view text) {
  Nameservers found;
  auto& [upstreams, left_out] = found;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (take_word(line) != "nameserver") continue;
    const std::string_view word = take_word(line);
    if (word.empty()) continue;
    const auto address = base::IpAddress::parse(word);
    if (!address) {
      left_out.push_back("nameserver \"" + std::string(word.substr(0, shown_octets_max)) + "\" is not an IP address");
      continue;
    }
    UpstreamAddress upstream{.address = *address, .port = 53, .protocol = UpstreamProtocol::dns, .tls_server_name = {}};
    if (std::find(upstreams.begin(), upstreams.end(), upstream) != upstreams.end()) continue;
    if (upstreams.size() == upstreams_max) {
      left_out.push_back("more than " + std::to_string(upstreams_max) + " nameservers");
      break;
    }
    upstreams.push_back(std::move(upstream));
  }
  if (!upstreams.empty()) return found;
  return std::unexpected(left_out.empty() ? std::string("no nameserver line") : left_out.front());
}

std::expected<Nameservers, std::string> read_resolv_conf(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  auto found = parse_resolv_conf(*text);
  if (!found) return std::unexpected(path + ": " + found.error());
  for (auto& why : found->left_out) why = path + ": " + why;
  return found;
}

std::size_t find_nameserver_line(const std::string& path, const base::IpAddress& address) {
  const auto text = read_file(path);
  std::string_view rest = text ? std::string_view(*text) : std::string_view();
  for (std::size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = take_line(rest);
    if (take_word(line) == "nameserver" && base::IpAddress::parse(take_word(line)) == address) return number;
  }
  return 0;
}

std::vector<dns::DomainName> parse_search_list(std::string_view text) {
  std::vector<dns::DomainName> names;
  while (!text.empty()) {
    std::string_view line = take_line(text);
    const std::string_view keyword = take_word(line);
    if (keyword != "search" && keyword != "domain") continue;
    names.clear();
    for (auto word = take_word(line); !word.empty(); word = take_word(line)) {
      if (word.front() == '#' || word.front() == ';' || names.size() == search_list_max) break;
      if (const auto name = dns::DomainName::parse(word)) names.push_back(name->to_lower());
      if (keyword == "domain") break;
    }
  }
  return names;
}

std::expected<std::vector<dns::DomainName>, std::string> read_search_list(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return std::unexpected(text.error());
  return parse_search_list(*text);
}

}  // namespace fairlead::resolver
