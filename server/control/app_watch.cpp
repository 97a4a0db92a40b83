// What App looks at again and again while it serves: files and host names of upstreams, zones, old plans, and whether
// what it forwards comes back.

#include <algorithm>

#include "server/control/app.hpp"
#include "server/control/logging.hpp"
#include "server/control/loop_probe_sender.hpp"
#include "server/control/loop_report.hpp"

namespace fairlead::server {
namespace {

using namespace std::chrono_literals;

// How often the files of `forward` are looked at.
constexpr auto upstream_check_interval = 2s;
// An upstream that is not up yet at the first probe is asked again later.
constexpr std::chrono::seconds loop_rounds[] = {0s, 5s, 15s};
// And while `loop degrade` holds queries back, until the loop is gone.
constexpr auto loop_again = 10s;

}  // namespace

void App::schedule_upstream_check() {
  upstream_timer_.cancel();
  if (plan_->upstream_files.empty()) return;
  upstream_timer_.expires_after(upstream_check_interval);
  upstream_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;
    check_upstream_files();
    schedule_upstream_check();
  });
}

// A new plan of the Corefile that is served; the one on disk may be another, or broken.
void App::check_upstream_files() {
  std::string changed;
  for (auto& file : plan_->upstream_files) {
    WatchedFile now = watch_file(file.path);
    if (now.digest == file.digest) continue;
    file = std::move(now);  // tried once, whatever comes of it
    changed += (changed.empty() ? "" : ", ") + file.path;
  }
  if (changed.empty()) return;
  log_info("plugin/forward: " + changed + " has changed; its upstreams are read again");
  plan_upstreams_anew();
}

void App::use_host(const std::string& word, const NamedUpstream& found, bool is_changed) {
  plan_->named_upstreams[word] = found;
  if (is_changed) plan_upstreams_anew();
}

void App::plan_upstreams_anew() {
  auto plan = make_plan(plan_->corefile, true);
  const auto applied = plan ? apply(std::move(*plan)) : std::unexpected(plan.error());
  if (!applied) log_error("plugin/forward: " + applied.error() + "; everything goes on as before");
}

void App::schedule_housekeeping() {
  housekeeping_timer_.expires_after(1s);
  housekeeping_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopping_) return;
    bool has_other_zones = false;
    for (const auto& planned : plan_->blocks) {
      if (planned.errors != nullptr) planned.errors->flush();
      for (const auto& store : planned.zone_stores) has_other_zones |= store->check();
    }
    if (has_other_zones) notifier_.watch(notified_zones(*plan_));
    std::erase_if(retired_, [this, now = clock_.now()](const auto& entry) {
      return entry.first <= now && !is_still_read(*entry.second);
    });
    schedule_housekeeping();
  });
}

void App::send_loop_probes(int round) {
  const bool is_over = round >= static_cast<int>(std::size(loop_rounds));
  if (is_over) {
    bool is_looping = false;
    for (const auto& planned : plan_->blocks) {
      if (planned.loop == nullptr || !planned.loop->is_active()) continue;
      if (planned.loop->is_looping()) {
        is_looping = true;
      } else {
        planned.loop->finish();
      }
    }
    if (!is_looping) return;
  }
  const auto wait = is_over      ? std::chrono::seconds(loop_again)
                    : round == 0 ? loop_rounds[0]
                                 : loop_rounds[round] - loop_rounds[round - 1];
  loop_timer_.expires_after(wait);
  loop_timer_.async_wait([this, round](const boost::system::error_code& error) {
    if (error || stopping_) return;
    for (const auto& planned : plan_->blocks) {
      if (planned.loop == nullptr || !planned.loop->is_active()) continue;
      const auto router = static_cast<std::size_t>(std::ranges::find(plan_->addresses, planned.addresses.front()) -
                                                   plan_->addresses.begin());
      const auto& state = workers_.front();
      if (planned.loop->begin_round()) {
        log_info("plugin/loop: The loop for zone \"" + planned.loop->zone().to_string() +
                 "\" is gone; queries are forwarded again");
      }
      state.worker->post([probe = planned.loop, plan = state.plan, router] { send_probe(*probe, plan, router); });
    }
    send_loop_probes(round + 1);
  });
}

void App::report_loop(const std::string& zone, const std::string& probe, const std::string& client) {
  if (stopping_) return;
  const auto planned = std::ranges::find_if(plan_->blocks, [&](const PlannedBlock& block) {
    return block.loop != nullptr && block.loop->qname().to_string() == probe;
  });
  if (planned == plan_->blocks.end()) return;  // of a plan that is gone
  const bool degrades = planned->block->options.loop->degrades;
  const std::string message =
      "plugin/loop: Loop (" + client + " -> " + planned->addresses.front().to_string() + ") detected for zone \"" +
      zone + "\": what is forwarded to " + describe_looping_upstreams(*planned) +
      ", comes back to this server. Name an upstream that is not this server in `forward`; with `forward . "
      "/etc/resolv.conf`, let the kubelet's resolvConf point to the node's real upstreams. " +
      (degrades ? "Until the loop is gone, what would be forwarded is SERVFAIL. " : "") + "Query: \"HINFO " + probe +
      '"';
  if (degrades) return log_error(message);
  print_fatal(message);
  exit_code_ = 1;
  begin_stop(false);
}

}  // namespace fairlead::server
