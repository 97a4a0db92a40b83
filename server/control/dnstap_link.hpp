// One connection to a receiver of dnstap, whoever connected: says hello, sends what it is given, says goodbye.
//
// Threads: the one that runs the io_context. Handlers keep the link; its owner calls detach() before it goes.
// Limits: link_silence_max for the hello and between two steps of a write, link_goodbye_max for the end; what waits is
//   bounded by the owner, what a receiver says by control_octets_max.
// Errors: a sentence, once; what was not sent in whole is there to be sent elsewhere.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "server/control/dnstap_stream.hpp"
#include "zones/base/asio.hpp"

namespace fairlead::server {

/// CoreDNS's. A receiver that takes nothing for so long is as good as none.
inline constexpr std::chrono::seconds link_silence_max{4};
inline constexpr std::chrono::seconds link_goodbye_max{1};

class DnstapLink : public std::enable_shared_from_this<DnstapLink> {
 public:
  /// Whole frames, perhaps for several receivers.
  using Batch = std::shared_ptr<const std::string>;

  class Owner {
   public:
    virtual void on_link_open(DnstapLink& link) = 0;
    /// Something was sent; it may be given more.
    virtual void on_link_room(DnstapLink& link) = 0;
    /// The last call; `why` is empty after a goodbye that was answered.
    virtual void on_link_end(DnstapLink& link, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  DnstapLink(asio::io_context& io, std::unique_ptr<DnstapStream> stream, Owner& owner);

  void open();
  void send(Batch batch);
  /// Sends what waits, says goodbye and ends.
  void finish();
  /// Ends at once and says nothing to the owner.
  void detach();

  bool is_open() const { return state_ == State::open; }
  std::size_t waiting_octets() const { return waiting_octets_; }
  /// The frames that were not sent in whole, for the time after the end.
  std::string take_unsent();

 private:
  enum class State : std::uint8_t { fresh, hello, open, goodbye, ended };
  struct Piece {
    Batch octets;
    bool is_data = false;
  };

  void push(Batch octets, bool is_data);
  void write();
  void on_written(const boost::system::error_code& error, std::size_t octets);
  void read();
  void on_read(const boost::system::error_code& error, std::size_t octets);
  void say_goodbye();
  void wait_at_most(std::chrono::milliseconds time, const char* why);
  void stop_waiting();
  void end(const std::string& why);

  const std::unique_ptr<DnstapStream> stream_;
  Owner* owner_;
  asio::steady_timer timer_;
  State state_ = State::fresh;
  std::deque<Piece> output_;
  std::size_t sent_ = 0;  // of the first piece
  std::size_t waiting_octets_ = 0;
  std::uint64_t wait_ = 0;
  bool is_writing_ = false;
  bool has_said_goodbye_ = false;
  std::array<char, 256> buffer_{};
  std::string input_;
};

}  // namespace fairlead::server
