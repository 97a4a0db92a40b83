// Objects in few words, and the names that come out of them as readable lines: "web.default.svc A 10.0.0.1".
#pragma once

#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8s/object_store.hpp"
#include "k8s/reverse_records.hpp"

namespace fairlead::k8s::test {

inline base::IpAddress address(std::string_view text) { return base::IpAddress::parse(text).value(); }

inline std::vector<base::IpAddress> addresses(std::initializer_list<const char*> texts) {
  std::vector<base::IpAddress> parsed;
  for (const auto* text : texts) parsed.push_back(address(text));
  return parsed;
}

/// "namespace/name"
inline ObjectKey key(std::string_view text) {
  const auto slash = text.find('/');
  return {std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

inline Service cluster_ip_service(std::string_view name, std::initializer_list<const char*> ips,
                                  std::vector<ServicePort> ports = {}) {
  return {.key = key(name), .cluster_ips = addresses(ips), .ports = std::move(ports), .external_name = {}};
}
inline Service headless_service(std::string_view name, std::vector<ServicePort> ports = {}) {
  return {.key = key(name), .headless = true, .cluster_ips = {}, .ports = std::move(ports), .external_name = {}};
}
inline Service external_service(std::string_view name, std::string target) {
  Service service{.key = key(name), .cluster_ips = {}, .ports = {}, .external_name = std::move(target)};
  service.type = Service::Type::external_name;
  return service;
}

inline Endpoint endpoint(std::initializer_list<const char*> ips, std::string hostname = {}, std::string pod = {}) {
  const auto all = addresses(ips);
  return {.addresses = {all.begin(), all.end()}, .hostname = std::move(hostname), .target_ref_name = std::move(pod)};
}
inline Endpoint not_ready(std::initializer_list<const char*> ips) {
  Endpoint made = endpoint(ips);
  made.ready = false;
  return made;
}
inline EndpointSlice slice(std::string_view name, std::string service, std::vector<EndpointPort> ports,
                           std::vector<Endpoint> endpoints) {
  return {.key = key(name),
          .service_name = std::move(service),
          .ports = std::move(ports),
          .endpoints = std::move(endpoints)};
}

inline std::string presentation(std::string_view wire) {
  std::string text;
  while (!wire.empty()) {
    const auto octets = static_cast<std::size_t>(static_cast<unsigned char>(wire[0]));
    if (!text.empty()) text += '.';
    text += wire.substr(1, octets);
    wire.remove_prefix(std::min(wire.size(), 1 + octets));
  }
  return text;
}

inline std::string reverse_presentation(std::string_view key) {
  const dns::NameBuffer name = reverse_name(key);
  return presentation({reinterpret_cast<const char*>(name.octets.data()), name.size - std::size_t{1}});
}

inline std::string presentation(const dns::DomainName& name) { return name.to_string(); }

inline std::vector<std::string> lines(const std::string& owner, const zones::NameContent& content) {
  std::vector<std::string> out;
  for (const auto& a : content.addresses) out.push_back((a.is_v4() ? " A " : " AAAA ") + a.to_string());
  for (const auto& srv : content.srvs) {
    const auto& target = content.targets.at(srv.target);
    std::string wire = target.label.empty() ? "" : static_cast<char>(target.label.size()) + target.label;
    if (!target.parent.empty()) wire += static_cast<char>(target.parent.size()) + target.parent;
    std::string line = " SRV 0 " + std::to_string(content.srv_weight) + " " + std::to_string(srv.port) + " " +
                       presentation(wire + content.srv_suffix) + " glue";
    for (const auto& glue : target.addresses) line += " " + glue.to_string();
    out.push_back(line);
  }
  if (content.cname) out.push_back(" CNAME " + presentation(*content.cname));
  for (const auto& ptr : content.ptrs) out.push_back(" PTR " + presentation(ptr));
  if (content.presence == zones::Presence::no_ready_endpoints) out.emplace_back(" no ready endpoints");
  if (out.empty()) out.emplace_back(" exists");
  for (auto& line : out) line.insert(0, owner);
  return out;
}

/// Keeps the names that a store publishes, and counts.
class RecordTable final : public NameWriter {
 public:
  void put_forward(const std::string& key, const zones::NameContent& content) override {
    put(presentation(key), content);
  }
  void erase_forward(const std::string& key) override { erase(presentation(key)); }
  void put_reverse(const base::IpAddress& address, const zones::NameContent& content) override {
    put(reverse_presentation(reverse_key(address)), content);
  }
  void erase_reverse(const base::IpAddress& address) override { erase(reverse_presentation(reverse_key(address))); }
  void put_apex(ApexNameservers nameservers) override { apex = std::move(nameservers); }
  void change_pods(const PodChanges&) override {}

  void put_external(const std::string& key, const zones::NameContent& content) override {
    put(presentation(key) + " outside", content);
  }
  void erase_external(const std::string& key) override { erase(presentation(key) + " outside"); }
  void put_external_reverse(const base::IpAddress& address, const zones::NameContent& content) override {
    put(reverse_presentation(reverse_key(address)) + " outside", content);
  }
  void erase_external_reverse(const base::IpAddress& address) override {
    erase(reverse_presentation(reverse_key(address)) + " outside");
  }
  void put_external_nameserver(std::optional<ExternalTable::Nameserver> nameserver) override {
    external_nameserver = std::move(nameserver);
  }

  /// All names, one record a line, with an empty line in front for the eye.
  std::string dump() const {
    std::string text = "\n";
    for (const auto& [owner, content] : names) {
      for (const auto& line : lines(owner, content)) text += line + "\n";
    }
    return text;
  }
  /// The lines of one name.
  std::string dump(const std::string& owner) const {
    std::string text = "\n";
    const auto found = names.find(owner);
    if (found == names.end()) return "\n" + owner + " does not exist\n";
    for (const auto& line : lines(owner, found->second)) text += line + "\n";
    return text;
  }

  std::map<std::string, zones::NameContent> names;
  ApexNameservers apex;
  std::optional<ExternalTable::Nameserver> external_nameserver;
  std::set<std::string> looked_at;  // put or erased

 private:
  void put(const std::string& owner, const zones::NameContent& content) {
    names[owner] = content;
    looked_at.insert(owner);
  }
  void erase(const std::string& owner) {
    names.erase(owner);
    looked_at.insert(owner);
  }
};

inline ObjectStoreOptions cluster_local(RecordOptions records = {}) {
  records.zone = dns::DomainName::parse("cluster.local").value();
  return {.records = std::move(records), .local_addresses = {}, .namespaces = {}};
}

/// The table of a store that was given the Namespace "default" and `objects`.
template <typename... Objects>
RecordTable table_of(RecordOptions records, Objects... objects) {
  ObjectStore store(cluster_local(std::move(records)));
  store.upsert(Namespace{"default"});
  (store.upsert(std::move(objects)), ...);
  RecordTable table;
  store.drain(table);
  return table;
}

}  // namespace fairlead::k8s::test
