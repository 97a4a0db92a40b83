#include "k8s/kubeconfig.hpp"

#include <doctest/doctest.h>

#include "unit/k8s/temporary_directory.hpp"

using namespace fairlead::k8s;
using namespace fairlead::k8s::testing;

namespace {

// "-----BEGIN X-----\n" in base64.
const std::string pem_data = "LS0tLS1CRUdJTiBYLS0tLS0K";
const std::string pem = "-----BEGIN X-----\n";

std::string config(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts:\n- name: here\n  context: {cluster: c, user: u, namespace: x}\n"
         "- name: there\n  context: {cluster: d}\n- name: broken\n  context: {cluster: nowhere}\n"
         "- name: empty\n"
         "clusters:\n- name: d\n  cluster: {server: 'http://127.0.0.1:8001'}\n- name: c\n  cluster: " +
         cluster + "\nusers:\n- name: u\n  user: " + user + "\n";
}

}  // namespace

TEST_CASE("the current context leads to a cluster and a user") {
  const auto access =
      parse_kubeconfig(config("{server: 'https://[fd00::1]:6443', certificate-authority-data: " + pem_data +
                                  ", tls-server-name: api.test}",
                              "{client-certificate-data: " + pem_data + ", client-key-data: " + pem_data + "}"),
                       "/x/config");
  REQUIRE_MESSAGE(access, access.error());
  CHECK(access->url.to_string() == "https://[fd00::1]:6443");
  CHECK(access->ca.text == pem);
  CHECK(access->client_certificate.text == pem);
  CHECK(access->client_key.text == pem);
  CHECK(access->tls_server_name == "api.test");
  CHECK_FALSE(access->skip_tls_verify);
}

TEST_CASE("a named context wins over the current one, and needs no user") {
  const auto access = parse_kubeconfig(config("{}", "{}"), "config", "there");
  REQUIRE_MESSAGE(access, access.error());
  CHECK(access->url.to_string() == "http://127.0.0.1:8001");
  CHECK(Credentials(*access).bearer_token() == "");
}

TEST_CASE("files are relative to the kubeconfig and read when they are used") {
  const TemporaryDirectory directory;
  directory.write("ca.crt", pem);
  directory.write("t", "from file");
  directory.write("t", "fromfile");
  const std::string path = directory.write(
      "config", config("{server: 'https://h', certificate-authority: ca.crt}", "{tokenFile: t, token: inline}"));
  const auto access = load_kubeconfig(path);
  REQUIRE_MESSAGE(access, access.error());
  CHECK(access->ca.file == directory.file("ca.crt"));
  CHECK(Credentials(*access).bearer_token() == "fromfile");
}

TEST_CASE("a token beside an exec plugin is used, as kubectl does") {
  const auto access = parse_kubeconfig(
      config("{server: 'https://h', insecure-skip-tls-verify: true}", "{token: abc, exec: {command: aws}}"), "config");
  REQUIRE_MESSAGE(access, access.error());
  CHECK(access->skip_tls_verify);
  CHECK(Credentials(*access).bearer_token() == "abc");
}

TEST_CASE("what is wrong with a kubeconfig is said with file and field") {
  struct Row {
    std::string text, context, expected;
  };
  const std::string server = "{server: 'https://h'}";
  for (const Row& row : {
           Row{"", "", "config: is no kubeconfig"},
           Row{"just text", "", "config: is no kubeconfig"},
           Row{"a: [", "", "config: is no YAML"},
           Row{"a: b", "", "current-context: is missing"},
           Row{"a: b", "x", "contexts: there is none with the name x"},
           Row{"current-context: [x]", "", "current-context: is no text"},
           Row{"contexts: {a: b}", "x", "contexts: there is none"},
           Row{config(server, "{}"), "nope", "contexts: there is none with the name nope"},
           Row{config(server, "{}"), "broken", "clusters: there is none with the name nowhere"},
           Row{config(server, "{}"), "empty", "contexts[empty].context: is missing"},
           Row{config("{}", "{}"), "", "clusters[c].cluster.server: is missing"},
           Row{config("[]", "{}"), "", "clusters[c].cluster: is missing"},
           Row{config("{server: 'https://fd00::1'}", "{}"), "", "clusters[c].cluster.server: API server URL"},
           Row{config("{server: h, certificate-authority: /does/not/exist}", "{}"), "",
               "/does/not/exist: cannot be read"},
           Row{config("{server: h, certificate-authority-data: '*'}", "{}"), "",
               "certificate-authority-data: is no base64"},
           Row{config("{server: h, certificate-authority-data: AAAA}", "{}"), "",
               "certificate-authority-data: holds no PEM"},
           Row{config("{server: h, insecure-skip-tls-verify: 1}", "{}"), "", "insecure-skip-tls-verify: is neither"},
           Row{config("{server: h, insecure-skip-tls-verify: true, certificate-authority-data: " + pem_data + "}",
                      "{}"),
               "", "remove one of them"},
           Row{config("{server: h, proxy-url: 'http://p'}", "{}"), "", "proxy-url: is not supported"},
           Row{config(server, "{exec: {command: aws}}"), "", "users[u].user.exec: is not supported"},
           Row{config(server, "{auth-provider: {name: gcp}}"), "", "users[u].user.auth-provider: is not supported"},
           Row{config(server, "{username: a, password: b}"), "", "users[u].user.username: is not supported"},
           Row{config(server, "{client-key-data: " + pem_data + "}"), "",
               "users[u].user.client-certificate: is missing"},
           Row{config(server, "{client-certificate-data: " + pem_data + "}"), "",
               "users[u].user.client-key: is missing"},
           Row{config(server, "{tokenFile: /does/not/exist}"), "", "/does/not/exist: cannot be read"},
           Row{config(server, "text"), "", "users[u].user: is missing"},
       }) {
    CAPTURE(row.text);
    const auto access = parse_kubeconfig(row.text, "config", row.context);
    REQUIRE_FALSE(access);
    CHECK_MESSAGE(access.error().find(row.expected) != std::string::npos, access.error());
  }
  CHECK(load_kubeconfig("/does/not/exist").error().find("/does/not/exist: cannot be read") != std::string::npos);
}
