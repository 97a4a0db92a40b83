// fairleadctl: looks into the DNS of a cluster from outside. See README.md.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>

#include "tools/fairleadctl/cluster_source.hpp"
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
  const std::string text = write_listing(*records, options.zone, options.format);
  // A full disk must not look like a small zone.
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    return fail(exit_failed, std::string("cannot write the listing: ") + std::strerror(errno));
  }
  return exit_done;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const auto options = parse_options(count, arguments);
    return options ? dump(*options) : options.error();
  } catch (const std::exception& error) {
    return fail(exit_failed, error.what());
  }
}
