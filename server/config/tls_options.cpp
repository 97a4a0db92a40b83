#include "server/config/tls_options.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

constexpr std::string_view tls_syntax = "tls CERT KEY [CA]";

// In the order of ClientCertificate.
constexpr std::array<std::string_view, 5> client_auth_words{"nocert", "request", "require", "verify_if_given",
                                                            "require_and_verify"};

bool verifies(ClientCertificate certificate) {
  return certificate == ClientCertificate::verify_if_given || certificate == ClientCertificate::require_and_verify;
}

auto what_counts(const TlsOptions& options) {
  return std::tie(options.certificate_file, options.key_file, options.ca_file, options.client_certificate,
                  options.keylog_file);
}

}  // namespace

TlsOptions below_root(const std::optional<RootOptions>& root, TlsOptions options) {
  for (std::string* path : {&options.certificate_file, &options.key_file, &options.ca_file, &options.keylog_file}) {
    if (!path->empty()) *path = below_root(root, *path);
  }
  return options;
}

bool is_same_tls(const TlsOptions& a, const TlsOptions& b) { return what_counts(a) == what_counts(b); }

void read_tls(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  TlsOptions options;
  options.at = reader.line_of(directive.name().at);
  const auto acme =
      std::ranges::find(directive.block, "acme", [](const Statement& option) { return option.name().text; });
  if (acme != directive.block.end()) {
    // The other options belong to it; one fault is enough.
    reader.is_not_yet(acme->name().at, "tls", "acme", "");
    return;
  }
  if (reader.check_arguments(directive, 2, 3, tls_syntax)) {
    options.certificate_file = directive.argument(0).text;
    options.key_file = directive.argument(1).text;
    if (directive.argument_count() > 2) options.ca_file = directive.argument(2).text;
  }
  reader.read_options(
      directive, {{"client_auth", 1, 1, "client_auth MODE",
                   [&](const Statement& option) {
                     const auto chosen = reader.choice(option.argument(0), client_auth_words);
                     if (chosen) options.client_certificate = static_cast<ClientCertificate>(*chosen);
                   }},
                  {"keylog", 1, 1, "keylog FILE", [&](const Statement& option) {
                     options.keylog_file = option.argument(0).text;
                     reader.warn(option.name().at,
                                 "'keylog' writes the secrets of every connection to " + quote(options.keylog_file) +
                                     ": who reads that file can read all queries; it is for debugging alone");
                   }}});
  if (!options.ca_file.empty() && !verifies(options.client_certificate)) {
    reader.warn(directive.argument(2).at,
                "the CA of 'tls' has no effect: no certificate of a client is verified without 'client_auth "
                "verify_if_given' or 'client_auth require_and_verify'");
  }
  block.options.tls = std::move(options);
}

}  // namespace fairlead::server
