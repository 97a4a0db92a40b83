// One name of a table with everything that it has: immutable, in one allocation, close to the wire form.
//
// What is the same in every record of a name (owner pointer, class, TTL, length) is written while an answer is copied;
// what an entry holds is addresses, ports and names. An endpoint of a Service with two ports takes 55 octets, its
// reverse name 39: most names of a cluster are one of the two, so every octet here counts 300,000 times.
//
//   TTL (2) | octets of the key (1) | flags (1) | key
//   count and A addresses | count and AAAA addresses | names of a CNAME or PTR records | SRV records
//
// Each part but the first line is there only when a flag says so. Counts take one octet up to 254 and five above.
// Names: their octets' count and they, each with a root label; a CNAME's is absolute, a PTR record's ends where the
// zone begins that all targets of a table lie in. A PTR record alone that leads to an IPv4 endpoint without a host
// name, "10-1-2-3.db.default", has the last two labels and no count: the first label is made from the address in the
// key. SRV records: form (1), suffix, weight, ports, targets. The suffix is usually a tail of the key and then one
// octet; the target is usually the name at the suffix itself with the entry's own addresses, and then takes nothing;
// and usually every target has the same ports, which are then listed once.
//
// Threads: immutable.
// Limits: a key of at most 254 octets; a TTL of at most entry_ttl_max seconds.
// Errors: none; what does not fit is dropped by make() as documented there.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::zones {

/// 18 hours. A name of a cluster that lived longer in a cache would be a name that is gone.
inline constexpr std::uint32_t entry_ttl_max = 0xffff;

/// What a name is, beyond its records.
enum class Presence : std::uint8_t {
  exists,              // NODATA for types it does not have
  no_ready_endpoints,  // a headless Service without ready endpoints: NXDOMAIN, and we can say why
};

/// What a name has, as its builder states it; see NameEntry for the ready form. Most names are endpoints, with one or
/// two of each: then the lists allocate nothing.
struct NameContent {
  template <typename T, std::size_t usual>
  using List = boost::container::small_vector<T, usual>;
  using Addresses = List<base::IpAddress, 2>;

  /// Where SRV records lead: `label` in front of NameContent::srv_suffix, or the suffix itself when it is empty. A
  /// second label stands between the two when there is a `parent`.
  struct Target {
    std::string label;
    Addresses addresses;  // glue
    std::string parent = {};
  };
  struct Srv {
    std::uint16_t port = 0;
    std::uint16_t target = 0;  // index into targets
  };

  Presence presence = Presence::exists;
  bool in_transfers = true;      // false: a transfer of the zone leaves it out
  Addresses addresses;           // A and AAAA
  std::uint16_t srv_weight = 0;  // one for all SRV records of a name; the priority is 0
  std::string srv_suffix;        // wire labels without root, relative to the zone
  List<Target, 1> targets;
  List<Srv, 4> srvs;
  std::optional<dns::DomainName> cname;  // absolute
  List<std::string, 1> ptrs;             // wire labels without root, at least one, relative to the zone of their table

  /// As new, but with the room that it has: one that is filled again and again allocates nothing for most names.
  void clear();

  friend bool operator==(const NameContent&, const NameContent&);
};

/// An IPv4 address with dashes as a label, its length octet in front, and one octet to write into.
inline constexpr std::size_t dashed_octets_max = 17;

/// Where SRV records of an entry lead: label() in front of SrvRecords::suffix().
class SrvTarget {
 public:
  /// One or two, with their length octets; empty for the suffix itself.
  std::span<const std::uint8_t> label() const {
    if (label_ != nullptr) return {label_, label_octets_};
    return write_label();
  }
  /// Glue, 4 octets each.
  std::span<const std::uint8_t> a_addresses() const { return {a_, a_count_ * 4}; }
  /// Glue, 16 octets each.
  std::span<const std::uint8_t> aaaa_addresses() const { return {aaaa_, aaaa_count_ * 16}; }

 private:
  friend class SrvRecords;
  std::span<const std::uint8_t> write_label() const;

  const std::uint8_t* label_ = nullptr;                         // null: the address with dashes
  mutable std::array<std::uint8_t, dashed_octets_max> dashed_;  // it, once somebody asks for it
  std::size_t label_octets_ = 0;
  const std::uint8_t* a_ = nullptr;
  const std::uint8_t* aaaa_ = nullptr;
  std::size_t a_count_ = 0;
  std::size_t aaaa_count_ = 0;
  const std::uint8_t* end_ = nullptr;
};

class NameEntry;

/// The SRV records of an entry, read from their packed form. Cheap to make; looks at the entry.
class SrvRecords {
 public:
  struct Srv {
    std::uint16_t port;
    std::size_t target;
  };

  explicit SrvRecords(const NameEntry& entry);

  std::size_t count() const { return count_; }
  std::size_t target_count() const { return target_count_; }
  std::uint16_t weight() const { return weight_; }
  /// The end of every target's name, wire labels without root, relative to the zone.
  std::span<const std::uint8_t> suffix() const { return suffix_; }

  Srv operator[](std::size_t index) const;
  /// Costs a walk over the packed targets, unless the index is that of the last one read or behind it.
  const SrvTarget& target(std::size_t index);

  /// Behind the last octet, for who compares entries.
  const std::uint8_t* end() const;

 private:
  void read_target(const std::uint8_t* at, SrvTarget& target) const;

  const NameEntry* entry_;
  std::span<const std::uint8_t> suffix_;
  std::size_t count_ = 0;
  std::size_t target_count_ = 0;
  std::size_t port_count_ = 0;  // of every target, in a grid
  std::uint16_t weight_ = 0;
  std::uint8_t form_ = 0;
  const std::uint8_t* srvs_ = nullptr;
  const std::uint8_t* targets_ = nullptr;
  SrvTarget current_;
  std::size_t current_index_ = 0;
};

/// The targets of an entry's PTR records. Cheap to make; looks at the entry.
class PtrTargets {
 public:
  explicit PtrTargets(const NameEntry& entry);
  /// The next one: wire labels without root, relative to the zone of the table; empty behind the last.
  std::span<const std::uint8_t> next();

 private:
  std::span<const std::uint8_t> names_;  // each with a root label
  // The only one, put together.
  std::array<std::uint8_t, dashed_octets_max + 2 * (1 + dns::label_octets_max)> dashed_;
  std::size_t dashed_octets_ = 0;
};

/// One name, immutable.
class NameEntry {
 public:
  struct Deleter {
    void operator()(NameEntry* entry) const;
  };
  using Pointer = std::unique_ptr<NameEntry, Deleter>;
  /// Addresses are kept sorted and once each, glue too, so that equal content in another order gives equal entries.
  /// Targets, records and addresses beyond 65,535 are left out: no message could hold them. SRV records with a suffix
  /// of more than 254 octets are left out, and a key of more gives nothing: no such name exists. A longer TTL is cut.
  static Pointer make(std::string_view key, const NameContent& content, std::uint32_t ttl);

  std::string_view key() const { return {reinterpret_cast<const char*>(body()), key_octets_}; }
  Presence presence() const { return has(no_ready) ? Presence::no_ready_endpoints : Presence::exists; }
  bool in_transfers() const { return !has(not_in_transfers); }
  std::uint32_t ttl() const { return std::uint32_t{ttl_[0]} << 8 | ttl_[1]; }

  bool has_a() const { return has(some_a); }
  bool has_aaaa() const { return has(some_aaaa); }
  bool has_srv() const { return has(some_srv); }
  bool has_cname() const { return has(some_names) && has(names_are_cname); }
  bool has_ptr() const { return has(some_names) && !has(names_are_cname); }

  /// Sorted, 4 octets each.
  std::span<const std::uint8_t> a_addresses() const { return has_a() ? part(after_key(), 4) : Octets{}; }
  std::size_t a_count() const { return a_addresses().size() / 4; }
  /// Sorted, 16 octets each.
  std::span<const std::uint8_t> aaaa_addresses() const { return has_aaaa() ? part(after_a(), 16) : Octets{}; }
  std::size_t aaaa_count() const { return aaaa_addresses().size() / 16; }
  /// The CNAME target in wire form; empty without one.
  std::span<const std::uint8_t> cname() const { return has_cname() ? part(after_aaaa(), 1) : Octets{}; }
  std::size_t srv_count() const { return SrvRecords(*this).count(); }

  /// All octets of the entry, this header included.
  std::size_t octets() const;
  /// The same key, records, TTL and presence, octet by octet.
  friend bool operator==(const NameEntry& a, const NameEntry& b);

 private:
  friend class SrvRecords;
  friend class PtrTargets;
  using Octets = std::span<const std::uint8_t>;
  NameEntry() = default;

  enum Flag : std::uint8_t {
    no_ready = 1,
    some_a = 2,
    some_aaaa = 4,
    some_names = 8,
    names_are_cname = 16,
    some_srv = 32,
    not_in_transfers = 64,
    ptr_is_dashed = 128,
  };

  bool has(Flag flag) const { return (flags_ & flag) != 0; }
  const std::uint8_t* body() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
  const std::uint8_t* after_key() const { return body() + key_octets_; }
  const std::uint8_t* after_a() const { return has_a() ? end_of(part(after_key(), 4)) : after_key(); }
  const std::uint8_t* after_aaaa() const { return has_aaaa() ? end_of(part(after_a(), 16)) : after_a(); }
  /// The names: octets and their count, or the two labels behind the address with dashes.
  Octets names() const { return has(ptr_is_dashed) ? two_labels(after_aaaa()) : part(after_aaaa(), 1); }
  const std::uint8_t* after_names() const { return has(some_names) ? end_of(names()) : after_aaaa(); }

  /// A count, one octet up to 254, or 255 and four; moves `at` behind it.
  static std::size_t take_count(const std::uint8_t*& at) {
    const std::size_t count = *at++;
    if (count < 255) return count;
    std::uint32_t wide;
    std::memcpy(&wide, at, sizeof wide);
    at += sizeof wide;
    return wide;
  }
  static Octets part(const std::uint8_t* at, std::size_t item_octets) {
    const std::size_t count = take_count(at);
    return {at, count * item_octets};
  }
  static Octets two_labels(const std::uint8_t* at) {
    const std::size_t first = std::size_t{1} + *at;
    return {at, first + 1 + at[first]};
  }
  static const std::uint8_t* end_of(Octets octets) { return octets.data() + octets.size(); }

  // Octets alone, so that the body begins right behind them whatever it holds.
  std::uint8_t ttl_[2];
  std::uint8_t key_octets_;
  std::uint8_t flags_;
};

}  // namespace fairlead::zones
