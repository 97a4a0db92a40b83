#include "zones/name_entry.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <new>
#include <type_traits>
#include <utility>

#include "zones/base/decimal_octet.hpp"
#include "zones/base/sort_unique.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::zones {
namespace {

constexpr std::size_t count_max = 0xffff;  // indexes have 16 bits, and no message holds more of anything
static_assert(count_max >= dns::message_octets_max);
constexpr std::size_t key_octets_max = dns::name_octets_max - 1;  // a name without its root label

// How SRV records are packed.
constexpr std::uint8_t suffix_in_key = 1;  // one octet: where in the key it begins
constexpr std::uint8_t self_target = 2;    // one target, without label, with the entry's own addresses
constexpr std::uint8_t grid = 4;           // every target has the same ports, listed once

// The first octet of a packed target. Behind it: label with its length octet, counts, addresses.
constexpr std::uint8_t any_addresses = 0;
constexpr std::uint8_t one_a = 1;         // a single A address, so no counts
constexpr std::uint8_t dashed_a = 2;      // the same, and the label is that address with dashes, so no label
constexpr std::uint8_t two_labels = 128;  // flag: another label follows the first

// Boost's iterators are none that std::span takes.
template <typename Values>
auto as_span(const Values& values) {
  return std::span(values.data(), values.size());
}

std::uint16_t read_native_u16(const std::uint8_t* at) {
  std::uint16_t value;
  std::memcpy(&value, at, 2);
  return value;
}

constexpr std::size_t count_octets = 5;  // at most

// The body of an entry while it is made, in room that is enough for sure: most of the entries of a cluster are made
// when the server starts.
class Packer {
 public:
  explicit Packer(std::size_t octets_max) {
    buffer_.resize(octets_max, boost::container::default_init);
    at_ = buffer_.data();
  }
  std::span<const std::uint8_t> packed() const { return {buffer_.data(), at_}; }

  void put_u8(std::uint8_t value) { *at_++ = value; }
  void put_u16(std::uint16_t value) { put(&value, sizeof value); }
  void put_count(std::size_t count) {
    if (count < 255) return put_u8(static_cast<std::uint8_t>(count));
    const auto wide = static_cast<std::uint32_t>(count);
    put_u8(255);
    put(&wide, sizeof wide);
  }
  void put_octets(std::span<const std::uint8_t> octets) { put(octets.data(), octets.size()); }
  void put_text(std::string_view text) { put(text.data(), text.size()); }
  void put_label(std::string_view label) {
    put_u8(static_cast<std::uint8_t>(label.size()));
    put_text(label);
  }
  void put_address(const base::IpAddress& address) {
    if (address.is_v4()) return put(address.octets().data(), 4);
    put(address.octets().data(), 16);
  }

 private:
  void put(const void* octets, std::size_t count) {
    if (count > 0) std::memcpy(at_, octets, count);
    at_ += count;
  }

  boost::container::small_vector<std::uint8_t, 1024> buffer_;  // few are longer
  std::uint8_t* at_;
};

// No less than what `content` takes behind a key of so many octets.
std::size_t packed_octets_max(std::size_t key_octets, const NameContent& content) {
  constexpr std::size_t address_octets = 16;
  std::size_t octets = key_octets + 2 * count_octets + content.addresses.size() * address_octets;
  octets += count_octets + dns::name_octets_max;
  for (const auto& name : content.ptrs) octets += name.size() + 1;
  octets += 2 + key_octets_max + 3 * count_octets + content.srvs.size() * 4;
  for (const auto& target : content.targets) {
    octets += 1 + 2 * (1 + dns::label_octets_max) + 2 * count_octets + target.addresses.size() * address_octets;
  }
  return octets;
}

// The address with dashes as a label, its length octet in front, into 17 octets; returns how many it has.
std::size_t write_dashed(const std::uint8_t* address, std::uint8_t* label) {
  std::uint8_t* at = label + 1;
  for (int i = 0; i < 4; ++i) {
    at = base::write_decimal(address[i], at);
    *at++ = '-';
  }
  const auto octets = static_cast<std::size_t>(at - label) - 1;  // without the last dash
  label[0] = static_cast<std::uint8_t>(octets - 1);
  return octets;
}

// The same for the address in a reverse name, whose first four labels are its octets from the last to the first. Reads
// up to four octets behind each length octet.
std::size_t write_dashed_of_key(const std::uint8_t* key, std::uint8_t* label) {
  const std::uint8_t* const fourth = key;
  const std::uint8_t* const third = fourth + 1 + fourth[0];
  const std::uint8_t* const second = third + 1 + third[0];
  const std::uint8_t* const first = second + 1 + second[0];
  std::uint8_t* at = label + 1;
  for (const std::uint8_t* const octet : {first, second, third, fourth}) {
    std::memcpy(at, octet + 1, 4);
    at += octet[0];
    *at++ = '-';
  }
  const auto octets = static_cast<std::size_t>(at - label) - 1;  // without the last dash
  label[0] = static_cast<std::uint8_t>(octets - 1);
  return octets;
}

// Of the only PTR record: what stands behind its first label, if that is the address in the key with dashes and exactly
// two labels follow; nothing else.
std::string_view behind_dashed_address(std::string_view key, std::span<const std::string> ptrs) {
  if (ptrs.size() != 1) return {};
  // The octets are of one to three digits, and one octet follows: that of the label "in-addr".
  std::size_t at = 0;
  for (int octet = 0; octet < 4; ++octet) {
    if (at >= key.size() || key[at] < 1 || key[at] > 3) return {};
    at += 1 + static_cast<std::size_t>(key[at]);
  }
  if (at + 1 != key.size()) return {};
  std::array<std::uint8_t, 4 * 4 + 4> from{};
  std::memcpy(from.data(), key.data(), key.size());
  std::array<std::uint8_t, dashed_octets_max> dashed;
  const std::size_t octets = write_dashed_of_key(from.data(), dashed.data());
  const std::string_view target = ptrs.front();
  if (!target.starts_with(std::string_view(reinterpret_cast<const char*>(dashed.data()), octets))) return {};
  const std::string_view rest = target.substr(octets);
  std::size_t end = 0;
  for (int label = 0; label < 2; ++label) {
    if (end >= rest.size()) return {};
    end += 1 + static_cast<unsigned char>(rest[end]);
  }
  return end == rest.size() ? rest : std::string_view();
}

// Addresses of one family, sorted and once each, so that equal content gives equal octets.
class Family {
 public:
  Family(std::span<const base::IpAddress> addresses, bool v4) {
    std::size_t count = 0;
    bool is_ascending = true;
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      count += addresses[i].is_v4() == v4 ? 1 : 0;
      is_ascending &= i == 0 || addresses[i - 1] < addresses[i];
    }
    if (count == 0) return;
    used_ = addresses;
    // Of most names they are just so, and are not copied.
    if (count != addresses.size() || !is_ascending) used_ = select(addresses, v4);
    used_ = used_.first(std::min(used_.size(), count_max));
  }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  std::size_t size() const { return used_.size(); }
  const base::IpAddress& front() const { return used_.front(); }
  void put_addresses(Packer& out) const {
    for (const auto& address : used_) out.put_address(address);
  }
  friend bool operator==(const Family& a, const Family& b) { return std::ranges::equal(a.used_, b.used_); }

 private:
  std::span<const base::IpAddress> select(std::span<const base::IpAddress> addresses, bool v4) {
    std::ranges::copy_if(addresses, std::back_inserter(selected_), [&](const auto& a) { return a.is_v4() == v4; });
    base::sort_unique(selected_);
    return selected_;
  }

  std::span<const base::IpAddress> used_;
  std::vector<base::IpAddress> selected_;
};

// A target with a single A address.
void put_one_a(Packer& out, std::string_view label, std::string_view parent, const base::IpAddress& address) {
  if (parent.empty()) {
    std::uint8_t dashed[dashed_octets_max];
    const std::size_t octets = write_dashed(address.octets().data(), dashed);
    if (label == std::string_view(reinterpret_cast<const char*>(dashed) + 1, octets - 1)) {
      out.put_u8(dashed_a);
      out.put_address(address);
      return;
    }
  }
  out.put_u8(one_a | (parent.empty() ? 0 : two_labels));
  out.put_label(label);
  if (!parent.empty()) out.put_label(parent);
  out.put_address(address);
}

void put_target(Packer& out, const NameContent::Target& target) {
  const std::string_view label = std::string_view(target.label).substr(0, dns::label_octets_max);
  const std::string_view parent =
      label.empty() ? std::string_view() : std::string_view(target.parent).substr(0, dns::label_octets_max);
  if (target.addresses.size() == 1 && target.addresses.front().is_v4()) {
    return put_one_a(out, label, parent, target.addresses.front());
  }
  const Family a(as_span(target.addresses), true);
  const Family aaaa(as_span(target.addresses), false);
  if (a.size() == 1 && aaaa.size() == 0) return put_one_a(out, label, parent, a.front());
  out.put_u8(any_addresses | (parent.empty() ? 0 : two_labels));
  out.put_label(label);
  if (!parent.empty()) out.put_label(parent);
  out.put_count(a.size());
  out.put_count(aaaa.size());
  a.put_addresses(out);
  aaaa.put_addresses(out);
}

bool is_own_label(std::string_view label) { return !label.empty() && label.size() <= dns::label_octets_max; }

// Cuts the label, if it is that one, off the front of a name.
bool take_label(std::string_view& name, std::string_view label) {
  if (name.empty() || static_cast<unsigned char>(name[0]) != label.size() || !name.substr(1).starts_with(label)) {
    return false;
  }
  name.remove_prefix(1 + label.size());
  return true;
}

// Whether the first target's ports are those of all, in the order of the targets.
std::size_t ports_of_grid(std::span<const NameContent::Srv> srvs, std::size_t target_count) {
  if (target_count == 0 || srvs.size() % target_count != 0) return 0;
  const std::size_t ports = srvs.size() / target_count;
  auto srv = srvs.begin();
  for (std::size_t target = 0; target < target_count; ++target) {
    for (std::size_t port = 0; port < ports; ++port, ++srv) {
      if (srv->target != target || srv->port != srvs[port].port) return 0;
    }
  }
  return ports;
}

void put_srvs(Packer& out, std::string_view key, const NameContent& content, const Family& a, const Family& aaaa,
              std::span<const NameContent::Srv> srvs, std::size_t target_count) {
  const std::string_view suffix = content.srv_suffix;
  const auto targets = as_span(content.targets).first(target_count);
  const std::size_t ports = ports_of_grid(srvs, target_count);
  std::uint8_t form = ports > 0 ? grid : 0;

  // The target's whole name at the end of the key, and the entry's own addresses: nothing is left to say.
  std::string_view tail = suffix;
  bool is_self = false;
  if (target_count == 1 && ports > 0) {
    const auto& target = targets.front();
    std::size_t labels = 0;
    if (is_own_label(target.label)) labels = 1 + target.label.size();
    if (labels > 0 && is_own_label(target.parent)) labels += 1 + target.parent.size();
    const std::size_t octets = labels + suffix.size();
    if (octets <= key.size()) {
      std::string_view rest = key.substr(key.size() - octets);
      is_self = (labels == 0 || take_label(rest, target.label)) &&
                (labels <= 1 + target.label.size() || take_label(rest, target.parent)) && rest == suffix &&
                (target.addresses == content.addresses ||
                 (Family(as_span(target.addresses), true) == a && Family(as_span(target.addresses), false) == aaaa));
    }
    if (is_self) tail = key.substr(key.size() - octets);
  }
  if (is_self) form |= self_target | suffix_in_key;
  if (key.ends_with(tail)) form |= suffix_in_key;

  out.put_u8(form);
  if ((form & suffix_in_key) != 0) {
    out.put_u8(static_cast<std::uint8_t>(key.size() - tail.size()));
  } else {
    out.put_u8(static_cast<std::uint8_t>(suffix.size()));
    out.put_text(suffix);
  }
  out.put_count(content.srv_weight);
  if (!is_self) out.put_count(target_count);
  if (ports > 0) {
    out.put_count(ports);
    for (const auto& srv : srvs.first(ports)) out.put_u16(srv.port);
  } else {
    out.put_count(srvs.size());
    for (const auto& srv : srvs) {
      out.put_u16(srv.port);
      out.put_u16(srv.target);
    }
  }
  if (is_self) return;
  for (const auto& target : targets) put_target(out, target);
}

// Most names with SRV records are those of an IPv4 endpoint: one address, and each record leads to the name itself.
bool is_plain_endpoint(std::string_view key, const NameContent& content) {
  if (content.addresses.size() != 1 || content.addresses.front().is_v6() || content.targets.size() != 1) return false;
  const auto& target = content.targets.front();
  if (target.addresses.size() != 1 || target.addresses.front() != content.addresses.front()) return false;
  const std::string_view suffix = content.srv_suffix;
  if (!is_own_label(target.label) || !target.parent.empty() || content.cname || !content.ptrs.empty()) return false;
  return !content.srvs.empty() && content.srvs.size() <= count_max &&
         std::ranges::all_of(as_span(content.srvs), [](const auto& srv) { return srv.target == 0; }) &&
         key.size() == 1 + target.label.size() + suffix.size() && take_label(key, target.label) && key == suffix;
}

// The body that would come of looking at each part of it.
void put_plain_endpoint(Packer& out, std::string_view key, const NameContent& content) {
  out.put_text(key);
  out.put_u8(1);
  out.put_address(content.addresses.front());
  out.put_u8(grid | self_target | suffix_in_key);
  out.put_u8(0);  // the whole key
  out.put_count(content.srv_weight);
  out.put_count(content.srvs.size());
  for (const auto& srv : content.srvs) out.put_u16(srv.port);
}

}  // namespace

void NameContent::clear() {
  presence = Presence::exists;
  in_transfers = true;
  addresses.clear();
  srv_weight = 0;
  srv_suffix.clear();
  targets.clear();
  srvs.clear();
  cname.reset();
  ptrs.clear();
}

bool operator==(const NameContent& a, const NameContent& b) {
  const auto same_target = [](const NameContent::Target& x, const NameContent::Target& y) {
    return x.label == y.label && x.parent == y.parent && x.addresses == y.addresses;
  };
  const auto same_srv = [](const NameContent::Srv& x, const NameContent::Srv& y) {
    return x.port == y.port && x.target == y.target;
  };
  return a.presence == b.presence && a.in_transfers == b.in_transfers && a.addresses == b.addresses &&
         a.srv_weight == b.srv_weight && a.srv_suffix == b.srv_suffix &&
         std::ranges::equal(a.targets, b.targets, same_target) && std::ranges::equal(a.srvs, b.srvs, same_srv) &&
         a.cname == b.cname && a.ptrs == b.ptrs;
}

bool operator==(const NameEntry& a, const NameEntry& b) {
  // A change of the addresses is the usual one, and shows before all targets of SRV records are walked over.
  const auto a_addresses = a.a_addresses(), b_addresses = b.a_addresses();
  if (a_addresses.size() != b_addresses.size() ||
      (!a_addresses.empty() && std::memcmp(a_addresses.data(), b_addresses.data(), a_addresses.size()) != 0)) {
    return false;
  }
  const std::size_t octets = a.octets();
  return octets == b.octets() && std::memcmp(&a, &b, octets) == 0;
}

void NameEntry::Deleter::operator()(NameEntry* entry) const { std::free(entry); }

NameEntry::Pointer NameEntry::make(std::string_view key, const NameContent& content, std::uint32_t ttl) {
  static_assert(std::is_trivially_destructible_v<NameEntry>, "entries are freed as memory");
  static_assert(sizeof(NameEntry) == 4 && alignof(NameEntry) == 1, "the body follows without a gap");

  if (key.size() > key_octets_max) return nullptr;
  std::uint8_t flags = content.presence == Presence::no_ready_endpoints ? no_ready : 0;
  if (!content.in_transfers) flags |= not_in_transfers;
  Packer body(packed_octets_max(key.size(), content));
  const auto put_parts = [&] {
    const Family a(as_span(content.addresses), true);
    const Family aaaa(as_span(content.addresses), false);
    const bool has_suffix = content.srv_suffix.size() <= key_octets_max;
    const std::size_t target_count = has_suffix ? std::min(content.targets.size(), count_max) : 0;
    auto srvs = as_span(content.srvs);
    std::vector<NameContent::Srv> valid;
    const auto is_valid = [&](const auto& srv) { return srv.target < target_count; };
    if (!std::ranges::all_of(srvs, is_valid)) {
      std::ranges::copy_if(srvs, std::back_inserter(valid), is_valid);
      srvs = valid;
    }
    srvs = srvs.first(std::min(srvs.size(), count_max));

    body.put_text(key);
    if (a.size() > 0) {
      flags |= some_a;
      body.put_count(a.size());
      a.put_addresses(body);
    }
    if (aaaa.size() > 0) {
      flags |= some_aaaa;
      body.put_count(aaaa.size());
      aaaa.put_addresses(body);
    }
    if (content.cname) {
      flags |= some_names | names_are_cname;
      const auto name = content.cname->view().wire();
      body.put_count(name.size());
      body.put_octets(name);
    } else if (const std::string_view two_labels = behind_dashed_address(key, as_span(content.ptrs));
               !two_labels.empty()) {
      flags |= some_names | ptr_is_dashed;
      body.put_text(two_labels);
    } else if (!content.ptrs.empty()) {
      flags |= some_names;
      std::size_t octets = 0;
      for (const auto& name : content.ptrs) octets += name.size() + 1;
      body.put_count(octets);
      for (const auto& name : content.ptrs) {
        body.put_text(name);
        body.put_u8(0);
      }
    }
    if (!srvs.empty()) {
      flags |= some_srv;
      put_srvs(body, key, content, a, aaaa, srvs, target_count);
    }
  };
  if (is_plain_endpoint(key, content)) {
    flags |= some_a | some_srv;
    put_plain_endpoint(body, key, content);
  } else {
    put_parts();
  }

  const auto packed = body.packed();
  void* const memory = std::malloc(sizeof(NameEntry) + packed.size());
  if (memory == nullptr) throw std::bad_alloc();
  auto* const entry = new (memory) NameEntry;
  dns::write_u16(entry->ttl_, static_cast<std::uint16_t>(std::min(ttl, entry_ttl_max)));
  entry->key_octets_ = static_cast<std::uint8_t>(key.size());
  entry->flags_ = flags;
  if (!packed.empty()) std::memcpy(const_cast<std::uint8_t*>(entry->body()), packed.data(), packed.size());
  return Pointer(entry);
}

std::size_t NameEntry::octets() const {
  const std::uint8_t* const end = has_srv() ? SrvRecords(*this).end() : after_names();
  return static_cast<std::size_t>(end - reinterpret_cast<const std::uint8_t*>(this));
}

PtrTargets::PtrTargets(const NameEntry& entry) {
  if (!entry.has_ptr()) return;
  names_ = entry.names();
  if (!entry.has(NameEntry::ptr_is_dashed)) return;
  const std::size_t label = write_dashed_of_key(entry.body(), dashed_.data());
  std::memcpy(dashed_.data() + label, names_.data(), names_.size());
  dashed_octets_ = label + names_.size();
  names_ = {};
}

std::span<const std::uint8_t> PtrTargets::next() {
  if (dashed_octets_ > 0) return {dashed_.data(), std::exchange(dashed_octets_, 0)};
  if (names_.empty()) return {};
  std::size_t octets = 0;
  while (names_[octets] != 0) octets += std::size_t{1} + names_[octets];
  const auto name = names_.first(octets);
  names_ = names_.subspan(octets + 1);
  return name;
}

SrvRecords::SrvRecords(const NameEntry& entry) : entry_(&entry) {
  if (!entry.has_srv()) return;
  const std::uint8_t* at = entry.after_names();
  form_ = *at++;
  const std::size_t suffix = *at++;
  if ((form_ & suffix_in_key) != 0) {
    suffix_ = {entry.body() + suffix, entry.key_octets_ - suffix};
  } else {
    suffix_ = {at, suffix};
    at += suffix;
  }
  weight_ = static_cast<std::uint16_t>(NameEntry::take_count(at));
  target_count_ = (form_ & self_target) != 0 ? 1 : NameEntry::take_count(at);
  port_count_ = NameEntry::take_count(at);
  srvs_ = at;
  if ((form_ & grid) != 0) {
    count_ = port_count_ * target_count_;
    targets_ = at + port_count_ * 2;
  } else {
    count_ = port_count_;
    targets_ = at + port_count_ * 4;
  }
  if (target_count_ > 0) read_target(targets_, current_);
}

std::span<const std::uint8_t> SrvTarget::write_label() const {
  return {dashed_.data(), write_dashed(a_, dashed_.data())};
}

SrvRecords::Srv SrvRecords::operator[](std::size_t index) const {
  if ((form_ & grid) != 0) {
    if (target_count_ == 1) return {.port = read_native_u16(srvs_ + index * 2), .target = 0};
    return {.port = read_native_u16(srvs_ + index % port_count_ * 2), .target = index / port_count_};
  }
  return {.port = read_native_u16(srvs_ + index * 4), .target = read_native_u16(srvs_ + index * 4 + 2)};
}

const SrvTarget& SrvRecords::target(std::size_t index) {
  if (index < current_index_) {
    read_target(targets_, current_);
    current_index_ = 0;
  }
  for (; current_index_ < index; ++current_index_) read_target(current_.end_, current_);
  return current_;
}

const std::uint8_t* SrvRecords::end() const {
  if ((form_ & self_target) != 0) return targets_;
  SrvTarget target;
  target.end_ = targets_;
  for (std::size_t i = 0; i < target_count_; ++i) read_target(target.end_, target);
  return target.end_;
}

void SrvRecords::read_target(const std::uint8_t* at, SrvTarget& target) const {
  if ((form_ & self_target) != 0) {
    const auto a = entry_->a_addresses();
    const auto aaaa = entry_->aaaa_addresses();
    target.a_ = a.data();
    target.a_count_ = a.size() / 4;
    target.aaaa_ = aaaa.data();
    target.aaaa_count_ = aaaa.size() / 16;
    target.label_ = at;  // none
    target.label_octets_ = 0;
    target.end_ = at;
    return;
  }
  const std::uint8_t head = *at++;
  if (head == dashed_a) {
    target.a_ = at;
    target.a_count_ = 1;
    target.aaaa_count_ = 0;
    target.end_ = at + 4;
    target.label_ = nullptr;
    return;
  }
  std::size_t label_octets = std::size_t{1} + *at;
  if ((head & two_labels) != 0) label_octets += std::size_t{1} + at[label_octets];
  target.label_ = at;
  target.label_octets_ = label_octets > 1 ? label_octets : 0;
  at += label_octets;
  if ((head & ~two_labels) == one_a) {
    target.a_count_ = 1;
    target.aaaa_count_ = 0;
  } else {
    target.a_count_ = NameEntry::take_count(at);
    target.aaaa_count_ = NameEntry::take_count(at);
  }
  target.a_ = at;
  target.aaaa_ = at + target.a_count_ * 4;
  target.end_ = target.aaaa_ + target.aaaa_count_ * 16;
}

}  // namespace fairlead::zones
