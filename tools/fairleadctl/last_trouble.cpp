#include "tools/fairleadctl/last_trouble.hpp"

namespace fairlead::ctl {

base::LogFunction LastTrouble::log() {
  return [this](base::LogLevel level, std::string_view text) {
    if (level < base::LogLevel::warning) return;
    // The server goes on; this program ends with the message.
    if (constexpr std::string_view hope = "; trying again"; text.ends_with(hope)) text.remove_suffix(hope.size());
    last_.with([text](std::string& last) { last = text; });
  };
}

std::string LastTrouble::why_not_listed() const {
  const std::string trouble = last_.with([](const std::string& last) { return last; });
  return "the API server did not list its Services, EndpointSlices and Namespaces in time; " +
         (trouble.empty() ? "it is slow or out of reach, see --timeout" : "last trouble: " + trouble);
}

}  // namespace fairlead::ctl
