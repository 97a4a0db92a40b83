// How folders below server/ say something to the operator without knowing the logging library.
//
// Threads: a LogFunction may be called from every thread.
#pragma once

#include <functional>
#include <string_view>

namespace fairlead::base {

enum class LogLevel { debug, info, warning, error };
using LogFunction = std::function<void(LogLevel, std::string_view)>;

}  // namespace fairlead::base
