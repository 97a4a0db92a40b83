// Drives each path of a query through the real listeners and handlers of one worker, for callgrind to count.
//
// The plan is kubeadm's Corefile with all of its directives, served on wildcard sockets as in a Pod; the cluster is a
// table filled without an API server; the upstream of the cached name is a socket of this program. Client, upstream and
// worker share one thread, so that the same happens in the same order every time. Callgrind collects inside of
// Worker::run() alone (--toggle-collect): the client's share is not counted, and neither is the kernel's.
//
// It prints "compiler <name>", then "<queries> <path>" for each path, and has callgrind dump what the path took under
// the same name. Without valgrind it only checks that every path gives the reply it is named for.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "server/control/logging.hpp"
#include "server/control/serving_plan.hpp"
#include "server/net/tcp_listener.hpp"
#include "server/net/udp_listener.hpp"
#include "unit/server/config/memory_corefile.hpp"
#include "unit/server/query/cluster_fixture.hpp"

namespace fairlead::test {
namespace {

using dns::Header;
using dns::Rcode;
using dns::RRType;

using Packet = std::vector<std::uint8_t>;

constexpr int batch = 64;
constexpr int warm_batches = 4;
constexpr int counted_batches = 8;
constexpr int services = batch * 4;
constexpr std::uint16_t edns_octets = 1232;

constexpr const char* corefile = R"(.:@port@ {
    errors
    @directives@
    health 127.0.0.1:0
    ready 127.0.0.1:0
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       endpoint http://127.0.0.1:1
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus 127.0.0.1:0
    forward . 127.0.0.1:@upstream@
    cache 30
    loop
    reload
    loadbalance
}
)";

/// Where the figures go: what the server logs goes to its standard output.
std::FILE* results = nullptr;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "query_paths: %s\n", why.c_str());
  std::exit(1);
}

/// A socket on loopback, connected to `port` or, with 0, bound to a port of the system's choice.
class Socket {
 public:
  Socket(int type, std::uint16_t port) : fd_(socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
    const int done = port != 0 ? connect(fd_, generic, sizeof address) : bind(fd_, generic, sizeof address);
    if (fd_ < 0 || done != 0) fail("no socket on loopback");
    const int octets = 4 * 1024 * 1024;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &octets, sizeof octets);
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  void send(const Packet& octets) const {
    if (::send(fd_, octets.data(), octets.size(), 0) != static_cast<ssize_t>(octets.size())) fail("cannot send");
  }
  bool is_readable(int timeout_ms = 0) const {
    pollfd wanted{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&wanted, 1, timeout_ms) == 1;
  }

 private:
  const int fd_;
};

k8s::EndpointSlice endpoints_of(const std::string& name, int count) {
  std::vector<k8s::Endpoint> endpoints;
  for (int i = 0; i < count; ++i) {
    endpoints.push_back(endpoint("10.244." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250)));
  }
  return slice("shop", name, std::move(endpoints), {{"http", k8s::Protocol::tcp, 8080}});
}

std::shared_ptr<TableCluster> make_cluster() {
  auto cluster = std::make_shared<TableCluster>(ClusterFixture::store_options(ClusterFixture::default_options()));
  auto& store = cluster->store();
  store.upsert(k8s::Namespace{"shop"});
  for (int i = 0; i < services; ++i) {
    store.upsert(service("shop", "web-" + std::to_string(i), {"10.96.1." + std::to_string(i)},
                         {{"http", k8s::Protocol::tcp, 80}}));
  }
  for (const int count : {1, 10, 100, 1000}) {
    const std::string name = "headless-" + std::to_string(count);
    store.upsert(service("shop", name, {}));
    store.upsert(endpoints_of(name, count));
  }
  cluster->publish();
  cluster->table_.synced = true;
  return cluster;
}

// Below the ephemeral ports, which clients of earlier runs may still hold.
std::uint16_t free_port() {
  for (int i = 0; i < 100; ++i) {
    const auto port = static_cast<std::uint16_t>(12000 + (getpid() * 7 + i * 131) % 20000);
    if (server::open_sockets({.address = {}, .port = port}, 1)) return port;
  }
  fail("no free port");
}

std::string with(std::string text, const std::string& name, const std::string& value) {
  return text.replace(text.find(name), name.size(), value);
}

/// What is asked in turn, and what the replies must be for the figure to mean anything.
struct Path {
  std::string name;
  std::vector<Packet> queries;
  Rcode rcode = Rcode::noerror;
  std::size_t answers = 0;
  bool truncated = false;
};

std::vector<Packet> ask(std::string_view qname, RRType qtype, QueryPacketOptions options = {}) {
  return {query_packet(qname, qtype, options)};
}

/// As ask(), with a "#" in the name that stands for 0, 1, 2 ...: hash tables have random seeds, so how many entries
/// share a name's bucket is another number in every run, and many names give the same sum.
std::vector<Packet> ask_many(const std::string& qname, RRType qtype, QueryPacketOptions options = {}) {
  std::vector<Packet> queries;
  for (int i = 0; i < services; ++i) {
    queries.push_back(query_packet(std::string(qname).replace(qname.find('#'), 1, std::to_string(i)), qtype, options));
  }
  return queries;
}

class Worker {
 public:
  /// `directives`: more of them.
  explicit Worker(const std::string& directives) : port_(free_port()), upstream_(SOCK_DGRAM, 0) {
    const std::string text = with(with(corefile, "@port@", std::to_string(port_)), "@directives@", directives);
    auto loaded = server::load_good(with(text, "@upstream@", std::to_string(upstream_.port())));
    auto plan = server::make_serving_plan(std::move(loaded), nullptr, {.clock = clock_, .on_loop = {}});
    if (!plan) fail(plan.error());
    plan_ = std::move(*plan);
    plan_->blocks[0].cluster = make_cluster();
    serving_ = server::make_worker_plan(*plan_, 0, io_, resources_, metrics_, clock_);
    auto sockets = server::open_sockets(plan_->addresses[0], 1);
    if (!sockets) fail(sockets.error());
    udp_ = std::make_shared<server::UdpListener>(io_, std::move(sockets->udp[0]), true);
    tcp_ = std::make_shared<server::TcpListener>(io_, std::move(sockets->tcp[0]));
    udp_->serve(serving_, 0);
    tcp_->serve(serving_, 0);
    udp_->start();
    tcp_->start();
    io_.poll();
  }
  ~Worker() {
    udp_->stop();
    tcp_->stop();
    tcp_->close_connections();
    io_.poll();
    serving_->chains.clear();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  std::uint16_t port() const { return port_; }

  /// Lets the worker do all that it can do now; the only part that is counted, by its name.
  [[gnu::noinline]] void run() { io_.poll(); }
  void run_until_readable(const Socket& client) {
    for (int tries = 0; !client.is_readable(tries > 0 ? 1 : 0); ++tries) {
      if (tries == 5000) fail("no reply");
      run();
    }
  }

  /// Has the name asked once, so that it is cached; not counted.
  void prime(const Packet& query) {
    const Socket client(SOCK_DGRAM, port_);
    client.send(query);
    for (int tries = 0; !client.is_readable(1); ++tries) {
      if (tries == 5000) fail("nothing came from upstream");
      io_.poll();
      if (upstream_.is_readable()) answer_upstream();
    }
  }

 private:
  void answer_upstream() const {
    std::vector<std::uint8_t> reply(512);
    sockaddr_in peer{};
    socklen_t peer_size = sizeof peer;
    auto* const generic = reinterpret_cast<sockaddr*>(&peer);
    const auto size = recvfrom(upstream_.fd(), reply.data(), reply.size(), 0, generic, &peer_size);
    if (size <= 0) fail("the upstream got nothing");
    const auto query = dns::read_query({reply.data(), static_cast<std::size_t>(size)});
    if (!query) fail("the upstream was sent what is no query");
    const std::vector<std::uint8_t> question(query->question.begin(), query->question.end());
    dns::MessageWriter writer(reply, reply.size());
    writer.begin(query->header, question, query->edns);
    writer.set_flag(Header::ra);
    for (const std::uint8_t last : {1, 2, 3}) {
      writer.append(dns::Section::answer, std::vector<std::uint8_t>{0xc0, 0x0c}, RRType::a, 300,
                    std::vector<std::uint8_t>{192, 0, 2, last});
    }
    const auto message = writer.finish();
    sendto(upstream_.fd(), message.data(), message.size(), 0, generic, peer_size);
  }

  const base::ReaderThread reader_;
  const base::SteadyClock clock_;
  const std::uint16_t port_;
  const Socket upstream_;
  asio::io_context io_{1};
  server::MetricsRegistry metrics_;
  server::WorkerResources resources_;
  std::unique_ptr<server::ServingPlan> plan_;
  std::shared_ptr<server::WorkerPlan> serving_;
  std::shared_ptr<server::UdpListener> udp_;
  std::shared_ptr<server::TcpListener> tcp_;
};

void check(const Path& path, std::span<const std::uint8_t> reply) {
  if (reply.size() < dns::header_octets) fail(path.name + ": no reply");
  const Header header = dns::read_header(reply);
  if (header.rcode() != path.rcode || header.answer_count != path.answers || header.has(Header::tc) != path.truncated) {
    fail(path.name + ": RCODE " + std::to_string(static_cast<int>(header.rcode())) + ", " +
         std::to_string(header.answer_count) + " answers, TC " + (header.has(Header::tc) ? "set" : "clear"));
  }
}

/// Runs `queries_a_time` queries some times to warm up, then counts.
void count(const std::string& name, int queries_a_time, const std::function<void()>& ask_some) {
  for (int i = 0; i < warm_batches; ++i) ask_some();
  CALLGRIND_ZERO_STATS;
  for (int i = 0; i < counted_batches; ++i) ask_some();
  CALLGRIND_DUMP_STATS_AT(name.c_str());
  std::fprintf(results, "%d %s\n", queries_a_time * counted_batches, name.c_str());
}

// `together`: how many queries the listener finds when it looks.
void count_udp(Worker& worker, const Path& path, int together = batch) {
  const Socket client(SOCK_DGRAM, worker.port());
  Packet reply(dns::message_octets_max);
  std::size_t next = 0;
  count((together == 1 ? "udp one a wake-up " : "udp ") + path.name, together, [&] {
    for (int i = 0; i < together; ++i) client.send(path.queries[next++ % path.queries.size()]);
    for (int i = 0; i < together; ++i) {
      worker.run_until_readable(client);
      const auto size = recv(client.fd(), reply.data(), reply.size(), 0);
      check(path, {reply.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))});
    }
  });
}

// Queries as they go over TCP, one behind the other.
Packet framed(std::span<const Packet> queries) {
  Packet frames;
  for (const auto& query : queries) {
    frames.push_back(static_cast<std::uint8_t>(query.size() >> 8));
    frames.push_back(static_cast<std::uint8_t>(query.size()));
    frames.insert(frames.end(), query.begin(), query.end());
  }
  return frames;
}

void take_tcp_replies(Worker& worker, const Socket& client, const Path& path, int replies) {
  std::vector<std::uint8_t> received;
  while (replies > 0) {
    worker.run_until_readable(client);
    const std::size_t before = received.size();
    received.resize(before + dns::message_octets_max);
    const auto size = recv(client.fd(), received.data() + before, dns::message_octets_max, 0);
    if (size <= 0) fail(path.name + ": the connection ended");
    received.resize(before + static_cast<std::size_t>(size));
    while (received.size() >= 2 && received.size() - 2 >= dns::read_u16(received.data())) {
      const std::size_t octets = dns::read_u16(received.data());
      check(path, {received.data() + 2, octets});
      received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(2 + octets));
      --replies;
    }
  }
}

void count_tcp_pipelined(Worker& worker, const Path& path) {
  const Socket client(SOCK_STREAM, worker.port());
  std::size_t next = 0;
  const std::size_t together = std::min<std::size_t>(batch, path.queries.size());
  count("tcp pipelined " + path.name, static_cast<int>(together), [&] {
    client.send(framed(std::span(path.queries).subspan(next, together)));
    take_tcp_replies(worker, client, path, static_cast<int>(together));
    next = (next + together) % path.queries.size();
  });
}

void count_tcp_connections(Worker& worker, const Path& path) {
  constexpr int together = 16;
  std::size_t next = 0;
  count("tcp one query a connection " + path.name, together, [&] {
    for (int i = 0; i < together; ++i) {
      {
        const Socket client(SOCK_STREAM, worker.port());
        client.send(framed(std::span(path.queries).subspan(next++ % path.queries.size(), 1)));
        take_tcp_replies(worker, client, path, 1);
      }
      worker.run();
    }
  });
}

// The rings are emptied by a thread of their own, which is not counted.
void count_log(const Path& path, const std::string& directives) {
  server::init_logging({});
  Worker worker("log\n" + directives);
  count_udp(worker, {"with log " + path.name, path.queries, path.rcode, path.answers});
  server::shutdown_logging();
}

void count_all(const std::string& directives) {
  Worker worker(directives);
  const auto cached = ask("www.example.org.", RRType::a);
  worker.prime(cached[0]);

  const auto with_edns = [](std::string_view qname, RRType qtype = RRType::a) {
    return ask(qname, qtype, {.edns_octets = edns_octets});
  };
  const std::string service = "web-#.shop.svc.cluster.local.";
  const Path cluster_a{"cluster A", ask_many(service, RRType::a), Rcode::noerror, 1};
  const Path headless_1000{"headless 1000", ask("headless-1000.shop.svc.cluster.local.", RRType::a), Rcode::noerror,
                           1000};
  const std::vector<Path> paths{
      cluster_a,
      {"cluster A with EDNS", ask_many(service, RRType::a, {.edns_octets = edns_octets}), Rcode::noerror, 1},
      {"cluster AAAA, NODATA", ask_many(service, RRType::aaaa)},
      {"cluster SRV", ask_many("_http._tcp." + service, RRType::srv), Rcode::noerror, 1},
      {"cluster NXDOMAIN", ask_many("api-#.example.com.shop.svc.cluster.local.", RRType::a), Rcode::nxdomain},
      {"search list NXDOMAIN", ask_many("api-#.example.com.cluster.local.", RRType::a), Rcode::nxdomain},
      {"cluster PTR", ask_many("#.1.96.10.in-addr.arpa.", RRType::ptr), Rcode::noerror, 1},
      {"pod name", ask_many("10-244-0-#.shop.pod.cluster.local.", RRType::a), Rcode::noerror, 1},
      {"headless 10", ask("headless-10.shop.svc.cluster.local.", RRType::a), Rcode::noerror, 10},
      {"headless 100, TC", with_edns("headless-100.shop.svc.cluster.local."), Rcode::noerror, 73, true},
      {"headless 1000, TC", with_edns("headless-1000.shop.svc.cluster.local."), Rcode::noerror, 72, true},
      {"headless 10 SRV", with_edns("_http._tcp.headless-10.shop.svc.cluster.local.", RRType::srv), Rcode::noerror, 10},
      {"cached forwarded A", cached, Rcode::noerror, 3},
      {"REFUSED", ask("version.bind.", RRType::txt, {.qclass = static_cast<dns::RRClass>(3)}), Rcode::refused},
  };
  for (const auto& path : paths) count_udp(worker, path);
  count_udp(worker, cluster_a, 1);

  count_tcp_pipelined(worker, cluster_a);
  count_tcp_pipelined(worker, headless_1000);
  count_tcp_connections(worker, cluster_a);
  // Last: libc takes more instructions once a process has had a second thread.
  count_log(cluster_a, directives);
}

}  // namespace
}  // namespace fairlead::test

// query_paths [DIRECTIVES]: with these in the Corefile too, as an example of what makes queries slower.
int main(int count, char** arguments) {
  using fairlead::test::results;
  results = fdopen(dup(STDOUT_FILENO), "w");
  if (std::freopen("/dev/null", "w", stdout) == nullptr) fairlead::test::fail("no /dev/null");
  std::fprintf(results, "compiler g++ %d.%d\n", __GNUC__, __GNUC_MINOR__);
  fairlead::test::count_all(count > 1 ? arguments[1] : "");
  std::fclose(results);
}
