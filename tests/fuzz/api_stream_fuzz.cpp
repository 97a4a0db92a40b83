// Any octets as the body of a list and of a watch, cut anywhere: the same objects whatever the cuts, names that can be
// labels, and nothing else.
//
// The first octet says which kind is read and in pieces of which size.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/json_decoder.hpp"
#include "k8s/list_stream.hpp"
#include "k8s/object_draft.hpp"
#include "k8s/watch_stream.hpp"

namespace {

using namespace fairlead::k8s;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const DecodedObject& decoded) {
  if (const auto* object = std::get_if<Namespace>(&decoded.content)) require(is_dns_label(object->name));
  if (const auto* object = std::get_if<Service>(&decoded.content)) {
    require(is_dns_label(object->key.name) && is_dns_label(object->key.namespace_name));
    require(!object->headless || object->cluster_ips.empty());
    for (const ServicePort& port : object->ports)
      require(port.port != 0 && (port.name.empty() || is_dns_label(port.name)));
  }
  if (const auto* object = std::get_if<ServiceImport>(&decoded.content)) {
    require(is_dns_label(object->key.name) && is_dns_label(object->key.namespace_name));
    require(!object->headless || object->ips.empty());
  }
  if (const auto* object = std::get_if<EndpointSlice>(&decoded.content)) {
    require(is_dns_label(object->key.namespace_name));
    require(is_dns_label(object->service_name) || object->service_name.empty());
    require(is_dns_label(object->multicluster_service_name) || object->multicluster_service_name.empty());
    require(!object->service_name.empty() || !object->multicluster_service_name.empty());
    require(is_cluster_id(object->source_cluster) || object->source_cluster.empty());
    for (const Endpoint& endpoint : object->endpoints) {
      require(!endpoint.addresses.empty());
      require(endpoint.hostname.empty() || is_dns_label(endpoint.hostname));
      for (const auto& address : endpoint.addresses) {
        require(address.is_v4() == object->endpoints.front().addresses.front().is_v4());
      }
    }
  }
}

struct List final : ListStream::Handler {
  explicit List(Kind kind) : decoder(kind) {}
  void take_item(std::string& json) override {
    items.push_back(json);
    if (const auto decoded = decoder.object(json)) check(*decoded);
  }
  JsonDecoder decoder;
  std::vector<std::string> items;
};

struct Watch final : WatchStream::Handler {
  explicit Watch(Kind kind) : decoder(kind) {}
  bool take_event(std::string& json) override {
    lines.push_back(json);
    const auto event = decoder.event(json);
    if (event) check(event->object);
    return !event || event->type != WatchEvent::Type::error;
  }
  JsonDecoder decoder;
  std::vector<std::string> lines;
};

template <typename Stream>
bool feed(Stream& stream, std::string_view text, std::size_t piece) {
  bool more = true;
  for (std::size_t at = 0; at < text.size() && more; at += piece) more = stream.feed(text.substr(at, piece));
  return more;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t octets) {
  if (octets == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, octets - 1);
  const auto kind = static_cast<Kind>(data[0] % kind_count);
  const std::size_t piece = 1 + data[0] / kind_count;

  List whole(kind), cut(kind);
  JsonListStream whole_stream(whole), cut_stream(cut);
  const bool whole_ok = feed(whole_stream, text, octets), cut_ok = feed(cut_stream, text, piece);
  require(whole_ok == cut_ok && whole_stream.is_complete() == cut_stream.is_complete());
  require(whole.items == cut.items);
  require(!whole_ok || whole_stream.metadata() == cut_stream.metadata());
  static_cast<void>(whole.decoder.list_metadata(whole_stream.metadata()));

  Watch whole_watch(kind), cut_watch(kind);
  JsonWatchStream whole_lines(whole_watch), cut_lines(cut_watch);
  require(feed(whole_lines, text, octets) == feed(cut_lines, text, piece));
  require(whole_watch.lines == cut_watch.lines);

  static_cast<void>(decode_json_status(text));
  return 0;
}
