#include "k8s/gzip_stream.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "unit/k8s/gzip.hpp"

using namespace fairlead::k8s;
using fairlead::k8s::testing::gzip;

TEST_CASE("a gzip body unpacks whatever the pieces it arrives in") {
  std::string text;
  for (int i = 0; i < 9000; ++i) text += std::to_string(i * 7919) + (i % 7 == 0 ? std::string(50, 'a') : ",");
  for (const std::string& whole : {text, text.substr(0, 16384), std::string(1'000'000, 'x'), std::string()}) {
    const std::string packed = gzip(whole);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{997}, packed.size()}) {
      CAPTURE(piece);
      GzipStream stream;
      std::string plain;
      for (std::size_t at = 0; at < packed.size(); at += piece) {
        REQUIRE(stream.feed(std::string_view(packed).substr(at, piece), [&](std::string_view part) {
          plain += part;
          return true;
        }));
      }
      CHECK(stream.is_complete());
      CHECK((plain == whole));
    }
  }
}

TEST_CASE("bytes that are no gzip are refused, a cut body is not complete, and enough is enough") {
  const auto drop = [](std::string_view) { return true; };
  GzipStream broken;
  CHECK_FALSE(broken.feed("{\"items\":[]}", drop));
  CHECK_FALSE(broken.feed("x", drop));
  const std::string packed = gzip(std::string(100'000, 'x'));
  GzipStream cut;
  CHECK(cut.feed(std::string_view(packed).substr(0, packed.size() - 1), drop));
  CHECK_FALSE(cut.is_complete());
  GzipStream stopped;
  int pieces = 0;
  CHECK(stopped.feed(packed, [&](std::string_view) { return ++pieces < 2; }));
  CHECK(pieces == 2);
}
