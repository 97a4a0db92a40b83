// From text to server blocks: braces, snippets, imports and environment variables.
//
// The result is the syntax of a Corefile with nothing left to expand: each block with its keys and its directives,
// each word with the line that it comes from. What a directive means is not known here.
//
// Threads: none.
// Limits: server/config/limits.hpp: files, octets, words, nesting and the depth of imports.
// Errors: faults in the collector; the parser goes on at the next line or block and always returns what it has.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/config/fault_collector.hpp"
#include "server/config/source_reader.hpp"

namespace fairlead::server {

struct Word {
  std::string text;
  SourcePosition at;
  bool quoted = false;
};

/// A line, and the block that it opens, if it opens one.
struct Statement {
  std::vector<Word> words;
  std::vector<Statement> block;
  SourcePosition block_at;
  bool has_block = false;

  // Words exist in every statement that the parser returns inside of a block.
  const Word& name() const { return words.front(); }
  std::size_t argument_count() const { return words.size() - 1; }
  const Word& argument(std::size_t index) const { return words[index + 1]; }
  std::span<const Word> arguments() const { return std::span(words).subspan(1); }
};

struct SyntaxBlock {
  SourcePosition at;
  std::vector<Word> keys;
  std::vector<Statement> directives;
};

struct CorefileSyntax {
  struct SourceFile {
    std::filesystem::path path;
    std::string content;
  };
  std::vector<SyntaxBlock> blocks;
  std::vector<SourceFile> files;  // every file read, once, the Corefile first
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

CorefileSyntax parse_corefile(const std::filesystem::path& path, SourceReader& reader, const Environment& environment,
                              FaultCollector& faults);

}  // namespace fairlead::server
