// Which addresses are those of Pods, and in which Namespaces: what `pods verified` and `autopath` ask.
//
// For each address family one array of cells (an address and the number of a Namespace) with open addressing: ten
// octets an IPv4 Pod, 25 an IPv6 one. A cell is filled once, before its state says so, and never for anything else:
// readers need no lock, and a change costs the same however many Pods there are. When too few free cells are left, what
// lives is copied into a fresh array that takes its place (userspace RCU). Namespaces are numbers there and names in
// pages of their own. Names of Pods are kept only if the table is told to (`metadata`): about 60 octets each.
//
// Several Pods may have one address in one Namespace (host network): it stays until the last of them is gone.
//
// Threads: contains() and for_each() inside a base::ReadSection; apply() on one writing thread at a time, which holds a
//   base::ReaderThread and is outside of a section.
// Limits: namespaces_max Namespaces; Pods beyond are left out by PodStore.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "zones/base/guarded.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/base/mapped_array.hpp"
#include "zones/base/published.hpp"

namespace fairlead::k8s {

/// What a Pod is told apart by, of its Namespace and its name: 64 bits that nobody can foresee.
std::uint64_t pod_hash(std::string_view namespace_name, std::string_view pod_name, std::uint64_t seed);

/// What happened to Pods since the last time, in order.
struct PodChanges {
  /// The hash of all Pods without a name, which are those of a snapshot.
  static constexpr std::uint64_t nameless = 0;

  struct Change {
    base::IpAddress address;
    std::uint32_t namespace_id = 0;
    bool is_added = false;
    std::uint64_t hash = nameless;  // or pod_hash()
    std::string name;               // only when it is added, and only where names are kept
  };
  struct NamespaceName {
    std::uint32_t id = 0;
    std::string name;
  };
  std::uint64_t seed = 0;
  std::vector<NamespaceName> named;  // numbers that got a name, before their first Pod
  std::vector<Change> changes;
  /// Numbers that no Pod has any more. They go to `reusable` once no reader can know them by their old name.
  std::vector<std::uint32_t> released;
  std::shared_ptr<base::Guarded<std::vector<std::uint32_t>>> reusable;

  bool empty() const { return named.empty() && changes.empty() && released.empty(); }
};

class PodTable {
 public:
  static constexpr std::uint32_t namespaces_max = 1u << 18;

  /// With `keeps_names` the names of Pods are kept.
  explicit PodTable(bool keeps_names);
  /// Nobody reads any more.
  ~PodTable();
  PodTable(const PodTable&) = delete;
  PodTable& operator=(const PodTable&) = delete;

  /// A Pod of this Namespace, in lower case, has the address.
  bool contains(std::string_view namespace_name, const base::IpAddress& address) const;
  /// Calls `use(namespace_name, pod_name)` for every Namespace in which a Pod has the address; with names kept, for
  /// every such Pod, else the name is empty. Both are valid until the ReadSection ends.
  template <typename Use>
  void for_each(const base::IpAddress& address, Use&& use) const {
    visit(
        address,
        [](void* context, std::string_view namespace_name, std::string_view pod_name) {
          (*static_cast<std::remove_reference_t<Use>*>(context))(namespace_name, pod_name);
        },
        const_cast<void*>(static_cast<const void*>(std::addressof(use))));
  }

  /// Gives the number of changes that a reader can see.
  std::size_t apply(const PodChanges& changes);
  /// Addresses in Namespaces now, each once (with names kept: Pods); for gauges and tests, from any thread.
  std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t page_names = 64;
  static constexpr std::size_t page_count = namespaces_max / page_names;

  template <std::size_t octets>
  struct Cell {
    std::uint32_t state;  // free_cell, removed_cell, or the number of a Namespace behind them
    std::array<std::uint8_t, octets> address;
  };
  static constexpr std::uint32_t free_cell = 0;
  static constexpr std::uint32_t removed_cell = 1;
  static constexpr std::uint32_t first_state = 2;

  template <std::size_t octets>
  struct Cells {
    base::MappedArray<Cell<octets>> cells;
    base::MappedArray<char*> names;  // of the Pods, by the number of the cell; empty where they are not kept
  };
  /// A family as the writer sees it.
  template <std::size_t octets>
  struct Family {
    base::Published<Cells<octets>> published;
    const Cells<octets>* now = nullptr;
    std::size_t used = 0;  // cells that are not free
    std::size_t live = 0;
  };
  struct Page {
    std::array<std::uint16_t, page_names> ends{};
    std::string names;

    std::string_view name(std::size_t at) const;
  };
  using Visit = void (*)(void*, std::string_view, std::string_view);

  void visit(const base::IpAddress& address, Visit use, void* context) const;
  template <std::size_t octets>
  void visit(const Cells<octets>* cells, const base::IpAddress& address, Visit use, void* context) const;
  template <std::size_t octets>
  std::size_t home(const std::array<std::uint8_t, octets>& address, std::size_t cells) const;
  std::string_view namespace_name(std::uint32_t id) const;

  void name_namespaces(std::span<const PodChanges::NamespaceName> named);
  template <std::size_t octets>
  bool change(Family<octets>& family, const PodChanges::Change& change, std::uint64_t seed);
  template <std::size_t octets>
  void add(Family<octets>& family, const PodChanges::Change& change);
  template <std::size_t octets>
  void renew(Family<octets>& family);
  template <std::size_t octets>
  void free_names(Family<octets>& family);
  bool is_last(const PodChanges::Change& removed);

  const bool keeps_names_;
  const std::uint64_t seed_;
  Family<4> v4_;
  Family<16> v6_;
  std::unique_ptr<base::Published<Page>[]> pages_;
  std::atomic<std::size_t> size_{0};

  // The writer's own. How many Pods share an address in a Namespace, for those with more than one.
  struct SharedHash {
    std::size_t operator()(const std::pair<base::IpAddress, std::uint32_t>& key) const;
    std::uint64_t seed;
  };
  std::unordered_map<std::pair<base::IpAddress, std::uint32_t>, std::uint32_t, SharedHash> shared_;
};

}  // namespace fairlead::k8s
