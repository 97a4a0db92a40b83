#include "resolver/forwarder.hpp"

#include <algorithm>
#include <array>

#include "resolver/age_list.hpp"
#include "resolver/forwarded_question.hpp"
#include "resolver/in_flight.hpp"
#include "resolver/shared_questions.hpp"
#include "resolver/slot_pool.hpp"
#include "resolver/timer_wheel.hpp"
#include "resolver/upstream_choice.hpp"

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

/// A worker that asks for others has ended their question by its deadline, give or take a busy moment.
constexpr std::chrono::milliseconds leader_overdue_after{100};
/// Others that failed before a follower stops asking: else workers would fail one after the other while clients wait.
constexpr std::uint8_t leaders_failed_max = 2;

/// From here on the oldest question gives way to a new one. The slots above are for those that leave within a tick.
constexpr std::size_t questions_crowded = questions_in_flight_max - questions_in_flight_max / 8;
/// But not before an upstream could have answered it: unbound's jostle-timeout.
constexpr std::chrono::milliseconds crowd_out_after{200};

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

}  // namespace

std::string_view to_string(ForwardFault fault) {
  switch (fault) {
    case ForwardFault::too_many_concurrent: return "too many concurrent queries";
    case ForwardFault::no_healthy: return "no healthy upstream";
    case ForwardFault::overloaded: return "more questions than upstreams answer";
    case ForwardFault::timed_out: return "upstream timed out";
    case ForwardFault::unreachable: return "upstream unreachable";
    case ForwardFault::tls_failed: return "no TLS with the upstream";
    case ForwardFault::bad_reply: return "upstream sent a malformed reply";
    case ForwardFault::cancelled: return "shutting down";
  }
  return "unknown";
}

namespace {

std::vector<std::unique_ptr<Upstream>> at_most(std::vector<std::unique_ptr<Upstream>> upstreams, std::size_t count) {
  if (upstreams.size() > count) upstreams.resize(count);
  return upstreams;
}

}  // namespace

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
      : io_(io),
        config_(std::move(config)),
        upstreams_(at_most(std::move(upstreams), upstreams_max)),
        choice_(io, config_, upstreams_, counters_),
        ticker_(io) {
    if (!config_.concurrent) config_.concurrent = std::make_shared<std::atomic<std::uint32_t>>(0);
    const auto count = static_cast<std::uint32_t>(upstreams_.size());
    tries_max_ = config_.max_connect_attempts.value_or(2 * count);
    if (tries_max_ == 0) tries_max_ = tries_max;
    if (config_.shared == nullptr) return;
    seed_ = config_.shared->seed();  // one hash for both tables
    member_ = std::make_shared<SharedMember>(
        io_, [this](std::uint32_t slot, std::uint32_t generation, const SharedOutcome& outcome) {
          on_outcome(slot, generation, outcome);
        });
  }

  ~Engine() {
    is_closing_ = true;
    alive_.reset();
    choice_.stop();
    for (std::uint32_t slot = 0; slot < questions_.extent(); ++slot) {
      if (questions_.is_taken(slot)) fail(slot, ForwardFault::cancelled);
    }
    if (member_ != nullptr) member_->close();
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
        in_flight_.find(hash, [&](std::uint32_t slot) { return questions_.at(slot).is_equal(asked, transport); });

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
      ForwardedQuestion& question = questions_.at(slot);
      const TimePoint at = now();
      question.begin(asked, transport, at, at + config_.deadline);
      choice_.put_in_order(question.order);
      const auto upstream = choice_.next(question);
      if (!upstream) {
        questions_.give_back(slot);
        waiters_.give_back(*waiter);
        const bool is_shed = upstream.error() == ForwardFault::overloaded;
        return reject(upstream.error(), is_shed ? counters_.shed : counters_.failed);
      }
      in_flight_.insert(hash, slot);
      ages_.add(slot);
      make_room(at);
      if (wheel_.is_empty()) wheel_.start(at);
      if (is_asked_elsewhere(slot, {.hash = hash, .key = key.octets(), .options = asked.edns_options})) {
        counters_.joined_elsewhere.add();
        schedule(slot, question);
      } else {
        send(slot, *upstream, transport);
      }
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
    ForwardedQuestion& question = questions_.at(slot);
    if (question.first_waiter != no_slot || question.is_finishing) return;
    // Other workers' clients may wait for what it brings.
    if (config_.shared == nullptr || config_.shared->leave(question.place, asker(slot))) release(slot);
  }

  std::size_t waiting() const { return waiters_.size(); }
  std::span<const std::unique_ptr<Upstream>> upstreams() const { return upstreams_; }
  bool is_down(std::size_t upstream) const { return choice_.health(upstream).is_down(); }
  const ForwardCounters& counters() const { return counters_; }

 private:
  Transport transport_for(Transport client) const {
    if (config_.force_tcp) return Transport::tcp;
    return config_.prefer_udp ? Transport::udp : client;
  }

  void send(std::uint32_t slot, std::size_t upstream, Transport transport) {
    ForwardedQuestion& question = questions_.at(slot);
    question.last_upstream = static_cast<std::uint8_t>(upstream);
    question.last_sent = now();
    question.asked |= static_cast<std::uint16_t>(1u << upstream);
    ++question.outstanding;
    choice_.health(upstream).window().note_sent(question.last_sent,
                                                upstreams_[upstream]->counters().outstanding.value());
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

  SharedQuestions::Asker asker(std::uint32_t slot) {
    return {.member = member_, .slot = slot, .generation = questions_.generation(slot)};
  }

  // True when another worker asks the question already, whose outcome will be ours.
  bool is_asked_elsewhere(std::uint32_t slot, const SharedQuestions::Question& shared) {
    if (config_.shared == nullptr) return false;
    ForwardedQuestion& question = questions_.at(slot);
    question.place = config_.shared->enter(shared, asker(slot), question.deadline);
    return question.place.role == SharedQuestions::Role::follows;
  }

  // The worker that asked for us has ended the question.
  void on_outcome(std::uint32_t slot, std::uint32_t generation, const SharedOutcome& outcome) {
    if (is_closing_ || !questions_.is_current(slot, generation)) return;
    ForwardedQuestion& question = questions_.at(slot);
    if (question.is_finishing || question.place.role != SharedQuestions::Role::follows) return;
    const Busy busy(*this);
    question.place = {};
    if (!outcome.fault) {
      const auto reply = Reply::parse(outcome.message);
      if (reply && question.is_repeated_by(*reply)) {
        return succeed(slot, {.reply = *reply,
                              .upstream = outcome.upstream.value_or(0),
                              .transport = outcome.transport,
                              .elapsed = now() - question.started,
                              .first = true});
      }
    }
    question.last_upstream = static_cast<std::uint8_t>(outcome.upstream.value_or(0));
    // A leader that went with its plan says nothing about upstreams. What two workers found out is believed.
    const bool has_gone = outcome.fault == ForwardFault::cancelled;
    if (!has_gone && ++question.leaders_failed >= leaders_failed_max) {
      return fail(slot, outcome.fault.value_or(ForwardFault::bad_reply));
    }
    ask_oneself(slot, [&](const SharedQuestions::Question& shared) {
      return config_.shared->enter(shared, asker(slot), question.deadline);
    });
  }

  void replace_leader(std::uint32_t slot) {
    ForwardedQuestion& question = questions_.at(slot);
    ask_oneself(slot, [&](const SharedQuestions::Question& shared) {
      return config_.shared->take_over(question.place, shared, asker(slot), question.deadline);
    });
  }

  // Unless a third worker does by now.
  template <typename Enter>
  void ask_oneself(std::uint32_t slot, Enter&& enter) {
    ForwardedQuestion& question = questions_.at(slot);
    if (now() >= question.deadline) return give_up(slot);
    const QuestionKey key = question.key();
    question.place =
        enter({.hash = hash_octets(key.octets(), seed_), .key = key.octets(), .options = question.options});
    if (question.place.role == SharedQuestions::Role::follows) return schedule(slot, question);
    question.position = question.down_seen = 0;
    const auto upstream = choice_.next(question);
    return upstream ? send(slot, *upstream, question.transport) : fail(slot, upstream.error());
  }

  void tell_followers(std::uint32_t slot, const ForwardResult& result) {
    if (config_.shared == nullptr) return;
    const SharedQuestions::Place place = std::exchange(questions_.at(slot).place, {});
    if (place.role == SharedQuestions::Role::follows) config_.shared->leave(place, asker(slot));
    const auto followers = config_.shared->end(place);
    if (followers.empty()) return;
    auto outcome = std::make_shared<SharedOutcome>();
    if (result) {
      const Octets message = result->reply.message();
      outcome->message.assign(message.begin(), message.end());
      outcome->upstream = result->upstream;
      outcome->transport = result->transport;
    } else {
      outcome->fault = result.error().fault;
      outcome->upstream = result.error().upstream;
    }
    for (const auto& follower : followers) follower.tell(outcome);
  }

  // When nearly every slot is taken, each new question sends the oldest away: it has had its time, and what upstreams
  // can answer at all they answer sooner. It ends from the event loop, where callbacks are called.
  void make_room(TimePoint at) {
    if (questions_.size() <= questions_crowded) return;
    const std::uint32_t slot = ages_.oldest();
    ForwardedQuestion& question = questions_.at(slot);
    if (at - question.started < crowd_out_after) return;
    ages_.remove(slot);
    question.is_crowded_out = true;
    counters_.shed.add();
    wheel_.schedule(slot, at);
  }

  // The next moment at which something is to be done about the question.
  void schedule(std::uint32_t slot, const ForwardedQuestion& question) {
    if (question.is_crowded_out) return;
    TimePoint due = question.deadline;
    if (question.place.role == SharedQuestions::Role::follows) {
      due = std::min(due, question.place.leader_ends + leader_overdue_after);
    } else if (may_hedge(question)) {
      due = std::min(due, question.last_sent + hedge_delay(question.last_upstream));
    }
    wheel_.schedule(slot, due);
  }
  bool may_hedge(const ForwardedQuestion& question) const {
    return config_.hedge && question.hedges < std::max<std::size_t>(upstreams_.size() - 1, 1) && may_try(question) &&
           question.truncated.empty();
  }
  // Where the Corefile counts the attempts, those on their way count too.
  bool may_try(const ForwardedQuestion& question) const {
    const std::uint32_t counted = config_.max_connect_attempts.value_or(0) != 0 ? question.outstanding : 0;
    return question.tries_failed + counted < tries_max_;
  }
  base::Duration hedge_delay(std::size_t upstream) const {
    if (upstreams_.size() == 1) return repeat_after;
    return choice_.health(upstream).overdue_after();
  }

  void on_due(std::uint32_t slot) {
    ForwardedQuestion& question = questions_.at(slot);
    const TimePoint at = now();
    if (at >= question.deadline) return give_up(slot);
    if (question.is_crowded_out) return fail(slot, ForwardFault::overloaded);
    if (question.place.role == SharedQuestions::Role::follows) return replace_leader(slot);
    if (question.is_pausing) {
      question.is_pausing = false;
      const auto next = choice_.next(question);
      return next ? send(slot, *next, question.transport) : give_up(slot);
    }
    hedge(slot, question);
    // Whatever came of it, the deadline stands.
    if (questions_.is_taken(slot)) schedule(slot, questions_.at(slot));
  }

  void hedge(std::uint32_t slot, ForwardedQuestion& question) {
    ++question.hedges;
    const std::size_t slow = question.last_upstream;
    const bool is_silent = choice_.health(slow).note_overdue(question.last_sent);
    question.last_sent = now();  // the next hedge counts from here even if this one is left out
    if (!is_silent) {
      if (hedge_tokens_ < 1) return;
      hedge_tokens_ -= 1;
    }
    const auto next = choice_.next_hedge(question);
    if (!next) return;
    counters_.hedges.add();
    send(slot, *next, question.transport);
  }

  void on_result(std::uint32_t slot, std::uint32_t tag, const UpstreamResult& result) {
    if (is_closing_) return;
    const Busy busy(*this);
    const std::size_t upstream = tag & 0xf;
    UpstreamCounters& counters = upstreams_[upstream]->counters();
    if (result) {
      choice_.health(upstream).note_reply(now(), result->elapsed);
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
      if (!result && result.error() != UpstreamError::busy) choice_.health(upstream).note_failure();
      return;
    }
    ForwardedQuestion& question = questions_.at(slot);
    --question.outstanding;
    question.asked &= static_cast<std::uint16_t>(~(1u << upstream));
    if (!result) return on_failure(slot, upstream, result.error());
    on_reply(slot, upstream, *result);
  }

  void on_reply(std::uint32_t slot, std::size_t upstream, const UpstreamReply& received) {
    ForwardedQuestion& question = questions_.at(slot);
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
    if (!question.is_repeated_by(*reply)) return on_failure(slot, upstream, UpstreamError::bad_reply);
    // RFC 6891 §7: FORMERR without OPT comes from a server that does not know EDNS.
    if (reply->rcode() == dns::Rcode::formerr && !reply->has_edns() && (question.without_edns >> upstream & 1) == 0) {
      question.without_edns |= static_cast<std::uint16_t>(1u << upstream);
      return send(slot, upstream, received.transport);
    }
    if (is_failover(reply->rcode())) {
      question.failed_over |= static_cast<std::uint16_t>(1u << upstream);
      if (const auto next = choice_.next_failover(question)) return send(slot, *next, question.transport);
      if (question.outstanding > 0) return;  // a hedge may bring a better one
    }
    succeed(slot, {.reply = *reply,
                   .upstream = upstream,
                   .transport = received.transport,
                   .elapsed = now() - question.started,
                   .first = true});
  }

  bool is_failover(dns::Rcode rcode) const {
    return std::ranges::find(config_.failover_rcodes, static_cast<std::uint16_t>(rcode)) !=
           config_.failover_rcodes.end();
  }

  void on_failure(std::uint32_t slot, std::size_t upstream, UpstreamError error) {
    ForwardedQuestion& question = questions_.at(slot);
    question.last_error = error;
    question.last_upstream = static_cast<std::uint8_t>(upstream);
    if (error != UpstreamError::busy) choice_.health(upstream).note_failure();
    if (!question.truncated.empty()) return give_up(slot);
    ++question.tries_failed;
    const bool all_down = question.down_seen >= upstreams_.size();
    if (may_try(question) && !all_down && now() < question.deadline) {
      const bool is_pass_over = question.position >= upstreams_.size();
      if (is_pass_over && error == UpstreamError::unreachable && question.outstanding == 0) {
        question.is_pausing = true;
        return wheel_.schedule(slot, std::min(question.deadline, now() + pause_between_passes));
      }
      if (const auto next = choice_.next(question)) return send(slot, *next, question.transport);
    }
    if (question.outstanding == 0) give_up(slot);
  }

  // No reply will come any more; a truncated one may be there.
  void give_up(std::uint32_t slot) {
    ForwardedQuestion& question = questions_.at(slot);
    if (!question.truncated.empty()) {
      const std::vector<std::uint8_t> message = std::move(question.truncated);
      question.truncated.clear();
      if (const auto reply = Reply::parse(message); reply && question.is_repeated_by(*reply)) {
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
    ForwardError error{fault, std::size_t{questions_.at(slot).last_upstream}};
    if (fault == ForwardFault::overloaded) error.upstream.reset();  // it is not to blame
    const ForwardResult result = std::unexpected(error);
    tell_followers(slot, result);
    finish(slot, [&result](bool) -> const ForwardResult& { return result; });
  }

  void succeed(std::uint32_t slot, const ForwardReply& reply) {
    ForwardResult result = reply;
    tell_followers(slot, result);
    finish(slot, [&result](bool first) -> const ForwardResult& {
      result->first = first;
      return result;
    });
  }

  template <typename ResultFor>
  void finish(std::uint32_t slot, ResultFor&& result_for) {
    ForwardedQuestion& question = questions_.at(slot);
    // Off the tables first: a callback that asks the same question starts a new one.
    question.is_finishing = true;
    in_flight_.erase(slot);
    ages_.remove(slot);
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
    ages_.remove(slot);
    wheel_.cancel(slot);
    questions_.at(slot).truncated = {};
    questions_.give_back(slot);
  }

  void add_waiter(std::uint32_t slot, std::uint32_t index, ForwardCallback callback) {
    ForwardedQuestion& question = questions_.at(slot);
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
    ForwardedQuestion& question = questions_.at(waiter.question);
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
  ForwardCounters counters_;
  UpstreamChoice choice_;
  HashSeed seed_;
  SlotPool<ForwardedQuestion> questions_{questions_in_flight_max};
  SlotPool<Waiter> waiters_{waiters_max};
  InFlight in_flight_{questions_in_flight_max};
  AgeList ages_;
  TimerWheel wheel_;
  asio::steady_timer ticker_;
  std::uint32_t tries_max_ = 0;
  double hedge_tokens_ = hedge_tokens_max;
  std::uint32_t busy_ = 0;
  bool is_ticking_ = false;
  bool is_closing_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::shared_ptr<SharedMember> member_;  // null without other workers
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
