#include "server/config/not_yet.hpp"

#include <array>

namespace fairlead::server {
namespace {

struct NotYetRow {
  std::string_view directive;
  std::string_view option;
  std::string_view value;    // "" for the option as a whole
  std::string_view instead;  // what to write
};

constexpr std::string_view remove_line = "remove the line";

constexpr auto not_yet = std::to_array<NotYetRow>({
    {"forward", "TO", "https://", "forward to plain DNS"},
    {"forward", "doh_method", "", remove_line},

    {"tls", "acme", "", "write 'tls CERT KEY' with files that cert-manager or another client of ACME keeps"},
});

struct NoEffectRow {
  std::string_view directive;
  std::string_view option;
  std::string_view reason;
};

constexpr auto no_effect = std::to_array<NoEffectRow>({
    {"errors", "stacktrace", "there are no panics to recover from"},
    {"template", "upstream", "targets of aliases are always looked up"},
    {"prometheus", "runtime_metrics", "there is no Go runtime to measure"},
});

}  // namespace

std::optional<std::string> describe_not_yet(std::string_view directive, std::string_view option,
                                            std::string_view value) {
  for (const NotYetRow& row : not_yet) {
    if (row.directive != directive || row.option != option) continue;
    if (!row.value.empty() && row.value != value) continue;
    std::string what = '\'' + std::string(row.option);
    if (!row.value.empty()) what += ' ' + std::string(row.value);
    return what + "' of '" + std::string(directive) + "' is not supported by this version yet; " +
           std::string(row.instead);
  }
  return std::nullopt;
}

std::optional<std::string> describe_no_effect(std::string_view directive, std::string_view option) {
  for (const NoEffectRow& row : no_effect) {
    if (row.directive == directive && row.option == option) {
      return '\'' + std::string(option) + "' of '" + std::string(directive) +
             "' is accepted without effect: " + std::string(row.reason);
    }
  }
  return std::nullopt;
}

}  // namespace fairlead::server
