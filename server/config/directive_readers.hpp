// One function a directive: from its statement to its typed options in the block.
//
// Each reports what is wrong through the reader and goes on, so that two mistakes in one directive are two faults. A
// block that has any fault is never served, so what a reader leaves in it after a fault does not matter.
#pragma once

namespace fairlead::server {

struct Statement;
struct ServerBlock;
class OptionReader;

// server_options.cpp: what belongs to the process and its listeners
void read_metadata(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_reload(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_bind(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_debug(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_ready(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_health(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_prometheus(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_errors(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_loadbalance(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_loop(const Statement& directive, OptionReader& reader, ServerBlock& block);
// query_options.cpp: what answers or changes a query by itself
void read_root(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_cancel(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_timeouts(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_multisocket(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_shed(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_nsid(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_bufsize(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_local(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_any(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_chaos(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_header(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_minimal(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_whoami(const Statement& directive, OptionReader& reader, ServerBlock& block);
// a file of their own each
void read_rewrite(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_acl(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_dnstap(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_dns64(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_view(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_hosts(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_autopath(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_log(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_proxyproto(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_tls(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_template(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_transfer(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_cache(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_k8s_external(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_kubernetes(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_auto(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_file(const Statement& directive, OptionReader& reader, ServerBlock& block);
void read_forward(const Statement& directive, OptionReader& reader, ServerBlock& block);

}  // namespace fairlead::server
