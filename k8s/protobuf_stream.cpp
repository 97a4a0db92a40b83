#include "k8s/protobuf_stream.hpp"

#include <algorithm>

#include "k8s/protobuf_decoder.hpp"

namespace fairlead::k8s {

namespace {

constexpr std::size_t type_octets_max = 1024;

// Wire types.
constexpr unsigned varint_type = 0;
constexpr unsigned fixed64_type = 1;
constexpr unsigned length_type = 2;
constexpr unsigned fixed32_type = 5;

}  // namespace

bool ProtobufListStream::feed(std::string_view octets) {
  while (!octets.empty() && state_ != State::malformed) {
    if (state_ != State::inside) {
      take_octet(octets.front());
      octets.remove_prefix(1);
      continue;
    }
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(octets.size(), value_left_));
    if (target_ != Target::nothing && !oversized_) {
      std::string& text = target_ == Target::item ? item_ : target_ == Target::type ? type_ : metadata_;
      text.append(octets, 0, size);
    }
    value_left_ -= size;
    octets.remove_prefix(size);
    if (value_left_ == 0) end_value();
  }
  return state_ != State::malformed;
}

void ProtobufListStream::take_octet(char octet) {
  if (state_ == State::magic) {
    if (octet != protobuf_magic[magic_octets_]) return fail();
    if (++magic_octets_ == protobuf_magic.size()) state_ = State::tag;
    return;
  }
  if (in_list_) {
    if (list_left_ == 0) return fail();  // a field that reaches over the end of the list
    --list_left_;
  }
  if (!take_varint(static_cast<unsigned char>(octet))) return;
  switch (state_) {
    case State::tag:
      tag_ = varint_;
      begin_field();
      break;
    case State::number: end_value(); break;
    case State::length:
      value_left_ = varint_;
      begin_value();
      break;
    case State::magic:
    case State::inside:
    case State::malformed: break;
  }
  if (state_ != State::malformed) varint_ = 0;
}

/// True with the last octet of a varint.
bool ProtobufListStream::take_varint(unsigned char octet) {
  if (shift_ > 63) {
    fail();
    return false;
  }
  varint_ |= static_cast<std::uint64_t>(octet & 0x7f) << shift_;
  if ((octet & 0x80) != 0) {
    shift_ += 7;
    return false;
  }
  shift_ = 0;
  return true;
}

void ProtobufListStream::begin_field() {
  target_ = Target::nothing;
  switch (tag_ & 7) {
    case varint_type: state_ = State::number; break;
    case length_type: state_ = State::length; break;
    case fixed64_type:
    case fixed32_type:
      value_left_ = (tag_ & 7) == fixed64_type ? 8 : 4;
      begin_value();
      break;
    default: fail();  // groups, which Kubernetes never had
  }
}

void ProtobufListStream::begin_value() {
  state_ = State::inside;
  oversized_ = false;
  const bool has_length = (tag_ & 7) == length_type;
  const std::uint64_t field = tag_ >> 3;
  if (in_list_) {
    if (value_left_ > list_left_) return fail();
    list_left_ -= value_left_;
    if (has_length && field == 1) target_ = Target::metadata;
    if (has_length && field == 2) target_ = Target::item;
  } else if (has_length && field == 1) {
    target_ = Target::type;
  } else if (has_length && field == 2) {
    if (had_list_) return fail();
    in_list_ = had_list_ = true;
    list_left_ = value_left_;
    value_left_ = 0;
    state_ = State::tag;
    if (list_left_ == 0) in_list_ = false;
    return;
  } else if (has_length && field == 3 && value_left_ > 0) {
    return fail();  // encoded once more
  }
  if (target_ == Target::item) {
    item_.clear();
    oversized_ = value_left_ > item_octets_max;
  } else if (target_ == Target::metadata) {
    metadata_.clear();
    oversized_ = value_left_ > metadata_octets_max;
  } else if (target_ == Target::type) {
    if (value_left_ > type_octets_max) return fail();
    type_.clear();
  }
  if (value_left_ == 0) end_value();
}

void ProtobufListStream::end_value() {
  if (target_ == Target::item) {
    end_item();
  } else if (target_ == Target::type && !type_.ends_with("List")) {
    // TypeMeta ends with its kind. A message of another kind has other things in the places of metadata and items.
    return fail();
  }
  target_ = Target::nothing;
  state_ = State::tag;
  if (in_list_ && list_left_ == 0) in_list_ = false;
}

bool ProtobufWatchStream::feed(std::string_view octets) {
  constexpr std::size_t length_octets = 4;
  while (!octets.empty() && !ended_) {
    if (length_octets_ < length_octets) {
      left_ = (left_ << 8) | static_cast<unsigned char>(octets.front());
      octets.remove_prefix(1);
      if (++length_octets_ < length_octets) continue;
      oversized_ = left_ > event_octets_max;
      event_.clear();
    } else {
      const std::size_t size = std::min<std::size_t>(octets.size(), left_);
      if (!oversized_) event_.append(octets, 0, size);
      left_ -= static_cast<std::uint32_t>(size);
      octets.remove_prefix(size);
    }
    if (left_ > 0) continue;
    length_octets_ = 0;
    if (oversized_) {
      ++oversized_events_;
    } else {
      ended_ = !handler_.take_event(event_);
    }
    if (event_.capacity() > idle_capacity_max) event_ = {};
  }
  return !ended_;
}

}  // namespace fairlead::k8s
