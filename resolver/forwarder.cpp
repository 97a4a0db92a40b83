#include "resolver/forwarder.hpp"

#include <algorithm>
#include <array>

#include "resolver/in_flight.hpp"
#include "resolver/query_builder.hpp"
#include "resolver/question_key.hpp"
#include "resolver/slot_pool.hpp"
#include "resolver/timer_wheel.hpp"
#include "resolver/upstream_health.hpp"

namespace fairlead::resolver {
namespace {

using base::TimePoint;
using Octets = std::span<const std::uint8_t>;

/// Tries of one question when the Corefile sets no limit: an upstream that refuses at once must not be asked in a
/// circle until the deadline.
constexpr std::uint32_t tries_max = 64;
/// The only upstream is asked again after this, in case the datagram was lost.
constexpr std::chrono::seconds repeat_after{1};
/// When every upstream refused at once, the second pass waits: one that restarts is back in a moment, and its clients
/// need not see it.
constexpr std::chrono::milliseconds pause_between_passes{250};
/// Hedges towards upstreams that are alive but slow cost tokens, so that a slow upstream is not answered by twice the
/// queries: one in ten queries on average, a hundred at once.
constexpr double hedge_token_gain = 0.1;
constexpr double hedge_tokens_max = 100;

TimePoint now() { return std::chrono::steady_clock::now(); }

ForwardFault fault_of(UpstreamError error) {
  switch (error) {
    case UpstreamError::timed_out: return ForwardFault::timed_out;
    case UpstreamError::tls_failed: return ForwardFault::tls_failed;
    case UpstreamError::bad_reply: return ForwardFault::bad_reply;
    case UpstreamError::cancelled: return ForwardFault::cancelled;
    case UpstreamError::busy:
    case UpstreamError::unreachable: break;
  }
  return ForwardFault::unreachable;
}

/// A client that waits for a question.
struct Waiter {
  ForwardCallback callback;
  std::uint32_t question = no_slot;
  std::uint32_t next = no_slot;
  std::uint32_t previous = no_slot;
};

/// A question in flight.
struct Question {
  std::array<std::uint8_t, query_octets_max> query;
  std::uint16_t query_octets = 0;
  std::vector<std::uint8_t> options;  // of OPT, which ends `query`
  std::uint8_t name_octets = 0;
  std::uint8_t flags = 0;
  Transport transport = Transport::udp;
  bool is_finishing = false;
  bool is_pausing = false;  // between two passes over `order`

  std::uint32_t first_waiter = no_slot;
  std::uint32_t last_waiter = no_slot;

  TimePoint started{};
  TimePoint deadline{};
  TimePoint last_sent{};
  std::array<std::uint8_t, upstreams_max> order{};
  std::uint8_t position = 0;
  std::uint8_t down_seen = 0;  // in this pass over `order`
  std::uint8_t last_upstream = 0;
  std::uint8_t hedges = 0;
  std::uint32_t tries_failed = 0;
  std::uint32_t outstanding = 0;
  std::uint16_t asked = 0;         // bit per upstream that owes a reply
  std::uint16_t without_edns = 0;  // bit per upstream that was asked again without OPT
  std::uint16_t failed_over = 0;   // bit per upstream whose reply had an RCODE of `failover`
  UpstreamError last_error = UpstreamError::timed_out;

  std::vector<std::uint8_t> truncated;  // the reply with TC that is better than none
  std::uint8_t truncated_upstream = 0;

  dns::NameView qname() const { return dns::NameView({query.data() + dns::header_octets, name_octets}); }
};
static_assert(upstreams_max <= 16, "`asked` and its like have sixteen bits");

}  // namespace

std::string_view to_string(ForwardFault fault) {
  switch (fault) {
    case ForwardFault::too_many_concurrent: return "too many concurrent queries";
    case ForwardFault::no_healthy: return "no healthy upstream";
    case ForwardFault::timed_out: return "upstream timed out";
    case ForwardFault::unreachable: return "upstream unreachable";
    case ForwardFault::tls_failed: return "no TLS with the upstream";
    case ForwardFault::bad_reply: return "upstream sent a malformed reply";
    case ForwardFault::cancelled: return "shutting down";
  }
  return "unknown";
}

class Forwarder::Engine {
  /// While functions of clients are called, or let go of: one of them may destroy the Forwarder.
  class Busy {
   public:
    explicit Busy(Engine& engine) : engine_(engine) { ++engine_.busy_; }
    ~Busy() { --engine_.busy_; }
    Busy(const Busy&) = delete;
    Busy& operator=(const Busy&) = delete;

   private:
    Engine& engine_;
  };

 public:
  /// Destroys an engine, at once unless it is on the stack. After a reload the last query of the old plan owns it: the
  /// reply to that query is its end.
  static void dispose(std::unique_ptr<Engine> engine) {
    if (engine->busy_ == 0) return;
    engine->is_closing_ = true;
    asio::io_context& io = engine->io_;
    asio::post(io, [last = std::move(engine)] {});
  }

  Engine(asio::io_context& io, ForwarderConfig config, std::vector<std::unique_ptr<Upstream>> upstreams)
      : io_(io), config_(std::move(config)), upstreams_(std::move(upstreams)), ticker_(io) {
    if (upstreams_.size() > upstreams_max) upstreams_.resize(upstreams_max);
    if (!config_.concurrent) config_.concurrent = std::make_shared<std::atomic<std::uint32_t>>(0);
    HealthConfig health{.max_fails = config_.max_fails,
                        .interval = config_.health_check_interval,
                        .recursion_desired = config_.health_check_recursion_desired,
                        .domain = config_.health_check_domain,
                        .transport = config_.force_tcp ? Transport::tcp : Transport::udp};
    for (const auto& upstream : upstreams_) {
      health_.push_back(std::make_shared<UpstreamHealth>(io, *upstream, health));
    }
    const auto count = static_cast<std::uint32_t>(upstreams_.size());
    tries_max_ = config_.max_connect_attempts.value_or(2 * count);
    if (tries_max_ == 0) tries_max_ = tries_max;
  }

  ~Engine() {
    is_closing_ = true;
    alive_.reset();
    for (const auto& health : health_) health->stop();
    for (std::uint32_t slot = 0; slot < questions_.extent(); ++slot) {
      if (questions_.is_taken(slot)) fail(slot, ForwardFault::cancelled);
    }
    upstreams_.clear();  // before what their callbacks look at
  }

  std::expected<ForwardTicket, ForwardError> ask(const ForwardQuestion& asked, ForwardCallback callback) {
    if (is_closing_) return std::unexpected(ForwardError{ForwardFault::cancelled, std::nullopt});
    const std::uint32_t concurrent = config_.concurrent->fetch_add(1, std::memory_order_relaxed);
    const auto reject = [this](ForwardFault fault, base::Counter& counter) {
      config_.concurrent->fetch_sub(1, std::memory_order_relaxed);
      counter.add();
      return std::unexpected(ForwardError{fault, std::nullopt});
    };
    if (config_.max_concurrent != 0 && concurrent >= config_.max_concurrent) {
      return reject(ForwardFault::too_many_concurrent, counters_.max_concurrent_rejects);
    }
    const Transport transport = transport_for(asked.client_transport);
    const QuestionKey key(asked.qname, asked.qtype, asked.qclass, flags_of(asked, transport));
    const std::uint64_t hash = hash_octets(key.octets(), seed_);
    const std::uint32_t found =
        in_flight_.find(hash, [&](std::uint32_t slot) { return is_equal(questions_.at(slot), asked, transport); });

    const auto waiter = waiters_.take();
    if (!waiter) return reject(ForwardFault::too_many_concurrent, counters_.limit_rejects);
    std::uint32_t slot = found;
    if (found == no_slot) {
      const auto taken = questions_.take();
      if (!taken) {
        waiters_.give_back(*waiter);
        return reject(ForwardFault::too_many_concurrent, counters_.limit_rejects);
      }
      slot = *taken;
      prepare(questions_.at(slot), asked, transport);
      const auto upstream = next_upstream(questions_.at(slot));
      if (!upstream) {
        questions_.give_back(slot);
        waiters_.give_back(*waiter);
        return reject(ForwardFault::no_healthy, counters_.failed);
      }
      in_flight_.insert(hash, slot);
      if (wheel_.is_empty()) wheel_.start(questions_.at(slot).started);
      send(slot, *upstream, transport);
      start_ticker();
    } else {
      counters_.joined.add();
    }
    counters_.requests.add();
    add_waiter(slot, *waiter, std::move(callback));
    counters_.in_flight.set(waiters_.size());
    return ForwardTicket{*waiter, waiters_.generation(*waiter)};
  }

  void cancel(ForwardTicket ticket) {
    if (!waiters_.is_current(ticket.slot, ticket.generation)) return;
    const Busy busy(*this);
    const std::uint32_t slot = waiters_.at(ticket.slot).question;
    const ForwardCallback dropped = remove_waiter(ticket.slot);
    Question& question = questions_.at(slot);
    if (question.first_waiter == no_slot && !question.is_finishing) release(slot);
  }

  std::size_t waiting() const { return waiters_.size(); }
  std::span<const std::unique_ptr<Upstream>> upstreams() const { return upstreams_; }
  bool is_down(std::size_t upstream) const { return health_[upstream]->is_down(); }
  const ForwardCounters& counters() const { return counters_; }

 private:
  Transport transport_for(Transport client) const {
    if (config_.force_tcp) return Transport::tcp;
    return config_.prefer_udp ? Transport::udp : client;
  }
  static std::uint8_t flags_of(const ForwardQuestion& asked, Transport transport) {
    std::uint8_t flags = 0;
    if (asked.dnssec_ok) flags |= question_flag::dnssec_ok;
    if (asked.checking_disabled) flags |= question_flag::checking_disabled;
    if (asked.recursion_desired) flags |= question_flag::recursion_desired;
    if (asked.authentic_data) flags |= question_flag::authentic_data;
    if (transport == Transport::tcp) flags |= question_flag::tcp;
    return flags;
  }
  static bool is_equal(const Question& question, const ForwardQuestion& asked, Transport transport) {
    if (question.flags != flags_of(asked, transport) || !(question.qname() == asked.qname)) return false;
    const std::uint8_t* const behind_name = question.query.data() + dns::header_octets + question.name_octets;
    return dns::read_u16(behind_name) == static_cast<std::uint16_t>(asked.qtype) &&
           dns::read_u16(behind_name + 2) == static_cast<std::uint16_t>(asked.qclass) &&
           std::ranges::equal(question.options, asked.edns_options);
  }

  void prepare(Question& question, const ForwardQuestion& asked, Transport transport) {
    // `query` is overwritten as far as it is used; everything else starts afresh.
    question.query_octets = static_cast<std::uint16_t>(build_query(asked.qname, asked.qtype, asked.qclass,
                                                                   {.recursion_desired = asked.recursion_desired,
                                                                    .checking_disabled = asked.checking_disabled,
                                                                    .authentic_data = asked.authentic_data,
                                                                    .dnssec_ok = asked.dnssec_ok},
                                                                   question.query));
    question.options.assign(asked.edns_options.begin(), asked.edns_options.end());
    question.name_octets = static_cast<std::uint8_t>(asked.qname.size());
    question.flags = flags_of(asked, transport);
    question.transport = transport;
    question.is_finishing = question.is_pausing = false;
    question.first_waiter = question.last_waiter = no_slot;
    question.started = now();
    question.deadline = question.started + config_.deadline;
    question.position = question.down_seen = question.last_upstream = question.hedges = 0;
    question.tries_failed = question.outstanding = 0;
    question.asked = question.without_edns = question.failed_over = 0;
    question.last_error = UpstreamError::timed_out;
    question.truncated.clear();
    put_in_order(question.order);
  }

  // The policy's order; suspects last.
  void put_in_order(std::array<std::uint8_t, upstreams_max>& order) {
    const std::size_t count = upstreams_.size();
    for (std::size_t i = 0; i < count; ++i) order[i] = static_cast<std::uint8_t>(i);
    if (count < 2) return;
    const auto end = order.begin() + static_cast<std::ptrdiff_t>(count);
    switch (config_.policy) {
      case Policy::random:
        for (std::size_t i = count; i > 1; --i) {
          std::swap(order[i - 1], order[random_.below(static_cast<std::uint32_t>(i))]);
        }
        break;
      case Policy::round_robin: {
        // As CoreDNS: the chosen one first, the others in their order.
        const auto chosen = order.begin() + static_cast<std::ptrdiff_t>(++robin_ % count);
        std::rotate(order.begin(), chosen, chosen + 1);
        break;
      }
      case Policy::sequential: break;
    }
    std::stable_partition(order.begin(), end, [this](std::uint8_t i) { return !health_[i]->is_suspect(); });
  }

  // CoreDNS's walk: down ones are passed over; when all are down one is picked at random, or none with failfast.
  std::optional<std::size_t> next_upstream(Question& question) {
    const std::size_t count = upstreams_.size();
    for (std::size_t steps = 0; steps < 2 * count; ++steps) {
      if (question.position >= count) question.position = question.down_seen = 0;
      const std::size_t upstream = question.order[question.position++];
      if (!health_[upstream]->is_down()) return upstream;
      if (++question.down_seen < count) continue;
      counters_.healthcheck_broken.add();
      if (config_.failfast_all_unhealthy) return std::nullopt;
      return random_.below(static_cast<std::uint32_t>(count));
    }
    return std::nullopt;
  }

  void send(std::uint32_t slot, std::size_t upstream, Transport transport) {
    Question& question = questions_.at(slot);
    question.last_upstream = static_cast<std::uint8_t>(upstream);
    question.last_sent = now();
    question.asked |= static_cast<std::uint16_t>(1u << upstream);
    ++question.outstanding;
    hedge_tokens_ = std::min(hedge_tokens_ + hedge_token_gain, hedge_tokens_max);
    schedule(slot, question);

    std::array<std::uint8_t, query_octets_max> bare;
    Octets query{question.query.data(), question.query_octets};
    if ((question.without_edns >> upstream & 1) != 0) {
      std::ranges::copy(query, bare.begin());
      query = Octets(bare.data(), strip_opt({bare.data(), query.size()}));
    }
    std::vector<std::uint8_t> whole;
    if (!question.options.empty() && query.size() == question.query_octets) {
      whole.assign(query.begin(), query.end());
      dns::write_u16(whole.data() + whole.size() - 2, static_cast<std::uint16_t>(question.options.size()));
      whole.insert(whole.end(), question.options.begin(), question.options.end());
      query = whole;
    }
    // Eight octets for the sender, eight for the rest: the callback fits where a function needs no heap.
    const std::uint32_t tag = (questions_.generation(slot) << 4) | static_cast<std::uint32_t>(upstream);
    upstreams_[upstream]->send(query, transport,
                               [this, slot, tag](const UpstreamResult& result) { on_result(slot, tag, result); });
  }

  // The next moment at which something is to be done about the question.
  void schedule(std::uint32_t slot, const Question& question) {
    TimePoint due = question.deadline;
    if (may_hedge(question)) due = std::min(due, question.last_sent + hedge_delay(question.last_upstream));
    wheel_.schedule(slot, due);
  }
  bool may_hedge(const Question& question) const {
    return config_.hedge && question.hedges < std::max<std::size_t>(upstreams_.size() - 1, 1) && may_try(question) &&
           question.truncated.empty();
  }
  // Where the Corefile counts the attempts, those on their way count too.
  bool may_try(const Question& question) const {
    const std::uint32_t counted = config_.max_connect_attempts.value_or(0) != 0 ? question.outstanding : 0;
    return question.tries_failed + counted < tries_max_;
  }
  base::Duration hedge_delay(std::size_t upstream) const {
    if (upstreams_.size() == 1) return repeat_after;
    return health_[upstream]->overdue_after();
  }

  void on_due(std::uint32_t slot) {
    Question& question = questions_.at(slot);
    const TimePoint at = now();
    if (at >= question.deadline) return give_up(slot);
    if (question.is_pausing) {
      question.is_pausing = false;
      const auto next = next_upstream(question);
      return next ? send(slot, *next, question.transport) : give_up(slot);
    }
    hedge(slot, question);
    // Whatever came of it, the deadline stands.
    if (questions_.is_taken(slot)) schedule(slot, questions_.at(slot));
  }

  void hedge(std::uint32_t slot, Question& question) {
    ++question.hedges;
    const std::size_t slow = question.last_upstream;
    const bool is_silent = health_[slow]->note_overdue(question.last_sent);
    question.last_sent = now();  // the next hedge counts from here even if this one is left out
    if (!is_silent) {
      if (hedge_tokens_ < 1) return;
      hedge_tokens_ -= 1;
    }
    if (upstreams_.size() == 1) {
      counters_.hedges.add();
      return send(slot, 0, question.transport);
    }
    // The next in order that is up and owes no reply yet.
    for (std::size_t i = 0; i < upstreams_.size(); ++i) {
      const std::size_t upstream = question.order[(question.position + i) % upstreams_.size()];
      if ((question.asked >> upstream & 1) != 0 || health_[upstream]->is_down()) continue;
      counters_.hedges.add();
      return send(slot, upstream, question.transport);
    }
  }

  void on_result(std::uint32_t slot, std::uint32_t tag, const UpstreamResult& result) {
    if (is_closing_) return;
    const Busy busy(*this);
    const std::size_t upstream = tag & 0xf;
    UpstreamCounters& counters = upstreams_[upstream]->counters();
    if (result) {
      health_[upstream]->note_reply(now(), result->elapsed);
      const dns::Header header = dns::read_header(result->message);
      counters.request_duration[rcode_slot(header.rcode())].observe(result->elapsed);
    } else if (result.error() == UpstreamError::timed_out) {
      counters.timeouts.add();
    } else {
      counters.failures.add();
    }
    const bool is_wanted = questions_.is_taken(slot) && (questions_.generation(slot) << 4) == (tag & ~0xfu) &&
                           !questions_.at(slot).is_finishing;
    if (!is_wanted) {
      if (!result && result.error() != UpstreamError::busy) health_[upstream]->note_failure();
      return;
    }
    Question& question = questions_.at(slot);
    --question.outstanding;
    question.asked &= static_cast<std::uint16_t>(~(1u << upstream));
    if (!result) return on_failure(slot, upstream, result.error());
    on_reply(slot, upstream, *result);
  }

  void on_reply(std::uint32_t slot, std::size_t upstream, const UpstreamReply& received) {
    Question& question = questions_.at(slot);
    const dns::Header header = dns::read_header(received.message);
    if (header.has(dns::Header::tc) && received.transport == Transport::udp) {
      // The whole answer serves every client and the cache. If TCP fails this one is still better than none.
      upstreams_[upstream]->counters().truncated.add();
      question.truncated.assign(received.message.begin(), received.message.end());
      question.truncated_upstream = static_cast<std::uint8_t>(upstream);
      return send(slot, upstream, Transport::tcp);
    }
    const auto reply = Reply::parse(received.message);
    if (!reply) return on_failure(slot, upstream, UpstreamError::bad_reply);
    if (!is_question_of(*reply, question)) return on_failure(slot, upstream, UpstreamError::bad_reply);
    // RFC 6891 §7: FORMERR without OPT comes from a server that does not know EDNS.
    if (reply->rcode() == dns::Rcode::formerr && !reply->has_edns() && (question.without_edns >> upstream & 1) == 0) {
      question.without_edns |= static_cast<std::uint16_t>(1u << upstream);
      return send(slot, upstream, received.transport);
    }
    if (is_failover(reply->rcode())) {
      question.failed_over |= static_cast<std::uint16_t>(1u << upstream);
      if (const auto next = next_failover(question)) return send(slot, *next, question.transport);
      if (question.outstanding > 0) return;  // a hedge may bring a better one
    }
    succeed(slot, {.reply = *reply,
                   .upstream = upstream,
                   .transport = received.transport,
                   .elapsed = now() - question.started,
                   .first = true});
  }

  // The next in order that is up, owes no reply and has not given such a one to this question.
  std::optional<std::size_t> next_failover(const Question& question) const {
    for (std::size_t i = 0; i < upstreams_.size(); ++i) {
      const std::size_t upstream = question.order[i];
      const unsigned passed = question.failed_over | question.asked;
      if ((passed >> upstream & 1) == 0 && !health_[upstream]->is_down()) return upstream;
    }
    return std::nullopt;
  }

  static bool is_question_of(const Reply& reply, const Question& question) {
    const std::uint8_t* const behind_name = question.query.data() + dns::header_octets + question.name_octets;
    return reply.qname() == question.qname() && std::ranges::equal(reply.question().last(4), Octets(behind_name, 4));
  }

  bool is_failover(dns::Rcode rcode) const {
    return std::ranges::find(config_.failover_rcodes, static_cast<std::uint16_t>(rcode)) !=
           config_.failover_rcodes.end();
  }

  void on_failure(std::uint32_t slot, std::size_t upstream, UpstreamError error) {
    Question& question = questions_.at(slot);
    question.last_error = error;
    question.last_upstream = static_cast<std::uint8_t>(upstream);
    if (error != UpstreamError::busy) health_[upstream]->note_failure();
    if (!question.truncated.empty()) return give_up(slot);
    ++question.tries_failed;
    const bool all_down = question.down_seen >= upstreams_.size();
    if (may_try(question) && !all_down && now() < question.deadline) {
      const bool is_pass_over = question.position >= upstreams_.size();
      if (is_pass_over && error == UpstreamError::unreachable && question.outstanding == 0) {
        question.is_pausing = true;
        return wheel_.schedule(slot, std::min(question.deadline, now() + pause_between_passes));
      }
      if (const auto next = next_upstream(question)) return send(slot, *next, question.transport);
    }
    if (question.outstanding == 0) give_up(slot);
  }

  // No reply will come any more; a truncated one may be there.
  void give_up(std::uint32_t slot) {
    Question& question = questions_.at(slot);
    if (!question.truncated.empty()) {
      const std::vector<std::uint8_t> message = std::move(question.truncated);
      question.truncated.clear();
      if (const auto reply = Reply::parse(message); reply && is_question_of(*reply, question)) {
        return succeed(slot, {.reply = *reply,
                              .upstream = question.truncated_upstream,
                              .transport = Transport::udp,
                              .elapsed = now() - question.started,
                              .first = true});
      }
    }
    fail(slot, fault_of(question.last_error));
  }

  void fail(std::uint32_t slot, ForwardFault fault) {
    counters_.failed.add();
    const ForwardResult result = std::unexpected(ForwardError{fault, std::size_t{questions_.at(slot).last_upstream}});
    finish(slot, [&result](bool) -> const ForwardResult& { return result; });
  }

  void succeed(std::uint32_t slot, const ForwardReply& reply) {
    ForwardResult result = reply;
    finish(slot, [&result](bool first) -> const ForwardResult& {
      result->first = first;
      return result;
    });
  }

  template <typename ResultFor>
  void finish(std::uint32_t slot, ResultFor&& result_for) {
    Question& question = questions_.at(slot);
    // Off the tables first: a callback that asks the same question starts a new one.
    question.is_finishing = true;
    in_flight_.erase(slot);
    wheel_.cancel(slot);
    bool first = true;
    while (question.first_waiter != no_slot) {
      ForwardCallback callback = remove_waiter(question.first_waiter);
      callback(result_for(first));
      first = false;
    }
    question.truncated = {};
    questions_.give_back(slot);
  }

  // Nobody waits any more.
  void release(std::uint32_t slot) {
    in_flight_.erase(slot);
    wheel_.cancel(slot);
    questions_.at(slot).truncated = {};
    questions_.give_back(slot);
  }

  void add_waiter(std::uint32_t slot, std::uint32_t index, ForwardCallback callback) {
    Question& question = questions_.at(slot);
    Waiter& waiter = waiters_.at(index);
    waiter.callback = std::move(callback);
    waiter.question = slot;
    waiter.next = no_slot;
    waiter.previous = question.last_waiter;
    (question.last_waiter != no_slot ? waiters_.at(question.last_waiter).next : question.first_waiter) = index;
    question.last_waiter = index;
  }
  ForwardCallback remove_waiter(std::uint32_t index) {
    Waiter& waiter = waiters_.at(index);
    Question& question = questions_.at(waiter.question);
    (waiter.previous != no_slot ? waiters_.at(waiter.previous).next : question.first_waiter) = waiter.next;
    (waiter.next != no_slot ? waiters_.at(waiter.next).previous : question.last_waiter) = waiter.previous;
    ForwardCallback callback = std::move(waiter.callback);
    waiter.callback = nullptr;
    waiters_.give_back(index);
    config_.concurrent->fetch_sub(1, std::memory_order_relaxed);
    counters_.in_flight.set(waiters_.size());
    return callback;
  }

  void start_ticker() {
    if (is_ticking_) return;
    is_ticking_ = true;
    ticker_.expires_after(TimerWheel::tick);
    ticker_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
      if (error || alive.expired()) return;
      const Busy busy(*this);
      is_ticking_ = false;
      wheel_.advance(now(), [this](std::uint32_t slot) { on_due(slot); });
      if (!wheel_.is_empty()) start_ticker();
    });
  }

  asio::io_context& io_;
  ForwarderConfig config_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  std::vector<std::shared_ptr<UpstreamHealth>> health_;
  ForwardCounters counters_;
  HashSeed seed_;
  QuickRandom random_;
  SlotPool<Question> questions_{questions_in_flight_max};
  SlotPool<Waiter> waiters_{waiters_max};
  InFlight in_flight_{questions_in_flight_max};
  TimerWheel wheel_;
  asio::steady_timer ticker_;
  std::uint32_t tries_max_ = 0;
  std::uint32_t robin_ = 0;
  double hedge_tokens_ = hedge_tokens_max;
  std::uint32_t busy_ = 0;
  bool is_ticking_ = false;
  bool is_closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

namespace {

std::vector<std::unique_ptr<Upstream>> make_upstreams(asio::io_context& io, const ForwarderConfig& config) {
  std::vector<std::unique_ptr<Upstream>> upstreams;
  for (const UpstreamAddress& address : config.upstreams) {
    auto upstream = make_upstream(io, {.address = address,
                                       .read_timeout = config.read_timeout,
                                       .expire = config.expire,
                                       .max_age = config.max_age,
                                       .source_address = config.source_address,
                                       .max_idle_connections = config.max_idle_connections,
                                       .tls = config.tls});
    if (upstream) upstreams.push_back(std::move(upstream));
  }
  return upstreams;
}

}  // namespace

Forwarder::Forwarder(asio::io_context& io, ForwarderConfig config) {
  auto upstreams = make_upstreams(io, config);
  engine_ = std::make_unique<Engine>(io, std::move(config), std::move(upstreams));
}
Forwarder::Forwarder(asio::io_context& io, ForwarderConfig config, std::vector<std::unique_ptr<Upstream>> upstreams)
    : engine_(std::make_unique<Engine>(io, std::move(config), std::move(upstreams))) {}
Forwarder::~Forwarder() { Engine::dispose(std::move(engine_)); }

std::expected<ForwardTicket, ForwardError> Forwarder::ask(const ForwardQuestion& question, ForwardCallback callback) {
  return engine_->ask(question, std::move(callback));
}
void Forwarder::cancel(ForwardTicket ticket) { engine_->cancel(ticket); }
std::size_t Forwarder::waiting() const { return engine_->waiting(); }
std::span<const std::unique_ptr<Upstream>> Forwarder::upstreams() const { return engine_->upstreams(); }
bool Forwarder::is_down(std::size_t upstream) const { return engine_->is_down(upstream); }
const ForwardCounters& Forwarder::counters() const { return engine_->counters(); }

}  // namespace fairlead::resolver
