// The objects of the simulated cluster, their resource versions, and the bounded history that watches read.
//
// An object is kept as the JSON text that lists and watch events send, without apiVersion and kind (the kind's row
// adds them), plus the few strings that selectors look at: 150,000 endpoints cost little more than their text.
//
// Watches hold a cursor into the history, never a queue of their own: a consumer that stalls costs nothing, and falls
// off the end when the history moves on. Because an event also holds the object as it was before, a list at an
// earlier resource version (paging, resourceVersionMatch=Exact) is the current state with the later events undone.
//
// Threads: one; the thread that runs the server's io_context.
// Limits: HistoryLimits, per kind.
// Errors: page() reports a resource version that the history no longer reaches.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tools/kubesim/json.hpp"
#include "tools/kubesim/kinds.hpp"
#include "tools/kubesim/labels.hpp"

namespace fairlead::kubesim {

using ResourceVersion = std::uint64_t;

struct Object {
  const Kind* kind = nullptr;
  std::string ns;  // empty for cluster-scoped kinds
  std::string name;
  ResourceVersion version = 0;
  Labels labels;
  Labels fields;     // the kind's selectable fields
  std::string text;  // a JSON object without apiVersion and kind
  /// The same as protobuf, once somebody has asked for that; protobuf_of().
  mutable std::string protobuf;

  std::string key() const { return ns + "/" + name; }
};
using ObjectPtr = std::shared_ptr<const Object>;

/// The whole object, with apiVersion and kind.
Json to_json(const Object& object);
/// The same as text.
std::string to_text(const Object& object);

enum class EventType { added, modified, deleted };

struct Event {
  EventType type;
  ObjectPtr object;    // for `deleted`: its last state, with the version of the deletion
  ObjectPtr previous;  // null for `added`
};

struct HistoryLimits {
  // As the real server's watch cache: thousands of events, whatever their age.
  std::size_t events_max = 10'000;
  // Large EndpointSlices have 20 kB each; the history of one kind must not grow past what a laptop spares.
  std::size_t octets_max = 64u << 20;
};

/// Told that a kind's history has grown. Must not change the registry or its listeners.
class RegistryListener {
 public:
  virtual ~RegistryListener() = default;
  virtual void history_grew() = 0;
};

class ObjectRegistry {
 public:
  /// `version` is the first resource version; `seed` makes uids repeatable.
  ObjectRegistry(HistoryLimits limits, ResourceVersion version, std::uint64_t seed);

  ResourceVersion version() const { return version_; }
  std::size_t count(const Kind& kind) const { return store(kind).objects.size(); }
  ObjectPtr get(const Kind& kind, const std::string& ns, const std::string& name) const;

  /// Stores `object` under its metadata.namespace and metadata.name, creating it or replacing what is there. Sets
  /// uid, creationTimestamp (if absent) and resourceVersion. Storing what is already there changes nothing.
  ObjectPtr put(const Kind& kind, Json object);
  /// What put() would store, without storing it (dryRun=All).
  ObjectPtr preview(const Kind& kind, Json object) const;
  /// The object as the deletion event shows it, or null if there was none.
  ObjectPtr remove(const Kind& kind, const std::string& ns, const std::string& name);

  struct PageRequest {
    std::string ns;                          // empty: all namespaces
    std::optional<ResourceVersion> version;  // absent: the current one
    std::string after_key;                   // the last key of the page before
    std::size_t limit = 0;                   // 0: no limit
    /// `remaining` of the page before, if the caller knows it: counting them again for each page would make a list
    /// quadratic.
    std::optional<std::size_t> left = {};
    std::function<bool(const Object&)> selects;  // empty: everything
  };
  struct Page {
    ResourceVersion version = 0;
    std::vector<ObjectPtr> objects;
    bool has_more = false;
    std::size_t remaining = 0;  // objects after this page, selected or not
  };
  enum class PageError { expired };
  std::expected<Page, PageError> page(const Kind& kind, const PageRequest& request) const;

  // History. A cursor is the number of the next event that a watch has not seen.
  using Cursor = std::uint64_t;
  /// The cursor after the newest event.
  Cursor end_of_history(const Kind& kind) const;
  /// The cursor of the first event after `version`; nothing if the history no longer reaches back that far.
  std::optional<Cursor> find_cursor(const Kind& kind, ResourceVersion version) const;
  /// True if events that the cursor has not seen are gone.
  bool is_lost(const Kind& kind, Cursor cursor) const { return cursor < store(kind).first_event; }
  /// nullptr at the end of the history.
  const Event* event_at(const Kind& kind, Cursor cursor) const;
  /// Makes every earlier resource version too old to resume from. Watches that are open go on.
  void expire_history();

  /// The listener must be removed before it dies.
  void add_listener(const Kind& kind, RegistryListener* listener);
  void remove_listener(const Kind& kind, RegistryListener* listener);

 private:
  struct Store {
    std::map<std::string, ObjectPtr, std::less<>> objects;  // by "namespace/name", the order of lists
    std::deque<Event> history;
    Cursor first_event = 0;  // the cursor of history.front()
    std::size_t history_octets = 0;
    ResourceVersion oldest = 0;  // the oldest version that a watch may resume from
    std::vector<RegistryListener*> listeners;
  };
  Store& store(const Kind& kind) { return stores_[kind.index]; }
  const Store& store(const Kind& kind) const { return stores_[kind.index]; }
  void record(Store& store, Event event);
  std::string next_uid() const;

  HistoryLimits limits_;
  ResourceVersion version_;
  mutable std::mt19937_64 random_;
  std::array<Store, kind_count> stores_;
};

}  // namespace fairlead::kubesim
