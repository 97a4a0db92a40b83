#include "zones/name_table.hpp"

#include <urcu-qsbr.h>

#include <urcu/rculfhash.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <tuple>
#include <type_traits>

#include "zones/base/published.hpp"
#include "zones/base/race_annotations.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::zones {
namespace {

constexpr std::size_t count_max = 65535;
constexpr std::size_t key_octets_max = dns::name_octets_max - 1;  // a name without its root label
// A power of two, and small: a reload may hold several tables for some seconds.
constexpr unsigned long buckets_first = 1024;

struct Lookup {
  std::string_view key;
};

std::uint8_t* write_address_record(std::uint8_t* at, const base::IpAddress& address, std::uint32_t ttl) {
  const auto octets = address.octets();
  dns::write_u16(at, dns::question_pointer);
  dns::write_u16(at + 2, static_cast<std::uint16_t>(address.is_v4() ? dns::RRType::a : dns::RRType::aaaa));
  dns::write_u16(at + 4, static_cast<std::uint16_t>(dns::RRClass::in));
  dns::write_u32(at + 6, ttl);
  dns::write_u16(at + 10, static_cast<std::uint16_t>(octets.size()));
  return std::ranges::copy(octets, at + 12).out;
}

// Addresses of one family, sorted and once each, so that equal content gives equal bytes.
std::vector<base::IpAddress> select_family(const std::vector<base::IpAddress>& addresses, bool v4) {
  std::vector<base::IpAddress> selected;
  std::ranges::copy_if(addresses, std::back_inserter(selected), [v4](const auto& a) { return a.is_v4() == v4; });
  std::ranges::sort(selected);
  const auto repeated = std::ranges::unique(selected);
  selected.erase(repeated.begin(), repeated.end());
  if (selected.size() > count_max) selected.resize(count_max);
  return selected;
}

// Packs a target behind `packed`; see NameEntry::targets().
void pack_target(std::vector<std::uint8_t>& packed, const NameContent::Target& target) {
  const std::size_t label_octets = std::min(target.label.size(), dns::label_octets_max);
  packed.push_back(static_cast<std::uint8_t>(label_octets));
  packed.insert(packed.end(), target.label.begin(), target.label.begin() + static_cast<std::ptrdiff_t>(label_octets));
  const auto a = select_family(target.addresses, true);
  const auto aaaa = select_family(target.addresses, false);
  std::uint8_t counts[4];
  dns::write_u16(counts, static_cast<std::uint16_t>(a.size()));
  dns::write_u16(counts + 2, static_cast<std::uint16_t>(aaaa.size()));
  packed.insert(packed.end(), std::begin(counts), std::end(counts));
  for (const auto* family : {&a, &aaaa}) {
    for (const auto& address : *family) {
      packed.insert(packed.end(), address.octets().begin(), address.octets().end());
    }
  }
}

}  // namespace

bool operator==(const NameContent& a, const NameContent& b) {
  const auto same_target = [](const NameContent::Target& x, const NameContent::Target& y) {
    return x.label == y.label && x.addresses == y.addresses;
  };
  const auto same_srv = [](const NameContent::Srv& x, const NameContent::Srv& y) {
    return x.port == y.port && x.target == y.target;
  };
  return a.presence == b.presence && a.addresses == b.addresses && a.srv_weight == b.srv_weight &&
         a.srv_suffix == b.srv_suffix && std::ranges::equal(a.targets, b.targets, same_target) &&
         std::ranges::equal(a.srvs, b.srvs, same_srv) && a.cname == b.cname && a.ptrs == b.ptrs;
}

bool operator==(const NameEntry& a, const NameEntry& b) {
  const auto head = [](const NameEntry& e) {
    return std::tie(e.names_offset_, e.names_octets_, e.ttl_, e.a_count_, e.aaaa_count_, e.srv_count_, e.target_count_,
                    e.srv_weight_, e.key_octets_, e.suffix_octets_, e.presence_, e.rdata_is_cname_);
  };
  return head(a) == head(b) && std::memcmp(a.body(), b.body(), a.names_offset_ + std::size_t{a.names_octets_}) == 0;
}

void NameEntry::Deleter::operator()(NameEntry* entry) const { std::free(entry); }

NameEntry::Pointer NameEntry::make(std::string_view key, const NameContent& content, std::uint32_t ttl) {
  static_assert(std::is_trivially_destructible_v<NameEntry>, "entries are freed as memory");
  static_assert(sizeof(cds_lfht_node) == sizeof(NameEntry::node_) && alignof(cds_lfht_node) <= 8);

  if (key.size() > key_octets_max) return nullptr;
  const auto a = select_family(content.addresses, true);
  const auto aaaa = select_family(content.addresses, false);
  const bool has_targets = content.srv_suffix.size() <= key_octets_max;
  const std::string_view suffix = has_targets ? content.srv_suffix : std::string_view();
  const std::size_t target_count = has_targets ? std::min(content.targets.size(), count_max) : 0;
  std::vector<std::uint8_t> targets;
  for (std::size_t i = 0; i < target_count; ++i) pack_target(targets, content.targets[i]);
  std::vector<NameContent::Srv> srvs;
  std::ranges::copy_if(content.srvs, std::back_inserter(srvs),
                       [&](const auto& srv) { return srv.target < target_count; });
  if (srvs.size() > count_max) srvs.resize(count_max);

  std::size_t octets = key.size() + a.size() * a_record_octets + aaaa.size() * aaaa_record_octets + suffix.size() +
                       srvs.size() * 4 + targets.size();
  const std::size_t names_offset = octets;
  if (content.cname) {
    octets += content.cname->view().size();
  } else {
    for (const auto& ptr : content.ptrs) octets += ptr.view().size();
  }

  void* const memory = std::malloc(sizeof(NameEntry) + octets);
  if (memory == nullptr) throw std::bad_alloc();
  auto* const entry = new (memory) NameEntry;
  entry->key_octets_ = entry->a_offset_ = static_cast<std::uint8_t>(key.size());
  entry->a_count_ = static_cast<std::uint16_t>(a.size());
  entry->aaaa_count_ = static_cast<std::uint16_t>(aaaa.size());
  entry->suffix_octets_ = static_cast<std::uint8_t>(suffix.size());
  entry->srv_count_ = static_cast<std::uint16_t>(srvs.size());
  entry->target_count_ = static_cast<std::uint16_t>(target_count);
  entry->srv_weight_ = content.srv_weight;
  entry->names_offset_ = static_cast<std::uint32_t>(names_offset);
  entry->names_octets_ = static_cast<std::uint32_t>(octets - names_offset);
  entry->rdata_is_cname_ = content.cname.has_value();
  entry->presence_ = content.presence;
  entry->ttl_ = ttl;

  const auto copy_text = [](std::string_view text, std::uint8_t* at) {
    return std::copy_n(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), at);
  };
  std::uint8_t* at = copy_text(key, const_cast<std::uint8_t*>(entry->body()));
  for (const auto& address : a) at = write_address_record(at, address, ttl);
  for (const auto& address : aaaa) at = write_address_record(at, address, ttl);
  at = copy_text(suffix, at);
  for (const auto& srv : srvs) {
    std::memcpy(at, &srv.port, 2);
    std::memcpy(at + 2, &srv.target, 2);
    at += 4;
  }
  at = std::ranges::copy(targets, at).out;
  if (content.cname) {
    std::ranges::copy(content.cname->view().wire(), at);
  } else {
    for (const auto& ptr : content.ptrs) at = std::ranges::copy(ptr.view().wire(), at).out;
  }
  return Pointer(entry);
}

namespace {

cds_lfht_node* node_of(NameEntry* entry) { return reinterpret_cast<cds_lfht_node*>(entry); }
NameEntry* entry_of(cds_lfht_node* node) { return reinterpret_cast<NameEntry*>(node); }

int is_match(cds_lfht_node* node, const void* lookup) {
  base::detail::annotate_acquire(node);
  return entry_of(node)->key() == static_cast<const Lookup*>(lookup)->key;
}

void free_later(NameEntry* entry) {
  base::reclaim_later(entry, [](void* object) { NameEntry::Deleter{}(static_cast<NameEntry*>(object)); });
}

}  // namespace

NameTable::NameTable() : table_(cds_lfht_new(buckets_first, buckets_first, 0, 0, nullptr)), buckets_(buckets_first) {
  if (table_ == nullptr) throw std::bad_alloc();
  std::random_device random;
  seed_ = static_cast<std::uint64_t>(random()) << 32 | random();
}

NameTable::~NameTable() {
  const base::ReaderThread thread;
  {
    const base::ReadSection section;
    cds_lfht_iter iterator;
    cds_lfht_node* node;
    cds_lfht_for_each(table_, &iterator, node) {
      cds_lfht_del(table_, node);
      free_later(entry_of(node));
    }
  }
  base::wait_for_reclaim();
  cds_lfht_destroy(table_, nullptr);
}

const NameEntry* NameTable::find(std::string_view key) const {
  const Lookup lookup{key};
  cds_lfht_iter iterator;
  cds_lfht_lookup(table_, XXH3_64bits_withSeed(key.data(), key.size(), seed_), is_match, &lookup, &iterator);
  cds_lfht_node* const node = cds_lfht_iter_get_node(&iterator);
  return node == nullptr ? nullptr : entry_of(node);
}

void NameTable::visit(void (*use)(void*, const NameEntry&), void* context) const {
  const base::ReadSection section;
  cds_lfht_iter iterator;
  cds_lfht_node* node;
  cds_lfht_for_each(table_, &iterator, node) {
    base::detail::annotate_acquire(node);
    use(context, *entry_of(node));
  }
}

void NameTable::put(NameEntry::Pointer entry) {
  if (entry == nullptr) return;
  const std::string_view key = entry->key();
  const Lookup lookup{key};
  NameEntry* const raw = entry.release();
  cds_lfht_node_init(node_of(raw));
  base::detail::annotate_release(raw);
  cds_lfht_node* old = nullptr;
  {
    const base::ReadSection section;
    old = cds_lfht_add_replace(table_, XXH3_64bits_withSeed(key.data(), key.size(), seed_), is_match, &lookup,
                               node_of(raw));
  }
  if (old != nullptr) return free_later(entry_of(old));
  // liburcu's automatic resizing was seen to stop for good at 2,048 buckets for 65,000 names in every fourth process,
  // which doubled the cost of a query; so the writer grows the table itself, between two names.
  if (++size_ > buckets_) cds_lfht_resize(table_, buckets_ *= 2);
}

void NameTable::erase(std::string_view key) {
  const base::ReadSection section;
  const Lookup lookup{key};
  cds_lfht_iter iterator;
  cds_lfht_lookup(table_, XXH3_64bits_withSeed(key.data(), key.size(), seed_), is_match, &lookup, &iterator);
  cds_lfht_node* const node = cds_lfht_iter_get_node(&iterator);
  if (node == nullptr || cds_lfht_del(table_, node) != 0) return;
  --size_;
  free_later(entry_of(node));
}

}  // namespace fairlead::zones
