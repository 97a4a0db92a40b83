#include "server/control/dnstap_service.hpp"

#include <pthread.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "server/control/watched_files.hpp"

namespace fairlead::server {
namespace {

// Certificates that were replaced are others, whatever their files are called.
std::string sign(const DnstapOptions& options) {
  std::string text = (options.listens ? "listen " : "") + options.endpoint() + ' ' +
                     std::to_string(options.write_buffer_mib) + ' ' + std::to_string(options.queue) +
                     (options.skip_verify ? " skipverify" : "");
  if (!options.tls) return text;
  for (const auto& path : {options.tls->certificate_file, options.tls->key_file, options.tls->ca_file}) {
    text += ' ' + path + ' ' + (path.empty() ? std::string() : watch_file(path).digest);
  }
  return text;
}

std::expected<DnstapEndpoint, std::string> make_endpoint(const DnstapOptions& options) {
  DnstapEndpoint endpoint{
      .listens = options.listens,
      .transport = options.transport,
      .path = options.path,
      .host = options.host,
      .port = options.port,
      .name = options.endpoint(),
      .ring_octets = std::min(ring_octets_min * std::bit_ceil(std::size_t{options.queue}), ring_octets_max),
      .write_buffer_octets = static_cast<int>(std::min(options.write_buffer_mib, 1023u) << 20),
      .make_tls = {}};
  if (options.transport != DnstapOptions::Transport::tls) return endpoint;
  if (!options.listens) {
    // The system's CAs take 30 ms to read, on dnstap's thread.
    endpoint.make_tls = [host = options.host, skips = options.skip_verify] { return make_client_tls(host, skips); };
    return endpoint;
  }
  auto tls = make_server_tls(*options.tls, options.skip_verify);
  if (!tls) return std::unexpected(std::move(tls.error()));
  endpoint.make_tls = [tls = std::move(*tls)] { return tls; };
  return endpoint;
}

}  // namespace

DnstapService::~DnstapService() {
  if (!thread_.joinable()) return;
  io_->stop();
  thread_.join();
}

std::expected<std::shared_ptr<DnstapOutlet>, std::string> DnstapService::outlet(const DnstapOptions& options) {
  std::erase_if(outlets_, [](const auto& entry) { return entry.second.expired(); });
  const std::string signature = sign(options);
  if (auto known = outlets_[signature].lock(); known != nullptr && !known->is_stopping()) return known;
  auto endpoint = make_endpoint(options);
  if (!endpoint) return std::unexpected(std::move(endpoint.error()));
  start();
  auto outlet = std::make_shared<DnstapOutlet>(io_, std::move(*endpoint));
  outlets_[signature] = outlet;
  return outlet;
}

void DnstapService::start() {
  if (thread_.joinable()) return;
  work_.emplace(io_->get_executor());
  thread_ = std::thread([io = io_] { io->run(); });
  pthread_setname_np(thread_.native_handle(), "dnstap");
}

void DnstapService::finish() {
  Outlets outlets;
  for (const auto& [signature, entry] : outlets_) {
    if (auto outlet = entry.lock()) outlets.push_back(std::move(outlet));
  }
  for (const auto& outlet : outlets) outlet->stop();
  const auto give_up = std::chrono::steady_clock::now() + dnstap_finish_max;
  const auto has_stopped = [](const auto& outlet) { return outlet->has_stopped(); };
  while (!std::ranges::all_of(outlets, has_stopped) && std::chrono::steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

void stop_unused(const DnstapService::Outlets& old, const DnstapService::Outlets& now) {
  for (const auto& outlet : old) {
    if (std::ranges::find(now, outlet) == now.end()) outlet->stop();
  }
}

}  // namespace fairlead::server
