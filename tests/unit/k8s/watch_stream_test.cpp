#include "k8s/watch_stream.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace fairlead::k8s;

namespace {

struct Lines final : WatchStream::Handler {
  bool take_event(std::string& json) override {
    texts.push_back(json);
    return texts.size() < limit;
  }
  std::size_t limit = 1000;
  std::vector<std::string> texts;
};

}  // namespace

TEST_CASE("events are lines, whatever the pieces they arrive in") {
  const std::string_view text = "{\"a\":1}\n\n{\"b\":\"\\n\"}\r\n  \n{}\n{\"cut";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    CAPTURE(piece);
    Lines lines;
    JsonWatchStream stream(lines);
    for (std::size_t at = 0; at < text.size(); at += piece) CHECK(stream.feed(text.substr(at, piece)));
    CHECK(lines.texts == std::vector<std::string>{"{\"a\":1}", "{\"b\":\"\\n\"}\r", "{}"});
  }
}

TEST_CASE("a handler that has enough gets no more") {
  Lines lines;
  lines.limit = 2;
  JsonWatchStream stream(lines);
  CHECK_FALSE(stream.feed("1\n2\n3\n"));
  CHECK_FALSE(stream.feed("4\n"));
  CHECK(lines.texts.size() == 2);
}

TEST_CASE("a line above the limit is left out and counted, the next one is not") {
  Lines lines;
  JsonWatchStream stream(lines);
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 6; ++i) CHECK(stream.feed(piece));
  CHECK(stream.feed("\n{}\n"));
  CHECK(lines.texts == std::vector<std::string>{"{}"});
  CHECK(stream.oversized_events() == 1);
}
