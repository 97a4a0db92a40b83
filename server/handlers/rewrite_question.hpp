// A question on its way through the rules of `rewrite`: the client's, and what the rules made of it so far.
//
// Nothing is copied before a rule changes it.
//
// Threads: one worker's; it stands on the stack of one query.
// Limits: rewritten_options_octets_max.
// Standards: RFC 7871 §6 (client subnet), RFC 5001 (NSID).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/config/rewrite_options.hpp"
#include "server/query/query_context.hpp"

namespace fairlead::server {

/// EDNS options of one query, the client's included. A rule that would need more does not apply.
inline constexpr std::size_t rewritten_options_octets_max = 4'096;

class RewriteQuestion {
 public:
  explicit RewriteQuestion(const QueryContext& context)
      : context_(context), qname_(context.qname.view()), qtype_(context.query.qtype), qclass_(context.query.qclass) {}

  dns::NameView qname() const { return qname_; }
  /// Presentation form in lower case, made at the first call.
  const std::string& text() {
    if (text_.empty()) text_ = qname_.to_string();
    return text_;
  }
  dns::RRType qtype() const { return qtype_; }
  dns::RRClass qclass() const { return qclass_; }

  void set_name(dns::NameView qname) {
    name_ = dns::DomainName(qname);
    qname_ = name_;
    text_.clear();
  }
  void set_type(dns::RRType qtype) { qtype_ = qtype; }
  void set_class(dns::RRClass qclass) { qclass_ = qclass; }
  /// True when the rule applied.
  bool apply(const RewriteRule::Edns& rule);

  bool is_renamed() const { return qname_.data() != context_.qname.octets.data(); }
  bool is_changed() const {
    return is_renamed() || qtype_ != context_.query.qtype || qclass_ != context_.query.qclass || has_options_;
  }
  /// The question as a packet. Of the options those alone whose codes are in `codes`: a client's own stay here.
  std::vector<std::uint8_t> packet(std::span<const std::uint16_t> codes);
  /// Those options of the rewritten query whose codes are in `codes`, with what `revert` rules did undone.
  std::vector<std::uint8_t> reply_options(std::span<const std::uint16_t> codes);

 private:
  std::vector<std::uint8_t>& options();
  std::optional<std::vector<std::uint8_t>> value_of(const RewriteRule::Edns& rule);
  std::vector<std::uint8_t> client_subnet(const RewriteRule::Edns& rule) const;

  const QueryContext& context_;
  dns::NameView qname_;
  dns::DomainName name_;  // once there is another one
  std::string text_;
  dns::RRType qtype_;
  dns::RRClass qclass_;
  bool has_options_ = false;
  std::vector<std::uint8_t> options_;
  struct Revert {
    std::uint16_t code = 0;
    std::optional<std::vector<std::uint8_t>> data;  // nothing: the option was not there
  };
  std::vector<Revert> reverts_;
};

}  // namespace fairlead::server
