#include "server/control/tls_source.hpp"

#include "server/config/source_reader.hpp"
#include "server/control/logging.hpp"

namespace fairlead::server {
namespace {

std::expected<PemFile, std::string> read_pem(const std::string& path) {
  if (path.empty()) return PemFile{};
  auto text = disk_reader().read(path, tls_file_octets_max);
  if (!text) return std::unexpected("cannot read " + path + ": " + text.error().reason);
  return PemFile{.path = path, .text = std::move(*text)};
}

}  // namespace

std::expected<std::shared_ptr<TlsSource>, std::string> TlsSource::create(TlsSourceOptions options) {
  std::shared_ptr<TlsSource> source(new TlsSource(std::move(options)));
  if (const std::string& path = source->options_.files.keylog_file; !path.empty()) {
    auto keylog = KeyLog::open(path);
    if (!keylog) return std::unexpected(keylog.error());
    source->keylog_ = std::move(*keylog);
  }
  // Before the files are read: what changes in between is seen as a change.
  source->stamps_ = source->stamps();
  auto context = source->read();
  if (!context) return std::unexpected(context.error());
  source->warn_of_end(**context);
  source->identity_ = std::make_shared<TlsIdentity>(std::move(*context));
  return source;
}

void TlsSource::refresh() {
  const Stamps now = stamps();
  if (now == stamps_) return;
  stamps_ = now;
  auto context = read();
  const std::string plugin = "plugin/" + options_.directive + ": ";
  if (context) {
    warn_of_end(**context);
    identity_->replace(std::move(*context));
    failure_.clear();
    log_info(plugin + options_.files.certificate_file + " was read again");
  } else if (context.error() != failure_) {
    failure_ = context.error();
    log_warning(plugin + failure_ + "; the certificate stays as it was");
  }
}

TlsSource::Stamps TlsSource::stamps() const {
  const TlsOptions& files = options_.files;
  return {stamp_of(files.certificate_file), stamp_of(files.key_file),
          files.ca_file.empty() ? FileStamp() : stamp_of(files.ca_file)};
}

std::expected<std::shared_ptr<const TlsContext>, std::string> TlsSource::read() const {
  TlsContextOptions context{.certificate = {},
                            .key = {},
                            .client_ca = {},
                            .client_certificate = options_.files.client_certificate,
                            .protocol = options_.protocol,
                            .requires_tls13 = options_.requires_tls13,
                            .keylog = keylog_};
  const std::pair<const std::string&, PemFile&> files[] = {{options_.files.certificate_file, context.certificate},
                                                           {options_.files.key_file, context.key},
                                                           {options_.files.ca_file, context.client_ca}};
  for (const auto& [path, file] : files) {
    auto read = read_pem(path);
    if (!read) return std::unexpected(read.error());
    file = std::move(*read);
  }
  return TlsContext::make(context);
}

// Served all the same: some clients do not look, and none is served better by a server that does not start.
void TlsSource::warn_of_end(const TlsContext& context) const {
  if (context.not_after() >= std::time(nullptr)) return;
  log_warning("plugin/" + options_.directive + ": the certificate in " + options_.files.certificate_file +
              " has expired; clients that verify it will not ask this server");
}

}  // namespace fairlead::server
