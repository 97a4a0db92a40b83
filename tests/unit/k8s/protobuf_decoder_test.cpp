#include "k8s/protobuf_decoder.hpp"

#include <doctest/doctest.h>

#include <sstream>

#include "k8s/json_decoder.hpp"
#include "k8s/protobuf_stream.hpp"
#include "k8s/wire_format.hpp"
#include "tools/kubesim/protobuf_writer.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using kubesim::Json;

namespace {

const kubesim::Kind& simulated(Kind kind) {
  switch (kind) {
    case Kind::kNamespace: return kubesim::kind::of_namespace();
    case Kind::service: return kubesim::kind::service();
    case Kind::pod: return kubesim::kind::pod();
    case Kind::endpoint_slice: break;
    case Kind::service_import: break;
  }
  return kubesim::kind::endpoint_slice();
}

std::string message_of(Kind kind, const Json& object) {
  return kubesim::write_protobuf(object, kubesim::protobuf_schema_of(simulated(kind)));
}

std::string wrapped(Kind kind, const Json& object) {
  return kubesim::wrap_protobuf(simulated(kind).api_version(), simulated(kind).name, message_of(kind, object));
}

/// Everything that a decoder makes of an object, to be compared as text.
std::string print(const DecodedObject& decoded) {
  std::ostringstream out;
  const auto addresses = [&](const char* what, const auto& list) {
    for (const auto& address : list) out << ' ' << what << '=' << address.to_string();
  };
  const auto ports = [&](const auto& list) {
    for (const auto& port : list) out << " port=" << port.name << '/' << int(port.protocol) << '/' << port.port;
  };
  out << decoded.key.namespace_name << '/' << decoded.key.name << " version=" << decoded.resource_version
      << " odd=" << decoded.odd_parts << " content=" << decoded.content.index();
  if (const auto* service = std::get_if<Service>(&decoded.content)) {
    out << " key=" << service->key.name << " type=" << int(service->type) << " headless=" << service->headless
        << " external=" << service->external_name;
    addresses("cluster", service->cluster_ips);
    addresses("external", service->external_ips);
    addresses("ingress", service->ingress_ips);
    for (const auto& name : service->ingress_names) out << " ingress=" << name;
    ports(service->ports);
  } else if (const auto* slice = std::get_if<EndpointSlice>(&decoded.content)) {
    out << " key=" << slice->key.name << " service=" << slice->service_name
        << " multicluster=" << slice->multicluster_service_name << " cluster=" << slice->source_cluster;
    if (slice->last_change) out << " change=" << slice->last_change->time_since_epoch().count();
    ports(slice->ports);
    for (const Endpoint& endpoint : slice->endpoints) {
      out << " endpoint ready=" << endpoint.ready << " host=" << endpoint.hostname
          << " pod=" << endpoint.target_ref_name << " zone=" << endpoint.zone;
      addresses("address", endpoint.addresses);
    }
  } else if (const auto* pod = std::get_if<Pod>(&decoded.content)) {
    out << " key=" << pod->key.name << " address=" << (pod->address ? pod->address->to_string() : "none");
  }
  return out.str();
}

std::string print(const std::expected<DecodedObject, DecodeFault>& decoded) {
  if (decoded) return print(*decoded);
  return (decoded.error().is_malformed ? "malformed: " : "refused: ") + decoded.error().text;
}

Json meta(const std::string& name, Json more = Json::object()) {
  Json metadata = {{"name", name}, {"namespace", "default"}, {"uid", "u-1"}, {"resourceVersion", "41"}};
  metadata.update(more);
  return metadata;
}

Json slice(Json more, Json metadata = Json::object()) {
  Json labels = {{"labels", {{"kubernetes.io/service-name", "web"}, {"other", "x"}}}};
  labels.update(metadata);
  Json object = {{"metadata", meta("web-1", labels)}, {"addressType", "IPv4"}};
  object.update(more);
  return object;
}

Json service(Json spec, Json more = Json::object()) {
  Json object = {{"metadata", meta("web")}, {"spec", std::move(spec)}};
  object.update(more);
  return object;
}

struct Row {
  const char* what;
  Kind kind;
  Json object;
};

const std::vector<Row>& table() {
  static const Json ready = {{"ready", true}, {"serving", true}, {"terminating", false}};
  static const std::vector<Row> rows{
      {"a Namespace", Kind::kNamespace, {{"metadata", {{"name", "default"}, {"resourceVersion", "7"}}}}},
      {"a Namespace without a name", Kind::kNamespace, {{"metadata", {{"uid", "x"}}}}},
      {"a Service with ports", Kind::service,
       service({{"type", "ClusterIP"},
                {"clusterIP", "10.0.0.1"},
                {"clusterIPs", {"10.0.0.1", "fd00::1"}},
                {"selector", {{"app", "web"}}},
                {"ports",
                 {{{"name", "http"}, {"protocol", "TCP"}, {"port", 80}, {"targetPort", "web"}},
                  {{"name", "dns"}, {"protocol", "UDP"}, {"port", 53}, {"targetPort", 5353}, {"nodePort", 30000}},
                  {{"name", "Odd_Name"}, {"protocol", "SCTP"}, {"port", 9}},
                  {{"name", "none"}, {"protocol", "QUIC"}, {"port", 9}},
                  {{"name", "far"}, {"port", 65536}},
                  {{"name", "minus"}, {"port", -1}}}}})},
      {"a headless Service", Kind::service, service({{"clusterIP", "None"}, {"clusterIPs", {"None"}}})},
      {"a Service before 1.20", Kind::service, service({{"clusterIP", "10.0.0.1"}})},
      {"a Service without an address yet", Kind::service, service({{"type", "NodePort"}, {"clusterIP", ""}})},
      {"an ExternalName", Kind::service,
       service({{"type", "ExternalName"}, {"externalName", "Db.Example.com."}, {"clusterIP", "10.0.0.1"}})},
      {"an ExternalName that is too long", Kind::service,
       service({{"type", "ExternalName"}, {"externalName", std::string(300, 'a')}})},
      {"a Service of an unknown type", Kind::service, service({{"type", "Tunnel"}})},
      {"a LoadBalancer with ingresses", Kind::service,
       service({{"type", "LoadBalancer"}, {"clusterIPs", {"10.0.0.1"}}, {"externalIPs", {"192.0.2.1", "x"}}},
               {{"status",
                 {{"loadBalancer",
                   {{"ingress", {{{"ip", "192.0.2.9"}}, {{"hostname", "lb.example.com"}}, {{"ip", "bad"}}}}}}}}})},
      {"a Service whose name is no label", Kind::service, {{"metadata", meta("no.label")}}},
      {"a Service without metadata", Kind::service, {{"spec", {{"clusterIP", "10.0.0.1"}}}}},
      {"a slice", Kind::endpoint_slice,
       slice({{"ports", {{{"name", "http"}, {"protocol", "TCP"}, {"port", 8080}}, {{"name", "every"}}}},
              {"endpoints",
               {{{"addresses", {"10.1.0.1"}},
                 {"conditions", ready},
                 {"hostname", "a"},
                 {"zone", "eu-1"},
                 {"targetRef", {{"kind", "Pod"}, {"namespace", "default"}, {"name", "web-0"}, {"uid", "u"}}}},
                {{"addresses", {"10.1.0.2"}}, {"conditions", {{"ready", false}}}},
                {{"addresses", {"10.1.0.3", "fd00::3", "x"}}, {"zone", std::string(64, 'z')}},
                {{"addresses", Json::array()}},
                {{"addresses", {"10.1.0.4"}},
                 {"hostname", "no.label"},
                 {"targetRef", {{"kind", "Node"}, {"name", "n"}}}}}}})},
      {"a slice of IPv6", Kind::endpoint_slice,
       slice({{"addressType", "IPv6"}, {"endpoints", {{{"addresses", {"fd00::3", "10.1.0.1"}}}}}})},
      {"a slice of host names", Kind::endpoint_slice,
       slice({{"addressType", "FQDN"}, {"endpoints", {{{"addresses", {"www.example.com"}}}}}})},
      {"a slice of no Service", Kind::endpoint_slice, slice(Json::object(), {{"labels", {{"a", "b"}}}})},
      {"a slice without addressType", Kind::endpoint_slice, {{"metadata", meta("web-1")}}},
      {"an imported slice", Kind::endpoint_slice,
       slice({{"endpoints", {{{"addresses", {"10.1.0.1"}}}}}},
             {{"labels",
               {{"multicluster.kubernetes.io/service-name", "web"},
                {"multicluster.kubernetes.io/source-cluster", "Cluster_A"}}}})},
      {"a slice that says when it changed", Kind::endpoint_slice,
       slice(Json::object(),
             {{"annotations",
               {{"endpoints.kubernetes.io/last-change-trigger-time", "2026-01-02T03:04:05.25Z"}, {"x", "y"}}}})},
      {"a slice with a time that is none", Kind::endpoint_slice,
       slice(Json::object(),
             {{"annotations", {{"endpoints.kubernetes.io/last-change-trigger-time", "yesterday at noon, UTC"}}}})},
      {"a Pod",
       Kind::pod,
       {{"metadata", meta("web-0")},
        {"spec", {{"nodeName", "n"}}},
        {"status", {{"phase", "Running"}, {"podIP", "10.1.0.1"}}}}},
      {"a Pod without an address", Kind::pod, {{"metadata", meta("web-0")}, {"status", {{"podIP", ""}}}}},
      {"a Pod with an odd address", Kind::pod, {{"metadata", meta("web-0")}, {"status", {{"podIP", "10.1"}}}}},
      {"a slice of a year that the clock does not have", Kind::endpoint_slice,
       slice(Json::object(),
             {{"annotations", {{"endpoints.kubernetes.io/last-change-trigger-time", "9298-01-02T03:04:05Z"}}}})},
      {"a Pod without a status", Kind::pod, {{"metadata", meta("web.0")}}},
  };
  return rows;
}

struct Items final : ListStream::Handler {
  explicit Items(Kind of) : decoder(of) {}
  void take_item(std::string& octets) override { seen.push_back(print(decoder.object(octets))); }
  ProtobufDecoder decoder;
  std::vector<std::string> seen;
};

struct Events final : WatchStream::Handler {
  bool take_event(std::string& octets) override {
    seen.push_back(octets);
    return seen.size() < 100;
  }
  std::vector<std::string> seen;
};

}  // namespace

TEST_CASE("JSON and protobuf give the same objects") {
  for (const Row& row : table()) {
    CAPTURE(row.what);
    std::string json = row.object.dump(), octets = message_of(row.kind, row.object);
    CHECK(print(ProtobufDecoder(row.kind).object(octets)) == print(JsonDecoder(row.kind).object(json)));
  }
  std::string changed = message_of(Kind::endpoint_slice, table()[18].object);
  const auto read = ProtobufDecoder(Kind::endpoint_slice).object(changed);
  REQUIRE(read);
  using namespace std::chrono;
  CHECK(std::get<EndpointSlice>(read->content).last_change == sys_days(year(2026) / 1 / 2) + 3h + 4min + 5s + 250ms);
}

TEST_CASE("Pod names and topology zones that nobody wants are passed over, and nothing else") {
  const auto without = [](std::string text, std::string_view field) {
    for (std::size_t at = 0; (at = text.find(field, at)) != std::string::npos;) {
      at += field.size();
      text.erase(at, text.find(' ', at) - at);
    }
    return text;
  };
  for (const Row& row : table()) {
    if (row.kind != Kind::endpoint_slice) continue;
    CAPTURE(row.what);
    const std::string json = row.object.dump(), octets = message_of(row.kind, row.object);
    const auto read = [&](WantedFields wanted) {
      std::string text = json, message = octets;
      const std::string one = print(JsonDecoder(row.kind, wanted).object(text));
      CHECK(print(ProtobufDecoder(row.kind, wanted).object(message)) == one);
      return one;
    };
    const std::string all = read({});
    CHECK(read({.pod_names = false, .topology_zones = true}) == without(all, "pod="));
    // A zone that is too long is no odd part of a slice when nobody looks at it.
    const std::string neither = read({.pod_names = false, .topology_zones = false});
    CHECK(without(neither, "odd=") == without(without(without(all, "pod="), "zone="), "odd="));
  }
}

TEST_CASE("a time of change that the clock cannot hold is none") {
  for (const char* time : {"9298-01-02T03:04:05Z", "2262-01-01T00:00:00Z", "1969-12-31T23:59:59Z"}) {
    std::string octets = message_of(
        Kind::endpoint_slice,
        slice(Json::object(), {{"annotations", {{"endpoints.kubernetes.io/last-change-trigger-time", time}}}}));
    const auto read = ProtobufDecoder(Kind::endpoint_slice).object(octets);
    REQUIRE(read);
    if (const auto* made = std::get_if<EndpointSlice>(&read->content)) CHECK_FALSE(made->last_change);
  }
}

TEST_CASE("JSON and protobuf give the same events") {
  for (const Row& row : table()) {
    for (const char* type : {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"}) {
      CAPTURE(row.what);
      CAPTURE(type);
      std::string json = Json({{"type", type}, {"object", row.object}}).dump();
      std::string octets = kubesim::protobuf_event(type, wrapped(row.kind, row.object)).substr(4);
      const auto one = JsonDecoder(row.kind).event(json), other = ProtobufDecoder(row.kind).event(octets);
      REQUIRE(one.has_value() == other.has_value());
      if (!one) {
        CHECK(one.error().text == other.error().text);
        CHECK(one.error().is_malformed == other.error().is_malformed);
        continue;
      }
      CHECK(one->type == other->type);
      CHECK(one->resource_version == other->resource_version);
      CHECK(print(one->object) == print(other->object));
    }
  }
}

TEST_CASE("the end of a streaming list is marked in protobuf too") {
  const Json mark = {
      {"metadata", {{"resourceVersion", "9"}, {"annotations", {{"k8s.io/initial-events-end", "true"}}}}}};
  std::string octets = kubesim::protobuf_event("BOOKMARK", wrapped(Kind::service, mark)).substr(4);
  const auto event = ProtobufDecoder(Kind::service).event(octets);
  REQUIRE(event);
  CHECK(event->ends_initial_events);
  CHECK(event->resource_version == "9");
}

TEST_CASE("an error is read from its Status, in a watch and as an answer") {
  const Json status = {{"status", "Failure"},
                       {"message", "too old resource version"},
                       {"reason", "Expired"},
                       {"details", {{"retryAfterSeconds", 3}}},
                       {"code", 410}};
  const std::string body =
      kubesim::wrap_protobuf("v1", "Status", kubesim::write_protobuf(status, kubesim::protobuf_schema_of_status()));
  std::string octets = kubesim::protobuf_event("ERROR", body).substr(4);
  const auto event = ProtobufDecoder(Kind::service).event(octets);
  REQUIRE(event);
  CHECK(event->type == WatchEvent::Type::error);
  for (const ApiStatus& read : {event->status, decode_status(body).value()}) {
    CHECK(read.code == 410);
    CHECK(read.reason == "Expired");
    CHECK(read.message == "too old resource version");
    CHECK(read.retry_after == std::chrono::seconds(3));
  }
  CHECK_FALSE(decode_status(wrapped(Kind::service, table()[2].object)));
  CHECK_FALSE(decode_status(body.substr(0, body.size() - 5)));
  CHECK(decode_status(R"({"kind":"Status","code":410})")->code == 410);
}

TEST_CASE("octets that are no protobuf are malformed, not an object") {
  for (std::string octets : {std::string("\xff\xff\xff"), std::string("\x0a\x7f"), std::string("\x0f"),
                             std::string("\x0b"), message_of(Kind::service, table()[2].object).substr(0, 40)}) {
    const auto read = ProtobufDecoder(Kind::service).object(octets);
    REQUIRE_FALSE(read);
    CHECK(read.error().is_malformed);
    CHECK_FALSE(ProtobufDecoder(Kind::service).event(octets));
  }
}

TEST_CASE("a field of another wire type is skipped as unknown") {
  std::string octets = std::string("\x08\x05", 2) + message_of(Kind::kNamespace, table()[0].object);
  CHECK(print(ProtobufDecoder(Kind::kNamespace).object(octets)) == "/default version=7 odd=0 content=1");
}

TEST_CASE("a list in protobuf gives its items one by one, however it is cut") {
  std::string items;
  std::vector<std::string> expected;
  for (const Row& row : table()) {
    if (row.kind != Kind::endpoint_slice) continue;
    std::string octets = message_of(row.kind, row.object);
    items += kubesim::protobuf_list_item(octets);
    expected.push_back(print(ProtobufDecoder(row.kind).object(octets)));
  }
  const Json metadata = {{"resourceVersion", "77"}, {"continue", "next"}, {"remainingItemCount", 3}};
  const std::string list = kubesim::protobuf_list_head(kubesim::kind::endpoint_slice(), metadata, items.size()) + items;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, std::size_t{64}, list.size()}) {
    Items handler(Kind::endpoint_slice);
    ProtobufListStream stream(handler);
    for (std::size_t at = 0; at < list.size(); at += piece) {
      CHECK_FALSE(stream.is_complete());
      REQUIRE(stream.feed(std::string_view(list).substr(at, piece)));
    }
    CHECK(stream.is_complete());
    CHECK(handler.seen == expected);
    const auto read = handler.decoder.list_metadata(stream.metadata());
    REQUIRE(read);
    CHECK(read->resource_version == "77");
    CHECK(read->continue_token == "next");
  }
}

TEST_CASE("an empty list is a list, and a list with something behind it too") {
  const std::string list = kubesim::protobuf_list_head(kubesim::kind::service(), {{"resourceVersion", "7"}}, 0);
  for (const std::string& text : {list, list + std::string("\x1a\x00\x22\x00", 4)}) {
    Items handler(Kind::service);
    ProtobufListStream stream(handler);
    CHECK(stream.feed(text));
    CHECK(stream.is_complete());
  }
}

TEST_CASE("what is no list in protobuf is malformed or never complete") {
  const Kind kind = Kind::service;
  const std::string item = kubesim::protobuf_list_item(message_of(kind, table()[2].object));
  const std::string list =
      kubesim::protobuf_list_head(kubesim::kind::service(), {{"resourceVersion", "7"}}, item.size());
  const auto fed = [&](const std::string& text) {
    Items handler(kind);
    ProtobufListStream stream(handler);
    const bool good = stream.feed(text);
    return std::pair(good, stream.is_complete());
  };
  CHECK(fed(list + item) == std::pair(true, true));
  CHECK(fed(list + item.substr(1)) == std::pair(false, false));
  CHECK_FALSE(fed(list + item.substr(0, item.size() - 1)).second);
  CHECK_FALSE(fed(list).second);
  CHECK_FALSE(fed("").second);
  CHECK(fed("{\"items\":[]}") == std::pair(false, false));
  CHECK(fed(wrapped(kind, table()[2].object)) == std::pair(false, false));           // no list
  CHECK(fed(list + item + std::string("\x1a\x01x", 3)) == std::pair(false, false));  // encoded once more
  CHECK(fed(list + item + list.substr(4)) == std::pair(false, false));               // two lists
  CHECK(fed(std::string("k8s\0", 4) + std::string(20, '\xff')) == std::pair(false, false));
}

TEST_CASE("an item above the limit is left out and counted, and the next is read") {
  const std::string huge = kubesim::protobuf_list_item(std::string(item_octets_max + 1, 'x'));
  const std::string item = kubesim::protobuf_list_item(message_of(Kind::kNamespace, table()[0].object));
  Items handler(Kind::kNamespace);
  ProtobufListStream stream(handler);
  CHECK(stream.feed(
      kubesim::protobuf_list_head(kubesim::kind::of_namespace(), Json::object(), huge.size() + item.size())));
  CHECK(stream.feed(huge));
  CHECK(stream.feed(item));
  CHECK(stream.is_complete());
  CHECK(stream.oversized_items() == 1);
  CHECK(handler.seen.size() == 1);
}

TEST_CASE("a watch in protobuf gives its events one by one, however it is cut, without those above the limit") {
  const std::string first = kubesim::protobuf_event("ADDED", "one"), second = kubesim::protobuf_event("ADDED", "two");
  const std::string huge = kubesim::protobuf_event("ADDED", std::string(event_octets_max, 'x'));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{5}, std::size_t{4096}}) {
    Events handler;
    ProtobufWatchStream stream(handler);
    const std::string all = first + (piece == 1 ? "" : huge) + std::string(4, '\0') + second;
    for (std::size_t at = 0; at < all.size(); at += piece)
      REQUIRE(stream.feed(std::string_view(all).substr(at, piece)));
    CHECK(handler.seen == std::vector<std::string>{first.substr(4), "", second.substr(4)});
    CHECK(stream.oversized_events() == (piece == 1 ? 0 : 1));
  }
}

TEST_CASE("the Content-Type says which format an answer has") {
  CHECK(format_of("application/vnd.kubernetes.protobuf") == WireFormat::protobuf);
  CHECK(format_of("application/vnd.kubernetes.protobuf;stream=watch") == WireFormat::protobuf);
  CHECK(format_of("application/json") == WireFormat::json);
  CHECK(format_of("application/json;charset=utf-8") == WireFormat::json);
  CHECK(format_of("") == WireFormat::json);
}
