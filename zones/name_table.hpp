// The table of names that the query path reads: owner name -> everything that the name has, ready in wire form.
//
// A name is one immutable NameEntry in one allocation; a change replaces the entry, so a reader sees all RRsets of a
// name (A and AAAA above all) in one version. Readers take no lock and write nothing shared (userspace RCU, lock-free
// hash table of liburcu: 69 ns a lookup at 200,000 names, incremental updates). It grows with the names and does not
// shrink again: a bucket is 16 octets.
//
// Keys are lower-case wire labels without the root, relative to wherever the owner of the table puts it: the cluster
// table leaves the zone out, so that one table serves several zones and the zone's case comes from the client.
//
// Threads: find() inside a base::ReadSection; put() and erase() on one writing thread at a time, which holds a
//   base::ReaderThread and is outside of a section.
// Limits: a key of at most 254 octets.
// Errors: none; what does not fit is dropped by make() as documented there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "zones/base/ip_address.hpp"
#include "zones/dns/domain_name.hpp"

struct cds_lfht;

namespace fairlead::zones {

/// What a name is, beyond its records.
enum class Presence : std::uint8_t {
  exists,              // NODATA for types it does not have
  no_ready_endpoints,  // a headless Service without ready endpoints: NXDOMAIN, and we can say why
};

/// What a name has, as its builder states it; see NameEntry for the ready form.
struct NameContent {
  /// Where SRV records lead: `label` in front of NameContent::srv_suffix, or the suffix itself when it is empty.
  struct Target {
    std::string label;
    std::vector<base::IpAddress> addresses;  // glue
  };
  struct Srv {
    std::uint16_t port = 0;
    std::uint16_t target = 0;  // index into targets
  };

  Presence presence = Presence::exists;
  std::vector<base::IpAddress> addresses;  // A and AAAA
  std::uint16_t srv_weight = 0;            // one for all SRV records of a name; the priority is 0
  std::string srv_suffix;                  // wire labels without root, relative to the zone
  std::vector<Target> targets;
  std::vector<Srv> srvs;
  std::optional<dns::DomainName> cname;  // absolute
  std::vector<dns::DomainName> ptrs;     // absolute

  friend bool operator==(const NameContent&, const NameContent&);
};

inline constexpr std::size_t a_record_octets = 16;     // owner pointer, type, class, TTL, rdlength, 4
inline constexpr std::size_t aaaa_record_octets = 28;  // ..., 16

/// One name, immutable. Records are ready wire bytes whose owner is a pointer to the question.
class NameEntry {
 public:
  struct Deleter {
    void operator()(NameEntry* entry) const;
  };
  using Pointer = std::unique_ptr<NameEntry, Deleter>;
  /// Addresses are kept sorted and once each, glue too, so that equal content in another order gives equal entries.
  /// Targets and records beyond 65,535 are left out: no message could hold them. SRV records with a suffix of more than
  /// 254 octets are left out, and a key of more gives nothing: no such name exists.
  static Pointer make(std::string_view key, const NameContent& content, std::uint32_t ttl);

  std::string_view key() const { return {reinterpret_cast<const char*>(body()), key_octets_}; }
  Presence presence() const { return presence_; }
  std::uint32_t ttl() const { return ttl_; }
  /// Ready A records, a_record_octets each.
  std::span<const std::uint8_t> a_records() const {
    return {body() + a_offset_, std::size_t{a_count_} * a_record_octets};
  }
  std::size_t a_count() const { return a_count_; }
  /// Ready AAAA records, aaaa_record_octets each.
  std::span<const std::uint8_t> aaaa_records() const {
    return {body() + aaaa_offset(), std::size_t{aaaa_count_} * aaaa_record_octets};
  }
  std::size_t aaaa_count() const { return aaaa_count_; }

  std::size_t srv_count() const { return srv_count_; }
  std::size_t target_count() const { return target_count_; }
  std::uint16_t srv_weight() const { return srv_weight_; }
  /// Suffix of every SRV target, wire labels without root.
  std::span<const std::uint8_t> srv_suffix() const { return {body() + suffix_offset(), suffix_octets_}; }
  /// Packed pairs of native u16: port, index of the target.
  const std::uint8_t* srvs() const { return body() + srv_offset(); }
  /// Packed targets: label length octet, label, A count (u16), AAAA count (u16), addresses of 4, then of 16 octets.
  const std::uint8_t* targets() const { return srvs() + std::size_t{srv_count_} * 4; }

  /// The CNAME target in wire form; empty without one.
  std::span<const std::uint8_t> cname() const {
    return rdata_is_cname_ ? std::span<const std::uint8_t>{names(), names_octets_} : std::span<const std::uint8_t>{};
  }
  /// PTR targets in wire form, one behind the other.
  std::span<const std::uint8_t> ptrs() const {
    return rdata_is_cname_ ? std::span<const std::uint8_t>{} : std::span<const std::uint8_t>{names(), names_octets_};
  }

  /// The same key, records, TTL and presence, octet by octet.
  friend bool operator==(const NameEntry& a, const NameEntry& b);

 private:
  friend class NameTable;
  NameEntry() = default;

  const std::uint8_t* body() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
  std::size_t aaaa_offset() const { return a_offset_ + std::size_t{a_count_} * a_record_octets; }
  std::size_t suffix_offset() const { return aaaa_offset() + std::size_t{aaaa_count_} * aaaa_record_octets; }
  std::size_t srv_offset() const { return suffix_offset() + suffix_octets_; }
  const std::uint8_t* names() const { return body() + names_offset_; }

  alignas(8) unsigned char node_[16];  // cds_lfht_node, kept opaque so that liburcu stays behind one door
  std::uint32_t names_offset_ = 0;
  std::uint32_t names_octets_ = 0;
  std::uint32_t ttl_ = 0;
  std::uint16_t a_count_ = 0;
  std::uint16_t aaaa_count_ = 0;
  std::uint16_t srv_count_ = 0;
  std::uint16_t target_count_ = 0;
  std::uint16_t srv_weight_ = 0;
  std::uint8_t a_offset_ = 0;  // equals key_octets_; kept apart for reading ease
  std::uint8_t key_octets_ = 0;
  std::uint8_t suffix_octets_ = 0;
  Presence presence_ = Presence::exists;
  bool rdata_is_cname_ = false;
};

class NameTable {
 public:
  NameTable();
  /// Nobody reads any more.
  ~NameTable();
  NameTable(const NameTable&) = delete;
  NameTable& operator=(const NameTable&) = delete;

  /// `key` in lower case. The entry is valid until the ReadSection ends.
  const NameEntry* find(std::string_view key) const;

  /// Calls `use(entry)` for every name, in no order, inside a ReadSection of its own: a name that is there from
  /// beginning to end is seen. On any thread that holds a base::ReaderThread. For dumps and transfers: freeing waits
  /// meanwhile.
  template <typename F>
  void for_each(F&& use) const {
    visit([](void* context, const NameEntry& entry) { (*static_cast<std::remove_reference_t<F>*>(context))(entry); },
          const_cast<void*>(static_cast<const void*>(std::addressof(use))));
  }

  /// Adds the name or replaces what it had; nothing changes for a null entry.
  void put(NameEntry::Pointer entry);
  void erase(std::string_view key);
  /// Entries now; for gauges and tests, on the writing thread.
  std::size_t size() const { return size_; }

 private:
  void visit(void (*use)(void*, const NameEntry&), void* context) const;

  cds_lfht* table_;
  unsigned long buckets_;
  std::uint64_t seed_;  // unpredictable, so that nobody picks Service names that collide
  std::size_t size_ = 0;
};

}  // namespace fairlead::zones
