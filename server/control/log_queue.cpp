#include "server/control/log_queue.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <string>
#include <utility>

namespace fairlead::server {
namespace {

static_assert(std::has_single_bit(log_ring_octets), "positions of a ring wrap by their lower bits");

// The octets that were written; the rest is refused.
std::size_t write_out(int descriptor, const OctetRing::Content& lines) {
  std::size_t done = 0;
  while (done < lines.size()) {
    const std::string_view first = lines.first.substr(std::min(done, lines.first.size()));
    const std::string_view second =
        lines.second.substr(done > lines.first.size() ? done - lines.first.size() : std::size_t{0});
    const std::array<iovec, 2> pieces{
        {{const_cast<char*>(first.data()), first.size()}, {const_cast<char*>(second.data()), second.size()}}};
    const ssize_t count = writev(descriptor, pieces.data(), static_cast<int>(pieces.size()));
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      pollfd writable{.fd = descriptor, .events = POLLOUT, .revents = 0};
      poll(&writable, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  return done;
}

}  // namespace

// A thread's ring, given back when the thread ends.
class LogQueue::Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (ring_ != nullptr) ring_->close();
  }
  OctetRing* ring_of(std::uint64_t queue) const { return queue == queue_ ? ring_.get() : nullptr; }
  void set(std::uint64_t queue, std::shared_ptr<OctetRing> ring) {
    if (ring_ != nullptr) ring_->close();
    queue_ = queue;
    ring_ = std::move(ring);
  }

 private:
  std::uint64_t queue_ = 0;
  std::shared_ptr<OctetRing> ring_;
};

LogQueue::LogQueue(int descriptor, std::mutex& output, LineMaker make_line)
    : number_([] {
        static std::atomic<std::uint64_t> last{0};
        return ++last;
      }()),
      descriptor_(descriptor),
      output_(output),
      make_line_(make_line) {}

LogQueue::~LogQueue() {
  if (thread_.joinable()) stop(std::chrono::milliseconds::max());
}

void LogQueue::start() {
  {
    const std::scoped_lock lock(mutex_);
    // A thread that still waits for the output goes on with the new lines.
    stopping_ = false;
    if (std::exchange(ended_, false)) {
      if (thread_.joinable()) thread_.join();
      thread_ = std::thread([this] { run(); });
      pthread_setname_np(thread_.native_handle(), "log");
    }
  }
  running_.store(true, std::memory_order_relaxed);
}

bool LogQueue::push(std::string_view line) {
  OctetRing& ring = ring_of_this_thread();
  const bool done = ring.push(line);
  const State state = state_.load(std::memory_order_seq_cst);
  if (state == State::busy) return done;
  if (state == State::idle || ring.is_half_full()) wake();
  return done;
}

OctetRing& LogQueue::ring_of_this_thread() {
  thread_local Handle handle;
  if (OctetRing* const ring = handle.ring_of(number_)) return *ring;
  auto ring = std::make_shared<OctetRing>(log_ring_octets);
  OctetRing& made = *ring;
  handle.set(number_, ring);
  const std::scoped_lock lock(mutex_);
  rings_.push_back(std::move(ring));
  return made;
}

void LogQueue::wake() {
  {
    const std::scoped_lock lock(mutex_);
    state_.store(State::busy, std::memory_order_seq_cst);
  }
  changed_.notify_all();
}

bool LogQueue::stop(std::chrono::milliseconds wait_max) {
  running_.store(false, std::memory_order_relaxed);
  if (!thread_.joinable()) return true;
  std::unique_lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  const auto has_ended = [this] { return ended_; };
  if (wait_max == std::chrono::milliseconds::max()) {
    changed_.wait(lock, has_ended);
  } else if (!changed_.wait_for(lock, wait_max, has_ended)) {
    return false;
  }
  lock.unlock();
  thread_.join();
  return true;
}

std::uint64_t LogQueue::lost() const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t lost = lost_before_;
  for (const auto& ring : rings_) lost += ring->lost();
  return lost;
}

void LogQueue::run() {
  bool is_stopping = false;
  for (;;) {
    const bool has_written = write_all();
    report_losses(!has_written);
    std::unique_lock lock(mutex_);
    // Lines may have come between write_all() and stop(): the end is when a round that began behind stop() finds none.
    if (is_stopping && stopping_ && !has_written) {
      ended_ = true;
      changed_.notify_all();
      return;
    }
    is_stopping = stopping_;
    if (is_stopping) continue;
    const auto is_woken = [this] { return stopping_ || state_.load(std::memory_order_seq_cst) == State::busy; };
    if (has_written) {
      // More will come; together they cost one system call.
      state_.store(State::pausing, std::memory_order_seq_cst);
      changed_.wait_for(lock, log_pause, is_woken);
    } else {
      state_.store(State::idle, std::memory_order_seq_cst);
      // A line that came before that woke nobody.
      const auto is_empty = [](const auto& ring) { return ring->content().size() == 0; };
      if (std::ranges::all_of(rings_, is_empty)) changed_.wait(lock, is_woken);
    }
    state_.store(State::busy, std::memory_order_seq_cst);
  }
}

// Once a second at most, and when it is quiet again.
void LogQueue::report_losses(bool is_quiet) {
  const auto now = std::chrono::steady_clock::now();
  if (!is_quiet && now - reported_at_ < std::chrono::seconds(1)) return;
  const std::uint64_t lost_now = lost();
  if (lost_now == reported_) return;
  const std::string line =
      make_line_(base::LogLevel::warning, "log: " + std::to_string(lost_now - reported_) +
                                              " lines were lost: the standard output is read too slowly or not at all");
  reported_ = lost_now;
  reported_at_ = now;
  const std::scoped_lock lock(output_);
  write_out(descriptor_, {line, {}});
}

// False when there was nothing to write.
bool LogQueue::write_all() {
  Rings rings;
  {
    const std::scoped_lock lock(mutex_);
    rings = rings_;
  }
  bool has_written = false;
  std::uint64_t refused = 0;
  Rings gone;
  for (const auto& ring : rings) {
    const bool was_closed = ring->is_closed();
    has_written |= ring->content().size() > 0;
    refused += write(*ring);
    if (was_closed) gone.push_back(ring);
  }
  if (refused == 0 && gone.empty()) return has_written;
  const std::scoped_lock lock(mutex_);
  lost_before_ += refused;
  for (const auto& ring : gone) {
    lost_before_ += ring->lost();
    std::erase(rings_, ring);
  }
  return has_written;
}

// The lines that the output refused.
std::uint64_t LogQueue::write(OctetRing& ring) const {
  const OctetRing::Content lines = ring.content();
  if (lines.size() == 0) return 0;
  std::size_t done;
  {
    const std::scoped_lock lock(output_);
    done = write_out(descriptor_, lines);
  }
  std::uint64_t refused = 0;
  if (done < lines.size()) {
    const std::size_t of_first = std::min(done, lines.first.size());
    refused = static_cast<std::uint64_t>(std::ranges::count(lines.first.substr(of_first), '\n') +
                                         std::ranges::count(lines.second.substr(done - of_first), '\n'));
  }
  ring.take(lines.size());
  return refused;
}

}  // namespace fairlead::server
