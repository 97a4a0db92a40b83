#include "k8s/reflector.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "k8s/list_stream.hpp"
#include "unit/k8s/scripted_server.hpp"
#include "unit/k8s/temporary_directory.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::testing;
using namespace std::chrono_literals;

namespace {

using Request = ScriptedServer::Request;
using Reply = ScriptedServer::Reply;
using Lines = std::vector<std::string>;

/// Lines that threads add and a test waits for.
class Journal {
 public:
  void add(std::string line) {
    const std::scoped_lock lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  Lines lines() const {
    const std::scoped_lock lock(mutex_);
    return lines_;
  }
  bool wait_for(const std::function<bool(const Lines&)>& wanted, std::chrono::milliseconds limit = 20s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, limit, [&] { return wanted(lines_); });
  }
  bool wait_for_line(std::string_view part) {
    return wait_for([&](const Lines& lines) { return count_in(lines, part) > 0; });
  }
  bool wait_for_size(std::size_t size) {
    return wait_for([&](const Lines& lines) { return lines.size() >= size; });
  }
  std::size_t count(std::string_view part) const { return count_in(lines(), part); }

 private:
  static std::size_t count_in(const Lines& lines, std::string_view part) {
    return static_cast<std::size_t>(
        std::ranges::count_if(lines, [&](const std::string& line) { return line.find(part) != std::string::npos; }));
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Lines lines_;
};

class RecordingSink final : public ObjectSink {
 public:
  void begin_burst() override { ++bursts_; }
  void end_burst() override { --bursts_; }
  void begin_list(Kind) override { journal.add("begin"); }
  void end_list(Kind) override { journal.add("end"); }
  void abort_list(Kind) override { journal.add("abort"); }
  void upsert(Namespace object) override { take("put " + object.name); }
  void upsert(Service object) override { take("put " + object.key.name); }
  void upsert(EndpointSlice object) override { take("put " + object.key.name); }
  void upsert(Pod object) override { take("put " + object.key.name); }
  void upsert(ServiceImport object) override { take("put " + object.key.name); }
  void remove(Kind, const ObjectKey& key) override { take("remove " + key.name); }

  Journal journal;
  std::atomic<int> outside_of_bursts = 0;

 private:
  void take(std::string line) {
    if (bursts_ == 0) ++outside_of_bursts;
    journal.add(std::move(line));
  }
  std::atomic<int> bursts_ = 0;
};

/// A reflector of Services against a server that plays one act for each request, in order; then it holds.
class Stage {
 public:
  using Act = std::function<void(const Request&, Reply&)>;

  explicit Stage(std::vector<Act> acts, std::function<void(ReflectorOptions&)> adjust = {},
                 std::function<void(ApiAccess&)> adjust_access = {})
      : acts_(std::move(acts)), server_([this](const Request& request, Reply& reply) { play(request, reply); }) {
    ApiAccess access;
    access.url = parse_api_url(server_.url()).value();
    if (adjust_access) adjust_access(access);
    client_ = ApiClient::create(access).value();
    ReflectorOptions options;
    options.backoff_min = 10ms;
    options.backoff_max = 40ms;
    options.streaming_lists = false;
    options.log = [this](base::LogLevel, std::string_view line) { log.add(std::string(line)); };
    if (adjust) adjust(options);
    health_ = std::make_unique<ApiHealth>("here", clock_, options.log);
    reflector = std::make_unique<Reflector>(std::move(options), *client_, sink, *health_);
    reflector->start();
  }

  Journal& events() { return sink.journal; }
  const ApiHealth& health() const { return *health_; }

  Journal targets, log;
  RecordingSink sink;
  std::unique_ptr<Reflector> reflector;

 private:
  void play(const Request& request, Reply& reply) {
    std::size_t number = 0;
    {
      const std::scoped_lock lock(mutex_);
      number = next_++;
    }
    targets.add(request.target);
    if (number < acts_.size()) {
      acts_[number](request, reply);
    } else {
      reply.hold();
    }
  }

  base::SteadyClock clock_;
  std::vector<Act> acts_;
  std::mutex mutex_;
  std::size_t next_ = 0;
  ScriptedServer server_;
  std::unique_ptr<ApiClient> client_;
  std::unique_ptr<ApiHealth> health_;

 public:
  ~Stage() { reflector->stop(); }
};

std::string object(const std::string& name, const std::string& version) {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"default","resourceVersion":")" + version +
         R"("},"spec":{"clusterIP":"10.0.0.1"}})";
}

std::string list_of(const std::vector<std::string>& names, const std::string& version, const std::string& token = "") {
  std::string items;
  for (const std::string& name : names) items += (items.empty() ? "" : ",") + object(name, version);
  return R"({"kind":"ServiceList","metadata":{"resourceVersion":")" + version + R"(","continue":")" + token +
         R"("},"items":[)" + items + "]}\n";
}

std::string event(const std::string& type, const std::string& name, const std::string& version) {
  return R"({"type":")" + type + R"(","object":)" + object(name, version) + "}\n";
}

std::string status(int code, const std::string& reason) {
  return R"({"kind":"Status","status":"Failure","message":"said no","reason":")" + reason + R"(","code":)" +
         std::to_string(code) + "}";
}

Stage::Act give(std::string body) {
  return [body = std::move(body)](const Request&, Reply& reply) { reply.respond(200, body); };
}

/// The same act, which also tells when it was called for.
Stage::Act timed(std::chrono::steady_clock::time_point& at, Stage::Act act) {
  return [&at, act = std::move(act)](const Request& request, Reply& reply) {
    at = std::chrono::steady_clock::now();
    act(request, reply);
  };
}

Stage::Act refuse(int code, std::string reason, std::string headers = "") {
  return [=](const Request&, Reply& reply) { reply.respond(code, status(code, reason), headers); };
}

enum class Then { hold, end, drop };

Stage::Act watch(std::vector<std::string> lines, Then then = Then::hold) {
  return [=](const Request&, Reply& reply) {
    reply.begin();
    for (const std::string& line : lines) reply.chunk(line);
    if (then == Then::hold) reply.hold();
    if (then == Then::end) reply.end();
    if (then == Then::drop) reply.drop();
  };
}

}  // namespace

TEST_CASE("a list comes in pages, and the watch begins where it ended") {
  Stage stage(
      {give(list_of({"a", "b"}, "7", "to/ken+=")), give(list_of({"c"}, "7")), watch({event("ADDED", "d", "8")})});
  REQUIRE(stage.events().wait_for_line("put d"));
  CHECK(stage.events().lines() == Lines{"begin", "put a", "put b", "put c", "end", "put d"});
  const Lines targets = stage.targets.lines();
  REQUIRE(targets.size() == 3);
  CHECK(targets[0] == "/api/v1/services?limit=500");
  CHECK(targets[1] == "/api/v1/services?limit=500&continue=to%2Fken%2B%3D");
  CHECK(targets[2].starts_with("/api/v1/services?watch=1&allowWatchBookmarks=true&timeoutSeconds="));
  CHECK(targets[2].ends_with("&resourceVersion=7"));
  CHECK(stage.health().is_reachable());
  const ReflectorCounters counters = stage.reflector->counters();
  CHECK(counters.lists == 1);
  CHECK(counters.watches == 1);
  CHECK(counters.events == 1);
}

TEST_CASE("events are put and removed as they come, and a broken watch resumes behind the last of them") {
  Stage stage({give(list_of({"a"}, "7")),
               watch({event("MODIFIED", "a", "8"), event("DELETED", "a", "9"),
                      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"20"}}})"
                      "\n"},
                     Then::drop),
               watch({event("ADDED", "b", "21")}, Then::end), watch({event("ADDED", "c", "22")})});
  REQUIRE(stage.events().wait_for_line("put c"));
  CHECK(stage.events().lines() == Lines{"begin", "put a", "end", "put a", "remove a", "put b", "put c"});
  CHECK(stage.sink.outside_of_bursts == 0);
  const Lines targets = stage.targets.lines();
  CHECK(targets[1].ends_with("resourceVersion=7"));
  CHECK(targets[2].ends_with("resourceVersion=20"));
  CHECK(targets[3].ends_with("resourceVersion=21"));
  CHECK(stage.reflector->counters().lists == 1);
}

TEST_CASE("410 Gone, as an event or as a status, lists again as a difference and removes nothing itself") {
  const std::string gone = R"({"type":"ERROR","object":)" + status(410, "Expired") + "}\n";
  for (const bool as_event : {true, false}) {
    CAPTURE(as_event);
    Stage stage({give(list_of({"a"}, "7")), as_event ? watch({gone}) : refuse(410, "Expired"),
                 give(list_of({"b"}, "100")), watch({event("ADDED", "c", "101")})});
    REQUIRE(stage.events().wait_for_line("put c"));
    CHECK(stage.events().lines() == Lines{"begin", "put a", "end", "begin", "put b", "end", "put c"});
    CHECK(stage.targets.lines()[2] == "/api/v1/services?limit=500");
    CHECK(stage.targets.lines()[3].ends_with("resourceVersion=100"));
    CHECK(stage.reflector->counters().watch_failures == 0);
  }
}

TEST_CASE("a server that forgets at once what it has just told is not asked in a tight loop") {
  std::vector<Stage::Act> acts;
  for (int i = 0; i < 100; ++i) {
    acts.push_back(give(list_of({"a"}, "7")));
    acts.push_back(refuse(410, "Gone"));
  }
  Stage stage(std::move(acts), [](ReflectorOptions& options) {
    options.backoff_min = 50ms;
    options.backoff_max = 10s;
  });
  std::this_thread::sleep_for(700ms);
  CHECK(stage.targets.lines().size() < 16);  // waits of 0, 50, 100, 200, 400 ms
}

TEST_CASE("a list that expires between pages starts again, and the second time is asked for in one piece") {
  Stage stage({give(list_of({"a"}, "7", "t1")), refuse(410, "Expired"), give(list_of({"a"}, "8", "t2")),
               refuse(410, "Expired"), give(list_of({"a", "b"}, "9")), watch({})});
  REQUIRE(stage.targets.wait_for_size(6));
  CHECK(stage.events().lines() ==
        Lines{"begin", "put a", "abort", "begin", "put a", "abort", "begin", "put a", "put b", "end"});
  CHECK(stage.targets.lines()[4] == "/api/v1/services");
  CHECK(stage.targets.lines()[5].ends_with("resourceVersion=9"));
}

TEST_CASE("Retry-After is obeyed") {
  std::chrono::steady_clock::time_point first, second;
  Stage stage(
      {timed(first, refuse(429, "TooManyRequests", "Retry-After: 1\r\n")), timed(second, give(list_of({"a"}, "7")))});
  REQUIRE(stage.events().wait_for_line("end"));
  CHECK(second - first >= 1s);
  CHECK(second - first < 10s);
}

TEST_CASE("a list that is broken, cut short or no list at all changes nothing but what it brought") {
  const std::string good = list_of({"a"}, "7");
  Stage stage({give("<html>busy</html>"), give(good.substr(0, good.size() - 5)),
               [&](const Request&, Reply& reply) {
                 reply.begin();
                 reply.chunk(good.substr(0, good.size() - 20));
                 reply.drop();
               },
               give(R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata" "x"}]})"),
               give(R"({"metadata":{},"items":[]})"), refuse(500, "InternalError"), give(good)});
  REQUIRE(stage.events().wait_for_line("end"));
  CHECK(stage.events().count("abort") == 6);
  CHECK(stage.events().count("begin") == 7);
  CHECK(stage.events().count("end") == 1);
  CHECK(stage.reflector->counters().list_failures == 6);
  CHECK(stage.log.count("list failed") == 1);  // one line a minute
  CHECK(stage.log.wait_for_line("in step again"));
}

TEST_CASE("an event that cannot be read is asked for again, from the version before it") {
  Stage stage({give(list_of({"a"}, "7")), watch({event("ADDED", "b", "8"), "{\"garbage\n"}),
               watch({event("ADDED", "c", "9")})});
  REQUIRE(stage.events().wait_for_line("put c"));
  CHECK(stage.targets.lines()[2].ends_with("resourceVersion=8"));
  CHECK(stage.events().count("begin") == 1);
  CHECK(stage.reflector->counters().watch_failures == 1);
}

TEST_CASE("garbage at the same place again and again leads to a list") {
  std::vector<Stage::Act> acts{give(list_of({"a"}, "7"))};
  for (int i = 0; i < 5; ++i) acts.push_back(watch({"nonsense\n"}));
  acts.push_back(give(list_of({"a", "b"}, "9")));
  Stage stage(std::move(acts));
  REQUIRE(stage.events().wait_for_line("put b"));
  CHECK(stage.targets.lines()[6] == "/api/v1/services?limit=500");
}

TEST_CASE("an object that makes no sense to DNS is left out, and the watch goes on") {
  Stage stage({give(list_of({"a", "no.label"}, "7")), watch({event("ADDED", "NO", "8"), event("ADDED", "b", "9")})});
  REQUIRE(stage.events().wait_for_line("put b"));
  CHECK(stage.reflector->counters().skipped_objects == 2);
  CHECK(stage.reflector->counters().watches == 1);
  CHECK(stage.log.count("left out") == 1);  // one line a minute
}

TEST_CASE("errors within a watch: the server's own are waited out, others lead to a list") {
  const auto error = [](int code, const std::string& reason) {
    return R"({"type":"ERROR","object":)" + status(code, reason) + "}\n";
  };
  Stage stage({give(list_of({"a"}, "7")), watch({error(500, "InternalError")}), watch({error(429, "TooManyRequests")}),
               watch({error(403, "Forbidden")}), give(list_of({"a"}, "8")), refuse(400, "BadRequest"),
               give(list_of({"b"}, "9"))});
  REQUIRE(stage.events().wait_for_line("put b"));
  CHECK(stage.targets.lines()[4] == "/api/v1/services?limit=500");
  CHECK(stage.targets.lines()[6] == "/api/v1/services?limit=500");
}

TEST_CASE("what RBAC lacks is said once, by verb and resource") {
  Stage stage({refuse(403, "Forbidden"), refuse(403, "Forbidden"), refuse(403, "Forbidden"), give(list_of({"a"}, "7"))},
              [](ReflectorOptions& options) { options.kind = Kind::endpoint_slice; });
  REQUIRE(stage.events().wait_for_line("end"));
  CHECK(stage.log.count("verbs list and watch on endpointslices of apiGroup \"discovery.k8s.io\"") == 1);
  CHECK(stage.log.count("403") == 1);
}

TEST_CASE("a rotated token is picked up behind a 401") {
  const TemporaryDirectory directory;
  directory.write("token", "old");
  const auto only_new = [&](const Request& request, Reply& reply) {
    if (request.headers.at("authorization") == "Bearer new") {
      give(list_of({"a"}, "7"))(request, reply);
    } else {
      directory.write("token", "new");
      refuse(401, "Unauthorized")(request, reply);
    }
  };
  Stage stage({only_new, only_new}, {}, [&](ApiAccess& access) { access.token_file = directory.file("token"); });
  REQUIRE(stage.events().wait_for_line("end"));
  CHECK(stage.log.count("401") == 1);
}

TEST_CASE("a server that is away is mentioned once, and once more when it is back") {
  Stage stage({give(list_of({"a"}, "7")), watch({event("ADDED", "b", "8")}, Then::drop),
               [](const Request&, Reply& reply) { reply.reset(); }, [](const Request&, Reply& reply) { reply.reset(); },
               [](const Request&, Reply& reply) { reply.reset(); }, watch({event("ADDED", "c", "9")})});
  REQUIRE(stage.events().wait_for_line("put c"));
  CHECK(stage.log.count("no answer from the API server") == 1);
  CHECK(stage.log.count("answering from what is known") == 1);
  CHECK(stage.log.count("answers again") == 1);
  CHECK(stage.health().is_reachable());
  CHECK(stage.events().count("begin") == 1);
}

TEST_CASE("a watch that stays silent beyond its time is ended, and everything is listed again") {
  Stage stage({give(list_of({"a"}, "7")), watch({}), give(list_of({"b"}, "8"))}, [](ReflectorOptions& options) {
    options.watch_min = options.watch_max = 1s;
    options.watch_slack = 100ms;
  });
  REQUIRE(stage.events().wait_for_line("put b"));
  CHECK(stage.reflector->counters().watch_failures == 1);
}

TEST_CASE("a watch that ends in time without even a bookmark is not trusted with its version") {
  Stage stage({give(list_of({"a"}, "7")),
               [](const Request&, Reply& reply) {
                 reply.begin();
                 std::this_thread::sleep_for(1s);
                 reply.end();
               },
               give(list_of({"b"}, "8"))},
              [](ReflectorOptions& options) { options.watch_min = options.watch_max = 1s; });
  REQUIRE(stage.events().wait_for_line("put b"));
  CHECK(stage.reflector->counters().watch_failures == 0);
}

TEST_CASE("watches that end at once do not spin") {
  std::vector<Stage::Act> acts{give(list_of({"a"}, "7"))};
  for (int i = 0; i < 1000; ++i) acts.push_back(watch({}, Then::end));
  Stage stage(std::move(acts), [](ReflectorOptions& options) {
    options.backoff_min = 50ms;
    options.backoff_max = 10s;
  });
  std::this_thread::sleep_for(700ms);
  CHECK(stage.targets.lines().size() < 10);
}

TEST_CASE("slices of no Service take away what was known of them") {
  const std::string slice =
      R"({"metadata":{"name":"s","namespace":"default","resourceVersion":"8"},"addressType":"IPv4"})";
  Stage stage({give(R"({"metadata":{"resourceVersion":"7"},"items":[]})"),
               watch({R"({"type":"MODIFIED","object":)" + slice + "}\n"})},
              [](ReflectorOptions& options) { options.kind = Kind::endpoint_slice; });
  REQUIRE(stage.events().wait_for_line("remove s"));
  CHECK(stage.targets.lines()[0] == "/apis/discovery.k8s.io/v1/endpointslices?limit=500");
}

TEST_CASE("a label selector goes along with lists and watches") {
  Stage stage({give(list_of({"a"}, "7"))},
              [](ReflectorOptions& options) { options.label_selector = "app in (a, b),!x"; });
  REQUIRE(stage.targets.wait_for_size(2));
  for (const std::string& target : stage.targets.lines())
    CHECK(target.ends_with("&labelSelector=app%20in%20%28a%2C%20b%29%2C%21x"));
}

TEST_CASE("a field selector goes along with lists and watches of Pods") {
  Stage stage({give(list_of({"a"}, "7"))}, [](ReflectorOptions& options) {
    options.kind = Kind::pod;
    options.field_selector = "status.phase!=Failed";
  });
  REQUIRE(stage.targets.wait_for_size(2));
  for (const std::string& target : stage.targets.lines()) {
    CHECK(target.starts_with("/api/v1/pods?"));
    CHECK(target.ends_with("&fieldSelector=status.phase%21%3DFailed"));
  }
}

namespace {

void stream_lists(ReflectorOptions& options) { options.streaming_lists = true; }

std::string bookmark(const std::string& version) {
  return R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":")" + version + "\"}}}\n";
}

/// Where the list ends that a watch began with.
std::string list_end(const std::string& version) {
  return R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":")" + version +
         R"(","annotations":{"k8s.io/initial-events-end":"true"}}}})"
         "\n";
}

const std::string paged = "/api/v1/services?limit=500";

bool is_streaming(const std::string& target) {
  return target.find("sendInitialEvents=true&resourceVersionMatch=NotOlderThan") != std::string::npos &&
         target.find("&resourceVersion=") == std::string::npos;
}

}  // namespace

TEST_CASE("a streaming list is a difference that ends with its bookmark, and goes on as a watch (KEP-3157)") {
  Stage stage({watch({event("ADDED", "a", "5"), event("ADDED", "b", "3"), list_end("7"), event("DELETED", "b", "8")},
                     Then::drop),
               watch({event("ADDED", "c", "9")})},
              stream_lists);
  REQUIRE(stage.events().wait_for_line("put c"));
  CHECK(stage.events().lines() == Lines{"begin", "put a", "put b", "end", "remove b", "put c"});
  const Lines targets = stage.targets.lines();
  REQUIRE(targets.size() == 2);
  CHECK(is_streaming(targets[0]));
  CHECK(targets[0].starts_with("/api/v1/services?watch=1&allowWatchBookmarks=true&timeoutSeconds="));
  CHECK(targets[1].ends_with("&resourceVersion=8"));
  const ReflectorCounters counters = stage.reflector->counters();
  CHECK(counters.lists == 1);
  CHECK(counters.streamed_lists == 1);
  CHECK(counters.events == 2);
}

TEST_CASE("a streaming list that breaks off removes nothing, and is asked for again from its beginning") {
  const std::string error = R"({"type":"ERROR","object":)" + status(500, "InternalError") + "}\n";
  const std::vector<Stage::Act> ends{
      watch({event("ADDED", "a", "5")}, Then::drop),     watch({event("ADDED", "a", "5")}, Then::end),
      watch({event("ADDED", "a", "5"), "{\"garbage\n"}), watch({event("ADDED", "a", "5"), error}),
      watch({event("ADDED", "a", "5"), list_end("-7")}), watch({event("ADDED", "a", "5"), list_end("")})};
  for (const Stage::Act& end : ends) {
    Stage stage({end, watch({event("ADDED", "b", "6"), list_end("7")})}, stream_lists);
    REQUIRE(stage.events().wait_for_line("end"));
    CHECK(stage.events().lines() == Lines{"begin", "put a", "abort", "begin", "put b", "end"});
    CHECK(is_streaming(stage.targets.lines()[1]));
    CHECK(stage.reflector->counters().list_failures == 1);
  }
}

TEST_CASE("streams that break off again and again are what pages are for, once") {
  const Stage::Act broken = watch({event("ADDED", "a", "5")}, Then::drop);
  Stage stage({broken, broken, give(list_of({"a"}, "7")), refuse(410, "Expired"), watch({list_end("9")})},
              stream_lists);
  REQUIRE(stage.targets.wait_for_size(5));
  const Lines targets = stage.targets.lines();
  CHECK(targets[2] == paged);
  CHECK(is_streaming(targets[4]));
}

TEST_CASE("a server that refuses to stream a list is asked for pages, now and later") {
  for (const int code : {400, 422}) {
    Stage stage({refuse(code, "Invalid"), give(list_of({"a"}, "7")), refuse(410, "Expired"), give(list_of({"a"}, "9"))},
                stream_lists);
    REQUIRE(stage.targets.wait_for_size(5));
    CHECK(stage.events().lines() == Lines{"begin", "abort", "begin", "put a", "end", "begin", "put a", "end"});
    CHECK(stage.targets.lines()[1] == paged);
    CHECK(stage.targets.lines()[3] == paged);
    CHECK(stage.log.count("does not stream lists") == 1);
    CHECK(stage.reflector->counters().list_failures == 0);
  }
}

TEST_CASE("a server that does not know streaming lists is told by its plain bookmark, or by its silence") {
  for (const bool by_bookmark : {true, false}) {
    CAPTURE(by_bookmark);
    Lines lines{event("ADDED", "a", "5")};
    if (by_bookmark) lines.push_back(bookmark("6"));
    Stage stage({watch(lines), give(list_of({"b"}, "7")), refuse(410, "Expired"), give(list_of({"b"}, "9"))},
                [](ReflectorOptions& options) {
                  options.streaming_lists = true;
                  options.list_silence = 100ms;
                });
    REQUIRE(stage.targets.wait_for_size(5));
    CHECK(stage.events().lines() == Lines{"begin", "put a", "abort", "begin", "put b", "end", "begin", "put b", "end"});
    CHECK(stage.targets.lines()[1] == paged);
    CHECK(stage.targets.lines()[3] == paged);
    CHECK(stage.targets.lines()[2].ends_with("resourceVersion=7"));
  }
}

TEST_CASE("a server that streamed a list before may be silent once and is still asked to stream later") {
  Stage stage({watch({list_end("5")}, Then::end), refuse(410, "Expired"), watch({event("ADDED", "a", "6")}),
               give(list_of({"b"}, "7")), refuse(410, "Expired"), watch({list_end("9")})},
              [](ReflectorOptions& options) {
                options.streaming_lists = true;
                options.list_silence = 100ms;
              });
  REQUIRE(stage.targets.wait_for_size(6));
  CHECK(stage.targets.lines()[3] == paged);
  CHECK(is_streaming(stage.targets.lines()[5]));
}

TEST_CASE("Retry-After is obeyed before a streaming list too") {
  std::chrono::steady_clock::time_point first, second;
  Stage stage(
      {timed(first, refuse(429, "TooManyRequests", "Retry-After: 1\r\n")), timed(second, watch({list_end("7")}))},
      stream_lists);
  REQUIRE(stage.events().wait_for_line("end"));
  CHECK(second - first >= 1s);
  CHECK(is_streaming(stage.targets.lines()[1]));
}

TEST_CASE("a watch whose bookmarks stay away is resumed, and the second time everything is listed") {
  Stage stage({give(list_of({"a"}, "7")), watch({bookmark("8")}), watch({}), give(list_of({"b"}, "9"))},
              [](ReflectorOptions& options) { options.watch_silence_min = options.watch_silence_max = 50ms; });
  REQUIRE(stage.events().wait_for_line("put b"));
  const Lines targets = stage.targets.lines();
  CHECK(targets[2].ends_with("resourceVersion=8"));
  CHECK(targets[3] == paged);
  CHECK(stage.reflector->counters().silent_watches == 2);
  CHECK(stage.reflector->counters().watch_failures == 0);
}

TEST_CASE("a server that sends no bookmarks may be silent for as long as the watch was asked for") {
  Stage stage({give(list_of({"a"}, "7")), watch({event("ADDED", "b", "8")})},
              [](ReflectorOptions& options) { options.watch_silence_min = options.watch_silence_max = 20ms; });
  REQUIRE(stage.events().wait_for_line("put b"));
  std::this_thread::sleep_for(200ms);
  CHECK(stage.targets.lines().size() == 2);
}

TEST_CASE("resource versions that are no numbers, empty or repeated are counted and not resumed from") {
  Stage stage({give(list_of({"a"}, "-7")), give(list_of({"a"}, "0")), give(list_of({"a"}, "7")),
               watch({event("ADDED", "b", "8"), event("ADDED", "c", "-9"), event("ADDED", "d", ""),
                      event("ADDED", "e", "x"), event("ADDED", "f", "8")},
                     Then::drop)});
  REQUIRE(stage.targets.wait_for_size(5));
  CHECK(stage.events().count("abort") == 2);
  CHECK(stage.events().count("put") == 8);
  CHECK(stage.targets.lines()[4].ends_with("resourceVersion=8"));
  const ReflectorCounters counters = stage.reflector->counters();
  CHECK(counters.oddities[static_cast<std::size_t>(Oddity::version)] == 5);
  CHECK(stage.log.count("so far") == 1);  // one line a minute
}

TEST_CASE("a selector that the server refuses is counted, named in the log once, and changes nothing") {
  const Stage::Act bad = refuse(400, "BadRequest");
  for (const bool streaming : {true, false}) {
    CAPTURE(streaming);
    Stage stage({bad, bad, bad, bad}, [&](ReflectorOptions& options) {
      options.streaming_lists = streaming;
      options.label_selector = "no selector";
    });
    REQUIRE(stage.targets.wait_for_size(5));
    CHECK(stage.events().count("begin") - stage.events().count("abort") == 1);
    CHECK(stage.events().count("end") == 0);
    CHECK(stage.reflector->counters().oddities[static_cast<std::size_t>(Oddity::selector)] == (streaming ? 3 : 4));
    CHECK(stage.log.count("with the selector \"no selector\"") == 1);
  }
}

TEST_CASE("an object above the limit is left out of a list and of a watch, and counted") {
  const auto huge = [](const std::string& name) {
    return R"({"metadata":{"name":")" + name + R"(","namespace":"default","annotations":{"x":")" +
           std::string(item_octets_max + 8192, 'x') + R"("}},"spec":{"clusterIP":"10.0.0.1"}})";
  };
  Stage stage({give(R"({"metadata":{"resourceVersion":"7"},"items":[)" + huge("a") + "," + object("b", "6") + "]}"),
               watch({R"({"type":"ADDED","object":)" + huge("c") + "}\n", event("ADDED", "d", "9")})});
  REQUIRE(stage.events().wait_for_line("put d"));
  CHECK(stage.events().lines() == Lines{"begin", "put b", "end", "put d"});
  CHECK(stage.reflector->counters().oddities[static_cast<std::size_t>(Oddity::oversized)] == 2);
  CHECK(stage.reflector->counters().skipped_objects == 2);
}

TEST_CASE("a stop ends whatever is going on at once") {
  const auto hold = [](const Request&, Reply& reply) { reply.hold(); };
  const auto timed_stop = [](Stage& stage) {
    const auto start = std::chrono::steady_clock::now();
    stage.reflector->stop();
    CHECK(std::chrono::steady_clock::now() - start < 2s);
  };
  SUBCASE("a list without an answer") {
    Stage stage({hold});
    REQUIRE(stage.targets.wait_for_size(1));
    timed_stop(stage);
    CHECK(stage.events().lines() == Lines{"begin", "abort"});
  }
  SUBCASE("a streaming list") {
    Stage stage({watch({event("ADDED", "a", "5")})}, stream_lists);
    REQUIRE(stage.events().wait_for_line("put a"));
    timed_stop(stage);
    CHECK(stage.events().lines() == Lines{"begin", "put a", "abort"});
  }
  SUBCASE("a watch") {
    Stage stage({give(list_of({"a"}, "7")), watch({event("ADDED", "b", "8")})});
    REQUIRE(stage.events().wait_for_line("put b"));
    timed_stop(stage);
  }
  SUBCASE("a wait") {
    Stage stage({refuse(503, "ServiceUnavailable", "Retry-After: 60\r\n")});
    REQUIRE(stage.log.wait_for_line("503"));
    timed_stop(stage);
  }
  SUBCASE("before anything began") {
    Stage stage({hold});
    timed_stop(stage);
    timed_stop(stage);
  }
}
