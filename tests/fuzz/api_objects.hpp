// What the fuzz targets of both forms of API objects require: the same items and events however the octets are cut, and
// objects that hold nothing but names that can be labels, of addresses of one family.
//
// Threads: none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "k8s/object_decoder.hpp"
#include "k8s/object_draft.hpp"
#include "k8s/object_stream.hpp"

namespace fairlead::k8s::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

inline void check(const DecodedObject& decoded) {
  if (const auto* object = std::get_if<Namespace>(&decoded.content)) require(is_dns_label(object->name));
  if (const auto* object = std::get_if<Service>(&decoded.content)) {
    require(is_dns_label(object->key.name) && is_dns_label(object->key.namespace_name));
    require(!object->headless || object->cluster_ips.empty());
    for (const ServicePort& port : object->ports) {
      require(port.port != 0 && (port.name.empty() || is_dns_label(port.name)));
    }
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

template <typename Decoder>
struct List final : ListStream::Handler {
  explicit List(Kind kind) : decoder(kind) {}
  void take_item(std::string& octets) override {
    items.push_back(octets);
    if (const auto decoded = decoder.object(octets)) check(*decoded);
  }
  Decoder decoder;
  std::vector<std::string> items;
};

template <typename Decoder>
struct Watch final : WatchStream::Handler {
  explicit Watch(Kind kind) : decoder(kind) {}
  bool take_event(std::string& octets) override {
    events.push_back(octets);
    const auto event = decoder.event(octets);
    if (event) check(event->object);
    return !event || event->type != WatchEvent::Type::error;
  }
  Decoder decoder;
  std::vector<std::string> events;
};

template <typename Stream>
bool feed(Stream& stream, std::string_view text, std::size_t piece) {
  bool more = true;
  for (std::size_t at = 0; at < text.size() && more; at += piece) more = stream.feed(text.substr(at, piece));
  return more;
}

/// The input of a target: its first octet says which kind is read and in pieces of which size.
struct Input {
  Input(const std::uint8_t* data, std::size_t octets)
      : text(reinterpret_cast<const char*>(data) + 1, octets - 1),
        kind(static_cast<Kind>(data[0] % kind_count)),
        piece(1 + data[0] / kind_count) {}
  std::string_view text;
  Kind kind;
  std::size_t piece;
};

/// Reads the text as a list and as a watch, each whole and in pieces, and as an object.
template <typename Decoder, typename ListForm, typename WatchForm>
void read_all_ways(const Input& input) {
  const std::size_t all = input.text.size() + 1;
  List<Decoder> whole(input.kind), cut(input.kind);
  ListForm whole_list(whole), cut_list(cut);
  const bool whole_ok = feed(whole_list, input.text, all), cut_ok = feed(cut_list, input.text, input.piece);
  require(whole_ok == cut_ok && whole_list.is_complete() == cut_list.is_complete());
  require(whole.items == cut.items);
  require(!whole_ok || whole_list.metadata() == cut_list.metadata());
  static_cast<void>(whole.decoder.list_metadata(whole_list.metadata()));

  Watch<Decoder> whole_watch(input.kind), cut_watch(input.kind);
  WatchForm whole_events(whole_watch), cut_events(cut_watch);
  require(feed(whole_events, input.text, all) == feed(cut_events, input.text, input.piece));
  require(whole_watch.events == cut_watch.events);

  std::string object(input.text);
  if (const auto decoded = whole.decoder.object(object)) check(*decoded);
}

}  // namespace fairlead::k8s::fuzz
