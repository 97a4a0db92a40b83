// A TCP connection that gives up at a deadline.
//
// Threads: blocks the calling one, at most until the deadline.
// Errors: reasons without the name of the server.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "tools/fairleadctl/server_address.hpp"

struct addrinfo;

namespace fairlead::ctl {

class Connection {
 public:
  explicit Connection(std::chrono::steady_clock::time_point deadline) : deadline_(deadline) {}
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Of the addresses of a name, the first that answers.
  std::expected<void, std::string> connect(const ServerAddress& server);
  std::expected<void, std::string> send(std::span<const std::uint8_t> octets);
  /// Fills `octets`. False when the peer closes before the first one.
  std::expected<bool, std::string> receive(std::span<std::uint8_t> octets);
  /// What has come, at least one octet; 0 when the peer has closed.
  std::expected<std::size_t, std::string> receive_some(std::span<std::uint8_t> octets);

 private:
  std::expected<void, std::string> connect(const addrinfo& address);
  std::expected<void, std::string> wait_after(int error, short events);
  std::expected<void, std::string> wait(short events);

  const std::chrono::steady_clock::time_point deadline_;
  int socket_ = -1;
};

}  // namespace fairlead::ctl
