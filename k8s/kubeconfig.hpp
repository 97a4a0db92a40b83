// Reads how to reach a cluster from a kubeconfig file, as kubectl does: a context names a cluster and a user.
//
// Supported: server, certificate-authority(-data), insecure-skip-tls-verify, tls-server-name,
// client-certificate(-data), client-key(-data), token, tokenFile. A server in a Pod cannot run programs or log in to
// clouds, so exec plugins, auth providers, passwords and proxies are refused with a hint.
//
// Threads: any.
// Limits: a file of at most credential_octets_max.
// Errors: "FILE: FIELD: what is wrong; the fix".
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "k8s/credentials.hpp"

namespace fairlead::k8s {

/// An empty `context` means the file's current-context.
std::expected<ApiAccess, std::string> load_kubeconfig(const std::string& path, const std::string& context = {});

/// Relative file names in the text are relative to the directory of `path`.
std::expected<ApiAccess, std::string> parse_kubeconfig(const std::string& text, const std::string& path,
                                                       const std::string& context = {});

}  // namespace fairlead::k8s
