// The typed options of the small directives: those that answer or change a query by themselves, with a line or two in
// the Corefile. As directive_options.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/config/fault.hpp"

namespace fairlead::server {

/// `root PATH`: where relative paths of other directives begin.
struct RootOptions {
  std::string path;
};
/// Where a file that another directive of the block names is found.
std::string below_root(const std::optional<RootOptions>& root, const std::string& path);

/// `cancel [TIMEOUT]`
struct CancelOptions {
  std::chrono::nanoseconds timeout = std::chrono::milliseconds(5001);
};

/// `timeouts { read|write|idle DURATION; maxtcpqueries N }`, of TCP connections
struct TimeoutsOptions {
  std::optional<std::chrono::nanoseconds> read;
  std::optional<std::chrono::nanoseconds> write;
  std::optional<std::chrono::nanoseconds> idle;
  std::optional<std::uint32_t> queries_max;  // 0: no limit
};

/// `multisocket [N]`; without effect, each worker has its own sockets.
struct MultisocketOptions {};

/// `nsid [DATA]`
struct NsidOptions {
  std::string data;  // empty: the host's name
};

/// `bufsize [SIZE]`
struct BufsizeOptions {
  std::uint16_t octets = 1232;
};

/// `local { localhost_prefix on|off }`
struct LocalOptions {
  bool localhost_prefix = true;
};

/// `any`
struct AnyOptions {};

/// `chaos [VERSION] [AUTHORS...]`
struct ChaosOptions {
  std::string version;  // empty: ours
  std::vector<std::string> authors;
};

/// `header { query|response set|clear FLAG... }`
struct HeaderOptions {
  struct Rule {
    std::uint16_t flag = 0;  // dns::Header's
    bool on = false;
    friend bool operator==(const Rule&, const Rule&) = default;
  };
  std::vector<Rule> query;  // rd alone
  std::vector<Rule> response;
};

/// `minimal`
struct MinimalOptions {};

/// `whoami`
struct WhoamiOptions {};

}  // namespace fairlead::server
