// The weights of `loadbalance weighted FILE`, read again when the file changes.
//
// Threads: refresh() on the control thread; weights() on workers inside of a ReadSection.
// Limits: weights_octets_max of the file.
// Errors: a file with a fault is not taken at all: the first reading fails with it, later ones are warnings and what
// was
//   read before holds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "server/control/watched_files.hpp"
#include "zones/base/ip_address.hpp"
#include "zones/base/published.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

/// 300,000 addresses.
inline constexpr std::size_t weights_octets_max = std::size_t{16} << 20;

/// How likely an address of a name is to come first; 1 for those that are not here.
using AddressWeights = std::unordered_map<base::IpAddress, std::uint8_t>;
using WeightTable = std::unordered_map<dns::DomainName, AddressWeights>;

/// "NAME", and behind it lines of "ADDRESS WEIGHT". The error names the line.
std::expected<WeightTable, std::string> parse_weights(std::string_view text);

class WeightSource {
 public:
  static std::expected<std::shared_ptr<WeightSource>, std::string> create(std::string path);

  /// Reads the file again if it changed.
  void refresh();
  /// Valid until the ReadSection ends.
  const WeightTable& weights() const { return *table_.read(); }

 private:
  explicit WeightSource(std::string path) : path_(std::move(path)) {}
  /// The reason, if it cannot be read.
  std::string read();

  const std::string path_;
  base::Published<WeightTable> table_{std::make_unique<const WeightTable>()};
  FileStamp stamp_;
  std::string failure_;
};

}  // namespace fairlead::server
