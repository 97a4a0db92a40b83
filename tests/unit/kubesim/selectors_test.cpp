#include "tools/kubesim/selectors.hpp"

#include <doctest/doctest.h>

namespace fairlead::kubesim {
namespace {

bool selects(const char* selector, const Json& labels) {
  const auto parsed = LabelSelector::parse(selector);
  REQUIRE_MESSAGE(parsed.has_value(), selector);
  return parsed->matches(Labels::from_json(&labels));
}

TEST_CASE("label selectors by equality and by set") {
  const Json web = {{"app", "web"}, {"tier", "front"}, {"empty", ""}};
  struct Row {
    const char* selector;
    bool matches;
  };
  for (const Row& row : {Row{"", true},
                         {"app=web", true},
                         {"app==web", true},
                         {"app=db", false},
                         {"app!=db", true},
                         {"app!=web", false},
                         {"missing!=x", true},
                         {"app", true},
                         {"missing", false},
                         {"!missing", true},
                         {"!app", false},
                         {"app in (db, web)", true},
                         {"app in (db)", false},
                         {"app notin (db,cache)", true},
                         {"app notin (web)", false},
                         {"missing notin (web)", true},
                         {"empty=", true},
                         {"app=", false},
                         {"app=web,tier=front", true},
                         {"app=web,tier=back", false},
                         {" app in (web) , !missing ,tier", true},
                         {"example.com/in=x", false}}) {
    INFO(std::string(row.selector));
    CHECK(selects(row.selector, web) == row.matches);
  }
}

TEST_CASE("label selectors that cannot be read are refused") {
  for (const char* text :
       {"=web", "app in web", "app in (web", "app=web tier=front", "app,", "!", "app in (a b)", "(", ","}) {
    INFO(std::string(text));
    CHECK_FALSE(LabelSelector::parse(text).has_value());
  }
}

TEST_CASE("field selectors look at name, namespace and the kind's own fields") {
  ObjectRegistry registry({}, 1, 1);
  const ObjectPtr pod = registry.put(
      kind::pod(), {{"metadata", {{"namespace", "a"}, {"name", "p"}}}, {"status", {{"phase", "Running"}}}});
  const auto selects_pod = [&](const char* text) {
    const auto parsed = FieldSelector::parse(kind::pod(), text);
    REQUIRE_MESSAGE(parsed.has_value(), text);
    return parsed->matches(*pod);
  };
  CHECK(selects_pod("metadata.name=p"));
  CHECK(selects_pod("metadata.namespace==a,status.phase=Running"));
  // What cluster DNS asks for.
  CHECK(selects_pod("status.phase!=Succeeded,status.phase!=Failed,status.phase!=Unknown"));
  CHECK_FALSE(selects_pod("status.phase!=Running"));
  CHECK_FALSE(selects_pod("metadata.name!=p"));
  CHECK(selects_pod("spec.nodeName="));
  CHECK_FALSE(FieldSelector::parse(kind::pod(), "spec.madeUp=x").has_value());
  CHECK_FALSE(FieldSelector::parse(kind::endpoint_slice(), "status.phase=x").has_value());
  CHECK_FALSE(FieldSelector::parse(kind::pod(), "metadata.name").has_value());
}

}  // namespace
}  // namespace fairlead::kubesim
