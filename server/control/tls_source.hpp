// The certificate of `tls`, or of another encrypted listener, read again when its files change: cert-manager and others
// replace them while we run.
//
// Threads: create() and refresh() on the control thread; identity() on any.
// Limits: tls_file_octets_max a file.
// Errors: files that cannot be used fail the first reading; later ones are warnings, and connections get the
// certificate
//   that was read before. Certificate and key are two files: one that is replaced before the other is such a fault for
//   a moment, and the next look mends it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <string>

#include "server/config/tls_options.hpp"
#include "server/control/watched_files.hpp"
#include "server/net/tls_identity.hpp"

namespace fairlead::server {

/// Far above any bundle of CAs.
inline constexpr std::size_t tls_file_octets_max = std::size_t{4} << 20;
/// Three stats a second; a new certificate is there long before the old one ends.
inline constexpr std::chrono::seconds tls_check_interval{1};

struct TlsSourceOptions {
  std::string directive;  // for messages, "tls"
  TlsOptions files;       // with all paths
  std::string protocol;   // as TlsContextOptions
  bool requires_tls13 = false;
};

class TlsSource {
 public:
  static std::expected<std::shared_ptr<TlsSource>, std::string> create(TlsSourceOptions options);

  /// Reads the files again if one of them changed.
  void refresh();
  const std::shared_ptr<TlsIdentity>& identity() const { return identity_; }
  const TlsSourceOptions& options() const { return options_; }

 private:
  using Stamps = std::array<FileStamp, 3>;  // certificate, key, CA

  explicit TlsSource(TlsSourceOptions options) : options_(std::move(options)) {}
  Stamps stamps() const;
  std::expected<std::shared_ptr<const TlsContext>, std::string> read() const;
  void warn_of_end(const TlsContext& context) const;

  const TlsSourceOptions options_;
  std::shared_ptr<KeyLog> keylog_;
  std::shared_ptr<TlsIdentity> identity_;
  Stamps stamps_;
  std::string failure_;
};

}  // namespace fairlead::server
