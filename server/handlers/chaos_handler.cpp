#include "server/handlers/chaos_handler.hpp"

#include <utility>

#include "server/handlers/cluster_reply.hpp"
#include "server/handlers/nsid_handler.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

using namespace std::string_view_literals;

bool is_name(dns::NameView name, std::string_view wire) {
  return name == dns::NameView({reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
}

std::string status_of(const NamedCluster& named) {
  const k8s::ClusterTable& table = named.cluster->table();
  std::string text = "kubernetes " + named.zone + ": ";
  if (named.cluster->is_in_step()) {
    text += "in step, serial " + std::to_string(table.serial.load(std::memory_order_relaxed));
  } else if (named.cluster->is_from_snapshot()) {
    text += "from a snapshot: " + std::string(table.snapshot_note);
  } else {
    text += "not in step";
  }
  return text;
}

}  // namespace

ChaosHandler::ChaosHandler(const ChaosOptions& options, std::string version, std::vector<NamedCluster> clusters)
    : version_(options.version.empty() ? std::move(version) : options.version),
      authors_(options.authors.empty() ? std::vector<std::string>{"The Fairlead authors"} : options.authors),
      clusters_(std::move(clusters)) {}

Step ChaosHandler::handle(QueryContext& context) {
  if (context.query.qclass != dns::RRClass::ch || context.query.qtype != dns::RRType::txt) return Step::next;
  const dns::NameView qname = context.qname.view();
  if (is_name(qname, "\7version\4bind\0"sv) || is_name(qname, "\7version\6server\0"sv)) {
    append(context, version_);
  } else if (is_name(qname, "\10hostname\4bind\0"sv) || is_name(qname, "\2id\6server\0"sv)) {
    append(context, host_name());
  } else if (is_name(qname, "\7authors\4bind\0"sv)) {
    for (const std::string& author : authors_) append(context, author);
  } else if (is_name(qname, "\6status\6server\0"sv)) {
    append_status(context);
  } else {
    return Step::next;
  }
  return Step::answered;
}

void ChaosHandler::append(QueryContext& context, std::string_view text) {
  text = text.substr(0, 255);
  std::vector<std::uint8_t> rdata{static_cast<std::uint8_t>(text.size())};
  rdata.insert(rdata.end(), text.begin(), text.end());
  if (!context.writer.append(dns::Section::answer, pointer_octets(dns::question_pointer), dns::RRType::txt, 0, rdata,
                             dns::RRClass::ch)) {
    context.writer.set_flag(dns::Header::tc);
  }
}

void ChaosHandler::append_status(QueryContext& context) const {
  if (clusters_.empty()) append(context, "no kubernetes directive");
  for (const NamedCluster& named : clusters_) append(context, status_of(named));
}

}  // namespace fairlead::server
