#include "tools/kubesim/object_registry.hpp"

#include <algorithm>
#include <cstdio>

namespace fairlead::kubesim {
namespace {

ObjectPtr make_object(const Kind& kind, Json object) {
  auto made = std::make_shared<Object>();
  made->kind = &kind;
  made->ns = kind.is_namespaced ? string_at(object, {"metadata", "namespace"}) : std::string();
  made->name = string_at(object, {"metadata", "name"});
  made->version = std::strtoull(string_at(object, {"metadata", "resourceVersion"}).c_str(), nullptr, 10);
  made->labels = Labels::from_json(find_at(object, {"metadata", "labels"}));
  for (const SelectableField& field : kind.fields) {
    const std::string value = string_at(object, {field.parent, field.name});
    if (!value.empty()) made->fields.add(field.selector, value);
  }
  object.erase("apiVersion");
  object.erase("kind");
  made->text = print_json(object);
  made->text.shrink_to_fit();
  return made;
}

void set_version(Json& object, ResourceVersion version) {
  object["metadata"]["resourceVersion"] = std::to_string(version);
}

}  // namespace

Json to_json(const Object& object) {
  auto parsed = parse_json(object.text);
  Json whole = parsed ? std::move(*parsed) : Json::object();
  whole["apiVersion"] = object.kind->api_version();
  whole["kind"] = object.kind->name;
  return whole;
}

std::string to_text(const Object& object) {
  std::string text = "{\"kind\":\"";
  text.append(object.kind->name).append("\",\"apiVersion\":\"").append(object.kind->api_version()).append("\",");
  return text.append(object.text, 1);  // the text is an object that has metadata at least
}

ObjectRegistry::ObjectRegistry(HistoryLimits limits, ResourceVersion version, std::uint64_t seed)
    : limits_(limits), version_(version), random_(seed) {
  for (Store& each : stores_) each.oldest = version;
}

ObjectPtr ObjectRegistry::get(const Kind& kind, const std::string& ns, const std::string& name) const {
  const auto& objects = store(kind).objects;
  const auto found = objects.find((kind.is_namespaced ? ns : std::string()) + "/" + name);
  return found == objects.end() ? nullptr : found->second;
}

std::string ObjectRegistry::next_uid() const {
  const std::uint64_t high = random_();
  const std::uint64_t low = random_();
  char text[37];
  // RFC 9562 §5.4: version 4 and the variant bits stand in fixed places, as in the real server's uids.
  std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", static_cast<unsigned>(high >> 32),
                static_cast<unsigned>(high >> 16 & 0xffff), static_cast<unsigned>(high & 0xfff),
                static_cast<unsigned>(0x8000 | (low >> 48 & 0x3fff)),
                static_cast<unsigned long long>(low & 0xffffffffffffULL));
  return text;
}

ObjectPtr ObjectRegistry::preview(const Kind& kind, Json object) const {
  Json& metadata = object["metadata"];
  if (!kind.is_namespaced) metadata.erase("namespace");
  const ObjectPtr old = get(kind, string_at(metadata, {"namespace"}), string_at(metadata, {"name"}));
  if (old != nullptr) {
    const Json before = to_json(*old);
    metadata["uid"] = string_at(before, {"metadata", "uid"});
    metadata["creationTimestamp"] = string_at(before, {"metadata", "creationTimestamp"});
    set_version(object, old->version);
    ObjectPtr same = make_object(kind, object);
    if (same->text == old->text) return old;
  } else {
    metadata["uid"] = next_uid();
    if (string_at(metadata, {"creationTimestamp"}).empty()) {
      metadata["creationTimestamp"] = print_time(std::time(nullptr));
    }
  }
  set_version(object, version_ + 1);
  return make_object(kind, std::move(object));
}

ObjectPtr ObjectRegistry::put(const Kind& kind, Json object) {
  ObjectPtr made = preview(kind, std::move(object));
  Store& kept = store(kind);
  ObjectPtr& place = kept.objects[made->key()];
  if (place == made) return made;
  ObjectPtr previous = std::exchange(place, made);
  version_ = made->version;
  record(kept, {previous == nullptr ? EventType::added : EventType::modified, made, std::move(previous)});
  return made;
}

ObjectPtr ObjectRegistry::remove(const Kind& kind, const std::string& ns, const std::string& name) {
  Store& kept = store(kind);
  const auto found = kept.objects.find((kind.is_namespaced ? ns : std::string()) + "/" + name);
  if (found == kept.objects.end()) return nullptr;
  ObjectPtr previous = found->second;
  Json last = to_json(*previous);
  set_version(last, ++version_);
  ObjectPtr deleted = make_object(kind, std::move(last));
  kept.objects.erase(found);
  record(kept, {EventType::deleted, deleted, std::move(previous)});
  return deleted;
}

void ObjectRegistry::record(Store& kept, Event event) {
  kept.history_octets += event.object->text.size();
  kept.history.push_back(std::move(event));
  while (kept.history.size() > limits_.events_max ||
         (kept.history_octets > limits_.octets_max && kept.history.size() > 1)) {
    const Event& oldest = kept.history.front();
    kept.oldest = std::max(kept.oldest, oldest.object->version);
    kept.history_octets -= oldest.object->text.size();
    kept.history.pop_front();
    ++kept.first_event;
  }
  for (RegistryListener* listener : kept.listeners) listener->history_grew();
}

std::expected<ObjectRegistry::Page, ObjectRegistry::PageError> ObjectRegistry::page(const Kind& kind,
                                                                                    const PageRequest& request) const {
  const Store& kept = store(kind);
  Page page;
  page.version = request.version.value_or(version_);

  // What differed at that version: undo the events after it, newest first, so that the oldest undone one wins.
  std::map<std::string, ObjectPtr, std::less<>> undone;
  if (page.version < version_) {
    if (page.version < kept.oldest) return std::unexpected(PageError::expired);
    for (auto event = kept.history.rbegin(); event != kept.history.rend(); ++event) {
      if (event->object->version <= page.version) break;
      undone[event->object->key()] = event->previous;
    }
  }

  const std::string prefix = request.ns.empty() ? std::string() : request.ns + "/";
  const auto first_of = [&](const auto& map) {
    return request.after_key > prefix ? map.upper_bound(request.after_key) : map.lower_bound(prefix);
  };
  std::size_t passed = 0;
  std::size_t behind = 0;
  auto now = first_of(kept.objects);
  auto then = first_of(undone);
  const auto in_range = [&](const auto& place, const auto& map) {
    return place != map.end() && std::string_view(place->first).starts_with(prefix);
  };
  while (!(page.has_more && request.left)) {
    const bool has_now = in_range(now, kept.objects);
    const bool has_then = in_range(then, undone);
    if (!has_now && !has_then) break;
    const ObjectPtr* object = nullptr;
    if (has_then && (!has_now || then->first <= now->first)) {
      if (has_now && then->first == now->first) ++now;
      object = &then->second;
      ++then;
    } else {
      object = &now->second;
      ++now;
    }
    if (*object == nullptr) continue;  // did not exist yet
    const bool is_full = request.limit != 0 && page.objects.size() == request.limit;
    ++(is_full ? behind : passed);
    if (request.selects != nullptr && !request.selects(**object)) continue;
    if (is_full) {
      page.has_more = true;
    } else {
      page.objects.push_back(*object);
    }
  }
  page.remaining = request.left ? *request.left - std::min(*request.left, passed) : behind;
  return page;
}

ObjectRegistry::Cursor ObjectRegistry::end_of_history(const Kind& kind) const {
  return store(kind).first_event + store(kind).history.size();
}

std::optional<ObjectRegistry::Cursor> ObjectRegistry::find_cursor(const Kind& kind, ResourceVersion version) const {
  const Store& kept = store(kind);
  if (version < kept.oldest) return std::nullopt;
  const auto after =
      std::upper_bound(kept.history.begin(), kept.history.end(), version,
                       [](ResourceVersion wanted, const Event& event) { return wanted < event.object->version; });
  return kept.first_event + static_cast<Cursor>(after - kept.history.begin());
}

const Event* ObjectRegistry::event_at(const Kind& kind, Cursor cursor) const {
  const Store& kept = store(kind);
  if (cursor < kept.first_event || cursor - kept.first_event >= kept.history.size()) return nullptr;
  return &kept.history[cursor - kept.first_event];
}

void ObjectRegistry::expire_history() {
  // The version moves on as if something that no one here watches had been written (a Lease, say): without that, a
  // client that has seen everything could still resume from the current version.
  ++version_;
  for (Store& kept : stores_) kept.oldest = version_;
}

void ObjectRegistry::add_listener(const Kind& kind, RegistryListener* listener) {
  store(kind).listeners.push_back(listener);
}

void ObjectRegistry::remove_listener(const Kind& kind, RegistryListener* listener) {
  std::erase(store(kind).listeners, listener);
}

}  // namespace fairlead::kubesim
