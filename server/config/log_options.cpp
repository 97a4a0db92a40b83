#include <array>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

constexpr std::array<std::string_view, 4> class_names = {"all", "success", "denial", "error"};

LogOptions::Classes read_classes(const Statement& option, OptionReader& reader, LogOptions::Classes classes) {
  for (const Word& word : option.arguments()) {
    const auto chosen = reader.choice(word, class_names);
    if (!chosen) continue;
    classes.success |= *chosen == 0 || *chosen == 1;
    classes.denial |= *chosen == 0 || *chosen == 2;
    classes.error |= *chosen == 0 || *chosen == 3;
  }
  return classes;
}

}  // namespace

void read_log(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  LogOptions options;
  auto names = directive.arguments();
  // The last word is the format if it has a brace, as CoreDNS tells them apart; there a single one is always a name.
  if (!names.empty() && names.back().text.contains('{')) {
    const Word& word = names.back();
    if (auto format = LogFormat::parse(word.text)) {
      options.format = std::move(*format);
    } else {
      reader.fault(word.at, std::move(format.error()));
    }
    names = names.first(names.size() - 1);
  }
  options.names = names.empty() ? std::vector<dns::DomainName>{dns::DomainName()} : reader.zones(names);
  LogOptions::Classes classes{.success = false, .denial = false, .error = false};
  reader.read_options(directive, {{"class", 1, any_count, "class all|success|denial|error...",
                                   [&](const Statement& option) { classes = read_classes(option, reader, classes); }}});
  if (classes != LogOptions::Classes{.success = false, .denial = false, .error = false}) options.classes = classes;
  block.options.log.push_back(std::move(options));
}

}  // namespace fairlead::server
