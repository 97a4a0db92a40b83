// The API server simulator as a child process on a loopback port.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "unit/k8s/temporary_directory.hpp"

namespace fairlead::k8s::testing {

class KubesimProcess {
 public:
  /// Port 0: a free one. Waits until it serves.
  explicit KubesimProcess(std::vector<std::string> arguments, int port = 0);
  ~KubesimProcess() { stop(); }
  KubesimProcess(const KubesimProcess&) = delete;
  KubesimProcess& operator=(const KubesimProcess&) = delete;

  void stop();
  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::string kubeconfig() const { return directory_.file("kubeconfig"); }
  /// POST /kubesim/faults with this JSON.
  void inject(const std::string& faults) const;

 private:
  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  int port_ = 0;
};

}  // namespace fairlead::k8s::testing
