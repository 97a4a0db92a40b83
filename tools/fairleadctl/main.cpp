// fairleadctl: looks into the DNS of a cluster from outside. See README.md.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "tools/fairleadctl/cluster_source.hpp"
#include "tools/fairleadctl/debug_source.hpp"
#include "tools/fairleadctl/debug_tables.hpp"
#include "tools/fairleadctl/explain_source.hpp"
#include "tools/fairleadctl/options.hpp"
#include "tools/fairleadctl/transfer.hpp"
#include "tools/fairleadctl/zone_listing.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::ctl;

int fail(int status, const std::string& reason) {
  std::fprintf(stderr, "fairleadctl: %s\n", reason.c_str());
  return status;
}

// A full disk must not look like a small zone.
int print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail(exit_failed, std::string("cannot write the listing: ") + std::strerror(errno));
  }
  return exit_done;
}

int dump(const Options& options) {
  std::expected<std::vector<dns::ResourceRecord>, std::string> records;
  if (!options.server.empty()) {
    const auto server = ServerAddress::parse(options.server);
    if (!server) return fail(exit_usage, server.error());
    records = transfer_zone(*server, options.zone, options.timeout);
  } else {
    records = list_cluster(options);
  }
  if (!records) return fail(exit_failed, records.error());
  sort_records(*records, options.zone);
  return print(write_listing(*records, options.zone, options.format));
}

int explain(const Options& options) {
  const auto explanation = explain_name(options);
  return explanation ? print(write_explanation(*explanation, options.as_json)) : fail(exit_failed, explanation.error());
}

int show(const Options& options) {
  const bool is_top = options.command == Command::top;
  const auto page = get_debug_page(options.from, is_top ? "/debug/top" : "/debug/slow", options.timeout);
  if (!page) return fail(exit_failed, page.error());
  if (options.as_json) return print(*page);
  const auto text =
      is_top ? write_top_tables(*page, options.rows) : write_slow_table(*page, options.rows, options.at_least);
  return text ? print(*text) : fail(exit_failed, text.error());
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const auto options = parse_options(count, arguments);
    if (!options) return options.error();
    switch (options->command) {
      case Command::dump: return dump(*options);
      case Command::explain: return explain(*options);
      default: return show(*options);
    }
  } catch (const std::exception& error) {
    return fail(exit_failed, error.what());
  }
}
