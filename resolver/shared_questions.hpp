// The questions in flight of all workers of one `forward`, so that an equal one is asked upstream once and not by each.
//
// Who enters a question first leads it and asks upstream. A worker that enters an equal one meanwhile follows: it asks
// nobody, and the outcome is posted to its io_context. A follower whose leader fails, goes, or is overdue enters again
// and may lead then. At any moment an equal question has one leader, and so one worker that asks.
//
//     question.place = shared.enter(asked, {member, slot, generation}, deadline);   // leads: ask upstream
//     ...
//     for (const auto& follower : shared.end(question.place)) follower.tell(outcome);
//
// Threads: any; a shard is locked for a lookup among its questions. Only a miss comes here, twice: hits and cluster
// names never do.
// Limits: shared_questions_max. Above it a question is asked by its worker alone, as without sharing. A worker follows
// a question once, whatever number of its clients waits for it. Errors: none. Security: questions are compared in full;
// the hash has a random seed.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "resolver/forwarder.hpp"
#include "resolver/in_flight.hpp"
#include "resolver/question_key.hpp"
#include "resolver/slot_pool.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/clock.hpp"

namespace fairlead::resolver {

/// How a question of another worker ended.
struct SharedOutcome {
  std::optional<ForwardFault> fault;  // absent: there is a reply
  std::vector<std::uint8_t> message;
  std::optional<std::size_t> upstream;
  Transport transport = Transport::udp;
};

/// Where one worker is told of outcomes.
class SharedMember : public std::enable_shared_from_this<SharedMember> {
 public:
  using Handler = std::function<void(std::uint32_t slot, std::uint32_t generation, const SharedOutcome& outcome)>;

  SharedMember(asio::io_context& io, Handler handler) : io_(&io), handler_(std::move(handler)) {}

  /// Nothing is delivered from now on; on the thread of the io_context.
  void close();
  /// Calls the handler on the worker's thread, unless it is closed by then. Any thread.
  void post(std::uint32_t slot, std::uint32_t generation, std::shared_ptr<const SharedOutcome> outcome);

 private:
  std::mutex mutex_;
  asio::io_context* io_;  // null once closed: the io_context may be gone
  Handler handler_;       // on the worker's thread
};

class SharedQuestions {
 public:
  struct Question {
    std::uint64_t hash = 0;  // of the key, with seed()
    std::span<const std::uint8_t> key;
    std::span<const std::uint8_t> options;  // of EDNS
  };
  /// A question of one worker.
  struct Asker {
    std::shared_ptr<SharedMember> member;
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;

    void tell(std::shared_ptr<const SharedOutcome> outcome) const {
      member->post(slot, generation, std::move(outcome));
    }
  };
  enum class Role : std::uint8_t { alone, leads, follows };
  /// What a worker's question is here.
  struct Place {
    Role role = Role::alone;
    std::uint32_t shard = 0;
    std::uint32_t entry = 0;
    std::uint32_t generation = 0;
    std::uint32_t term = 0;         // of the leader: one that was replaced has nothing to say any more
    base::TimePoint leader_ends{};  // for followers: the leader has told them by then
  };

  SharedQuestions();
  const HashSeed& seed() const { return seed_; }

  /// `ends`: when the asker will have ended the question, should it lead.
  Place enter(const Question& question, const Asker& asker, base::TimePoint ends);
  /// The leader has the outcome. Gives whom to tell; nobody for a place that is out of date.
  std::vector<Asker> end(const Place& place);
  /// Nobody waits at the asker any more. False for a leader that others follow: it goes on for them.
  bool leave(const Place& place, const Asker& asker);
  /// In the place of a leader that is overdue; the other followers stay. Enters again if the question has ended.
  Place take_over(const Place& place, const Question& question, const Asker& asker, base::TimePoint ends);

  /// Questions that are led at this moment.
  std::size_t size() const;

 private:
  static constexpr std::size_t shards = 32;

  struct Entry {
    std::vector<std::uint8_t> key;
    std::vector<std::uint8_t> options;
    std::vector<Asker> followers;
    base::TimePoint ends{};
    std::uint32_t term = 0;
  };
  // Workers that ask different questions do not write the same lines.
  struct alignas(64) Shard {
    Shard();
    mutable std::mutex mutex;
    SlotPool<Entry> entries;
    InFlight index;
  };

  Place enter(Shard& shard, const Question& question, const Asker& asker, base::TimePoint ends);
  static bool is_current(Shard& shard, const Place& place) {
    return shard.entries.is_current(place.entry, place.generation);
  }
  static void remove(Shard& shard, std::uint32_t entry);
  static void drop_follower(Entry& entry, const Asker& asker);

  const HashSeed seed_;
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace fairlead::resolver
