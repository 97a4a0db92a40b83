// The typed options of `rewrite`: its rules, in the order of the file. As directive_options.hpp.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "server/config/name_pattern.hpp"
#include "zones/dns/domain_name.hpp"
#include "zones/dns/rcode.hpp"
#include "zones/dns/rr_type.hpp"

namespace fairlead::server {

/// What a rule of `rewrite` is about.
struct RewriteField {
  /// `name`: the question's name, and what of it stands in the reply.
  struct Name {
    /// `answer name|value FROM TO`
    struct Answer {
      bool of_value = false;
      NameReplacement replacement;  // a regular expression
    };
    NameReplacement replacement;
    /// Of `exact`, so that names are compared in wire form; otherwise both are the root.
    dns::DomainName from;
    dns::DomainName to;
    bool answer_auto = false;
    std::vector<Answer> answers;
  };
  struct Type {
    dns::RRType from{};
    dns::RRType to{};
  };
  struct Class {
    dns::RRClass from{};
    dns::RRClass to{};
  };
  /// `edns0 local|nsid|subnet set|append|replace|unset ...`
  struct Edns {
    enum class Kind { local, nsid, subnet };
    enum class Action { set, append, replace, unset };
    Kind kind = Kind::local;
    Action action = Action::set;
    std::uint16_t code = 0;
    std::vector<std::uint8_t> data;  // of local
    std::string variable;            // of local, instead of data: "client_ip", or a label of `metadata`
    std::uint8_t ipv4_prefix = 0;    // of subnet
    std::uint8_t ipv6_prefix = 0;
    bool revert = false;
  };
  struct Ttl {
    NamePattern name;
    std::uint32_t min = 0;
    std::uint32_t max = std::numeric_limits<std::int32_t>::max();  // RFC 2181 §8
  };
  struct Rcode {
    NamePattern name;
    dns::Rcode from{};
    dns::Rcode to{};
  };
  /// `cname`: the target of an alias in the reply; what it leads to is looked up anew.
  struct Cname {
    NameReplacement target;
  };
};

/// `rewrite [continue|stop] FIELD ...`
struct RewriteRule {
  using Name = RewriteField::Name;
  using Type = RewriteField::Type;
  using Class = RewriteField::Class;
  using Edns = RewriteField::Edns;
  using Ttl = RewriteField::Ttl;
  using Rcode = RewriteField::Rcode;
  using Cname = RewriteField::Cname;

  bool stops = true;
  std::variant<Name, Type, Class, Edns, Ttl, Rcode, Cname> field;
};

struct RewriteOptions {
  std::vector<RewriteRule> rules;
};

}  // namespace fairlead::server
