#include "tools/kubesim/simulator.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

namespace fairlead::kubesim {
namespace {

// Twice this is how long an edit takes to be seen: once to notice it, once to see that it is complete.
constexpr std::chrono::milliseconds manifest_poll{100};
constexpr std::chrono::milliseconds churn_step_max{2};
constexpr std::uint64_t uid_seed = 1;

ResourceVersion first_version(const Options& options) {
  if (options.resource_version) return *options.resource_version;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<ResourceVersion>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

std::string make_url(const char* scheme, const tcp::endpoint& endpoint) {
  std::string host = endpoint.address().to_string();
  if (endpoint.address().is_unspecified()) host = "127.0.0.1";  // the any-address is no place to connect to
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return std::string(scheme) + "://" + host + ":" + std::to_string(endpoint.port());
}

/// Complete or not at all: a test that waits for the file must not read half of it.
std::expected<void, std::string> write_file(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  {
    std::ofstream file(fresh, std::ios::trunc);
    file << text;
    if (!file.flush()) return std::unexpected("cannot write " + fresh);
  }
  std::error_code error;
  std::filesystem::rename(fresh, path, error);
  if (error) return std::unexpected("cannot write " + path + ": " + error.message());
  return {};
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

}  // namespace

Simulator::Simulator(asio::io_context& io, Options options, ServiceAddresses addresses)
    : options_(std::move(options)),
      registry_(options_.history, first_version(options_), uid_seed),
      cluster_(registry_, std::move(addresses)),
      watches_(registry_, faults_, stats_),
      api_(cluster_, faults_, stats_, watches_, options_.rest),
      server_(io, api_, options_.http),
      manifest_timer_(io),
      churn_(cluster_, 1),
      churn_timer_(io) {
  api_.on_fault_actions([this](const FaultActions& actions) { carry_out(actions); });
  api_.on_stats([this](Json& document) {
    document["open_connections"] = server_.open_connections();
    document["connections_accepted"] = server_.accepted();
    document["churn_per_second"] = churn_per_second_;
  });
}

std::expected<void, std::string> Simulator::start() {
  if (auto loaded = load_content(); !loaded) return loaded;
  if (options_.tls) {
    if (auto used = server_.use_tls(*options_.tls); !used) return used;
  }
  const auto endpoint = server_.listen(options_.listen, false);
  if (!endpoint) return std::unexpected(endpoint.error());
  port_ = endpoint->port();
  url_ = make_url(options_.tls ? "https" : "http", *endpoint);
  if (!options_.admin_listen.empty()) {
    const auto admin = server_.listen(options_.admin_listen, true);
    if (!admin) return std::unexpected(admin.error());
    admin_url_ = make_url("http", *admin);
  }
  server_.start();
  if (auto written = write_files(); !written) return written;
  if (manifests_) poll_manifests();
  set_churn(options_.churn);
  return {};
}

void Simulator::stop() {
  is_stopped_ = true;
  server_.stop();
  manifest_timer_.cancel();
  churn_per_second_ = 0;
  churn_timer_.cancel();
}

std::expected<void, std::string> Simulator::load_content() {
  if (!options_.manifests.empty()) {
    manifests_.emplace(options_.manifests);
    const auto changes = manifests_->load(cluster_);
    std::string complaints;
    const auto complain = [&](const std::vector<ManifestFault>& faults) {
      for (const ManifestFault& fault : faults) complaints += (complaints.empty() ? "" : "\n") + fault.to_string();
    };
    if (!changes) {
      complain(changes.error());
    } else {
      ++stats_.manifest_loads;
      complain(changes->refused);
      for (const ManifestFault& fault : changes->skipped) std::cerr << fault.to_string() << "\n";
    }
    if (!complaints.empty()) return std::unexpected(complaints);
  }
  if (!options_.synthetic.empty()) {
    const auto spec = SyntheticSpec::parse(options_.synthetic);
    if (!spec) return std::unexpected("--synthetic: " + spec.error());
    if (auto filled = fill_cluster(cluster_, *spec); !filled) return std::unexpected("--synthetic: " + filled.error());
  }
  if (!options_.bare) cluster_.add_builtin_objects();
  return {};
}

std::expected<void, std::string> Simulator::write_files() const {
  if (!options_.port_file.empty()) {
    if (auto written = write_file(options_.port_file, std::to_string(port_) + "\n"); !written) return written;
  }
  if (options_.kubeconfig_out.empty()) return {};
  Json cluster = {{"server", url_}};
  if (options_.tls) {
    cluster["certificate-authority"] = absolute(options_.tls_ca.empty() ? options_.tls->certificate : options_.tls_ca);
  }
  Json user = Json::object();
  if (!options_.rest.token_file.empty()) user["tokenFile"] = absolute(options_.rest.token_file);
  // JSON is YAML, so this is a kubeconfig.
  const Json config = {
      {"apiVersion", "v1"},
      {"kind", "Config"},
      {"clusters", Json::array({{{"name", "kubesim"}, {"cluster", cluster}}})},
      {"users", Json::array({{{"name", "kubesim"}, {"user", user}}})},
      {"contexts", Json::array({{{"name", "kubesim"}, {"context", {{"cluster", "kubesim"}, {"user", "kubesim"}}}}})},
      {"current-context", "kubesim"}};
  return write_file(options_.kubeconfig_out, config.dump(2) + "\n");
}

void Simulator::poll_manifests() {
  manifest_timer_.expires_after(manifest_poll);
  manifest_timer_.async_wait([this](boost::system::error_code error) {
    // A timer that has gone off cannot be cancelled any more.
    if (error || is_stopped_) return;
    if (manifests_->has_settled_change()) reload_manifests();
    poll_manifests();
  });
}

void Simulator::reload_manifests() {
  const auto changes = manifests_->load(cluster_);
  const auto print = [](const std::vector<ManifestFault>& faults) {
    for (const ManifestFault& fault : faults) std::cerr << fault.to_string() << "\n";
  };
  if (!changes) {
    ++stats_.manifest_errors;
    print(changes.error());
    std::cerr << "kubesim: manifests not loaded, the last good state stays\n";
    return;
  }
  ++stats_.manifest_loads;
  if (!changes->refused.empty()) ++stats_.manifest_errors;
  print(changes->skipped);
  print(changes->refused);
  std::cerr << "kubesim: manifests loaded: " << changes->added << " added, " << changes->modified << " modified, "
            << changes->deleted << " deleted\n";
}

void Simulator::set_churn(double per_second) {
  churn_timer_.cancel();
  churn_per_second_ = per_second;
  churn_due_ = 0;
  churn_last_ = Clock::now();
  if (per_second > 0) churn_on();
}

void Simulator::churn_on() {
  // Often enough that the updates come evenly, seldom enough that an idle simulator sleeps.
  const double period_s = std::clamp(1 / churn_per_second_, 0.002, 1.0);
  churn_timer_.expires_after(std::chrono::microseconds(static_cast<std::int64_t>(period_s * 1e6)));
  churn_timer_.async_wait([this](boost::system::error_code error) {
    if (error || churn_per_second_ <= 0) return;
    const auto now = Clock::now();
    churn_due_ += std::chrono::duration<double>(now - churn_last_).count() * churn_per_second_;
    churn_last_ = now;
    // A rate that this machine cannot keep must not starve the connections: a little at a time, and what is not done
    // within a second is forgotten.
    while (churn_due_ >= 1 && Clock::now() - now < churn_step_max) {
      stats_.churned += churn_.step(1);
      churn_due_ -= 1;
    }
    churn_due_ = std::min(churn_due_, churn_per_second_);
    churn_on();
  });
}

void Simulator::carry_out(const FaultActions& actions) {
  if (actions.churn) set_churn(*actions.churn);
  if (actions.accept_connections) server_.accept_connections();
  if (actions.refuse_connections) {
    ++stats_.faults_injected;
    server_.refuse_connections(actions.refuse_for);
  }
  if (actions.close_connections) {
    ++stats_.faults_injected;
    server_.close_connections();
  }
}

}  // namespace fairlead::kubesim
