#include "server/config/view_options.hpp"

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {

void read_view(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  ViewOptions options;
  if (reader.check_arguments(directive, 1, 1, "view NAME { expr EXPRESSION }")) {
    options.name = directive.argument(0).text;
    if (options.name.empty()) reader.fault(directive.argument(0).at, "the name of a view is empty; write one");
  }
  reader.read_options(directive, {{"expr", 1, any_count, "expr EXPRESSION", [&](const Statement& option) {
                                     std::string text;
                                     for (const Word& word : option.arguments()) {
                                       text += (text.empty() ? "" : " ") + word.text;
                                     }
                                     auto condition = Expression::parse_condition(text);
                                     if (condition) {
                                       options.conditions.push_back(std::move(*condition));
                                     } else {
                                       reader.fault(option.name().at, "bad expression: " + condition.error());
                                     }
                                   }}});
  if (directive.block.empty()) {
    reader.warn(directive.name().at, "'view' without 'expr' takes every query; write one in its block, or remove it");
  }
  block.options.view = std::move(options);
}

}  // namespace fairlead::server
