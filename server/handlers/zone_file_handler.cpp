#include "server/handlers/zone_file_handler.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "server/handlers/alias_target.hpp"
#include "server/query/limits.hpp"

namespace fairlead::server {
namespace {

using dns::ExtendedError;
using dns::Header;
using dns::NameView;
using dns::Rcode;
using dns::RRType;
using dns::Section;
using zones::Zone;

// Names whose addresses come along: more than a client would ever use.
constexpr std::size_t glue_names_max = 32;

// The name in RDATA that leads to addresses, of types that have one; the root for others.
NameView target_of(RRType type, std::span<const std::uint8_t> rdata) {
  switch (type) {
    case RRType::ns: return NameView(rdata);
    case RRType::mx: return NameView(rdata.subspan(2));
    case RRType::srv: return NameView(rdata.subspan(6));
    default: return {};
  }
}

// One reply, from the first lookup to the last record.
class Reply {
 public:
  Reply(QueryContext& context, const Zone& zone, PluginLabel label)
      : context_(context), writer_(context.writer), zone_(zone), label_(label) {
    owners_.begin(context.query.qname, dns::header_octets);
    set_name(context.qname.view());
  }

  Step answer() {
    const RRType qtype = context_.query.qtype;
    for (int links = 0; links <= alias_chain_max; ++links) {
      const auto found = zone_.look_up(name_.view(), qtype == RRType::ds);
      switch (found.kind) {
        case Zone::Lookup::Kind::no_name: return deny(Rcode::nxdomain);
        case Zone::Lookup::Kind::delegation: return refer(*found.node);
        case Zone::Lookup::Kind::alias_tree:
          if (!follow_alias_tree(*found.node)) return finish();
          break;
        case Zone::Lookup::Kind::name:
          if (qtype == RRType::any) return answer_any(*found.node);
          if (const auto* const rrset = zone_.find(*found.node, qtype)) return answer(*rrset);
          const auto* const alias = zone_.find(*found.node, RRType::cname);
          if (alias == nullptr) return deny(Rcode::noerror);
          if (!append(Section::answer, owner(), *alias)) return finish();
          follow(NameView(zone_.rdata(*alias, 0)));
          break;
      }
      if (!name_.view().is_at_or_below(zone_.apex())) {
        return ask_for_alias_target(context_, name_.view(), label_, {}, TargetRcode::passed_on);
      }
    }
    // A loop, or a chain that nobody follows to its end: what there is.
    return finish();
  }

 private:
  Step finish() {
    writer_.set_flag(Header::aa);
    return Step::answered;
  }

  void set_name(NameView name) {
    name.copy_lower(name_.octets.data());
    name_.size = static_cast<std::uint8_t>(name.size());
  }
  // In the client's case until an alias was followed.
  NameView owner() const { return has_alias_ ? name_.view() : context_.query.qname; }
  void follow(NameView target) {
    set_name(target);
    has_alias_ = true;
  }

  Step answer(const Zone::RRset& rrset) {
    const NameView at = owner();
    if (!append(Section::answer, at, rrset)) return finish();
    const auto* const nameservers = zone_.find(zone_.apex_node(), RRType::ns);
    const bool is_apex_ns = rrset.type == RRType::ns && at == zone_.apex();
    if (nameservers != nullptr && !is_apex_ns) append(Section::authority, zone_.apex(), *nameservers);
    append_addresses(rrset, nullptr);
    return finish();
  }

  // RFC 8482 §4.1: one RRset, which is an answer too.
  Step answer_any(const Zone::Node& node) {
    const auto rrsets = zone_.rrsets(node);
    if (rrsets.empty()) return deny(Rcode::noerror);
    append(Section::answer, owner(), rrsets.front());
    return finish();
  }

  Step deny(Rcode rcode) {
    writer_.set_rcode(rcode);
    if (rcode == Rcode::nxdomain) {
      writer_.set_extended_error({ExtendedError::other, "no such name in the zone file"});
    }
    Zone::RRset soa = *zone_.find(zone_.apex_node(), RRType::soa);
    soa.ttl = zone_.negative_ttl();
    // Without it nobody knows how long this holds.
    if (!append(Section::authority, zone_.apex(), soa)) writer_.set_flag(Header::tc);
    return finish();
  }

  Step refer(const Zone::Node& cut) {
    const Zone::RRset& nameservers = *zone_.find(cut, RRType::ns);
    if (append(Section::authority, zone_.name(cut), nameservers)) {
      const auto* const ds =
          context_.query.edns && context_.query.edns->dnssec_ok ? zone_.find(cut, RRType::ds) : nullptr;
      if (ds != nullptr) append(Section::authority, zone_.name(cut), *ds);
      append_addresses(nameservers, &cut);
    } else {
      writer_.set_flag(Header::tc);
    }
    // RFC 1034 §4.3.1: the answer is not ours, but for aliases that lead there.
    writer_.set_flag(Header::aa, has_alias_);
    return Step::answered;
  }

  // False when the reply ends here.
  bool follow_alias_tree(const Zone::Node& node) {
    const Zone::RRset& dname = *zone_.find(node, RRType::dname);
    const NameView top = zone_.name(node);
    const NameView from = owner();
    const NameView target(zone_.rdata(dname, 0));
    if (!append(Section::answer, top, dname)) return false;
    const std::size_t kept = from.size() - top.size();
    if (kept + target.size() > dns::name_octets_max) {
      writer_.set_rcode(Rcode::yxdomain);
      writer_.set_extended_error({ExtendedError::other, "the name that the DNAME leads to is too long"});
      return false;
    }
    std::array<std::uint8_t, dns::name_octets_max> octets;
    std::ranges::copy(target.wire(), std::ranges::copy(from.wire().first(kept), octets.begin()).out);
    const auto alias = std::span<const std::uint8_t>(octets).first(kept + target.size());
    // RFC 6672 §3.1: the CNAME has the DNAME's TTL.
    if (!append_record(Section::answer, from, RRType::cname, dname.ttl, alias)) return false;
    follow(NameView(alias));
    return context_.query.qtype != RRType::cname && context_.query.qtype != RRType::any;
  }

  bool append(Section section, NameView at, const Zone::RRset& rrset) {
    for (std::size_t i = 0; i < rrset.count; ++i) {
      if (!append_record(section, at, rrset.type, rrset.ttl, zone_.rdata(rrset, i))) return false;
    }
    return true;
  }

  // After one that did not fit nothing is written: the owners that are known by then stand nowhere.
  bool append_record(Section section, NameView at, RRType type, std::uint32_t ttl,
                     std::span<const std::uint8_t> rdata) {
    if (is_full_) return false;
    const auto written = owners_.write(at, writer_.size());
    is_full_ = !writer_.append(section, written, type, ttl, rdata);
    if (is_full_ && section == Section::answer) writer_.set_flag(Header::tc);
    return !is_full_;
  }

  // Addresses of what the records lead to, as far as the zone has them. Below `cut` they are glue, without which the
  // referral leads nowhere.
  void append_addresses(const Zone::RRset& rrset, const Zone::Node* cut) {
    std::array<const Zone::Node*, glue_names_max> known;
    std::size_t known_count = 0;
    for (std::size_t i = 0; i < rrset.count && known_count < known.size(); ++i) {
      const NameView target = target_of(rrset.type, zone_.rdata(rrset, i));
      const auto* const node = target.is_at_or_below(zone_.apex()) ? zone_.find(target) : nullptr;
      if (node == nullptr ||
          std::find(known.begin(), known.begin() + known_count, node) != known.begin() + known_count) {
        continue;
      }
      known[known_count++] = node;
      for (const RRType type : {RRType::a, RRType::aaaa}) {
        const auto* const addresses = zone_.find(*node, type);
        if (addresses == nullptr || append(Section::additional, zone_.name(*node), *addresses)) continue;
        if (cut != nullptr && target.is_at_or_below(zone_.name(*cut))) writer_.set_flag(Header::tc);
        return;
      }
    }
  }

  QueryContext& context_;
  dns::MessageWriter& writer_;
  const Zone& zone_;
  const PluginLabel label_;
  zones::OwnerCompressor owners_;
  dns::NameBuffer name_;  // that is looked up, in lower case
  bool has_alias_ = false;
  bool is_full_ = false;
};

}  // namespace

ZoneFileHandler::ZoneFileHandler(std::string_view directive, std::vector<ZoneFiles> files, bool rotates_answers)
    : files_(std::move(files)), rotates_answers_(rotates_answers), label_(plugin_label(directive)) {}

Step ZoneFileHandler::handle(QueryContext& context) {
  const Found found = find(context.qname.view());
  if (found.loaded == nullptr) return Step::next;
  const RRType qtype = context.query.qtype;
  if (qtype == RRType::axfr || qtype == RRType::ixfr) {
    context.writer.set_rcode(Rcode::refused);
    context.writer.set_extended_error({ExtendedError::prohibited, "zone transfers need the transfer directive"});
    return Step::answered;
  }
  if (found.loaded->zone == nullptr) {
    context.writer.set_rcode(Rcode::servfail);
    context.writer.set_extended_error({ExtendedError::not_ready, "the zone file could not be read, the log says why"});
    return Step::answered;
  }
  const Zone& zone = *found.loaded->zone;
  if (found.files->fallthrough.covers(context.query.qname)) {
    const auto first = zone.look_up(context.qname.view(), qtype == RRType::ds);
    if (first.kind == Zone::Lookup::Kind::no_name) return Step::next;
  }
  context.rotate = rotates_answers_;
  return Reply(context, zone, label_).answer();
}

ZoneFileHandler::Found ZoneFileHandler::find(NameView name) const {
  Found best{nullptr, nullptr};
  for (const ZoneFiles& files : files_) {
    const bool is_within = files.within.empty() || std::ranges::any_of(files.within, [&](const auto& zone) {
                             return name.is_at_or_below(zone);
                           });
    const auto* const loaded = is_within ? files.store->read()->find(name) : nullptr;
    if (loaded == nullptr) continue;
    if (best.loaded == nullptr || loaded->apex.view().label_count() > best.loaded->apex.view().label_count()) {
      best = {&files, loaded};
    }
  }
  return best;
}

// ---- transfers

const LoadedZone* ZoneFileHandler::find_apex(NameView apex) const {
  const auto* const loaded = find(apex).loaded;
  return loaded != nullptr && loaded->apex == apex ? loaded : nullptr;
}

std::optional<TransferableZone> ZoneFileHandler::find_zone(NameView apex) const {
  const auto* const loaded = find_apex(apex);
  if (loaded == nullptr) return std::nullopt;
  if (loaded->zone == nullptr) {
    return TransferableZone{
        .soa_rdata = {}, .soa_ttl = 0, .is_ready = false, .why_not_ready = "the zone file could not be read"};
  }
  const Zone& zone = *loaded->zone;
  const Zone::RRset& soa = *zone.find(zone.apex_node(), RRType::soa);
  const auto rdata = zone.rdata(soa, 0);
  return TransferableZone{.soa_rdata = {rdata.begin(), rdata.end()}, .soa_ttl = soa.ttl, .is_ready = true};
}

bool ZoneFileHandler::has_name(NameView name) const { return find(name).loaded != nullptr; }

std::unique_ptr<zones::ZoneReader> ZoneFileHandler::read_zone(NameView apex, std::function<void()>) {
  return zones::read_zone(find_apex(apex)->zone);
}

}  // namespace fairlead::server
