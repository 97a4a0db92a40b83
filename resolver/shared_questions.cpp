#include "resolver/shared_questions.hpp"

#include <algorithm>
#include <utility>

#include "resolver/limits.hpp"

namespace fairlead::resolver {

void SharedMember::close() {
  const std::scoped_lock lock(mutex_);
  io_ = nullptr;
  handler_ = nullptr;
}

void SharedMember::post(std::uint32_t slot, std::uint32_t generation, std::shared_ptr<const SharedOutcome> outcome) {
  // Under the lock, so that the io_context is there while it is posted to.
  const std::scoped_lock lock(mutex_);
  if (io_ == nullptr) return;
  asio::post(*io_, [self = shared_from_this(), slot, generation, outcome = std::move(outcome)] {
    // The handler may end its worker's forwarder, which closes us.
    if (const Handler handler = self->handler_) handler(slot, generation, *outcome);
  });
}

SharedQuestions::Shard::Shard() : entries(shared_questions_max / shards), index(shared_questions_max / shards) {}

SharedQuestions::SharedQuestions() {
  for (std::size_t i = 0; i < shards; ++i) shards_.push_back(std::make_unique<Shard>());
}

SharedQuestions::Place SharedQuestions::enter(const Question& question, const Asker& asker, base::TimePoint ends) {
  // The high bits: the low ones pick the bucket.
  const auto number = static_cast<std::uint32_t>((question.hash >> 40) % shards);
  Shard& shard = *shards_[number];
  const std::scoped_lock lock(shard.mutex);
  Place place = enter(shard, question, asker, ends);
  place.shard = number;
  return place;
}

SharedQuestions::Place SharedQuestions::enter(Shard& shard, const Question& question, const Asker& asker,
                                              base::TimePoint ends) {
  const std::uint32_t found = shard.index.find(question.hash, [&](std::uint32_t entry) {
    const Entry& known = shard.entries.at(entry);
    return std::ranges::equal(known.key, question.key) && std::ranges::equal(known.options, question.options);
  });
  if (found != no_slot) {
    Entry& known = shard.entries.at(found);
    known.followers.push_back(asker);
    return {.role = Role::follows,
            .entry = found,
            .generation = shard.entries.generation(found),
            .term = known.term,
            .leader_ends = known.ends};
  }
  const auto taken = shard.entries.take();
  if (!taken) return {};
  Entry& entry = shard.entries.at(*taken);
  entry.key.assign(question.key.begin(), question.key.end());
  entry.options.assign(question.options.begin(), question.options.end());
  entry.ends = ends;
  entry.term = 0;
  shard.index.insert(question.hash, *taken);
  return {.role = Role::leads, .entry = *taken, .generation = shard.entries.generation(*taken)};
}

std::vector<SharedQuestions::Asker> SharedQuestions::end(const Place& place) {
  if (place.role != Role::leads) return {};
  Shard& shard = *shards_[place.shard];
  const std::scoped_lock lock(shard.mutex);
  if (!is_current(shard, place) || shard.entries.at(place.entry).term != place.term) return {};
  std::vector<Asker> followers = std::exchange(shard.entries.at(place.entry).followers, {});
  remove(shard, place.entry);
  return followers;
}

bool SharedQuestions::leave(const Place& place, const Asker& asker) {
  if (place.role == Role::alone) return true;
  Shard& shard = *shards_[place.shard];
  const std::scoped_lock lock(shard.mutex);
  if (!is_current(shard, place)) return true;
  Entry& entry = shard.entries.at(place.entry);
  if (place.role == Role::follows) {
    drop_follower(entry, asker);
    return true;
  }
  if (entry.term != place.term) return true;
  if (!entry.followers.empty()) return false;
  remove(shard, place.entry);
  return true;
}

SharedQuestions::Place SharedQuestions::take_over(const Place& place, const Question& question, const Asker& asker,
                                                  base::TimePoint ends) {
  Shard& shard = *shards_[place.shard];
  const std::scoped_lock lock(shard.mutex);
  Place taken = place;
  if (!is_current(shard, place)) {
    taken = enter(shard, question, asker, ends);
    taken.shard = place.shard;
    return taken;
  }
  Entry& entry = shard.entries.at(place.entry);
  if (entry.term != place.term) {
    // Another follower was faster.
    taken.term = entry.term;
    taken.leader_ends = entry.ends;
    return taken;
  }
  drop_follower(entry, asker);
  entry.ends = ends;
  taken.role = Role::leads;
  taken.term = ++entry.term;
  return taken;
}

std::size_t SharedQuestions::size() const {
  std::size_t count = 0;
  for (const auto& shard : shards_) {
    const std::scoped_lock lock(shard->mutex);
    count += shard->entries.size();
  }
  return count;
}

void SharedQuestions::remove(Shard& shard, std::uint32_t entry) {
  shard.index.erase(entry);
  shard.entries.at(entry).options = {};  // may be large; the key's few octets are kept for the next
  shard.entries.give_back(entry);
}

void SharedQuestions::drop_follower(Entry& entry, const Asker& asker) {
  std::erase_if(entry.followers, [&](const Asker& follower) {
    return follower.member == asker.member && follower.slot == asker.slot && follower.generation == asker.generation;
  });
}

}  // namespace fairlead::resolver
