#include "server/config/directive_options.hpp"

#include <doctest/doctest.h>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

using namespace std::chrono_literals;

std::string names(const std::vector<dns::DomainName>& zones) {
  std::string text;
  for (const auto& zone : zones) text += (text.empty() ? "" : " ") + zone.to_string();
  return text;
}

TEST_CASE("defaults are CoreDNS's") {
  const DirectiveOptions options =
      options_of("errors\nhealth\nready\nprometheus\ncache\nloop\nreload\nloadbalance\ndebug\nkubernetes\n");
  CHECK(to_string(options.health->address) == ":8080");
  CHECK(options.health->lameduck == 0s);
  CHECK(to_string(options.ready->address) == ":8181");
  CHECK(options.ready->monitor == ReadyOptions::Monitor::until_ready);
  CHECK(to_string(options.prometheus->address) == "localhost:9153");
  CHECK(options.reload->interval == 30s);
  CHECK(options.reload->jitter == 15s);
  CHECK(options.cache->success.capacity == 9984);
  CHECK(options.cache->success.ttl_max == 3600s);
  CHECK(options.cache->denial.ttl_max == 1800s);
  CHECK(options.cache->denial.ttl_min == 5s);
  CHECK(options.cache->servfail_ttl == 5s);
  CHECK(names(options.cache->zones) == "example.org.");
  CHECK(options.loop->zone.to_string() == "example.org.");
  CHECK(options.loadbalance->policy == LoadbalanceOptions::Policy::round_robin);
  CHECK(options.kubernetes->ttl == 5);
  CHECK(options.kubernetes->pods == KubernetesOptions::Pods::disabled);
  CHECK(options.kubernetes->startup_timeout == 5s);
  CHECK(options.kubernetes->endpoints);
  CHECK_FALSE(options.kubernetes->snapshot);
  CHECK_FALSE(options.kubernetes->fallthrough.enabled);
  CHECK(names(options.kubernetes->zones) == "example.org.");
  CHECK(options.errors->consolidate.empty());
  CHECK(options.debug.has_value());
  CHECK(options.forward.empty());
  CHECK(options.bind.empty());
}

TEST_CASE("health, ready and prometheus take an address and their options") {
  const DirectiveOptions options = options_of(
      "health 127.0.0.1:18080 {\nlameduck 5s\n}\nready :18181 {\nmonitor continuously\n}\nprometheus [::1]:0");
  CHECK(options.health->address == HttpAddress{"127.0.0.1", 18080});
  CHECK(options.health->lameduck == 5s);
  CHECK(options.ready->address == HttpAddress{"", 18181});
  CHECK(options.ready->monitor == ReadyOptions::Monitor::continuously);
  CHECK(options.prometheus->address == HttpAddress{"::1", 0});
}

TEST_CASE("errors consolidates by pattern, level and show_first") {
  const auto errors = *options_of(
                           "errors stdout {\nconsolidate 5m \".* i/o timeout$\" warning show_first\n"
                           "consolidate 30s ^failed\n}")
                           .errors;
  REQUIRE(errors.consolidate.size() == 2);
  CHECK(errors.consolidate[0].period == 5min);
  CHECK(errors.consolidate[0].pattern.matches("read udp: i/o timeout"));
  CHECK(errors.consolidate[0].level == ErrorsOptions::Level::warning);
  CHECK(errors.consolidate[0].show_first);
  CHECK(errors.consolidate[1].level == ErrorsOptions::Level::error);
  CHECK_FALSE(errors.consolidate[1].show_first);
}

TEST_CASE("the jitter of reload is at most half of its interval") {
  CHECK(options_of("reload 10s").reload->jitter == 5s);
  CHECK(options_of("reload 2s 1s").reload->jitter == 1s);
  CHECK(options_of("reload 1h 0s").reload->jitter == 0s);
}

TEST_CASE("k8s_external has CoreDNS's defaults and options") {
  const auto plain = *options_of("kubernetes\nk8s_external").k8s_external;
  CHECK(names(plain.zones) == "example.org.");
  CHECK(plain.apex == "dns");
  CHECK(plain.ttl == 5);
  CHECK_FALSE(plain.headless);
  CHECK_FALSE(plain.fallthrough.enabled);
  const auto full = *options_of(R"(
    kubernetes
    k8s_external in-addr.arpa Example.NET ip6.arpa {
      apex Names
      ttl 30
      headless
      fallthrough ip6.arpa
    })")
                         .k8s_external;
  CHECK(names(full.zones) == "in-addr.arpa. example.net. ip6.arpa.");
  CHECK(full.primary_zone == 1);
  CHECK(full.apex == "names");
  CHECK(full.ttl == 30);
  CHECK(full.headless);
  CHECK(names(full.fallthrough.zones) == "ip6.arpa.");
}

TEST_CASE("kubernetes reads all that it serves") {
  const auto kubernetes = *options_of(R"(
    kubernetes cluster.local 10.96.0.0/15 ip6.arpa {
      pods insecure
      ttl 30
      fallthrough in-addr.arpa ip6.arpa
      endpoint https://10.0.0.1:6443
      tls cert.pem key.pem ca.pem
      kubeconfig /etc/kube/config test
      startup_timeout 20s
      noendpoints
      endpoint_pod_names
      ignore empty_service
      apiserver_qps 12.5
      apiserver_burst 25
      apiserver_max_inflight 4
      snapshot /var/lib/fairlead/cluster 90m
    })")
                               .kubernetes;
  CHECK(names(kubernetes.zones) == "cluster.local. 96.10.in-addr.arpa. 97.10.in-addr.arpa. ip6.arpa.");
  CHECK(kubernetes.primary_zone == 0);
  CHECK(kubernetes.pods == KubernetesOptions::Pods::insecure);
  CHECK(kubernetes.ttl == 30);
  CHECK(names(kubernetes.fallthrough.zones) == "in-addr.arpa. ip6.arpa.");
  CHECK(kubernetes.endpoint == "https://10.0.0.1:6443");
  CHECK(kubernetes.tls->certificate_file == "cert.pem");
  CHECK(kubernetes.tls->key_file == "key.pem");
  CHECK(kubernetes.tls->ca_file == "ca.pem");
  CHECK(kubernetes.kubeconfig->file == "/etc/kube/config");
  CHECK(kubernetes.kubeconfig->context == "test");
  CHECK(kubernetes.startup_timeout == 20s);
  CHECK_FALSE(kubernetes.endpoints);
  CHECK(kubernetes.endpoint_pod_names);
  CHECK(kubernetes.snapshot->file == "/var/lib/fairlead/cluster");
  CHECK(kubernetes.snapshot->age_max == 90min);
  CHECK(kubernetes.ignore_empty_service);
  CHECK(kubernetes.apiserver_qps == doctest::Approx(12.5));
  CHECK(kubernetes.apiserver_burst == 25);
  CHECK(kubernetes.apiserver_max_inflight == 4);
}

TEST_CASE("the primary zone is the first that is not a reverse zone") {
  CHECK(options_of("kubernetes in-addr.arpa 10.0.0.0/8 Cluster.Local other.local").kubernetes->primary_zone == 2);
}

TEST_CASE("metadata reads its zones") {
  CHECK(names(options_of("metadata Example.org 10.0.0.0/8").metadata->zones) == "example.org. 10.in-addr.arpa.");
  CHECK(names(options_of("metadata").metadata->zones) == "example.org.");
}

TEST_CASE("autopath reads its zones and where the search list is") {
  const AutopathOptions file = *options_of("autopath Example.org 10.0.0.0/8 resolv.conf").autopath;
  CHECK(names(file.zones) == "example.org. 10.in-addr.arpa.");
  CHECK_FALSE(file.from_kubernetes);
  CHECK(file.resolv_conf == "resolv.conf");
  const Corefile corefile = load_good("a b {\n autopath x\n autopath @kubernetes\n}\n");
  CHECK(names(corefile.blocks[0].options.autopath->zones) == "a. b.");
  CHECK(corefile.blocks[0].options.autopath->from_kubernetes);
  CHECK(corefile.warnings.size() == 2);
  const Corefile good = load_good("a {\n autopath @kubernetes\n kubernetes {\n pods verified\n }\n}\n");
  CHECK(good.warnings.empty());
}

TEST_CASE("only the first endpoint is used, with a warning") {
  const Corefile corefile = load_good("a {\n kubernetes {\n endpoint http://a http://b\n }\n}\n");
  CHECK(corefile.blocks[0].options.kubernetes->endpoint == "http://a");
  CHECK(to_string(corefile.warnings) == "Corefile:3: only the first endpoint is used, 'http://a'\n");
}

TEST_CASE("fallthrough covers its zones, all of them without arguments, and none when it is not there") {
  const auto name = [](std::string_view text) { return *dns::DomainName::parse(text); };
  Fallthrough fallthrough;
  CHECK_FALSE(fallthrough.covers(name("a.org")));
  fallthrough.enabled = true;
  CHECK(fallthrough.covers(name("a.org")));
  fallthrough.zones = {name("a.org")};
  CHECK(fallthrough.covers(name("x.A.org")));
  CHECK_FALSE(fallthrough.covers(name("xa.org")));
}

TEST_CASE("transfer reads who may transfer which zones, more than once") {
  const auto transfers = options_of(R"(
    transfer {
      to 10.0.0.7 [2001:db8::7]:5353
      to 10.0.0.7 10.0.0.8:54
      source 10.0.0.1
    }
    transfer Sub.example.org 10.0.0.0/23 {
      to 192.0.2.1 *
    })")
                             .transfer;
  REQUIRE(transfers.size() == 2);
  CHECK(names(transfers[0].zones) == "example.org.");
  std::string to;
  for (const auto& endpoint : transfers[0].to) to += to_string(endpoint) + ' ';
  CHECK(to == "10.0.0.7:53 [2001:db8::7]:5353 10.0.0.8:54 ");
  CHECK_FALSE(transfers[0].to_all);
  CHECK(transfers[0].source == "10.0.0.1");
  CHECK(names(transfers[1].zones) == "sub.example.org. 0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa.");
  CHECK(transfers[1].to_all);
  CHECK(transfers[1].to.size() == 1);
  CHECK(transfers[1].source.empty());
}

TEST_CASE("forward reads its upstreams: addresses, ports, dns:// and files") {
  MemoryCorefile corefile(
      ". {\nforward . 10.0.0.1 10.0.0.2:5353 dns://[2001:db8::1]:54 fe80::1%eth0 /etc/resolv.conf "
      "resolv.conf\n}\n",
      {{"resolv.conf", ""}});
  const ForwardOptions forward = load_good(corefile).blocks[0].options.forward.at(0);
  REQUIRE(forward.to.size() == 6);
  CHECK(to_string(std::get<ForwardOptions::Address>(forward.to[0]).endpoint) == "10.0.0.1:53");
  CHECK(to_string(std::get<ForwardOptions::Address>(forward.to[1]).endpoint) == "10.0.0.2:5353");
  CHECK(to_string(std::get<ForwardOptions::Address>(forward.to[2]).endpoint) == "[2001:db8::1]:54");
  CHECK(to_string(std::get<ForwardOptions::Address>(forward.to[3]).endpoint) == "[fe80::1%eth0]:53");
  CHECK(std::get<ForwardOptions::ResolvConf>(forward.to[4]).path == "/etc/resolv.conf");
  CHECK(std::get<ForwardOptions::ResolvConf>(forward.to[5]).path == "resolv.conf");
  CHECK(forward.from.view().is_root());
  CHECK(to_string(forward.at) == "Corefile:2");
  CHECK(forward.max_fails == 2);
  CHECK(forward.expire == 10s);
  CHECK(forward.policy == ForwardOptions::Policy::random);
  CHECK(forward.health_check_interval == 500ms);
  CHECK(forward.health_check_recursion_desired);
  CHECK(forward.health_check_domain.view().is_root());
  CHECK(forward.max_concurrent == 0);
}

TEST_CASE("forward reads its options") {
  const ForwardOptions forward = options_of(R"(
    forward Sub.example.org 10.0.0.1 {
      except a.example.org 10.0.0.0/23
      except b.example.org
      force_tcp
      prefer_udp
      expire 1m
      max_fails 0
      policy sequential
      health_check 2s no_rec domain probe.example.org
      max_concurrent 1000
    })")
                                     .forward.at(0);
  CHECK(forward.from.to_string() == "sub.example.org.");
  CHECK(names(forward.except) == "a.example.org. 0.0.10.in-addr.arpa. 1.0.10.in-addr.arpa. b.example.org.");
  CHECK(forward.force_tcp);
  CHECK(forward.prefer_udp);
  CHECK(forward.expire == 60s);
  CHECK(forward.max_fails == 0);
  CHECK(forward.policy == ForwardOptions::Policy::sequential);
  CHECK(forward.health_check_interval == 2s);
  CHECK_FALSE(forward.health_check_recursion_desired);
  CHECK(forward.health_check_domain.to_string() == "probe.example.org.");
  CHECK(forward.max_concurrent == 1000);
}

TEST_CASE("an upstream that is written twice is used once, with a warning") {
  const Corefile corefile = load_good(". {\nforward . 2001:db8::1 [2001:DB8:0::1]:53\n}\n");
  CHECK(corefile.blocks[0].options.forward[0].to.size() == 1);
  CHECK(to_string(corefile.warnings) ==
        "Corefile:2: the upstream '[2001:DB8:0::1]:53' is written twice; it is used once\n");
}

TEST_CASE("a network that is several zones is forwarded for its first one, with a warning") {
  const Corefile corefile = load_good(". {\nforward 10.0.0.0/23 10.0.0.1\n}\n");
  CHECK(corefile.blocks[0].options.forward[0].from.to_string() == "0.0.10.in-addr.arpa.");
  CHECK(to_string(corefile.warnings) ==
        "Corefile:2: '10.0.0.0/23' is 2 zones; only the first is forwarded, '0.0.10.in-addr.arpa.'\n");
}

TEST_CASE("cache reads TTL, zones, shares and exceptions") {
  const auto cache = *options_of(R"(
    cache 300 a.org b.org {
      success 5000 60 10
      denial 1000
      servfail 0
      disable success cluster.local
      disable denial
    })")
                          .cache;
  CHECK(names(cache.zones) == "a.org. b.org.");
  CHECK(cache.success.capacity == 5000);
  CHECK(cache.success.ttl_max == 60s);
  CHECK(cache.success.ttl_min == 10s);
  CHECK(cache.denial.capacity == 1000);
  CHECK(cache.denial.ttl_max == 300s);
  CHECK(cache.denial.ttl_min == 5s);
  CHECK(cache.servfail_ttl == 0s);
  CHECK(names(cache.success.disabled_zones) == "cluster.local.");
  CHECK(names(cache.denial.disabled_zones) == ".");
  CHECK(names(options_of("cache a.org").cache->zones) == "a.org.");
  CHECK(options_of("cache a.org").cache->success.ttl_max == 3600s);
}

TEST_CASE("cache reads prefetch, serve_stale and its policy, keepttl") {
  const auto cache = *options_of(R"(
    cache {
      prefetch 10 2m 25%
      serve_stale 2h verify 100ms 30s 1m
      serve_stale_policy prefer_positive
      keepttl
    })")
                          .cache;
  REQUIRE(cache.prefetch);
  CHECK(cache.prefetch->amount == 10);
  CHECK(cache.prefetch->duration == 2min);
  CHECK(cache.prefetch->percentage == 25);
  REQUIRE(cache.serve_stale);
  CHECK(cache.serve_stale->up_to == 2h);
  CHECK(cache.serve_stale->verify);
  CHECK(cache.serve_stale->verify_timeout == 100ms);
  CHECK(cache.serve_stale->response_ttl == 30s);
  CHECK(cache.serve_stale->failure_recheck == 1min);
  CHECK(cache.serve_stale->prefer_positive);
  CHECK(cache.keep_ttl);
  const auto plain = *options_of("cache {\nprefetch 3\nserve_stale\n}").cache;
  CHECK(plain.prefetch->duration == 1min);
  CHECK(plain.prefetch->percentage == 10);
  CHECK(plain.serve_stale->up_to == 1h);
  CHECK_FALSE(plain.serve_stale->verify);
  CHECK(plain.serve_stale->response_ttl == 0s);
  const auto immediate = *options_of("cache {\nserve_stale 1h Immediate 15s 10s\n}").cache;
  CHECK_FALSE(immediate.serve_stale->verify);
  CHECK(immediate.serve_stale->response_ttl == 15s);
  CHECK(immediate.serve_stale->failure_recheck == 10s);
}

TEST_CASE("bind takes addresses and interfaces, each directive with its own exceptions") {
  const auto bind = options_of("bind lo 127.0.0.1 {\nexcept 127.0.0.1\n}\nbind ::1").bind;
  REQUIRE(bind.size() == 2);
  CHECK(bind[0].targets == std::vector<BindOptions::Target>{{"lo", true}, {"127.0.0.1", false}});
  CHECK(bind[0].except == std::vector<BindOptions::Target>{{"127.0.0.1", false}});
  CHECK(bind[1].targets == std::vector<BindOptions::Target>{{"::1", false}});
}

TEST_CASE("proxyproto takes networks, what becomes of others, and sessions") {
  using Action = ProxyprotoOptions::Action;
  const auto named = *options_of(
                          "proxyproto {\nallow 10.0.0.0/8 2001:db8::1\nallow 192.0.2.1\ndefault "
                          "Reject\nudp_session_tracking 28s 20\n}")
                          .proxyproto;
  CHECK(named.allow.size() == 3);
  CHECK(named.otherwise == Action::reject);
  CHECK(named.session_time == 28s);
  CHECK(named.sessions_max == 20);
  CHECK_FALSE(options_of("proxyproto").proxyproto->otherwise);
  for (const char* const open : {"proxyproto", "proxyproto {\n allow 10.0.0.0/8\n default use\n}"}) {
    CHECK(
        to_string(load_good(". {\n" + std::string(open) + "\n}\n").warnings).contains("believes headers of everybody"));
  }
  CHECK(load_good(". {\n proxyproto {\n allow 10.0.0.0/8\n }\n}\n").warnings.empty());
}

TEST_CASE("tls takes a certificate, a key, who signs clients and what is asked of them") {
  const auto tls = *options_of("tls crt key ca {\nclient_auth verify_if_given\nkeylog secrets\n}").tls;
  CHECK(tls.certificate_file == "crt");
  CHECK(tls.key_file == "key");
  CHECK(tls.ca_file == "ca");
  CHECK(tls.client_certificate == ClientCertificate::verify_if_given);
  CHECK(tls.keylog_file == "secrets");
  CHECK(options_of("tls crt key").tls->client_certificate == ClientCertificate::none);
  const auto below = below_root(RootOptions{"/etc/tls"}, *options_of("tls crt /k/key").tls);
  CHECK(below.certificate_file == "/etc/tls/crt");
  CHECK(below.key_file == "/k/key");
  CHECK(below.ca_file.empty());
  CHECK(to_string(load_good("tls://. {\n tls crt key ca\n}\n").warnings) ==
        "Corefile:2: the CA of 'tls' has no effect: no certificate of a client is verified without 'client_auth "
        "verify_if_given' or 'client_auth require_and_verify'\n");
}

TEST_CASE("options without effect are a warning each") {
  CHECK(
      to_string(load_good(". {\n errors {\n stacktrace\n }\n prometheus {\n runtime_metrics\n }\n}\n").warnings) ==
      "Corefile:3: 'stacktrace' of 'errors' is accepted without effect: there are no panics to recover from\n"
      "Corefile:6: 'runtime_metrics' of 'prometheus' is accepted without effect: there is no Go runtime to measure\n");
}

}  // namespace
}  // namespace fairlead::server
