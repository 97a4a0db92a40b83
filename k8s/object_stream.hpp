// The body of a list or of a watch as it arrives, in pieces cut anywhere: finds the objects of a list and the events of
// a watch one by one, so that a list of a hundred megabytes costs one object of memory.
//
// A stream looks at where things begin and end only, and leaves what they mean, and whether they are well formed, to
// the decoder of the same format (object_decoder.hpp).
//
// Threads: one at a time.
// Limits: an object of at most item_octets_max, an event of at most event_octets_max; larger ones are left out and
//   counted.
// Errors: feed() is false once the octets cannot be a list or watch; that stays.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fairlead::k8s {

/// etcd takes objects of at most 1.5 MiB; JSON with managed fields can be somewhat larger than what is stored.
inline constexpr std::size_t item_octets_max = std::size_t{4} << 20;
/// An object and the few words around it.
inline constexpr std::size_t event_octets_max = item_octets_max + 4096;
inline constexpr std::size_t metadata_octets_max = std::size_t{64} << 10;
/// A single huge object must not hold its memory for the rest of the process.
inline constexpr std::size_t idle_capacity_max = std::size_t{1} << 20;

class ListStream {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    /// One object. The octets may be changed or taken.
    virtual void take_item(std::string& octets) = 0;
  };

  virtual ~ListStream() = default;
  virtual bool feed(std::string_view octets) = 0;
  /// The end of the list was seen.
  virtual bool is_complete() const = 0;
  /// The list's metadata, in its format; empty if there was none.
  std::string& metadata() { return metadata_; }
  std::uint64_t oversized_items() const { return oversized_items_; }

 protected:
  explicit ListStream(Handler& handler) : handler_(handler) {}

  /// The item is whole: hands it over, unless it was too large to be kept.
  void end_item() {
    if (oversized_) {
      ++oversized_items_;
    } else {
      handler_.take_item(item_);
    }
    if (item_.capacity() > idle_capacity_max) item_ = {};
  }

  std::string metadata_;
  std::string item_;
  bool oversized_ = false;  // what is being read

 private:
  Handler& handler_;
  std::uint64_t oversized_items_ = 0;
};

class WatchStream {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    /// One event. The octets may be changed or taken. False: no more.
    virtual bool take_event(std::string& octets) = 0;
  };

  virtual ~WatchStream() = default;
  /// False once the handler wanted no more.
  virtual bool feed(std::string_view octets) = 0;
  virtual std::uint64_t oversized_events() const = 0;
};

}  // namespace fairlead::k8s
