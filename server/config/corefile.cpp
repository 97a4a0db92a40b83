#include "server/config/corefile.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "server/config/corefile_parser.hpp"
#include "server/config/digest.hpp"
#include "server/config/directive_table.hpp"
#include "server/config/fault_collector.hpp"
#include "server/config/limits.hpp"
#include "server/config/listener_claims.hpp"
#include "server/config/option_reader.hpp"

namespace fairlead::server {
namespace {

std::optional<std::string> process_environment(const std::string& name) {
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

CorefileSyntax parse(const std::filesystem::path& path, const LoadSettings& settings, FaultCollector& faults) {
  SourceReader& reader = settings.reader != nullptr ? *settings.reader : disk_reader();
  return parse_corefile(path, reader, settings.environment ? settings.environment : process_environment, faults);
}

std::string digest_of(const CorefileSyntax& syntax) {
  std::vector<std::string_view> contents;
  for (const auto& file : syntax.files) contents.emplace_back(file.content);
  return sha512_hex(contents);
}

// The fault for a scheme before a zone; empty for those that are served.
std::optional<std::string> describe_scheme(std::string_view scheme) {
  const std::string shown = quote(std::string(scheme.substr(0, quoted_octets_max)) + "://");
  if (scheme.empty() || scheme == "dns" || scheme == "tls") return std::nullopt;
  if (scheme == "https") {
    return "serving " + shown + " is not supported by this version of Fairlead yet; write the zone without it";
  }
  if (scheme == "quic" || scheme == "https3" || scheme == "grpc") {
    return "serving " + shown + " is left out of Fairlead; write the zone without it";
  }
  return "unknown scheme " + shown + "; write the zone without it, or with 'dns://'";
}

class Loader {
 public:
  Loader(const LoadSettings& settings, FaultCollector& faults)
      : settings_(settings),
        faults_(faults),
        reader_(faults, settings.reader != nullptr ? *settings.reader : disk_reader()) {}

  std::vector<ServerBlock> run(const CorefileSyntax& syntax) {
    for (const SyntaxBlock& block : syntax.blocks) read_block(block);
    check_overlaps();
    listener_claims_.check_sharing(listeners_, addresses_, faults_);
    check_snapshots();
    return std::move(blocks_);
  }

 private:
  struct Served {
    dns::DomainName zone;
    std::uint16_t port = 0;
    Scheme scheme = Scheme::dns;
  };
  // Where a zone and port are served: by which block, written where.
  struct Claim {
    std::size_t block;
    SourcePosition at;
  };

  void read_block(const SyntaxBlock& syntax) {
    ServerBlock& block = blocks_.emplace_back();
    block.at = faults_.line_of(syntax.at);
    listeners_.emplace_back();
    for (const Word& key : syntax.keys) read_key(key, block);
    for (const Statement& directive : syntax.directives) read_directive(directive, block);
    if (block.options.autopath) check_autopath(block);
    check_companions();
    check_log(block);
    if (block.options.k8s_external && block.options.kubernetes) check_transfers(block);
    check_listeners(block);
    kubernetes_at_.push_back(positions_["kubernetes"]);
    positions_.clear();
    sort_directives(block);
    read_addresses(syntax, block);
  }

  // CoreDNS starts without a word and never finds a search list.
  void check_autopath(const ServerBlock& block) {
    const auto& kubernetes = block.options.kubernetes;
    if (!block.options.autopath->from_kubernetes) return;
    if (kubernetes && kubernetes->pods == KubernetesOptions::Pods::verified) return;
    faults_.warn(positions_.at("autopath"),
                 "'autopath @kubernetes' does nothing without 'pods verified' in the 'kubernetes' of its block");
  }

  // Directives that are nothing without another one in the same block.
  void check_companions() {
    const auto external = positions_.find("k8s_external");
    if (external != positions_.end() && !positions_.contains("kubernetes")) {
      faults_.fault(external->second,
                    "'k8s_external' needs 'kubernetes' in the same server block; add it there, for its zones");
    }
  }

  // Nothing is wrong with such a line but that it never says anything.
  void check_log(const ServerBlock& block) {
    if (block.options.metadata) return;
    const auto shows_metadata = [](const LogOptions& log) {
      return std::ranges::any_of(log.format.pieces(), [](const LogPiece& piece) {
        return piece.field == LogField::metadata && !piece.text.starts_with("log/");
      });
    };
    if (std::ranges::none_of(block.options.log, shows_metadata)) return;
    faults_.warn(positions_.at("log"), "'log' shows metadata, which is always '-' without 'metadata' in its block");
  }

  // A zone of two directives is transferred as the first of them has it, as in CoreDNS: what falls through is missing.
  void check_transfers(const ServerBlock& block) {
    for (const auto& zone : block.options.k8s_external->zones) {
      const auto covers = [&](const dns::DomainName& covered) { return zone.view().is_at_or_below(covered); };
      const bool is_transferred = std::ranges::any_of(
          block.options.transfer, [&](const TransferOptions& one) { return std::ranges::any_of(one.zones, covers); });
      const auto& others = block.options.kubernetes->zones;
      if (!is_transferred || std::ranges::find(others, zone) == others.end()) continue;
      faults_.warn(positions_.at("k8s_external"),
                   "transfers of " + quote(zone.to_string()) +
                       " hold what 'k8s_external' has there and nothing of 'kubernetes'; give one of the two the "
                       "networks that it has");
    }
  }

  void check_listeners(const ServerBlock& block) {
    ListenerClaims::Block& listening = listeners_.back();
    if (block.options.tls) listening.tls = below_root(block.options.root, *block.options.tls);
    // Where it stands, though it could not be read.
    const auto at = positions_.find("tls");
    if (at != positions_.end()) listening.tls_at = at->second;
    if (at == positions_.end() || listening.tls) ListenerClaims::check_block(listening, faults_);
  }

  // In the order of the table; those of one row in file order.
  static void sort_directives(ServerBlock& block) {
    std::vector<std::pair<const DirectiveRow*, std::size_t>> order;
    for (std::size_t i = 0; i < block.directives.size(); ++i) {
      order.emplace_back(find_directive(block.directives[i].name), i);
    }
    std::ranges::sort(order);
    std::vector<DirectiveUse> sorted;
    for (const auto& [row, index] : order) sorted.push_back(std::move(block.directives[index]));
    block.directives = std::move(sorted);
  }

  void read_key(const Word& key, ServerBlock& block) {
    auto parsed = parse_zone(key.text);
    if (!parsed) {
      faults_.fault(key.at, std::move(parsed.error()));
      return;
    }
    if (auto reason = describe_scheme(parsed->scheme)) {
      faults_.fault(key.at, std::move(*reason));
      return;
    }
    if (!reader_.take_zones(key.at, parsed->zones.size())) return;
    if (!canonical_address(key.text.substr(0, key.text.find(':'))).empty()) {
      faults_.warn(key.at, quote(key.text) + " is read as the name of a zone; to listen on an address, use 'bind'");
    }
    const Scheme scheme = parsed->scheme == "tls" ? Scheme::tls : Scheme::dns;
    const std::uint16_t port = parsed->port.value_or(default_port(scheme, settings_.default_port));
    listener_claims_.add(blocks_.size() - 1, scheme, port, key.at);
    if (scheme == Scheme::tls && !listeners_.back().encrypted_at) {
      listeners_.back().encrypted_at = key.at;
      listeners_.back().encrypted_port = port;
    }
    for (dns::DomainName& zone : parsed->zones) {
      claims_[{zone, port, scheme}].push_back({blocks_.size() - 1, key.at});
      block.keys.push_back({std::move(zone), scheme, port, faults_.line_of(key.at)});
    }
  }

  void read_directive(const Statement& directive, ServerBlock& block) {
    using enum DirectiveRow::Status;
    using enum DirectiveRow::Repeat;
    const std::string& name = directive.name().text;
    const SourcePosition at = directive.name().at;
    const DirectiveRow* const row = find_directive(name);
    if (row == nullptr) {
      std::string message = describe_unknown_directive(name);
      // A server block inside of another one is a sign of a lost brace.
      if (directive.has_block && name.find_first_of(".:/") != std::string::npos) message += "; is a '}' missing above?";
      faults_.fault(at, std::move(message));
      return;
    }
    if (row->status == planned) {
      faults_.fault(at, "Directive " + quote(name) +
                            " is not supported by this version of Fairlead yet; remove it to start without it");
      return;
    }
    if (row->status == left_out) {
      faults_.fault(at, "Directive " + quote(name) + " is left out of Fairlead: " + std::string(row->reason));
      return;
    }
    const auto [first, is_new] = positions_.try_emplace(row->name, at);
    if (!is_new && row->repeat == forbidden) {
      faults_.fault(at, "Directive " + quote(name) + " is already used in this block, at " +
                            to_string(faults_.line_of(first->second)) + "; write it once");
    }
    if (!is_new && (row->repeat == first_wins || row->repeat == last_wins)) {
      faults_.warn(at, "Directive " + quote(name) + " is already used in this block, at " +
                           to_string(faults_.line_of(first->second)) + "; only the " +
                           (row->repeat == first_wins ? "first" : "last") + " one counts");
    }
    if (!is_new && (row->repeat == forbidden || row->repeat == first_wins)) {
      // Read for its faults alone.
      ServerBlock ignored;
      row->read(directive, reader_, ignored);
      return;
    }
    row->read(directive, reader_, block);
    if (!is_new && row->repeat == last_wins) {
      std::ranges::find(block.directives, row->name, &DirectiveUse::name)->at = faults_.line_of(at);
    } else {
      block.directives.push_back({row->name, faults_.line_of(at)});
    }
  }

  // The addresses and interfaces that the `bind` directives leave; none at all is every address.
  void read_addresses(const SyntaxBlock& syntax, const ServerBlock& block) {
    std::unordered_set<std::string>& addresses = addresses_.emplace_back();
    std::size_t target_count = 0;
    for (const BindOptions& bind : block.options.bind) {
      std::unordered_set<std::string_view> except;
      for (const auto& target : bind.except) except.insert(target.text);
      target_count += bind.targets.size();
      for (const auto& target : bind.targets) {
        if (!except.contains(target.text)) addresses.insert(target.text);
      }
    }
    if (target_count > 0 && addresses.empty()) {
      faults_.fault(syntax.at, "'bind' excludes every address that it names; leave one of them");
    }
    if (addresses.size() > bind_addresses_max) {
      faults_.fault(syntax.at, "'bind' names more than " + std::to_string(bind_addresses_max) +
                                   " addresses; leave 'bind' out to serve all of them");
      addresses.clear();
    }
  }

  // Two blocks may serve one zone on one port only if they listen on different addresses.
  void check_overlaps() {
    for (const auto& [served, claims] : claims_) {
      if (claims.size() < 2) continue;
      std::map<std::string_view, const Claim*> by_address;
      for (const Claim& claim : claims) {
        const Claim* earlier = nullptr;
        const auto& addresses = addresses_[claim.block];
        if (by_address.contains("")) {
          earlier = by_address.at("");
        } else if (addresses.empty() && !by_address.empty()) {
          earlier = by_address.begin()->second;
        }
        for (const std::string& address : addresses) {
          if (earlier != nullptr) break;
          const auto found = by_address.find(address);
          if (found != by_address.end()) earlier = found->second;
        }
        // Blocks with `view` may share a zone; one without it takes every query that comes to it.
        const bool has_view = blocks_[claim.block].options.view.has_value();
        if (earlier != nullptr && has_view && earlier->block != claim.block) {
          faults_.warn(claim.at, "this block never takes a query for zone " + quote(served.zone.to_string()) +
                                     ": the one at " + to_string(faults_.line_of(earlier->at)) +
                                     " has no 'view' and comes first; move it behind");
          continue;
        }
        if (earlier == nullptr && has_view) continue;
        if (earlier != nullptr) {
          report_overlap(served.zone, served.port, *earlier, claim);
          continue;
        }
        if (addresses.empty()) by_address.emplace("", &claim);
        for (const std::string& address : addresses) by_address.emplace(address, &claim);
      }
    }
  }

  void report_overlap(const dns::DomainName& zone, std::uint16_t port, const Claim& earlier, const Claim& claim) {
    const std::string what = "zone " + quote(zone.to_string()) + " on port " + std::to_string(port);
    const std::string where = to_string(faults_.line_of(earlier.at));
    if (earlier.block == claim.block) {
      faults_.fault(claim.at, what + " is already a zone of this block, at " + where + "; write it once");
    } else {
      faults_.fault(claim.at, what + " is already served by the block at " + where +
                                  "; merge the blocks, or give one another port or 'bind' address");
    }
  }

  // Blocks that share a cluster share its snapshot; two clusters would overwrite each other's.
  void check_snapshots() {
    std::map<std::string_view, std::size_t> by_file;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      const auto& options = blocks_[i].options.kubernetes;
      if (!options || !options->snapshot) continue;
      const auto [found, is_new] = by_file.try_emplace(options->snapshot->file, i);
      if (is_new) continue;
      const KubernetesOptions& earlier = *blocks_[found->second].options.kubernetes;
      const bool is_shared = options->snapshot->directive == earlier.snapshot->directive &&
                             options->zones == earlier.zones && addresses_[i] == addresses_[found->second];
      if (is_shared) continue;
      faults_.fault(kubernetes_at_[i],
                    "the snapshot " + quote(options->snapshot->file) + " is already that of another 'kubernetes', at " +
                        to_string(faults_.line_of(kubernetes_at_[found->second])) + "; name another file");
    }
  }

  struct ServedLess {
    bool operator()(const Served& a, const Served& b) const {
      const auto order = dns::compare_canonical(a.zone, b.zone);
      return order < 0 || (order == 0 && std::tie(a.port, a.scheme) < std::tie(b.port, b.scheme));
    }
  };

  const LoadSettings& settings_;
  FaultCollector& faults_;
  OptionReader reader_;
  std::vector<ServerBlock> blocks_;
  std::vector<std::unordered_set<std::string>> addresses_;  // by block
  std::map<Served, std::vector<Claim>, ServedLess> claims_;
  ListenerClaims listener_claims_;
  std::vector<ListenerClaims::Block> listeners_;          // by block
  std::vector<SourcePosition> kubernetes_at_;             // by block; of no meaning without that directive
  std::map<std::string_view, SourcePosition> positions_;  // of the directives of one block
};

}  // namespace

std::vector<dns::DomainName> ServerBlock::zones() const {
  std::vector<dns::DomainName> zones;
  std::unordered_set<dns::DomainName> seen;
  for (const ServerKey& key : keys) {
    if (seen.insert(key.zone).second) zones.push_back(key.zone);
  }
  return zones;
}

std::expected<Corefile, std::vector<Fault>> load_corefile(const std::filesystem::path& path,
                                                          const LoadSettings& settings) {
  FaultCollector faults;
  const CorefileSyntax syntax = parse(path, settings, faults);
  Corefile corefile;
  corefile.blocks = Loader(settings, faults).run(syntax);
  if (corefile.blocks.empty() && !faults.has_faults()) {
    faults.fault({0, 0}, "no server block; write one, such as '. {', 'forward . /etc/resolv.conf' and '}'");
  }
  if (faults.has_faults()) return std::unexpected(faults.faults());
  corefile.warnings = faults.warnings();
  for (const auto& file : syntax.files) corefile.files.push_back(file.path);
  corefile.digest = digest_of(syntax);
  return corefile;
}

std::optional<std::string> corefile_digest(const std::filesystem::path& path, const LoadSettings& settings) {
  FaultCollector faults;
  const CorefileSyntax syntax = parse(path, settings, faults);
  if (syntax.files.empty()) return std::nullopt;
  return digest_of(syntax);
}

std::string effective_order(const Corefile& corefile) {
  std::string text;
  for (const ServerBlock& block : corefile.blocks) {
    text += to_string(block.at) + ':';
    for (const ServerKey& key : block.keys) {
      text += ' ' + std::string(to_string(key.scheme)) + "://" + key.zone.to_string() + ':' + std::to_string(key.port);
    }
    text += '\n';
    for (const DirectiveUse& use : block.directives) text += "    " + std::string(use.name) + '\n';
  }
  return text;
}

std::string plugins_text() {
  std::string text;
  for (const DirectiveRow& row : directive_table()) {
    if (row.status == DirectiveRow::Status::supported) text += std::string(row.name) + '\n';
  }
  return text;
}

}  // namespace fairlead::server
