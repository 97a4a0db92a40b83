// Where the messages of one `dnstap` endpoint go: from a ring of each worker to the receivers, on dnstap's own thread.
//
//     auto ring = outlet.ring_of(worker);
//     if (outlet.is_wanted()) outlet.push(*ring, frame);      // never waits; a full ring loses the frame
//
// A receiver that is away is looked for again; what its rings can hold meanwhile is sent when it is back. Of several
// that have connected to us each gets everything, and one that is slow loses frames for itself alone.
//
// Threads: ring_of(), figures() and stop() any; push() the worker whose ring it is; the rest is dnstap's thread.
// Limits: ring_octets_min for each of the Corefile's `queue` up to ring_octets_max, for each worker;
//   receivers_max, of which each may be receiver_octets_max behind.
// Errors: what is lost is counted and logged; why a receiver is away is logged once a minute.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "server/control/dnstap_stream.hpp"
#include "server/control/octet_ring.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

/// CoreDNS's 10,000 messages, without the messages of DNS themselves.
inline constexpr std::size_t ring_octets_min = std::size_t{1} << 20;
/// CoreDNS's largest queue would be 4 GiB a worker.
inline constexpr std::size_t ring_octets_max = std::size_t{256} << 20;
inline constexpr std::size_t receivers_max = 16;
inline constexpr std::size_t receiver_octets_max = std::size_t{4} << 20;
/// One write's worth; the largest frame fits, a message of DNS and 1 kB of Corefile beside it.
inline constexpr std::size_t batch_octets_max = std::size_t{256} << 10;
/// What a message may wait while the rings are not half full.
inline constexpr std::chrono::milliseconds dnstap_look_interval{50};
inline constexpr std::chrono::milliseconds dnstap_retry_first{250};
inline constexpr std::chrono::seconds dnstap_retry_last{10};
/// For what waits in the rings at the end, and for goodbyes.
inline constexpr std::chrono::milliseconds dnstap_stop_max{1500};

struct DnstapEndpoint {
  bool listens = false;
  DnstapOptions::Transport transport{};
  std::string path;
  std::string host;
  std::uint16_t port = 0;
  std::string name;  // for logs and metrics
  std::size_t ring_octets = ring_octets_min;
  int write_buffer_octets = 0;
  std::function<std::shared_ptr<DnstapTls>()> make_tls;  // empty without TLS
};

class DnstapOutlet {
 public:
  /// `io` is run by dnstap's thread.
  DnstapOutlet(std::shared_ptr<asio::io_context> io, DnstapEndpoint endpoint);
  /// As stop().
  ~DnstapOutlet();
  DnstapOutlet(const DnstapOutlet&) = delete;
  DnstapOutlet& operator=(const DnstapOutlet&) = delete;

  std::shared_ptr<OctetRing> ring_of(unsigned worker);
  /// False while there is nobody who could get a message.
  bool is_wanted() const;
  void push(OctetRing& ring, std::string_view frame) const;

  struct Figures {
    std::uint64_t sent = 0;
    std::uint64_t lost = 0;
    std::size_t receivers = 0;
  };
  Figures figures() const;
  const std::string& name() const;

  /// Sends what the rings hold, within dnstap_stop_max, and ends.
  void stop();
  bool is_stopping() const;
  bool has_stopped() const;

 private:
  class Engine;
  const std::shared_ptr<asio::io_context> io_;
  const std::shared_ptr<Engine> engine_;
};

}  // namespace fairlead::server
