#include "server/config/template_functions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "server/config/fault_collector.hpp"

namespace fairlead::server {
namespace {

using Arguments = std::span<const TemplateValue>;
constexpr std::size_t any = std::numeric_limits<std::size_t>::max();

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

TemplateResult call_not(Arguments arguments, std::size_t) { return !arguments[0].is_true(); }

TemplateResult call_len(Arguments arguments, std::size_t) {
  const TemplateValue& value = arguments[0];
  if (const auto* const text = value.as<std::string>()) return static_cast<std::int64_t>(text->size());
  if (value.list() != nullptr) return static_cast<std::int64_t>(value.list()->size());
  if (value.map() != nullptr) return static_cast<std::int64_t>(value.map()->size());
  return wrong("len of a " + std::string(value.type_name()));
}

// A number as an index of something with `count` elements.
std::optional<std::size_t> as_index(const TemplateValue& value, std::size_t count) {
  if (const auto* const number = value.as<std::int64_t>()) {
    return *number >= 0 && static_cast<std::uint64_t>(*number) <= count ? std::optional<std::size_t>(*number)
                                                                        : std::nullopt;
  }
  const auto* const number = value.as<std::uint64_t>();
  return number != nullptr && *number <= count ? std::optional<std::size_t>(*number) : std::nullopt;
}

TemplateResult call_index(Arguments arguments, std::size_t) {
  TemplateValue value = arguments[0];
  for (const TemplateValue& key : arguments.subspan(1)) {
    if (value.list() != nullptr) {
      const auto index = as_index(key, value.list()->size());
      if (!index || *index == value.list()->size()) return wrong("index out of range: " + key.text(60));
      value = TemplateValue((*value.list())[*index]);
    } else if (value.map() != nullptr) {
      const auto* const name = key.as<std::string>();
      if (name == nullptr) return wrong("index of a map is a string");
      const auto found = value.map()->find(*name);
      // Maps have texts: what is not there is the empty one.
      value = found == value.map()->end() ? TemplateValue(std::string()) : TemplateValue(found->second);
    } else if (const auto* const text = value.as<std::string>()) {
      const auto index = as_index(key, text->size());
      if (!index || *index == text->size()) return wrong("index out of range: " + key.text(60));
      value = static_cast<std::uint64_t>(static_cast<unsigned char>((*text)[*index]));
    } else {
      return wrong("cannot index a " + std::string(value.type_name()));
    }
  }
  return value;
}

TemplateResult call_slice(Arguments arguments, std::size_t) {
  const TemplateValue& value = arguments[0];
  const auto* const text = value.as<std::string>();
  if (text == nullptr && value.list() == nullptr) return wrong("cannot slice a " + std::string(value.type_name()));
  const std::size_t count = text != nullptr ? text->size() : value.list()->size();
  const auto begin = arguments.size() > 1 ? as_index(arguments[1], count) : 0;
  const auto end = arguments.size() > 2 ? as_index(arguments[2], count) : count;
  if (!begin || !end || *begin > *end) return wrong("slice out of range of " + std::to_string(count));
  if (text != nullptr) return text->substr(*begin, *end - *begin);
  const auto first = value.list()->begin();
  return TemplateList(first + static_cast<std::ptrdiff_t>(*begin), first + static_cast<std::ptrdiff_t>(*end));
}

// Negative, zero or positive as `a` is less than, equal to or greater than `b`; an error for what has no order.
std::expected<int, std::string> compare(const TemplateValue& a, const TemplateValue& b) {
  const auto sign = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  const auto* const a_text = a.as<std::string>();
  const auto* const b_text = b.as<std::string>();
  if (a_text != nullptr && b_text != nullptr) return sign(*a_text, *b_text);
  if (a.is_number() && b.is_number()) {
    const auto* const a_signed = a.as<std::int64_t>();
    const auto* const b_signed = b.as<std::int64_t>();
    if (a_signed != nullptr && b_signed != nullptr) return sign(*a_signed, *b_signed);
    if (a_signed != nullptr && *a_signed < 0) return -1;
    if (b_signed != nullptr && *b_signed < 0) return 1;
    const auto as_unsigned = [](const TemplateValue& value) {
      const auto* const number = value.as<std::int64_t>();
      return number != nullptr ? static_cast<std::uint64_t>(*number) : *value.as<std::uint64_t>();
    };
    return sign(as_unsigned(a), as_unsigned(b));
  }
  return wrong("cannot compare a " + std::string(a.type_name()) + " with a " + std::string(b.type_name()));
}

std::expected<bool, std::string> are_equal(const TemplateValue& a, const TemplateValue& b) {
  if (a.as<bool>() != nullptr && b.as<bool>() != nullptr) return *a.as<bool>() == *b.as<bool>();
  if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
  const auto order = compare(a, b);
  if (!order) return wrong(order.error());
  return *order == 0;
}

TemplateResult call_eq(Arguments arguments, std::size_t) {
  for (const TemplateValue& other : arguments.subspan(1)) {
    const auto equal = are_equal(arguments[0], other);
    if (!equal) return wrong(equal.error());
    if (*equal) return true;
  }
  return false;
}

TemplateResult call_ne(Arguments arguments, std::size_t) {
  const auto equal = are_equal(arguments[0], arguments[1]);
  if (!equal) return wrong(equal.error());
  return !*equal;
}

template <bool (*Holds)(int)>
TemplateResult call_order(Arguments arguments, std::size_t) {
  const auto order = compare(arguments[0], arguments[1]);
  if (!order) return wrong(order.error());
  return Holds(*order);
}
bool is_less(int order) { return order < 0; }
bool is_less_or_equal(int order) { return order <= 0; }
bool is_greater(int order) { return order > 0; }
bool is_greater_or_equal(int order) { return order >= 0; }

// As Go's fmt.Sprint: a space between two that are no strings.
TemplateResult call_print(Arguments arguments, std::size_t octets_max) {
  std::string text;
  for (std::size_t i = 0; i < arguments.size() && text.size() <= octets_max; ++i) {
    const bool beside_text =
        i == 0 || arguments[i].as<std::string>() != nullptr || arguments[i - 1].as<std::string>() != nullptr;
    if (!beside_text) text += ' ';
    text += arguments[i].text(octets_max);
  }
  return text;
}

TemplateResult call_println(Arguments arguments, std::size_t octets_max) {
  std::string text;
  for (std::size_t i = 0; i < arguments.size() && text.size() <= octets_max; ++i) {
    text += (i > 0 ? " " : "") + arguments[i].text(octets_max);
  }
  return text + '\n';
}

// One directive of a format: "%-08.3x".
struct Verb {
  bool left = false, zero = false, plus = false, space = false, alternate = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char verb = '\0';
};

std::size_t read_size(std::string_view format, std::size_t& at, std::size_t octets_max) {
  std::size_t size = 0;
  while (at < format.size() && format[at] >= '0' && format[at] <= '9') {
    size = std::min(size * 10 + static_cast<std::size_t>(format[at++] - '0'), octets_max);
  }
  return size;
}

Verb read_verb(std::string_view format, std::size_t& at, std::size_t octets_max) {
  Verb verb;
  for (; at < format.size(); ++at) {
    switch (format[at]) {
      case '-': verb.left = true; continue;
      case '0': verb.zero = true; continue;
      case '+': verb.plus = true; continue;
      case ' ': verb.space = true; continue;
      case '#': verb.alternate = true; continue;
      default: break;
    }
    break;
  }
  verb.width = read_size(format, at, octets_max);
  if (at < format.size() && format[at] == '.') {
    ++at;
    verb.precision = read_size(format, at, octets_max);
  }
  if (at < format.size()) verb.verb = format[at++];
  return verb;
}

std::string to_base(std::uint64_t number, int base) {
  std::array<char, 65> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, base).ptr;
  return {digits.data(), end};
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

std::string hex_of(std::string_view text, bool is_upper) {
  std::string hex;
  for (const char c : text) {
    const std::string octet = to_base(static_cast<unsigned char>(c), 16);
    hex += octet.size() == 1 ? "0" + octet : octet;
  }
  return is_upper ? upper(std::move(hex)) : hex;
}

// Nothing for a verb that does not go with the value.
std::optional<std::string> format_number(const Verb& verb, const TemplateValue& value) {
  const auto* const number = value.as<std::int64_t>();
  const bool is_negative = number != nullptr && *number < 0;
  const std::uint64_t size = number == nullptr ? *value.as<std::uint64_t>()
                             : is_negative     ? 0 - static_cast<std::uint64_t>(*number)
                                               : static_cast<std::uint64_t>(*number);
  std::string digits;
  switch (verb.verb) {
    case 'v':
    case 'd': digits = to_base(size, 10); break;
    case 'b': digits = to_base(size, 2); break;
    case 'o': digits = (verb.alternate ? "0" : "") + to_base(size, 8); break;
    case 'x': digits = (verb.alternate ? "0x" : "") + to_base(size, 16); break;
    case 'X': digits = (verb.alternate ? "0X" : "") + upper(to_base(size, 16)); break;
    case 'c': return size < 0x80 ? std::optional(std::string(1, static_cast<char>(size))) : std::nullopt;
    default: return std::nullopt;
  }
  if (verb.precision && digits.size() < *verb.precision) digits.insert(0, *verb.precision - digits.size(), '0');
  const std::string sign = is_negative ? "-" : verb.plus ? "+" : verb.space ? " " : "";
  const std::size_t size_now = digits.size() + sign.size();
  if (verb.zero && !verb.left && !verb.precision && size_now < verb.width) digits.insert(0, verb.width - size_now, '0');
  return sign + digits;
}

std::optional<std::string> format_value(const Verb& verb, const TemplateValue& value, std::size_t octets_max) {
  if (value.is_number()) return format_number(verb, value);
  if (value.as<bool>() != nullptr) {
    return verb.verb == 't' || verb.verb == 'v' ? std::optional(value.text(octets_max)) : std::nullopt;
  }
  if (verb.verb != 's' && verb.verb != 'v' && value.as<std::string>() == nullptr) return std::nullopt;
  const std::string text = value.text(octets_max).substr(0, verb.precision.value_or(std::string::npos));
  switch (verb.verb) {
    case 's':
    case 'v': return text;
    case 'x': return hex_of(text, false);
    case 'X': return hex_of(text, true);
    case 'q': {
      std::string quoted = "\"";
      for (const char c : text) quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
      return quoted + '"';
    }
    default: return std::nullopt;
  }
}

TemplateResult call_printf(Arguments arguments, std::size_t octets_max) {
  const auto* const format = arguments[0].as<std::string>();
  if (format == nullptr) return wrong("the format of printf is a string");
  std::string text;
  std::size_t next = 1;
  for (std::size_t at = 0; at < format->size() && text.size() <= octets_max;) {
    if ((*format)[at] != '%') {
      text += (*format)[at++];
      continue;
    }
    const Verb verb = read_verb(*format, ++at, octets_max);
    if (verb.verb == '%') {
      text += '%';
      continue;
    }
    // Mistakes are printed, as Go does, so that they are seen.
    if (verb.verb == '\0') {
      text += "%!(NOVERB)";
      continue;
    }
    if (next == arguments.size()) {
      text += std::string("%!") + verb.verb + "(MISSING)";
      continue;
    }
    const TemplateValue& value = arguments[next++];
    auto formatted = format_value(verb, value, octets_max);
    if (!formatted) {
      formatted =
          std::string("%!") + verb.verb + "(" + std::string(value.type_name()) + "=" + value.text(octets_max) + ")";
    }
    const std::size_t padding = verb.width > formatted->size() ? verb.width - formatted->size() : 0;
    formatted->insert(verb.left ? formatted->size() : 0, padding, ' ');
    text += *formatted;
  }
  if (next < arguments.size()) {
    text += "%!(EXTRA ";
    for (std::size_t i = next; i < arguments.size() && text.size() <= octets_max; ++i) {
      text += (i > next ? ", " : "") + std::string(arguments[i].type_name()) + "=" + arguments[i].text(octets_max);
    }
    text += ')';
  }
  return text;
}

// strconv.ParseUint: text, base, bits.
TemplateResult call_parse_int(Arguments arguments, std::size_t) {
  const auto* const text = arguments[0].as<std::string>();
  const auto base = as_index(arguments[1], 36);
  const auto bits = as_index(arguments[2], 64);
  if (text == nullptr || !base || !bits || *base == 1) {
    return wrong("parseInt takes a string, a base from 2 to 36 and a number of bits up to 64");
  }
  std::string_view digits = *text;
  int radix = static_cast<int>(*base);
  if (radix == 0) {
    radix = 10;
    const std::string prefix = upper(std::string(digits.substr(0, 2)));
    if (prefix == "0X") radix = 16;
    if (prefix == "0B") radix = 2;
    if (prefix == "0O") radix = 8;
    if (radix != 10) digits.remove_prefix(2);
    if (radix == 10 && digits.size() > 1 && digits.front() == '0') {
      radix = 8;
      digits.remove_prefix(1);
    }
  }
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number, radix);
  if (parsed.ec == std::errc::result_out_of_range) return wrong("parseInt: " + quote(*text) + " is out of range");
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) {
    return wrong("parseInt: " + quote(*text) + " is no number of base " + std::to_string(radix));
  }
  if (*bits > 0 && *bits < 64 && number >> *bits != 0) return wrong("parseInt: " + quote(*text) + " is out of range");
  return number;
}

constexpr auto functions = std::to_array<TemplateFunction>({
    {"and", 1, any},
    {"eq", 2, any, call_eq},
    {"ge", 2, 2, call_order<is_greater_or_equal>},
    {"gt", 2, 2, call_order<is_greater>},
    {"index", 1, any, call_index},
    {"le", 2, 2, call_order<is_less_or_equal>},
    {"len", 1, 1, call_len},
    {"lt", 2, 2, call_order<is_less>},
    {"ne", 2, 2, call_ne},
    {"not", 1, 1, call_not},
    {"or", 1, any},
    {"parseInt", 3, 3, call_parse_int},
    {"print", 0, any, call_print},
    {"printf", 1, any, call_printf},
    {"println", 0, any, call_println},
    {"slice", 1, 3, call_slice},
});

}  // namespace

const TemplateFunction* find_template_function(std::string_view name) {
  const auto found = std::ranges::find(functions, name, &TemplateFunction::name);
  return found == functions.end() ? nullptr : &*found;
}

std::string template_function_names() {
  std::string names;
  for (const TemplateFunction& function : functions) names += (names.empty() ? "" : ", ") + std::string(function.name);
  return names;
}

}  // namespace fairlead::server
