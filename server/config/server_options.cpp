// The directives of the process, its listeners and its logs.
#include <algorithm>
#include <array>

#include "server/config/corefile.hpp"
#include "server/config/directive_readers.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

using std::chrono::seconds;

std::vector<BindOptions::Target> read_targets(std::span<const Word> words, OptionReader& reader) {
  constexpr std::size_t interface_name_octets_max = 15;  // IFNAMSIZ without its NUL
  std::vector<BindOptions::Target> targets;
  for (const Word& word : words) {
    if (std::string address = canonical_address(word.text); !address.empty()) {
      targets.push_back({std::move(address), false});
      continue;
    }
    const bool is_numeric = word.text.find_first_not_of("0123456789.") == std::string::npos;
    const bool is_interface = !word.text.empty() && word.text.size() <= interface_name_octets_max && !is_numeric &&
                              word.text.find_first_of(":/[] \t") == std::string::npos;
    if (is_interface) {
      targets.push_back({word.text, true});
    } else {
      reader.fault(word.at, quote(word.text) +
                                " is neither an IP address nor the name of an interface; write one such as "
                                "'10.0.0.10' or 'eth0', and ports after the zones");
    }
  }
  return targets;
}

ErrorsOptions::Level level_of(std::string_view name, bool& is_level) {
  using enum ErrorsOptions::Level;
  is_level = true;
  if (name == "warning") return warning;
  if (name == "error") return error;
  if (name == "info") return info;
  if (name == "debug") return debug;
  is_level = false;
  return error;
}

void read_consolidate(const Statement& option, OptionReader& reader, ErrorsOptions& errors) {
  const auto period = reader.duration(option.argument(0));
  auto pattern = reader.regular_expression(option.argument(1));
  ErrorsOptions::Level level = ErrorsOptions::Level::error;
  bool has_level = false;
  bool show_first = false;
  for (std::size_t i = 2; i < option.argument_count(); ++i) {
    const Word& word = option.argument(i);
    bool is_level = false;
    const ErrorsOptions::Level named = level_of(word.text, is_level);
    if (is_level && !has_level && !show_first) {
      level = named;
      has_level = true;
    } else if (word.text == "show_first" && !show_first) {
      show_first = true;
    } else {
      reader.fault(word.at, "unexpected " + quote(word.text) +
                                "; write 'consolidate DURATION REGEXP [warning|error|info|debug] [show_first]'");
    }
  }
  if (period && pattern) errors.consolidate.push_back({*period, std::move(*pattern), level, show_first});
}

}  // namespace

void read_reload(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  ReloadOptions options;
  reader.check_no_block(directive);
  if (reader.check_arguments(directive, 0, 2, "reload [INTERVAL] [JITTER]")) {
    if (directive.argument_count() > 0) {
      options.interval = reader.duration(directive.argument(0), seconds(2)).value_or(options.interval);
    }
    if (directive.argument_count() > 1) {
      options.jitter = reader.duration(directive.argument(1)).value_or(options.jitter);
      if (options.jitter > Duration::zero() && options.jitter < seconds(1)) {
        reader.fault(directive.argument(1).at,
                     "the jitter " + quote(directive.argument(1).text) + " is too short; write '0s', or '1s' or more");
      }
    }
    // More jitter than this would let two checks overtake each other.
    options.jitter = std::min(options.jitter, options.interval / 2);
  }
  block.options.reload = options;
}

void read_bind(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  BindOptions options;
  if (reader.check_arguments(directive, 1, any_count, "bind ADDRESS|INTERFACE...")) {
    options.targets = read_targets(directive.arguments(), reader);
  }
  reader.read_options(directive, {{"except", 1, any_count, "except ADDRESS|INTERFACE...", [&](const Statement& option) {
                                     for (auto& target : read_targets(option.arguments(), reader)) {
                                       options.except.push_back(std::move(target));
                                     }
                                   }}});
  block.options.bind.push_back(std::move(options));
}

void read_metadata(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  reader.check_no_block(directive);
  block.options.metadata = MetadataOptions{reader.zones_or_keys(directive.arguments(), block)};
}

void read_debug(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  reader.check_no_block(directive);
  reader.check_arguments(directive, 0, 0, "debug");
  block.options.debug.emplace();
}

void read_ready(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  ReadyOptions options;
  if (reader.check_arguments(directive, 0, 1, "ready [ADDRESS]") && directive.argument_count() == 1) {
    options.address = reader.http_address(directive.argument(0)).value_or(options.address);
  }
  reader.read_options(directive,
                      {{"monitor", 1, 1, "monitor until-ready|continuously", [&](const Statement& option) {
                          static constexpr std::array<std::string_view, 2> modes = {"until-ready", "continuously"};
                          if (const auto mode = reader.choice(option.argument(0), modes)) {
                            options.monitor =
                                *mode == 0 ? ReadyOptions::Monitor::until_ready : ReadyOptions::Monitor::continuously;
                          }
                        }}});
  block.options.ready = std::move(options);
}

void read_health(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  HealthOptions options;
  if (reader.check_arguments(directive, 0, 1, "health [ADDRESS]") && directive.argument_count() == 1) {
    options.address = reader.http_address(directive.argument(0)).value_or(options.address);
  }
  reader.read_options(directive, {{"lameduck", 1, 1, "lameduck DURATION", [&](const Statement& option) {
                                     options.lameduck = reader.duration(option.argument(0)).value_or(options.lameduck);
                                   }}});
  block.options.health = std::move(options);
}

void read_prometheus(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  PrometheusOptions options;
  if (reader.check_arguments(directive, 0, 1, "prometheus [ADDRESS]") && directive.argument_count() == 1) {
    options.address = reader.http_address(directive.argument(0)).value_or(options.address);
  }
  reader.read_options(
      directive,
      {{"runtime_metrics", 0, 0, "runtime_metrics", [&](const Statement&) { options.runtime_metrics = true; }},
       {"tls", 1, 1, "tls FILE", [&](const Statement& option) { options.tls_config_file = option.argument(0).text; }}});
  block.options.prometheus = std::move(options);
}

void read_errors(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  ErrorsOptions options;
  if (reader.check_arguments(directive, 0, 1, "errors") && directive.argument_count() == 1 &&
      directive.argument(0).text != "stdout") {
    reader.fault(directive.argument(0).at, "'errors' cannot log to " + quote(directive.argument(0).text) +
                                               "; write 'errors', which logs to the standard output");
  }
  reader.read_options(directive,
                      {{"stacktrace", 0, 0, "stacktrace", [&](const Statement&) { options.stacktrace = true; }},
                       {"consolidate", 2, 4, "consolidate DURATION REGEXP [LEVEL] [show_first]",
                        [&](const Statement& option) { read_consolidate(option, reader, options); }}});
  block.options.errors = std::move(options);
}

void read_loadbalance(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  LoadbalanceOptions options;
  if (directive.argument_count() > 0) {
    static constexpr std::array<std::string_view, 2> policies = {"round_robin", "weighted"};
    const auto policy = reader.choice(directive.argument(0), policies);
    if (policy == 0) {
      reader.check_arguments(directive, 0, 1, "loadbalance round_robin");
    } else if (policy == 1) {
      options.policy = LoadbalanceOptions::Policy::weighted;
      if (reader.check_arguments(directive, 2, 2, "loadbalance weighted FILE")) {
        options.weight_file = directive.argument(1).text;
      }
    }
  }
  reader.read_options(
      directive, {{"reload", 1, 1, "reload DURATION",
                   [&](const Statement& option) {
                     if (options.policy != LoadbalanceOptions::Policy::weighted) {
                       reader.fault(option.name().at, "'reload' of 'loadbalance' goes with 'weighted' only; remove it");
                     }
                     options.weight_reload = reader.duration(option.argument(0)).value_or(options.weight_reload);
                   }},
                  {"prefer", 1, any_count, "prefer NETWORK...", [&](const Statement& option) {
                     for (const Word& word : option.arguments()) {
                       auto network = parse_network(word.text);
                       if (network) {
                         options.prefer.push_back(std::move(*network));
                       } else {
                         reader.fault(word.at, std::move(network.error()));
                       }
                     }
                   }}});
  block.options.loadbalance = std::move(options);
}

void read_loop(const Statement& directive, OptionReader& reader, ServerBlock& block) {
  reader.check_no_block(directive);
  LoopOptions options;
  if (reader.check_arguments(directive, 0, 1, "loop [degrade]") && directive.argument_count() == 1) {
    options.degrades = directive.argument(0).text == "degrade";
    if (!options.degrades) {
      reader.fault(directive.argument(0).at,
                   "unexpected " + quote(directive.argument(0).text) + "; write 'loop' or 'loop degrade'");
    }
  }
  if (!block.keys.empty()) options.zone = block.keys.front().zone;
  block.options.loop = std::move(options);
}

}  // namespace fairlead::server
