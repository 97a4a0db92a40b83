// A list and a watch in protobuf, as they arrive.
//
// A list is the magic and a message Unknown, whose field "raw" is the list: its metadata and its items, each with its
// length in front. A watch is a row of events, each with its length in four octets, the highest first.
//
// Threads: one at a time.
// Limits: of object_stream.hpp. Lengths are believed only as far as octets really come.
// Errors: feed() is false once the octets cannot be a list; that stays. What stands in an event is the decoder's
//   business.
// Standards: Protocol Buffers encoding; Kubernetes API concepts, "Protobuf encoding".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "k8s/object_stream.hpp"

namespace fairlead::k8s {

class ProtobufListStream final : public ListStream {
 public:
  explicit ProtobufListStream(Handler& handler) : ListStream(handler) {}

  bool feed(std::string_view octets) override;
  bool is_complete() const override { return had_list_ && !in_list_ && state_ == State::tag && shift_ == 0; }

 private:
  enum class State : std::uint8_t { magic, tag, number, length, inside, malformed };
  enum class Target : std::uint8_t { nothing, type, encoding, metadata, item };

  void take_octet(char octet);
  bool take_varint(unsigned char octet);
  void begin_field();
  void begin_value();
  void end_value();
  void fail() { state_ = State::malformed; }

  State state_ = State::magic;
  Target target_ = Target::nothing;
  std::size_t magic_octets_ = 0;
  std::uint64_t varint_ = 0;
  unsigned shift_ = 0;
  std::uint64_t tag_ = 0;
  std::uint64_t value_left_ = 0;
  std::uint64_t list_left_ = 0;
  bool in_list_ = false;
  bool had_list_ = false;
  std::string type_;
};

class ProtobufWatchStream final : public WatchStream {
 public:
  explicit ProtobufWatchStream(Handler& handler) : handler_(handler) {}

  bool feed(std::string_view octets) override;
  std::uint64_t oversized_events() const override { return oversized_events_; }

 private:
  Handler& handler_;
  std::size_t length_octets_ = 0;
  std::uint32_t left_ = 0;
  bool oversized_ = false;
  bool ended_ = false;
  std::uint64_t oversized_events_ = 0;
  std::string event_;
};

}  // namespace fairlead::k8s
