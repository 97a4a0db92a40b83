// The reader of `dnstap`.
#include "server/config/dnstap_options.hpp"

#include <algorithm>
#include <span>
#include <string_view>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

using Transport = DnstapOptions::Transport;

constexpr std::string_view syntax = "dnstap [listen] ENDPOINT [full] [WRITEBUFFER] [QUEUE]";
constexpr std::uint32_t write_buffer_mib_max = 1024;  // CoreDNS's
constexpr std::uint32_t queue_max = 4096;             // likewise
/// What the kernel takes for the path of a Unix socket.
constexpr std::size_t socket_path_octets_max = 107;
/// Each goes into every message.
constexpr std::size_t constant_octets_max = 255;

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

void read_endpoint(const Word& word, OptionReader& reader, DnstapOptions& options) {
  std::string_view text = word.text;
  const bool is_tls = take_prefix(text, "tls://");
  if (is_tls || take_prefix(text, "tcp://")) {
    options.transport = is_tls ? Transport::tls : Transport::tcp;
    // A slash behind the port means nothing.
    if (text.ends_with('/')) text.remove_suffix(1);
    const auto address = parse_http_address(text);
    if (!address || (address->host.empty() && !options.listens)) {
      return reader.fault(word.at, quote(word.text) + " is not an endpoint of dnstap; write one such as '" +
                                       (is_tls ? "tls" : "tcp") + "://192.0.2.1:6000'");
    }
    options.host = address->host;
    options.port = address->port;
    return;
  }
  const bool is_unix = take_prefix(text, "unix://");
  if (!is_unix && text.contains("://")) {
    return reader.fault(word.at, quote(word.text) +
                                     " is not an endpoint of dnstap; write a path, or tcp:// or tls:// "
                                     "in front of an address and a port");
  }
  if (text.empty())
    return reader.fault(word.at, "the path of the socket is empty; write one such as '/run/dnstap.sock'");
  if (text.size() > socket_path_octets_max) {
    return reader.fault(word.at, quote(text) + " is longer than the 107 octets that the path of a socket may have");
  }
  options.path = text;
}

// What stands behind the endpoint.
void read_sizes(std::span<const Word> words, OptionReader& reader, DnstapOptions& options) {
  if (!words.empty() && words[0].text == "full") {
    options.full = true;
    words = words.subspan(1);
  }
  const auto number = [&](const Word& word, std::uint32_t max, std::uint32_t& value) {
    value = static_cast<std::uint32_t>(reader.number(word, 1, max).value_or(value));
  };
  if (!words.empty()) number(words[0], write_buffer_mib_max, options.write_buffer_mib);
  if (words.size() > 1) number(words[1], queue_max, options.queue);
  if (words.size() > 2) {
    reader.fault(words[2].at, "too many arguments for 'dnstap'; write '" + std::string(syntax) + "'");
  }
}

std::string read_constant(const Statement& option, OptionReader& reader) {
  const Word& word = option.argument(0);
  if (word.text.size() > constant_octets_max) {
    reader.fault(word.at, quote(word.text) + " is longer than 255 octets, which every message would carry; shorten it");
  }
  return word.text;
}

void check(const DnstapOptions& options, const Statement& directive, OptionReader& reader) {
  const bool is_tls = options.transport == Transport::tls;
  if (options.listens && is_tls && !options.tls) {
    reader.fault(directive.name().at, "a tls:// listener needs a certificate; write 'tls CERT KEY [CA]' in its block");
  }
  if (options.tls && !(options.listens && is_tls)) {
    reader.fault(directive.name().at,
                 "'tls' of 'dnstap' is for 'listen tls://...' alone; remove it, or write tls:// for the endpoint");
  }
  if (options.skip_verify && !is_tls) {
    reader.warn(directive.name().at,
                "'skipverify' of 'dnstap' is without effect: there is nothing to verify but for tls://");
  }
}

}  // namespace

std::string DnstapOptions::endpoint() const {
  if (transport == Transport::unix_socket) return "unix://" + path;
  return (transport == Transport::tls ? "tls://" : "tcp://") + to_string(HttpAddress{host, port});
}

void read_dnstap(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  DnstapOptions options;
  options.at = reader.line_of(directive.name().at);
  if (!reader.check_arguments(directive, 1, any_count, syntax)) return;
  std::span<const Word> words = directive.arguments();
  options.listens = words[0].text == "listen";
  if (options.listens) words = words.subspan(1);
  if (words.empty()) {
    reader.fault(directive.name().at, "'dnstap listen' needs an endpoint; write '" + std::string(syntax) + "'");
  } else {
    read_endpoint(words[0], reader, options);
    read_sizes(words.subspan(1), reader, options);
  }
  reader.read_options(
      directive, {{"identity", 1, 1, "identity IDENTITY",
                   [&](const Statement& option) { options.identity = read_constant(option, reader); }},
                  {"version", 1, 1, "version VERSION",
                   [&](const Statement& option) { options.version = read_constant(option, reader); }},
                  {"extra", 1, 1, "extra EXTRA",
                   [&](const Statement& option) {
                     auto format = LogFormat::parse(option.argument(0).text, "'extra' of 'dnstap'");
                     if (format) {
                       options.extra = std::move(*format);
                     } else {
                       reader.fault(option.argument(0).at, std::move(format.error()));
                     }
                   }},
                  {"tls", 2, 3, "tls CERT KEY [CA]",
                   [&](const Statement& option) {
                     options.tls = {.certificate_file = option.argument(0).text,
                                    .key_file = option.argument(1).text,
                                    .ca_file = option.argument_count() > 2 ? option.argument(2).text : std::string()};
                   }},
                  {"skipverify", 0, 0, "skipverify", [&](const Statement&) { options.skip_verify = true; }}});
  if (!words.empty()) check(options, directive, reader);
  block.options.dnstap.push_back(std::move(options));
}

}  // namespace fairlead::server
