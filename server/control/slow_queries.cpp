#include "server/control/slow_queries.hpp"

#include <algorithm>

namespace fairlead::server {

void SlowQuery::set_qname(dns::NameView name) {
  std::ranges::copy(name.wire(), qname_octets_.begin());
  qname_size_ = static_cast<std::uint8_t>(name.size());
}

void SlowQuery::set_error(std::string_view text) {
  error_size_ = static_cast<std::uint8_t>(std::min(text.size(), error_.size()));
  std::copy_n(text.begin(), error_size_, error_.begin());
}

SlowQueries::SlowQueries(std::size_t ring) : size_(std::max<std::size_t>(ring, 1)) {
  for (Ring& one : rings_) one.queries.reserve(size_);
}

void SlowQueries::add(const SlowQuery& query) {
  const auto above = std::ranges::upper_bound(slow_query_bounds, query.total);
  if (above == slow_query_bounds.begin()) return;
  Ring& ring = rings_[static_cast<std::size_t>(above - slow_query_bounds.begin()) - 1];
  if (ring.queries.size() < size_) {
    ring.queries.push_back(query);
  } else {
    ring.queries[ring.next] = query;
    ring.next = (ring.next + 1) % size_;
  }
}

}  // namespace fairlead::server
