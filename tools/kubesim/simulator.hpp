// kubesim put together: one registry, one API, one server, and the timers that keep the cluster moving.
//
// Threads: one; start(), stop() and everything between run in the io_context's thread.
// Errors: start() says in a sentence why it cannot serve.
#pragma once

#include <expected>
#include <optional>
#include <string>

#include "tools/kubesim/asio.hpp"
#include "tools/kubesim/cluster.hpp"
#include "tools/kubesim/faults.hpp"
#include "tools/kubesim/http_server.hpp"
#include "tools/kubesim/manifests.hpp"
#include "tools/kubesim/options.hpp"
#include "tools/kubesim/rest_api.hpp"
#include "tools/kubesim/stats.hpp"
#include "tools/kubesim/synthetic.hpp"
#include "tools/kubesim/watch.hpp"

namespace fairlead::kubesim {

class Simulator {
 public:
  Simulator(asio::io_context& io, Options options, ServiceAddresses addresses);

  /// Loads the content, then listens.
  std::expected<void, std::string> start();
  /// Ends everything; the io_context then runs out of work.
  void stop();

  /// "http://127.0.0.1:41234"
  const std::string& url() const { return url_; }
  std::uint16_t port() const { return port_; }
  std::string admin_url() const { return admin_url_; }
  ObjectRegistry& registry() { return registry_; }
  Cluster& cluster() { return cluster_; }

 private:
  std::expected<void, std::string> load_content();
  std::expected<void, std::string> write_files() const;
  void poll_manifests();
  void reload_manifests();
  void set_churn(double per_second);
  void churn_on();
  void carry_out(const FaultActions& actions);

  Options options_;
  ObjectRegistry registry_;
  Cluster cluster_;
  Faults faults_;
  Stats stats_;
  WatchHub watches_;
  RestApi api_;
  HttpServer server_;
  std::optional<ManifestSource> manifests_;
  asio::steady_timer manifest_timer_;
  Churn churn_;
  asio::steady_timer churn_timer_;
  double churn_per_second_ = 0;
  double churn_due_ = 0;
  Clock::time_point churn_last_;
  std::string url_;
  std::string admin_url_;
  std::uint16_t port_ = 0;
  bool is_stopped_ = false;
};

}  // namespace fairlead::kubesim
