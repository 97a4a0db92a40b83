// Frame Streams, the transport of dnstap: data frames behind a length, control frames behind a length of zero.
//
// The sender says what it sends (READY), the receiver agrees (ACCEPT), and the sender begins (START); at the end the
// sender says so (STOP), and the receiver that it has everything (FINISH).
//
// Threads: pure functions.
// Limits: a control frame has control_octets_max octets at most, as in the library of those who made the format.
// Errors: what a receiver says wrongly is a sentence.
// Standards: https://farsightsec.github.io/fstrm/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace fairlead::server {

enum class FrameControl : std::uint32_t { accept = 1, start = 2, stop = 3, ready = 4, finish = 5 };

inline constexpr std::size_t control_octets_max = 512;
inline constexpr std::size_t frame_length_octets = 4;
/// What dnstap's frames hold.
inline constexpr std::string_view dnstap_content_type = "protobuf:dnstap.Dnstap";

/// A whole control frame, with its escape; with a content type, the one of dnstap.
std::string make_control_frame(FrameControl control, bool has_content_type);

struct ReadControl {
  FrameControl control{};
  std::size_t octets = 0;  // that it took
};
/// The control frame at the beginning of `octets`; nothing while it is not there in whole. One with content types must
/// have that of dnstap among them.
std::expected<std::optional<ReadControl>, std::string> read_control_frame(std::string_view octets);

/// Where the last whole frame of `octets` ends that ends at or before `at`: what was not sent in whole begins there.
std::size_t frame_boundary(std::string_view octets, std::size_t at);
/// How many frames `octets` has, which holds whole ones.
std::uint64_t count_frames(std::string_view octets);

}  // namespace fairlead::server
