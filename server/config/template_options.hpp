// The typed options of `template`. As directive_options.hpp.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/directive_options.hpp"
#include "server/config/expression.hpp"
#include "server/config/regular_expression.hpp"
#include "server/config/text_template.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/ldns_bridge.hpp"
#include "zones/dns/rcode.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::server {

/// `template CLASS TYPE [ZONES...] { ... }`; a block may have several, tried in the order of the file.
struct TemplateOptions {
  /// A record that is made for each query, or one that is always the same.
  struct Record {
    TextTemplate text;
    std::optional<dns::ResourceRecord> constant;
  };
  /// `var NAME EXPRESSION`; it may use those before it.
  struct Variable {
    std::string name;
    Expression value;
  };
  struct ExtendedError {
    std::uint16_t code = 0;
    std::string reason;
  };
  dns::RRClass qclass = dns::RRClass::in;
  dns::RRType qtype = dns::RRType::any;
  std::vector<dns::DomainName> zones;
  std::vector<RegularExpression> match;  // the first that matches counts; empty: every name
  std::vector<Variable> variables;
  std::vector<Expression> conditions;  // of `expr`; all must hold
  std::vector<Record> answer;
  std::vector<Record> additional;
  std::vector<Record> authority;
  dns::Rcode rcode = dns::Rcode::noerror;
  std::optional<ExtendedError> extended_error;
  Fallthrough fallthrough;
};

/// A record as a template makes it: one line, or several in parentheses; comments are left out.
std::expected<dns::ResourceRecord, std::string> parse_template_record(std::string_view text);

}  // namespace fairlead::server
