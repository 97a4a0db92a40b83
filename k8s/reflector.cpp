#include "k8s/reflector.hpp"

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "k8s/wire_format.hpp"

namespace fairlead::k8s {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A failure of credentials is mended from outside, by a rotated token above all: look again soon.
constexpr milliseconds unauthorized_backoff_max{5'000};
// So many failures of a watch at the same version, and listing anew is the better try.
constexpr unsigned watch_failures_max = 5;
constexpr unsigned broken_streams_max = 2;
// A watch that lived shorter than this has done nothing to be trusted with an immediate resumption.
constexpr milliseconds watch_life_min{1'000};

struct KindNames {
  const char* path;
  const char* resource;
  const char* api_group;
};

KindNames names_of(Kind kind) {
  switch (kind) {
    case Kind::kNamespace: return {"/api/v1/namespaces", "namespaces", ""};
    case Kind::service: return {"/api/v1/services", "services", ""};
    case Kind::pod: return {"/api/v1/pods", "pods", ""};
    case Kind::service_import:
      return {"/apis/multicluster.x-k8s.io/v1alpha1/serviceimports", "serviceimports", "multicluster.x-k8s.io"};
    case Kind::endpoint_slice: break;
  }
  return {"/apis/discovery.k8s.io/v1/endpointslices", "endpointslices", "discovery.k8s.io"};
}

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
        c == '_' || c == '~') {
      encoded.push_back(c);
    } else {
      encoded += {'%', hex[octet >> 4], hex[octet & 15]};
    }
  }
  return encoded;
}

/// What to resume from. The kinds that we read have numbers for versions (KEP-5504), and 0 would mean "any".
bool is_usable_version(std::string_view version) {
  return std::ranges::all_of(version, [](char c) { return c >= '0' && c <= '9'; }) &&
         std::ranges::any_of(version, [](char c) { return c != '0'; });
}

bool is_expired(int code, std::string_view reason) { return code == 410 || reason == "Expired" || reason == "Gone"; }

}  // namespace

const char* resource_of(Kind kind) { return names_of(kind).resource; }

const char* name_of(Oddity oddity) {
  switch (oddity) {
    case Oddity::part: return "part";
    case Oddity::object: return "object";
    case Oddity::oversized: return "oversized";
    case Oddity::event: return "event";
    case Oddity::list: return "list";
    case Oddity::version: return "version";
    case Oddity::selector: break;
  }
  return "selector";
}

/// From decoded objects to the sink; what lists and watches have in common.
class Reflector::Intake {
 public:
  explicit Intake(Reflector& reflector) : reflector_(reflector) {}

  void put(DecodedObject&& decoded) {
    if (decoded.odd_parts > 0) {
      reflector_.note_oddity(Oddity::part, decoded.odd_parts,
                             "left out: ports or addresses of " + decoded.key.namespace_name + "/" + decoded.key.name);
    }
    std::visit(
        [&]<typename Object>(Object& object) {
          if constexpr (std::is_same_v<Object, std::monostate>) {
            reflector_.sink_.remove(reflector_.options_.kind, decoded.key);
          } else {
            reflector_.sink_.upsert(std::move(object));
          }
        },
        decoded.content);
  }

 private:
  Reflector& reflector_;
};

/// One page of a list.
class Reflector::ListReader final : public BodySink, private ListStream::Handler {
 public:
  ListReader(Reflector& reflector, Intake& intake) : reflector_(reflector), intake_(intake) {}

  void begin(int, std::string_view content_type) noexcept override {
    const WireFormat format = reflector_.note_answer(content_type);
    decoder_ = make_decoder(format, reflector_.options_.kind, reflector_.options_.wanted);
    stream_ = make_list_stream(format, *this);
  }

  bool take(std::string_view piece) noexcept override {
    const Burst burst(reflector_.sink_);
    if (!stream_->feed(piece)) malformed_ = true;
    return !malformed_;
  }

  /// After a good end of the request.
  std::expected<ListMetadata, std::string> finish() {
    if (stream_->oversized_items() > 0)
      reflector_.note_oddity(Oddity::oversized, stream_->oversized_items(), "left out: objects above 4 MiB");
    if (malformed_ || !stream_->is_complete()) {
      reflector_.note_oddity(Oddity::list, 1, "a list cannot be read" + fault_);
      return std::unexpected("the answer is no list" + fault_);
    }
    auto metadata = decoder_->list_metadata(stream_->metadata());
    if (!metadata || !is_usable_version(metadata->resource_version)) {
      const std::string version = metadata ? metadata->resource_version : std::string();
      if (!version.empty())
        reflector_.note_oddity(Oddity::version, 1, "a list with resourceVersion \"" + version + "\"");
      return std::unexpected(std::string("the list has no resourceVersion"));
    }
    return std::move(*metadata);
  }
  std::uint64_t objects() const { return objects_; }

 private:
  void take_item(std::string& octets) override {
    if (malformed_) return;
    auto decoded = decoder_->object(octets);
    if (decoded) {
      ++objects_;
      intake_.put(std::move(*decoded));
    } else if (decoded.error().is_malformed) {
      // The list as a whole is broken: what would be missing from it must not be removed.
      malformed_ = true;
      fault_ = ": " + decoded.error().text;
    } else {
      reflector_.note_oddity(Oddity::object, 1, "left out: an object: " + decoded.error().text);
    }
  }

  Reflector& reflector_;
  Intake& intake_;
  std::unique_ptr<ObjectDecoder> decoder_;  // both from the header on
  std::unique_ptr<ListStream> stream_;
  bool malformed_ = false;
  std::string fault_;
  std::uint64_t objects_ = 0;
};

/// The events of one watch, and the list that it may begin with.
class Reflector::WatchReader final : public BodySink, private WatchStream::Handler {
 public:
  enum class Begins : std::uint8_t { with_list, with_events };

  WatchReader(Reflector& reflector, Begins begins)
      : reflector_(reflector),
        intake_(reflector),
        start_(reflector.health_.now()),
        silence_max_(reflector.draw(reflector.options_.watch_silence_min, reflector.options_.watch_silence_max)),
        in_list_(begins == Begins::with_list) {
    is_impatient_ = reflector.has_bookmarks_;
  }

  void begin(int, std::string_view content_type) noexcept override {
    const WireFormat format = reflector_.note_answer(content_type);
    decoder_ = make_decoder(format, reflector_.options_.kind, reflector_.options_.wanted);
    stream_ = make_watch_stream(format, *this);
  }

  bool take(std::string_view piece) noexcept override {
    const Burst burst(reflector_.sink_);
    const std::uint64_t before = stream_->oversized_events();
    const bool more = stream_->feed(piece);
    if (stream_->oversized_events() != before)
      reflector_.note_oddity(Oddity::oversized, stream_->oversized_events() - before, "left out: events above 4 MiB");
    return more;
  }

  std::optional<milliseconds> patience() const noexcept override {
    if (in_list_) return reflector_.options_.list_silence;
    if (is_impatient_) return silence_max_;
    return std::nullopt;
  }

  /// The list has not come to its end.
  bool is_in_list() const { return in_list_; }
  /// The server sent a bookmark where only the end of the list could be: it does not know streaming lists.
  bool is_plain_watch() const { return is_plain_watch_; }
  /// Events and bookmarks; without any the version is as old as before.
  std::uint64_t lines() const { return lines_; }
  const std::optional<ApiStatus>& error() const { return error_; }
  const std::string& fault() const { return fault_; }

 private:
  bool take_event(std::string& octets) override {
    auto event = decoder_->event(octets);
    if (!event) {
      if (event.error().is_malformed) {
        // An event is lost; resuming from the last version brings it again.
        fault_ = "an event cannot be read: " + event.error().text;
        reflector_.note_oddity(Oddity::event, 1, fault_);
        return false;
      }
      note_line();
      reflector_.note_oddity(Oddity::object, 1, "left out: an event: " + event.error().text);
      return true;
    }
    if (event->type == WatchEvent::Type::error) {
      error_ = std::move(event->status);
      return false;
    }
    if (event->type == WatchEvent::Type::bookmark) return take_bookmark(*event);
    note_line();
    if (!in_list_) reflector_.counts_.events.fetch_add(1, std::memory_order_relaxed);
    if (event->type == WatchEvent::Type::added_or_modified) {
      intake_.put(std::move(event->object));
    } else {
      reflector_.sink_.remove(reflector_.options_.kind, event->object.key);
    }
    if (in_list_) {
      // The objects of a list are in no order of versions: only its end says where to resume.
      ++objects_;
      return true;
    }
    if (event->resource_version == reflector_.resource_version_ && !event->resource_version.empty()) {
      reflector_.note_oddity(Oddity::version, 1, "an event repeats resourceVersion " + event->resource_version);
    }
    resume_from(event->resource_version);
    return true;
  }

  bool take_bookmark(WatchEvent& event) {
    if (!in_list_) {
      note_line();
      reflector_.has_bookmarks_ = true;
      is_impatient_ = true;
      resume_from(event.resource_version);
      return true;
    }
    if (!event.ends_initial_events) {
      is_plain_watch_ = true;
      return false;
    }
    if (!is_usable_version(event.resource_version)) {
      fault_ = "the list ends with resourceVersion \"" + event.resource_version + "\"";
      reflector_.note_oddity(Oddity::version, 1, fault_);
      return false;
    }
    reflector_.sink_.end_list(reflector_.options_.kind);
    reflector_.streaming_ = Streaming::proven;
    reflector_.counts_.streamed_lists.fetch_add(1, std::memory_order_relaxed);
    in_list_ = false;
    note_line();
    reflector_.list_ended(std::move(event.resource_version), objects_, start_);
    return true;
  }

  void resume_from(std::string& version) {
    if (version.empty()) return;
    if (is_usable_version(version)) {
      reflector_.resource_version_ = std::move(version);
    } else {
      reflector_.note_oddity(Oddity::version, 1, "an event with resourceVersion \"" + version + "\"");
    }
  }

  void note_line() {
    if (in_list_ || lines_++ > 0) return;
    reflector_.watch_failures_ = 0;
    reflector_.expired_watches_ = 0;
    reflector_.silent_watches_ = 0;
    reflector_.report_good();
  }

  Reflector& reflector_;
  Intake intake_;
  std::unique_ptr<ObjectDecoder> decoder_;  // both from the header on
  std::unique_ptr<WatchStream> stream_;
  const base::TimePoint start_;
  const milliseconds silence_max_;
  // Also read by the thread that waits.
  std::atomic<bool> in_list_;
  std::atomic<bool> is_impatient_{false};
  bool is_plain_watch_ = false;
  std::uint64_t objects_ = 0;
  std::uint64_t lines_ = 0;
  std::optional<ApiStatus> error_;
  std::string fault_;
};

Reflector::Reflector(ReflectorOptions options, ApiClient& client, ObjectSink& sink, ApiHealth& health)
    : options_(std::move(options)), client_(client), sink_(sink), health_(health) {}

Reflector::~Reflector() { stop(); }

void Reflector::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Reflector::request_stop() { thread_.request_stop(); }

void Reflector::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

ReflectorCounters Reflector::counters() const {
  const auto read = [](const std::atomic<std::uint64_t>& count) { return count.load(std::memory_order_relaxed); };
  ReflectorCounters counters;
  counters.lists = read(counts_.lists);
  counters.list_failures = read(counts_.list_failures);
  counters.watches = read(counts_.watches);
  counters.watch_failures = read(counts_.watch_failures);
  counters.events = read(counts_.events);
  counters.streamed_lists = read(counts_.streamed_lists);
  counters.silent_watches = read(counts_.silent_watches);
  counters.protobuf_answers = read(counts_.protobuf_answers);
  std::ranges::transform(counts_.oddities, counters.oddities.begin(), read);
  for (const Oddity skipped : {Oddity::part, Oddity::object, Oddity::oversized})
    counters.skipped_objects += counters.oddities[static_cast<std::size_t>(skipped)];
  return counters;
}

void Reflector::run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any sleeper;
  Step step;
  while (!stop.stop_requested()) {
    step = step.action == Step::Action::list ? list(stop) : watch(stop);
    if (step.wait.count() > 0) {
      std::unique_lock lock(mutex);
      sleeper.wait_for(lock, stop, step.wait, [] { return false; });
    }
  }
}

Reflector::Step Reflector::list(const std::stop_token& stop) {
  counts_.lists.fetch_add(1, std::memory_order_relaxed);
  // Streams that break off again and again may be what some proxy makes of them: pages get through there.
  const bool in_stream =
      options_.streaming_lists && streaming_ != Streaming::refused && broken_streams_ < broken_streams_max;
  return in_stream ? list_in_stream(stop) : list_in_pages(stop);
}

Reflector::Step Reflector::list_in_stream(const std::stop_token& stop) {
  const seconds planned = draw(options_.watch_min, options_.watch_max);
  const ApiRequest request = watch_request("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", planned);
  counts_.watches.fetch_add(1, std::memory_order_relaxed);
  sink_.begin_list(options_.kind);
  WatchReader reader(*this, WatchReader::Begins::with_list);
  const base::TimePoint start = health_.now();
  const ApiResult result = client_.get(request, reader, stop);
  if (reader.is_in_list()) sink_.abort_list(options_.kind);
  if (result.phase == ApiResult::Phase::cancelled) return {};
  return reader.is_in_list() ? stream_failed(result, reader, start) : watch_ended(result, reader, start, planned);
}

Reflector::Step Reflector::stream_failed(const ApiResult& result, const WatchReader& reader, base::TimePoint start) {
  const bool began = result.http_status >= 200 && result.http_status < 300;
  // KEP-3157: refused where the feature gate is off. A plain watch is what a server makes of it that does not know the
  // parameters: it never marks the end of the list, and would have us wait for ever.
  const bool is_refused = result.http_status == 400 || result.http_status == 422;
  const bool is_silent = began && result.phase == ApiResult::Phase::timed_out;
  if (is_refused || reader.is_plain_watch() || (is_silent && streaming_ == Streaming::untried)) {
    streaming_ = Streaming::refused;
    log(base::LogLevel::info, is_refused
                                  ? "the API server does not stream lists (" + result.message + "); listing in pages"
                                  : "the API server does not end a streaming list; listing in pages");
    return {Step::Action::list, {}};
  }
  counts_.list_failures.fetch_add(1, std::memory_order_relaxed);
  if (began) broken_streams_ = is_silent ? broken_streams_max : broken_streams_ + 1;
  std::string why = result.message;
  if (reader.error()) why = "the list ended with an error: " + reader.error()->message;
  if (!reader.fault().empty()) why = reader.fault();
  if (why.empty()) why = "the list has no end";
  report(result, "list", why, start);
  ApiResult waited = result;
  if (reader.error() && reader.error()->retry_after) waited.retry_after = reader.error()->retry_after;
  return {Step::Action::list, back_off(list_failures_++, waited)};
}

Reflector::Step Reflector::list_in_pages(const std::stop_token& stop) {
  const base::TimePoint start = health_.now();
  // Consistent reads (no resourceVersion=0): a server's cache would ignore the limit, and could be older than what we
  // hold already.
  const bool paged = options_.page_limit > 0 && expired_lists_ < 2;
  Intake intake(*this);
  std::string token;
  std::uint64_t objects = 0;
  sink_.begin_list(options_.kind);
  while (true) {
    std::string query = paged ? "limit=" + std::to_string(options_.page_limit) : std::string();
    if (!token.empty()) query += "&continue=" + percent_encoded(token);
    ApiRequest page = request(std::move(query));
    page.compressed = true;
    if (prefers_protobuf()) page.accept = accept_protobuf_list;
    page.total_timeout = options_.list_timeout;
    ListReader reader(*this, intake);
    const base::TimePoint page_start = health_.now();
    const ApiResult result = client_.get(page, reader, stop);
    auto metadata = result.is_ok() || result.phase == ApiResult::Phase::stopped
                        ? reader.finish()
                        : std::expected<ListMetadata, std::string>(std::unexpect, result.message);
    if (metadata && !token.empty() && metadata->continue_token == token)
      metadata = std::unexpected(std::string("the continue token does not move on"));
    if (!metadata) {
      sink_.abort_list(options_.kind);
      if (result.phase == ApiResult::Phase::cancelled) return {};
      counts_.list_failures.fetch_add(1, std::memory_order_relaxed);
      if (is_expired(result.http_status, result.status.reason) && !token.empty()) {
        ++expired_lists_;
        log(base::LogLevel::info, expired_lists_ < 2
                                      ? "the list expired between two pages; listing again"
                                      : "the list expired between two pages again; asking for it in one");
        return {Step::Action::list, back_off(list_failures_++, result)};
      }
      report(result, "list", metadata.error(), page_start);
      return {Step::Action::list, back_off(list_failures_++, result)};
    }
    objects += reader.objects();
    token = std::move(metadata->continue_token);
    if (!token.empty()) continue;
    sink_.end_list(options_.kind);
    list_ended(std::move(metadata->resource_version), objects, start);
    return {Step::Action::watch, {}};
  }
}

void Reflector::list_ended(std::string version, std::uint64_t objects, base::TimePoint start) {
  resource_version_ = std::move(version);
  is_kind_denied_.store(false, std::memory_order_relaxed);
  expired_lists_ = 0;
  list_failures_ = 0;
  broken_streams_ = 0;
  if (watch_failures_ == 0) report_good();
  last_list_took_ = std::chrono::duration_cast<milliseconds>(health_.now() - start);
  log(base::LogLevel::info, std::to_string(objects) +
                                (is_listed_ ? " objects listed again in " : " objects listed in ") +
                                std::to_string(last_list_took_.count()) + " ms");
  is_listed_ = true;
}

Reflector::Step Reflector::watch(const std::stop_token& stop) {
  const seconds planned = draw(options_.watch_min, options_.watch_max);
  const ApiRequest request = watch_request("resourceVersion=" + percent_encoded(resource_version_), planned);
  counts_.watches.fetch_add(1, std::memory_order_relaxed);
  WatchReader reader(*this, WatchReader::Begins::with_events);
  const base::TimePoint start = health_.now();
  const ApiResult result = client_.get(request, reader, stop);
  if (result.phase == ApiResult::Phase::cancelled) return {};
  return watch_ended(result, reader, start, planned);
}

ApiRequest Reflector::watch_request(std::string query, seconds planned) {
  ApiRequest request =
      this->request("watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(planned.count()) + "&" + query);
  request.total_timeout = planned + options_.watch_slack;
  request.is_watch = true;
  request.idle_timeout = request.total_timeout;
  if (prefers_protobuf()) request.accept = accept_protobuf_watch;
  return request;
}

Reflector::Step Reflector::watch_ended(const ApiResult& result, const WatchReader& reader, base::TimePoint start,
                                       seconds planned) {
  const auto lived = health_.now() - start;
  if (result.is_ok()) {
    if (reader.lines() == 0 && lived + seconds(1) >= planned) {
      // Not even a bookmark in all that time: our version may be one that the server will only reach in days, as
      // after its store was restored from a backup. A list costs little against serving the past.
      return {Step::Action::list, {}};
    }
    if (reader.lines() > 0 || lived >= watch_life_min) return {Step::Action::watch, {}};
    return {Step::Action::watch, back_off(watch_failures_++, result)};  // closed at once: do not spin
  }
  const bool was_event = reader.error().has_value();
  const int code = was_event ? reader.error()->code : result.http_status;
  const std::string& reason = was_event ? reader.error()->reason : result.status.reason;
  if ((was_event || result.phase == ApiResult::Phase::complete) && is_expired(code, reason)) return expired();

  if (result.phase == ApiResult::Phase::timed_out && result.http_status != 0 && lived < planned) {
    counts_.silent_watches.fetch_add(1, std::memory_order_relaxed);
    // One may have been forgotten on the way. If the next hears nothing either, a list is what tells.
    const bool again = silent_watches_++ > 0;
    log(base::LogLevel::info, again ? "the watch is silent again; listing again" : "the watch is silent; resuming it");
    return {again ? Step::Action::list : Step::Action::watch, back_off(0, {})};
  }
  counts_.watch_failures.fetch_add(1, std::memory_order_relaxed);
  std::string why = result.message;
  if (was_event) why = "the watch ended with an error: " + reader.error()->message;
  if (!reader.fault().empty()) why = reader.fault();
  const bool broke_off = result.phase == ApiResult::Phase::body && (reader.lines() > 0 || lived >= watch_life_min);
  if (broke_off) {
    // The ordinary end of a connection when an API server restarts: come back soon, but not all replicas at once.
    log(base::LogLevel::debug, "the watch broke off; resuming it");
    return {Step::Action::watch, draw(milliseconds(0), options_.backoff_min)};
  }
  report(result, "watch", why, start);
  ApiResult waited = result;
  if (was_event && reader.error()->retry_after) waited.retry_after = reader.error()->retry_after;
  const milliseconds wait = back_off(watch_failures_++, waited);
  const bool is_lasting = was_event ? code < 429 || code > 599 : code == 400 || code == 422;
  const bool fell_silent =
      result.phase == ApiResult::Phase::timed_out && result.http_status != 0 && reader.lines() == 0;
  const bool answered_badly =
      result.http_status != 0 && watch_failures_ >= watch_failures_max && code != 401 && code != 403;
  return {is_lasting || fell_silent || answered_badly ? Step::Action::list : Step::Action::watch, wait};
}

Reflector::Step Reflector::expired() {
  log(base::LogLevel::info, "the API server has forgotten version " + resource_version_ + "; listing again");
  const milliseconds spread = std::clamp(4 * last_list_took_, options_.backoff_min, options_.relist_spread_max);
  Step step{Step::Action::list, draw(milliseconds(0), spread)};
  // Once is what happens to everyone. A server that forgets what it has just told is not to be asked in a loop.
  if (expired_watches_ > 0) step.wait = back_off(expired_watches_ - 1, {});
  ++expired_watches_;
  return step;
}

bool Reflector::prefers_protobuf() const {
  return options_.protobuf && options_.kind != Kind::service_import;  // a custom resource
}

ApiRequest Reflector::request(std::string query) const {
  ApiRequest request;
  request.target = names_of(options_.kind).path;
  if (!options_.label_selector.empty()) {
    query += (query.empty() ? "labelSelector=" : "&labelSelector=") + percent_encoded(options_.label_selector);
  }
  if (!options_.field_selector.empty()) {
    query += (query.empty() ? "fieldSelector=" : "&fieldSelector=") + percent_encoded(options_.field_selector);
  }
  if (!query.empty()) request.target += "?" + query;
  request.answer_timeout = options_.answer_timeout;
  return request;
}

void Reflector::report(const ApiResult& result, std::string_view verb, std::string_view why, base::TimePoint start) {
  if (result.http_status == 0) {
    health_.note_silence(start, why);
    return;
  }
  const bool is_selector = result.http_status == 400 && verb == "list" &&
                           !(options_.label_selector.empty() && options_.field_selector.empty());
  if (is_selector) {
    note_oddity(Oddity::selector, 1, "refused, with the selector \"" + options_.label_selector + "\"");
  }
  if (verb == "list") {
    is_kind_denied_.store(result.http_status == 403 || result.http_status == 404, std::memory_order_relaxed);
  }
  in_trouble_ = true;
  if (!trouble_throttle_.allows(health_.now())) return;
  const KindNames names = names_of(options_.kind);
  std::string text = std::string(verb) + " failed: " + std::string(why);
  if (result.http_status == 401) {
    text += "; the token or client certificate is not accepted: it is read anew for each attempt";
  } else if (result.http_status == 403) {
    text += std::string("; the ClusterRole must allow the verbs list and watch on ") + names.resource +
            " of apiGroup \"" + names.api_group + "\"";
  } else if (result.http_status == 404) {
    text += std::string("; the API server does not serve ") + names.path +
            (options_.kind == Kind::service_import
                 ? "; install the ServiceImport CRD of the Multi-Cluster Services API, or remove 'multicluster'"
                 : ", which Kubernetes does since 1.21");
  }
  log(base::LogLevel::warning,
      text + (is_listed_ ? "; answering from what is known, and trying again" : "; trying again"));
}

void Reflector::report_good() {
  if (in_trouble_) log(base::LogLevel::info, "in step again");
  in_trouble_ = false;
  trouble_throttle_ = {};
}

WireFormat Reflector::note_answer(std::string_view content_type) {
  health_.note_answer();
  const WireFormat format = format_of(content_type);
  if (format == WireFormat::protobuf) counts_.protobuf_answers.fetch_add(1, std::memory_order_relaxed);
  return format;
}

void Reflector::note_oddity(Oddity oddity, std::uint64_t count, std::string_view what) {
  const auto index = static_cast<std::size_t>(oddity);
  const std::uint64_t sum = counts_.oddities[index].fetch_add(count, std::memory_order_relaxed) + count;
  if (!oddity_throttles_[index].allows(health_.now())) return;
  log(base::LogLevel::warning, std::string(what.substr(0, 300)) + " (" + std::to_string(sum) + " so far)");
}

void Reflector::log(base::LogLevel level, std::string_view text) const {
  if (options_.log) options_.log(level, std::string(names_of(options_.kind).resource) + ": " + std::string(text));
}

milliseconds Reflector::back_off(unsigned failures, const ApiResult& result) {
  milliseconds ceiling = options_.backoff_min;
  for (unsigned i = 0; i < failures && ceiling < options_.backoff_max; ++i) ceiling *= 2;
  ceiling = std::min(ceiling, result.http_status == 401 ? std::min(unauthorized_backoff_max, options_.backoff_max)
                                                        : options_.backoff_max);
  const milliseconds jittered = draw(ceiling / 2, ceiling);
  if (!result.retry_after) return jittered;
  // Not all replicas at the same second either.
  return std::max<milliseconds>(*result.retry_after + jittered / 4, jittered);
}

}  // namespace fairlead::k8s
