#include "k8s/json_decoder.hpp"
#include "k8s/object_draft.hpp"

#include <doctest/doctest.h>

using namespace fairlead;
using namespace fairlead::k8s;

namespace {

base::IpAddress ip(std::string_view text) { return base::IpAddress::parse(text).value(); }

std::expected<DecodedObject, DecodeFault> decode(Kind kind, std::string json) { return JsonDecoder(kind).object(json); }

Service service(std::string json) {
  auto decoded = decode(Kind::service, std::move(json));
  REQUIRE_MESSAGE(decoded, decoded.error().text);
  CHECK(decoded->odd_parts == 0);
  return std::get<Service>(decoded->content);
}

EndpointSlice slice(std::string json) {
  auto decoded = decode(Kind::endpoint_slice, std::move(json));
  REQUIRE_MESSAGE(decoded, decoded.error().text);
  CHECK(decoded->odd_parts == 0);
  return std::get<EndpointSlice>(decoded->content);
}

std::string slice_json(std::string_view body) {
  return R"({"metadata":{"name":"web-1","namespace":"default","labels":{"kubernetes.io/service-name":"web"}},)" +
         std::string(body) + "}";
}

std::string service_json(std::string_view spec) {
  return R"({"metadata":{"name":"web","namespace":"default"},"spec":{)" + std::string(spec) + "}}";
}

}  // namespace

TEST_CASE("a Service is read with the fields that DNS needs") {
  std::string json =
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"default","uid":"u",)"
      R"("resourceVersion":"41","managedFields":[{"fieldsV1":{"f:spec":{}}}]},"spec":{"ports":[)"
      R"({"name":"http","protocol":"TCP","port":80,"targetPort":"http"},{"name":"dns","protocol":"UDP","port":53}],)"
      R"("selector":{"app":"web"},"clusterIP":"10.0.0.7","clusterIPs":["10.0.0.7","fd00::7"],"type":"LoadBalancer"},)"
      R"("status":{"loadBalancer":{}}})";
  auto decoded = decode(Kind::service, json);
  REQUIRE(decoded);
  CHECK(decoded->resource_version == "41");
  CHECK(decoded->key == ObjectKey{"default", "web"});
  const auto& read = std::get<Service>(decoded->content);
  CHECK(read.key == decoded->key);
  CHECK(read.type == Service::Type::load_balancer);
  CHECK_FALSE(read.headless);
  CHECK(read.cluster_ips == std::vector{ip("10.0.0.7"), ip("fd00::7")});
  CHECK(read.ports == std::vector<ServicePort>{{"http", Protocol::tcp, 80}, {"dns", Protocol::udp, 53}});
}

TEST_CASE("clusterIP None is headless, an address alone is enough, and none yet is none") {
  CHECK(service(service_json(R"("clusterIP":"None","clusterIPs":["None"])")).headless);
  CHECK(service(service_json(R"("clusterIP":"None")")).headless);
  CHECK(service(service_json(R"("clusterIP":"None","clusterIPs":["None"])")).cluster_ips.empty());
  CHECK(service(service_json(R"("clusterIP":"10.0.0.1")")).cluster_ips == std::vector{ip("10.0.0.1")});
  const Service pending = service(service_json(R"("clusterIP":"","type":"ClusterIP")"));
  CHECK_FALSE(pending.headless);
  CHECK(pending.cluster_ips.empty());
}

TEST_CASE("a spec that stands twice means the last one, not a Service that is headless and has addresses") {
  const Service read = service(R"({"metadata":{"name":"web","namespace":"default"},)"
                               R"("spec":{"clusterIP":"10.0.0.1","ports":[{"port":1}]},"spec":{"clusterIP":"None"}})");
  CHECK(read.headless);
  CHECK(read.cluster_ips.empty());
  CHECK(read.ports.empty());
}

TEST_CASE("an ExternalName keeps its target as given and has no addresses") {
  const Service read =
      service(service_json(R"("type":"ExternalName","externalName":"Db.Example.com.","clusterIP":"10.0.0.1")"));
  CHECK(read.type == Service::Type::external_name);
  CHECK(read.external_name == "Db.Example.com.");
  CHECK(read.cluster_ips.empty());
  CHECK(service(service_json(R"("type":"ClusterIP","externalName":"left.over")")).external_name.empty());
}

TEST_CASE("a port's protocol is TCP unless it says otherwise, and its name may be missing") {
  CHECK(service(service_json(R"("ports":[{"port":1},{"port":2,"protocol":"SCTP","name":null}])")).ports ==
        std::vector<ServicePort>{{"", Protocol::tcp, 1}, {"", Protocol::sctp, 2}});
}

TEST_CASE("what makes no sense in a Service is left out and counted") {
  struct Row {
    const char* spec;
    std::size_t ports, ips;
  };
  for (const Row& row : {Row{R"("ports":[{"port":0},{"port":80}])", 1, 0}, Row{R"("ports":[{"port":65536}])", 0, 0},
                         Row{R"("ports":[{"port":-1}])", 0, 0}, Row{R"("ports":[{"port":1,"protocol":"QUIC"}])", 0, 0},
                         Row{R"("ports":[{"port":1,"name":"No_Label"}])", 1, 0},
                         Row{R"("clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","nonsense"])", 0, 1},
                         Row{R"("clusterIP":"10.0.0.300")", 0, 0}}) {
    CAPTURE(row.spec);
    auto decoded = decode(Kind::service, service_json(row.spec));
    REQUIRE(decoded);
    CHECK(decoded->odd_parts == 1);
    CHECK(std::get<Service>(decoded->content).ports.size() == row.ports);
    CHECK(std::get<Service>(decoded->content).cluster_ips.size() == row.ips);
  }
}

TEST_CASE("a slice is read with ports, readiness, host names and Pod names") {
  const EndpointSlice read = slice(slice_json(
      R"("addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"},{"name":"","port":53,"protocol":"UDP"}],)"
      R"("endpoints":[{"addresses":["10.1.0.1"],"conditions":{"ready":true,"serving":true},"hostname":"web-0",)"
      R"("targetRef":{"kind":"Pod","name":"web-0","namespace":"default"}},)"
      R"({"addresses":["10.1.0.2"],"conditions":{"ready":false,"terminating":true}},)"
      R"({"addresses":["10.1.0.3","10.1.0.4"],"conditions":{"ready":null}},)"
      R"({"addresses":["10.1.0.5"],"conditions":{},"targetRef":{"kind":"Node","name":"n"}},)"
      R"({"addresses":["10.1.0.6"],"conditions":null,"targetRef":{"name":"a.b","kind":"Pod"}},{"addresses":["10.1.0.7"]}])"));
  CHECK(read.service_name == "web");
  CHECK(read.key == ObjectKey{"default", "web-1"});
  CHECK(read.ports == std::vector<EndpointPort>{{"http", Protocol::tcp, 8080}, {"", Protocol::udp, 53}});
  REQUIRE(read.endpoints.size() == 6);
  CHECK(read.endpoints[0].addresses == decltype(Endpoint::addresses){ip("10.1.0.1")});
  CHECK(read.endpoints[0].hostname == "web-0");
  CHECK(read.endpoints[0].target_ref_name == "web-0");
  CHECK_FALSE(read.endpoints[1].ready);
  for (const std::size_t i : {0, 2, 3, 4, 5}) CHECK(read.endpoints[i].ready);  // absent means ready
  CHECK(read.endpoints[2].addresses.size() == 2);
  CHECK(read.endpoints[3].target_ref_name.empty());
  CHECK(read.endpoints[4].target_ref_name.empty());  // no label: the address stands in for it
}

TEST_CASE("a slice's fields may come in any order and be missing") {
  CHECK(slice(R"({"endpoints":[{"addresses":["fd00::1"]}],"ports":null,"addressType":"IPv6","metadata":{"labels":)"
              R"({"kubernetes.io/service-name":"web"},"namespace":"default","name":"web.1"}})")
            .endpoints[0]
            .addresses == decltype(Endpoint::addresses){ip("fd00::1")});
  CHECK(slice(slice_json(R"("addressType":"IPv4","endpoints":null)")).endpoints.empty());
  CHECK(slice(slice_json(R"("addressType":"IPv4")")).ports.empty());
  // Every port: nothing that an SRV record could say.
  CHECK(slice(slice_json(R"("addressType":"IPv4","ports":[{"name":"all","port":null},{"port":1,"protocol":null}])"))
            .ports == std::vector<EndpointPort>{{"", Protocol::tcp, 1}});
}

TEST_CASE("slices of host names and slices of no Service are of no interest, but their key is known") {
  for (const std::string& json :
       {slice_json(R"("addressType":"FQDN","endpoints":[{"addresses":["a.example"]}])"),
        std::string(R"({"metadata":{"name":"web-1","namespace":"default"},"addressType":"IPv4"})"),
        std::string(R"({"metadata":{"name":"web-1","namespace":"default","labels":null},"addressType":"IPv4"})")}) {
    CAPTURE(json);
    const auto decoded = decode(Kind::endpoint_slice, json);
    REQUIRE(decoded);
    CHECK(std::holds_alternative<std::monostate>(decoded->content));
    CHECK(decoded->key == ObjectKey{"default", "web-1"});
    CHECK(decoded->odd_parts == 0);
  }
}

TEST_CASE("addresses of the wrong family and odd host names are left out and counted") {
  for (const char* body : {R"("addressType":"IPv4","endpoints":[{"addresses":["fd00::1"]},{"addresses":["10.0.0.1"]}])",
                           R"("endpoints":[{"addresses":["fd00::1"]},{"addresses":["10.0.0.1"]}],"addressType":"IPv4")",
                           R"("addressType":"IPv4","endpoints":[{"addresses":["x"]},{"addresses":["10.0.0.1"]}])",
                           R"("addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"hostname":"A.b"}])"}) {
    CAPTURE(body);
    const auto decoded = decode(Kind::endpoint_slice, slice_json(body));
    REQUIRE(decoded);
    CHECK(decoded->odd_parts == 1);
    const auto& read = std::get<EndpointSlice>(decoded->content);
    REQUIRE(read.endpoints.size() == 1);
    CHECK(read.endpoints[0].addresses == decltype(Endpoint::addresses){ip("10.0.0.1")});
    CHECK(read.endpoints[0].hostname.empty());
  }
}

TEST_CASE("a Service's external addresses are those of its spec and of its load balancer, by address or by name") {
  const Service read =
      service(R"({"metadata":{"name":"web","namespace":"default"},"status":{"loadBalancer":{"ingress":[)"
              R"({"ip":"192.0.2.1","hostname":"ignored.example.org","ipMode":"VIP"},{"hostname":"lb.example.org"},{},)"
              R"({"ip":"","hostname":"Second.example.org."},{"ip":"2001:db8::1"}]}},)"
              R"("spec":{"clusterIP":"10.0.0.1","externalIPs":["198.51.100.1","2001:db8::2"]}})");
  CHECK(read.cluster_ips == std::vector{ip("10.0.0.1")});
  CHECK(read.external_ips == std::vector{ip("198.51.100.1"), ip("2001:db8::2")});
  CHECK(read.ingress_ips == std::vector{ip("192.0.2.1"), ip("2001:db8::1")});
  CHECK(read.ingress_names == std::vector<std::string>{"lb.example.org", "Second.example.org."});
  for (const char* status : {"null", "{}", R"({"loadBalancer":null})", R"({"loadBalancer":{"ingress":null}})"}) {
    CHECK(service(R"({"metadata":{"name":"web","namespace":"default"},"status":)" + std::string(status) + "}")
              .ingress_ips.empty());
  }
  const auto odd = decode(Kind::service, R"({"metadata":{"name":"web","namespace":"default"},)"
                                         R"("spec":{"externalIPs":["x","10.0.0.1"]},)"
                                         R"("status":{"loadBalancer":{"ingress":[{"ip":"y"},{"hostname":")" +
                                             std::string(300, 'h') + R"("}]}}})");
  REQUIRE(odd);
  CHECK(odd->odd_parts == 3);
  CHECK(std::get<Service>(odd->content).external_ips == std::vector{ip("10.0.0.1")});
  CHECK(std::get<Service>(odd->content).ingress_names.empty());
  CHECK_FALSE(decode(Kind::service, service_json(R"("externalIPs":"10.0.0.1")")));
  CHECK_FALSE(decode(Kind::service, R"({"metadata":{"name":"web","namespace":"default"},"status":7})"));
}

TEST_CASE("an endpoint keeps its topology zone, and an imported slice its Service and its cluster") {
  const EndpointSlice read = slice(
      R"({"metadata":{"name":"web-1","namespace":"default","labels":{)"
      R"("multicluster.kubernetes.io/source-cluster":"Cluster-1","multicluster.kubernetes.io/service-name":"web"}},)"
      R"("addressType":"IPv4","endpoints":[{"addresses":["10.1.0.1"],"zone":"Corp.example.com"},)"
      R"({"addresses":["10.1.0.2"],"zone":null}]})");
  CHECK(read.service_name.empty());
  CHECK(read.multicluster_service_name == "web");
  CHECK(read.source_cluster == "Cluster-1");
  REQUIRE(read.endpoints.size() == 2);
  CHECK(read.endpoints[0].zone == "Corp.example.com");
  CHECK(read.endpoints[1].zone.empty());
  const auto odd =
      decode(Kind::endpoint_slice,
             R"({"metadata":{"name":"web-1","namespace":"default","labels":{"kubernetes.io/service-name":"web",)"
             R"("multicluster.kubernetes.io/service-name":"a.b","multicluster.kubernetes.io/source-cluster":"c.d"}},)"
             R"("addressType":"IPv4","endpoints":[{"addresses":["10.1.0.1"],"zone":")" +
                 std::string(64, 'z') + R"("}]})");
  REQUIRE(odd);
  CHECK(odd->odd_parts == 3);
  const auto& kept = std::get<EndpointSlice>(odd->content);
  CHECK(kept.service_name == "web");
  CHECK(kept.multicluster_service_name.empty());
  CHECK(kept.source_cluster.empty());
  CHECK(kept.endpoints.at(0).zone.empty());
}

TEST_CASE("a ServiceImport is read from its spec") {
  const auto import = [](std::string_view spec) {
    return decode(Kind::service_import, R"({"apiVersion":"multicluster.x-k8s.io/v1alpha1","kind":"ServiceImport",)"
                                        R"("metadata":{"name":"web","namespace":"default"},"spec":)" +
                                            std::string(spec) + R"(,"status":{"clusters":[{"cluster":"c1"}]}})");
  };
  const auto decoded = import(R"({"type":"ClusterSetIP","ips":["10.42.0.1","fd42::1"],"sessionAffinity":"None",)"
                              R"("ports":[{"name":"http","port":80,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]})");
  REQUIRE(decoded);
  const auto& read = std::get<ServiceImport>(decoded->content);
  CHECK(read.key == ObjectKey{"default", "web"});
  CHECK_FALSE(read.headless);
  CHECK(read.ips == std::vector{ip("10.42.0.1"), ip("fd42::1")});
  CHECK(read.ports == std::vector<ServicePort>{{"http", Protocol::tcp, 80}, {"", Protocol::udp, 53}});
  const auto headless = import(R"({"type":"Headless","ips":["10.42.0.1"]})");
  REQUIRE(headless);
  CHECK(std::get<ServiceImport>(headless->content).headless);
  CHECK(std::get<ServiceImport>(headless->content).ips.empty());
  CHECK(import("null").has_value());
  CHECK(import(R"({"ips":["x"]})").value().odd_parts == 1);
  CHECK_FALSE(import(R"({"type":"Other"})"));
  CHECK_FALSE(import("7"));
  CHECK_FALSE(decode(Kind::service_import, R"({"metadata":{"name":"a.b","namespace":"default"},"spec":{}})"));
}

TEST_CASE("a Pod is its primary address") {
  struct Row {
    const char* status;
    std::optional<base::IpAddress> address;
    std::uint32_t odd_parts;
  };
  for (const Row& row :
       std::vector<Row>{{R"({"phase":"Running","podIP":"10.0.0.9","podIPs":[{"ip":"10.0.0.9"},{"ip":"fd00::9"}]})",
                         ip("10.0.0.9"), 0},
                        {R"({"podIP":"fd00::9"})", ip("fd00::9"), 0},
                        {R"({"phase":"Pending"})", {}, 0},
                        {R"({"podIP":""})", {}, 0},
                        {R"({"podIP":null})", {}, 0},
                        {R"({"podIP":"10.0.0"})", {}, 1}}) {
    CAPTURE(row.status);
    const auto decoded = decode(
        Kind::pod, R"({"metadata":{"name":"web-0.x","namespace":"default"},"status":)" + std::string(row.status) + "}");
    REQUIRE(decoded);
    CHECK(decoded->odd_parts == row.odd_parts);
    CHECK(std::get<Pod>(decoded->content).key == ObjectKey{"default", "web-0.x"});
    CHECK(std::get<Pod>(decoded->content).address == row.address);
  }
  CHECK_FALSE(decode(Kind::pod, R"({"metadata":{"name":"a","namespace":"default"},"status":{"podIP":7}})"));
  CHECK_FALSE(decode(Kind::pod, R"({"metadata":{"name":"a"},"status":{"podIP":"10.0.0.9"}})"));
}

TEST_CASE("a Namespace is its name") {
  const auto decoded = decode(Kind::kNamespace, R"({"metadata":{"name":"kube-system","namespace":"?"},"status":{}})");
  REQUIRE(decoded);
  CHECK(decoded->key == ObjectKey{"", "kube-system"});
  CHECK(std::get<Namespace>(decoded->content).name == "kube-system");
}

TEST_CASE("objects with missing or odd names and fields of wrong types are refused") {
  const std::string long_label(64, 'a');
  for (const std::string& json : {
           std::string("1"),
           std::string("null"),
           std::string("[]"),
           std::string("{}"),
           std::string(R"({"metadata":{}})"),
           std::string(R"({"metadata":[]})"),
           std::string(R"({"metadata":{"name":"web"}})"),
           std::string(R"({"metadata":{"name":1,"namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"a.b","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"-a","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"a-","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"Web","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"w\u0000b","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"w\u00e4b","namespace":"default"}})"),
           std::string(R"({"metadata":{"name":"web","namespace":"a/b"}})"),
           R"({"metadata":{"name":")" + long_label + R"(","namespace":"default"}})",
           service_json(R"("type":"Telepathy")"),
           service_json(R"("type":7)"),
           service_json(R"("ports":{})"),
           service_json(R"("ports":[1])"),
           service_json(R"("ports":[{"port":"http"}])"),
           service_json(R"("ports":[{"port":1.5}])"),
           service_json(R"("clusterIPs":"10.0.0.1")"),
           service_json(R"("clusterIPs":[1])"),
           std::string(R"({"metadata":{"name":"web","namespace":"default"},"spec":"x"})"),
           std::string(R"({"metadata":{"name":"web","namespace":"default"},"spec":{"ports":[{]}})"),
           std::string("{\"metadata\":{\"name\":\"\xff\",\"namespace\":\"default\"}}"),
           std::string(R"({"metadata":{"name":"we)"),
       }) {
    CAPTURE(json);
    CHECK_FALSE(decode(Kind::service, json));
  }
  CHECK_FALSE(decode(Kind::endpoint_slice, slice_json(R"("endpoints":[])")));
  CHECK_FALSE(
      decode(Kind::endpoint_slice, slice_json(R"("addressType":"IPv4","endpoints":[{"conditions":{"ready":1}}])")));
}

TEST_CASE("no truncation of an object crashes the decoder") {
  const std::string whole =
      slice_json(R"("addressType":"IPv4","ports":[{"name":"http","port":80}],"endpoints":[{"addresses":["10.0.0.1"],)"
                 R"("conditions":{"ready":true},"targetRef":{"kind":"Pod","name":"a"}}])");
  for (std::size_t octets = 0; octets < whole.size(); ++octets) {
    CHECK_FALSE(decode(Kind::endpoint_slice, whole.substr(0, octets)));
  }
  CHECK(decode(Kind::endpoint_slice, whole));
}

TEST_CASE("a decoder reads on behind malformed and huge texts") {
  JsonDecoder decoder(Kind::kNamespace);
  std::string bad = R"({"metadata":{"name":)", good = R"({"metadata":{"name":"a"}})";
  std::string huge = R"({"x":[)" + std::string(4'000'000, '[') + "}";
  CHECK_FALSE(decoder.object(bad));
  CHECK(decoder.object(good));
  CHECK_FALSE(decoder.object(huge));
  CHECK(decoder.object(good));
}

TEST_CASE("watch events are read, whichever field comes first") {
  JsonDecoder decoder(Kind::service);
  const auto event = [&](std::string json) { return decoder.event(json); };
  const std::string object = R"({"metadata":{"name":"web","namespace":"default","resourceVersion":"9"},"spec":{}})";
  for (const std::string& json :
       {R"({"type":"ADDED","object":)" + object + "}", R"({"object":)" + object + R"(,"type":"MODIFIED"})"}) {
    const auto read = event(json);
    REQUIRE_MESSAGE(read, read.error().text);
    CHECK(read->type == WatchEvent::Type::added_or_modified);
    CHECK(read->resource_version == "9");
    CHECK(std::holds_alternative<Service>(read->object.content));
  }
  const auto deleted = event(R"({"type":"DELETED","object":)" + object + "}");
  REQUIRE(deleted);
  CHECK(deleted->type == WatchEvent::Type::deleted);
  CHECK(deleted->object.key == ObjectKey{"default", "web"});
  CHECK(deleted->resource_version == "9");
  const auto bookmark = event(
      R"({"type":"BOOKMARK","object":{"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":"12746","creationTimestamp":null},"spec":{},"status":{"loadBalancer":{}}}})");
  REQUIRE(bookmark);
  CHECK(bookmark->type == WatchEvent::Type::bookmark);
  CHECK(bookmark->resource_version == "12746");
  const auto error = event(
      R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1","reason":"Expired","code":410
}
})");
  REQUIRE(error);
  CHECK(error->type == WatchEvent::Type::error);
  CHECK(error->status.code == 410);
  CHECK(error->status.reason == "Expired");
  for (const char* odd :
       {"{}", "x", R"({"type":"ADDED"})", R"({"type":"NEW","object":{}})", R"({"type":"ADDED","object":{}})",
        R"({"type":1,"object":{}})", R"({"type":"DELETED","object":{"metadata":{}}})", R"({"object":{}})"}) {
    CAPTURE(odd);
    CHECK_FALSE(event(odd));
  }
}

TEST_CASE("what is no JSON or no event is told from an object that makes no sense") {
  JsonDecoder decoder(Kind::service);
  const auto is_malformed = [&](std::string json) {
    const auto event = decoder.event(json);
    REQUIRE_FALSE(event);
    return event.error().is_malformed;
  };
  CHECK(is_malformed("garbage"));
  CHECK(is_malformed(R"({"type":"ADDED","object":{"metadata":{"name":"we)"));
  CHECK(is_malformed(R"({"type":"ADDED"})"));
  CHECK(is_malformed(R"({"type":"LOST","object":{}})"));
  CHECK_FALSE(is_malformed(R"({"type":"ADDED","object":{"metadata":{"name":"A B","namespace":"x"}}})"));
  CHECK_FALSE(is_malformed(R"({"type":"ADDED","object":{"metadata":7}})"));
}

TEST_CASE("list metadata gives the resource version and the continue token") {
  JsonDecoder decoder(Kind::service);
  std::string json = R"({"continue":"ey+/=","remainingItemCount":1,"resourceVersion":"123"})";
  const auto metadata = decoder.list_metadata(json);
  REQUIRE(metadata);
  CHECK(metadata->resource_version == "123");
  CHECK(metadata->continue_token == "ey+/=");
  std::string odd = R"({"resourceVersion":5})", empty;
  CHECK_FALSE(decoder.list_metadata(odd));
  CHECK_FALSE(decoder.list_metadata(empty));
}

TEST_CASE("a Status is told from other bodies") {
  const auto status = decode_json_status(
      R"({"kind":"Status","metadata":{},"status":"Failure","message":"slow down","reason":"TooManyRequests","details":{"retryAfterSeconds":3},"code":429})");
  REQUIRE(status);
  CHECK(status->code == 429);
  CHECK(status->message == "slow down");
  CHECK(status->retry_after == std::chrono::seconds(3));
  for (const char* other : {"", "<html>", "{}", R"({"kind":"ServiceList"})", R"({"kind":"Status","code")"})
    CHECK_FALSE(decode_json_status(other));
}
