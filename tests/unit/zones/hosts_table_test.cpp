// Files in the form of /etc/hosts, looked up in both directions.
#include "zones/hosts_table.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace fairlead::zones {
namespace {

dns::DomainName name(std::string_view text) { return *dns::DomainName::parse(text); }

struct Loaded {
  explicit Loaded(std::string_view text, std::vector<dns::DomainName> zones = {}, bool reverse = true)
      : table(text, zones, reverse, faults) {}

  std::string v4(std::string_view of) const {
    std::string text;
    for (const auto& octets : table.find_v4(name(of))) text += base::IpAddress::v4(octets).to_string() + " ";
    return text;
  }
  std::string v6(std::string_view of) const {
    std::string text;
    for (const auto& octets : table.find_v6(name(of))) text += base::IpAddress::v6(octets).to_string() + " ";
    return text;
  }
  std::string names(std::string_view address) const {
    std::string text;
    table.for_each_name(*base::IpAddress::parse(address), [&](dns::NameView found) {
      text += found.to_string() + " ";
      return true;
    });
    return text;
  }

  HostsTable::Faults faults;
  HostsTable table;
};

TEST_CASE("names have the addresses of their lines, and addresses the names of theirs, in the order of the file") {
  const Loaded hosts(
      "# a comment\n"
      "192.0.2.1 www.example.org www  # behind a line\n"
      "\n"
      "2001:db8::1\twww.example.org\r\n"
      "192.0.2.3 WWW.Example.ORG.\n"
      "192.0.2.2 www.example.org other.example.org\n"
      "fe80::1%eth0 link\n"
      "::ffff:192.0.2.9 mapped");
  CHECK(hosts.faults.count == 0);
  CHECK(hosts.v4("www.example.org") == "192.0.2.1 192.0.2.3 192.0.2.2 ");
  CHECK(hosts.v6("www.example.org") == "2001:db8::1 ");
  CHECK(hosts.v6("www") == "");
  CHECK(hosts.v4("example.org") == "");
  CHECK(hosts.v4(".") == "");
  CHECK(hosts.v6("link") == "fe80::1 ");
  CHECK(hosts.v4("mapped") == "192.0.2.9 ");
  CHECK(hosts.names("192.0.2.1") == "www.example.org. www. ");
  CHECK(hosts.names("192.0.2.2") == "www.example.org. other.example.org. ");
  CHECK(hosts.names("2001:db8::1") == "www.example.org. ");
  CHECK(hosts.names("192.0.2.4") == "");
  CHECK(hosts.table.entry_count() == 16);
}

TEST_CASE("an address that a name has twice is one record") {
  const Loaded hosts("192.0.2.1 a a\n192.0.2.2 a\n192.0.2.1 a\n");
  CHECK(hosts.v4("a") == "192.0.2.1 192.0.2.2 ");
  CHECK(hosts.names("192.0.2.1") == "a. ");
}

TEST_CASE("a wildcard stands for one label, and has no reverse name") {
  const Loaded hosts("192.0.2.10 *.example.org\n2001:db8::a *.example.org\n192.0.2.11 a.example.org\n");
  CHECK(hosts.v4("b.example.org") == "192.0.2.10 ");
  CHECK(hosts.v4("a.example.org") == "192.0.2.11 ");
  CHECK(hosts.v6("a.example.org") == "2001:db8::a ");  // each family by itself, as CoreDNS
  CHECK(hosts.v4("example.org") == "");
  CHECK(hosts.v4("c.b.example.org") == "");
  CHECK(hosts.names("192.0.2.10") == "");
}

TEST_CASE("names outside of the zones are left out, and without reverse there are no names of addresses") {
  const Loaded hosts("192.0.2.1 a.example.org a.example.net\n", {name("example.org")}, false);
  CHECK(hosts.v4("a.example.org") == "192.0.2.1 ");
  CHECK(hosts.v4("a.example.net") == "");
  CHECK(hosts.names("192.0.2.1") == "");
  CHECK(hosts.table.entry_count() == 1);
}

TEST_CASE("lines that make no sense are told with their numbers, and the others count") {
  const Loaded hosts("192.0.2 a\n192.0.2.1\n192.0.2.1 a..b c\nlocalhost 127.0.0.1\n");
  REQUIRE(hosts.faults.first.size() == 4);
  CHECK(hosts.faults.first[0].line == 1);
  CHECK(hosts.faults.first[0].message == "'192.0.2' is no IP address; write 'ADDRESS NAME...'");
  CHECK(hosts.faults.first[1].message == "'192.0.2.1' has no name; write 'ADDRESS NAME...'");
  CHECK(hosts.faults.first[2].message == "'a..b' is no domain name: empty label");
  CHECK(hosts.faults.first[3].line == 4);
  CHECK(hosts.v4("c") == "192.0.2.1 ");

  std::string foreign;
  for (int i = 0; i < 1000; ++i)
    foreign +=
        "\x7f"
        "ELF \x01\n";
  const Loaded binary(foreign);
  CHECK(binary.faults.count == 1000);
  CHECK(binary.faults.first.size() == hosts_faults_max);
}

TEST_CASE("an empty table has nothing") {
  const HostsTable nothing;
  CHECK(nothing.find_v4(name("a")).empty());
  CHECK_FALSE(nothing.has_address(*base::IpAddress::parse("192.0.2.1")));
  const Loaded empty("");
  CHECK(empty.v4("a") == "");
  CHECK(empty.names("192.0.2.1") == "");
}

TEST_CASE("a list of many names is kept whole") {
  std::string text;
  constexpr int count = 100'000;
  for (int i = 0; i < count; ++i) text += "0.0.0.0 ads" + std::to_string(i) + ".tracker.example\n";
  const Loaded hosts(text);
  CHECK(hosts.faults.count == 0);
  for (const int i : {0, 1, 4711, count - 1}) {
    CHECK(hosts.v4("ads" + std::to_string(i) + ".tracker.example") == "0.0.0.0 ");
  }
  CHECK(hosts.v4("ads" + std::to_string(count) + ".tracker.example") == "");
  CHECK(hosts.table.entry_count() == 2 * count);
}

}  // namespace
}  // namespace fairlead::zones
