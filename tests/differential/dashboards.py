"""What dashboards and alerts ask of CoreDNS's metrics: the CoreDNS mixin (dashboard and alerts), the dashboards of
kube-prometheus-stack and of Grafana for CoreDNS, and clusterloader2. A row is a sample with the labels that a query
selects or groups by, and what it is for."""

QUERIES = [
    ("coredns_build_info", {"version"}, "which instances there are"),
    ("coredns_panics_total", set(), "panics: an alert and a count"),
    ("coredns_plugin_enabled", {"server", "zone", "name"}, "which directives are on"),
    ("coredns_dns_requests_total", {"type", "zone", "server", "proto", "family"}, "queries by type, zone, transport"),
    ("coredns_dns_do_requests_total", {"zone", "server"}, "queries with DO"),
    ("coredns_dns_responses_total", {"rcode", "zone", "server"}, "replies by RCODE; the share of SERVFAIL is an alert"),
    ("coredns_dns_responses_total", {"plugin"}, "replies by directive"),
    ("coredns_dns_request_duration_seconds_bucket", {"server", "zone", "le"}, "99th percentile: panel and alert"),
    ("coredns_dns_request_duration_seconds_count", {"server", "zone"}, "mean duration"),
    ("coredns_dns_request_duration_seconds_sum", {"server", "zone"}, "mean duration"),
    ("coredns_dns_request_size_bytes_bucket", {"server", "zone", "proto", "le"}, "size of queries"),
    ("coredns_dns_response_size_bytes_bucket", {"server", "zone", "proto", "le"}, "size of replies"),
    ("coredns_cache_entries", {"server", "type"}, "size of the cache"),
    ("coredns_cache_hits_total", {"server", "type"}, "hit rate"),
    ("coredns_cache_misses_total", {"server"}, "hit rate, in older ones"),
    ("coredns_cache_requests_total", {"server"}, "hit rate, in newer ones"),
    ("coredns_proxy_request_duration_seconds_bucket", {"to", "rcode", "proxy_name", "le"}, "how fast upstreams are"),
    ("coredns_proxy_request_duration_seconds_count", {"to", "rcode"}, "queries and errors by upstream"),
    ("coredns_proxy_request_duration_seconds_sum", {"to"}, "mean duration by upstream"),
    ("coredns_proxy_conn_cache_misses_total", {"to", "proto"}, "connections to upstreams"),
    ("coredns_proxy_healthcheck_failures_total", {"to"}, "health checks of upstreams: an alert"),
    ("coredns_forward_healthcheck_broken_total", set(), "all upstreams down: an alert"),
    ("coredns_forward_max_concurrent_rejects_total", set(), "queries beyond max_concurrent"),
    ("coredns_kubernetes_dns_programming_duration_seconds_bucket", {"service_kind", "le"}, "clusterloader2's SLI, a panel"),
    ("coredns_kubernetes_dns_programming_duration_seconds_count", {"service_kind"}, "changes"),
    ("coredns_kubernetes_rest_client_requests_total", {"code", "method", "host"}, "requests to the API server"),
    ("coredns_kubernetes_rest_client_request_duration_seconds_bucket", {"verb", "host", "le"}, "how fast it is"),
    ("coredns_health_request_duration_seconds_bucket", {"le"}, "the process's own probe"),
    ("coredns_health_request_failures_total", set(), "the process's own probe"),
    ("coredns_hosts_reload_timestamp_seconds", set(), "the hosts file"),
    ("coredns_hosts_entries", set(), "the hosts file"),
    ("coredns_reload_failed_total", set(), "a Corefile that was not taken: an alert"),
    ("coredns_reload_version_info", {"hash", "value"}, "which Corefile runs"),
    ("coredns_template_matches_total", {"server", "zone", "class", "type"}, "template"),
    ("process_cpu_seconds_total", set(), "CPU"),
    ("process_resident_memory_bytes", set(), "memory"),
    ("process_open_fds", set(), "descriptors"),
    ("process_max_fds", set(), "descriptors"),
    ("process_start_time_seconds", set(), "restarts"),
]

# What older dashboards still ask for and CoreDNS 1.14 does not have either, with what took its place.
GONE = {
    "coredns_forward_requests_total": "coredns_proxy_request_duration_seconds_count",
    "coredns_forward_responses_total": "coredns_proxy_request_duration_seconds_count",
    "coredns_forward_request_duration_seconds_bucket": "coredns_proxy_request_duration_seconds_bucket",
    "coredns_forward_healthcheck_failures_total": "coredns_proxy_healthcheck_failures_total",
    "coredns_dns_request_count_total": "coredns_dns_requests_total",
    "coredns_dns_request_do_count_total": "coredns_dns_do_requests_total",
    "coredns_dns_request_type_count_total": "coredns_dns_requests_total",
    "coredns_dns_response_rcode_count_total": "coredns_dns_responses_total",
    "coredns_panic_count_total": "coredns_panics_total",
    "coredns_cache_size": "coredns_cache_entries",
}
# What CoreDNS serves and Fairlead does not have: Go's runtime.
NOT_SERVED = {"go_goroutines"}
