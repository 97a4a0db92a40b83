#include "zones/hosts_table.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <unordered_set>

#include "zones/base/seeded_hash.hpp"

namespace fairlead::zones {
namespace {

constexpr std::string_view blanks = " \t\r\v\f";

// The next word of the line, which loses it; empty at the end.
std::string_view take_word(std::string_view& line) {
  const std::size_t begin = std::min(line.find_first_not_of(blanks), line.size());
  const std::size_t end = std::min(line.find_first_of(blanks, begin), line.size());
  const std::string_view word = line.substr(begin, end - begin);
  line.remove_prefix(end);
  return word;
}

std::string shown(std::string_view text) {
  constexpr std::size_t shown_octets_max = 60;
  std::string result = "'";
  for (const char c : text.substr(0, shown_octets_max)) result += c < ' ' || c > '~' ? '?' : c;
  return result + (text.size() > shown_octets_max ? "...'" : "'");
}

bool is_wildcard(dns::NameView name) { return name.first_label() == "*"; }

}  // namespace

std::optional<base::IpAddress> parse_hosts_address(std::string_view text) {
  const auto address = base::IpAddress::parse(text.substr(0, text.find('%')));
  if (!address || address->is_v4()) return address;
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const auto octets = address->octets();
  if (!std::equal(mapped.begin(), mapped.end(), octets.begin())) return address;
  return base::IpAddress::v4(octets.subspan<12, 4>());
}

class HostsTable::Builder {
 public:
  Builder(HostsTable& table, const std::vector<dns::DomainName>& zones, bool reverse, Faults& faults)
      : table_(table), zones_(zones), reverse_(reverse), faults_(faults) {
    table_.seed_ = base::draw_seed();
    table_.cells_.assign(1024, 0);
  }

  void read(std::string_view text) {
    for (std::size_t at = 0, number = 1; at < text.size() && !is_full_; ++number) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = text.substr(at, end - at);
      read_line(line.substr(0, line.find('#')), number);
      at = end + 1;
    }
    finish();
  }

 private:
  struct Pair {
    std::uint32_t host;
    base::IpAddress address;
  };

  void fault(std::size_t line, std::string message) {
    if (faults_.first.size() < hosts_faults_max) faults_.first.push_back({line, std::move(message)});
    ++faults_.count;
  }

  void read_line(std::string_view line, std::size_t number) {
    const std::string_view first = take_word(line);
    if (first.empty()) return;
    const auto address = parse_hosts_address(first);
    if (!address) {
      return fault(number, shown(first) + " is no IP address; write 'ADDRESS NAME...'");
    }
    std::string_view word = take_word(line);
    if (word.empty()) return fault(number, shown(first) + " has no name; write 'ADDRESS NAME...'");
    for (; !word.empty(); word = take_word(line)) {
      const auto name = dns::DomainName::parse(word);
      if (!name) {
        fault(number, shown(word) + " is no domain name: " + std::string(dns::to_string(name.error())));
        continue;
      }
      const auto contains = [&](const auto& zone) { return name->view().is_at_or_below(zone); };
      if (!zones_.empty() && std::ranges::none_of(zones_, contains)) continue;
      if (pairs_.size() == hosts_entries_max) {
        is_full_ = true;
        return fault(number, "more than " + std::to_string(hosts_entries_max) + " entries; the rest is left out");
      }
      pairs_.push_back({find_or_add(*name), *address});
    }
  }

  std::uint32_t find_or_add(dns::NameView name) {
    if (table_.hosts_.size() * 2 >= table_.cells_.size()) grow();
    std::array<std::uint8_t, dns::name_octets_max> lower;
    name.copy_lower(lower.data());
    const dns::NameView key({lower.data(), name.size()});
    for (std::size_t cell = hash(key);; ++cell) {
      std::uint32_t& content = table_.cells_[cell & (table_.cells_.size() - 1)];
      if (content == 0) {
        table_.hosts_.push_back({.name = static_cast<std::uint32_t>(table_.names_.size())});
        table_.names_.insert(table_.names_.end(), key.wire().begin(), key.wire().end());
        content = static_cast<std::uint32_t>(table_.hosts_.size());
        return content - 1;
      }
      if (table_.name_at(table_.hosts_[content - 1].name) == key) return content - 1;
    }
  }

  std::size_t hash(dns::NameView name) const { return base::seeded_hash(name.data(), name.size(), table_.seed_); }

  void grow() {
    std::vector<std::uint32_t> cells(table_.cells_.size() * 2, 0);
    for (std::uint32_t i = 0; i < table_.hosts_.size(); ++i) {
      std::size_t cell = hash(table_.name_at(table_.hosts_[i].name));
      while (cells[cell & (cells.size() - 1)] != 0) ++cell;
      cells[cell & (cells.size() - 1)] = i + 1;
    }
    table_.cells_ = std::move(cells);
  }

  // By host, in the order of the file; a pair that is written twice is one.
  void finish() {
    std::ranges::stable_sort(pairs_, {}, &Pair::host);
    for (std::size_t begin = 0, end = 0; begin < pairs_.size(); begin = end) {
      Host& host = table_.hosts_[pairs_[begin].host];
      host.v4 = static_cast<std::uint32_t>(table_.v4_.size());
      host.v6 = static_cast<std::uint32_t>(table_.v6_.size());
      std::unordered_set<base::IpAddress> seen;
      for (end = begin; end < pairs_.size() && pairs_[end].host == pairs_[begin].host; ++end) {
        const base::IpAddress& address = pairs_[end].address;
        ++table_.entry_count_;
        if (end > begin && seen.empty()) seen.insert(pairs_[begin].address);
        if (end > begin && !seen.insert(address).second) continue;
        add(address);
        if (reverse_ && !is_wildcard(table_.name_at(host.name))) {
          ++table_.entry_count_;
          reverse_pairs_.emplace_back(address, host.name);
        }
      }
    }
    table_.hosts_.push_back({.name = 0,
                             .v4 = static_cast<std::uint32_t>(table_.v4_.size()),
                             .v6 = static_cast<std::uint32_t>(table_.v6_.size())});
    pairs_ = {};
    finish_reverse();
    table_.names_.shrink_to_fit();
    table_.hosts_.shrink_to_fit();
    table_.v4_.shrink_to_fit();
    table_.v6_.shrink_to_fit();
  }

  void add(const base::IpAddress& address) {
    const auto octets = address.octets();
    if (address.is_v4()) {
      std::ranges::copy(octets, table_.v4_.emplace_back().begin());
    } else {
      std::ranges::copy(octets, table_.v6_.emplace_back().begin());
    }
  }

  void finish_reverse() {
    // Names stand in the order of the file, so their offsets do too.
    std::ranges::sort(reverse_pairs_);
    for (const auto& [address, name] : reverse_pairs_) {
      if (table_.addresses_.empty() || !(table_.addresses_.back().address == address)) {
        table_.addresses_.push_back({address, static_cast<std::uint32_t>(table_.reverse_names_.size())});
      }
      table_.reverse_names_.push_back(name);
    }
    table_.addresses_.push_back({{}, static_cast<std::uint32_t>(table_.reverse_names_.size())});
    table_.addresses_.shrink_to_fit();
    table_.reverse_names_.shrink_to_fit();
  }

  HostsTable& table_;
  const std::vector<dns::DomainName>& zones_;
  const bool reverse_;
  Faults& faults_;
  std::vector<Pair> pairs_;
  std::vector<std::pair<base::IpAddress, std::uint32_t>> reverse_pairs_;
  bool is_full_ = false;
};

HostsTable::HostsTable(std::string_view text, const std::vector<dns::DomainName>& zones, bool reverse, Faults& faults) {
  Builder(*this, zones, reverse, faults).read(text);
}

dns::NameView HostsTable::name_at(std::uint32_t offset) const {
  const std::uint8_t* const begin = names_.data() + offset;
  const std::uint8_t* end = begin;
  while (*end != 0) end += 1 + *end;
  return dns::NameView({begin, static_cast<std::size_t>(end - begin) + 1});
}

const HostsTable::Host* HostsTable::find_host(dns::NameView name) const {
  if (cells_.empty()) return nullptr;
  for (std::size_t cell = base::seeded_hash(name.data(), name.size(), seed_);; ++cell) {
    const std::uint32_t content = cells_[cell & (cells_.size() - 1)];
    if (content == 0) return nullptr;
    const Host& host = hosts_[content - 1];
    // What is behind the name in names_ may be shorter than the name that is asked for.
    if (names_.size() - host.name >= name.size() &&
        std::memcmp(names_.data() + host.name, name.data(), name.size()) == 0) {
      return &host;
    }
  }
}

template <typename Octets>
std::span<const Octets> HostsTable::find(dns::NameView name, std::uint32_t Host::* first,
                                         const std::vector<Octets>& all) const {
  const auto of = [&](const Host* host) {
    if (host == nullptr) return std::span<const Octets>();
    return std::span(all).subspan(host->*first, host[1].*first - host->*first);
  };
  // CoreDNS looks in each family by itself, so a name with IPv4 addresses has the wildcard's IPv6 ones.
  if (const auto found = of(find_host(name)); !found.empty() || name.is_root()) return found;
  std::array<std::uint8_t, dns::name_octets_max> wildcard{1, '*'};
  const dns::NameView parent = name.parent();
  if (parent.size() + 2 > wildcard.size()) return {};
  std::ranges::copy(parent.wire(), wildcard.begin() + 2);
  return of(find_host(dns::NameView({wildcard.data(), parent.size() + 2})));
}

std::span<const std::array<std::uint8_t, 4>> HostsTable::find_v4(dns::NameView name) const {
  return find(name, &Host::v4, v4_);
}

std::span<const std::array<std::uint8_t, 16>> HostsTable::find_v6(dns::NameView name) const {
  return find(name, &Host::v6, v6_);
}

std::pair<std::uint32_t, std::uint32_t> HostsTable::find_address(const base::IpAddress& address) const {
  if (addresses_.empty()) return {0, 0};
  const auto known = std::span(addresses_).first(addresses_.size() - 1);
  const auto found = std::ranges::lower_bound(known, address, {}, &Address::address);
  if (found == known.end() || !(found->address == address)) return {0, 0};
  const std::size_t index = static_cast<std::size_t>(found - known.begin());
  return {addresses_[index].names, addresses_[index + 1].names};
}

}  // namespace fairlead::zones
