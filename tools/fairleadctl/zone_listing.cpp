#include "tools/fairleadctl/zone_listing.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

namespace fairlead::ctl {
namespace {

std::string write_json_record(const dns::ResourceRecord& record) {
  nlohmann::ordered_json line;
  line["owner"] = record.owner.to_string();
  line["ttl"] = record.ttl;
  line["class"] = dns::to_string(record.rrclass);
  line["type"] = dns::to_string(record.type);
  line["rdata"] = dns::rdata_to_string(record.type, record.rdata);
  return line.dump();
}

}  // namespace

void sort_records(std::vector<dns::ResourceRecord>& records, const dns::DomainName& zone) {
  const auto rank = [&zone](const dns::ResourceRecord& record) {
    if (record.type == dns::RRType::soa && record.owner == zone) return 0;
    return record.owner.view().is_at_or_below(zone) ? 1 : 2;
  };
  std::ranges::stable_sort(records, [&rank](const auto& a, const auto& b) {
    if (const auto order = rank(a) <=> rank(b); order != 0) return order < 0;
    if (const auto order = dns::compare_canonical(a.owner, b.owner); order != 0) return order < 0;
    return std::tie(a.type, a.rdata, a.ttl) < std::tie(b.type, b.rdata, b.ttl);
  });
}

std::string write_listing(const std::vector<dns::ResourceRecord>& records, const dns::DomainName& zone, Format format) {
  std::string text;
  if (format == Format::zone) {
    for (const auto& record : records) text += dns::to_string(record) + '\n';
    return text;
  }
  text = "{\"zone\":" + nlohmann::json(zone.to_string()).dump() + ",\"records\":[";
  for (std::size_t i = 0; i < records.size(); ++i) {
    text += i == 0 ? "\n" : ",\n";
    text += write_json_record(records[i]);
  }
  text += "\n]}\n";
  return text;
}

}  // namespace fairlead::ctl
