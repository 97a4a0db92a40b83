// What the readers of all directives share: argument counts, values and the options of a block, with their faults.
//
// Each function reports what is wrong where it stands and returns nothing or a default, so that a reader reads on.
//
// Threads: none; one reader a load.
// Limits: zones_max zone names and regular_expressions_max patterns in one Corefile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/corefile_parser.hpp"
#include "server/config/directive_options.hpp"
#include "server/config/fault_collector.hpp"
#include "server/config/option_values.hpp"
#include "server/config/regular_expression.hpp"
#include "server/config/source_reader.hpp"

namespace fairlead::server {

struct ServerBlock;

/// An option of a directive's block.
struct OptionRow {
  std::string_view name;
  std::size_t arguments_min = 0;
  std::size_t arguments_max = 0;
  std::string_view syntax;  // "lameduck DURATION"
  std::function<void(const Statement& option)> read;
};

inline constexpr std::size_t any_count = std::numeric_limits<std::size_t>::max();

class OptionReader {
 public:
  OptionReader(FaultCollector& faults, SourceReader& files) : faults_(faults), files_(files) {}

  void fault(SourcePosition at, std::string message) { faults_.fault(at, std::move(message)); }
  void warn(SourcePosition at, std::string message) { faults_.warn(at, std::move(message)); }
  SourceLine line_of(SourcePosition at) const { return faults_.line_of(at); }
  bool is_file(const std::string& path) { return files_.is_file(path); }

  /// False, with a fault, when the statement has too few or too many arguments.
  bool check_arguments(const Statement& statement, std::size_t min, std::size_t max, std::string_view syntax);
  void check_no_block(const Statement& directive);
  /// Reads the directive's block by its rows. Unknown options, nested blocks and not-yet options are faults.
  void read_options(const Statement& directive, std::initializer_list<OptionRow> rows);
  /// True, with a fault, when this version does not serve the option yet.
  bool is_not_yet(SourcePosition at, std::string_view directive, std::string_view option, std::string_view value);

  std::optional<Duration> duration(const Word& word, Duration min = Duration::zero());
  std::optional<std::uint64_t> number(const Word& word, std::uint64_t min, std::uint64_t max);
  std::optional<HttpAddress> http_address(const Word& word);
  std::optional<dns::DomainName> name(const Word& word);
  /// Zones and networks; ports are ignored, as CoreDNS does.
  std::vector<dns::DomainName> zones(std::span<const Word> words);
  /// The same, or those of the server block's keys where nothing is written.
  std::vector<dns::DomainName> zones_or_keys(std::span<const Word> words, const ServerBlock& block);
  std::optional<RegularExpression> regular_expression(
      const Word& word, RegularExpression::Groups groups = RegularExpression::Groups::ignored);
  /// The index of the word among `choices`.
  std::optional<std::size_t> choice(const Word& word, std::span<const std::string_view> choices);

  /// False, with one fault for the whole Corefile, when `count` more zones are too many.
  bool take_zones(SourcePosition at, std::size_t count);

 private:
  template <typename Value>
  std::optional<Value> take(const Word& word, Parsed<Value> parsed);

  FaultCollector& faults_;
  SourceReader& files_;
  std::size_t zone_count_ = 0;
  std::size_t regular_expression_count_ = 0;
};

}  // namespace fairlead::server
