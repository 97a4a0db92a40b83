// The only file here that includes protozero.
#include "server/handlers/dnstap_message.hpp"

#include <protozero/pbf_writer.hpp>

namespace fairlead::server {
namespace {

using protozero::pbf_writer;

// Of dnstap.proto.
namespace tag {
constexpr std::uint32_t identity = 1, version = 2, extra = 3, message = 14, type = 15;
}
namespace message_tag {
constexpr std::uint32_t type = 1, socket_family = 2, socket_protocol = 3, query_address = 4, response_address = 5,
                        query_port = 6, response_port = 7, query_time_sec = 8, query_time_nsec = 9, query_message = 10,
                        response_time_sec = 12, response_time_nsec = 13, response_message = 14;
}
constexpr std::int32_t type_message = 1;
constexpr std::int32_t family_inet = 1, family_inet6 = 2;
constexpr std::int32_t protocol_udp = 1, protocol_tcp = 2;

constexpr std::size_t length_octets = 4;

void add(pbf_writer& writer, std::uint32_t tag, std::span<const std::uint8_t> octets) {
  writer.add_bytes(tag, reinterpret_cast<const char*>(octets.data()), octets.size());
}

void add_time(pbf_writer& writer, std::uint32_t tag_seconds, std::uint32_t tag_nanoseconds, DnstapEvent::Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  writer.add_uint64(tag_seconds, static_cast<std::uint64_t>(seconds.time_since_epoch().count()));
  writer.add_fixed32(tag_nanoseconds, static_cast<std::uint32_t>((time - seconds).count()));
}

void add_message(pbf_writer& outer, const DnstapEvent& event) {
  pbf_writer writer(outer, tag::message);
  writer.add_enum(message_tag::type, static_cast<std::int32_t>(event.type));
  writer.add_enum(message_tag::socket_family, event.is_ipv4 ? family_inet : family_inet6);
  writer.add_enum(message_tag::socket_protocol, event.is_tcp ? protocol_tcp : protocol_udp);
  if (event.query_address) {
    add(writer, message_tag::query_address, event.query_address->octets());
    writer.add_uint32(message_tag::query_port, event.query_port);
  }
  if (event.response_address) {
    add(writer, message_tag::response_address, event.response_address->octets());
    writer.add_uint32(message_tag::response_port, event.response_port);
  }
  if (event.query_time) {
    add_time(writer, message_tag::query_time_sec, message_tag::query_time_nsec, *event.query_time);
  }
  if (!event.query_message.empty()) add(writer, message_tag::query_message, event.query_message);
  if (event.response_time) {
    add_time(writer, message_tag::response_time_sec, message_tag::response_time_nsec, *event.response_time);
  }
  if (!event.response_message.empty()) add(writer, message_tag::response_message, event.response_message);
}

}  // namespace

void write_dnstap_frame(std::string& frame, std::string_view identity, std::string_view version, std::string_view extra,
                        const DnstapEvent& event) {
  frame.assign(length_octets, '\0');
  pbf_writer writer(frame);
  if (!identity.empty()) writer.add_bytes(tag::identity, identity.data(), identity.size());
  if (!version.empty()) writer.add_bytes(tag::version, version.data(), version.size());
  if (!extra.empty()) writer.add_bytes(tag::extra, extra.data(), extra.size());
  add_message(writer, event);
  writer.add_enum(tag::type, type_message);
  const std::size_t size = frame.size() - length_octets;
  for (std::size_t i = 0; i < length_octets; ++i) frame[i] = static_cast<char>(size >> (8 * (length_octets - 1 - i)));
}

}  // namespace fairlead::server
