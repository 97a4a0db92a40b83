#include "server/control/debug_pages.hpp"

#include <array>
#include <ctime>

#include "server/control/json_line.hpp"

namespace fairlead::server {
namespace {

std::string quoted(std::string_view text) {
  std::string json = "\"";
  append_json(json, text);
  return json + '"';
}

// The members of an object, in the order in which they are added.
class Object {
 public:
  Object& add(std::string_view key, std::uint64_t value) { return put(key, std::to_string(value)); }
  Object& add(std::string_view key, std::string_view text) { return put(key, quoted(text)); }
  Object& add_microseconds(std::string_view key, std::chrono::nanoseconds time) {
    return add(key, static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count()));
  }
  Object& put(std::string_view key, std::string_view json) {
    text_ += (text_.empty() ? "" : ",") + quoted(key) + ":";
    text_ += json;
    return *this;
  }
  std::string json() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

// An object on each line.
template <typename Items, typename Write>
std::string list(const Items& items, const Write& write) {
  std::string json = "[";
  for (const auto& item : items) json += (json.size() == 1 ? "\n" : ",\n") + write(item);
  return json + "\n]";
}

std::string talkers(const std::vector<Talker>& found, std::string_view key) {
  return list(found, [key](const Talker& talker) {
    return Object()
        .add(key, talker.key)
        .add("queries", talker.counts.queries)
        .add("nxdomain", talker.counts.nxdomain)
        .add("failed", talker.counts.failed)
        .add("overcount", talker.counts.overcount)
        .json();
  });
}

// RFC 3339, in UTC.
std::string time_text(std::chrono::system_clock::time_point when) {
  const auto since = when.time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text;
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  return std::string(text.data(), length) + "." + std::to_string(1000 + milliseconds % 1000).substr(1) + "Z";
}

std::string upstream_text(const SlowQuery& query) {
  const std::string address = query.upstream.to_string();
  return (query.is_tls ? "tls://" : "") + (query.upstream.is_v6() ? "[" + address + "]" : address) + ":" +
         std::to_string(query.upstream_port);
}

std::string slow_object(const SlowQuery& query) {
  Object object;
  object.add("received", time_text(query.received))
      .add("client", query.client.to_string())
      .add("name", query.qname().to_string())
      .add("type", dns::to_string(query.qtype))
      .add("proto", query.proto == Proto::udp ? "udp" : "tcp")
      .add("rcode", query.rcode ? dns::to_string(*query.rcode) : "no reply")
      .add("directive", to_string(query.directive))
      .add_microseconds("answered_us", query.total);
  if (query.until_asked) object.add_microseconds("asked_upstream_us", *query.until_asked);
  if (query.until_replied) object.add_microseconds("upstream_replied_us", *query.until_replied);
  if (query.upstream_port != 0) object.add("upstream", upstream_text(query));
  if (!query.error().empty()) object.add("error", query.error());
  return object.json();
}

HttpResponse json_response(std::string page) {
  return {.status = 200, .content_type = "application/json", .body = std::move(page)};
}

}  // namespace

std::string top_page(const TopTalkers& top) {
  const auto covered = std::chrono::duration_cast<std::chrono::seconds>(top.covered).count();
  return Object()
             .add("covered_seconds", static_cast<std::uint64_t>(covered))
             .add("queries", top.queries)
             .add("samples", top.samples)
             .put("clients", talkers(top.clients, "client"))
             .put("names", talkers(top.names, "name"))
             .json() +
         "\n";
}

std::string slow_page(const std::vector<SlowQuery>& queries) {
  return Object().put("queries", list(queries, slow_object)).json() + "\n";
}

std::map<std::string, HttpRoute> debug_routes(QueryWatches& watches) {
  return {{"/debug/top", [&watches] { return json_response(top_page(watches.top())); }},
          {"/debug/slow", [&watches] { return json_response(slow_page(watches.slow())); }}};
}

}  // namespace fairlead::server
