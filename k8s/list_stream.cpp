#include "k8s/list_stream.hpp"

#include <array>

namespace fairlead::k8s {

namespace {

constexpr std::size_t key_octets_max = 64;

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The bytes outside of strings that change the nesting or begin a string.
constexpr std::array<bool, 256> structural = [] {
  std::array<bool, 256> table{};
  for (const char c : {'"', '{', '}', '[', ']'}) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

}  // namespace

bool JsonListStream::feed(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ != State::malformed) {
    const char c = bytes[at];
    switch (state_) {
      case State::start:
        ++at;
        if (is_space(c)) break;
        state_ = c == '{' ? State::key_or_end : State::malformed;
        break;
      case State::key_or_end:
        ++at;
        if (is_space(c) || c == ',') break;
        if (c == '"') {
          key_.clear();
          escaped_ = false;
          state_ = State::key;
        } else {
          state_ = c == '}' ? State::done : State::malformed;
        }
        break;
      case State::key:
        ++at;
        if (c == '"' && !escaped_) {
          state_ = State::colon;
          break;
        }
        escaped_ = c == '\\' && !escaped_;
        // Keys that are longer are none of ours; what is cut off does not matter.
        if (key_.size() < key_octets_max) key_.push_back(c);
        break;
      case State::colon:
        ++at;
        if (is_space(c)) break;
        state_ = c == ':' ? State::value : State::malformed;
        break;
      case State::value:
        if (is_space(c)) {
          ++at;
        } else if (c == '[' && key_ == "items") {
          ++at;
          in_items_ = true;
          state_ = State::item_or_end;
        } else if (c == '{' && key_ == "metadata") {
          metadata_.clear();
          begin_value(Target::metadata);
        } else {
          begin_value(Target::nothing);
        }
        break;
      case State::item_or_end:
        if (is_space(c) || c == ',') {
          ++at;
        } else if (c == ']') {
          ++at;
          in_items_ = false;
          state_ = State::key_or_end;
        } else {
          begin_value(Target::item);
        }
        break;
      case State::inside: at += inside_value(bytes.substr(at)); break;
      case State::done:
        // Go's encoder ends a document with a newline.
        ++at;
        if (!is_space(c)) state_ = State::malformed;
        break;
      case State::malformed: break;
    }
  }
  return state_ != State::malformed;
}

void JsonListStream::begin_value(Target target) {
  target_ = target;
  depth_ = 0;
  in_string_ = escaped_ = scalar_ = oversized_ = false;
  if (target == Target::item) item_.clear();
  state_ = State::inside;
}

std::size_t JsonListStream::inside_value(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const char c = bytes[at];
    if (in_string_) {
      if (escaped_) {
        escaped_ = false;
        ++at;
        continue;
      }
      while (at < bytes.size() && bytes[at] != '"' && bytes[at] != '\\') ++at;
      if (at == bytes.size()) break;
      if (bytes[at++] == '\\') {
        escaped_ = true;
        continue;
      }
      in_string_ = false;
      if (depth_ == 0) {
        keep(bytes.substr(0, at));
        end_value();
        return at;
      }
      continue;
    }
    if (depth_ == 0 && scalar_) {
      if (is_space(c) || c == ',' || c == '}' || c == ']') {
        keep(bytes.substr(0, at));
        end_value();
        return at;
      }
      if (structural[static_cast<unsigned char>(c)] || c == ':') {
        state_ = State::malformed;
        return at;
      }
      ++at;
      continue;
    }
    if (c == '"') {
      in_string_ = true;
      ++at;
    } else if (c == '{' || c == '[') {
      ++depth_;
      ++at;
    } else if (c == '}' || c == ']') {
      if (depth_ == 0) {  // where a value should begin
        state_ = State::malformed;
        return at;
      }
      ++at;
      if (--depth_ == 0) {
        keep(bytes.substr(0, at));
        end_value();
        return at;
      }
    } else if (depth_ == 0) {
      if (c == ',' || c == ':') {
        state_ = State::malformed;
        return at;
      }
      scalar_ = true;
      ++at;
    } else {
      while (at < bytes.size() && !structural[static_cast<unsigned char>(bytes[at])]) ++at;
    }
  }
  keep(bytes);
  return bytes.size();
}

void JsonListStream::keep(std::string_view bytes) {
  if (target_ == Target::nothing || oversized_) return;
  std::string& text = target_ == Target::item ? item_ : metadata_;
  const std::size_t limit = target_ == Target::item ? item_octets_max : metadata_octets_max;
  if (text.size() + bytes.size() > limit) {
    oversized_ = true;
    text.clear();
    text.shrink_to_fit();
    return;
  }
  text.append(bytes);
}

void JsonListStream::end_value() {
  if (target_ == Target::item) end_item();
  target_ = Target::nothing;
  state_ = in_items_ ? State::item_or_end : State::key_or_end;
}

}  // namespace fairlead::k8s
