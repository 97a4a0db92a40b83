#include "server/config/statement_tree.hpp"

#include <cstddef>
#include <utility>

#include "server/config/limits.hpp"

namespace fairlead::server {
namespace {

class TreeBuilder {
 public:
  TreeBuilder(std::vector<Token> tokens, std::uint32_t source, FaultCollector& faults)
      : tokens_(std::move(tokens)), source_(source), faults_(faults) {}

  std::vector<Statement> run(Place place) {
    std::vector<Statement> statements;
    while (!at_end()) {
      read_statements(statements, 0, place);
      if (at_end()) break;
      faults_.fault(position(), "'}' without a '{' before it; remove it, or add the missing '{'");
      ++next_;
    }
    return statements;
  }

 private:
  bool at_end() const { return next_ == tokens_.size(); }
  const Token& token() const { return tokens_[next_]; }
  SourcePosition position() const { return {source_, token().line}; }
  bool is_brace(char brace) const {
    return !token().quoted && token().text.size() == 1 && token().text.front() == brace;
  }

  // Reads up to the end or to a '}' that it leaves for the caller.
  void read_statements(std::vector<Statement>& statements, std::size_t depth, Place place) {
    const bool joins_lines = depth == 0 && place == Place::top_level;
    while (!at_end() && !is_brace('}')) {
      if (is_brace('{')) {
        const bool has_owner = !statements.empty() && !statements.back().has_block;
        if (!joins_lines) {
          faults_.fault(position(), "'{' on a line of its own; write it at the end of the line of its directive");
        }
        if (!has_owner) statements.emplace_back();
        read_block(statements.back(), depth);
        continue;
      }
      Statement& statement = statements.emplace_back();
      do {
        read_word(statement);
      } while (!at_end() && !is_brace('{') && !is_brace('}') &&
               (!token().starts_line || (joins_lines && ends_with_comma(statement))));
      if (!at_end() && is_brace('{') && !token().starts_line) read_block(statement, depth);
    }
  }

  void read_word(Statement& statement) {
    statement.words.push_back({std::move(tokens_[next_].text), position(), token().quoted});
    ++next_;
    Word& word = statement.words.back();
    // "health{": never what was meant. A word that holds another '{' is a template or a regular expression.
    if (!word.quoted && word.text.size() > 1 && word.text.back() == '{' &&
        word.text.find('{') == word.text.size() - 1) {
      faults_.fault(word.at, quote(word.text) + " is one word; write a space before '{'");
      word.text.pop_back();
      tokens_[--next_] = {"{", word.at.line, false, false};
    }
  }

  static bool ends_with_comma(const Statement& statement) {
    const Word& word = statement.words.back();
    return !word.quoted && word.text.ends_with(',');
  }

  void read_block(Statement& statement, std::size_t depth) {
    statement.has_block = true;
    statement.block_at = position();
    if (depth == nesting_max) {
      faults_.fault(position(),
                    "more than " + std::to_string(nesting_max) + " blocks inside each other; remove one '{'");
      skip_block();
      return;
    }
    ++next_;
    read_statements(statement.block, depth + 1, Place::in_block);
    if (at_end()) {
      faults_.fault(statement.block_at, "'{' is never closed; add '}' on a line of its own after the block");
      return;
    }
    ++next_;
  }

  void skip_block() {
    const SourcePosition began = position();
    std::size_t open = 0;
    for (; !at_end(); ++next_) {
      if (is_brace('{')) ++open;
      if (is_brace('}') && --open == 0) {
        ++next_;
        return;
      }
    }
    faults_.fault(began, "'{' is never closed; add '}' on a line of its own after the block");
  }

  std::vector<Token> tokens_;
  const std::uint32_t source_;
  FaultCollector& faults_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<Statement> build_statements(std::vector<Token> tokens, std::uint32_t source, Place place,
                                        FaultCollector& faults) {
  return TreeBuilder(std::move(tokens), source, faults).run(place);
}

}  // namespace fairlead::server
