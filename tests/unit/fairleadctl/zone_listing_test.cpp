#include "tools/fairleadctl/zone_listing.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace fairlead;
using namespace fairlead::ctl;

namespace {

const std::string_view sorted_lines[] = {
    "cluster.local.\t5\tIN\tSOA\tns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5",
    "cluster.local.\t5\tIN\tNS\tns.dns.cluster.local.",
    "default.svc.cluster.local.\t5\tIN\tTXT\t\"x\"",
    "db.default.svc.cluster.local.\t5\tIN\tA\t10.0.0.9",
    "db.default.svc.cluster.local.\t5\tIN\tA\t10.0.0.10",
    "db.default.svc.cluster.local.\t5\tIN\tAAAA\t2001:db8::9",
    "db.default.svc.cluster.local.\t5\tIN\tSRV\t0 50 80 db.default.svc.cluster.local.",
    "e1.db.default.svc.cluster.local.\t5\tIN\tA\t10.0.0.9",
    "web.default.svc.cluster.local.\t5\tIN\tCNAME\texample.com.",
    // Behind the zone, though "arpa" comes before "local".
    "9.0.0.10.in-addr.arpa.\t5\tIN\tPTR\tdb.default.svc.cluster.local.",
};

std::vector<dns::ResourceRecord> read(std::span<const std::string_view> lines) {
  std::vector<dns::ResourceRecord> records;
  for (const auto line : lines) {
    auto record = dns::parse_record(line);
    REQUIRE_MESSAGE(record.has_value(), record.error());
    records.push_back(*record);
  }
  return records;
}

}  // namespace

TEST_CASE("a listing is the same whatever order the records came in") {
  std::string expected;
  for (const auto line : sorted_lines) expected += std::string(line) + '\n';
  const auto zone = *dns::DomainName::parse("cluster.local");
  auto records = read(sorted_lines);
  std::mt19937 random(7);
  for (int i = 0; i < 50; ++i) {
    std::ranges::shuffle(records, random);
    sort_records(records, zone);
    REQUIRE(write_listing(records, zone, Format::zone) == expected);
  }
}

TEST_CASE("JSON has a record on each line and quotes what needs it") {
  const std::string_view lines[] = {R"(a\.b.cluster.local. 5 IN TXT "say \"x\"")",
                                    "web.cluster.local. 5 IN A 10.0.0.1"};
  const auto zone = *dns::DomainName::parse("cluster.local");
  CHECK(write_listing(read(lines), zone, Format::json) ==
        R"({"zone":"cluster.local.","records":[
{"owner":"a\\.b.cluster.local.","ttl":5,"class":"IN","type":"TXT","rdata":"\"say \\\"x\\\"\""},
{"owner":"web.cluster.local.","ttl":5,"class":"IN","type":"A","rdata":"10.0.0.1"}
]}
)");
  CHECK(write_listing({}, zone, Format::json) == "{\"zone\":\"cluster.local.\",\"records\":[\n]}\n");
}
