// The objects of a cluster, and which names their changes touch.
//
// Reflectors put objects in; the publisher takes out the names that changed since it last asked, with what they have
// now. Comparing the old object with the new decides what is touched: one endpoint of a thousand touches its own name,
// its reverse name and, in a headless Service, the names that list it; a change that DNS does not see touches nothing.
// Between two drains events add up, so an endpoint that moves from one slice to another in one burst is not seen
// missing.
//
// A Service answers only while its Namespace object is known, as in CoreDNS; Services, slices and Namespaces may come
// in any order.
//
// Threads: any; one lock inside, held for as long as an event takes to file or a batch to rebuild. Whoever makes a
// change
//   may be the one that drains it (offer_changes_to()).
// Limits: memory is proportional to the objects. Names waiting to be drained are bounded by the changes since the last
//   drain: a publisher must be running.
// Errors: objects that cannot be named in DNS are left out and counted.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "k8s/address_index.hpp"
#include "k8s/cluster_table.hpp"
#include "k8s/external_records.hpp"
#include "k8s/object_sink.hpp"
#include "k8s/pod_store.hpp"
#include "k8s/reverse_records.hpp"
#include "k8s/service_records.hpp"

namespace fairlead::k8s {

struct ObjectStoreOptions {
  RecordOptions records;  // with `clusterset` there are no reverse names
  /// The server's own addresses: Services whose slices hold one are the nameservers of the apex.
  std::vector<base::IpAddress> local_addresses;
  /// The external zone, if one is served.
  std::optional<ExternalRecordOptions> external = {};
  /// Only these Namespaces are served; empty: all.
  std::vector<std::string> namespaces;
  /// Pods are watched: being in step includes them.
  bool pods = false;
  bool pod_object_names = false;  // and their names are kept
};

/// Where a drain puts the names that it rebuilt.
class NameWriter {
 public:
  virtual ~NameWriter() = default;
  virtual void put_forward(const std::string& key, const zones::NameContent& content) = 0;
  virtual void erase_forward(const std::string& key) = 0;
  virtual void put_reverse(const base::IpAddress& address, const zones::NameContent& content) = 0;
  virtual void erase_reverse(const base::IpAddress& address) = 0;
  virtual void put_apex(ApexNameservers nameservers) = 0;
  // Of the external zone, if there is one.
  virtual void put_external(const std::string&, const zones::NameContent&) {}
  virtual void erase_external(const std::string&) {}
  virtual void put_external_reverse(const base::IpAddress&, const zones::NameContent&) {}
  virtual void erase_external_reverse(const base::IpAddress&) {}
  virtual void put_external_nameserver(std::optional<ExternalTable::Nameserver>) {}
  virtual void change_pods(const PodChanges& changes) = 0;
};

/// An object as the store holds it, for a snapshot.
struct StoredObject {
  Kind kind = Kind::kNamespace;
  std::string_view namespace_name;  // empty for a Namespace
  std::string_view name;            // empty for a Pod: it is held without
  std::string_view service_name;    // the Service of a slice
  std::string_view packed;  // see packed_objects.hpp; empty for a Namespace, the octets of its address for a Pod
};

class ObjectStore final : public ObjectSink {
 public:
  explicit ObjectStore(ObjectStoreOptions options);

  void begin_burst() override;
  void end_burst() override;
  void begin_list(Kind kind) override;
  void end_list(Kind kind) override;
  void abort_list(Kind kind) override;
  void upsert(Namespace object) override;
  void upsert(Service object) override;
  void upsert(EndpointSlice object) override;
  void upsert(Pod object) override;
  void upsert(ServiceImport object) override;
  void remove(Kind kind, const ObjectKey& key) override;

  struct DatedChange {
    bool is_headless = false;
    std::chrono::system_clock::time_point happened;
  };
  struct Drained {
    /// Everything that happened up to this count is with the writer now.
    std::uint64_t sequence = 0;
    /// Every kind has been listed in full at least once.
    bool all_listed = false;
    /// When the first of the changes arrived; nothing without changes.
    std::optional<std::chrono::steady_clock::time_point> oldest_change;
    /// The slices among the changes that say when what they are about happened.
    std::vector<DatedChange> dated_changes = {};
  };
  /// Gives every touched name to `writer`: what exists first, in an order in which nothing points to a name that is
  /// not there yet, then what vanished, the other way round.
  Drained drain(NameWriter& writer);

  /// Where read_some() goes on.
  struct Cursor {
    Kind kind = Kind::kNamespace;
    std::size_t entry = 0;
  };
  /// Gives `use` the objects behind the cursor, until about `octets` of them; false when there are no more. The lock is
  /// held meanwhile. What changes between two calls may be given as it was, as it is, or not at all.
  bool read_some(Cursor& cursor, std::size_t octets, const std::function<void(const StoredObject&)>& use) const;
  /// Puts in what read_some() gave to another store, to be removed by the first list that does not bring it. False for
  /// what this store would not hold in that form.
  bool restore(const StoredObject& object);
  bool holds_pods() const { return options_.pods; }
  /// Every kind has been listed in full at least once.
  bool is_listed() const;

  /// Gets how many changes wait, on the thread that made the last of them and may drain them there: true when it did.
  using TakeChanges = std::function<bool(std::uint64_t changes)>;
  /// From now on changes are offered to `take`, and wait_for_changes() returns for what it leaves; an empty one takes
  /// none. Waits for the end of a call under way.
  void offer_changes_to(TakeChanges take);
  /// Sleeps until there is something to drain that was not taken; false when stopped. Who stops calls ask_for_drain()
  /// then.
  bool wait_for_changes(const std::stop_token& stop);
  /// Lets wait_for_changes() return once although nothing changed.
  void ask_for_drain();
  /// Rises with every change that a drain would report.
  std::uint64_t sequence() const;
  /// What PTR records lead to is below it, and relative to it: svc.<zone>. Nothing when the zone is too long for that.
  const std::optional<dns::DomainName>& ptr_zone() const { return ptr_zone_; }
  /// Objects left out so far because DNS cannot name them.
  std::uint64_t skipped_objects() const;

 private:
  using ServiceId = std::uint32_t;
  using NamespaceId = std::uint32_t;
  using SliceId = std::uint32_t;

  struct NamespaceEntry {
    const std::string* name = nullptr;  // the key in namespace_ids_
    std::vector<ServiceId> services;
    std::uint32_t generation = 0;
    bool is_known = false;
  };
  struct ServiceEntry {
    const std::string* key = nullptr;  // the key in service_ids_
    std::string packed;                // empty: slices without a Service
    std::vector<SliceId> slices;
    NamespaceId namespace_id = 0;
    std::uint32_t generation = 0;
    std::uint32_t local_slices = 0;  // those that hold one of our own addresses
    bool is_published = false;       // names of it may be in the table
  };
  struct SliceEntry {
    const std::string* key = nullptr;  // the key in slice_ids_
    std::string packed;
    ServiceId service = 0;
    std::uint32_t generation = 0;
    bool is_local = false;
  };
  struct Touched {
    bool all_names = false;
    bool all_addresses = false;
    ServiceNames names;
  };

  /// The lock, for whoever changes something: changes are offered, and who waits for them is woken, behind it.
  class Change {
   public:
    explicit Change(ObjectStore& store) : store_(store), lock_(store.mutex_) {}
    ~Change();
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    ObjectStore& store_;
    std::unique_lock<std::mutex> lock_;
  };

  static constexpr std::uint32_t service_bit = 0x80000000;  // in by_address_: a ClusterIP of a Service, not a slice

  // All below with the lock held.
  ObjectKey key_of(const ServiceEntry& entry) const;
  bool is_visible(const ServiceEntry& entry) const;
  NamespaceId namespace_of(const std::string& name);
  ServiceId service_of(const ObjectKey& key);
  Service decode(const ServiceEntry& entry) const;
  void put_slice(const std::string& key, const ObjectKey& owner, std::string packed,
                 std::optional<std::chrono::system_clock::time_point> last_change = {});
  bool are_all_listed() const;
  void remove_namespace(const std::string& name);
  void remove_service(const std::string& key);
  void remove_slice(const std::string& key);
  void replace_service(ServiceId id, std::string packed);
  /// Its entry holds `after` already.
  void replace_slice(SliceId id, std::string_view before, std::string_view after);
  bool has_reverse_names() const;
  std::vector<base::IpAddress> reverse_addresses(const Service& service) const;
  void touch(ServiceId id, std::string name);
  void touch_ports(ServiceId id, const std::vector<ServicePort>& ports);
  void touch_ports(ServiceId id, const std::vector<EndpointPort>& ports);
  Touched& touched(ServiceId id);
  void set_known(NamespaceId id, bool known);
  void mark();

  /// Names that vanished: erased when all others are there.
  struct Erased {
    std::vector<std::string> names, external_names;
    std::vector<base::IpAddress> addresses, external_addresses;
  };
  void drain_namespaces(NameWriter& writer, Erased& erased);
  void drain_service(ServiceId id, Touched& touched, NameWriter& writer, Erased& erased);
  void drain_addresses(NameWriter& writer, Erased& erased);
  std::vector<AddressOwner> external_owners(const base::IpAddress& address) const;
  std::optional<ExternalTable::Nameserver> external_nameserver() const;
  void add_owner(std::uint32_t object, const base::IpAddress& address, std::string_view dashed,
                 std::vector<AddressOwner>& owners) const;
  ApexNameservers apex_nameservers() const;
  void release_empty();

  const ObjectStoreOptions options_;
  const std::unordered_set<std::string> exposed_;
  const std::optional<dns::DomainName> ptr_zone_;

  mutable std::mutex mutex_;
  // Not condition_variable_any: its own lock is held while it wakes, and the publisher would wait for that first.
  std::condition_variable changed_;
  std::mutex take_mutex_;  // before mutex_
  TakeChanges take_;

  std::unordered_map<std::string, NamespaceId> namespace_ids_;
  std::unordered_map<std::string, ServiceId> service_ids_;  // "namespace/name"
  std::unordered_map<std::string, SliceId> slice_ids_;      // "namespace/name"
  std::deque<NamespaceEntry> namespaces_;
  std::deque<ServiceEntry> services_;
  std::deque<SliceEntry> slices_;
  std::vector<NamespaceId> free_namespaces_;
  std::vector<ServiceId> free_services_;
  std::vector<SliceId> free_slices_;
  AddressIndex by_address_;
  PodStore pods_;

  struct Listing {
    std::uint32_t generation = 0;
    bool is_running = false;
    bool is_listed = false;  // in full, at least once
  };
  Listing listings_[kind_count];

  std::unordered_map<ServiceId, Touched> touched_services_;
  std::unordered_set<NamespaceId> touched_namespaces_;
  std::vector<base::IpAddress> touched_addresses_;
  bool apex_touched_ = true;  // the first drain gives the writer something to publish
  std::optional<std::chrono::steady_clock::time_point> oldest_change_;
  std::vector<DatedChange> dated_changes_;
  std::uint64_t sequence_ = 0;
  std::uint64_t drained_ = 0;
  unsigned bursts_ = 0;
  bool wakes_ = false;     // changes are offered when the Change or the last burst ends
  bool is_asked_ = false;  // for a drain
  std::uint64_t skipped_ = 0;
};

}  // namespace fairlead::k8s
