// A Corefile served by one worker without sockets: a question goes in, the reply comes out as text.
//
//     CorefileServer server("whoami");
//     CHECK(server.ask("example.org.", RRType::a) == Lines{"NOERROR aa", ...});
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "server/control/serving_plan.hpp"
#include "server/query/answer.hpp"
#include "support/message_text.hpp"
#include "support/query_packet.hpp"
#include "unit/server/config/memory_corefile.hpp"
#include "unit/server/query/cluster_fixture.hpp"
#include "zones/base/asio.hpp"
#include "zones/base/published.hpp"

namespace fairlead::test {

class CorefileServer {
 public:
  /// `directives` of a block for the root, or a whole Corefile that begins with ".".
  explicit CorefileServer(const std::string& directives) {
    const std::string text = directives.starts_with('.') ? directives : ". {\n" + directives + "\n}\n";
    const server::PlanContext context{.clock = clock_, .on_loop = {}};
    auto made = server::make_serving_plan(server::load_good(text), nullptr, context);
    if (!made) throw std::runtime_error(made.error());
    plan = std::move(*made);
    worker_plan = server::make_worker_plan(*plan, 0, io, resources_, metrics, clock_);
  }

  std::vector<std::uint8_t> reply(std::span<const std::uint8_t> packet,
                                  server::Transport transport = server::Transport::udp) {
    TestOrigin origin(transport);
    origin.address = client;
    std::vector<std::uint8_t> buffer(dns::message_octets_max);
    server::Answer answered;
    {
      const base::ReadSection section;
      answered = server::answer(packet, origin, worker_plan, 0, buffer);
    }
    is_dropped = answered.outcome == server::Outcome::silence;
    if (answered.outcome == server::Outcome::suspended) {
      io.restart();
      io.run_for(std::chrono::seconds(5));
      return *origin.later;
    }
    return {answered.message.begin(), answered.message.end()};
  }
  Lines ask(std::string_view qname, dns::RRType qtype, QueryPacketOptions options = {},
            server::Transport transport = server::Transport::udp) {
    const auto message = reply(query_packet(qname, qtype, options), transport);
    return message.empty() ? Lines{is_dropped ? "dropped" : "no reply"} : message_lines(message);
  }
  /// The reply to a question with EDNS holds this text, as an Extended DNS Error does.
  bool says(std::string_view text, std::string_view qname, dns::RRType qtype,
            server::Transport transport = server::Transport::udp) {
    const auto message = reply(query_packet(qname, qtype, {.edns_octets = 1232}), transport);
    return std::string_view(reinterpret_cast<const char*>(message.data()), message.size()).contains(text);
  }
  /// The samples of /metrics whose line begins with `name`.
  Lines metric(std::string_view name) {
    Lines lines;
    const std::string page = metrics.scrape();
    for (std::size_t at = 0; at < page.size();) {
      const std::size_t end = page.find('\n', at);
      if (page.compare(at, name.size(), name) == 0) lines.push_back(page.substr(at, end - at));
      at = end + 1;
    }
    return lines;
  }

  const base::ReaderThread reader;
  base::IpAddress client = *base::IpAddress::parse("192.0.2.1");
  bool is_dropped = false;
  server::MetricsRegistry metrics;
  std::unique_ptr<server::ServingPlan> plan;
  asio::io_context io;

 private:
  base::SteadyClock clock_;
  server::WorkerResources resources_;

 public:
  std::shared_ptr<server::WorkerPlan> worker_plan;
};

struct QuestionAndAnswer {
  const char* qname;
  dns::RRType qtype;
  Lines answer;
};
inline std::string text_of(const Lines& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}
inline void check_answers(CorefileServer& server, const std::vector<QuestionAndAnswer>& rows,
                          QueryPacketOptions options = {}) {
  for (const auto& row : rows) {
    const std::string question = std::string(row.qname) + " " + to_string(row.qtype) + "\n";
    CHECK(question + text_of(server.ask(row.qname, row.qtype, options)) == question + text_of(row.answer));
  }
}

}  // namespace fairlead::test
