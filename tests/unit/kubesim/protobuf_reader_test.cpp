#include "tools/kubesim/protobuf_reader.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

std::string field(unsigned number, const std::string& octets) {
  std::string text;
  text.push_back(static_cast<char>(number << 3 | 2));
  text.push_back(static_cast<char>(octets.size()));
  return text + octets;
}
std::string field(unsigned number, char integer) { return {static_cast<char>(number << 3), integer}; }
std::string envelope(const std::string& kind, const std::string& object) {
  return std::string("k8s\0", 4) + field(1, field(1, "v1") + field(2, kind)) + field(2, object);
}

const std::string target_port = field(4, field(1, 1) + field(3, "web"));
const std::string port = field(1, "http") + field(2, "TCP") + field(3, 80) + target_port + field(5, 0);
const std::string metadata =
    field(1, "web") + field(3, "shop") + field(11, field(1, "app") + field(2, "web")) + field(8, "");
const std::string service = field(1, metadata) + field(2, field(1, port) + field(4, "ClusterIP") + field(13, 1));

TEST_CASE("the protobuf of a Service becomes the JSON of it") {
  const auto read = read_protobuf(kind::service(), envelope("Service", service));
  REQUIRE(read.has_value());
  CHECK(*read == *parse_json(R"({"apiVersion":"v1","kind":"Service",
    "metadata":{"name":"web","namespace":"shop","labels":{"app":"web"}},
    "spec":{"type":"ClusterIP","publishNotReadyAddresses":true,
            "ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":"web"}]}})"));
}

TEST_CASE("protobuf cut anywhere, or with any octet changed, is read or refused, never a crash") {
  const std::string whole = envelope("Service", service);
  for (std::size_t size = 0; size < whole.size(); ++size) (void)read_protobuf(kind::service(), whole.substr(0, size));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {1, 0x7f, 0x80, 0xff}) {
      std::string broken = whole;
      broken[at] = static_cast<char>(broken[at] ^ change);
      (void)read_protobuf(kind::service(), broken);
    }
  }
  CHECK_FALSE(read_protobuf(kind::service(), "").has_value());
  CHECK_FALSE(read_protobuf(kind::service(), "{}").has_value());
  CHECK_FALSE(read_protobuf(kind::service(), envelope("Service", "\x0a\x7f")).has_value());
  CHECK_FALSE(has_protobuf_schema(kind::pod()));
}

}  // namespace
}  // namespace fairlead::kubesim
