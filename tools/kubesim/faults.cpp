#include "tools/kubesim/faults.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace fairlead::kubesim {
namespace {

constexpr std::uint64_t forever = std::numeric_limits<std::uint64_t>::max();

/// Reads the members of one JSON object and remembers the first complaint.
class Members {
 public:
  Members(const Json& object, std::string where, std::initializer_list<std::string_view> known)
      : object_(object), where_(std::move(where)) {
    if (!object.is_object()) {
      complain("must be an object");
      return;
    }
    for (const auto& [name, value] : object.items()) {
      if (std::ranges::find(known, name) != known.end()) continue;
      std::string message = "has no member '" + name + "'; it has";
      for (const std::string_view each : known) message.append(" ").append(each);
      complain(message);
    }
  }

  bool has(const char* name) const { return object_.is_object() && object_.contains(name); }
  const Json& at(const char* name) const { return object_[name]; }

  std::uint64_t number(const char* name, std::uint64_t fallback, std::uint64_t most) {
    if (!has(name)) return fallback;
    const Json& value = at(name);
    if (!value.is_number_integer() || (value.is_number_integer() && !value.is_number_unsigned() && value < 0) ||
        value.get<std::uint64_t>() > most) {
      complain("'" + std::string(name) + "' must be a whole number from 0 to " + std::to_string(most));
      return fallback;
    }
    return value.get<std::uint64_t>();
  }
  bool flag(const char* name, bool fallback) {
    if (!has(name)) return fallback;
    if (!at(name).is_boolean()) {
      complain("'" + std::string(name) + "' must be true or false");
      return fallback;
    }
    return at(name).get<bool>();
  }
  std::string text(const char* name, std::initializer_list<std::string_view> allowed = {}) {
    if (!has(name)) return {};
    std::string value = at(name).is_string() ? at(name).get<std::string>() : std::string();
    if (!at(name).is_string() ||
        (allowed.size() != 0 && std::ranges::find(allowed, std::string_view(value)) == allowed.end())) {
      std::string message = "'" + std::string(name) + "' must be a string";
      for (const std::string_view each : allowed) message.append(" '").append(each).append("'");
      complain(message);
    }
    return value;
  }
  void complain(const std::string& message) {
    if (complaint.empty()) complaint = where_ + " " + message;
  }

  std::string complaint;

 private:
  const Json& object_;
  std::string where_;
};

constexpr std::uint64_t millis_max = static_cast<std::uint64_t>(fault_time_max.count());

}  // namespace

std::expected<FaultActions, std::string> Faults::apply(const Json& document) {
  Faults next = *this;
  FaultActions actions;
  if (auto done = read(document, next, actions); !done) return std::unexpected(done.error());
  *this = std::move(next);
  return actions;
}

std::expected<void, std::string> Faults::read(const Json& document, Faults& faults, FaultActions& actions) {
  Members top(document, "the fault document",
              {"reset", "expire_history", "close_watches", "close_connections", "refuse_connections", "fail_requests",
               "delay", "silent_watches", "bad_events", "cut_lists", "expired_as", "streaming_lists", "churn"});
  if (!top.complaint.empty()) return std::unexpected(top.complaint);

  if (top.flag("reset", false)) {
    faults = Faults();
    actions.accept_connections = true;
  }
  actions.expire_history = top.flag("expire_history", false);
  actions.close_connections = top.flag("close_connections", false);
  faults.is_silent_ = top.flag("silent_watches", faults.is_silent_);
  if (const std::string form = top.text("expired_as", {"event", "http"}); !form.empty()) {
    faults.is_expiry_http_ = form == "http";
  }
  if (const std::string form = top.text("streaming_lists", {"serve", "refuse", "ignore"}); !form.empty()) {
    faults.streaming_lists_ = form == "serve"    ? StreamingLists::serve
                              : form == "refuse" ? StreamingLists::refuse
                                                 : StreamingLists::ignore;
  }
  if (top.has("churn")) actions.churn = static_cast<double>(top.number("churn", 0, 100'000));

  if (top.has("close_watches")) {
    const Json& value = top.at("close_watches");
    if (value.is_boolean()) {
      actions.close_watches = value.get<bool>() ? CloseWatches::clean : CloseWatches::no;
    } else {
      Members part(value, "close_watches", {"how", "resource"});
      actions.close_watches =
          part.text("how", {"clean", "abrupt"}) == "abrupt" ? CloseWatches::abrupt : CloseWatches::clean;
      actions.close_watches_of = part.text("resource");
      const bool is_known = actions.close_watches_of.empty() || std::ranges::any_of(kinds(), [&](const Kind& kind) {
                              return kind.plural == actions.close_watches_of;
                            });
      if (!is_known) part.complain("knows no resource '" + actions.close_watches_of + "'");
      if (!part.complaint.empty()) return std::unexpected(part.complaint);
    }
  }
  if (top.has("refuse_connections")) {
    const Json& value = top.at("refuse_connections");
    if (value.is_boolean()) {
      (value.get<bool>() ? actions.refuse_connections : actions.accept_connections) = true;
    } else {
      Members part(value, "refuse_connections", {"for_ms"});
      actions.refuse_connections = true;
      actions.refuse_for = std::chrono::milliseconds(part.number("for_ms", 1000, millis_max));
      if (!part.complaint.empty()) return std::unexpected(part.complaint);
    }
  }
  if (top.has("fail_requests")) {
    const Json& value = top.at("fail_requests");
    for (const Json& each : value.is_array() ? value : Json::array({value})) {
      Members part(each, "fail_requests", {"count", "status", "retry_after", "path_prefix", "verb", "message"});
      RequestFault fault{{part.text("path_prefix"), part.text("verb")},
                         part.number("count", 1, forever),
                         static_cast<unsigned>(part.number("status", 503, 599)),
                         static_cast<unsigned>(part.number("retry_after", 0, 3600)),
                         part.text("message")};
      if (fault.count == 0) part.complain("'count' must be at least 1");
      if (fault.status < 400) part.complain("'status' must be 400 to 599");
      if (faults.request_faults_.size() >= request_faults_max) part.complain("are too many already; reset first");
      if (!part.complaint.empty()) return std::unexpected(part.complaint);
      faults.request_faults_.push_back(std::move(fault));
    }
  }
  if (top.has("delay")) {
    Members part(top.at("delay"), "delay", {"ms", "count", "path_prefix", "verb"});
    Delay delay{{part.text("path_prefix"), part.text("verb")},
                part.number("count", forever, forever),
                std::chrono::milliseconds(part.number("ms", 0, millis_max))};
    if (delay.count == 0) part.complain("'count' must be at least 1");
    if (!part.complaint.empty()) return std::unexpected(part.complaint);
    faults.delays_.clear();  // one delay at a time; 0 ms ends it
    if (delay.time.count() > 0) faults.delays_.push_back(std::move(delay));
  }
  if (top.has("bad_events")) {
    Members part(top.at("bad_events"), "bad_events", {"count", "form"});
    const std::uint64_t count = part.number("count", 1, forever);
    const std::string form = part.text("form", {"garbage", "cut"});
    if (!part.complaint.empty()) return std::unexpected(part.complaint);
    (form == "cut" ? faults.cut_events_ : faults.garbage_events_) = count;
  }
  if (top.has("cut_lists")) {
    Members part(top.at("cut_lists"), "cut_lists", {"count", "after_bytes"});
    faults.list_cuts_ = part.number("count", 1, forever);
    faults.list_cut_octets_ = part.number("after_bytes", 1000, 1u << 30);
    if (!part.complaint.empty()) return std::unexpected(part.complaint);
  }
  if (!top.complaint.empty()) return std::unexpected(top.complaint);
  return {};
}

Json Faults::state() const {
  const auto count = [](std::uint64_t left) { return left == forever ? Json("forever") : Json(left); };
  Json requests = Json::array();
  for (const RequestFault& fault : request_faults_) {
    requests.push_back({{"path_prefix", fault.match.path_prefix},
                        {"verb", fault.match.verb},
                        {"count", count(fault.count)},
                        {"status", fault.status},
                        {"retry_after", fault.retry_after_s}});
  }
  Json delays = Json::array();
  for (const Delay& delay : delays_) {
    delays.push_back({{"path_prefix", delay.match.path_prefix},
                      {"verb", delay.match.verb},
                      {"count", count(delay.count)},
                      {"ms", delay.time.count()}});
  }
  return {{"fail_requests", requests},
          {"delay", delays},
          {"silent_watches", is_silent_},
          {"expired_as", is_expiry_http_ ? "http" : "event"},
          {"streaming_lists", streaming_lists_ == StreamingLists::serve    ? "serve"
                              : streaming_lists_ == StreamingLists::refuse ? "refuse"
                                                                           : "ignore"},
          {"bad_events", {{"garbage", count(garbage_events_)}, {"cut", count(cut_events_)}}},
          {"cut_lists", {{"count", count(list_cuts_)}, {"after_bytes", list_cut_octets_}}}};
}

std::optional<ApiError> Faults::take_request_fault(std::string_view path, std::string_view verb) {
  for (auto fault = request_faults_.begin(); fault != request_faults_.end(); ++fault) {
    if (!fault->match.holds(path, verb)) continue;
    ApiError error{.code = fault->status,
                   .reason = std::string(reason_of(fault->status)),
                   .message = fault->message.empty() ? "kubesim answers this on demand" : fault->message,
                   .retry_after_s = fault->retry_after_s};
    if (fault->count != forever) --fault->count;
    if (fault->count == 0) request_faults_.erase(fault);
    return error;
  }
  return std::nullopt;
}

std::chrono::milliseconds Faults::take_delay(std::string_view path, std::string_view verb) {
  for (auto delay = delays_.begin(); delay != delays_.end(); ++delay) {
    if (!delay->match.holds(path, verb)) continue;
    const auto time = delay->time;
    if (delay->count != forever && --delay->count == 0) delays_.erase(delay);
    return time;
  }
  return std::chrono::milliseconds(0);
}

Faults::EventFault Faults::take_event_fault() {
  if (garbage_events_ > 0) {
    if (garbage_events_ != forever) --garbage_events_;
    return EventFault::garbage;
  }
  if (cut_events_ > 0) {
    if (cut_events_ != forever) --cut_events_;
    return EventFault::cut;
  }
  return EventFault::none;
}

std::optional<std::size_t> Faults::take_list_cut() {
  if (list_cuts_ == 0) return std::nullopt;
  if (list_cuts_ != forever) --list_cuts_;
  return list_cut_octets_;
}

}  // namespace fairlead::kubesim
