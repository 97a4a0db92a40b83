#include "zones/dns/domain_name.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "wire.hpp"

using namespace fairlead;
using namespace fairlead::dns;
using wire::name;

namespace {

std::string repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  while (times-- > 0) repeated += text;
  return repeated;
}

}  // namespace

TEST_CASE("a name in presentation form is read and written back in its canonical spelling") {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "."},
      {".", "."},
      {"example.com", "example.com."},
      {"example.com.", "example.com."},
      {"Example.COM", "Example.COM."},
      {R"(a\.b.example.)", R"(a\.b.example.)"},
      {R"(\097.example)", "a.example."},
      {R"(\000\255.example)", R"(\000\255.example.)"},
      {R"(\e\x.example)", "ex.example."},
      {R"(a\\b.example)", R"(a\\b.example.)"},
      {R"(sp ace.example)", R"(sp\032ace.example.)"},
      {R"(\@\$\"\;\(\).example)", R"(\@\$\"\;\(\).example.)"},
      {"_http._tcp.web", "_http._tcp.web."},
      {R"(ends\.)", R"(ends\..)"},
      {R"(ends\\.)", R"(ends\\.)"},
  };
  for (const auto& [text, written] : cases) {
    CAPTURE(text);
    const auto parsed = DomainName::parse(text);
    REQUIRE(parsed.has_value());
    CHECK(parsed->to_string() == written);
    CHECK(DomainName::parse(parsed->to_string()) == *parsed);
  }
}

TEST_CASE("every octet survives presentation form") {
  std::string wire;
  for (int first = 0; first < 256; first += 32) {
    DomainName built;
    std::string label;
    for (int octet = first; octet < first + 32; ++octet) label += static_cast<char>(octet);
    built = *built.with_label(label);
    const auto parsed = DomainName::parse(built.to_string());
    REQUIRE(parsed.has_value());
    CHECK(std::ranges::equal(parsed->view().wire(), built.view().wire()));
  }
}

TEST_CASE("exactly A to Z lose their case, wherever in a name they stand (RFC 4343)") {
  for (std::size_t in_front = 0; in_front < 9; ++in_front) {
    for (int octet = 0; octet < 256; ++octet) {
      const auto built = *DomainName().with_label(std::string(in_front, '@') + static_cast<char>(octet) + "Z[`az{");
      std::array<std::uint8_t, name_octets_max> lower;
      built.view().copy_lower(lower.data());
      for (std::size_t i = 0; i < built.view().size(); ++i) {
        REQUIRE(lower[i] == to_lower(built.view().data()[i]));
      }
      const auto flipped =
          *DomainName().with_label(std::string(in_front, '@') + static_cast<char>(octet ^ 0x20) + "z[`AZ{");
      const bool is_letter = (octet >= 'A' && octet <= 'Z') || (octet >= 'a' && octet <= 'z');
      REQUIRE((built == flipped) == is_letter);
    }
  }
}

TEST_CASE("what is no name says why") {
  const std::pair<std::string, NameError> cases[] = {
      {"..", NameError::empty_label},
      {".example", NameError::empty_label},
      {"a..b", NameError::empty_label},
      {"a..", NameError::empty_label},
      {repeat("x", 64), NameError::label_too_long},
      {repeat("x", 64) + ".example", NameError::label_too_long},
      {repeat(repeat("x", 63) + ".", 4), NameError::name_too_long},
      {repeat("a.", 128), NameError::name_too_long},
      {"a\\", NameError::bad_escape},
      {"a\\1", NameError::bad_escape},
      {"a\\12", NameError::bad_escape},
      {"a\\12x", NameError::bad_escape},
      {"a\\256", NameError::bad_escape},
  };
  for (const auto& [text, error] : cases) {
    CAPTURE(text);
    const auto parsed = DomainName::parse(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error() == error);
  }
}

TEST_CASE("the longest label and the longest names fit exactly") {
  CHECK(name(repeat("x", 63)).view().size() == 65);
  const auto longest = name(repeat(repeat("x", 63) + ".", 3) + repeat("y", 61));
  CHECK(longest.view().size() == name_octets_max);
  CHECK_FALSE(longest.with_label("z").has_value());
  const auto most_labels = name(repeat("a.", labels_max));
  CHECK(most_labels.view().size() == name_octets_max);
  CHECK(most_labels.view().label_count() == labels_max);
  const LabelOffsets offsets(most_labels);
  CHECK(offsets.count == labels_max);
  CHECK(offsets.offset[labels_max] == name_octets_max - 1);
}

TEST_CASE("a wire name must end within its octets and hold no pointers") {
  using Octets = std::vector<std::uint8_t>;
  const auto error_of = [](const Octets& octets) {
    const auto parsed = DomainName::from_wire(octets);
    REQUIRE_FALSE(parsed.has_value());
    return parsed.error();
  };
  CHECK(error_of({}) == NameError::truncated);
  CHECK(error_of({1}) == NameError::truncated);
  CHECK(error_of({1, 'a'}) == NameError::truncated);
  CHECK(error_of({3, 'a', 0}) == NameError::truncated);
  CHECK(error_of({0xc0, 0x0c}) == NameError::pointer);
  CHECK(error_of({1, 'a', 0x40, 0}) == NameError::pointer);
  Octets endless;
  for (int i = 0; i < 300; ++i) endless.insert(endless.end(), {1, 'a'});
  CHECK(error_of(endless) == NameError::name_too_long);
  CHECK(DomainName::from_wire(Octets{1, 'a', 0, 9, 9})->to_string() == "a.");
}

TEST_CASE("a name is below a zone only at a label boundary, whatever octets its labels hold") {
  struct Case {
    std::string_view name, zone;
    bool below;
  };
  const Case cases[] = {
      {"web.default.svc.cluster.local", "cluster.local", true},
      {"CLUSTER.LOCAL", "cluster.local", true},
      {"web.ClUsTeR.lOcAl", "CLUSTER.local", true},
      {"cluster.local", "cluster.local", true},
      {"local", "cluster.local", false},
      {"xcluster.local", "cluster.local", false},
      {"x.notcluster.local", "cluster.local", false},
      {"anything", ".", true},
      {".", ".", true},
      {".", "local", false},
      {"cluster.local.evil", "cluster.local", false},
      // The octets of the zone in wire form, "\7cluster\5local\0", stand inside of a single label.
      {R"(x\007cluster\005local)", "cluster.local", false},
      {R"(\007cluster\005local.)", "cluster.local", false},
      {R"(web\.cluster.local)", "cluster.local", false},
  };
  for (const auto& [below_name, zone, below] : cases) {
    CAPTURE(below_name);
    CAPTURE(zone);
    CHECK(name(below_name).view().is_at_or_below(name(zone)) == below);
  }
}

TEST_CASE("case matters neither for equality nor for hashing, other octets do (RFC 4343)") {
  CHECK(name("WEB.Example") == name("web.eXAMPLE"));
  CHECK(hash_value(name("WEB.Example")) == hash_value(name("web.eXAMPLE")));
  CHECK(name("WEB.Example").to_lower().to_string() == "web.example.");
  CHECK(name("[.example") != name("{.example"));  // 0x5b and 0x7b differ in the bit of case
  CHECK(name(R"(\192.example)") != name(R"(\224.example)"));
  CHECK(name("a.bc") != name("ab.c"));
  CHECK(name(R"(a\.b.c)") != name("a.b.c"));
}

TEST_CASE("canonical order goes by labels from the right, shorter first (RFC 4034 §6.1)") {
  // The example of the RFC.
  const std::string_view ordered[] = {"example",           "a.example",      "yljkjljk.a.example",
                                      "Z.a.example",       "zABC.a.EXAMPLE", "z.example",
                                      R"(\001.z.example)", "*.z.example",    R"(\200.z.example)"};
  std::vector<DomainName> names;
  for (const auto text : ordered) names.push_back(name(text));
  for (std::size_t i = 0; i < names.size(); ++i) {
    for (std::size_t k = 0; k < names.size(); ++k) {
      CAPTURE(names[i].to_string());
      CAPTURE(names[k].to_string());
      CHECK(compare_canonical(names[i], names[k]) == (i <=> k));
    }
  }
  CHECK(compare_canonical(name("A.Example"), name("a.eXAMPLE")) == std::strong_ordering::equal);
  CHECK(compare_canonical(name("."), name("a")) == std::strong_ordering::less);
}

TEST_CASE("labels are taken off at the left down to the root") {
  const auto whole = name("a.bc.d");
  CHECK(whole.view().label_count() == 3);
  CHECK(whole.view().first_label() == "a");
  CHECK(whole.view().parent().to_string() == "bc.d.");
  CHECK(whole.view().parent().parent().parent().is_root());
  CHECK(NameView().parent().is_root());
  CHECK(NameView().first_label().empty());
}

TEST_CASE("a label put in front obeys the limits") {
  CHECK(name("example").with_label("a.b")->to_string() == R"(a\.b.example.)");
  CHECK(name("example").with_label("").error() == NameError::empty_label);
  CHECK(name("example").with_label(repeat("x", 64)).error() == NameError::label_too_long);
  CHECK(name("example").with_label(repeat("x", 63)).has_value());
}
