#include "server/net/handshake_queue.hpp"

#include <utility>

#include "server/net/limits.hpp"

namespace fairlead::server {
namespace {

constexpr std::chrono::milliseconds retry_after{10};

bool is_over(const std::shared_ptr<TlsConnection>& connection) {
  return connection->is_closed() || connection->is_open();
}

}  // namespace

void HandshakeQueue::add(std::shared_ptr<TlsConnection> connection) {
  ready_.push_back(std::move(connection));
  run_soon();
}

void HandshakeQueue::clear() {
  ready_.clear();
  parked_.clear();
  begun_.clear();
  retry_.cancel();
}

void HandshakeQueue::run_soon() {
  if (ready_.empty() || std::exchange(is_posted_, true)) return;
  asio::post(io_, [self = shared_from_this()] {
    self->is_posted_ = false;
    self->run();
    self->run_soon();
  });
}

void HandshakeQueue::run() {
  if (ready_.empty()) return;
  auto next = std::move(ready_.front());
  ready_.pop_front();
  if (next->is_closed()) return;
  if (!next->has_begun()) {
    if (!make_room()) {
      parked_.push_back(std::move(next));
      return retry_soon();
    }
    begun_.push_back(next);
  }
  next->shake_hands();
}

bool HandshakeQueue::make_room() {
  if (begun_.size() < tls_handshakes_max) return true;
  std::erase_if(begun_, is_over);
  if (begun_.size() < tls_handshakes_max) return true;
  std::shared_ptr<TlsConnection> slowest;
  for (const auto& handshake : begun_) {
    if (!handshake->waits_since()) continue;
    if (slowest == nullptr || *handshake->waits_since() < *slowest->waits_since()) slowest = handshake;
  }
  if (slowest == nullptr || std::chrono::steady_clock::now() - *slowest->waits_since() < tls_patience) return false;
  slowest->fail();
  begun_.remove(slowest);
  return true;
}

void HandshakeQueue::retry_soon() {
  if (std::exchange(is_retrying_, true)) return;
  retry_.expires_after(retry_after);
  retry_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    self->is_retrying_ = false;
    if (error) return;
    // Those that find no room are parked again.
    std::erase_if(self->begun_, is_over);
    std::erase_if(self->parked_, is_over);
    while (!self->parked_.empty() && self->ready_.size() < tls_handshakes_max) {
      self->ready_.push_back(std::move(self->parked_.front()));
      self->parked_.pop_front();
    }
    self->run_soon();
  });
}

}  // namespace fairlead::server
