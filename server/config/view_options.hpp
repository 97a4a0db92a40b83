// The typed options of `view`. As directive_options.hpp.
#pragma once

#include <string>
#include <vector>

#include "server/config/expression.hpp"

namespace fairlead::server {

/// `view NAME { expr EXPRESSION }`
struct ViewOptions {
  std::string name;
  std::vector<Expression> conditions;  // all must hold
};

}  // namespace fairlead::server
