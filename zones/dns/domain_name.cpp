#include "zones/dns/domain_name.hpp"

#include <algorithm>
#include <compare>
#include <cstring>

namespace fairlead::dns {
namespace {

// Eight octets at once: names are lowered and compared several times a query.
using Word = std::uint64_t;
constexpr std::size_t word_octets = sizeof(Word);

Word load_word(const std::uint8_t* at) {
  Word word;
  std::memcpy(&word, at, word_octets);
  return word;
}

// The offset of the word behind the one at `at`. The last one ends where the octets end, so it may repeat some that
// were done before: less work than to go on octet by octet.
std::size_t next_word(std::size_t at, std::size_t size) { return std::min(at + word_octets, size - word_octets); }

bool equal_ignoring_case(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  if (size < word_octets) {
    return std::equal(a, a + size, b, [](std::uint8_t x, std::uint8_t y) { return to_lower(x) == to_lower(y); });
  }
  for (std::size_t at = 0;; at = next_word(at, size)) {
    if (to_lower_each(load_word(a + at)) != to_lower_each(load_word(b + at))) return false;
    if (at == size - word_octets) return true;
  }
}

// The octet count of the valid name at the start of `wire`, or why it is none.
std::expected<std::size_t, NameError> measure(std::span<const std::uint8_t> wire) {
  std::size_t at = 0;
  while (true) {
    if (at >= wire.size()) return std::unexpected(NameError::truncated);
    const std::uint8_t length = wire[at];
    if (length > label_octets_max) return std::unexpected(NameError::pointer);
    at += 1 + length;
    if (at > name_octets_max) return std::unexpected(NameError::name_too_long);
    if (length == 0) return at;
  }
}

}  // namespace

std::string_view to_string(NameError error) {
  switch (error) {
    case NameError::empty_label: return "empty label";
    case NameError::label_too_long: return "label longer than 63 octets";
    case NameError::name_too_long: return "name longer than 255 octets";
    case NameError::truncated: return "name cut short";
    case NameError::bad_escape: return "bad escape in name";
    case NameError::pointer: return "compression pointer not allowed here";
  }
  return "bad name";
}

std::size_t NameView::label_count() const {
  std::size_t count = 0;
  for (const std::uint8_t* at = data_; *at != 0; at += 1 + *at) ++count;
  return count;
}

std::string_view NameView::first_label() const { return {reinterpret_cast<const char*>(data_) + 1, data_[0]}; }

NameView NameView::parent() const {
  if (is_root()) return *this;
  const std::size_t skip = 1 + data_[0];
  return NameView({data_ + skip, size_ - skip});
}

bool NameView::is_at_or_below(NameView zone) const {
  if (zone.size() > size()) return false;
  const std::uint8_t* const start = data_ + (size_ - zone.size_);
  if (!equal_ignoring_case(start, zone.data(), zone.size())) return false;
  // The suffix must begin at a label, not inside one whose octets happen to look like the zone.
  const std::uint8_t* at = data_;
  while (at < start) at += 1 + *at;
  return at == start;
}

void NameView::copy_lower(std::uint8_t* to) const {
  if (size_ < word_octets) {
    std::transform(data_, data_ + size_, to, dns::to_lower);
    return;
  }
  for (std::size_t at = 0;; at = next_word(at, size_)) {
    const Word lower = to_lower_each(load_word(data_ + at));
    std::memcpy(to + at, &lower, word_octets);
    if (at == size_ - word_octets) return;
  }
}

std::string NameView::to_string() const {
  if (is_root()) return ".";
  std::string text;
  text.reserve(size_);
  for (NameView rest = *this; !rest.is_root(); rest = rest.parent()) {
    for (const char c : rest.first_label()) {
      const auto octet = static_cast<std::uint8_t>(c);
      if (octet < 0x21 || octet > 0x7e) {
        text += '\\';
        text += static_cast<char>('0' + octet / 100);
        text += static_cast<char>('0' + octet / 10 % 10);
        text += static_cast<char>('0' + octet % 10);
      } else {
        if (std::string_view(".\\\"();@$").contains(c)) text += '\\';
        text += c;
      }
    }
    text += '.';
  }
  return text;
}

bool operator==(NameView a, NameView b) {
  return a.size() == b.size() && equal_ignoring_case(a.data(), b.data(), a.size());
}

std::size_t hash_value(NameView name) {
  // FNV-1a: short keys, off the query path.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t octet : name.wire()) {
    hash ^= to_lower(octet);
    hash *= 0x100000001b3;
  }
  return hash;
}

std::strong_ordering compare_canonical(NameView a, NameView b) {
  const LabelOffsets a_labels(a);
  const LabelOffsets b_labels(b);
  const int common = std::min(a_labels.count, b_labels.count);
  for (int i = 1; i <= common; ++i) {
    const std::uint8_t* const a_label = a.data() + a_labels.offset[a_labels.count - i];
    const std::uint8_t* const b_label = b.data() + b_labels.offset[b_labels.count - i];
    const auto order = std::lexicographical_compare_three_way(
        a_label + 1, a_label + 1 + *a_label, b_label + 1, b_label + 1 + *b_label,
        [](std::uint8_t x, std::uint8_t y) { return to_lower(x) <=> to_lower(y); });
    if (order != 0) return order;
  }
  return a_labels.count <=> b_labels.count;
}

std::expected<DomainName, NameError> DomainName::parse(std::string_view presentation) {
  DomainName name;
  if (presentation.empty() || presentation == ".") return name;
  std::string wire;
  std::string label;
  const auto finish_label = [&]() -> std::expected<void, NameError> {
    if (label.empty()) return std::unexpected(NameError::empty_label);
    if (label.size() > label_octets_max) return std::unexpected(NameError::label_too_long);
    wire += static_cast<char>(label.size());
    wire += label;
    label.clear();
    return {};
  };
  bool ended_with_dot = false;
  for (std::size_t i = 0; i < presentation.size(); ++i) {
    const char c = presentation[i];
    ended_with_dot = false;
    if (c == '.') {
      if (auto done = finish_label(); !done) return std::unexpected(done.error());
      ended_with_dot = true;
    } else if (c == '\\') {
      if (++i == presentation.size()) return std::unexpected(NameError::bad_escape);
      const auto is_digit = [&](std::size_t at) {
        return at < presentation.size() && presentation[at] >= '0' && presentation[at] <= '9';
      };
      if (!is_digit(i)) {
        label += presentation[i];
        continue;
      }
      if (!is_digit(i + 1) || !is_digit(i + 2)) return std::unexpected(NameError::bad_escape);
      const int value = (presentation[i] - '0') * 100 + (presentation[i + 1] - '0') * 10 + (presentation[i + 2] - '0');
      if (value > 255) return std::unexpected(NameError::bad_escape);
      label += static_cast<char>(value);
      i += 2;
    } else {
      label += c;
    }
  }
  if (!ended_with_dot) {
    if (auto done = finish_label(); !done) return std::unexpected(done.error());
  }
  wire += '\0';
  if (wire.size() > name_octets_max) return std::unexpected(NameError::name_too_long);
  name.wire_ = std::move(wire);
  return name;
}

std::expected<DomainName, NameError> DomainName::from_wire(std::span<const std::uint8_t> wire) {
  const auto size = measure(wire);
  if (!size) return std::unexpected(size.error());
  return DomainName(NameView(wire.first(*size)));
}

DomainName DomainName::to_lower() const {
  DomainName lower = *this;
  for (char& c : lower.wire_) c = static_cast<char>(dns::to_lower(static_cast<std::uint8_t>(c)));
  return lower;
}

std::expected<DomainName, NameError> DomainName::with_label(std::string_view label) const {
  if (label.empty()) return std::unexpected(NameError::empty_label);
  if (label.size() > label_octets_max) return std::unexpected(NameError::label_too_long);
  if (wire_.size() + 1 + label.size() > name_octets_max) return std::unexpected(NameError::name_too_long);
  DomainName longer;
  longer.wire_ = static_cast<char>(label.size());
  longer.wire_ += label;
  longer.wire_ += wire_;
  return longer;
}

LabelOffsets::LabelOffsets(NameView name) {
  std::uint8_t at = 0;
  while (name.data()[at] != 0) {
    offset[count++] = at;
    at = static_cast<std::uint8_t>(at + 1 + name.data()[at]);
  }
  offset[count] = at;
}

}  // namespace fairlead::dns
