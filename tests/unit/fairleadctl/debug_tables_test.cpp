#include "tools/fairleadctl/debug_tables.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace fairlead::ctl;
using namespace std::chrono_literals;

namespace {

const std::string top_json = R"({"covered_seconds":400,"queries":2000,"samples":250,"clients":[
{"client":"10.244.0.9","queries":1500,"nxdomain":1200,"failed":0,"overcount":0},
{"client":"fd00::1","queries":500,"nxdomain":0,"failed":5,"overcount":3}
],"names":[
{"name":"web.shop.svc.cluster.local.","queries":2000,"nxdomain":1200,"failed":5,"overcount":0}
]})";

const std::string slow_json =
    R"({"queries":[
{"received":"2026-11-21T19:00:00.042Z","client":"10.244.0.9","name":"www.example.org.","type":"A","proto":"udp",)"
    R"("rcode":"SERVFAIL","directive":"forward","answered_us":2000500,"asked_upstream_us":100,)"
    R"("upstream_replied_us":2000400,"upstream":"192.0.2.53:53","error":"upstream timed out"},
{"received":"2026-11-21T19:00:01.000Z","client":"10.244.0.9","name":"a.","type":"AAAA","proto":"tcp","rcode":"NOERROR",)"
    R"("directive":"","answered_us":1500}
]})";

}  // namespace

TEST_CASE("talkers are told with their share and how much of it failed") {
  CHECK(write_top_tables(top_json, 20).value_or("") ==
        R"(2000 queries in the last 6 min 40 s, told from 250 of them

CLIENT      QUERIES   SHARE  PER SECOND  NXDOMAIN  FAILED
10.244.0.9     1500  75.0 %         3.8    80.0 %       -
fd00::1         500  25.0 %         1.2         -   1.0 %

NAME                         QUERIES    SHARE  PER SECOND  NXDOMAIN  FAILED
web.shop.svc.cluster.local.     2000  100.0 %         5.0    60.0 %   0.2 %
)");
  CHECK_FALSE(write_top_tables(top_json, 1)->contains("fd00::1"));
}

TEST_CASE("a server that was asked nothing has tables without rows") {
  const auto text =
      write_top_tables(R"({"covered_seconds":0,"queries":0,"samples":0,"clients":[],"names":[]})", 20).value_or("");
  CHECK(text.starts_with("0 queries in the last 0 s\n\nCLIENT"));
}

TEST_CASE("a slow query is told with where its time went") {
  CHECK(
      write_slow_table(slow_json, 20, 1ms).value_or("") ==
      R"(RECEIVED                      MS  BEFORE  UPSTREAM  AFTER  RCODE     DIRECTIVE  ASKED          CLIENT      PROTO  TYPE  NAME              ERROR
2026-11-21T19:00:00.042Z  2000.5     0.1    2000.3    0.1  SERVFAIL  forward    192.0.2.53:53  10.244.0.9  udp    A     www.example.org.  upstream timed out
2026-11-21T19:00:01.000Z     1.5     1.5         -      -  NOERROR   -          -              10.244.0.9  tcp    AAAA  a.
)");
  CHECK_FALSE(write_slow_table(slow_json, 20, 2ms)->contains("AAAA"));
  CHECK_FALSE(write_slow_table(slow_json, 1, 1ms)->contains("AAAA"));
  CHECK(write_slow_table(slow_json, 20, 3s) == "No query took that long.\n");
}

TEST_CASE("a page that is something else is a failure, never a crash") {
  for (const char* page : {"", "null", "[]", "7", "\"x\"", "{", "{}", R"({"queries":7,"clients":7,"names":7})",
                           R"({"covered_seconds":0,"queries":[1],"samples":0,"clients":[7],"names":[]})",
                           R"({"covered_seconds":0,"queries":0,"samples":0,"clients":{"a":1},"names":[]})",
                           R"({"queries":[{}]})", R"({"queries":[7]})"}) {
    CAPTURE(page);
    CHECK_FALSE(write_top_tables(page, 20).has_value());
    if (std::string_view(page).contains("queries")) continue;
    CHECK_FALSE(write_slow_table(page, 20, 1ms).has_value());
  }
  CHECK_FALSE(write_slow_table(R"({"queries":[{}]})", 20, 1ms).has_value());
  CHECK_FALSE(write_slow_table(R"({"queries":[7]})", 20, 1ms).has_value());
}
