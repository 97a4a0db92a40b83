// What a client of the DNS server sees, measured closely: how long an update takes to become visible, and how long
// queries take.
//
//     latency_probe updates API_PORT DNS_PORT SECONDS RESOURCE_VERSION
//         Watches the EndpointSlices of a kubesim that churns, beside the server. kubesim numbers the addresses that
//         its churn brings, so the highest in an event is the new one: its PTR record is asked for until it is there.
//         Measured is from the arrival of the event here to the arrival of the answer. A random number of events
//         passes between two samples, so that each of a burst has the same chance.
//     latency_probe queries DNS_PORT SECONDS INTERVAL_US
//         Asks the names on stdin ("NAME TYPE-NUMBER" a line) in turn, one every interval, each by itself.
//
// Prints one line of JSON: count, percentiles in microseconds, and `failed`: updates not seen within 5 s, or queries
// without an answer within 1 s.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

int connect_to(int type, int port) {
  const int fd = socket(AF_INET, type, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("connect");
  return fd;
}

class Latencies {
 public:
  void add(Clock::duration latency) { micros_.push_back(std::chrono::duration<double, std::micro>(latency).count()); }
  void add_failure() { ++failed_; }

  void print() {
    std::ranges::sort(micros_);
    const auto at = [&](double share) {
      return micros_.empty() ? 0.0 : micros_[static_cast<std::size_t>(share * static_cast<double>(micros_.size() - 1))];
    };
    std::printf(R"({"count": %zu, "failed": %zu, "p50": %.0f, "p90": %.0f, "p99": %.0f, "p999": %.0f, "max": %.0f})",
                micros_.size(), failed_, at(0.5), at(0.9), at(0.99), at(0.999), at(1));
    std::printf("\n");
  }

 private:
  std::vector<double> micros_;
  std::size_t failed_ = 0;
};

class Asker {
 public:
  explicit Asker(int port) : fd_(connect_to(SOCK_DGRAM, port)) {}

  struct Reply {
    unsigned rcode = 0;
    unsigned answers = 0;
  };
  /// Nothing when no answer came in time.
  std::optional<Reply> ask(std::string_view name, std::uint16_t type, milliseconds patience) {
    std::array<std::uint8_t, 512> packet{};
    const std::uint16_t id = ++id_;
    packet[0] = static_cast<std::uint8_t>(id >> 8);
    packet[1] = static_cast<std::uint8_t>(id);
    packet[5] = 1;
    std::size_t size = 12;
    while (!name.empty() && size < 300) {
      const std::string_view label = name.substr(0, std::min<std::size_t>(name.find('.'), 63));
      packet[size++] = static_cast<std::uint8_t>(label.size());
      size = static_cast<std::size_t>(std::ranges::copy(label, packet.begin() + static_cast<long>(size)).out -
                                      packet.begin());
      name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    size += 2;  // root, and the type's upper octet
    packet[size - 1] = static_cast<std::uint8_t>(type >> 8);
    packet[size++] = static_cast<std::uint8_t>(type);
    packet[size + 1] = 1;
    size += 2;
    if (send(fd_, packet.data(), size, 0) < 0 && errno != ECONNREFUSED) fail("send");
    const auto deadline = Clock::now() + patience;
    std::array<std::uint8_t, 4096> reply;
    while (true) {
      const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
      if (left <= 0) return std::nullopt;
      pollfd waiting{fd_, POLLIN, 0};
      if (poll(&waiting, 1, static_cast<int>(left)) <= 0) return std::nullopt;
      const ssize_t octets = recv(fd_, reply.data(), reply.size(), 0);
      if (octets < 12 || reply[0] != packet[0] || reply[1] != packet[1]) continue;  // a late answer to another
      return Reply{reply[3] & 15u, static_cast<unsigned>(reply[6] << 8 | reply[7])};
    }
  }

 private:
  int fd_;
  std::uint16_t id_ = 0;
};

// The highest address of 198.18.0.0/15 in the text, counted from its beginning; 0 without one. An address that is cut
// off at the end of the text has no quotation mark behind it and does not count.
std::uint32_t highest_churn_address(std::string_view text) {
  constexpr std::string_view prefix = "\"198.1";
  std::uint32_t highest = 0;
  for (std::size_t at = text.find(prefix); at != std::string_view::npos; at = text.find(prefix, at + 1)) {
    unsigned a, b, c, d;
    char end = 0;
    const std::string address(text.substr(at + 1, 18));
    if (std::sscanf(address.c_str(), "%u.%u.%u.%u%c", &a, &b, &c, &d, &end) != 5 || end != '"') continue;
    if (b == 18 || b == 19) highest = std::max(highest, (b - 18) << 16 | c << 8 | d);
  }
  return highest;
}

class Watch {
 public:
  Watch(int port, const std::string& resource_version) : fd_(connect_to(SOCK_STREAM, port)) {
    const std::string request =
        "GET /apis/discovery.k8s.io/v1/endpointslices?watch=1&timeoutSeconds=3600&resourceVersion=" + resource_version +
        " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    if (write(fd_, request.data(), request.size()) != static_cast<ssize_t>(request.size())) fail("write");
  }

  /// The newest address in what arrives within the time; 0 when none does.
  std::uint32_t wait(milliseconds patience) {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(patience.count())) <= 0) return 0;
    return take();
  }
  /// Reads past everything that is there already.
  void skip() {
    pollfd waiting{fd_, POLLIN, 0};
    while (poll(&waiting, 1, 0) > 0) take();
  }

 private:
  std::uint32_t take() {
    const ssize_t octets = recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (octets <= 0) {
      std::fprintf(stderr, "latency_probe: the watch ended\n");
      std::exit(1);
    }
    const std::uint32_t found = highest_churn_address({buffer_.data(), static_cast<std::size_t>(octets)});
    if (found <= newest_) return 0;
    newest_ = found;
    return found;
  }

  int fd_;
  std::uint32_t newest_ = 0;
  std::vector<char> buffer_ = std::vector<char>(1 << 20);
};

std::string reverse_name(std::uint32_t churn_address) {
  return std::to_string(churn_address & 255) + "." + std::to_string(churn_address >> 8 & 255) + "." +
         std::to_string(18 + (churn_address >> 16)) + ".198.in-addr.arpa";
}

void measure_updates(int api_port, int dns_port, Clock::duration time, const std::string& resource_version) {
  constexpr std::uint16_t ptr = 12;
  Watch watch(api_port, resource_version);
  Asker asker(dns_port);
  Latencies latencies;
  std::mt19937 random(1);
  const auto end = Clock::now() + time;
  while (Clock::now() < end) {
    watch.skip();
    std::uint32_t address = 0;
    for (unsigned left = 1 + random() % 4; left > 0 && Clock::now() < end;) {
      address = watch.wait(milliseconds(100));
      if (address != 0) --left;
    }
    if (address == 0) continue;
    const auto arrived = Clock::now();
    const std::string name = reverse_name(address);
    while (true) {
      const auto reply = asker.ask(name, ptr, milliseconds(500));
      const auto now = Clock::now();
      if (reply && reply->rcode == 0 && reply->answers > 0) {
        latencies.add(now - arrived);
        break;
      }
      if (now - arrived > std::chrono::seconds(5)) {
        latencies.add_failure();
        break;
      }
    }
  }
  latencies.print();
}

void measure_queries(int dns_port, Clock::duration time, std::chrono::microseconds interval) {
  std::vector<std::pair<std::string, std::uint16_t>> questions;
  std::string name;
  std::uint16_t type;
  while (std::cin >> name >> type) questions.emplace_back(name, type);
  if (questions.empty()) fail("no questions on stdin");
  Asker asker(dns_port);
  Latencies latencies;
  auto next = Clock::now();
  const auto end = next + time;
  for (std::size_t i = 0; next < end; i = (i + 1) % questions.size()) {
    std::this_thread::sleep_until(next);
    const auto begin = Clock::now();
    if (asker.ask(questions[i].first, questions[i].second, milliseconds(1000))) {
      latencies.add(Clock::now() - begin);
    } else {
      latencies.add_failure();
    }
    next = std::max(next + interval, Clock::now());
  }
  latencies.print();
}

}  // namespace

int main(int argc, char** argv) {
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  const auto number = [&](std::size_t index) { return std::atoi(arguments[index]); };
  if (argc == 6 && std::string_view(argv[1]) == "updates") {
    measure_updates(number(2), number(3), std::chrono::seconds(number(4)), arguments[5]);
  } else if (argc == 5 && std::string_view(argv[1]) == "queries") {
    measure_queries(number(2), std::chrono::seconds(number(3)), std::chrono::microseconds(number(4)));
  } else {
    std::fprintf(stderr,
                 "usage: latency_probe updates API_PORT DNS_PORT SECONDS RESOURCE_VERSION\n"
                 "       latency_probe queries DNS_PORT SECONDS INTERVAL_US\n");
    return 2;
  }
}
