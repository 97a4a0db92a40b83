#include "tools/fairleadctl/explain_source.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "k8s/api_client.hpp"
#include "k8s/api_health.hpp"
#include "k8s/credentials.hpp"
#include "k8s/kubeconfig.hpp"
#include "k8s/object_store.hpp"
#include "k8s/publisher.hpp"
#include "k8s/reflector.hpp"
#include "k8s/tee_sink.hpp"
#include "tools/fairleadctl/kubeconfig_search.hpp"
#include "tools/fairleadctl/last_trouble.hpp"
#include "tools/fairleadctl/table_records.hpp"
#include "zones/base/published.hpp"

namespace fairlead::ctl {
namespace {

constexpr std::chrono::milliseconds poll_interval{5};

std::expected<k8s::ApiAccess, std::string> find_access(const Options& options) {
  if (!options.endpoint.empty()) {
    return k8s::endpoint_access(options.endpoint, options.client_certificate_file, options.client_key_file,
                                options.ca_file);
  }
  std::string file = options.kubeconfig_file;
  if (file.empty()) {
    auto found = find_kubeconfig();
    if (!found) return std::unexpected(found.error());
    file = *std::move(found);
  }
  return file.empty() ? k8s::in_cluster_access() : k8s::load_kubeconfig(file, options.kubeconfig_context);
}

// What a Namespace may be called; a selector that says something else is not sent.
bool is_label(const std::string& text) {
  return !text.empty() && std::ranges::all_of(text, [](char octet) {
    return (octet >= 'a' && octet <= 'z') || (octet >= '0' && octet <= '9') || octet == '-';
  });
}

// Names that exist without records.
std::vector<dns::DomainName> existing_names(const k8s::ClusterTable& table, const dns::DomainName& zone) {
  std::vector<dns::DomainName> names;
  table.forward.for_each([&](const zones::NameEntry& entry) {
    std::vector<std::uint8_t> wire(entry.key().begin(), entry.key().end());
    wire.insert(wire.end(), zone.view().data(), zone.view().data() + zone.view().size());
    if (auto name = dns::DomainName::from_wire(wire)) names.push_back(*std::move(name));
  });
  return names;
}

}  // namespace

std::expected<Explanation, std::string> explain_name(const Options& options) {
  NamedObjects objects(NameForm::of(options.name, options.zone));
  // What is answered elsewhere needs no API server.
  if (objects.form().kind == NameForm::Kind::outside) return explain(options.name, options.zone, objects, {}, {});

  auto access = find_access(options);
  if (!access) return std::unexpected(access.error());
  auto client = k8s::ApiClient::create(*std::move(access));
  if (!client) return std::unexpected(client.error());
  LastTrouble trouble;
  const base::SteadyClock clock;
  k8s::ApiHealth health((*client)->url(), clock, trouble.log());
  k8s::RecordOptions records;
  records.zone = options.zone;
  k8s::ObjectStore store({.records = records, .local_addresses = {}, .namespaces = {}});
  k8s::TeeSink both(objects, store);

  const std::string& space = objects.form().namespace_name;
  std::vector<std::unique_ptr<k8s::Reflector>> reflectors;
  for (const k8s::Kind kind : {k8s::Kind::kNamespace, k8s::Kind::service, k8s::Kind::endpoint_slice}) {
    k8s::ReflectorOptions reflector;
    reflector.kind = kind;
    reflector.log = trouble.log();
    if (is_label(space)) {
      reflector.field_selector = (kind == k8s::Kind::kNamespace ? "metadata.name=" : "metadata.namespace=") + space;
    }
    reflectors.push_back(std::make_unique<k8s::Reflector>(std::move(reflector), **client, both, health));
    reflectors.back()->start();
  }
  const auto deadline = std::chrono::steady_clock::now() + options.timeout;
  while (!store.is_listed() && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(poll_interval);
  const bool is_listed = store.is_listed();
  for (const auto& reflector : reflectors) reflector->request_stop();
  for (const auto& reflector : reflectors) reflector->stop();
  if (!is_listed) return std::unexpected(trouble.why_not_listed());

  const base::ReaderThread reader;
  k8s::ClusterTable table;
  k8s::Publisher publisher(store, table, {.ttl = options.ttl, .on_published = {}, .unix_time = {}});
  publisher.publish_pending();
  const auto listed = list_table(table, {.zone = options.zone, .ttl = options.ttl, .reverse = true});
  return explain(options.name, options.zone, objects, listed, existing_names(table, options.zone));
}

}  // namespace fairlead::ctl
