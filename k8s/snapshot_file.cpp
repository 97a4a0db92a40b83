#include "k8s/snapshot_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <optional>
#include <utility>

#include "zones/base/checksum.hpp"

namespace fairlead::k8s {
namespace {

constexpr std::string_view magic("FLSNAP\x1a\n", 8);  // as PNG's: shows what treated the file as text
constexpr std::uint32_t version = 2;
constexpr std::size_t header_octets = 44;
constexpr std::size_t record_octets = 8;    // before its texts
constexpr std::size_t end_octets = 8 + 16;  // record, count, checksum
constexpr std::size_t write_piece_octets = 64 * 1024;
// The group too, for those who back up or look; nobody else.
constexpr mode_t file_mode = 0640;
// A clock that is set right between two starts is no reason to know nothing.
constexpr std::int64_t future_seconds_max = 60;

// Numbers of the file, which stay when those of Kind change.
enum class RecordKind : std::uint8_t { end, name_space, service, endpoint_slice, pod, service_import, imported_slice };

// What the header says is there, even if there is none of it in the cluster.
constexpr std::uint32_t has_pods = 1;
constexpr std::uint32_t has_clusterset = 2;

std::optional<RecordKind> record_kind(Kind kind, bool of_clusterset) {
  switch (kind) {
    case Kind::kNamespace:
      if (of_clusterset) return std::nullopt;  // the same as the cluster's
      return RecordKind::name_space;
    case Kind::service: return of_clusterset ? RecordKind::service_import : RecordKind::service;
    case Kind::endpoint_slice: return of_clusterset ? RecordKind::imported_slice : RecordKind::endpoint_slice;
    case Kind::pod: return RecordKind::pod;
    case Kind::service_import: break;  // the store has them as Services
  }
  return std::nullopt;
}

// What the store takes it for.
Kind kind_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::service:
    case RecordKind::service_import: return Kind::service;
    case RecordKind::endpoint_slice:
    case RecordKind::imported_slice: return Kind::endpoint_slice;
    case RecordKind::pod: return Kind::pod;
    case RecordKind::end:
    case RecordKind::name_space: break;
  }
  return Kind::kNamespace;
}

bool is_announced(RecordKind kind, std::uint32_t contents) {
  switch (kind) {
    case RecordKind::pod: return (contents & has_pods) != 0;
    case RecordKind::service_import:
    case RecordKind::imported_slice: return (contents & has_clusterset) != 0;
    default: return kind <= RecordKind::imported_slice;
  }
}

template <typename T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  }
}

class Reader {
 public:
  explicit Reader(std::string_view octets) : rest_(octets) {}
  std::size_t left() const { return rest_.size(); }
  /// At most left().
  std::string_view take(std::size_t octets) {
    const auto taken = rest_.substr(0, octets);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  template <typename T>
  T number() {
    std::uint64_t value = 0;
    const auto octets = take(sizeof(T));
    for (std::size_t i = 0; i < octets.size(); ++i) {
      value |= std::uint64_t{static_cast<std::uint8_t>(octets[i])} << (8 * i);
    }
    return static_cast<T>(value);
  }

 private:
  std::string_view rest_;
};

std::string last_error() { return std::strerror(errno); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::unexpected<SnapshotRefusal> refuse(SnapshotFault fault, std::string text) {
  return std::unexpected(SnapshotRefusal{fault, std::move(text)});
}

struct ReadHeader {
  SnapshotHeader header;
  std::uint32_t contents = 0;
};

std::expected<ReadHeader, SnapshotRefusal> read_header(Reader& reader, const SnapshotWanted& wanted) {
  if (reader.take(magic.size()) != magic) return refuse(SnapshotFault::foreign, "it is no snapshot");
  if (const auto found = reader.number<std::uint32_t>(); found != version) {
    return refuse(SnapshotFault::foreign,
                  "it is of version " + std::to_string(found) + ", and this program reads " + std::to_string(version));
  }
  ReadHeader read;
  SnapshotHeader& header = read.header;
  header.serial = reader.number<std::uint32_t>();
  header.fingerprint = reader.number<std::uint64_t>();
  header.as_of = reader.number<std::int64_t>();
  header.clusterset_serial = reader.number<std::uint32_t>();
  header.external_serial = reader.number<std::uint32_t>();
  read.contents = reader.number<std::uint32_t>();
  if (header.fingerprint != wanted.fingerprint) {
    return refuse(SnapshotFault::foreign, "it is of another cluster, or of other options of `kubernetes`");
  }
  // Written this way round so that no number overflows.
  if (header.as_of > wanted.now && header.as_of - future_seconds_max > wanted.now) {
    return refuse(SnapshotFault::out_of_date, "it is from the future; is this machine's clock right?");
  }
  if (header.as_of < wanted.now - wanted.age_seconds_max) {
    return refuse(SnapshotFault::out_of_date,
                  "it is older than the " + std::to_string(wanted.age_seconds_max) + " s that the Corefile allows");
  }
  return read;
}

// Calls `use` for each record up to the end; false when the records are not what their lengths and the header say.
template <typename Use>
bool walk_records(Reader reader, std::uint32_t contents, Use use) {
  std::uint64_t count = 0;
  while (reader.left() >= record_octets) {
    const auto kind = static_cast<RecordKind>(reader.number<std::uint8_t>());
    const std::size_t name_space = reader.number<std::uint8_t>();
    const std::size_t name = reader.number<std::uint8_t>();
    const std::size_t service = reader.number<std::uint8_t>();
    const std::size_t packed = reader.number<std::uint32_t>();
    if (kind == RecordKind::end) {
      return name_space + name + service + packed == 0 && reader.left() == sizeof(count) &&
             reader.number<std::uint64_t>() == count;
    }
    if (!is_announced(kind, contents) || reader.left() < name_space + name + service + packed) return false;
    StoredObject object;
    object.kind = kind_of(kind);
    object.namespace_name = reader.take(name_space);
    object.name = reader.take(name);
    object.service_name = reader.take(service);
    object.packed = reader.take(packed);
    use(kind, object);
    ++count;
  }
  return false;
}

// False when no store would hold it like that.
bool restore(RecordKind kind, const StoredObject& object, ObjectStore& store, ObjectStore* clusterset) {
  if (kind == RecordKind::service_import || kind == RecordKind::imported_slice) return clusterset->restore(object);
  if (kind == RecordKind::name_space && clusterset != nullptr) clusterset->restore(object);
  return store.restore(object);
}

// The texts as records; nothing is kept of an object whose names do not fit, since no Kubernetes name is as long.
void put_record(std::string& out, const StoredObject& object, bool of_clusterset, std::uint64_t& count) {
  const auto kind = record_kind(object.kind, of_clusterset);
  constexpr std::size_t name_octets_max = std::numeric_limits<std::uint8_t>::max();
  if (!kind || object.namespace_name.size() > name_octets_max || object.name.size() > name_octets_max ||
      object.service_name.size() > name_octets_max) {
    return;
  }
  put(out, std::to_underlying(*kind));
  put(out, static_cast<std::uint8_t>(object.namespace_name.size()));
  put(out, static_cast<std::uint8_t>(object.name.size()));
  put(out, static_cast<std::uint8_t>(object.service_name.size()));
  put(out, static_cast<std::uint32_t>(object.packed.size()));
  for (const auto text : {object.namespace_name, object.name, object.service_name, object.packed}) out += text;
  ++count;
}

// A file beside the place, locked, so that another process with the same place does not write into it.
class Draft {
 public:
  explicit Draft(const std::string& path)
      : path_(path + ".tmp"),
        file_(open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, file_mode)) {
    if (file_.get() < 0) {
      error_ = "opening " + path_ + ": " + last_error();
      return;
    }
    struct stat opened{};
    struct stat placed{};
    if (fstat(file_.get(), &opened) != 0 || !S_ISREG(opened.st_mode)) {
      error_ = path_ + " is no regular file";
    } else if (flock(file_.get(), LOCK_EX | LOCK_NB) != 0 || lstat(path_.c_str(), &placed) != 0 ||
               placed.st_ino != opened.st_ino) {
      // The latter: it was renamed between our open and our lock.
      error_ = "another process is writing " + path_ + "; give each its own file";
    } else {
      is_ours_ = true;
      if (ftruncate(file_.get(), 0) != 0 || fchmod(file_.get(), file_mode) != 0) fail("preparing ");
    }
  }
  ~Draft() {
    if (is_ours_ && !is_placed_) unlink(path_.c_str());
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;

  bool good() const { return error_.empty(); }
  const std::string& error() const { return error_; }
  std::uint64_t octets() const { return octets_; }

  void write(std::string_view piece) {
    while (good() && !piece.empty()) {
      const ssize_t written = ::write(file_.get(), piece.data(), piece.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return fail("writing ");
      octets_ += static_cast<std::uint64_t>(written);
      piece.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void flush() {
    if (good() && fsync(file_.get()) != 0) fail("flushing ");
  }
  void place(const std::string& path) {
    if (!good()) return;
    if (rename(path_.c_str(), path.c_str()) != 0) return fail("renaming ");
    is_placed_ = true;
    // The new name must survive a power cut as well.
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const Descriptor directory(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() >= 0) fsync(directory.get());
  }

 private:
  void fail(std::string_view doing) { error_ = std::string(doing) + path_ + ": " + last_error(); }

  const std::string path_;
  const Descriptor file_;
  std::string error_;
  std::uint64_t octets_ = 0;
  bool is_ours_ = false;
  bool is_placed_ = false;
};

}  // namespace

std::string utc_text(std::int64_t unix_time) {
  const auto time = static_cast<std::time_t>(unix_time);
  std::tm parts{};
  std::array<char, 32> text{};
  if (gmtime_r(&time, &parts) == nullptr) return std::to_string(unix_time);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::expected<SnapshotRead, SnapshotRefusal> parse_snapshot(std::string_view octets, const SnapshotWanted& wanted,
                                                            ObjectStore& store, ObjectStore* clusterset) {
  Reader reader(octets);
  SnapshotRead read;
  // What another program wrote has no checksum of ours; that it is foreign is the better thing to say.
  auto header = read_header(reader, wanted);
  if (!header && (header.error().fault == SnapshotFault::foreign && octets.size() >= header_octets)) {
    return std::unexpected(std::move(header.error()));
  }
  constexpr std::size_t checksum_octets = sizeof(std::uint64_t);
  const auto damaged = [] { return refuse(SnapshotFault::damaged, "it is cut short or damaged"); };
  if (octets.size() < header_octets + end_octets) return damaged();
  const auto summed = octets.substr(0, octets.size() - checksum_octets);
  Reader trailer(octets.substr(summed.size()));
  if (base::checksum(summed) != trailer.number<std::uint64_t>()) return damaged();
  if (!header) return std::unexpected(std::move(header.error()));
  read.header = header->header;

  const Reader records(summed.substr(header_octets));
  if ((header->contents & ~(has_pods | has_clusterset)) != 0) return damaged();
  if (!walk_records(records, header->contents, [](RecordKind, const StoredObject&) {})) return damaged();
  // What this server does not watch is passed over.
  std::uint32_t used = header->contents;
  if (!store.holds_pods()) used &= ~has_pods;
  if (clusterset == nullptr) used &= ~has_clusterset;
  if ((used & has_pods) != 0) read.pods = 0;
  if ((used & has_clusterset) != 0) read.service_imports = 0;
  ObjectStore* const imports = (used & has_clusterset) != 0 ? clusterset : nullptr;
  walk_records(records, header->contents, [&](RecordKind kind, const StoredObject& object) {
    if (!is_announced(kind, used)) return;
    if (!restore(kind, object, store, imports)) {
      ++read.refused;
      return;
    }
    switch (kind) {
      case RecordKind::name_space: ++read.namespaces; break;
      case RecordKind::service: ++read.services; break;
      case RecordKind::service_import: ++*read.service_imports; break;
      case RecordKind::pod: ++*read.pods; break;
      default: ++read.endpoint_slices; break;
    }
  });
  return read;
}

std::expected<SnapshotRead, SnapshotRefusal> read_snapshot(const std::string& path, const SnapshotWanted& wanted,
                                                           ObjectStore& store, ObjectStore* clusterset) {
  // Without waiting for the other end of what turns out to be a pipe.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (file.get() < 0) {
    return refuse(errno == ENOENT ? SnapshotFault::absent : SnapshotFault::unreadable, last_error());
  }
  struct stat status{};
  if (fstat(file.get(), &status) != 0) return refuse(SnapshotFault::unreadable, last_error());
  if (!S_ISREG(status.st_mode)) return refuse(SnapshotFault::unreadable, "it is no regular file");
  if (status.st_size > static_cast<off_t>(snapshot_octets_max)) {
    return refuse(SnapshotFault::unreadable, "it is larger than " + std::to_string(snapshot_octets_max) + " octets");
  }
  std::string octets(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t have = 0;
  while (have < octets.size()) {
    const ssize_t got = ::read(file.get(), octets.data() + have, octets.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refuse(SnapshotFault::unreadable, last_error());
    if (got == 0) break;  // it became shorter, which the checksum finds
    have += static_cast<std::size_t>(got);
  }
  return parse_snapshot(std::string_view(octets).substr(0, have), wanted, store, clusterset);
}

std::expected<std::uint64_t, std::string> write_snapshot(const std::string& path, const SnapshotHeader& header,
                                                         const ObjectStore& store, const SnapshotWriting& writing) {
  Draft draft(path);
  base::Checksum sum;
  std::string piece(magic);
  put(piece, version);
  put(piece, header.serial);
  put(piece, header.fingerprint);
  put(piece, header.as_of);
  put(piece, header.clusterset_serial);
  put(piece, header.external_serial);
  put(piece, (store.holds_pods() ? has_pods : 0) | (writing.clusterset != nullptr ? has_clusterset : 0));

  std::uint64_t count = 0;
  const auto flush = [&] {
    sum.add(piece);
    draft.write(piece);
    piece.clear();
  };
  for (const ObjectStore* const one : {&store, writing.clusterset}) {
    const bool of_clusterset = one == writing.clusterset;
    ObjectStore::Cursor cursor;
    for (bool more = one != nullptr; more && draft.good();) {
      more = one->read_some(cursor, write_piece_octets,
                            [&](const StoredObject& object) { put_record(piece, object, of_clusterset, count); });
      flush();
      if (more) writing.pause();
    }
  }
  piece.append(record_octets, '\0');
  put(piece, count);
  flush();
  put(piece, sum.value());
  draft.write(piece);
  if (draft.octets() > snapshot_octets_max) return std::unexpected("it would be too large to be read again");
  draft.flush();
  if (draft.good()) writing.commit([&] { draft.place(path); });
  if (!draft.good()) return std::unexpected(draft.error());
  return draft.octets();
}

}  // namespace fairlead::k8s
