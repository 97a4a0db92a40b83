// Any octets as the text of a zone file and of a hosts file: what is read answers lookups, the rest is a fault.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "zones/hosts_table.hpp"
#include "zones/zone.hpp"
#include "zones/zone_file.hpp"

namespace {

using namespace fairlead;

const dns::DomainName apex = *dns::DomainName::parse("example.org.");

void require(bool condition) {
  if (!condition) std::abort();
}

void look_up_all(const zones::Zone& zone) {
  require(zone.apex().is_at_or_below(apex) && zone.find(zone.apex_node(), dns::RRType::soa) != nullptr);
  for (const auto& node : zone.nodes()) {
    const dns::NameView name = zone.name(node);
    require(name.is_at_or_below(apex) && zone.find(name) == &node);
    const auto found = zone.look_up(name);
    require(found.node != nullptr && name.is_at_or_below(zone.name(*found.node)));
    for (const auto& rrset : zone.rrsets(node)) {
      require(rrset.count > 0);
      for (std::size_t i = 0; i < rrset.count; ++i) require(zone.rdata(rrset, i).size() <= 65535);
    }
    if (const auto child = dns::DomainName::parse("a." + name.to_string())) zone.look_up(child->to_lower());
  }
}

void read_as_zone(std::string_view text) {
  const auto file = zones::parse_zone_text(text, "/nowhere/db", apex);
  require(file.faults.size() <= zones::zone_faults_max + 1);
  for (const auto& fault : file.faults) require(!file.to_string(fault).empty());
  for (const auto& record : file.records) require(record.at.line > 0);
  const auto made = zones::Zone::make(apex, file);
  if (made.zone != nullptr) look_up_all(*made.zone);
}

void read_as_hosts(std::string_view text) {
  zones::HostsTable::Faults faults;
  const zones::HostsTable table(text, {}, true, faults);
  require(faults.first.size() <= zones::hosts_faults_max && faults.first.size() <= faults.count);
  for (const std::string_view word : {"a.", "example.org.", "*.example.org.", "a.b.example.org."}) {
    const auto name = *dns::DomainName::parse(word);
    table.find_v6(name);
    for (const auto& octets : table.find_v4(name)) {
      require(octets.size() == 4);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;  // longer texts add nothing but time
  const std::string text(reinterpret_cast<const char*>(data), size);
  // $INCLUDE would read this machine's files.
  if (text.contains("$I") || text.contains("$i")) return 0;
  read_as_zone(text);
  read_as_hosts(text);
  return 0;
}
