#include "server/config/zone_file_options.hpp"

#include <charconv>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

// "{1}" and "${1}", as CoreDNS reads it.
struct GroupReference {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t group = 0;
};
std::optional<GroupReference> find_reference(std::string_view text, std::size_t from) {
  for (std::size_t begin = text.find('{', from); begin != std::string_view::npos; begin = text.find('{', begin + 1)) {
    const std::size_t end = text.find('}', begin);
    if (end == std::string_view::npos) return std::nullopt;
    std::size_t group = 0;
    const auto [rest, error] = std::from_chars(text.data() + begin + 1, text.data() + end, group);
    if (error != std::errc() || rest != text.data() + end) continue;
    return GroupReference{begin > from && text[begin - 1] == '$' ? begin - 1 : begin, end + 1, group};
  }
  return std::nullopt;
}

void read_directory(const Statement& option, OptionReader& reader, AutoOptions& options) {
  options.directory = option.argument(0).text;
  if (option.argument_count() == 1) return;
  if (option.argument_count() == 2) {
    return reader.fault(option.argument(1).at,
                        "'directory' needs the zone that a file stands for, too; write "
                        "'directory DIR [REGEXP ORIGIN]'");
  }
  auto pattern = reader.regular_expression(option.argument(1), RegularExpression::Groups::captured);
  if (!pattern) return;
  options.pattern = *std::move(pattern);
  options.origin = option.argument(2).text;
  if (options.pattern.group_count() == 0) {
    reader.fault(option.argument(1).at,
                 "the pattern of 'directory' has no group; write one, as in 'db\\.(.*)', for '{1}' to stand for");
  }
  std::size_t at = 0;
  while (const auto found = find_reference(options.origin, at)) {
    const GroupReference reference = found.value_or(GroupReference{});
    at = reference.end;
    if (reference.group > options.pattern.group_count()) {
      reader.fault(option.argument(2).at, "the pattern has no group " + std::to_string(reference.group));
    }
  }
}

void ignore_upstream(const Statement& option, OptionReader& reader) {
  reader.warn(option.name().at, "'upstream' is accepted without effect: aliases are followed through this server");
}

}  // namespace

void read_file(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  FileOptions options;
  const bool is_whole = reader.check_arguments(directive, 1, any_count, "file DBFILE [ZONES...]");
  if (is_whole) {
    options.path = directive.argument(0).text;
    options.zones = reader.zones_or_keys(directive.arguments().subspan(1), block);
  }
  reader.read_options(
      directive,
      {{"reload", 1, 1, "reload DURATION",
        [&](const Statement& option) {
          options.reload = reader.duration(option.argument(0)).value_or(options.reload);
        }},
       {"reload_by_mtime", 0, 0, "reload_by_mtime", [&](const Statement&) { options.reload_by_mtime = true; }},
       {"fallthrough", 0, any_count, "fallthrough [ZONES...]",
        [&](const Statement& option) { options.fallthrough = {true, reader.zones(option.arguments())}; }},
       {"upstream", 0, any_count, "upstream [ADDRESS...]",
        [&](const Statement& option) { ignore_upstream(option, reader); }}});
  if (is_whole) block.options.file.push_back(std::move(options));
}

void read_auto(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  AutoOptions options{.zones = reader.zones_or_keys(directive.arguments(), block),
                      .directory = {},
                      .pattern = *RegularExpression::parse("db\\.(.*)", RegularExpression::Groups::captured)};
  reader.read_options(directive, {{"directory", 1, 3, "directory DIR [REGEXP ORIGIN]",
                                   [&](const Statement& option) { read_directory(option, reader, options); }},
                                  {"reload", 1, 1, "reload DURATION",
                                   [&](const Statement& option) {
                                     options.reload = reader.duration(option.argument(0)).value_or(options.reload);
                                   }},
                                  {"upstream", 0, any_count, "upstream [ADDRESS...]",
                                   [&](const Statement& option) { ignore_upstream(option, reader); }}});
  if (options.directory.empty()) {
    reader.fault(directive.name().at,
                 "'auto' needs to know where the zone files are; write 'directory DIR' in its block");
  }
  block.options.auto_zones = std::move(options);
}

std::optional<dns::DomainName> origin_of_file(const AutoOptions& options, std::string_view file_name) {
  std::vector<std::string_view> groups;
  if (!options.pattern.find(file_name, groups)) return std::nullopt;
  std::string origin;
  std::size_t at = 0;
  while (const auto found = find_reference(options.origin, at)) {
    origin += options.origin.substr(at, found->begin - at);
    if (found->group < groups.size()) origin += groups[found->group];
    at = found->end;
  }
  origin += options.origin.substr(at);
  auto name = dns::DomainName::parse(origin);
  // Nobody means the root with a file "db.".
  if (!name || origin.empty()) return std::nullopt;
  return name->to_lower();
}

}  // namespace fairlead::server
