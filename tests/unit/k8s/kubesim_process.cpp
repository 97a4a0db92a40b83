#include "unit/k8s/kubesim_process.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace fairlead::k8s::testing {

KubesimProcess::KubesimProcess(std::vector<std::string> arguments, int port) {
  const std::string port_file = directory_.file("port");
  arguments.insert(arguments.begin(), {FAIRLEAD_KUBESIM, "--listen", "127.0.0.1:" + std::to_string(port), "--port-file",
                                       port_file, "--kubeconfig-out", kubeconfig()});
  std::vector<char*> raw;
  for (std::string& argument : arguments) raw.push_back(argument.data());
  raw.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  const int fault = ::posix_spawn(&pid_, raw[0], &files, nullptr, raw.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  if (fault != 0) throw std::runtime_error("kubesim does not start");
  for (int i = 0; i < 2000; ++i) {
    if (std::ifstream(port_file) >> port_ && port_ != 0 && std::filesystem::exists(kubeconfig())) return;
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("kubesim does not serve");
}

void KubesimProcess::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void KubesimProcess::inject(const std::string& faults) const {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port_));
  const std::string request =
      "POST /kubesim/faults HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(faults.size()) + "\r\n\r\n" + faults;
  std::string reply(4096, '\0');
  const bool sent = ::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                    ::send(socket, request.data(), request.size(), MSG_NOSIGNAL) > 0;
  const ssize_t got = sent ? ::recv(socket, reply.data(), reply.size(), 0) : -1;
  ::close(socket);
  reply.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (reply.find(" 200 ") == std::string::npos) throw std::runtime_error("kubesim refuses the fault: " + reply);
}

}  // namespace fairlead::k8s::testing
