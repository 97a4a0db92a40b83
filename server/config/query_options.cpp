// The readers of the small directives that answer or change a query by themselves.
#include "server/config/query_options.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/limits.hpp"
#include "server/config/option_reader.hpp"
#include "zones/dns/message_reader.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t character_string_octets_max = 255;  // RFC 1035 §3.3
constexpr std::uint16_t bufsize_min = 512;
constexpr std::uint16_t bufsize_max = 4096;
constexpr unsigned multisocket_max = 1024;

// Text that a TXT record or an option can hold; CoreDNS cuts it off.
std::string read_text(const Word& word, OptionReader& reader) {
  if (word.text.size() <= character_string_octets_max) return word.text;
  reader.fault(word.at, quote(word.text) + " is longer than the 255 octets of a text in DNS; shorten it");
  return {};
}

void check_bare(const Statement& directive, OptionReader& reader) {
  reader.check_no_block(directive);
  reader.check_arguments(directive, 0, 0, directive.name().text);
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

void read_header_rule(const Statement& rule, OptionReader& reader, HeaderOptions& options) {
  constexpr std::string_view syntax = "write 'query|response set|clear aa|ra|rd...'";
  const std::string selector = lower(rule.name().text);
  const std::string action = lower(rule.argument(0).text);
  if (action != "set" && action != "clear") {
    return reader.fault(rule.argument(0).at, quote(action) + " is no action of 'header'; " + std::string(syntax));
  }
  for (const Word& word : rule.arguments().subspan(1)) {
    const std::string name = lower(word.text);
    const std::uint16_t flag = name == "aa"   ? dns::Header::aa
                               : name == "ra" ? dns::Header::ra
                               : name == "rd" ? dns::Header::rd
                                              : 0;
    if (flag == 0) {
      reader.fault(word.at, quote(word.text) + " is no flag that 'header' changes; write aa, ra or rd");
    } else if (selector == "response") {
      options.response.push_back({flag, action == "set"});
    } else if (flag == dns::Header::rd) {
      options.query.push_back({flag, action == "set"});
    } else {
      reader.warn(word.at, quote(word.text) + " of 'query' is accepted without effect: it means nothing in a query");
    }
  }
}

}  // namespace

std::string below_root(const std::optional<RootOptions>& root, const std::string& path) {
  if (!root || root->path.empty() || path.starts_with('/')) return path;
  return root->path + (root->path.ends_with('/') ? "" : "/") + path;
}

void read_root(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  reader.check_no_block(directive);
  if (!reader.check_arguments(directive, 1, 1, "root PATH")) return;
  block.options.root = RootOptions{directive.argument(0).text};
}

void read_cancel(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  CancelOptions options;
  reader.check_no_block(directive);
  if (reader.check_arguments(directive, 0, 1, "cancel [TIMEOUT]") && directive.argument_count() == 1) {
    options.timeout = reader.duration(directive.argument(0), std::chrono::nanoseconds(1)).value_or(options.timeout);
  }
  block.options.cancel = options;
}

void read_timeouts(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  TimeoutsOptions options;
  reader.check_arguments(directive, 0, 0, "timeouts { read|write|idle DURATION }");
  const auto duration = [&](const Statement& option, std::optional<std::chrono::nanoseconds>& value) {
    value = reader.duration(option.argument(0), std::chrono::seconds(1));
    if (value && *value > std::chrono::hours(24)) {
      reader.fault(option.argument(0).at, quote(option.argument(0).text) + " is more than a day; write '24h' or less");
    }
  };
  reader.read_options(
      directive, {{"read", 1, 1, "read DURATION", [&](const Statement& option) { duration(option, options.read); }},
                  {"write", 1, 1, "write DURATION", [&](const Statement& option) { duration(option, options.write); }},
                  {"idle", 1, 1, "idle DURATION", [&](const Statement& option) { duration(option, options.idle); }},
                  {"maxtcpqueries", 1, 1, "maxtcpqueries N", [&](const Statement& option) {
                     const Word& word = option.argument(0);
                     if (word.text == "-1") {
                       options.queries_max = 0;
                     } else if (const auto count = reader.number(word, 1, 1'000'000'000)) {
                       options.queries_max = static_cast<std::uint32_t>(*count);
                     }
                   }}});
  if (directive.block.empty()) {
    reader.fault(directive.name().at,
                 "'timeouts' sets nothing; write 'read DURATION', 'write DURATION', 'idle "
                 "DURATION' or 'maxtcpqueries N' in its block, or remove it");
  }
  block.options.timeouts = options;
}

void read_multisocket(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  reader.check_no_block(directive);
  if (reader.check_arguments(directive, 0, 1, "multisocket [N]") && directive.argument_count() == 1) {
    reader.number(directive.argument(0), 1, multisocket_max);
  }
  reader.warn(directive.name().at,
              "'multisocket' is accepted without effect: each worker thread has sockets of its own, one a core");
  block.options.multisocket = MultisocketOptions{};
}

void read_shed(const Statement& directive, OptionReader& reader, ServerBlock&) {
  check_bare(directive, reader);
  reader.warn(
      directive.name().at,
      "'shed' is accepted without effect: a worker writes its replies before it takes more queries, so none pile "
      "up");
}

void read_nsid(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  constexpr std::size_t nsid_octets_max = 128;
  NsidOptions options;
  reader.check_no_block(directive);
  for (const Word& word : directive.arguments()) options.data += (options.data.empty() ? "" : " ") + word.text;
  if (options.data.size() > nsid_octets_max) {
    reader.fault(directive.argument(0).at, "the text of 'nsid' is longer than " + std::to_string(nsid_octets_max) +
                                               " octets, which every reply would carry; shorten it");
  }
  block.options.nsid = std::move(options);
}

void read_bufsize(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  BufsizeOptions options;
  reader.check_no_block(directive);
  if (reader.check_arguments(directive, 0, 1, "bufsize [SIZE]") && directive.argument_count() == 1) {
    const Word& word = directive.argument(0);
    options.octets = static_cast<std::uint16_t>(reader.number(word, bufsize_min, bufsize_max).value_or(options.octets));
    if (options.octets > dns::udp_octets_max) {
      reader.warn(word.at, "'bufsize " + word.text + "' is more than the " + std::to_string(dns::udp_octets_max) +
                               " octets that a reply over UDP has at most; that is what counts");
    }
  }
  block.options.bufsize = options;
}

void read_local(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  LocalOptions options;
  reader.check_arguments(directive, 0, 0, "local");
  reader.read_options(directive, {{"localhost_prefix", 1, 1, "localhost_prefix on|off", [&](const Statement& option) {
                                     static constexpr std::array<std::string_view, 2> choices{"on", "off"};
                                     options.localhost_prefix = reader.choice(option.argument(0), choices) == 0;
                                   }}});
  block.options.local = options;
}

void read_any(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  check_bare(directive, reader);
  block.options.any = AnyOptions{};
}

void read_chaos(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  ChaosOptions options;
  reader.check_no_block(directive);
  if (directive.argument_count() > 0) options.version = read_text(directive.argument(0), reader);
  std::set<std::string> authors;
  for (const Word& word : directive.arguments().subspan(std::min<std::size_t>(1, directive.argument_count()))) {
    authors.insert(read_text(word, reader));
  }
  options.authors.assign(authors.begin(), authors.end());
  block.options.chaos = std::move(options);
}

void read_header(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  HeaderOptions options;
  reader.check_arguments(directive, 0, 0, "header { query|response set|clear FLAG... }");
  const auto read = [&](const Statement& rule) { read_header_rule(rule, reader, options); };
  reader.read_options(directive, {{"query", 2, any_count, "query set|clear rd...", read},
                                  {"response", 2, any_count, "response set|clear aa|ra|rd...", read}});
  if (directive.block.empty()) {
    reader.fault(directive.name().at, "'header' changes nothing; write 'response set ra' or the like in its block");
  }
  block.options.header = std::move(options);
}

void read_minimal(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  check_bare(directive, reader);
  block.options.minimal = MinimalOptions{};
}

void read_whoami(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  check_bare(directive, reader);
  block.options.whoami = WhoamiOptions{};
}

}  // namespace fairlead::server
