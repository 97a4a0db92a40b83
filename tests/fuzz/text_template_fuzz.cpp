// Any octets as a template's text and as a view's condition: it parses or says why not, and a run ends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/config/expression.hpp"
#include "server/config/text_template.hpp"

namespace {

using namespace fairlead::server;

void require(bool condition) {
  if (!condition) std::abort();
}

class Data final : public TemplateData {
 public:
  TemplateValue field(std::string_view name) const override {
    if (name == "Match") return TemplateList{std::string("a.example."), std::string("a")};
    if (name == "Group") return TemplateMap{{"0", std::string("a.example.")}, {"host", std::string("a")}};
    return std::string(name);
  }
  std::string meta(std::string_view label) const override { return std::string(label); }
};

class Input final : public ExpressionInput {
 public:
  bool flag(QueryField) const override { return true; }
  std::int64_t number(QueryField field) const override { return static_cast<std::int64_t>(field); }
  std::string text(QueryField field) const override {
    return field == QueryField::client_ip || field == QueryField::server_ip ? "192.0.2.1" : "a.example.";
  }
  std::string metadata(std::string_view label) const override { return std::string(label); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // longer texts add nothing but time
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto parsed = TextTemplate::parse(text)) {
    const auto printed = parsed->run(Data());
    if (printed) {
      require(printed->size() <= template_output_octets_max);
    } else {
      require(!printed.error().empty());
    }
  } else {
    require(!parsed.error().empty());
  }
  if (const auto condition = Expression::parse_condition(text)) {
    condition->holds(Input());
    require(condition->text() == text);
  } else {
    require(!condition.error().empty());
  }
  return 0;
}
