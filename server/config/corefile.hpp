// A Corefile as a typed, immutable description of what to serve.
//
// load_corefile() is the whole road: read, lex, import, parse, check every directive, check the blocks against each
// other. It finds every fault that it can, not the first one, and returns them in the order of the file.
//
// Threads: none; a Corefile is a value that nobody changes once it is loaded.
// Limits: server/config/limits.hpp.
// Errors: faults, at most faults_max of them and a last one that counts the rest.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/acl_options.hpp"
#include "server/config/directive_options.hpp"
#include "server/config/dns64_options.hpp"
#include "server/config/dnstap_options.hpp"
#include "server/config/fault.hpp"
#include "server/config/hosts_options.hpp"
#include "server/config/proxyproto_options.hpp"
#include "server/config/query_options.hpp"
#include "server/config/rewrite_options.hpp"
#include "server/config/scheme.hpp"
#include "server/config/template_options.hpp"
#include "server/config/tls_options.hpp"
#include "server/config/view_options.hpp"
#include "server/config/zone_file_options.hpp"
#include "zones/dns/domain_name.hpp"

namespace fairlead::server {

class SourceReader;

/// One zone that a block serves and the port it serves it on.
struct ServerKey {
  dns::DomainName zone;  // in lower case
  Scheme scheme = Scheme::dns;
  std::uint16_t port = 53;
  SourceLine at;
};

/// The directives of a server block, in the order of the directive table, which is the order of the handler chain.
struct DirectiveOptions {
  std::optional<RootOptions> root;
  std::optional<MetadataOptions> metadata;
  std::optional<CancelOptions> cancel;
  std::optional<ProxyprotoOptions> proxyproto;
  std::optional<TimeoutsOptions> timeouts;
  std::optional<MultisocketOptions> multisocket;
  std::optional<ReloadOptions> reload;
  std::optional<NsidOptions> nsid;
  std::optional<BufsizeOptions> bufsize;
  std::vector<BindOptions> bind;  // each with its own exceptions; together they are the block's addresses
  std::optional<DebugOptions> debug;
  std::optional<ReadyOptions> ready;
  std::optional<HealthOptions> health;
  std::optional<PrometheusOptions> prometheus;
  std::optional<ErrorsOptions> errors;
  std::vector<LogOptions> log;  // in file order
  std::vector<DnstapOptions> dnstap;
  std::optional<LocalOptions> local;
  std::optional<Dns64Options> dns64;
  std::optional<AnyOptions> any;
  std::optional<ChaosOptions> chaos;
  std::optional<LoadbalanceOptions> loadbalance;
  std::optional<RewriteOptions> rewrite;  // all of the block's rules
  std::optional<AutopathOptions> autopath;
  std::vector<AclOptions> acl;  // in file order
  std::optional<CacheOptions> cache;
  std::optional<HeaderOptions> header;
  std::optional<TlsOptions> tls;
  std::optional<MinimalOptions> minimal;
  std::vector<TemplateOptions> templates;  // in file order
  std::vector<TransferOptions> transfer;   // in file order
  std::optional<HostsOptions> hosts;
  std::optional<K8sExternalOptions> k8s_external;
  std::optional<KubernetesOptions> kubernetes;
  std::vector<FileOptions> file;  // in file order
  std::optional<AutoOptions> auto_zones;
  std::optional<LoopOptions> loop;
  std::vector<ForwardOptions> forward;  // in file order
  std::optional<WhoamiOptions> whoami;
  std::optional<ViewOptions> view;
};

/// A directive that takes effect in a block, and where it is written.
struct DirectiveUse {
  std::string_view name;  // of the directive table
  SourceLine at;
};

struct ServerBlock {
  SourceLine at;                // of the first key
  std::vector<ServerKey> keys;  // never empty
  DirectiveOptions options;
  std::vector<DirectiveUse> directives;  // in the order of the directive table

  /// The zones of all keys, in file order, without duplicates.
  std::vector<dns::DomainName> zones() const;
};

struct Corefile {
  std::vector<ServerBlock> blocks;  // never empty
  std::vector<Fault> warnings;
  std::vector<std::filesystem::path> files;  // every file read, the Corefile first
  std::string digest;                        // SHA-512 over the contents of `files`, in hex
};

struct LoadSettings {
  std::uint16_t default_port = 53;
  /// The value of an environment variable, if it is set. Empty function: the process's environment.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  /// Where files come from; null: the disk.
  SourceReader* reader = nullptr;
};

std::expected<Corefile, std::vector<Fault>> load_corefile(const std::filesystem::path& path,
                                                          const LoadSettings& settings = {});

/// The digest that load_corefile() would give, without checking directives: what `reload` polls. It is there for a
/// Corefile that does not load as well, so that one bad version is reported once. Empty when the Corefile itself
/// cannot be read.
std::optional<std::string> corefile_digest(const std::filesystem::path& path, const LoadSettings& settings = {});

/// For -check: each block with its directives in the order in which they take effect.
std::string effective_order(const Corefile& corefile);

/// For -plugins: the directives that are supported, one a line, in order.
std::string plugins_text();

}  // namespace fairlead::server
