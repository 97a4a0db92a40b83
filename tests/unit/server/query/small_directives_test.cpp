// The directives that answer or change a query by themselves: a Corefile, a question, its answer.
#include <doctest/doctest.h>
#include <unistd.h>

#include "unit/server/query/corefile_server.hpp"
#include "unit/server/query/edns_options.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

QueryPacketOptions chaos() { return {.qclass = dns::RRClass::ch}; }

std::string host() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

TEST_CASE("handlers stand in the order that -check prints") {
  CorefileServer server(
      "view odd {\n expr true\n}\nwhoami\nforward . 192.0.2.1\ncache\nloadbalance round_robin {\n prefer "
      "10.0.0.0/8\n}\n"
      "auto {\n directory /nowhere\n}\nfile /nowhere/zone a.test\nhosts {\n 192.0.2.1 a.test\n}\n"
      "dnstap /nowhere/dnstap\ntemplate ANY ANY b.test {\n rcode REFUSED\n}\nminimal\nheader {\n response set "
      "ra\n}\nacl {\n allow\n}\n"
      "autopath @kubernetes\nrewrite name c.test "
      "d.test\nchaos\nany\ndns64\nlocal\nbufsize\nnsid\ncancel\nloop\n"
      "k8s_external e.test\nkubernetes cluster.local {\n endpoint http://127.0.0.1:1\n}\ntransfer {\n to *\n}");
  std::vector<std::string> stand;
  for (const auto& handler : server.worker_plan->chains[0]->handlers) {
    std::string name(to_string(handler->plugin()));
    if (!name.empty() && (stand.empty() || stand.back() != name)) stand.push_back(std::move(name));
  }
  std::vector<std::string> printed;
  for (const auto& directive : server.plan->blocks[0].block->directives) {
    if (std::ranges::find(stand, directive.name) != stand.end()) printed.emplace_back(directive.name);
  }
  CHECK(stand == printed);
  CHECK(stand.size() > 20);
}

TEST_CASE("whoami tells the client's address and port, beside an empty answer") {
  CorefileServer server("whoami");
  check_answers(
      server,
      {
          {"Example.org.",
           RRType::a,
           {"NOERROR aa", "additional: Example.org. 0 A 192.0.2.1", "additional: _udp.Example.org. 0 SRV 0 0 5353 ."}},
          {".", RRType::txt, {"NOERROR aa", "additional: . 0 A 192.0.2.1", "additional: _udp. 0 SRV 0 0 5353 ."}},
      });
  server.client = *base::IpAddress::parse("2001:db8::7");
  CHECK(server.ask("x.", RRType::a, {}, server::Transport::tcp) ==
        Lines{"NOERROR aa", "additional: x. 0 AAAA 2001:db8::7", "additional: _tcp.x. 0 SRV 0 0 5353 ."});
  const std::string longest =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." + std::string(61, 'd') + ".";
  CHECK(server.ask(longest, RRType::a).size() == 2);
}

TEST_CASE("any answers questions of type ANY with one HINFO record (RFC 8482)") {
  CorefileServer server("any\nwhoami");
  CHECK(server.ask("example.org.", RRType::any) == Lines{"NOERROR", "answer: example.org. 8482 HINFO <27 octets>"});
  CHECK(server.ask("example.org.", RRType::hinfo).front() == "NOERROR aa");
}

TEST_CASE("chaos answers TXT questions of class CH, and passes the others on") {
  CorefileServer server("chaos Fair-1 bea adam bea");
  check_answers(
      server,
      {
          {"version.bind.", RRType::txt, {"NOERROR", "answer: version.bind. 0 TXT \"Fair-1\""}},
          {"VERSION.server.", RRType::txt, {"NOERROR", "answer: VERSION.server. 0 TXT \"Fair-1\""}},
          {"authors.bind.",
           RRType::txt,
           {"NOERROR", "answer: authors.bind. 0 TXT \"adam\"", "answer: authors.bind. 0 TXT \"bea\""}},
          {"hostname.bind.", RRType::txt, {"NOERROR", "answer: hostname.bind. 0 TXT \"" + host() + "\""}},
          {"id.server.", RRType::txt, {"NOERROR", "answer: id.server. 0 TXT \"" + host() + "\""}},
          {"status.server.", RRType::txt, {"NOERROR", "answer: status.server. 0 TXT \"no kubernetes directive\""}},
          {"version.bind.", RRType::a, {"REFUSED"}},
          {"other.bind.", RRType::txt, {"REFUSED"}},
      },
      chaos());
  CHECK(server.ask("version.bind.", RRType::txt) == Lines{"REFUSED"});
  // The records are of the class that was asked for.
  const auto message = server.reply(query_packet("version.bind.", RRType::txt, chaos()));
  auto reader = dns::RecordReader::open(message);
  CHECK((*reader->next())->rrclass == 3);
  CHECK(CorefileServer("chaos")
            .ask("version.bind.", RRType::txt, chaos())
            .at(1)
            .starts_with("answer: version.bind. 0 TXT \"Fairlead-"));
}

TEST_CASE("other classes reach chaos alone: neither whoami nor any answers them") {
  CorefileServer server("chaos\nany\nwhoami");
  CHECK(server.ask("example.org.", RRType::a, chaos()) == Lines{"REFUSED"});
  CHECK(server.ask("example.org.", RRType::any, chaos()) == Lines{"REFUSED"});
  CHECK(CorefileServer("whoami").ask("example.org.", RRType::a, chaos()) == Lines{"REFUSED"});
}

TEST_CASE("minimal leaves the answer section alone, and negative answers as they are") {
  CHECK(CorefileServer("minimal\nwhoami").ask("example.org.", RRType::a).size() == 3);
  CorefileServer server("local\nminimal");
  CHECK(server.ask("localhost.", RRType::a) == Lines{"NOERROR", "answer: localhost. 604800 A 127.0.0.1"});
}

TEST_CASE("minimal drops what stands behind the answers") {
  std::vector<std::uint8_t> buffer(512);
  const auto packet = query_packet("a.", RRType::a);
  const auto query = *dns::read_query(packet);
  dns::MessageWriter writer(buffer, 512);
  writer.begin(query.header, query.question, true);
  const std::uint8_t pointer[] = {0xc0, 12};
  const std::uint8_t address[] = {192, 0, 2, 1};
  for (const auto section :
       {dns::Section::answer, dns::Section::answer, dns::Section::authority, dns::Section::additional}) {
    writer.append(section, pointer, RRType::a, 5, address);
  }
  writer.keep_answers_only();
  CHECK(message_lines(writer.finish()) == Lines{"NOERROR", "answer: a. 5 A 192.0.2.1", "answer: a. 5 A 192.0.2.1"});
}

TEST_CASE("local answers for localhost and the host's own reverse zones") {
  CorefileServer server("local\nwhoami");
  const std::string soa = "604800 SOA localhost. root.localhost. SERIAL 0 0 0 604800";
  check_answers(
      server,
      {
          {"LocalHost.", RRType::a, {"NOERROR", "answer: LocalHost. 604800 A 127.0.0.1"}},
          {"localhost.", RRType::aaaa, {"NOERROR", "answer: localhost. 604800 AAAA ::1"}},
          {"localhost.", RRType::ns, {"NOERROR", "answer: localhost. 604800 NS localhost."}},
          {"localhost.", RRType::soa, {"NOERROR", "answer: localhost. " + soa}},
          {"localhost.", RRType::mx, {"NOERROR", "authority: localhost. " + soa}},
          {"a.b.localhost.", RRType::a, {"NOERROR", "answer: a.b.localhost. 604800 A 127.0.0.1"}},
          {"a.localhost.", RRType::txt, {"NOERROR", "authority: a.localhost. " + soa}},
          {"localhost.corp.example.", RRType::aaaa, {"NOERROR", "answer: localhost.corp.example. 604800 AAAA ::1"}},
          {"127.in-addr.arpa.", RRType::a, {"NOERROR", "authority: 127.in-addr.arpa. " + soa}},
          {"0.in-addr.arpa.", RRType::ns, {"NOERROR", "answer: 0.in-addr.arpa. 604800 NS localhost."}},
          {"1.0.0.127.in-addr.arpa.",
           RRType::ptr,
           {"NOERROR", "answer: 1.0.0.127.in-addr.arpa. 604800 PTR localhost."}},
          {"1.0.0.127.in-addr.arpa.", RRType::a, {"NOERROR", "authority: 127.in-addr.arpa. " + soa}},
          {"0.127.in-addr.arpa.", RRType::ptr, {"NOERROR", "authority: 127.in-addr.arpa. " + soa}},
          {"2.0.0.127.in-addr.arpa.", RRType::ptr, {"NXDOMAIN", "authority: 127.in-addr.arpa. " + soa}},
          {"x.255.in-addr.arpa.", RRType::a, {"NXDOMAIN", "authority: 255.in-addr.arpa. " + soa}},
      });
  CHECK(server.ask("10.in-addr.arpa.", RRType::ptr).front() == "NOERROR aa");
  CHECK(server.metric("coredns_local_localhost_requests_total") == Lines{"coredns_local_localhost_requests_total 3"});
  CHECK(CorefileServer("local {\nlocalhost_prefix off\n}").ask("localhost.corp.example.", RRType::a) ==
        Lines{"REFUSED"});
}

TEST_CASE("header sets and clears flags of the reply, the last rule counts") {
  CHECK(CorefileServer("header {\nresponse set ra aa\nresponse clear AA\n}\nlocal")
            .ask("localhost.", RRType::a)
            .front() == "NOERROR");
  CHECK(CorefileServer("header {\nresponse set ra\nresponse clear aa\n}\nwhoami").ask("x.", RRType::a).front() ==
        "NOERROR ra");
}

TEST_CASE("header changes the query that is asked on: its RD, which comes back with the reply") {
  CorefileServer server("header {\nquery clear rd\n}\nwhoami");
  const auto message = server.reply(query_packet("Example.org.", RRType::a));
  CHECK_FALSE(dns::read_header(message).has(dns::Header::rd));
  CHECK(message_lines(message) == Lines{"NOERROR aa", "additional: Example.org. 0 A 192.0.2.1",
                                        "additional: _udp.Example.org. 0 SRV 0 0 5353 ."});
}

TEST_CASE("nsid tells its text to those who ask for it, and to nobody else") {
  CorefileServer server("nsid Use The Force\nwhoami");
  const auto asked = server.reply(with_options("x.", RRType::a, {0, 10, 0, 1, 7, 0, 3, 0, 0}));
  // The length of the options, and the one that there is: code 3, 13 octets.
  CHECK(hex(std::span(asked).last(19)) ==
        "00110003000d" + hex({reinterpret_cast<const std::uint8_t*>("Use The Force"), 13}));
  const auto quiet = server.reply(with_options("x.", RRType::a, {0, 10, 0, 1, 7}));
  CHECK(asked.size() == quiet.size() + 17);
  CorefileServer of_host("nsid\nwhoami");
  const auto named = of_host.reply(with_options("x.", RRType::a, {0, 3, 0, 0}));
  CHECK(std::string(named.begin(), named.end()).ends_with(host()));
}

TEST_CASE("bufsize bounds replies over UDP to clients that offer more, and leaves TCP alone") {
  std::string hosts = "chaos v";
  for (int i = 0; i < 40; ++i) hosts += " author-of-some-length-" + std::to_string(i);
  CorefileServer server("bufsize 600\n" + hosts);
  const auto size = [&](std::uint16_t offered, server::Transport transport) {
    return server
        .reply(query_packet("authors.bind.", RRType::txt, {.qclass = dns::RRClass::ch, .edns_octets = offered}),
               transport)
        .size();
  };
  CHECK(size(1232, server::Transport::udp) <= 600);
  CHECK(size(1232, server::Transport::udp) > 512);
  CHECK(size(512, server::Transport::udp) <= 512);
  CHECK(size(4096, server::Transport::tcp) > 1232);
}

TEST_CASE("status.server tells whether each cluster is in step") {
  CorefileServer server("kubernetes cluster.local {\nendpoint http://127.0.0.1:1\n}\nchaos");
  CHECK(server.ask("status.server.", RRType::txt, chaos()) ==
        Lines{"NOERROR", "answer: status.server. 0 TXT \"kubernetes cluster.local.: not in step\""});
}

TEST_CASE("cancel answers SERVFAIL when its time is over, once, and does not wait for the upstream") {
  // Nobody answers there.
  CorefileServer server("cancel 50ms\nforward . 192.0.2.99");
  const auto begin = std::chrono::steady_clock::now();
  const auto message = server.reply(query_packet("example.org.", RRType::a, {.edns_octets = 1232}));
  CHECK(message_lines(message) == Lines{"SERVFAIL"});
  const std::string text(message.begin(), message.end());
  CHECK(text.find("cancelled") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(50));
}

}  // namespace
}  // namespace fairlead::test
