// The table of kinds that kubesim serves: one row a kind.
//
// Discovery, REST paths, namespacing, list kinds and selectable fields all come from this table; a new kind is a new
// row (and, if its columns in `kubectl get` should be more than NAME and AGE, a function in tables.cpp).
//
// Threads: constant data.
// Standards: Kubernetes API conventions ("kind" is PascalCase and singular, the resource is its lower-case plural).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace fairlead::kubesim {

/// A field that a fieldSelector may name, besides metadata.name and metadata.namespace.
struct SelectableField {
  std::string_view selector;  // "status.phase"
  std::string_view parent;    // "status"
  std::string_view name;      // "phase"
};

struct Kind {
  std::size_t index;  // its row
  std::string_view group;
  std::string_view version;
  std::string_view name;      // "EndpointSlice"
  std::string_view plural;    // "endpointslices", the resource
  std::string_view singular;  // "endpointslice"
  std::string_view short_name;
  bool is_namespaced;
  bool has_status;  // a status subresource
  bool in_all;      // `kubectl get all` shows it
  /// Items of a list carry apiVersion and kind only for custom resources; built-in types leave them out, and a client
  /// that relies on them would break against the real server.
  bool is_custom;
  std::span<const SelectableField> fields;

  /// "v1" or "discovery.k8s.io/v1".
  std::string api_version() const;
  /// "services" or "endpointslices.discovery.k8s.io", as error messages name it.
  std::string qualified_resource() const;
};

inline constexpr std::size_t kind_count = 6;
std::span<const Kind, kind_count> kinds();

namespace kind {
const Kind& of_namespace();
const Kind& service();
const Kind& endpoint_slice();
const Kind& pod();
const Kind& node();
const Kind& service_import();
}  // namespace kind

/// nullptr if kubesim does not hold such objects.
const Kind* find_kind(std::string_view api_version, std::string_view name);
const Kind* find_resource(std::string_view group, std::string_view version, std::string_view plural);

}  // namespace fairlead::kubesim
