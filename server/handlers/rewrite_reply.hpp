// What the rules of `rewrite` do to one reply: names are mapped back, TTLs and the RCODE changed.
//
// Threads: one worker's; a value once the question has been rewritten.
// Standards: RFC 4343 (names are found whatever their case).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "server/config/name_pattern.hpp"
#include "server/config/rewrite_options.hpp"
#include "server/query/query_context.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

class RewriteReply {
 public:
  /// `from` and names below it, in owners and values.
  struct Map {
    dns::DomainName from;
    dns::DomainName to;
  };
  /// A rule's text; it lives as long as the plan.
  struct Replace {
    const NameReplacement* replacement = nullptr;
    bool in_owner = false;
    bool in_value = false;
  };

  void add(Map rule) { rules_.emplace_back(std::move(rule)); }
  void add(Replace rule) { rules_.emplace_back(rule); }
  void add(const RewriteRule::Ttl& rule) { rules_.emplace_back(&rule); }
  void add(const RewriteRule::Rcode& rule) { rules_.emplace_back(&rule); }
  void add(const RewriteRule::Cname& rule) { cnames_.push_back(&rule); }

  bool is_empty() const { return rules_.empty() && cnames_.empty(); }

  /// The first alias of `message` that a rule of `cname` has, by its place among the records, and its new target.
  struct Alias {
    std::size_t record = 0;
    dns::DomainName target;
  };
  std::optional<Alias> find_alias(std::span<const std::uint8_t> message) const;

  /// The reply to the rewritten question, written for the client. With an alias: the records up to it alone.
  void write(QueryContext& context, std::span<const std::uint8_t> message, const Alias* alias = nullptr) const;

  /// The question asked another name than the client's.
  bool renames = false;
  /// Of the reply, if the client speaks EDNS.
  std::vector<std::uint8_t> edns_options;

 private:
  friend class RewriteEditor;
  // In the order of the rules; they are undone from the last to the first.
  std::vector<std::variant<Map, Replace, const RewriteRule::Ttl*, const RewriteRule::Rcode*>> rules_;
  std::vector<const RewriteRule::Cname*> cnames_;
};

}  // namespace fairlead::server
