// `dnstap`: what its lines say, its frames, and what a receiver says back.
#include <doctest/doctest.h>

#include <protozero/pbf_reader.hpp>

#include "server/control/dnstap_service.hpp"
#include "server/control/frame_streams.hpp"
#include "server/handlers/dnstap_handler.hpp"
#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;
using server::DnstapEvent;
using server::DnstapOptions;
using server::DnstapType;
using server::FrameControl;

std::string octets(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

TEST_CASE("lines of dnstap are read as CoreDNS documents them") {
  const auto options = server::options_of(
      "dnstap /tmp/s\ndnstap unix:///tmp/s full 1024 2048\ndnstap tcp://example.org:6000 4\ndnstap listen "
      "tls://[::1]:6000 "
      "full {\nidentity me\nversion v1\nextra \"{name} {/a/b}\"\ntls c k ca\nskipverify\n}\ndnstap listen "
      "tcp://:6000/");
  REQUIRE(options.dnstap.size() == 5);
  CHECK(options.dnstap[0].endpoint() == "unix:///tmp/s");
  CHECK_FALSE(options.dnstap[0].full);
  CHECK(options.dnstap[1].full);
  CHECK(options.dnstap[1].write_buffer_mib == 1024);
  CHECK(options.dnstap[1].queue == 2048);
  CHECK(options.dnstap[2].endpoint() == "tcp://example.org:6000");
  CHECK(options.dnstap[2].write_buffer_mib == 4);
  const DnstapOptions& listener = options.dnstap[3];
  CHECK(listener.endpoint() == "tls://[::1]:6000");
  CHECK((listener.listens && listener.full && listener.skip_verify));
  CHECK(listener.tls->ca_file == "ca");
  CHECK(*listener.identity == "me");
  CHECK(listener.extra->pieces().size() == 3);
  CHECK(options.dnstap[4].endpoint() == "tcp://:6000");
}

TEST_CASE("control frames are those of Frame Streams") {
  CHECK(server::make_control_frame(FrameControl::stop, false) == octets({0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3}));
  CHECK(server::make_control_frame(FrameControl::ready, true) ==
        octets({0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 22}) + "protobuf:dnstap.Dnstap");
  const std::string accept = server::make_control_frame(FrameControl::accept, true);
  for (std::size_t size = 0; size < accept.size(); ++size) {
    const auto frame = server::read_control_frame(accept.substr(0, size));
    REQUIRE(frame.has_value());
    CHECK_FALSE(frame->has_value());
  }
  const auto whole = server::read_control_frame(accept + "more");
  REQUIRE((whole && *whole));
  CHECK((*whole)->control == FrameControl::accept);
  CHECK((*whole)->octets == accept.size());
  // Without content types every one is taken.
  CHECK(server::read_control_frame(server::make_control_frame(FrameControl::accept, false))->has_value());
}

TEST_CASE("what is no control frame is told so") {
  const std::string other = octets({0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}) + "x";
  CHECK(server::read_control_frame(other).error() == "it does not take dnstap");
  CHECK(server::read_control_frame("HTTP/1.1").error() == "it does not speak Frame Streams");
  CHECK_FALSE(server::read_control_frame(octets({0, 0, 0, 0, 0, 0, 0, 3})));
  CHECK_FALSE(server::read_control_frame(octets({0, 0, 0, 0, 0, 0, 2, 1})));
  const std::string broken = octets({0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9});
  CHECK(server::read_control_frame(broken).error() == "its control frame is broken");
}

TEST_CASE("what was not sent in whole begins at a frame") {
  const std::string frames = octets({0, 0, 0, 2}) + "ab" + octets({0, 0, 0, 1}) + "c" + octets({0, 0, 0, 3}) + "def";
  CHECK(server::count_frames(frames) == 3);
  const std::array<std::pair<std::size_t, std::size_t>, 7> rows{
      {{0, 0}, {5, 0}, {6, 6}, {10, 6}, {11, 11}, {17, 11}, {18, 18}}};
  for (const auto& [sent, boundary] : rows) CHECK(server::frame_boundary(frames, sent) == boundary);
  CHECK(server::frame_boundary({}, 0) == 0);
}

TEST_CASE("a frame holds dnstap's protobuf behind its length") {
  const std::vector<std::uint8_t> message{1, 2, 3};
  std::string frame = "of before";
  server::write_dnstap_frame(frame, "me", "v", "x",
                             {.type = DnstapType::client_response,
                              .is_ipv4 = false,
                              .is_tcp = true,
                              .query_address = base::IpAddress::parse("2001:db8::1"),
                              .query_port = 5353,
                              .query_time = DnstapEvent::Time(std::chrono::nanoseconds(5'000'000'007)),
                              .response_message = message});
  CHECK(server::count_frames(frame) == 1);
  CHECK(server::frame_boundary(frame, frame.size()) == frame.size());
  protozero::pbf_reader outer(frame.data() + 4, frame.size() - 4);
  std::map<std::uint32_t, std::string> texts;
  std::string inner;
  while (outer.next()) {
    const std::uint32_t tag = outer.tag();  // a value that was read takes it away
    if (tag == 15) {
      CHECK(outer.get_enum() == 1);
    } else if (tag == 14) {
      inner = outer.get_bytes();
    } else {
      texts[tag] = outer.get_bytes();
    }
  }
  CHECK(texts == std::map<std::uint32_t, std::string>{{1, "me"}, {2, "v"}, {3, "x"}});
  protozero::pbf_reader reader(inner);
  std::map<std::uint32_t, std::uint64_t> numbers;
  while (reader.next()) {
    const std::uint32_t tag = reader.tag();
    if (reader.wire_type() == protozero::pbf_wire_type::length_delimited) {
      numbers[tag] = reader.get_view().size();
    } else if (reader.wire_type() == protozero::pbf_wire_type::fixed32) {
      numbers[tag] = reader.get_fixed32();
    } else {
      numbers[tag] = reader.get_uint64();
    }
  }
  CHECK(numbers ==
        std::map<std::uint32_t, std::uint64_t>{{1, 6}, {2, 2}, {3, 2}, {4, 16}, {6, 5353}, {8, 5}, {9, 7}, {14, 3}});
}

TEST_CASE("a block without dnstap has nothing of it, and one whose receiver is away answers") {
  CorefileServer without("whoami");
  CHECK(without.worker_plan->chains[0]->taps == nullptr);
  CHECK_FALSE(without.worker_plan->chains[0]->looks_back);
  const std::string path = "/nowhere/dnstap.sock";
  CorefileServer with("dnstap " + path + "\ndnstap unix://" + path + " full\nwhoami");
  REQUIRE(with.plan->blocks[0].dnstap.size() == 2);
  CHECK(with.plan->blocks[0].dnstap[0] == with.plan->blocks[0].dnstap[1]);
  const auto content = [&] { return with.plan->blocks[0].dnstap[0]->ring_of(0)->content(); };
  // A question without a client's port is our own; the test's client has one.
  CHECK(with.ask("x.", RRType::a).size() == 3);
  CHECK(server::count_frames(std::string(content().first)) == 4);
  // What a ring has no room for is lost.
  for (int i = 0; i < 20'000; ++i) with.ask("x.", RRType::a);
  CHECK(with.plan->blocks[0].dnstap[0]->figures().lost > 0);
  CHECK(content().size() <= server::ring_octets_min);
  with.plan->dnstap->finish();
  CHECK(with.plan->blocks[0].dnstap[0]->has_stopped());
  CHECK(content().size() == 0);
}

}  // namespace
}  // namespace fairlead::test
