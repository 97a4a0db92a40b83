// An open-loop load: every query leaves at its time whatever the server does, so that a slow answer delays no other.
//
//     open_loop udp PORT RATE SECONDS
//         The distances between queries are random (exponential). When a query left is known before its system call,
//         when its reply came is what the kernel wrote on the packet (SO_TIMESTAMPNS): neither waits for this program.
//         Where it has not run for a while, the queries of that while are left out: no burst makes up for them.
//     open_loop connections PORT RATE SECONDS
//         A TCP connection for every query: connect, ask, read the reply, close.
//
// Questions stand on stdin, "NAME TYPE-NUMBER" a line, and are asked in turn. Prints one line of JSON: `sent`,
// `answered`, `left_out_ms`, and of UDP `windows`: for each tenth of a second p50, p99 and p99.9 of the times to the
// answer, in microseconds. It spins: it needs a core of its own.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <iostream>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Nanoseconds = std::int64_t;

constexpr Nanoseconds second = 1'000'000'000;
// A query that would leave later than this is not one of an even load any more.
constexpr Nanoseconds late_max = 50'000;
constexpr Nanoseconds stragglers_wait = second;
constexpr Nanoseconds window = second / 10;
constexpr std::size_t socket_count = 4;
constexpr std::size_t receive_batch = 32;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

Nanoseconds nanoseconds(const timespec& time) { return time.tv_sec * second + time.tv_nsec; }

// The clock of the kernel's timestamps.
Nanoseconds now() {
  timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return nanoseconds(time);
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/// Messages as they go over TCP: two octets of length, then the message, whose ID is still zero.
class Questions {
 public:
  static Questions read(std::istream& in) {
    Questions questions;
    std::string name;
    unsigned type;
    while (in >> name >> type) questions.add(name, type);
    if (questions.ends_.empty()) fail("no questions on stdin");
    return questions;
  }

  /// The one after the last one, with this ID.
  std::pair<std::uint8_t*, std::size_t> next(std::uint16_t id) {
    const std::size_t begin = at_ == 0 ? 0 : ends_[at_ - 1];
    const std::size_t size = ends_[at_] - begin;
    at_ = (at_ + 1) % ends_.size();
    octets_[begin + 2] = static_cast<std::uint8_t>(id >> 8);
    octets_[begin + 3] = static_cast<std::uint8_t>(id);
    return {&octets_[begin], size};
  }

 private:
  void put_u16(unsigned value) {
    octets_.push_back(static_cast<std::uint8_t>(value >> 8));
    octets_.push_back(static_cast<std::uint8_t>(value));
  }
  void add(std::string_view name, unsigned type) {
    const std::size_t begin = octets_.size();
    for (const unsigned field : {0u, 0u, 0u, 1u, 0u, 0u, 0u}) put_u16(field);  // length, header
    while (!name.empty()) {
      const std::string_view label = name.substr(0, std::min<std::size_t>(name.find('.'), 63));
      octets_.push_back(static_cast<std::uint8_t>(label.size()));
      octets_.insert(octets_.end(), label.begin(), label.end());
      name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    octets_.push_back(0);
    put_u16(type);
    put_u16(1);
    const std::size_t size = octets_.size() - begin - 2;
    octets_[begin] = static_cast<std::uint8_t>(size >> 8);
    octets_[begin + 1] = static_cast<std::uint8_t>(size);
    ends_.push_back(octets_.size());
  }

  std::vector<std::uint8_t> octets_;
  std::vector<std::size_t> ends_;
  std::size_t at_ = 0;
};

/// Says when the next query is due.
class Schedule {
 public:
  Schedule(double rate, Nanoseconds time)
      : gap_(rate / static_cast<double>(second)), next_(now()), end_(next_ + time) {}

  bool is_over(Nanoseconds at) const { return at >= end_; }
  bool is_due(Nanoseconds at) {
    if (at < next_) return false;
    if (at - next_ > late_max) {
      left_out_ += at - next_;
      next_ = at;
    }
    next_ += static_cast<Nanoseconds>(gap_(random_));
    return true;
  }
  Nanoseconds left_out() const { return left_out_; }

 private:
  std::mt19937_64 random_{1};
  std::exponential_distribution<double> gap_;
  Nanoseconds next_;
  const Nanoseconds end_;
  Nanoseconds left_out_ = 0;
};

/// Times to the answer, by when the query left.
class Latencies {
 public:
  explicit Latencies(Nanoseconds begin) : begin_(begin) {}

  void add(Nanoseconds left, Nanoseconds came) {
    const auto index = static_cast<std::size_t>(std::max<Nanoseconds>(left - begin_, 0) / window);
    if (index >= windows_.size()) windows_.resize(index + 1);
    windows_[index].push_back(came - left);
    ++count_;
  }
  std::uint64_t count() const { return count_; }

  std::string to_json() {
    std::string text;
    for (auto& times : windows_) {
      if (times.empty()) continue;
      std::ranges::sort(times);
      text += text.empty() ? "[" : ", [";
      for (const double share : {0.5, 0.99, 0.999}) {
        const auto index = static_cast<std::size_t>(share * static_cast<double>(times.size() - 1));
        text += (share == 0.5 ? "" : ", ") + std::to_string(static_cast<double>(times[index]) / 1e3);
      }
      text += "]";
    }
    return "[" + text + "]";
  }

 private:
  const Nanoseconds begin_;
  std::vector<std::vector<Nanoseconds>> windows_;
  std::uint64_t count_ = 0;
};

/// A client's socket, and when each of its queries left.
class UdpClient {
 public:
  explicit UdpClient(int port) : fd_(socket(AF_INET, SOCK_DGRAM, 0)), left_(1 << 16) {
    const sockaddr_in address = loopback(port);
    const int on = 1, room = 4 << 20;
    if (fd_ < 0 || connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0 ||
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &room, sizeof room) != 0) {
      fail("socket");
    }
    for (std::size_t i = 0; i < receive_batch; ++i) {
      vectors_[i] = {.iov_base = replies_[i].data(), .iov_len = replies_[i].size()};
      headers_[i].msg_hdr.msg_iov = &vectors_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
      headers_[i].msg_hdr.msg_control = controls_[i].data();
    }
  }

  void send(Questions& questions) {
    const auto [octets, size] = questions.next(++id_);
    left_[id_] = now();
    if (::send(fd_, octets + 2, size - 2, 0) < 0 && errno != ECONNREFUSED) fail("send");
  }

  void receive(Latencies& latencies) {
    for (auto& header : headers_) header.msg_hdr.msg_controllen = controls_[0].size();
    const int count = recvmmsg(fd_, headers_.data(), receive_batch, MSG_DONTWAIT, nullptr);
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(count, 0)); ++i) {
      const cmsghdr* const stamp = CMSG_FIRSTHDR(&headers_[i].msg_hdr);
      const auto id = static_cast<std::uint16_t>(replies_[i][0] << 8 | replies_[i][1]);
      if (headers_[i].msg_len < 12 || stamp == nullptr || stamp->cmsg_type != SCM_TIMESTAMPNS || left_[id] == 0)
        continue;
      timespec time;
      std::memcpy(&time, CMSG_DATA(stamp), sizeof time);
      latencies.add(std::exchange(left_[id], 0), nanoseconds(time));
    }
  }

 private:
  const int fd_;
  std::uint16_t id_ = 0;
  std::vector<Nanoseconds> left_;  // by ID; 0: none is under way
  std::array<std::array<std::uint8_t, 512>, receive_batch> replies_{};
  struct alignas(cmsghdr) Control : std::array<std::uint8_t, 64> {};
  std::array<Control, receive_batch> controls_{};
  std::array<iovec, receive_batch> vectors_{};
  std::array<mmsghdr, receive_batch> headers_{};
};

void print(std::uint64_t sent, std::uint64_t answered, Nanoseconds left_out, const std::string& more) {
  std::printf("{\"sent\": %llu, \"answered\": %llu, \"left_out_ms\": %.1f%s}\n", static_cast<unsigned long long>(sent),
              static_cast<unsigned long long>(answered), static_cast<double>(left_out) / 1e6, more.c_str());
}

void ask_over_udp(int port, double rate, Nanoseconds time, Questions questions) {
  std::deque<UdpClient> clients;  // they stay where they are: the kernel knows their buffers
  for (std::size_t i = 0; i < socket_count; ++i) clients.emplace_back(port);
  Schedule schedule(rate, time);
  std::uint64_t sent = 0;
  std::size_t reading = 0;
  Nanoseconds at = now();
  Latencies latencies(at);
  for (; !schedule.is_over(at); at = now()) {
    if (schedule.is_due(at)) {
      clients[sent++ % socket_count].send(questions);
    } else {
      clients[reading++ % socket_count].receive(latencies);
    }
  }
  for (const Nanoseconds end = at + stragglers_wait; now() < end && latencies.count() < sent;) {
    for (auto& client : clients) client.receive(latencies);
  }
  print(sent, latencies.count(), schedule.left_out(), ", \"windows\": " + latencies.to_json());
}

void ask_over_connections(int port, double rate, Nanoseconds time, Questions questions) {
  const int poll = epoll_create1(0);
  if (poll < 0) fail("epoll");
  const sockaddr_in address = loopback(port);
  std::uint64_t sent = 0, answered = 0, waiting = 0;
  const auto end_of = [&](int fd) {
    close(fd);
    --waiting;
  };
  const auto look = [&] {
    std::array<epoll_event, 16> events;
    const int count = epoll_wait(poll, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if ((events[static_cast<std::size_t>(i)].events & EPOLLIN) == 0) {
        // It is open, or has failed.
        const auto [octets, size] = questions.next(static_cast<std::uint16_t>(answered));
        epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
        if (send(fd, octets, size, MSG_NOSIGNAL) < 0 || epoll_ctl(poll, EPOLL_CTL_MOD, fd, &event) != 0) end_of(fd);
        continue;
      }
      std::array<std::uint8_t, 1024> reply;
      // Replies are small: they come in one piece, or the connection has failed.
      if (recv(fd, reply.data(), reply.size(), 0) > 14) ++answered;
      end_of(fd);
    }
  };
  Schedule schedule(rate, time);
  Nanoseconds at = now();
  for (; !schedule.is_over(at); at = now()) {
    if (!schedule.is_due(at)) {
      look();
      continue;
    }
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0) fail("socket");
    ++sent;
    ++waiting;
    epoll_event event{.events = EPOLLOUT, .data = {.fd = fd}};
    if ((connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno != EINPROGRESS) ||
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) {
      end_of(fd);
    }
  }
  for (const Nanoseconds end = at + stragglers_wait; now() < end && waiting > 0;) look();
  print(sent, answered, schedule.left_out(), "");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view how = argc == 5 ? argv[1] : "";
  const bool is_udp = how == "udp";
  if (!is_udp && how != "connections") {
    std::fprintf(stderr, "usage: open_loop udp|connections PORT RATE SECONDS < QUESTIONS\n");
    return 2;
  }
  (is_udp ? ask_over_udp : ask_over_connections)(std::atoi(argv[2]), std::atof(argv[3]),
                                                 static_cast<Nanoseconds>(std::atof(argv[4]) * 1e9),
                                                 Questions::read(std::cin));
}
