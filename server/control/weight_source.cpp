#include "server/control/weight_source.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "server/config/fault_collector.hpp"
#include "server/config/option_values.hpp"
#include "server/config/source_reader.hpp"
#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view blanks = " \t\r\v\f";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(blanks); at < line.size(); at = line.find_first_not_of(blanks, at)) {
    const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

}  // namespace

std::expected<WeightTable, std::string> parse_weights(std::string_view text) {
  WeightTable table;
  AddressWeights* weights = nullptr;
  for (std::size_t at = 0, number = 1; at < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const auto words = words_of(text.substr(at, end - at));
    at = end + 1;
    const auto wrong = [&](const std::string& what) {
      return std::unexpected("line " + std::to_string(number) + ": " + what);
    };
    if (words.empty() || words.front().front() == '#') continue;
    if (words.size() > 2) return wrong("write 'NAME', or 'ADDRESS WEIGHT'");
    const auto address = base::IpAddress::parse(words[0]);
    if (words.size() == 1) {
      if (address) return wrong(quote(words[0]) + " has no weight; write one from 1 to 255 behind it");
      const auto name = dns::DomainName::parse(words[0]);
      if (!name) return wrong(quote(words[0]) + " is not a domain name");
      weights = &table[name->to_lower()];
      continue;
    }
    if (!address) return wrong(quote(words[0]) + " is not an IP address");
    if (weights == nullptr) return wrong("no name stands in front of the first address");
    const auto weight = parse_number(words[1], 1, 255);
    if (!weight) return wrong(weight.error());
    (*weights)[*address] = static_cast<std::uint8_t>(*weight);
  }
  return table;
}

std::expected<std::shared_ptr<WeightSource>, std::string> WeightSource::create(std::string path) {
  std::shared_ptr<WeightSource> source(new WeightSource(std::move(path)));
  source->stamp_ = stamp_of(source->path_);
  const bool is_missing = source->stamp_ == FileStamp();
  const std::string reason = source->read();
  // As CoreDNS: a file that comes later is no reason not to start.
  if (is_missing) {
    source->failure_ = reason;
    log_warning("plugin/loadbalance: " + source->path_ + ": " + reason + "; all weights are 1 until it is there");
  } else if (!reason.empty()) {
    return std::unexpected(source->path_ + ": " + reason);
  }
  return source;
}

void WeightSource::refresh() {
  const FileStamp stamp = stamp_of(path_);
  if (stamp == stamp_ && failure_.empty()) return;
  const std::string reason = read();
  if (reason.empty()) {
    stamp_ = stamp;
    failure_.clear();
    log_info("plugin/loadbalance: " + path_ + " was read again");
  } else if (reason != failure_) {
    failure_ = reason;
    log_warning("plugin/loadbalance: " + path_ + ": " + reason + "; the weights stay as they were");
  }
}

std::string WeightSource::read() {
  const auto text = disk_reader().read(path_, weights_octets_max);
  if (!text) return text.error().reason;
  auto table = parse_weights(*text);
  if (!table) return table.error();
  const base::ReaderThread reader;
  table_.publish(std::make_unique<const WeightTable>(std::move(*table)));
  return {};
}

}  // namespace fairlead::server
