// What of two packed slices differs, read without unpacking what does not.
#include "k8s/packed_objects.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "record_table.hpp"

using namespace fairlead;
using namespace fairlead::k8s;
using namespace fairlead::k8s::test;

namespace {

// Texts outlive what looks at them.
ReadySlice of(std::initializer_list<ReadyAddress> items, std::vector<EndpointPort> ports = {},
              std::string_view cluster = {}) {
  ReadySlice made{.source_cluster = cluster, .ports = std::move(ports), .addresses = items};
  std::ranges::sort(made.addresses);
  return made;
}

ReadyAddress item(std::string_view ip, std::string_view label = {}, std::string_view topology_zone = {}) {
  return {address(ip), label, topology_zone};
}

std::string print(const ReadyAddress& one) {
  return one.address.to_string() + (one.label.empty() ? "" : "=" + std::string(one.label)) +
         (one.topology_zone.empty() ? "" : "@" + std::string(one.topology_zone));
}

/// "-left +came (vanished) [appeared]"
std::string print(const SliceDifference& difference) {
  std::string text;
  for (const auto& one : difference.left) text += "-" + print(one) + " ";
  for (const auto& one : difference.came) text += "+" + print(one) + " ";
  for (const auto& one : difference.vanished) text += "(" + one.to_string() + ") ";
  for (const auto& one : difference.appeared) text += "[" + one.to_string() + "] ";
  if (!text.empty()) text.pop_back();
  return text;
}

std::string compare(const ReadySlice& before, const ReadySlice& after) {
  const std::string old_octets = pack(before), new_octets = pack(after);
  return print(difference(old_octets, new_octets));
}

/// The same by unpacking and looking for everything in everything.
SliceDifference expected_difference(const ReadySlice& before, const ReadySlice& after) {
  SliceDifference made;
  std::ranges::set_difference(before.addresses, after.addresses, std::back_inserter(made.left));
  std::ranges::set_difference(after.addresses, before.addresses, std::back_inserter(made.came));
  const auto only_in = [](const ReadySlice& in, const ReadySlice& other, SliceDifference::Few<base::IpAddress>& into) {
    for (const auto& one : in.addresses) {
      if (std::ranges::find(other.addresses, one.address, &ReadyAddress::address) != other.addresses.end()) continue;
      if (into.empty() || into.back() != one.address) into.push_back(one.address);
    }
  };
  only_in(before, after, made.vanished);
  only_in(after, before, made.appeared);
  return made;
}

}  // namespace

TEST_CASE("two packed slices differ in the addresses that one of them lacks, wherever they stand") {
  const ReadySlice three = of({item("10.0.0.1"), item("10.0.0.2"), item("10.0.0.3")});
  const struct {
    ReadySlice before, after;
    const char* expected;
  } rows[] = {
      {three, three, ""},
      {of({}), three, "+10.0.0.1 +10.0.0.2 +10.0.0.3 [10.0.0.1] [10.0.0.2] [10.0.0.3]"},
      {three, of({}), "-10.0.0.1 -10.0.0.2 -10.0.0.3 (10.0.0.1) (10.0.0.2) (10.0.0.3)"},
      {three, of({item("10.0.0.2"), item("10.0.0.3")}), "-10.0.0.1 (10.0.0.1)"},
      {three, of({item("10.0.0.1"), item("10.0.0.3")}), "-10.0.0.2 (10.0.0.2)"},
      {three, of({item("10.0.0.1"), item("10.0.0.2")}), "-10.0.0.3 (10.0.0.3)"},
      {three, of({item("9.0.0.1"), item("10.0.0.1"), item("10.0.0.2"), item("10.0.0.3")}), "+9.0.0.1 [9.0.0.1]"},
      {three, of({item("10.0.0.1"), item("10.0.0.9"), item("10.0.0.3")}), "-10.0.0.2 +10.0.0.9 (10.0.0.2) [10.0.0.9]"},
      {three, of({item("10.0.0.0"), item("10.0.0.2"), item("10.0.0.4")}),
       "-10.0.0.1 -10.0.0.3 +10.0.0.0 +10.0.0.4 (10.0.0.1) (10.0.0.3) [10.0.0.0] [10.0.0.4]"},
  };
  for (const auto& row : rows) CHECK(compare(row.before, row.after) == row.expected);
}

TEST_CASE("an address that is only called something else, or lies in another zone, neither vanished nor appeared") {
  const ReadySlice plain = of({item("10.0.0.1"), item("10.0.0.2"), item("10.0.0.3")});
  const ReadySlice named = of({item("10.0.0.1"), item("10.0.0.2", "web-0"), item("10.0.0.3")});
  CHECK(compare(plain, named) == "-10.0.0.2 +10.0.0.2=web-0");
  CHECK(compare(named, plain) == "-10.0.0.2=web-0 +10.0.0.2");
  CHECK(compare(of({item("10.0.0.1", "a", "z1")}), of({item("10.0.0.1", "a", "z2")})) ==
        "-10.0.0.1=a@z1 +10.0.0.1=a@z2");
}

TEST_CASE("an address that stands twice in a slice is there until both are gone") {
  const ReadySlice both = of({item("10.0.0.1", "a"), item("10.0.0.1", "b"), item("10.0.0.2")});
  CHECK(compare(both, of({item("10.0.0.1", "a"), item("10.0.0.2")})) == "-10.0.0.1=b");
  CHECK(compare(both, of({item("10.0.0.1", "b"), item("10.0.0.2")})) == "-10.0.0.1=a");
  CHECK(compare(both, of({item("10.0.0.1", "c"), item("10.0.0.2")})) == "-10.0.0.1=a -10.0.0.1=b +10.0.0.1=c");
  CHECK(compare(both, of({item("10.0.0.2")})) == "-10.0.0.1=a -10.0.0.1=b (10.0.0.1)");
  CHECK(compare(of({item("10.0.0.1"), item("10.0.0.1")}), of({item("10.0.0.1")})) == "-10.0.0.1");
}

TEST_CASE("octets that are the same at another place are not taken for the same address") {
  // 0.10.0.0 and 0.0.10.0 are packed as octets that also occur across the border of two addresses.
  CHECK(compare(of({item("0.0.10.0"), item("0.10.0.0")}), of({item("0.10.0.0")})) == "-0.0.10.0 (0.0.10.0)");
  CHECK(compare(of({item("0.0.0.0")}), of({item("::")})) == "-0.0.0.0 +:: (0.0.0.0) [::]");
}

TEST_CASE("other ports and another cluster are seen, and no address differs for them") {
  const std::vector<EndpointPort> http{{"http", Protocol::tcp, 80}},
      two{{"", Protocol::tcp, 1}, {"s", Protocol::udp, 5}};
  const std::string plain = pack(of({item("10.0.0.1")}, http)), other = pack(of({item("10.0.0.1")}, two));
  const std::string first = pack(of({item("10.0.0.1")}, http, "c1")), second = pack(of({item("10.0.0.1")}, http, "c2"));
  for (const auto& [before, after] : {std::pair(plain, other), std::pair(plain, first), std::pair(first, second)}) {
    const SliceDifference found = difference(before, after);
    CHECK(print(found).empty());
    CHECK(found.has_other_ports);
    CHECK(found.has_common);
    CHECK_FALSE(difference(before, before).has_other_ports);
    CHECK_FALSE(difference(before, pack(of({item("10.0.0.2"), item("10.0.0.1", "a")}))).has_common);
    CHECK_FALSE(difference("", after).has_common);
  }
  const SliceDifference moved = difference(first, second);
  CHECK(moved.old_cluster == "c1");
  CHECK(moved.new_cluster == "c2");
  CHECK(difference(plain, first).old_cluster.empty());
  CHECK(unpack_ports(other) == two);
  CHECK(unpack_ports(second) == http);
  CHECK(unpack_ports("").empty());
}

TEST_CASE("the difference of packed slices is that of the unpacked ones") {
  std::mt19937 random(1);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  constexpr std::array<const char*, 6> ips{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "fd00::1", "fd00::2"};
  constexpr std::array<const char*, 4> labels{"", "", "a", "a-longer-label"};
  constexpr std::array<const char*, 3> zones{"", "", "z1"};
  const auto any_slice = [&] {
    ReadySlice made;
    for (unsigned left = below(8); left > 0; --left) {
      made.addresses.push_back(item(ips[below(ips.size())], labels[below(labels.size())], zones[below(zones.size())]));
    }
    if (below(3) == 0) made.ports.push_back({"http", Protocol::tcp, 80});
    if (below(3) == 0) made.source_cluster = "c1";
    std::ranges::sort(made.addresses);
    return made;
  };
  for (int round = 0; round < 20'000; ++round) {
    const ReadySlice before = any_slice(), after = any_slice();
    REQUIRE(compare(before, after) == print(expected_difference(before, after)));
  }
}

TEST_CASE("a slice is packed in one step as by way of its ready addresses") {
  std::mt19937 random(2);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  int plain = 0;
  for (int round = 0; round < 5'000; ++round) {
    const bool odd = below(2) == 0;
    EndpointSlice made = slice("default/web-1", "web", {}, {});
    made.source_cluster = "c1";
    for (unsigned left = below(3); left > 0; --left) {
      made.ports.push_back({below(2) == 0 ? "http" : "sql", static_cast<Protocol>(below(3)), std::uint16_t(below(3))});
    }
    for (unsigned left = below(6); left > 0; --left) {
      const std::string ip = std::to_string(below(256)) + ".0." + std::to_string(below(256)) + ".1";
      Endpoint one = endpoint({odd && below(4) == 0 ? "fd00::1" : ip.c_str()});
      if (below(8) == 0) one.addresses.push_back(address("10.0.0.1"));
      one.ready = below(4) != 0;
      if (odd && below(4) == 0) one.hostname = "web-0";
      if (below(4) == 0) one.target_ref_name = "pod-0";
      if (below(4) == 0) one.zone = "z1";
      made.endpoints.push_back(std::move(one));
    }
    const RecordOptions options{
        .endpoint_pod_names = below(4) == 0, .zonal = below(4) == 0, .clusterset = below(4) == 0, .zone = {}};
    const std::string packed = pack(made, options);
    REQUIRE(packed == pack(ready_slice(made, options)));
    if (unpack_slice(packed).addresses.size() > 1) ++plain;
  }
  CHECK(plain > 1000);
}

TEST_CASE("a packed slice that is cut short anywhere is read to its end") {
  const std::string whole = pack(
      of({item("10.0.0.1"), item("10.0.0.2", "a", "z1"), item("fd00::1", "b")}, {{"http", Protocol::tcp, 80}}, "c1"));
  for (std::size_t octets = 0; octets <= whole.size(); ++octets) {
    const std::string cut = whole.substr(0, octets);
    static_cast<void>(difference(cut, whole));
    static_cast<void>(difference(whole, cut));
    CHECK(print(difference(cut, cut)).empty());
  }
}
