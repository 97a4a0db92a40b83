#include "server/control/frame_streams.hpp"

#include <algorithm>
#include <array>

namespace fairlead::server {
namespace {

constexpr std::uint32_t content_type_field = 1;

void append_u32(std::string& out, std::size_t value) {
  const std::array<char, 4> octets{static_cast<char>(value >> 24), static_cast<char>(value >> 16),
                                   static_cast<char>(value >> 8), static_cast<char>(value)};
  out.append(octets.data(), octets.size());
}

std::uint32_t read_u32(std::string_view octets) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(octets[i]);
  return value;
}

bool take_u32(std::string_view& octets, std::uint32_t& value) {
  if (octets.size() < 4) return false;
  value = read_u32(octets);
  octets.remove_prefix(4);
  return true;
}

}  // namespace

std::string make_control_frame(FrameControl control, bool has_content_type) {
  std::string body;
  append_u32(body, static_cast<std::uint32_t>(control));
  if (has_content_type) {
    append_u32(body, content_type_field);
    append_u32(body, dnstap_content_type.size());
    body += dnstap_content_type;
  }
  std::string frame;
  append_u32(frame, 0);
  append_u32(frame, body.size());
  return frame + body;
}

std::expected<std::optional<ReadControl>, std::string> read_control_frame(std::string_view octets) {
  std::uint32_t escape = 0;
  std::uint32_t length = 0;
  if (!take_u32(octets, escape)) return std::nullopt;
  if (escape != 0) return std::unexpected("it does not speak Frame Streams");
  if (!take_u32(octets, length)) return std::nullopt;
  if (length < 4 || length > control_octets_max) return std::unexpected("it does not speak Frame Streams");
  if (octets.size() < length) return std::nullopt;
  octets = octets.substr(0, length);
  std::uint32_t control = 0;
  take_u32(octets, control);
  bool has_types = false;
  bool has_ours = false;
  while (!octets.empty()) {
    std::uint32_t field = 0;
    std::uint32_t size = 0;
    if (!take_u32(octets, field) || !take_u32(octets, size) || octets.size() < size) {
      return std::unexpected("its control frame is broken");
    }
    has_types |= field == content_type_field;
    has_ours |= field == content_type_field && octets.substr(0, size) == dnstap_content_type;
    octets.remove_prefix(size);
  }
  if (has_types && !has_ours) return std::unexpected("it does not take dnstap");
  return ReadControl{.control = static_cast<FrameControl>(control), .octets = 2 * frame_length_octets + length};
}

std::size_t frame_boundary(std::string_view octets, std::size_t at) {
  std::size_t boundary = 0;
  while (boundary + frame_length_octets <= octets.size()) {
    const std::size_t end = boundary + frame_length_octets + read_u32(octets.substr(boundary));
    if (end > at || end > octets.size()) break;
    boundary = end;
  }
  return boundary;
}

std::uint64_t count_frames(std::string_view octets) {
  std::uint64_t count = 0;
  while (octets.size() >= frame_length_octets) {
    const std::size_t size = frame_length_octets + read_u32(octets);
    octets.remove_prefix(std::min(size, octets.size()));
    ++count;
  }
  return count;
}

}  // namespace fairlead::server
