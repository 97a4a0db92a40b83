// Domain names in uncompressed wire form: length octet, label, ..., zero octet.
//
// NameView looks at a name that someone else keeps (a packet, a table); DomainName owns one. Names are compared and
// hashed in wire form and without regard to ASCII case, never as dotted strings: an escaped dot inside a label must
// not move a zone cut.
//
// Threads: values; no shared state.
// Limits: 255 octets a name, 63 a label, so at most 127 labels besides the root.
// Errors: NameError from the two parsers; everything else is total on valid names.
// Standards: RFC 1035 §2.3.4 and §3.1, RFC 4343 (case), RFC 9499 (words).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::dns {

inline constexpr std::size_t name_octets_max = 255;
inline constexpr std::size_t label_octets_max = 63;
inline constexpr std::size_t labels_max = 127;

enum class NameError {
  empty_label,
  label_too_long,
  name_too_long,
  truncated,   // the wire form ends before the root label
  bad_escape,  // "\" at the end, or "\DDD" above 255
  pointer,     // a compression pointer or reserved label type where none is allowed
};
std::string_view to_string(NameError error);

/// ASCII lower case as RFC 4343 means it: octets outside A-Z stay as they are, length octets (<= 63) included.
constexpr std::uint8_t to_lower(std::uint8_t octet) {
  return octet >= 'A' && octet <= 'Z' ? static_cast<std::uint8_t>(octet + 0x20) : octet;
}

/// Each of eight octets as to_lower() gives it.
constexpr std::uint64_t to_lower_each(std::uint64_t word) {
  constexpr std::uint64_t each = 0x0101010101010101;
  constexpr std::uint64_t high_bits = each * 0x80;
  const std::uint64_t low_bits = word & ~high_bits;
  // The high bit of each octet's sum is set from 'A' on, and from behind 'Z' on; no sum reaches the next octet.
  const std::uint64_t from_a = low_bits + each * (0x80 - 'A');
  const std::uint64_t behind_z = low_bits + each * (0x80 - 'Z' - 1);
  const std::uint64_t is_upper = from_a & ~behind_z & ~word & high_bits;
  return word | is_upper >> 2;  // 0x80 becomes 0x20
}

/// A valid name kept by someone else. Cheap to copy.
class NameView {
 public:
  /// The root.
  constexpr NameView() : data_(root_.data()), size_(1) {}
  /// `wire` must be a valid name up to and including its root label; parsers below check that.
  constexpr explicit NameView(std::span<const std::uint8_t> wire)
      : data_(wire.data()), size_(static_cast<std::uint8_t>(wire.size())) {}

  constexpr const std::uint8_t* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr std::span<const std::uint8_t> wire() const { return {data_, size_}; }
  constexpr bool is_root() const { return size_ == 1; }

  /// Labels, the root not counted.
  std::size_t label_count() const;
  /// The leftmost label without its length octet; empty for the root.
  std::string_view first_label() const;
  /// The name without its leftmost label; the root's parent is the root.
  NameView parent() const;
  /// True when the name is `zone` or below it.
  bool is_at_or_below(NameView zone) const;
  /// Writes size() octets, the same name in lower case.
  void copy_lower(std::uint8_t* to) const;
  /// Presentation form with a final dot, escaped as RFC 4343 §2.1 says.
  std::string to_string() const;

  friend bool operator==(NameView a, NameView b);

 private:
  static constexpr std::array<std::uint8_t, 1> root_{0};
  const std::uint8_t* data_;
  std::uint8_t size_;
};

/// Hash without regard to case, for tables off the query path.
std::size_t hash_value(NameView name);

/// RFC 4034 §6.1 canonical order: by labels from the right, each compared as lower-case octets.
std::strong_ordering compare_canonical(NameView a, NameView b);

/// A name that owns its octets.
class DomainName {
 public:
  /// The root.
  DomainName() : wire_(1, '\0') {}
  explicit DomainName(NameView name) : wire_(reinterpret_cast<const char*>(name.data()), name.size()) {}

  /// Presentation form; a missing final dot is taken as there. "" and "." are the root.
  static std::expected<DomainName, NameError> parse(std::string_view presentation);
  /// An uncompressed name at the start of `wire`; what follows it is ignored.
  static std::expected<DomainName, NameError> from_wire(std::span<const std::uint8_t> wire);

  NameView view() const { return NameView({reinterpret_cast<const std::uint8_t*>(wire_.data()), wire_.size()}); }
  operator NameView() const { return view(); }  // NOLINT(google-explicit-constructor): a view of itself
  std::string to_string() const { return view().to_string(); }
  /// The same name in lower case.
  DomainName to_lower() const;
  /// `label` put in front; an error when it does not fit.
  std::expected<DomainName, NameError> with_label(std::string_view label) const;

  friend bool operator==(const DomainName& a, const DomainName& b) { return a.view() == b.view(); }

 private:
  std::string wire_;
};

/// Where each label of a name begins, so that a name can be read from the right.
struct LabelOffsets {
  explicit LabelOffsets(NameView name);
  std::array<std::uint8_t, labels_max + 1> offset;  // offset[count] is the root label
  std::uint8_t count = 0;                           // labels, the root not counted
};

}  // namespace fairlead::dns

template <>
struct std::hash<fairlead::dns::DomainName> {
  std::size_t operator()(const fairlead::dns::DomainName& name) const noexcept { return hash_value(name.view()); }
};
