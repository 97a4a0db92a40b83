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

bool LoopProbe::see(const Origin& origin) {
  const unsigned seen_before = sights_.fetch_add(1);
  if (seen_before < loop_probe_sights_max) return false;
  if (seen_before == loop_probe_sights_max && !is_looping_.exchange(true) && on_loop) on_loop(origin.client_text());
  return true;
}

Step LoopHandler::handle(QueryContext& context) {
  if (!probe_->is_active() || context.query.qtype != dns::RRType::hinfo) return Step::next;
  if (!(context.query.qname == probe_->qname().view()) || !probe_->see(context.origin)) return Step::next;
  context.writer.set_rcode(dns::Rcode::servfail);
  return Step::answered;
}

Step LoopGate::handle(QueryContext& context) {
  if (!probe_->is_looping() || context.query.qname == probe_->qname().view()) return Step::next;
  context.writer.set_rcode(dns::Rcode::servfail);
  context.writer.set_extended_error(
      {dns::ExtendedError::other, "what is forwarded comes back to this server, the log says more"});
  return Step::answered;
}

}  // namespace fairlead::server
