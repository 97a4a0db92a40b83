#include "server/config/fault_collector.hpp"

#include <algorithm>
#include <utility>

#include "server/config/limits.hpp"

namespace fairlead::server {

std::string quote(std::string_view text) {
  static constexpr std::string_view hex = "0123456789abcdef";
  std::string quoted = "'";
  std::size_t taken = 0;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    // Cut between characters, not inside of one: octets 10xxxxxx continue a UTF-8 character.
    if (taken >= quoted_octets_max && (octet & 0xc0) != 0x80) {
      quoted += "...";
      break;
    }
    if (taken++ >= quoted_octets_max + 4) {
      quoted += "...";
      break;
    }
    if (octet == '\n') {
      quoted += "\\n";
    } else if (octet < 0x20 || octet == 0x7f) {
      quoted += "\\x";
      quoted += hex[octet >> 4];
      quoted += hex[octet & 15];
    } else {
      quoted += c;
    }
  }
  return quoted + '\'';
}

std::uint32_t FaultCollector::add_source(std::string name, SourcePosition importer) {
  sources_.push_back({std::move(name), importer});
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

void FaultCollector::add(Findings& findings, SourcePosition at, std::string message) {
  std::string printed = to_string(Fault{source_name(at.source), at.line, message});
  if (findings.seen.contains(printed)) return;
  if (findings.found.size() >= faults_kept_max) {
    ++findings.uncounted;
    return;
  }
  findings.seen.insert(std::move(printed));
  findings.found.push_back({at, std::move(message)});
}

// The lines of the imports that lead to `at`, from the main file down. Sources are numbered as they are read, which
// tells the files of one glob apart.
std::vector<std::uint32_t> FaultCollector::reading_order(SourcePosition at) const {
  std::vector<std::uint32_t> order;
  while (at.source != 0) {
    order.push_back(at.line);
    order.push_back(at.source);
    at = sources_[at.source].importer;
  }
  order.push_back(at.line);
  std::ranges::reverse(order);
  return order;
}

std::vector<Fault> FaultCollector::report(const Findings& findings, std::string_view noun) const {
  // Those of one line stay in the order in which they were found.
  std::vector<std::pair<std::vector<std::uint32_t>, std::size_t>> sorted;
  for (std::size_t i = 0; i < findings.found.size(); ++i) {
    sorted.emplace_back(reading_order(findings.found[i].at), i);
  }
  std::ranges::sort(sorted);
  std::vector<Fault> faults;
  for (const auto& [order, index] : sorted) {
    if (faults.size() == faults_max) break;
    const Found& found = findings.found[index];
    faults.push_back({source_name(found.at.source), found.at.line, found.message});
  }
  const std::size_t rest = sorted.size() - faults.size() + findings.uncounted;
  if (rest > 0)
    faults.push_back({sources_.front().name, 0, "and " + std::to_string(rest) + " more " + std::string(noun)});
  return faults;
}

}  // namespace fairlead::server
