// What dnstap tells of a query or a reply, as a frame of Frame Streams with dnstap's protobuf in it.
//
// Threads: pure functions.
// Limits: those of a DNS message, and of what the Corefile says; a frame's memory is the caller's.
// Standards: dnstap.proto of https://dnstap.info.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "zones/base/ip_address.hpp"

namespace fairlead::server {

/// The numbers are dnstap's.
enum class DnstapType : std::uint8_t {
  client_query = 5,
  client_response = 6,
  forwarder_query = 7,
  forwarder_response = 8
};

struct DnstapEvent {
  using Time = std::chrono::sys_time<std::chrono::nanoseconds>;
  DnstapType type{};
  bool is_ipv4 = true;
  bool is_tcp = false;
  // Who asked, and of whom; what is not known is not told.
  std::optional<base::IpAddress> query_address = {};
  std::uint16_t query_port = 0;
  std::optional<base::IpAddress> response_address = {};
  std::uint16_t response_port = 0;
  std::optional<Time> query_time = {};
  std::optional<Time> response_time = {};
  std::span<const std::uint8_t> query_message = {};
  std::span<const std::uint8_t> response_message = {};
};

/// Makes of `frame` the frame of one event.
void write_dnstap_frame(std::string& frame, std::string_view identity, std::string_view version, std::string_view extra,
                        const DnstapEvent& event);

}  // namespace fairlead::server
