// The yardstick of the benchmark: sends every UDP packet back with the QR bit set, and does nothing else.
//
// What it costs is what the kernel takes for a query of that size; no DNS server in user space gets below it. One
// SO_REUSEPORT socket a thread, batches of 64 with recvmmsg and sendmmsg, as Fairlead's listeners.
//
//     udp_reflector ADDRESS PORT [THREADS]        prints "listening" and runs until it is ended by a signal
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t batch = 64;
constexpr std::size_t packet_octets_max = 1500;
constexpr std::uint8_t qr_bit = 0x80;  // of the third octet (RFC 1035 §4.1.1)

int open_socket(const sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  // As Fairlead's: with the default, a few hundred packets in the air overflow it, and what is lost loads nobody.
  const int receive_octets = 4 * 1024 * 1024;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_octets, sizeof receive_octets);
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    std::perror("udp_reflector");
    std::exit(1);
  }
  return fd;
}

void reflect(int fd) {
  std::vector<std::array<std::uint8_t, packet_octets_max>> packets(batch);
  std::array<iovec, batch> parts{};
  std::array<sockaddr_in, batch> peers{};
  std::array<mmsghdr, batch> messages{};
  while (true) {
    for (std::size_t i = 0; i < batch; ++i) {
      parts[i] = {packets[i].data(), packet_octets_max};
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_name = &peers[i];
      messages[i].msg_hdr.msg_namelen = sizeof peers[i];
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int received = recvmmsg(fd, messages.data(), batch, MSG_WAITFORONE, nullptr);
    if (received < 0) {
      if (errno == EINTR || errno == ECONNREFUSED) continue;
      std::perror("recvmmsg");
      std::exit(1);
    }
    for (int i = 0; i < received; ++i) {
      parts[static_cast<std::size_t>(i)].iov_len = messages[static_cast<std::size_t>(i)].msg_len;
      packets[static_cast<std::size_t>(i)][2] |= qr_bit;
    }
    for (int sent = 0; sent < received;) {
      const int count = sendmmsg(fd, messages.data() + sent, static_cast<unsigned>(received - sent), 0);
      // A peer that is gone costs its own packet only.
      sent += count > 0 ? count : 1;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: udp_reflector ADDRESS PORT [THREADS]\n");
    return 2;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  if (inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
    std::fprintf(stderr, "udp_reflector: %s is not an IPv4 address\n", argv[1]);
    return 2;
  }
  const int threads = argc > 3 ? std::atoi(argv[3]) : 1;
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) workers.emplace_back(reflect, open_socket(address));
  std::printf("listening\n");
  std::fflush(stdout);
}
