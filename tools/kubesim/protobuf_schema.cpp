#include "tools/kubesim/protobuf_schema.hpp"

namespace fairlead::kubesim {
namespace {

using Field = ProtobufField;
using Type = ProtobufType;

// Field numbers of the Kubernetes API's generated.proto files; what clients write, and what DNS reads.
constexpr Field owner_reference_fields[] = {
    {1, "kind", Type::text, false, {}},          {3, "name", Type::text, false, {}},
    {4, "uid", Type::text, false, {}},           {5, "apiVersion", Type::text, false, {}},
    {6, "controller", Type::boolean, false, {}}, {7, "blockOwnerDeletion", Type::boolean, false, {}}};
constexpr Field metadata_fields[] = {{1, "name", Type::text, false, {}},
                                     {2, "generateName", Type::text, false, {}},
                                     {3, "namespace", Type::text, false, {}},
                                     {5, "uid", Type::text, false, {}},
                                     {6, "resourceVersion", Type::text, false, {}},
                                     {8, "creationTimestamp", Type::time, false, {}},
                                     {11, "labels", Type::map, false, {}},
                                     {12, "annotations", Type::map, false, {}},
                                     {13, "ownerReferences", Type::message, true, owner_reference_fields},
                                     {14, "finalizers", Type::text, true, {}}};
constexpr Field namespace_spec_fields[] = {{1, "finalizers", Type::text, true, {}}};
constexpr Field namespace_status_fields[] = {{1, "phase", Type::text, false, {}}};
constexpr Field namespace_fields[] = {{1, "metadata", Type::message, false, metadata_fields},
                                      {2, "spec", Type::message, false, namespace_spec_fields},
                                      {3, "status", Type::message, false, namespace_status_fields}};
constexpr Field service_port_fields[] = {
    {1, "name", Type::text, false, {}},        {2, "protocol", Type::text, false, {}},
    {3, "port", Type::integer, false, {}},     {4, "targetPort", Type::int_or_string, false, {}},
    {5, "nodePort", Type::integer, false, {}}, {6, "appProtocol", Type::text, false, {}}};
constexpr Field service_spec_fields[] = {{1, "ports", Type::message, true, service_port_fields},
                                         {2, "selector", Type::map, false, {}},
                                         {3, "clusterIP", Type::text, false, {}},
                                         {4, "type", Type::text, false, {}},
                                         {5, "externalIPs", Type::text, true, {}},
                                         {7, "sessionAffinity", Type::text, false, {}},
                                         {8, "loadBalancerIP", Type::text, false, {}},
                                         {9, "loadBalancerSourceRanges", Type::text, true, {}},
                                         {10, "externalName", Type::text, false, {}},
                                         {11, "externalTrafficPolicy", Type::text, false, {}},
                                         {12, "healthCheckNodePort", Type::integer, false, {}},
                                         {13, "publishNotReadyAddresses", Type::boolean, false, {}},
                                         {17, "ipFamilyPolicy", Type::text, false, {}},
                                         {18, "clusterIPs", Type::text, true, {}},
                                         {19, "ipFamilies", Type::text, true, {}},
                                         {20, "allocateLoadBalancerNodePorts", Type::boolean, false, {}},
                                         {21, "loadBalancerClass", Type::text, false, {}},
                                         {22, "internalTrafficPolicy", Type::text, false, {}},
                                         {23, "trafficDistribution", Type::text, false, {}}};
constexpr Field ingress_fields[] = {{1, "ip", Type::text, false, {}}, {2, "hostname", Type::text, false, {}}};
constexpr Field load_balancer_fields[] = {{1, "ingress", Type::message, true, ingress_fields}};
constexpr Field service_status_fields[] = {{1, "loadBalancer", Type::message, false, load_balancer_fields}};
constexpr Field service_fields[] = {{1, "metadata", Type::message, false, metadata_fields},
                                    {2, "spec", Type::message, false, service_spec_fields},
                                    {3, "status", Type::message, false, service_status_fields}};
constexpr Field conditions_fields[] = {{1, "ready", Type::boolean, false, {}},
                                       {2, "serving", Type::boolean, false, {}},
                                       {3, "terminating", Type::boolean, false, {}}};
constexpr Field reference_fields[] = {{1, "kind", Type::text, false, {}},
                                      {2, "namespace", Type::text, false, {}},
                                      {3, "name", Type::text, false, {}},
                                      {4, "uid", Type::text, false, {}}};
constexpr Field endpoint_fields[] = {
    {1, "addresses", Type::text, true, {}}, {2, "conditions", Type::message, false, conditions_fields},
    {3, "hostname", Type::text, false, {}}, {4, "targetRef", Type::message, false, reference_fields},
    {6, "nodeName", Type::text, false, {}}, {7, "zone", Type::text, false, {}}};
constexpr Field endpoint_port_fields[] = {{1, "name", Type::text, false, {}},
                                          {2, "protocol", Type::text, false, {}},
                                          {3, "port", Type::integer, false, {}},
                                          {4, "appProtocol", Type::text, false, {}}};
constexpr Field slice_fields[] = {{1, "metadata", Type::message, false, metadata_fields},
                                  {2, "endpoints", Type::message, true, endpoint_fields},
                                  {3, "ports", Type::message, true, endpoint_port_fields},
                                  {4, "addressType", Type::text, false, {}}};
constexpr Field pod_spec_fields[] = {{10, "nodeName", Type::text, false, {}}};
constexpr Field pod_status_fields[] = {{1, "phase", Type::text, false, {}}, {6, "podIP", Type::text, false, {}}};
constexpr Field pod_fields[] = {{1, "metadata", Type::message, false, metadata_fields},
                                {2, "spec", Type::message, false, pod_spec_fields},
                                {3, "status", Type::message, false, pod_status_fields}};
constexpr Field list_metadata_fields[] = {{2, "resourceVersion", Type::text, false, {}},
                                          {3, "continue", Type::text, false, {}},
                                          {4, "remainingItemCount", Type::integer, false, {}}};
constexpr Field status_details_fields[] = {{1, "name", Type::text, false, {}},
                                           {2, "group", Type::text, false, {}},
                                           {3, "kind", Type::text, false, {}},
                                           {5, "retryAfterSeconds", Type::integer, false, {}},
                                           {6, "uid", Type::text, false, {}}};
constexpr Field status_fields[] = {{1, "metadata", Type::message, false, list_metadata_fields},
                                   {2, "status", Type::text, false, {}},
                                   {3, "message", Type::text, false, {}},
                                   {4, "reason", Type::text, false, {}},
                                   {5, "details", Type::message, false, status_details_fields},
                                   {6, "code", Type::integer, false, {}}};

}  // namespace

std::span<const ProtobufField> protobuf_schema_of(const Kind& kind) {
  if (&kind == &kind::of_namespace()) return namespace_fields;
  if (&kind == &kind::service()) return service_fields;
  if (&kind == &kind::endpoint_slice()) return slice_fields;
  if (&kind == &kind::pod()) return pod_fields;
  return {};
}

std::span<const ProtobufField> protobuf_schema_of_status() { return status_fields; }
std::span<const ProtobufField> protobuf_schema_of_list_metadata() { return list_metadata_fields; }

}  // namespace fairlead::kubesim
