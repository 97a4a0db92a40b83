// kubesim: serve until SIGTERM or SIGINT.
#include <csignal>
#include <iostream>

#include "tools/kubesim/options.hpp"
#include "tools/kubesim/simulator.hpp"

int main(int count, char** arguments) {
  using namespace fairlead::kubesim;
  auto options = parse_options(count, arguments);
  if (!options) return options.error();
  auto addresses = ServiceAddresses::parse(options->service_cidrs);
  if (!addresses) {
    std::cerr << "kubesim: --service-cidr: " << addresses.error() << "\n";
    return 1;
  }
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL

  asio::io_context io(1);
  Simulator simulator(io, std::move(*options), std::move(*addresses));
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&](boost::system::error_code error, int) {
    if (!error) simulator.stop();
  });
  if (auto started = simulator.start(); !started) {
    std::cerr << "kubesim: " << started.error() << "\n";
    return 1;
  }
  std::cout << "kubesim: serving on " << simulator.url() << std::endl;
  if (!simulator.admin_url().empty()) std::cout << "kubesim: admin on " << simulator.admin_url() << std::endl;
  io.run();
  return 0;
}
