// The ordered table of all directives that a Corefile may name.
//
// The order is the one in which a query meets the handlers, whatever the order in the file: that of CoreDNS 1.14's
// plugin.cfg, but for `cache`, which stands behind what answers from zones of our own, since these change at once and
// memory would hide it, and `loop`, whose probe nothing may answer in its place. A directive that Fairlead does not
// serve has its row all the same: its place must not move when it comes, and its fault can say more than "unknown".
//
// Threads: constants.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::server {

struct Statement;
struct ServerBlock;
class OptionReader;

struct DirectiveRow {
  enum class Status { supported, planned, left_out };
  enum class Repeat { forbidden, first_wins, last_wins, all_count };

  std::string_view name;
  Status status = Status::planned;
  Repeat repeat = Repeat::all_count;
  /// Reads the directive into the block; null unless supported.
  void (*read)(const Statement&, OptionReader&, ServerBlock&) = nullptr;
  /// For left_out: why, and what to do instead.
  std::string_view reason = {};
};

std::span<const DirectiveRow> directive_table();

/// The row, or null for a directive that CoreDNS does not have either.
const DirectiveRow* find_directive(std::string_view name);

/// "Unknown directive 'x'" and a suggestion, if some directive's name is close.
std::string describe_unknown_directive(std::string_view name);

}  // namespace fairlead::server
