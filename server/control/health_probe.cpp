#include "server/control/health_probe.hpp"

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <expected>
#include <memory>
#include <utility>

#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

constexpr std::chrono::seconds slow_request{1};

// Until the responder has answered and closed.
std::expected<void, std::string> get_health(const HealthProbe::Target& target) {
  const std::string host = target.host.starts_with('[') ? target.host.substr(1, target.host.size() - 2) : target.host;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  // An image from scratch has no /etc/hosts that knows localhost.
  const bool is_here = host.empty() || host == "localhost";
  const int failure =
      getaddrinfo(is_here ? "127.0.0.1" : host.c_str(), std::to_string(target.port).c_str(), &hints, &found);
  if (failure != 0) return std::unexpected(gai_strerror(failure));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);

  const auto fail = [] { return std::unexpected(std::string(std::strerror(errno))); };
  const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail();
  const std::unique_ptr<const int, void (*)(const int*)> closer(&fd, [](const int* open) { close(*open); });
  const timeval timeout{.tv_sec = health_probe_timeout.count(), .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) return fail();
  constexpr std::string_view request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return fail();
  std::array<char, 1024> response;
  for (bool has_any = false;; has_any = true) {
    const ssize_t got = recv(fd, response.data(), response.size(), 0);
    if (got == 0 && has_any) return {};
    if (got == 0) return std::unexpected("closed without a response");
    if (got < 0) return fail();
  }
}

}  // namespace

HealthProbe::HealthProbe(MetricsRegistry& metrics, std::chrono::milliseconds interval)
    : metrics_(metrics), interval_(interval) {}

HealthProbe::~HealthProbe() {
  {
    const std::scoped_lock lock(mutex_);
    is_stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void HealthProbe::watch(std::vector<Target> targets) {
  const std::scoped_lock lock(mutex_);
  targets_ = std::move(targets);
  if (targets_.empty() || thread_.joinable()) return;
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "health");
}

void HealthProbe::run() {
  std::unique_lock lock(mutex_);
  while (!is_stopping_) {
    if (changed_.wait_for(lock, interval_, [this] { return is_stopping_; })) return;
    const auto targets = targets_;
    lock.unlock();
    for (const Target& target : targets) probe(target);
    lock.lock();
  }
}

void HealthProbe::probe(const Target& target) {
  const auto begin = std::chrono::steady_clock::now();
  const auto done = get_health(target);
  const auto elapsed = std::chrono::steady_clock::now() - begin;
  metrics_.health_durations().observe(std::chrono::duration<double>(elapsed).count());
  if (!done) metrics_.health_failures().add();
  std::string trouble = !done                    ? "failed: " + done.error()
                        : elapsed > slow_request ? std::string("took more than 1s")
                                                 : std::string();
  if (trouble == std::exchange(trouble_, trouble)) return;
  const std::string what = "plugin/health: Local health request to \"http://" + target.host + ":" +
                           std::to_string(target.port) + "/health\" ";
  if (trouble.empty()) {
    log_info(what + "is answered again");
  } else {
    log_warning(what + trouble);
  }
}

}  // namespace fairlead::server
