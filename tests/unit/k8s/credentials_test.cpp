#include "k8s/credentials.hpp"

#include <doctest/doctest.h>

#include <map>

#include "unit/k8s/temporary_directory.hpp"

using namespace fairlead::k8s;
using namespace fairlead::k8s::testing;

namespace {

const std::string pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

Environment environment(std::map<std::string, std::string> values) {
  return [values](const char* name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

}  // namespace

TEST_CASE("API server URLs") {
  struct Row {
    const char* text;
    const char* expected;  // nullptr: refused
  };
  for (const Row& row : {
           Row{"https://10.0.0.1:6443", "https://10.0.0.1:6443"},
           Row{"https://10.0.0.1", "https://10.0.0.1:443"},
           Row{"http://localhost:8080/", "http://localhost:8080"},
           Row{"http://localhost", "http://localhost:80"},
           Row{"https://[fd00::1]:6443", "https://[fd00::1]:6443"},
           Row{"https://[fd00::1]", "https://[fd00::1]:443"},
           Row{"https://rancher.example/k8s/clusters/c-1/", "https://rancher.example:443/k8s/clusters/c-1"},
           Row{"api.example:6443", "https://api.example:6443"},
           Row{"", nullptr},
           Row{"https://", nullptr},
           Row{"ftp://x", nullptr},
           Row{"https://fd00::1:6443", nullptr},
           Row{"https://[fd00::1", nullptr},
           Row{"https://[10.0.0.1]:1", nullptr},
           Row{"https://[fd00::1]x", nullptr},
           Row{"https://host:0", nullptr},
           Row{"https://host:65536", nullptr},
           Row{"https://host:6x", nullptr},
           Row{"https://host:", nullptr},
           Row{"https://user@host", nullptr},
           Row{"https://host/?a", nullptr},
           Row{"https://ho st", nullptr},
       }) {
    CAPTURE(row.text);
    const auto url = parse_api_url(row.text);
    REQUIRE(url.has_value() == (row.expected != nullptr));
    if (url) CHECK(url->to_string() == row.expected);
  }
}

TEST_CASE("a Pod finds its API server and service account") {
  const TemporaryDirectory directory;
  directory.write("token", "secret\n");
  directory.write("ca.crt", pem);
  for (const char* host : {"fd00::1", "[fd00::1]"}) {
    const auto access = in_cluster_access(environment({{"KUBERNETES_SERVICE_HOST", host},
                                                       {"KUBERNETES_SERVICE_PORT", "443"},
                                                       {"FAIRLEAD_SERVICEACCOUNT_DIR", directory.path()}}));
    REQUIRE_MESSAGE(access, access.error());
    CHECK(access->url.to_string() == "https://[fd00::1]:443");
    const Credentials credentials(*access);
    CHECK(credentials.bearer_token() == "secret");
    CHECK(credentials.read_tls()->ca == pem);
  }
}

TEST_CASE("what is missing in a Pod is said with its fix") {
  const TemporaryDirectory directory;
  const auto fault = [&](std::map<std::string, std::string> values) {
    values["FAIRLEAD_SERVICEACCOUNT_DIR"] = directory.path();
    const auto access = in_cluster_access(environment(values));
    REQUIRE_FALSE(access);
    return access.error();
  };
  const auto has = [](const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; };
  const std::map<std::string, std::string> good = {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"},
                                                   {"KUBERNETES_SERVICE_PORT", "443"}};
  CHECK(has(fault({}), "kubeconfig FILE"));
  CHECK(has(fault({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}}), "KUBERNETES_SERVICE_PORT"));
  CHECK(has(fault({{"KUBERNETES_SERVICE_HOST", "a b"}, {"KUBERNETES_SERVICE_PORT", "443"}}), "neither an address"));
  CHECK(has(fault({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "tcp://"}}), "not a number"));
  CHECK(has(fault(good), directory.file("token") + ": cannot be read: No such file"));
  CHECK(has(fault(good), "automountServiceAccountToken"));
  directory.write("token", "secret");
  CHECK(has(fault(good), directory.file("ca.crt")));
  directory.write("ca.crt", "nonsense");
  CHECK(has(fault(good), "holds no PEM"));
}

TEST_CASE("a token is read anew and outlives a file that fails for a moment") {
  const TemporaryDirectory directory;
  ApiAccess access;
  access.token_file = directory.file("token");
  const Credentials credentials(access);
  CHECK_FALSE(credentials.bearer_token());
  directory.write("token", " one \n");
  CHECK(credentials.bearer_token() == "one");
  directory.write("token", "two");
  CHECK(credentials.bearer_token() == "two");
  std::filesystem::remove(access.token_file);
  CHECK(credentials.bearer_token() == "two");
}

TEST_CASE("secrets do not appear in faults") {
  const TemporaryDirectory directory;
  ApiAccess access;
  access.token_file = directory.write("token", "top secret");
  const auto token = Credentials(access).bearer_token();
  REQUIRE_FALSE(token);
  CHECK(token.error().find("secret") == std::string::npos);
}

TEST_CASE("an endpoint takes certificate and key together") {
  const TemporaryDirectory directory;
  const std::string file = directory.write("x.pem", pem);
  CHECK(endpoint_access("https://h", file, file, file));
  CHECK(endpoint_access("http://h:8080", "", "", ""));
  CHECK(endpoint_access("h:8080", "", "", "")->url.tls == false);
  CHECK(endpoint_access("h:8080", "", "", file)->url.tls);
  CHECK(endpoint_access("https://h", file, "", "").error().find("client key is missing") != std::string::npos);
  CHECK(endpoint_access("https://h", "", file, "").error().find("client certificate is missing") != std::string::npos);
  CHECK(endpoint_access("https://h", "", "", directory.file("none")).error().find("cannot be read") !=
        std::string::npos);
  CHECK(endpoint_access("https://h", "", "", directory.path()).error().find("cannot be read") != std::string::npos);
  CHECK(endpoint_access("https://h", "", "", "/dev/zero").error().find("larger than") != std::string::npos);
}
