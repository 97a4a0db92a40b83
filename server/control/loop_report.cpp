#include "server/control/loop_report.hpp"

#include <algorithm>
#include <variant>
#include <vector>

#include "resolver/resolv_conf.hpp"

namespace fairlead::server {
namespace {

// 127.0.0.0/8 and ::1 are always here.
bool is_of_this_machine(const base::IpAddress& address, const std::vector<base::IpAddress>& local) {
  const std::string text = address.to_string();
  return text.starts_with("127.") || text == "::1" || std::ranges::find(local, address) != local.end();
}

std::string describe(const resolver::UpstreamAddress& upstream, const std::vector<ForwardOptions>& directives) {
  std::string text = upstream.to_string();
  for (const ForwardOptions& options : directives) {
    for (const auto& to : options.to) {
      const auto* const file = std::get_if<ForwardOptions::ResolvConf>(&to);
      const std::size_t line = file != nullptr ? resolver::find_nameserver_line(file->path, upstream.address) : 0;
      if (line > 0) return text + " (" + file->path + ':' + std::to_string(line) + ')';
    }
  }
  return text;
}

}  // namespace

std::string describe_looping_upstreams(const PlannedBlock& planned) {
  const auto local = local_addresses();
  std::vector<std::string> own;
  std::vector<std::string> all;
  for (const auto& config : planned.forwarders) {
    for (const auto& upstream : config.upstreams) {
      all.push_back(describe(upstream, planned.block->options.forward));
      if (is_of_this_machine(upstream.address, local)) own.push_back(all.back());
    }
  }
  std::string text;
  for (const std::string& upstream : own.empty() ? all : own) text += (text.empty() ? "" : ", ") + upstream;
  if (own.size() == 1) return text + ", an address of this machine";
  return own.empty() ? text : text + ", addresses of this machine";
}

}  // namespace fairlead::server
