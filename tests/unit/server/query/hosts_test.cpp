// `hosts`: a Corefile and a file, questions, and their answers.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "unit/server/query/corefile_server.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

// A file that is gone at the end, and changed as ConfigMaps are: another file takes its place.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) { write(text); }
  ~TemporaryFile() { std::filesystem::remove(path); }
  void write(const std::string& text) {
    std::ofstream(path + ".new") << text;
    std::filesystem::rename(path + ".new", path);
  }
  const std::string path =
      (std::filesystem::temp_directory_path() / ("fairlead-hosts-test-" + std::to_string(::getpid()))).string();
};

TEST_CASE("hosts answers for names of the file and of the Corefile, and for their addresses") {
  const TemporaryFile file(
      "192.0.2.1 www.example.org\n2001:db8::1 www.example.org\n192.0.2.7 both.example.org\n192.0.2.9 www.other.test\n");
  CorefileServer server("hosts " + file.path +
                        " example.org {\n192.0.2.8 Both.example.org inline.example.org\n192.0.2.7 both.example.org\n"
                        "192.0.2.10 *.wild.example.org\nttl 60\nfallthrough sub.example.org in-addr.arpa\n}\nwhoami");
  const Lines servfail{"SERVFAIL"};
  check_answers(
      server,
      {
          {"WWW.example.org.", RRType::a, {"NOERROR aa", "answer: WWW.example.org. 60 A 192.0.2.1"}},
          {"www.example.org.", RRType::aaaa, {"NOERROR aa", "answer: www.example.org. 60 AAAA 2001:db8::1"}},
          {"www.example.org.", RRType::txt, {"NOERROR aa"}},
          {"inline.example.org.", RRType::aaaa, {"NOERROR aa"}},
          {"both.example.org.",
           RRType::a,
           {"NOERROR aa", "answer: both.example.org. 60 A 192.0.2.7", "answer: both.example.org. 60 A 192.0.2.8"}},
          {"x.wild.example.org.", RRType::a, {"NOERROR aa", "answer: x.wild.example.org. 60 A 192.0.2.10"}},
          {"y.x.wild.example.org.", RRType::a, servfail},
          {"missing.example.org.", RRType::a, servfail},
          {"1.2.0.192.in-addr.arpa.",
           RRType::ptr,
           {"NOERROR aa", "answer: 1.2.0.192.in-addr.arpa. 60 PTR www.example.org."}},
          {"8.2.0.192.in-addr.arpa.",
           RRType::ptr,
           {"NOERROR aa", "answer: 8.2.0.192.in-addr.arpa. 60 PTR both.example.org.",
            "answer: 8.2.0.192.in-addr.arpa. 60 PTR inline.example.org."}},
          {"7.2.0.192.in-addr.arpa.",
           RRType::ptr,
           {"NOERROR aa", "answer: 7.2.0.192.in-addr.arpa. 60 PTR both.example.org."}},
      });
  // whoami's answers: names of other zones, what falls through, and addresses without names.
  for (const auto& [qname, qtype] : {std::pair("www.other.test.", RRType::a),
                                     {"a.sub.example.org.", RRType::a},
                                     {"9.2.0.192.in-addr.arpa.", RRType::ptr},
                                     {"www.example.org.", RRType::ptr}}) {
    CAPTURE(qname);
    CHECK(server.ask(qname, qtype).back().starts_with("additional: "));
  }
  CHECK(server.says("no such name in the hosts file", "missing.example.org.", RRType::a));
}

TEST_CASE("hosts without reverse leaves addresses to others, and unsupported types fall through if it says so") {
  CorefileServer server(
      "hosts /nonexistent {\n192.0.2.1 www.example.org\nno_reverse\nfallthrough\nfallthrough_unsupported\n}\nwhoami");
  CHECK(server.ask("1.2.0.192.in-addr.arpa.", RRType::ptr).back().starts_with("additional: "));
  CHECK(server.ask("www.example.org.", RRType::txt).back().starts_with("additional: "));
  CHECK(server.ask("www.example.org.", RRType::aaaa) == Lines{"NOERROR aa"});
}

TEST_CASE("a hosts file is read again when it changed, and kept when it is gone") {
  TemporaryFile file("192.0.2.1 a\n");
  CorefileServer server("hosts " + file.path + " {\n192.0.2.5 c\n}");
  REQUIRE(server.plan->refreshes.size() == 1);
  const auto refresh = server.plan->refreshes.front().run;
  const auto& source = *server.plan->blocks.front().hosts;
  CHECK(source.entry_count() == 4);
  CHECK(source.written_seconds() > 1e9);
  file.write("192.0.2.2 a\n2001:db8::2 b\nrubbish\n");
  refresh();
  CHECK(server.ask("a.", RRType::a) == Lines{"NOERROR aa", "answer: a. 3600 A 192.0.2.2"});
  CHECK(server.ask("b.", RRType::aaaa) == Lines{"NOERROR aa", "answer: b. 3600 AAAA 2001:db8::2"});
  CHECK(source.entry_count() == 6);
  std::filesystem::remove(file.path);
  refresh();
  refresh();
  CHECK(server.ask("a.", RRType::a) == Lines{"NOERROR aa", "answer: a. 3600 A 192.0.2.2"});
  CHECK(server.ask("c.", RRType::a) == Lines{"NOERROR aa", "answer: c. 3600 A 192.0.2.5"});
  file.write("192.0.2.3 a\n");
  refresh();
  CHECK(server.ask("a.", RRType::a) == Lines{"NOERROR aa", "answer: a. 3600 A 192.0.2.3"});
}

TEST_CASE("'reload 0s' of hosts never reads again, and 'root' is where a relative file is") {
  TemporaryFile file("192.0.2.1 a\n");
  const std::filesystem::path path = file.path;
  CorefileServer server("hosts " + path.filename().string() + " {\nreload 0s\n}\nroot " + path.parent_path().string());
  CHECK(server.plan->refreshes.empty());
  CHECK(server.ask("a.", RRType::a) == Lines{"NOERROR aa", "answer: a. 3600 A 192.0.2.1"});
}

TEST_CASE("more addresses than fit are truncated, and all of them come over TCP") {
  std::string lines;
  for (int i = 0; i < 200; ++i) lines += "10.0.0." + std::to_string(i) + " many\n10.1.0.1 n" + std::to_string(i) + "\n";
  CorefileServer server("hosts /nonexistent {\n" + lines + "}");
  CHECK(server.ask("many.", RRType::a).front() == "NOERROR aa tc");
  CHECK(server.ask("many.", RRType::a, {}, server::Transport::tcp).size() == 201);
  CHECK(server.ask("1.0.1.10.in-addr.arpa.", RRType::ptr).front() == "NOERROR aa tc");
  CHECK(server.ask("1.0.1.10.in-addr.arpa.", RRType::ptr, {}, server::Transport::tcp).size() == 201);
}

}  // namespace
}  // namespace fairlead::test
