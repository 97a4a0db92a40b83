#include "tools/kubesim/watch.hpp"

#include <algorithm>

#include "tools/kubesim/protobuf_writer.hpp"

namespace fairlead::kubesim {

void WatchHub::close(CloseWatches how, const std::string& resource) {
  for (WatchStream* watch : open) {
    if (resource.empty() || watch->kind().plural == resource) watch->close(how);
  }
}

void WatchHub::wake_all() {
  for (WatchStream* watch : open) watch->faults_changed();
}

WatchStream::WatchStream(WatchHub& hub, WatchRequest request)
    : hub_(hub),
      request_(std::move(request)),
      end_(Clock::now() + request_.timeout),
      next_bookmark_(Clock::now() + request_.bookmark_interval) {
  hub_.open.insert(this);
  ++hub_.stats.open_watches[request_.kind->index];
  hub_.registry.add_listener(*request_.kind, this);
}

WatchStream::~WatchStream() {
  hub_.registry.remove_listener(*request_.kind, this);
  --hub_.stats.open_watches[request_.kind->index];
  hub_.open.erase(this);
}

void WatchStream::close(CloseWatches how) {
  closing_ = how;
  wake();
}

void WatchStream::stalled() { ++hub_.stats.stalled_watches; }

Clock::time_point WatchStream::wake_at() const {
  // A silent server sends nothing at all, not even the end.
  if (hub_.faults.is_silent()) return Clock::time_point::max();
  return request_.wants_bookmarks ? std::min(end_, next_bookmark_) : end_;
}

BodyStream::Step WatchStream::next(std::string& out, Clock::time_point now) {
  if (closing_ == CloseWatches::abrupt) return Step::abort;
  if (closing_ == CloseWatches::clean) return Step::end;
  if (hub_.faults.is_silent()) return Step::wait;

  const std::size_t before = out.size();
  while (out.size() - before < watch_chunk_octets && closing_ == CloseWatches::no) {
    if (next_initial_ < request_.initial.size()) {
      const ObjectPtr object = std::move(request_.initial[next_initial_++]);
      ++hub_.stats.events_sent[request_.kind->index];
      append_line("ADDED", render(*object, request_.representation), out);
      if (request_.cut_after) cut_initial(out, before);
      continue;
    }
    if (request_.ends_initial_with_bookmark) {
      request_.ends_initial_with_bookmark = false;
      append_bookmark(true, out);
      ++hub_.stats.lists_completed;
      continue;
    }
    if (hub_.registry.is_lost(*request_.kind, request_.cursor)) {
      ++hub_.stats.stalled_watches;
      return Step::end;
    }
    const Event* event = hub_.registry.event_at(*request_.kind, request_.cursor);
    if (event == nullptr) break;
    ++request_.cursor;
    // A client may resume from a version that is yet to come (its server was restored from a backup): it sees
    // nothing until then, as with the real server.
    if (event->object->version > request_.from) append_event(*event, out);
  }
  sent_octets_ += out.size() - before;
  if (out.size() != before || closing_ == CloseWatches::abrupt) return Step::more;
  if (now >= end_) {
    if (request_.wants_bookmarks) append_bookmark(false, out);
    return Step::end;
  }
  if (request_.wants_bookmarks && now >= next_bookmark_) {
    append_bookmark(false, out);
    next_bookmark_ = now + request_.bookmark_interval;
    return Step::more;
  }
  return Step::wait;
}

void WatchStream::cut_initial(std::string& out, std::size_t before) {
  const std::size_t limit = *request_.cut_after;
  const bool is_last = next_initial_ == request_.initial.size();
  if (sent_octets_ + out.size() - before <= limit && !is_last) return;
  // A list that is shorter breaks off within its last object.
  const std::size_t over = sent_octets_ + out.size() - before;
  out.resize(out.size() - (over > limit ? over - limit : (out.size() - before) / 2));
  closing_ = CloseWatches::abrupt;  // what is left goes out first; the next call drops the connection
}

bool WatchStream::is_selected(const ObjectPtr& object) const {
  return object != nullptr && (request_.ns.empty() || object->ns == request_.ns) && request_.selection.matches(*object);
}

void WatchStream::append_event(const Event& event, std::string& out) {
  const bool was_selected = is_selected(event.previous);
  const bool is_now_selected = event.type != EventType::deleted && is_selected(event.object);
  if (!was_selected && !is_now_selected) return;
  ++hub_.stats.events_sent[request_.kind->index];
  if (is_now_selected) {
    append_line(was_selected ? "MODIFIED" : "ADDED", render(*event.object, request_.representation), out);
  } else if (event.type == EventType::deleted) {
    append_line("DELETED", render(*event.object, request_.representation), out);
  } else {
    // It left the selection: the client gets it as it last saw it, with the version of the change.
    Object last = *event.previous;
    last.version = event.object->version;
    last.protobuf.clear();
    if (auto json = parse_json(last.text)) {
      (*json)["metadata"]["resourceVersion"] = std::to_string(last.version);
      last.text = print_json(*json);
    }
    append_line("DELETED", render(last, request_.representation), out);
  }
}

void WatchStream::append_line(std::string_view type, const std::string& object, std::string& out) {
  switch (hub_.faults.take_event_fault()) {
    case Faults::EventFault::none: break;
    case Faults::EventFault::garbage:
      ++hub_.stats.faults_injected;
      out += request_.representation.is_protobuf ? protobuf_event("MODIFIED", "]]")
                                                 : "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":]]}\n";
      return;
    case Faults::EventFault::cut: {
      ++hub_.stats.faults_injected;
      const std::string line = render_event(type, object, request_.representation);
      out.append(line, 0, line.size() / 2);
      closing_ = CloseWatches::abrupt;
      return;
    }
  }
  out += render_event(type, object, request_.representation);
}

void WatchStream::append_bookmark(bool is_initial_end, std::string& out) {
  // After the initial objects: the version they are of, since later events are still to be sent. Otherwise every event
  // up to the current version is sent; a client that resumes from a version yet to come keeps that.
  const ResourceVersion version = is_initial_end ? request_.from : std::max(hub_.registry.version(), request_.from);
  Json metadata = {{"resourceVersion", std::to_string(version)}, {"creationTimestamp", nullptr}};
  if (is_initial_end) metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  const Json object = {
      {"kind", request_.kind->name}, {"apiVersion", request_.kind->api_version()}, {"metadata", metadata}};
  ++hub_.stats.bookmarks_sent;
  const auto fields = protobuf_schema_of(*request_.kind);
  out += render_event("BOOKMARK", render_json(object, fields, request_.representation), request_.representation);
}

BodyStream::Step ErrorWatchStream::next(std::string& out, Clock::time_point) {
  ++stats_.watch_errors_sent;
  const std::string status = render_json(to_status(error_), protobuf_schema_of_status(), representation_);
  out += render_event("ERROR", status, representation_);
  return Step::end;
}

}  // namespace fairlead::kubesim
