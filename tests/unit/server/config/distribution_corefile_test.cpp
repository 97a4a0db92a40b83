// The default Corefiles of Kubernetes distributions: those that use what is served load unchanged, the others fail at
// the lines of the directives that are missing and nowhere else.
#include <doctest/doctest.h>

#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

using namespace std::chrono_literals;

constexpr const char* kubeadm = R"(.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
)";

TEST_CASE("kubeadm's Corefile loads and says what it says") {
  const Corefile corefile = load_good(kubeadm);
  CHECK(corefile.warnings.empty());
  REQUIRE(corefile.blocks.size() == 1);
  const ServerBlock& block = corefile.blocks[0];
  REQUIRE(block.keys.size() == 1);
  CHECK(block.keys[0].zone.view().is_root());
  CHECK(block.keys[0].port == 53);
  const DirectiveOptions& options = block.options;
  CHECK(options.health->lameduck == 5s);
  CHECK(options.kubernetes->zones.size() == 3);
  CHECK(options.kubernetes->pods == KubernetesOptions::Pods::insecure);
  CHECK(options.kubernetes->ttl == 30);
  CHECK(options.kubernetes->fallthrough.zones.size() == 2);
  CHECK(options.prometheus->address == HttpAddress{"", 9153});
  CHECK(options.forward.at(0).max_concurrent == 1000);
  CHECK(std::get<ForwardOptions::ResolvConf>(options.forward[0].to.at(0)).path == "/etc/resolv.conf");
  CHECK(options.cache->success.ttl_max == 30s);
  CHECK(options.cache->denial.ttl_max == 30s);
  CHECK(options.cache->success.disabled_zones.at(0).to_string() == "cluster.local.");
  CHECK(options.cache->denial.disabled_zones.at(0).to_string() == "cluster.local.");
  CHECK(block.directives.size() == 10);
}

TEST_CASE("the Corefile of EKS loads") {
  const Corefile corefile = load_good(R"(.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
)");
  CHECK(corefile.blocks[0].options.kubernetes->ttl == 5);
}

TEST_CASE("the Corefile of the CoreDNS chart loads") {
  const Corefile corefile = load_good(R"(.:53 {
    errors
    health {
        lameduck 10s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus 0.0.0.0:9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
)");
  CHECK(to_string(corefile.blocks[0].options.prometheus->address) == "0.0.0.0:9153");
}

TEST_CASE("the Corefile of k3s loads; its missing folder is a warning") {
  const std::string text = R"(.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
    import /etc/coredns/custom/*.override
    forward . /etc/resolv.conf
}
import /etc/coredns/custom/*.server
)";
  const Corefile corefile = load_good(text);
  CHECK(to_string(corefile.warnings) ==
        "Corefile:19: no file matches '/etc/coredns/custom/*.override'; nothing is imported\n"
        "Corefile:22: no file matches '/etc/coredns/custom/*.server'; nothing is imported\n");
  const HostsOptions& hosts = corefile.blocks.at(0).options.hosts.value();
  CHECK(hosts.file == "/etc/coredns/NodeHosts");
  CHECK(hosts.ttl == 60);
  CHECK(hosts.reload == std::chrono::seconds(15));
  CHECK(hosts.fallthrough.enabled);
}

TEST_CASE("the Corefile of AKS loads, with its two templates") {
  const auto corefile = load_good(R"(.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    template ANY ANY internal.cloudapp.net {
      match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"
      rcode NXDOMAIN
      fallthrough
    }
    template ANY ANY reddog.microsoft.com {
      rcode NXDOMAIN
    }
}
import custom/*.server
)");
  const auto& templates = corefile.blocks.front().options.templates;
  REQUIRE(templates.size() == 2);
  CHECK(templates[0].match.front().matches("a.b.c.d.internal.cloudapp.net."));
  CHECK(templates[1].zones.front().to_string() == "reddog.microsoft.com.");
}

}  // namespace
}  // namespace fairlead::server
