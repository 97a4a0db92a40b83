#include "server/handlers/nsid_handler.hpp"

#include <unistd.h>

#include <array>
#include <string>

namespace fairlead::server {
namespace {

constexpr std::uint16_t nsid_code = 3;

bool has_option(std::span<const std::uint8_t> options, std::uint16_t code) {
  // Intake has checked that the options are whole.
  for (std::size_t at = 0; at + 4 <= options.size(); at += 4u + dns::read_u16(options.data() + at + 2)) {
    if (dns::read_u16(options.data() + at) == code) return true;
  }
  return false;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

NsidHandler::NsidHandler(const NsidOptions& options) : option_(4) {
  const std::string data = options.data.empty() ? host_name() : options.data;
  dns::write_u16(option_.data(), nsid_code);
  dns::write_u16(option_.data() + 2, static_cast<std::uint16_t>(data.size()));
  option_.insert(option_.end(), data.begin(), data.end());
}

Step NsidHandler::handle(QueryContext& context) {
  if (context.query.edns && has_option(context.query.edns->options, nsid_code)) context.edit(*this);
  return Step::next;
}

}  // namespace fairlead::server
