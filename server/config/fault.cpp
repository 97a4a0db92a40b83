#include "server/config/fault.hpp"

namespace fairlead::server {

std::string to_string(const SourceLine& at) { return at.line == 0 ? at.file : at.file + ':' + std::to_string(at.line); }

std::string to_string(const Fault& fault) {
  return to_string(SourceLine{fault.file, fault.line}) + ": " + fault.message;
}

std::string to_string(const std::vector<Fault>& faults) {
  std::string text;
  for (const Fault& fault : faults) text += to_string(fault) + '\n';
  return text;
}

}  // namespace fairlead::server
