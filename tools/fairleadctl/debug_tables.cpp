#include "tools/fairleadctl/debug_tables.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace fairlead::ctl {
namespace {

using Json = nlohmann::json;

// Columns as wide as they must be.
class Table {
 public:
  /// `sides`: an 'l' or 'r' for each column, where its text stands.
  Table(std::vector<std::string> header, std::string_view sides) : sides_(sides) { add(std::move(header)); }

  void add(std::vector<std::string> row) {
    widths_.resize(std::max(widths_.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths_[i] = std::max(widths_[i], row[i].size());
    rows_.push_back(std::move(row));
  }

  std::string text() const {
    std::string text;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string padding(widths_[i] - row[i].size(), ' ');
        line += (i == 0 ? "" : "  ") + (sides_[i] == 'l' ? row[i] + padding : padding + row[i]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + '\n';
    }
    return text;
  }

 private:
  std::string_view sides_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> widths_;
};

std::string printed(const char* format, double number) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 || part == 0 ? "-"
                                 : printed("%.1f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string milliseconds(std::uint64_t microseconds) {
  return printed("%.1f", static_cast<double>(microseconds) / 1000);
}

std::string duration_text(std::uint64_t seconds) {
  if (seconds < 60) return std::to_string(seconds) + " s";
  return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
}

std::string talkers(const Json& found, const char* key, const char* title, std::uint64_t queries, std::uint64_t seconds,
                    std::size_t rows) {
  Table table({title, "QUERIES", "SHARE", "PER SECOND", "NXDOMAIN", "FAILED"}, "lrrrrr");
  for (std::size_t i = 0; i < std::min(found.size(), rows); ++i) {
    const Json& talker = found[i];
    const auto count = talker.at("queries").get<std::uint64_t>();
    table.add({talker.at(key).get<std::string>(), std::to_string(count), percent(count, queries),
               printed("%.1f", static_cast<double>(count) / static_cast<double>(std::max<std::uint64_t>(seconds, 1))),
               percent(talker.at("nxdomain").get<std::uint64_t>(), count),
               percent(talker.at("failed").get<std::uint64_t>(), count)});
  }
  return table.text();
}

// What a page that is read with at() may throw.
template <typename F>
std::expected<std::string, std::string> reading(const F& write) {
  try {
    return write();
  } catch (const Json::exception&) {
    return std::unexpected("the server sent a page that this fairleadctl cannot read; are their versions the same?");
  }
}

std::vector<std::string> slow_row(const Json& query) {
  const auto answered = query.at("answered_us").get<std::uint64_t>();
  // Before upstreams were asked, while they were, and after that.
  std::string before = milliseconds(answered), upstream = "-", after = "-";
  if (query.contains("asked_upstream_us")) {
    const auto asked = query.at("asked_upstream_us").get<std::uint64_t>();
    const auto replied = std::max(asked, query.at("upstream_replied_us").get<std::uint64_t>());
    before = milliseconds(asked);
    upstream = milliseconds(replied - asked);
    after = milliseconds(std::max(answered, replied) - replied);
  }
  const auto directive = query.at("directive").get<std::string>();
  return {query.at("received").get<std::string>(),
          milliseconds(answered),
          before,
          upstream,
          after,
          query.at("rcode").get<std::string>(),
          directive.empty() ? "-" : directive,
          query.value("upstream", "-"),
          query.at("client").get<std::string>(),
          query.at("proto").get<std::string>(),
          query.at("type").get<std::string>(),
          query.at("name").get<std::string>(),
          query.value("error", "")};
}

}  // namespace

std::expected<std::string, std::string> write_top_tables(const std::string& page, std::size_t rows) {
  return reading([&] {
    const Json top = Json::parse(page);
    const auto queries = top.at("queries").get<std::uint64_t>();
    const auto samples = top.at("samples").get<std::uint64_t>();
    const auto seconds = top.at("covered_seconds").get<std::uint64_t>();
    std::string text = std::to_string(queries) + " queries in the last " + duration_text(seconds);
    if (samples < queries) text += ", told from " + std::to_string(samples) + " of them";
    text += "\n\n" + talkers(top.at("clients"), "client", "CLIENT", queries, seconds, rows);
    text += "\n" + talkers(top.at("names"), "name", "NAME", queries, seconds, rows);
    return text;
  });
}

std::expected<std::string, std::string> write_slow_table(const std::string& page, std::size_t rows,
                                                         std::chrono::milliseconds at_least) {
  return reading([&] {
    const Json slow = Json::parse(page);
    Table table({"RECEIVED", "MS", "BEFORE", "UPSTREAM", "AFTER", "RCODE", "DIRECTIVE", "ASKED", "CLIENT", "PROTO",
                 "TYPE", "NAME", "ERROR"},
                "lrrrrllllllll");
    std::size_t shown = 0;
    for (const Json& query : slow.at("queries")) {
      const auto answered = query.at("answered_us").get<std::uint64_t>();
      if (shown == rows || answered < static_cast<std::uint64_t>(at_least.count()) * 1000) break;
      table.add(slow_row(query));
      ++shown;
    }
    return shown > 0 ? table.text() : std::string("No query took that long.\n");
  });
}

}  // namespace fairlead::ctl
