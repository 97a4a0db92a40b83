// Any octets as a snapshot file: a store with the names that fit, or a refusal that leaves it empty.
//
// The first octet says whether header, end and checksum are made right around the input, so that the records are
// reached. What is read must come out again as the same snapshot, and a list that brings nothing must remove all of it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "k8s/object_store.hpp"
#include "k8s/snapshot_file.hpp"
#include "zones/base/checksum.hpp"

namespace {

using namespace fairlead;
using namespace fairlead::k8s;

constexpr SnapshotWanted wanted{.fingerprint = 0x0807060504030201, .now = 1'800'000'000, .age_seconds_max = 86400};

void require(bool condition) {
  if (!condition) std::abort();
}

class Names final : public NameWriter {
 public:
  void put_forward(const std::string& key, const zones::NameContent&) override { forward_.insert(key); }
  void erase_forward(const std::string& key) override { forward_.erase(key); }
  void put_reverse(const base::IpAddress& address, const zones::NameContent&) override { reverse_.insert(address); }
  void erase_reverse(const base::IpAddress& address) override { reverse_.erase(address); }
  void put_apex(ApexNameservers) override {}
  void change_pods(const PodChanges& changes) override {
    for (const auto& change : changes.changes) {
      const auto found = pods_.emplace(std::pair(change.address, change.namespace_id), 0).first;
      found->second += change.is_added ? 1 : -1;
      require(found->second >= 0);
      if (found->second == 0) pods_.erase(found);
    }
  }
  bool empty() const { return forward_.empty() && reverse_.empty() && pods_.empty(); }
  std::size_t pods() const { return pods_.size(); }

 private:
  std::set<std::string> forward_;
  std::set<base::IpAddress> reverse_;
  std::map<std::pair<base::IpAddress, std::uint32_t>, int> pods_;
};

template <typename T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

// `records` as they are, in a file with Pods and a clusterset that is right otherwise.
std::string sealed(std::string_view records, std::uint64_t count) {
  std::string file("FLSNAP\x1a\n\2\0\0\0\0\0\0\0", 16);
  put(file, wanted.fingerprint);
  put(file, wanted.now);
  file.append(8, '\0');
  put(file, std::uint32_t{3});
  file += records;
  file.append(8, '\0');
  put(file, count);
  put(file, base::checksum(file));
  return file;
}

ObjectStoreOptions options() {
  ObjectStoreOptions made;
  made.records.zone = *dns::DomainName::parse("cluster.local");
  made.local_addresses = {*base::IpAddress::parse("10.0.0.1")};
  made.pods = true;
  return made;
}

ObjectStoreOptions imports_options() {
  ObjectStoreOptions made;
  made.records.zone = *dns::DomainName::parse("cluster.local");
  made.records.clusterset = true;
  return made;
}

// All that is held goes into another store as it is. Gives the number of objects.
std::uint64_t copy(const ObjectStore& from, ObjectStore& to) {
  std::uint64_t objects = 0;
  ObjectStore::Cursor cursor;
  bool more = true;
  while (more) {
    more = from.read_some(cursor, 100, [&](const StoredObject& object) {
      ++objects;
      require(to.restore(object));
    });
  }
  return objects;
}

// Lists that bring nothing.
void empty_lists(ObjectStore& store) {
  for (const Kind kind : {Kind::kNamespace, Kind::service, Kind::endpoint_slice, Kind::pod}) {
    store.begin_list(kind);
    store.end_list(kind);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t octets) {
  if (octets == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, octets - 1);
  const std::uint8_t mode = data[0];
  const std::string file = mode == 0 ? std::string(text) : sealed(text, mode - 1u);

  ObjectStore store(options()), imports(imports_options());
  const auto read = parse_snapshot(file, wanted, store, &imports);
  if (!read) {
    require(store.sequence() == 0 && imports.sequence() == 0 && !read.error().text.empty());
    return 0;
  }
  Names names, imported;
  require(!store.drain(names).all_listed && !imports.drain(imported).all_listed);
  require(names.pods() <= read->pods.value_or(0) && imported.pods() == 0);

  ObjectStore again(options()), imports_again(imports_options());
  const std::uint64_t objects = copy(store, again) + copy(imports, imports_again);
  // Namespaces are those of both.
  require(objects <= 2 * read->namespaces + read->services + read->endpoint_slices + read->pods.value_or(0) +
                         read->service_imports.value_or(0));
  Names names_again;
  again.drain(names_again);
  require(names_again.pods() == names.pods());
  empty_lists(store);
  empty_lists(imports);
  require(store.drain(names).all_listed && imports.drain(imported).all_listed);
  require(names.empty() && imported.empty());
  return 0;
}
