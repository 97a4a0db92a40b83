#include <cstdio>
#include <string>

#include "server/config/corefile.hpp"
#include "server/control/app.hpp"
#include "server/control/options.hpp"

namespace {

using namespace fairlead::server;

// Prints every fault, or the order in which the directives act; the exit code says which.
int check(const Options& options) {
  LoadSettings settings;
  settings.default_port = options.port;
  const auto corefile = load_corefile(options.corefile, settings);
  if (!corefile) {
    std::fputs(to_string(corefile.error()).c_str(), stdout);
    return 1;
  }
  std::fputs(to_string(corefile->warnings).c_str(), stdout);
  std::fputs(effective_order(*corefile).c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "fairlead: %s\n", options.error().c_str());
    return 2;
  }
  switch (options->action) {
    case Options::Action::help: std::fputs(help_text().c_str(), stdout); return 0;
    case Options::Action::version: std::fputs(version_text().c_str(), stdout); return 0;
    case Options::Action::plugins: std::fputs(plugins_text().c_str(), stdout); return 0;
    case Options::Action::check: return check(*options);
    case Options::Action::serve: break;
  }
  return App(*options).run();
}
