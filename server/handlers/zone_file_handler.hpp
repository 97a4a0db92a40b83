// `file` and `auto`: authoritative answers from zone files.
//
// The zone of a question is the longest match among all zones of the directive. Aliases are followed within the zone,
// and beyond it through the server's own chain.
//
// Threads: one worker's, inside the worker's ReadSection.
// Limits: alias_chain_max aliases; what fits into the writer, TC says that it did not.
// Standards: RFC 1034 §4.3.2, RFC 2308, RFC 4592, RFC 6672 (DNAME), RFC 6604 (RCODE of aliases), RFC 8482 (ANY),
// RFC 9471 (glue).
#pragma once

#include <memory>
#include <vector>

#include "server/handlers/zone_store.hpp"
#include "server/query/query_context.hpp"
#include "server/query/transferable_zones.hpp"

namespace fairlead::server {

/// What one directive serves.
struct ZoneFiles {
  std::shared_ptr<ZoneStore> store;
  std::vector<dns::DomainName> within;  // `auto`: zones elsewhere are not served; empty: all are
  Fallthrough fallthrough;
};

class ZoneFileHandler final : public Handler, public TransferableZones {
 public:
  /// `directive` is "file" or "auto".
  ZoneFileHandler(std::string_view directive, std::vector<ZoneFiles> files, bool rotates_answers);

  Step handle(QueryContext& context) override;
  PluginLabel plugin() const override { return label_; }

  std::optional<TransferableZone> find_zone(dns::NameView apex) const override;
  bool has_name(dns::NameView name) const override;
  std::unique_ptr<zones::ZoneReader> read_zone(dns::NameView apex, std::function<void()> wake) override;

 private:
  struct Found {
    const ZoneFiles* files;
    const LoadedZone* loaded;  // null without one
  };
  Found find(dns::NameView name) const;
  const LoadedZone* find_apex(dns::NameView apex) const;

  const std::vector<ZoneFiles> files_;
  const bool rotates_answers_;
  const PluginLabel label_;
};

}  // namespace fairlead::server
