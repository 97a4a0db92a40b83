#include "server/config/corefile_parser.hpp"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "server/config/limits.hpp"
#include "server/config/statement_tree.hpp"

namespace fairlead::server {
namespace {

bool has_wildcard(std::string_view pattern) { return pattern.find_first_of("*?[") != std::string_view::npos; }

// A directory's own name must not become a pattern.
std::string escape_wildcards(std::string_view path) {
  std::string escaped;
  for (const char c : path) {
    if (std::string_view("*?[]\\").contains(c)) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

class Parser {
 public:
  Parser(SourceReader& reader, const Environment& environment, FaultCollector& faults)
      : reader_(reader), environment_(environment), faults_(faults) {}

  CorefileSyntax run(const std::filesystem::path& path) {
    const std::uint32_t source = faults_.add_source(path.string(), {});
    paths_.push_back(path);
    auto content = read(path, {source, 0});
    if (!content) {
      faults_.fault({source, 0}, "cannot read the file: " + content.error().reason);
      return std::move(syntax_);
    }
    chain_.push_back({path.string(), path.lexically_normal().string()});
    expand_top_level(build_statements(lex(**content, source, faults_), source, Place::top_level, faults_));
    return std::move(syntax_);
  }

 private:
  struct Snippet {
    SourcePosition at;
    std::vector<Statement> body;
  };
  struct Link {
    std::string shown;
    std::string identity;
  };

  // The content of a file, from the disk at its first import only: one load sees one version of it.
  std::expected<const std::string*, SourceReader::ReadError> read(const std::filesystem::path& path,
                                                                  SourcePosition importer) {
    const std::string identity = path.lexically_normal().string();
    if (const auto known = contents_.find(identity); known != contents_.end()) return &known->second;
    auto content = reader_.read(path, file_octets_max);
    if (!content) return std::unexpected(content.error());
    octets_read_ += content->size();
    if (octets_read_ > corefile_octets_max) {
      exhaust(importer, "all files together are larger than " + std::to_string(corefile_octets_max) + " octets");
      return std::unexpected(SourceReader::ReadError{"the limit of all files together is reached", false});
    }
    syntax_.files.push_back({path, *content});
    return &contents_.emplace(identity, std::move(*content)).first->second;
  }

  void exhaust(SourcePosition at, std::string reason) {
    if (!exhausted_) faults_.fault(at, std::move(reason) + "; remove some of the imports");
    exhausted_ = true;
  }

  // Top level: keys with blocks, snippets, imports; or the keys of a single block that needs no braces.

  void expand_top_level(const std::vector<Statement>& statements) {
    for (const Statement& statement : statements) {
      if (exhausted_) return;
      if (has_open_block_) {
        expand_directive(statement, syntax_.blocks.back().directives);
      } else if (is_import(statement)) {
        import(statement, Place::top_level, nullptr);
      } else {
        take_block(statement);
      }
    }
  }

  void take_block(const Statement& statement) {
    std::vector<Word> keys;
    for (const Word& word : statement.words) {
      Word expanded = expand(word);
      if (exhausted_) return;
      split_keys(expanded, keys);
    }
    if (keys.size() == 1 && keys.front().text.starts_with('(') && keys.front().text.ends_with(')')) {
      define_snippet(keys.front(), statement);
      return;
    }
    if (keys.empty()) {
      const SourcePosition at = statement.words.empty() ? statement.block_at : statement.words.front().at;
      faults_.fault(at, "a server block without a zone; write the zone before '{', such as '. {'");
      // Its directives are still worth checking.
    }
    if (!statement.words.empty()) {
      const Word& last = statement.words.back();
      if (!last.quoted && last.text.ends_with(',')) {
        faults_.fault(last.at, "a zone is missing after " + quote(last.text) + "; add it or remove the comma");
      }
    }
    const SourcePosition at = statement.words.empty() ? statement.block_at : statement.words.front().at;
    syntax_.blocks.push_back({at, std::move(keys), {}});
    // A line of keys without '{' makes everything after it its block.
    has_open_block_ = !statement.has_block;
    expand_block(statement.block, syntax_.blocks.back().directives);
  }

  static void split_keys(const Word& word, std::vector<Word>& keys) {
    std::string_view rest = word.text;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      if (comma > 0) keys.push_back({std::string(rest.substr(0, comma)), word.at, word.quoted});
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }

  void define_snippet(const Word& key, const Statement& statement) {
    const std::string name = key.text.substr(1, key.text.size() - 2);
    if (!statement.has_block) {
      faults_.fault(key.at, "snippet " + quote(key.text) + " has no block; write " + quote(key.text + " {"));
      return;
    }
    if (name.empty()) {
      faults_.fault(key.at, "a snippet without a name; write '(name) {'");
      return;
    }
    const auto [known, is_new] = snippets_.try_emplace(name, Snippet{key.at, statement.block});
    if (!is_new) {
      faults_.fault(key.at, "snippet " + quote(key.text) + " is already defined at " +
                                to_string(faults_.line_of(known->second.at)) + "; rename one of them");
    }
  }

  // Inside of a block.

  void expand_block(const std::vector<Statement>& statements, std::vector<Statement>& into) {
    for (const Statement& statement : statements) {
      if (exhausted_) return;
      expand_directive(statement, into);
    }
  }

  void expand_directive(const Statement& statement, std::vector<Statement>& into) {
    if (statement.words.empty()) return;  // a lone '{', which is a fault already
    if (is_import(statement)) {
      import(statement, Place::in_block, &into);
      return;
    }
    Statement expanded;
    expanded.has_block = statement.has_block;
    expanded.block_at = statement.block_at;
    expanded.words.reserve(statement.words.size());
    for (const Word& word : statement.words) expanded.words.push_back(expand(word));
    expand_block(statement.block, expanded.block);
    into.push_back(std::move(expanded));
  }

  // Imports.

  static bool is_import(const Statement& statement) {
    return !statement.words.empty() && !statement.words.front().quoted && statement.words.front().text == "import";
  }

  void import(const Statement& statement, Place place, std::vector<Statement>* into) {
    const SourcePosition at = statement.name().at;
    if (statement.has_block) faults_.fault(at, "'import' takes no block; remove '{' and '}'");
    if (statement.argument_count() != 1) {
      faults_.fault(at, "'import' takes one argument; write 'import FILE' or 'import SNIPPET'");
      return;
    }
    const std::string target = expand(statement.argument(0)).text;
    if (exhausted_) return;
    if (target.empty()) {
      faults_.fault(at, "'import' without a file; write 'import FILE' or 'import SNIPPET'");
      return;
    }
    if (const auto snippet = snippets_.find(target); snippet != snippets_.end()) {
      follow({'(' + target + ')', '(' + target}, at, [&] {
        // A copy is not needed: snippets_ is a map, whose nodes stay when another snippet is defined.
        expand_imported(snippet->second.body, place, into);
      });
      return;
    }
    import_files(target, at, place, into);
  }

  void import_files(const std::string& target, SourcePosition at, Place place, std::vector<Statement>* into) {
    const std::filesystem::path directory = paths_[at.source].parent_path();
    if (!has_wildcard(target)) {
      import_file(target.starts_with('/') ? std::filesystem::path(target) : directory / target, target, at, place,
                  into);
      return;
    }
    // A pattern of many wildcards takes exponential time to match.
    if (std::ranges::count(target, '*') > 1 || std::ranges::count(target, '?') > 1 || target.contains('[')) {
      faults_.fault(at, "the pattern " + quote(target) + " has more than one wildcard; write one '*' at most");
      return;
    }
    std::string pattern = target;
    if (!target.starts_with('/') && !directory.empty()) {
      pattern = escape_wildcards(directory.string()) + '/' + target;
    }
    const auto matches = reader_.glob(pattern);
    if (matches.empty()) faults_.warn(at, "no file matches " + quote(target) + "; nothing is imported");
    for (const auto& path : matches) {
      if (exhausted_) return;
      import_file(path, path.string(), at, place, into);
    }
  }

  void import_file(const std::filesystem::path& path, const std::string& shown, SourcePosition at, Place place,
                   std::vector<Statement>* into) {
    const std::string identity = path.lexically_normal().string();
    follow({path.string(), identity}, at, [&] {
      if (paths_.size() > files_max) {
        exhaust(at, "more than " + std::to_string(files_max) + " files are imported");
        return;
      }
      const auto content = read(path, at);
      if (!content) {
        if (exhausted_) return;
        faults_.fault(
            at, content.error().is_missing
                    ? "neither a snippet " + quote('(' + shown + ')') + " above nor a file " + quote(path.string()) +
                          " exists; correct the name, or write a pattern such as '*.conf' if it may be missing"
                    : "cannot import " + quote(path.string()) + ": " + content.error().reason);
        return;
      }
      const std::uint32_t source = faults_.add_source(path.string(), at);
      paths_.push_back(path);
      expand_imported(build_statements(lex(**content, source, faults_), source, place, faults_), place, into);
    });
  }

  void expand_imported(const std::vector<Statement>& statements, Place place, std::vector<Statement>* into) {
    if (place == Place::top_level) {
      expand_top_level(statements);
    } else {
      expand_block(statements, *into);
    }
  }

  template <typename Expand>
  void follow(Link link, SourcePosition at, Expand&& expand) {
    const auto earlier = std::ranges::find(chain_, link.identity, &Link::identity);
    if (earlier != chain_.end()) {
      std::string shown;
      for (auto step = earlier; step != chain_.end(); ++step) shown += quote(step->shown) + " -> ";
      faults_.fault(at, "import loop: " + shown + quote(link.shown) + "; remove this import");
      return;
    }
    if (chain_.size() >= import_depth_max) {
      faults_.fault(at, "imports inside of imports, more than " + std::to_string(import_depth_max) +
                            " deep; import from fewer levels");
      return;
    }
    chain_.push_back(std::move(link));
    expand();
    chain_.pop_back();
  }

  // Environment variables: {$NAME}, {$NAME:default}, {%NAME%}. What a variable holds is text, never more syntax.

  Word expand(const Word& word) {
    Word expanded{{}, word.at, word.quoted};
    std::string_view rest = word.text;
    // Once nothing closes a reference, nothing closes the ones after it; searching again would be quadratic.
    bool can_close_brace = true;
    bool can_close_percent = true;
    while (!rest.empty() && expanded.text.size() <= expanded_octets_max) {
      const std::size_t open = std::min(rest.find('{'), rest.size());
      expanded.text += rest.substr(0, open);
      rest.remove_prefix(open);
      const bool is_percent = rest.starts_with("{%");
      bool& can_close = is_percent ? can_close_percent : can_close_brace;
      if ((is_percent || rest.starts_with("{$")) && can_close) {
        const std::string_view end = is_percent ? "%}" : "}";
        const std::size_t close = rest.find(end, 2);
        can_close = close != std::string_view::npos;
        if (can_close && close > 2) {
          expanded.text += value_of(rest.substr(2, close - 2), !is_percent, word.at);
          rest.remove_prefix(close + end.size());
          continue;
        }
      }
      expanded.text += rest.substr(0, 1);
      rest.remove_prefix(std::min<std::size_t>(1, rest.size()));
    }
    ++words_;
    expanded_octets_ += expanded.text.size();
    if (words_ > words_max) exhaust(word.at, "the Corefile grows beyond " + std::to_string(words_max) + " words");
    if (expanded_octets_ > expanded_octets_max) {
      exhaust(word.at, "the Corefile grows beyond " + std::to_string(expanded_octets_max) + " octets");
    }
    return expanded;
  }

  std::string value_of(std::string_view reference, bool allows_default, SourcePosition at) {
    const std::size_t colon = allows_default ? reference.find(':') : std::string_view::npos;
    const std::string name(reference.substr(0, colon));
    if (auto value = environment_(name)) return std::move(*value);
    if (colon != std::string_view::npos) return std::string(reference.substr(colon + 1));
    faults_.warn(at, "environment variable " + quote(name) + " is not set; it reads as empty");
    return {};
  }

  SourceReader& reader_;
  const Environment& environment_;
  FaultCollector& faults_;
  CorefileSyntax syntax_;
  std::vector<std::filesystem::path> paths_;  // by source
  std::map<std::string, std::string> contents_;
  std::map<std::string, Snippet> snippets_;
  std::vector<Link> chain_;  // what is being imported just now
  std::size_t octets_read_ = 0;
  std::size_t words_ = 0;
  std::size_t expanded_octets_ = 0;
  bool has_open_block_ = false;
  bool exhausted_ = false;
};

}  // namespace

CorefileSyntax parse_corefile(const std::filesystem::path& path, SourceReader& reader, const Environment& environment,
                              FaultCollector& faults) {
  return Parser(reader, environment, faults).run(path);
}

}  // namespace fairlead::server
