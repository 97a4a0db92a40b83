#include "server/config/corefile_lexer.hpp"

#include <doctest/doctest.h>

#include <string>

namespace fairlead::server {
namespace {

// "word@line", a quoted word as <word>, a word that starts its line after '|'.
std::string show(std::string_view content) {
  FaultCollector faults;
  const std::uint32_t source = faults.add_source("Corefile", {});
  std::string text;
  for (const Token& token : lex(content, source, faults)) {
    if (!text.empty()) text += ' ';
    if (token.starts_line) text += '|';
    text += token.quoted ? '<' + token.text + '>' : token.text;
    text += '@' + std::to_string(token.line);
  }
  for (const Fault& fault : faults.faults()) text += " !" + std::to_string(fault.line) + ' ' + fault.message;
  return text;
}

TEST_CASE("words are cut at white space and keep their lines") {
  CHECK(show("a b\n\tc {\n}") == "|a@1 b@1 |c@2 {@2 |}@3");
  CHECK(show("") == "");
  CHECK(show("\n\n  \n") == "");
}

TEST_CASE("a comment begins anywhere outside of quotes and ends with its line") {
  CHECK(show("# whole line\na#b c\n\"#d\" e # f") == "|a@2 |<#d>@3 e@3");
}

TEST_CASE("a carriage return is no part of a word") { CHECK(show("a b\r\nc\r\n") == "|a@1 b@1 |c@2"); }

TEST_CASE("a byte order mark is skipped") { CHECK(show("\xef\xbb\xbf.:53 {") == "|.:53@1 {@1"); }

TEST_CASE("Unicode spaces, as copied from a web page, separate words") {
  CHECK(show("forward\xc2\xa0.\xe2\x80\x89"
             "1.1.1.1") == "|forward@1 .@1 1.1.1.1@1");
}

TEST_CASE("quotes hold spaces, braces and line breaks; only the quote itself is escaped") {
  CHECK(show(R"("a b" "{" "x\"y" "\d\\")") == R"(|<a b>@1 <{>@1 <x"y>@1 <\d\\>@1)");
  CHECK(show("\"a\nb\" c\nd") == "|<a\nb>@1 c@2 |d@3");
  CHECK(show("\"\" a") == "|<>@1 a@1");
}

TEST_CASE("a quote inside of a word is a letter") { CHECK(show("a\"b c\"") == "|a\"b@1 c\"@1"); }

TEST_CASE("a lone backslash at the end of a line joins it with the next") {
  CHECK(show("a \\\nb\nc") == "|a@1 b@2 |c@3");
  CHECK(show("a\\\nb") == "|a\\@1 |b@2");
  CHECK(show("\\\na") == "|a@2");
  CHECK(show("a \\ # why\r\nb") == "|a@1 b@2");
}

TEST_CASE("an open quote is a fault where it begins, and the lines after it are still read") {
  CHECK(show("a \"b c\nd e") == "|a@1 <b c>@1 |d@2 e@2 !1 the quote is never closed; add '\"' at the end of the text");
}

TEST_CASE("an open quote names the earlier one that may have swallowed lines") {
  CHECK(show("a \"b\nc \"d\ne \"") ==
        "|a@1 <b\nc >@1 d@2 |e@3 <>@3 !3 the quote is never closed; add '\"' at the end of the text, or to the quote "
        "that begins on line 1");
}

TEST_CASE("a NUL byte is a fault in a word, between words and in quotes") {
  const std::string_view fault = "NUL byte; save the file as plain text in UTF-8";
  CHECK(show(std::string_view("a\0b", 3)) == "|ab@1 !1 " + std::string(fault));
  CHECK(show(std::string_view("a\n\"\0\"", 5)).ends_with("!2 " + std::string(fault)));
}

TEST_CASE("a UTF-16 file is one fault, not one an octet") {
  CHECK(show(std::string_view("\xff\xfe.\0:\0", 6)) == " !1 the file is UTF-16; save it as UTF-8");
}

}  // namespace
}  // namespace fairlead::server
