#include "server/control/host_watch.hpp"

#include <algorithm>
#include <utility>

#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

bool has_equal_addresses(const Upstreams& one, const Upstreams& other) {
  // Round robin brings them in another order each time.
  return one.size() == other.size() && std::ranges::all_of(one, [&](const auto& upstream) {
           return std::ranges::find(other, upstream) != other.end();
         });
}

std::string join(const Upstreams& upstreams) {
  std::string text;
  for (const auto& upstream : upstreams) text += (text.empty() ? "" : ", ") + upstream.to_string();
  return text;
}

}  // namespace

HostWatch::HostWatch(asio::io_context& control, OnFound on_found)
    : control_(control), on_found_(std::move(on_found)), timer_(control) {}

void HostWatch::start(const std::vector<WatchedHost>& hosts, const NamedUpstreams& known) {
  std::vector<Host> before = std::exchange(hosts_, {});
  for (const WatchedHost& watched : hosts) {
    if (std::ranges::find(hosts_, watched.word, [](const Host& host) { return host.watched.word; }) != hosts_.end()) {
      continue;  // several directives name it
    }
    const auto found = known.find(watched.word);
    if (found == known.end()) continue;
    const auto old = std::ranges::find(before, watched.word, [](const Host& host) { return host.watched.word; });
    hosts_.push_back({.watched = watched,
                      .known = found->second,
                      .failures = old != before.end() && old->known.due == found->second.due ? old->failures : 0});
  }
  schedule();
}

void HostWatch::stop() {
  is_stopped_ = true;
  timer_.cancel();
  hosts_.clear();
  thread_ = {};  // asks it to stop, and waits
}

void HostWatch::schedule() {
  timer_.cancel();
  if (hosts_.empty() || is_looking_up_ || is_stopped_) return;
  timer_.expires_at(std::ranges::min(hosts_, {}, [](const Host& host) { return host.known.due; }).known.due);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !is_stopped_) look_up_due();
  });
}

void HostWatch::look_up_due() {
  std::vector<WatchedHost> due;
  const auto now = std::chrono::steady_clock::now();
  for (const Host& host : hosts_) {
    if (host.known.due <= now) due.push_back(host.watched);
  }
  if (due.empty()) return schedule();
  is_looking_up_ = true;
  thread_ = std::jthread([this, due = std::move(due)](const std::stop_token& stop) {
    std::vector<Result> results;
    for (const WatchedHost& host : due) {
      if (stop.stop_requested()) return;
      results.emplace_back(host.word, host.look_up(stop));
    }
    if (stop.stop_requested()) return;
    asio::post(control_, [this, results = std::move(results)]() mutable { take(std::move(results)); });
  });
}

void HostWatch::take(std::vector<Result> results) {
  is_looking_up_ = false;
  if (is_stopped_) return;
  for (auto& [word, found] : results) {
    // on_found() may have started us anew.
    const auto host = std::ranges::find(hosts_, word, [](const Host& known) { return known.watched.word; });
    if (host == hosts_.end()) continue;
    const bool is_changed = update(*host, found);
    const NamedUpstream known = host->known;
    on_found_(word, known, is_changed);
    if (is_stopped_) return;
  }
  schedule();
}

bool HostWatch::update(Host& host, std::expected<WatchedHost::Found, std::string>& found) {
  const auto now = std::chrono::steady_clock::now();
  const std::string name = "plugin/forward: the host name '" + host.watched.name + "'";
  // Half an answer takes nothing away.
  if (!found || (!found->is_whole && !host.known.upstreams.empty())) {
    const auto retry = std::min<base::Duration>(host_retry_min * (1u << std::min(host.failures, 8u)), host_retry_max);
    host.known.due = now + retry;
    if (host.failures++ == 0) {
      log_warning((found ? name + " was answered in part" : "plugin/forward: " + found.error()) +
                  "; its upstreams stay as they were: " + join(host.known.upstreams));
    }
    return false;
  }
  if (std::exchange(host.failures, 0) > 0) log_info(name + " is answered again");
  host.known.due = now + host_due_after(found->ttl);
  if (has_equal_addresses(host.known.upstreams, found->upstreams)) return false;
  log_info(name + " has other addresses now: " + join(found->upstreams));
  host.known.upstreams = std::move(found->upstreams);
  return true;
}

}  // namespace fairlead::server
