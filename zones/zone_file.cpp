#include "zones/zone_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <span>
#include <utility>

#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::zones {
namespace {

constexpr std::uint32_t ttl_max = 0x7fffffff;
constexpr std::uint32_t ttl_fallback = 3600;  // of a file without $TTL, a first TTL or an SOA; as CoreDNS
// RFC 2308 §4: the last explicit TTL counts where there is no $TTL.

struct Token {
  std::string text;  // with its quotes and escapes
  std::uint32_t line = 0;
};

// One entry: a directive or a record, without comments and parentheses.
struct Entry {
  std::vector<Token> tokens;
  bool has_owner = false;  // begins in the first column
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string quote(std::string_view text) {
  constexpr std::size_t shown_octets_max = 80;
  const std::string shown(text.substr(0, shown_octets_max));
  return "'" + shown + (text.size() > shown_octets_max ? "...'" : "'");
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

// Cuts a text into entries.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  enum class Step { entry, fault, end };
  /// After a fault `line` and `message` say what it is, and reading goes on in the next line.
  Step next(Entry& entry) {
    entry.tokens.clear();
    open_ = 0;
    bool at_line_start = true;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        ++at_;
        ++line_;
        if (open_ > 0) continue;
        if (!entry.tokens.empty()) return Step::entry;
        at_line_start = true;
        continue;
      }
      if (at_line_start) {
        entry.has_owner = !is_blank(c);
        at_line_start = false;
      }
      if (is_blank(c)) {
        ++at_;
      } else if (c == ';') {
        skip_line();
      } else if (c == '(') {
        if (open_++ == 0) opened_at_ = {at_, line_};
        ++at_;
      } else if (c == ')') {
        if (open_ == 0) return fault(line_, "a parenthesis closes here that none has opened");
        --open_;
        ++at_;
      } else if (!take_token(entry)) {
        return fault(line_, "a quoted text is not closed on its line; write '\"' at its end");
      }
    }
    if (open_ > 0) {
      // What it has swallowed is read again, for the sake of other faults.
      at_ = opened_at_.at;
      line_ = opened_at_.line;
      return fault(line_, "a parenthesis that opens here is never closed");
    }
    return entry.tokens.empty() ? Step::end : Step::entry;
  }

  std::uint32_t line = 0;
  std::string message;

 private:
  Step fault(std::uint32_t at_line, std::string what) {
    line = at_line;
    message = std::move(what);
    skip_line();
    return Step::fault;
  }
  void skip_line() {
    while (at_ < text_.size() && text_[at_] != '\n') ++at_;
  }
  // False for a quote without its end. Quoted or not, a token ends at a blank.
  bool take_token(Entry& entry) {
    Token token{.text = {}, .line = line_};
    bool is_quoted = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') break;
      if (c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n') {
        token.text += c;
        token.text += text_[++at_];
        continue;
      }
      if (!is_quoted && (is_blank(c) || c == ';' || c == '(' || c == ')')) break;
      if (c == '"') is_quoted = !is_quoted;
      token.text += c;
    }
    entry.tokens.push_back(std::move(token));
    return !is_quoted;
  }

  struct Place {
    std::size_t at;
    std::uint32_t line;
  };
  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  int open_ = 0;
  Place opened_at_{};
};

// Relative to the origin, unless it ends in a dot that is not escaped.
std::expected<dns::DomainName, std::string> make_name(std::string_view text, dns::NameView origin) {
  if (text == "@") return dns::DomainName(origin);
  const auto parsed = dns::DomainName::parse(text);
  if (!parsed) return std::unexpected(quote(text) + " is no domain name: " + std::string(to_string(parsed.error())));
  std::size_t backslashes = 0;
  if (text.ends_with('.')) {
    const auto before = text.substr(0, text.size() - 1);
    backslashes = before.size() - (before.find_last_not_of('\\') + 1);
    if (backslashes % 2 == 0) return *parsed;
  }
  const auto relative = parsed->view().wire();
  const auto end = origin.wire();
  std::vector<std::uint8_t> wire(relative.begin(), relative.end() - 1);
  wire.insert(wire.end(), end.begin(), end.end());
  auto name = dns::DomainName::from_wire(wire);
  if (!name) {
    return std::unexpected(quote(text) + " is too long below " + origin.to_string() +
                           ": a name has 255 octets at most");
  }
  return *std::move(name);
}

// ldns puts the origin behind a relative name without looking at the length of what comes out, and takes data of any
// length in the form of RFC 3597.
bool is_valid(dns::RRType type, std::span<const std::uint8_t> rdata) {
  const auto name_at = [&](std::size_t offset) {
    if (offset > rdata.size()) return std::size_t{0};
    const auto name = dns::DomainName::from_wire(rdata.subspan(offset));
    return name ? name->view().size() : 0;
  };
  using enum dns::RRType;
  switch (type) {
    case ns:
    case cname:
    case ptr:
    case dname: return name_at(0) == rdata.size();
    case mx: return rdata.size() > 2 && name_at(2) == rdata.size() - 2;
    case srv: return rdata.size() > 6 && name_at(6) == rdata.size() - 6;
    case a: return rdata.size() == 4;
    case aaaa: return rdata.size() == 16;
    case soa: {
      const std::size_t primary = name_at(0);
      const std::size_t mailbox = primary > 0 ? name_at(primary) : 0;
      return mailbox > 0 && rdata.size() == primary + mailbox + 20;
    }
    default: return true;
  }
}

class Parser {
 public:
  Parser(ZoneFile& result, dns::NameView origin) : result_(result), origin_(origin) {}

  void parse(std::string_view text, std::uint32_t file, int depth) {
    const std::uint32_t file_before = std::exchange(file_, file);
    Lexer lexer(text);
    Entry entry;
    while (!is_full()) {
      const auto step = lexer.next(entry);
      if (step == Lexer::Step::end) break;
      if (step == Lexer::Step::fault) {
        add_fault(lexer.line, std::move(lexer.message));
      } else if (entry.has_owner && entry.tokens.front().text.starts_with('$')) {
        take_directive(entry, depth);
      } else {
        take_record(entry);
      }
    }
    file_ = file_before;
  }

  void add_fault(std::uint32_t line, std::string message) {
    if (is_full()) return;
    result_.faults.push_back({{file_, line}, std::move(message)});
    if (is_full()) result_.faults.push_back({{file_, line}, "too many faults; the rest is not read"});
  }

  /// False when the file cannot be read.
  bool include(const std::string& path, std::uint32_t line, int depth);

 private:
  bool is_full() const { return result_.faults.size() >= zone_faults_max || is_too_large_; }

  void take_directive(const Entry& entry, int depth) {
    const Token& name = entry.tokens.front();
    const std::string directive = upper(name.text);
    const auto arguments = std::span(entry.tokens).subspan(1);
    if (directive == "$ORIGIN") {
      if (arguments.size() != 1) return add_fault(name.line, "write '$ORIGIN NAME'");
      set_origin(arguments[0]);
    } else if (directive == "$TTL") {
      const auto ttl = arguments.size() == 1 ? parse_ttl(arguments[0].text) : std::nullopt;
      if (!ttl) return add_fault(name.line, "write '$TTL SECONDS', or a time like 1h30m");
      default_ttl_ = *ttl;
      has_default_ttl_ = true;
    } else if (directive == "$INCLUDE") {
      take_include(name.line, arguments, depth);
    } else if (directive == "$GENERATE") {
      take_generate(name.line, arguments);
    } else {
      add_fault(name.line,
                "unknown directive " + quote(name.text) + "; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE");
    }
  }

  void set_origin(const Token& token) {
    auto origin = make_name(token.text, origin_);
    if (!origin) return add_fault(token.line, std::move(origin.error()));
    origin_ = *std::move(origin);
  }

  void take_include(std::uint32_t line, std::span<const Token> arguments, int depth) {
    if (arguments.empty() || arguments.size() > 2) return add_fault(line, "write '$INCLUDE FILE [ORIGIN]'");
    if (depth >= include_depth_max) return add_fault(line, "files include each other more than 7 deep");
    std::string path = arguments[0].text;
    std::erase(path, '"');
    if (!path.starts_with('/')) {
      const std::string& includer = result_.files[file_];
      path = includer.substr(0, includer.rfind('/') + 1) + path;
    }
    if (std::ranges::find(open_files_, path) != open_files_.end()) {
      return add_fault(line, quote(path) + " includes itself");
    }
    // RFC 1035 §5.1: whatever the file does to it, the origin and the owner of this file stay.
    const dns::DomainName origin = origin_;
    const auto owner = owner_;
    if (arguments.size() == 2) set_origin(arguments[1]);
    include(path, line, depth + 1);
    origin_ = origin;
    owner_ = owner;
  }

  void take_generate(std::uint32_t line, std::span<const Token> arguments);

  void take_record(const Entry& entry) {
    std::span<const Token> tokens = entry.tokens;
    if (entry.has_owner) {
      auto owner = make_name(tokens[0].text, origin_);
      if (!owner) {
        owner_.reset();
        return add_fault(tokens[0].line, std::move(owner.error()));
      }
      owner_ = *std::move(owner);
      tokens = tokens.subspan(1);
    }
    const std::uint32_t line = entry.tokens.front().line;
    if (!owner_) return add_fault(line, "no record before this one has an owner that it could go on with");
    add_record(line, tokens);
  }

  // [TTL] [class] type RDATA, or [class] [TTL] type RDATA.
  void add_record(std::uint32_t line, std::span<const Token> tokens) {
    std::optional<std::uint32_t> ttl;
    bool has_class = false;
    for (; !tokens.empty(); tokens = tokens.subspan(1)) {
      const std::string word = upper(tokens[0].text);
      if (!has_class && (word == "CH" || word == "HS" || word == "CS")) {
        return add_fault(line, "class " + word + " is not served from files; write IN");
      }
      if (!has_class && word == "IN") {
        has_class = true;
      } else if (!ttl && parse_ttl(word)) {
        ttl = parse_ttl(word);
      } else {
        break;
      }
    }
    if (tokens.empty()) return add_fault(line, "the record has no type");
    const auto type = dns::find_rr_type(tokens[0].text);
    if (!type) return add_fault(line, quote(tokens[0].text) + " is no type, class or TTL");
    if (*type == dns::RRType::opt ||
        (static_cast<std::uint16_t>(*type) >= 249 && static_cast<std::uint16_t>(*type) <= 255)) {
      return add_fault(line, to_string(*type) + " is a type of questions, not of records");
    }
    std::string text;
    for (const Token& token : tokens.subspan(1)) text += (text.empty() ? "" : " ") + token.text;
    if (text.empty()) return add_fault(line, to_string(*type) + " has no data");
    auto rdata = dns::parse_rdata(*type, text, origin_);
    if (!rdata) return add_fault(line, to_string(*type) + ' ' + quote(text) + ": " + rdata.error());
    if (!is_valid(*type, *rdata)) {
      return add_fault(line,
                       to_string(*type) + ' ' + quote(text) + ": not the data of its type, or a name is too long");
    }
    if (*type == dns::RRType::soa && !has_default_ttl_ && !ttl) {
      // CoreDNS too: MINIMUM was the default TTL before there was $TTL.
      default_ttl_ = dns::read_u32(rdata->data() + rdata->size() - 4) & ttl_max;
    }
    if (ttl && !has_default_ttl_) default_ttl_ = *ttl;
    rdata_octets_ += rdata->size();
    if (result_.records.size() >= zone_records_max || rdata_octets_ > zone_rdata_octets_max) {
      is_too_large_ = true;
      result_.faults.push_back({{file_, line}, "the zone has more records than 4 million, or 1 GiB"});
      return;
    }
    result_.records.push_back({*owner_, *type, ttl.value_or(default_ttl_), *std::move(rdata), {file_, line}});
  }

  ZoneFile& result_;
  dns::DomainName origin_;
  std::optional<dns::DomainName> owner_;
  std::uint32_t default_ttl_ = ttl_fallback;
  bool has_default_ttl_ = false;
  bool is_too_large_ = false;
  std::uint32_t file_ = 0;
  std::vector<std::string> open_files_;
  std::uint64_t octets_ = 0;
  std::uint64_t rdata_octets_ = 0;
};

// "$", "${offset,width,base}", "$$" and "\$" of $GENERATE; nothing for a form that is none.
std::optional<std::string> substitute(std::string_view pattern, std::int64_t value) {
  std::string result;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      if (pattern[i + 1] != '$') result += c;
      result += pattern[++i];
      continue;
    }
    if (c != '$') {
      result += c;
      continue;
    }
    if (i + 1 < pattern.size() && pattern[i + 1] == '$') {
      result += pattern[++i];
      continue;
    }
    std::int64_t offset = 0;
    std::size_t width = 0;
    char base = 'd';
    if (i + 1 < pattern.size() && pattern[i + 1] == '{') {
      const std::size_t end = pattern.find('}', i);
      if (end == std::string_view::npos) return std::nullopt;
      const std::string_view form = pattern.substr(i + 2, end - i - 2);
      i = end;
      const char* at = form.data();
      const char* const stop = at + form.size();
      if (at < stop && *at == '+') ++at;
      auto read = std::from_chars(at, stop, offset);
      if (read.ec != std::errc() || offset < -0x7fffffff || offset > 0x7fffffff) return std::nullopt;
      at = read.ptr;
      if (at < stop && *at == ',') {
        read = std::from_chars(at + 1, stop, width);
        if (read.ec != std::errc() || width > 255) return std::nullopt;
        at = read.ptr;
        if (at < stop && *at == ',') {
          if (at + 2 != stop) return std::nullopt;
          base = at[1];
          at = stop;
        }
      }
      if (at != stop) return std::nullopt;
    }
    const std::int64_t number = value + offset;
    if (number < 0) return std::nullopt;
    char digits[32];
    const int radix = base == 'd' ? 10 : base == 'o' ? 8 : base == 'x' || base == 'X' ? 16 : 0;
    if (radix == 0) return std::nullopt;
    std::string text(digits, std::to_chars(digits, digits + sizeof(digits), number, radix).ptr);
    if (base == 'X') text = upper(text);
    if (text.size() < width) text.insert(0, width - text.size(), '0');
    result += text;
  }
  return result;
}

void Parser::take_generate(std::uint32_t line, std::span<const Token> arguments) {
  constexpr std::string_view syntax = "write '$GENERATE START-STOP[/STEP] OWNER [TTL] [CLASS] TYPE DATA'";
  if (arguments.size() < 4) return add_fault(line, std::string(syntax));
  const std::string& range = arguments[0].text;
  const char* const stop_of_text = range.data() + range.size();
  std::uint32_t start = 0;
  std::uint32_t stop = 0;
  std::uint32_t step = 1;
  auto read = std::from_chars(range.data(), stop_of_text, start);
  bool is_range = read.ec == std::errc() && read.ptr < stop_of_text && *read.ptr == '-';
  if (is_range) {
    read = std::from_chars(read.ptr + 1, stop_of_text, stop);
    is_range = read.ec == std::errc();
  }
  if (is_range && read.ptr < stop_of_text && *read.ptr == '/') {
    read = std::from_chars(read.ptr + 1, stop_of_text, step);
    is_range = read.ec == std::errc() && step > 0;
  }
  if (!is_range || read.ptr != stop_of_text || stop < start || stop > 0x7fffffff) {
    return add_fault(line, quote(range) + " is no range of $GENERATE; " + std::string(syntax));
  }
  if ((stop - start) / step > generate_max) return add_fault(line, "$GENERATE has more than 65535 steps");
  const std::size_t faults_before = result_.faults.size();
  for (std::uint64_t value = start; value <= stop && !is_full(); value += step) {
    std::vector<Token> tokens;
    for (const Token& token : arguments.subspan(1)) {
      auto text = substitute(token.text, static_cast<std::int64_t>(value));
      if (!text) return add_fault(line, quote(token.text) + " has a bad '$'; write '${OFFSET[,WIDTH[,d|o|x|X]]}'");
      tokens.push_back({*std::move(text), line});
    }
    auto owner = make_name(tokens[0].text, origin_);
    if (!owner) return add_fault(line, std::move(owner.error()));
    owner_ = *std::move(owner);
    add_record(line, std::span(tokens).subspan(1));
    // The others would say the same.
    if (result_.faults.size() > faults_before) return;
  }
}

// Empty for a file that cannot be read, and why.
std::optional<std::string> read_file(const std::string& path, std::string& why) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    why = std::strerror(errno);
  } else if (!S_ISREG(status.st_mode)) {
    why = "it is no file";
  } else if (static_cast<std::uint64_t>(status.st_size) > zone_file_octets_max) {
    why = "it is larger than 256 MiB";
  } else if (std::ifstream file(path, std::ios::binary); file) {
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
  } else {
    why = std::strerror(errno);
  }
  return std::nullopt;
}

bool Parser::include(const std::string& path, std::uint32_t line, int depth) {
  std::string why;
  const auto text = read_file(path, why);
  if (!text) {
    add_fault(line, "cannot read " + quote(path) + ": " + why);
    return false;
  }
  octets_ += text->size();
  if (octets_ > zone_file_octets_max) {
    is_too_large_ = true;
    result_.faults.push_back({{file_, line}, "the files of the zone have more than 256 MiB together"});
    return false;
  }
  const auto known = std::ranges::find(result_.files, path);
  const auto file = static_cast<std::uint32_t>(known - result_.files.begin());
  if (known == result_.files.end()) result_.files.push_back(path);
  open_files_.push_back(path);
  parse(*text, file, depth);
  open_files_.pop_back();
  return true;
}

}  // namespace

std::string ZoneFile::to_string(const ZoneFileFault& fault) const {
  return files[fault.at.file] + (fault.at.line > 0 ? ':' + std::to_string(fault.at.line) : "") + ": " + fault.message;
}

ZoneFile read_zone_file(const std::string& path, dns::NameView origin) {
  ZoneFile result;
  result.files.push_back(path);
  Parser(result, origin).include(path, 0, 0);
  return result;
}

ZoneFile parse_zone_text(std::string_view text, const std::string& name, dns::NameView origin) {
  ZoneFile result;
  result.files.push_back(name);
  Parser(result, origin).parse(text, 0, 0);
  return result;
}

std::optional<std::uint32_t> parse_ttl(std::string_view text) {
  std::uint64_t total = 0;
  std::uint64_t number = 0;
  bool has_digit = false;
  bool is_unit_last = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      number = number * 10 + static_cast<std::uint64_t>(c - '0');
      has_digit = true;
      is_unit_last = false;
    } else {
      const char unit = static_cast<char>(c | 0x20);
      const std::uint64_t seconds = unit == 's'   ? 1
                                    : unit == 'm' ? 60
                                    : unit == 'h' ? 3600
                                    : unit == 'd' ? 86400
                                    : unit == 'w' ? 604800
                                                  : 0;
      if (seconds == 0 || !has_digit) return std::nullopt;
      total += number * seconds;
      number = 0;
      has_digit = false;
      is_unit_last = true;
    }
    if (number > ttl_max || total > ttl_max) return std::nullopt;
  }
  total += number;
  if ((!has_digit && !is_unit_last) || total > ttl_max) return std::nullopt;
  return static_cast<std::uint32_t>(total);
}

}  // namespace fairlead::zones
