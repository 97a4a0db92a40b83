// The Pods of a cluster as the writing side holds them: 16 octets each, without their names.
//
// An event names a Pod by Namespace and name; what is needed then is where it was before. So a Pod is 64 bits of a
// seeded hash of both names, an address, a number of its Namespace and whether the running list has brought it. Two
// Pods with the same hash would be taken for one: with a million Pods the odds are one to 37 million, and nobody can
// pick such names. They stand in one hash table of open addressing, between 11/20 and 7/8 full, so a change costs the
// same however many Pods there are. IPv6 addresses stand in a pool beside it.
//
// With the PodTable's cell an IPv4 Pod takes 30 to 38 octets and an IPv6 one about 65. To keep the octets that Pods of
// a node share once would at best, where that is 12 of the 16, leave 43: a slot and a cell would both need the number
// of a prefix, and what is shared depends on the network plugin. It would take counted prefixes that readers follow.
//
// A snapshot has no names either, and the hashes are worth nothing to another process. So a Pod from a snapshot stands
// for one that is not told apart yet: the first Pod of its Namespace that a list brings with its address takes its
// place, and nobody sees a change; what no Pod took is gone at the end of that list. Several Pods with one address in
// one Namespace (host network) are one until then.
//
// Threads: one at a time; the ObjectStore locks.
// Limits: PodTable::namespaces_max Namespaces with Pods.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "k8s/objects.hpp"
#include "k8s/pod_table.hpp"
#include "zones/base/mapped_array.hpp"

namespace fairlead::k8s {

class PodStore {
 public:
  enum class Outcome : std::uint8_t { unchanged, changed, left_out };

  /// With `keeps_names` the changes carry the names of Pods, for a PodTable that keeps them.
  explicit PodStore(bool keeps_names);

  // A list is a difference: Pods that it did not bring are gone at its end.
  void begin_list();
  /// True when Pods are gone.
  bool end_list();

  /// A Pod without an address is as good as none.
  Outcome upsert(const Pod& pod);
  Outcome remove(const ObjectKey& key);

  /// A Pod of a snapshot, before the first list.
  Outcome restore(const std::string& namespace_name, const base::IpAddress& address);
  /// Gives `use` the Namespaces and addresses behind `place`, which begins with 0, of about as many Pods as `pods`;
  /// false when there are no more. A Pod that stays is given once, whatever comes and goes between two calls.
  bool read_some(std::uint64_t& place, std::size_t pods,
                 const std::function<void(std::string_view, const base::IpAddress&)>& use) const;

  /// What changed since the last call.
  PodChanges take_changes();
  std::size_t size() const { return slots_.size(); }

 private:
  struct Slot {
    std::uint64_t hash;     // 0: free
    std::uint32_t address;  // the octets of an IPv4 address, or a number in v6_addresses_
    std::uint32_t namespace_id : 18;
    std::uint32_t is_v6 : 1;
    std::uint32_t is_seen : 1;      // by the running list
    std::uint32_t is_restored : 1;  // from a snapshot, and no Pod has taken its place yet
  };
  static_assert(sizeof(Slot) == 16);
  static_assert(PodTable::namespaces_max == 1u << 18);

  /// Open addressing with linear probing.
  class Slots {
   public:
    Slot* find(std::uint64_t hash);
    /// Pointers to slots are invalid afterwards, as after erase().
    Slot& insert(std::uint64_t hash);
    void erase(Slot* slot);
    const base::MappedArray<Slot>& cells() const { return cells_; }
    std::size_t home(std::uint64_t hash) const;
    std::size_t next(std::size_t at) const { return at + 1 == cells_.size() ? 0 : at + 1; }
    std::size_t size() const { return size_; }

   private:
    void resize(std::size_t cells);

    base::MappedArray<Slot> cells_;
    std::size_t size_ = 0;
  };

  struct Namespace {
    std::string name;
    std::uint32_t pods = 0;
  };

  std::uint64_t hash_of(const ObjectKey& key) const;
  std::uint64_t restored_hash(std::string_view namespace_name, const base::IpAddress& address) const;
  /// The Pod from the snapshot that this one is, as its own now; null if there is none.
  Slot* take_restored(const Pod& pod, std::uint64_t hash);
  base::IpAddress address_of(const Slot& slot) const;
  void set_address(Slot& slot, const base::IpAddress& address);
  void release_address(const Slot& slot);
  std::optional<std::uint32_t> take_namespace(const std::string& name);
  void release_namespace(std::uint32_t id);
  void erase(Slot* slot);
  void note(const Slot& slot, bool is_added, const std::string& name);

  const bool keeps_names_;
  const std::uint64_t seed_;
  const std::uint64_t restored_seed_;  // another, so that no Pod can have the hash of one from a snapshot
  Slots slots_;
  std::size_t restored_ = 0;
  std::deque<std::array<std::uint8_t, 16>> v6_addresses_;
  std::vector<std::uint32_t> free_v6_addresses_;

  std::unordered_map<std::string, std::uint32_t> namespace_ids_;
  std::vector<Namespace> namespaces_;
  std::vector<std::uint32_t> free_namespaces_;
  /// Where numbers come back to once no reader knows them by their old name.
  std::shared_ptr<base::Guarded<std::vector<std::uint32_t>>> reusable_namespaces_;

  PodChanges pending_;
};

}  // namespace fairlead::k8s
