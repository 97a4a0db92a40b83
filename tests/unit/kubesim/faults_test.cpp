#include "tools/kubesim/faults.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

TEST_CASE("requests fail as often as asked, where path and verb fit") {
  Faults faults;
  REQUIRE(faults
              .apply({{"fail_requests",
                       {{"count", 2},
                        {"status", 429},
                        {"retry_after", 3},
                        {"path_prefix", "/api/v1/services"},
                        {"verb", "list"}}}})
              .has_value());
  CHECK_FALSE(faults.take_request_fault("/api/v1/services", "watch").has_value());
  CHECK_FALSE(faults.take_request_fault("/api/v1/pods", "list").has_value());
  const auto first = faults.take_request_fault("/api/v1/services", "list");
  REQUIRE(first.has_value());
  CHECK(first->code == 429);
  CHECK(first->reason == "TooManyRequests");
  CHECK(first->retry_after_s == 3);
  CHECK(faults.take_request_fault("/api/v1/services", "list").has_value());
  CHECK_FALSE(faults.take_request_fault("/api/v1/services", "list").has_value());
}

TEST_CASE("a document with any mistake changes nothing and says which") {
  Faults faults;
  const Json before = faults.state();
  for (const char* text :
       {R"([])", R"(5)", R"({"typo":1})", R"({"silent_watches":true,"fail_requests":{"status":200}})",
        R"({"silent_watches":"yes"})", R"({"fail_requests":{"count":-1}})", R"({"fail_requests":[5]})",
        R"({"fail_requests":{"count":0}})", R"({"delay":{"ms":1.5}})", R"({"delay":5})",
        R"({"close_watches":{"how":"softly"}})", R"({"close_watches":{"resource":"deployments"}})",
        R"({"bad_events":{"form":"other"}})", R"({"expired_as":5})", R"({"churn":-1})",
        R"({"refuse_connections":{"for_ms":99999999999}})", R"({"silent_watches":true,"cut_lists":{"x":1}})"}) {
    INFO(std::string(text));
    const auto applied = faults.apply(*parse_json(text));
    CHECK_FALSE(applied.has_value());
    if (!applied) CHECK_FALSE(applied.error().empty());
    CHECK(faults.state() == before);
  }
}

TEST_CASE("actions are told to the caller, states are kept until reset") {
  Faults faults;
  const auto actions = faults.apply(*parse_json(
      R"({"expire_history":true,"close_watches":{"how":"abrupt","resource":"services"},"refuse_connections":{"for_ms":50},
          "silent_watches":true,"expired_as":"http","delay":{"ms":5},"churn":7})"));
  REQUIRE(actions.has_value());
  CHECK(actions->expire_history);
  CHECK(actions->close_watches == CloseWatches::abrupt);
  CHECK(actions->close_watches_of == "services");
  CHECK(actions->refuse_for == std::chrono::milliseconds(50));
  CHECK(actions->churn == 7.0);
  CHECK(faults.is_silent());
  CHECK(faults.is_expiry_http());
  CHECK(faults.take_delay("/x", "get").count() == 5);
  const auto reset = faults.apply({{"reset", true}});
  REQUIRE(reset.has_value());
  CHECK(reset->accept_connections);
  CHECK_FALSE(faults.is_silent());
  CHECK(faults.take_delay("/x", "get").count() == 0);
}

TEST_CASE("delays, bad events and cut lists are counted down") {
  Faults faults;
  REQUIRE(
      faults
          .apply(*parse_json(
              R"({"delay":{"ms":5,"count":1},"bad_events":{"count":1,"form":"cut"},"cut_lists":{"after_bytes":9}})"))
          .has_value());
  CHECK(faults.take_delay("/x", "get").count() == 5);
  CHECK(faults.take_delay("/x", "get").count() == 0);
  CHECK(faults.take_event_fault() == Faults::EventFault::cut);
  CHECK(faults.take_event_fault() == Faults::EventFault::none);
  CHECK(faults.take_list_cut() == 9);
  CHECK_FALSE(faults.take_list_cut().has_value());
}

TEST_CASE("faults cannot be queued without bound") {
  Faults faults;
  std::size_t accepted = 0;
  while (accepted < 1000 && faults.apply({{"fail_requests", {{"count", 1}}}})) ++accepted;
  CHECK(accepted == request_faults_max);
}

}  // namespace
}  // namespace fairlead::kubesim
