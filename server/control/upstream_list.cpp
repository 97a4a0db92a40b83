#include "server/control/upstream_list.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include "resolver/host_lookup.hpp"
#include "resolver/limits.hpp"
#include "resolver/resolv_conf.hpp"

namespace fairlead::server {
namespace {

using resolver::UpstreamAddress;
using Upstreams = std::vector<UpstreamAddress>;

constexpr std::string_view system_resolv_conf = "/etc/resolv.conf";

resolver::UpstreamProtocol protocol_of(ForwardOptions::Transport transport) {
  return transport == ForwardOptions::Transport::tls ? resolver::UpstreamProtocol::tls
                                                     : resolver::UpstreamProtocol::dns;
}

bool is_any_or_loopback(const base::IpAddress& address) {
  const auto octets = address.octets();
  if (address.is_v4()) return octets[0] == 127 || std::ranges::all_of(octets, [](auto octet) { return octet == 0; });
  return std::ranges::all_of(octets.first(15), [](auto octet) { return octet == 0; }) && octets[15] <= 1;
}

// 127.0.0.53 of a node's systemd-resolved is, in a pod's network, a server that listens on every address.
bool is_own(const UpstreamAddress& upstream, const std::vector<ListenAddress>& own) {
  return std::ranges::any_of(own, [&](const ListenAddress& address) {
    if (address.port != upstream.port) return false;
    if (address.address) return *address.address == upstream.address;
    const auto local = local_addresses();
    return is_any_or_loopback(upstream.address) || std::ranges::find(local, upstream.address) != local.end();
  });
}

std::string join(const Upstreams& upstreams) {
  std::string text;
  for (const auto& upstream : upstreams) text += (text.empty() ? "" : ", ") + upstream.to_string();
  return text;
}

class Lister {
 public:
  Lister(const ForwardOptions& options, const std::vector<ListenAddress>& own, NamedUpstreams& known)
      : options_(options), own_(own), known_(known) {
    // What is left out differs by the addresses of a block, and the name in a certificate by directive.
    for (const auto& address : own) scope_ += " " + address.to_string();
    scope_ += " " + options.tls_server_name;
  }

  std::expected<UpstreamList, std::string> list() {
    for (const auto& word : options_.to) {
      auto upstreams = std::visit([this](const auto& written) { return resolve(written); }, word);
      if (!upstreams) return std::unexpected(std::move(upstreams.error()));
      for (auto& upstream : *upstreams) {
        if (std::ranges::find(list_.upstreams, upstream) == list_.upstreams.end()) {
          list_.upstreams.push_back(std::move(upstream));
        }
      }
    }
    if (list_.upstreams.size() > resolver::upstreams_max) {
      list_.warnings.push_back("more than " + std::to_string(resolver::upstreams_max) +
                               " upstreams; the first ones are used");
      list_.upstreams.resize(resolver::upstreams_max);
    }
    return std::move(list_);
  }

 private:
  std::expected<Upstreams, std::string> resolve(const ForwardOptions::Address& written) {
    const auto parsed = base::IpAddress::parse(written.endpoint.address);
    if (!parsed) return std::unexpected("'" + written.endpoint.address + "' is not an address that can be asked");
    return Upstreams{
        {.address = *parsed,
         .port = written.endpoint.port,
         .protocol = protocol_of(written.transport),
         .tls_server_name = written.tls_server_name.empty() ? options_.tls_server_name : written.tls_server_name}};
  }

  std::expected<Upstreams, std::string> resolve(const ForwardOptions::ResolvConf& written) {
    auto upstreams = resolver::read_resolv_conf(written.path);
    std::string trouble;
    if (!upstreams) {
      trouble = upstreams.error();
      const bool is_there = std::ifstream(written.path).good();
      if (!is_there && !known_.contains(written.path + scope_)) return std::unexpected(trouble);
      upstreams.emplace();
    }
    std::erase_if(*upstreams, [&](const UpstreamAddress& upstream) {
      if (!is_own(upstream, own_)) return false;
      trouble = written.path + ": nameserver " + upstream.address.to_string() + " is this server itself";
      list_.warnings.push_back(trouble + "; it is left out");
      return true;
    });
    return use(written.path + scope_, std::move(*upstreams), trouble);
  }

  std::expected<Upstreams, std::string> resolve(const ForwardOptions::Host& written) {
    Upstreams servers;
    for (const auto& server : options_.resolver) {
      const auto address = base::IpAddress::parse(server.address);
      if (!address) return std::unexpected("'" + server.address + "' is not an address that can be asked");
      servers.push_back({.address = *address, .port = server.port, .protocol = {}, .tls_server_name = {}});
    }
    const std::string word = written.name + ":" + std::to_string(written.port) + "%" + written.tls_server_name + scope_;
    const auto name = dns::DomainName::parse(written.name);
    if (!name) return std::unexpected("'" + written.name + "' is not a host name");
    std::expected<std::vector<base::IpAddress>, std::string> addresses;
    if (servers.empty()) {
      auto system = resolver::read_resolv_conf(std::string(system_resolv_conf));
      // With our own address as the system's nameserver the lookup would wait for a server that has not started.
      if (system) std::erase_if(*system, [this](const auto& server) { return is_own(server, own_); });
      if (!system) {
        addresses = std::unexpected(system.error());
      } else {
        servers = std::move(*system);
      }
    }
    if (addresses) addresses = resolver::look_up_host(*name, std::move(servers));
    if (!addresses) {
      if (!known_.contains(word)) return std::unexpected(addresses.error());
      return use(word, {}, addresses.error());
    }
    Upstreams upstreams;
    std::string server_name = written.tls_server_name.empty() ? options_.tls_server_name : written.tls_server_name;
    if (server_name.empty() && written.transport != ForwardOptions::Transport::dns) {
      server_name = written.name;
      if (server_name.ends_with('.')) server_name.pop_back();
    }
    for (const auto& address : *addresses) {
      upstreams.push_back({.address = address,
                           .port = written.port,
                           .protocol = protocol_of(written.transport),
                           .tls_server_name = server_name});
    }
    return use(word, std::move(upstreams), {});
  }

  // What a word stands for now, or what it stood for when nothing can be made of it.
  Upstreams use(const std::string& word, Upstreams upstreams, const std::string& trouble) {
    if (!upstreams.empty()) {
      known_[word] = upstreams;
      return upstreams;
    }
    Upstreams& before = known_[word];
    list_.why_empty = trouble;
    list_.warnings.push_back(trouble + (before.empty()
                                            ? "; names that are forwarded there are SERVFAIL until that changes"
                                            : "; its upstreams stay as they were: " + join(before)));
    return before;
  }

  const ForwardOptions& options_;
  const std::vector<ListenAddress>& own_;
  NamedUpstreams& known_;
  std::string scope_;
  UpstreamList list_;
};

}  // namespace

std::expected<UpstreamList, std::string> list_upstreams(const ForwardOptions& options,
                                                        const std::vector<ListenAddress>& own, NamedUpstreams& known) {
  return Lister(options, own, known).list();
}

}  // namespace fairlead::server
