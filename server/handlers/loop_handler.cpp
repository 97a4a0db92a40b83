#include "server/handlers/loop_handler.hpp"

#include <random>

namespace fairlead::server {
namespace {

dns::DomainName make_probe_name(const dns::DomainName& zone) {
  std::random_device random;
  const auto label = [&random] {
    const auto value = static_cast<std::uint64_t>(random()) << 32 | random();
    return std::to_string(value);
  };
  auto name = zone.with_label(label());
  if (name) name = name->with_label(label());
  // A zone too long for two labels more is no zone that a query could loop through.
  return name ? *name : zone;
}

}  // namespace

LoopProbe::LoopProbe(const dns::DomainName& zone) : zone_(zone), qname_(make_probe_name(zone)) {}

void LoopProbe::see(const Origin& origin) {
  if (sights_.fetch_add(1) == loop_probe_sights_max && on_loop) on_loop(origin.client_text());
}

Step LoopHandler::handle(QueryContext& context) {
  if (!probe_->is_active() || context.query.qtype != dns::RRType::hinfo) return Step::next;
  if (context.query.qname == probe_->qname().view()) probe_->see(context.origin);
  return Step::next;
}

}  // namespace fairlead::server
