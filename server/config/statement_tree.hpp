// The words of one file as a tree of lines and the blocks that they open, before anything is imported.
//
// Threads: none.
// Limits: nesting_max braces inside each other.
// Errors: faults for braces that do not match, each with the line where the brace stands.
#pragma once

#include <cstdint>
#include <vector>

#include "server/config/corefile_lexer.hpp"
#include "server/config/corefile_parser.hpp"

namespace fairlead::server {

/// Where a file is imported: keys may go on over lines after a comma, and their `{` may stand on a line of its own;
/// the lines of a directive may not.
enum class Place { top_level, in_block };

std::vector<Statement> build_statements(std::vector<Token> tokens, std::uint32_t source, Place place,
                                        FaultCollector& faults);

}  // namespace fairlead::server
