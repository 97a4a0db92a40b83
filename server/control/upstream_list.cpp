#include "server/control/upstream_list.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "resolver/host_lookup.hpp"
#include "resolver/limits.hpp"
#include "resolver/random.hpp"
#include "resolver/resolv_conf.hpp"

namespace fairlead::server {
namespace {

using resolver::UpstreamAddress;

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

/// Everything that a lookup needs, since it may run when the plan that wanted it is gone.
struct HostQuestion {
  dns::DomainName name;
  Upstreams servers;  // of `resolver`; without any those of the system
  std::vector<ListenAddress> own;
  UpstreamAddress form;  // all but the address

  std::expected<WatchedHost::Found, std::string> look_up(const std::stop_token& stop) const {
    Upstreams asked = servers;
    if (asked.empty()) {
      auto system = resolver::read_resolv_conf(std::string(system_resolv_conf));
      if (!system) return std::unexpected(system.error());
      // With our own address as the system's nameserver the lookup would wait for a server that has not started.
      std::erase_if(system->upstreams, [this](const auto& server) { return is_own(server, own); });
      asked = std::move(system->upstreams);
    }
    const auto found = resolver::look_up_host(name, std::move(asked), stop);
    if (!found) return std::unexpected(found.error());
    WatchedHost::Found result{.upstreams = {}, .ttl = found->ttl, .is_whole = found->is_whole};
    for (const auto& address : found->addresses) {
      result.upstreams.push_back(form);
      result.upstreams.back().address = address;
    }
    return result;
  }
};

class Lister {
 public:
  Lister(const ForwardOptions& options, const std::vector<ListenAddress>& own, NamedUpstreams& known, bool keeps_hosts)
      : options_(options), own_(own), known_(known), keeps_hosts_(keeps_hosts) {
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
    auto found = resolver::read_resolv_conf(written.path);
    std::string trouble;
    if (!found) {
      trouble = found.error();
      std::error_code fault;
      const bool is_there = std::filesystem::exists(written.path, fault);
      if (!is_there && !known_.contains(written.path + scope_)) return std::unexpected(trouble);
      found.emplace();
    }
    for (const auto& why : found->left_out) list_.warnings.push_back(why + "; it is left out");
    std::erase_if(found->upstreams, [&](const UpstreamAddress& upstream) {
      if (!is_own(upstream, own_)) return false;
      trouble = written.path + ": nameserver " + upstream.address.to_string() + " is this server itself";
      list_.warnings.push_back(trouble + "; it is left out");
      return true;
    });
    return use(written.path + scope_, std::move(found->upstreams), trouble);
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
    std::string server_name = written.tls_server_name.empty() ? options_.tls_server_name : written.tls_server_name;
    if (server_name.empty() && written.transport != ForwardOptions::Transport::dns) {
      server_name = written.name;
      if (server_name.ends_with('.')) server_name.pop_back();
    }
    const HostQuestion question{.name = *name,
                                .servers = std::move(servers),
                                .own = own_,
                                .form = {.address = {},
                                         .port = written.port,
                                         .protocol = protocol_of(written.transport),
                                         .tls_server_name = server_name}};
    list_.hosts.push_back({.word = word, .name = written.name, .look_up = [question](const std::stop_token& stop) {
                             return question.look_up(stop);
                           }});
    const auto known = known_.find(word);
    if (keeps_hosts_ && known != known_.end() && !known->second.upstreams.empty()) return known->second.upstreams;
    const auto found = question.look_up({});
    // One that nobody can tell now is asked for again soon.
    const base::TimePoint due =
        std::chrono::steady_clock::now() + host_due_after(found && found->is_whole ? found->ttl : host_ttl_min);
    if (!found && known == known_.end()) return std::unexpected(found.error());
    auto upstreams = found ? use(word, found->upstreams, {}) : use(word, {}, found.error());
    known_[word].due = due;
    return upstreams;
  }

  // What a word stands for now, or what it stood for when nothing can be made of it.
  Upstreams use(const std::string& word, Upstreams upstreams, const std::string& trouble) {
    if (!upstreams.empty()) {
      known_[word].upstreams = upstreams;
      return upstreams;
    }
    const Upstreams& before = known_[word].upstreams;
    list_.why_empty = trouble;
    list_.warnings.push_back(trouble + (before.empty()
                                            ? "; names that are forwarded there are SERVFAIL until that changes"
                                            : "; its upstreams stay as they were: " + join(before)));
    return before;
  }

  const ForwardOptions& options_;
  const std::vector<ListenAddress>& own_;
  NamedUpstreams& known_;
  const bool keeps_hosts_;
  std::string scope_;
  UpstreamList list_;
};

}  // namespace

base::Duration host_due_after(std::chrono::seconds ttl) {
  const base::Duration whole = std::clamp<base::Duration>(ttl, host_ttl_min, host_ttl_max);
  resolver::QuickRandom random;
  return whole - whole / 10000 * random.below(1000);
}

std::expected<UpstreamList, std::string> list_upstreams(const ForwardOptions& options,
                                                        const std::vector<ListenAddress>& own, NamedUpstreams& known,
                                                        bool keeps_hosts) {
  return Lister(options, own, known, keeps_hosts).list();
}

}  // namespace fairlead::server
