// A list in JSON: finds the objects of the top-level "items" array in a stream of bytes, one by one,
// and keeps the top-level "metadata" (resource version, continue token) wherever it stands.
//
// A list of a large cluster has a hundred megabytes; this holds one object of it. It looks at strings, escapes and
// nesting only, and leaves the meaning of an object, and whether it is well formed, to the decoder.
//
// Threads: one at a time.
// Limits: an object of at most item_octets_max (larger ones are left out and counted), metadata of at most 64 KiB.
// Errors: feed() is false once the bytes cannot be a list; that stays.
// Standards: RFC 8259.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "k8s/object_stream.hpp"

namespace fairlead::k8s {

class JsonListStream final : public ListStream {
 public:
  explicit JsonListStream(Handler& handler) : ListStream(handler) {}

  bool feed(std::string_view bytes) override;
  /// The closing brace of the list was seen.
  bool is_complete() const override { return state_ == State::done; }

 private:
  enum class State : std::uint8_t { start, key_or_end, key, colon, value, item_or_end, inside, done, malformed };
  enum class Target : std::uint8_t { nothing, metadata, item };

  void begin_value(Target target);
  /// Consumes bytes of a value; gives how many.
  std::size_t inside_value(std::string_view bytes);
  void keep(std::string_view bytes);
  void end_value();

  State state_ = State::start;
  Target target_ = Target::nothing;
  bool in_items_ = false;  // the value being read is an element of "items"
  bool in_string_ = false;
  bool escaped_ = false;
  bool scalar_ = false;  // a number, true, false or null: ends where something else begins
  std::uint64_t depth_ = 0;
  std::string key_;
};

}  // namespace fairlead::k8s
