// The REST API: from a request to a reply.
//
// handle() is the table of contents: authentication, admin paths, faults on demand, discovery, then the resource paths
// by verb. What a write does to the cluster is Cluster's business, what a watch sends is WatchStream's.
//
// Threads: one; the thread of the server's io_context.
// Limits: bodies are bounded by the HTTP server; continue tokens expire with the history or after `continue_ttl`.
// Errors: every error is a Status object with code and reason.
// Standards: Kubernetes API concepts and conventions.
#pragma once

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "tools/kubesim/cluster.hpp"
#include "tools/kubesim/faults.hpp"
#include "tools/kubesim/http_message.hpp"
#include "tools/kubesim/patches.hpp"
#include "tools/kubesim/representation.hpp"
#include "tools/kubesim/selectors.hpp"
#include "tools/kubesim/stats.hpp"
#include "tools/kubesim/watch.hpp"

namespace fairlead::kubesim {

struct RestOptions {
  std::string token_file;                 // empty: no authentication by token
  bool needs_client_certificate = false;  // unless a token is right
  std::chrono::milliseconds bookmark_interval{10'000};
  std::chrono::seconds watch_timeout{1800};  // for watches that name none; the real server takes 30 to 60 minutes
  std::chrono::seconds continue_ttl{300};    // as long as etcd keeps old revisions
  bool gzip = false;
  bool protobuf = false;  // for clients that prefer it
};

class RestApi : public Handler {
 public:
  RestApi(Cluster& cluster, Faults& faults, Stats& stats, WatchHub& watches, RestOptions options);

  /// Called for the actions of a fault document that concern more than the API: connections, churn.
  void on_fault_actions(std::function<void(const FaultActions&)> action) { act_ = std::move(action); }
  /// Adds what others know to GET /kubesim/stats.
  void on_stats(std::function<void(Json&)> add) { add_stats_ = std::move(add); }

  std::chrono::milliseconds delay(const Request& request) override;
  Reply handle(const Request& request) override;
  Reply refuse(unsigned status, const std::string& why) override;

 private:
  /// A resource path taken apart.
  struct Target {
    const Kind* kind = nullptr;
    std::string ns;
    std::string name;         // empty: the collection
    std::string subresource;  // "" or "status"
    std::string verb;         // "list", "watch", "get", "create", ...
    /// A watch that brings a list first: counted as both, and met by the faults of either.
    bool is_streaming_list = false;
  };
  using Result = std::expected<Reply, ApiError>;

  Reply answer(const Request& request);
  bool is_authenticated(const Request& request);
  static std::expected<Target, ApiError> parse_path(const Request& request);

  Reply admin(const Request& request);
  Reply apply_faults(const Request& request);
  Json stats_document() const;

  Result serve(const Request& request, const Target& target);
  Result list(const Request& request, const Target& target);
  Result watch(const Request& request, const Target& target);
  Result get(const Request& request, const Target& target);
  Result create(const Request& request, const Target& target);
  Result update(const Request& request, const Target& target);
  Result patch(const Request& request, const Target& target);
  Result remove(const Request& request, const Target& target);
  Result remove_collection(const Request& request, const Target& target);

  static std::expected<Selection, ApiError> parse_selection(const Request& request, const Target& target);
  static std::expected<Json, ApiError> read_object(const Request& request, const Target& target);
  std::optional<Representation> negotiate(const Request& request, const Kind& kind) const;
  Result reply_with(const Request& request, const Object& object, unsigned status) const;
  static Reply reply_status(const ApiError& error);

  Cluster& cluster_;
  Faults& faults_;
  Stats& stats_;
  WatchHub& watches_;
  RestOptions options_;
  std::function<void(const FaultActions&)> act_;
  std::function<void(Json&)> add_stats_;
};

}  // namespace fairlead::kubesim
