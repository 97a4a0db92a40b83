// NOTIFY: tells secondaries that a zone has changed, so that they need not wait for its refresh time.
//
// Each zone's serial is looked at four times a second. When it is not the one that a secondary was told last, a message
// is sent and repeated until it is answered; changes within notify_interval go together, so that a busy cluster does
// not make its secondaries transfer without pause.
//
// Threads: the control thread; serials are read from wherever they stand, as atomics.
// Limits: one message a target and notify_interval, repeated notify_attempts_max times; once while a target has not
//   answered to the message before.
// Security: an answer counts from the address and port that was asked, with the id and the question that were sent.
// Errors: what cannot be sent is as good as unanswered; a target that does not answer is logged once.
// Standards: RFC 1996.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "server/config/directive_options.hpp"
#include "zones/base/asio.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

inline constexpr std::chrono::milliseconds notify_look_interval{250};
inline constexpr std::chrono::seconds notify_interval{5};
inline constexpr int notify_attempts_max = 5;  // at 0, 1, 3, 7 and 15 s

/// A zone with secondaries that want to know.
struct NotifiedZone {
  dns::DomainName zone;
  std::vector<IpEndpoint> targets;
  std::string source;                                    // empty: any
  std::function<std::optional<std::uint32_t>()> serial;  // nothing while the zone is not complete
};

class Notifier {
 public:
  explicit Notifier(asio::io_context& io);
  ~Notifier();
  Notifier(const Notifier&) = delete;
  Notifier& operator=(const Notifier&) = delete;

  /// These zones from now on; all targets are told the present serial.
  void watch(std::vector<NotifiedZone> zones);
  /// Sends no more.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  class Socket;
  struct Target {
    std::size_t zone = 0;  // in zones_
    asio::ip::udp::endpoint endpoint;
    std::shared_ptr<Socket> socket;
    std::optional<std::uint32_t> told;  // the serial of the last message
    std::uint16_t id = 0;
    int attempts = 0;
    bool is_answered = true;
    bool has_failed = false;
    Clock::time_point next;  // attempt, or message
  };

  void look_later();
  void look();
  void begin(Target& target, std::uint32_t serial);
  void send(Target& target);
  void take_answer(const asio::ip::udp::endpoint& from, std::span<const std::uint8_t> message);

  asio::io_context& io_;
  asio::steady_timer timer_;
  std::vector<NotifiedZone> zones_;
  std::vector<Target> targets_;
  std::random_device random_;
};

}  // namespace fairlead::server
