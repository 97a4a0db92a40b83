#include "server/config/label_selector.hpp"

#include <doctest/doctest.h>

#include <string>

namespace fairlead::server {
namespace {

TEST_CASE("equality-based and set-based selectors are accepted as the API server does") {
  const std::string longest(63, 'x');
  for (const std::string& text : std::initializer_list<std::string>{"",
                                                                    "  ",
                                                                    "a",
                                                                    "!a",
                                                                    "! a",
                                                                    "a=b",
                                                                    "a==b",
                                                                    "a!=b",
                                                                    "a = b",
                                                                    "a=",
                                                                    "a!=",
                                                                    "a=,b",
                                                                    "a in (b)",
                                                                    "a in(b,c)",
                                                                    "a notin ( b , c )",
                                                                    "a in ()",
                                                                    "a in (,)",
                                                                    "a in (b,)",
                                                                    "a in (,b),c",
                                                                    "environment in (staging, qa),application=nginx",
                                                                    "in=out",
                                                                    "in in (in, notin)",
                                                                    "notin",
                                                                    "a=in",
                                                                    "app.kubernetes.io/name=web",
                                                                    "a.b-c/D_e.f=G-h_i.J",
                                                                    longest + "=" + longest,
                                                                    std::string(63, 'p') + ".example/" + longest,
                                                                    "istio-injection=enabled,!x,y notin (z)"}) {
    CAPTURE(text);
    CHECK(describe_selector_fault(text).value_or("") == "");
  }
}

TEST_CASE("a selector that does not parse is a fault that says where") {
  struct Row {
    std::string text, part;
  };
  const std::string too_long(64, 'x');
  for (const Row& row : std::initializer_list<Row>{
           {"a b", "found 'b' where '=', '!=', 'in', 'notin' or ',' should be"},
           {"a=b c", "found 'c' where ',' between two requirements should be"},
           {"a=b,", "the label selector ends with ','"},
           {",a", "found ',' where the key of a label should be"},
           {"a,,b", "found ',' where the key of a label should be"},
           {"=b", "found '=' where the key of a label should be"},
           {"!", "the label selector ends where the key of a label should be"},
           {"!!a", "found '!' where the key of a label should be"},
           {"!a=b", "found '=' where ',' between two requirements should be"},
           {"a==", ""},
           {"a===b", "found '=' where the value of a label should be"},
           {"a in b", "found 'b' where '(' in front of the values should be"},
           {"a in", "the label selector ends where '(' in front of the values should be"},
           {"a in (b", "the label selector ends where ',' or ')' behind a value should be"},
           {"a in (b c)", "found 'c' where ',' or ')' behind a value should be"},
           {"a in (b))", "found ')' where ',' between two requirements should be"},
           {"a in ((b)", "found '(' where ',' or ')' behind a value should be"},
           {"a exists", "found 'exists'"},
           {"a>1", "'>' does not select labels of objects"},
           {"a<1", "'<' does not select labels of objects"},
           {"-a", "'-a' is not the key of a label"},
           {"a/b/c", "'a/b/c' is not the key of a label"},
           {"/a", "'/a' is not the key of a label"},
           {"a/", "'a/' is not the key of a label"},
           {"A.b/c", "'A.b/c' is not the key of a label"},
           {"a=b/c", "'b/c' is not the value of a label"},
           {"a=b-", "'b-' is not the value of a label"},
           {"a in (b,*)", "'*' is not the value of a label"},
           {too_long, "is not the key of a label"},
           {"a=" + too_long, "is not the value of a label"},
           {"a=\xc3\xa4", "is not the value of a label"},
       }) {
    CAPTURE(row.text);
    const auto fault = describe_selector_fault(row.text);
    CHECK(fault.has_value() == !row.part.empty());
    CHECK(fault.value_or("").contains(row.part));
  }
}

}  // namespace
}  // namespace fairlead::server
