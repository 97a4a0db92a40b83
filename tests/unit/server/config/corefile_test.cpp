#include "server/config/corefile.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "server/config/directive_table.hpp"
#include "unit/server/config/memory_corefile.hpp"

namespace fairlead::server {
namespace {

std::string keys_of(const ServerBlock& block) {
  std::string text;
  for (const ServerKey& key : block.keys) {
    text += (text.empty() ? "" : " ") + key.zone.to_string() + ':' + std::to_string(key.port);
  }
  return text;
}

TEST_CASE("keys become zones with ports, and the default port where none is named") {
  MemoryCorefile corefile("dns://Example.ORG, :1053 10.0.0.0/23:54 {\n}\nother.org {\n}\n");
  MemoryReader reader(corefile.files);
  LoadSettings settings = corefile.settings(reader);
  settings.default_port = 5300;
  const auto loaded = load_corefile("Corefile", settings);
  REQUIRE(loaded);
  REQUIRE(loaded->blocks.size() == 2);
  CHECK(keys_of(loaded->blocks[0]) == "example.org.:5300 .:1053 0.0.10.in-addr.arpa.:54 1.0.10.in-addr.arpa.:54");
  CHECK(keys_of(loaded->blocks[1]) == "other.org.:5300");
  CHECK(to_string(loaded->blocks[1].at) == "Corefile:3");
}

TEST_CASE("a zone of tls:// has port 853 whatever -dns.port says, and shares a block with others") {
  const Corefile corefile = load_good("a.org tls://a.org tls://b.org:8853 {\n tls crt key\n}\n");
  CHECK(effective_order(corefile) == "Corefile:1: dns://a.org.:53 tls://a.org.:853 tls://b.org.:8853\n    tls\n");
  MemoryCorefile other("tls://a.org {\n tls crt key\n}\n");
  MemoryReader reader(other.files);
  LoadSettings settings = other.settings(reader);
  settings.default_port = 5300;
  CHECK(load_corefile("Corefile", settings)->blocks[0].keys[0].port == 853);
}

TEST_CASE("encrypted and plain zones share a port on different addresses, and blocks a certificate on one") {
  CHECK(load_good("tls://a.org:53 {\n bind 127.0.0.1\n tls crt key\n}\na.org {\n bind 127.0.0.2\n}\n").blocks.size() ==
        2);
  CHECK(load_good("tls://a.org {\n tls /k/crt /k/key\n}\ntls://b.org {\n root /k\n tls crt key\n}\n").blocks.size() ==
        2);
  CHECK(to_string(load_good("a.org {\n tls crt key\n}\n").warnings) ==
        "Corefile:2: 'tls' does nothing in a block without a zone of 'tls://'; write the zone as 'tls://.', or remove "
        "'tls'\n");
}

TEST_CASE("zones() names each zone once, in file order") {
  const Corefile corefile = load_good("b.org:53 a.org:53 B.org:54 {\n}\n");
  CHECK(corefile.blocks[0].zones().size() == 2);
  CHECK(corefile.blocks[0].zones()[0].to_string() == "b.org.");
}

TEST_CASE("the order of effect is the table's and not the file's") {
  const Corefile corefile = load_good(
      ".:53 cluster.local {\n forward . 10.0.0.1\n forward a.org 10.0.0.2\n kubernetes cluster.local\n cache\n"
      " errors\n health\n bind ::1\n reload\n}\n");
  CHECK(effective_order(corefile) ==
        "Corefile:1: dns://.:53 dns://cluster.local.:53\n"
        "    reload\n    bind\n    health\n    errors\n    kubernetes\n    cache\n    forward\n    forward\n");
  CHECK(to_string(corefile.blocks[0].options.forward[0].at) == "Corefile:2");
}

TEST_CASE("-plugins lists what is supported, in order") {
  CHECK(plugins_text() ==
        "root\nmetadata\nloop\ncancel\nproxyproto\ntimeouts\nmultisocket\nreload\nnsid\nbufsize\nbind\ndebug\nready\nhe"
        "alth\nshed\n"
        "prometheus\nerrors\nlog\ndnstap\nlocal\ndns64\nany\nchaos\nloadbalance\nrewrite\nautopath\nacl\nheader\ntls\nm"
        "inimal"
        "\ntemplate\ntransfer\nhosts\n"
        "k8s_external\nkubernetes\nfile\nauto\ncache\nforward\nwhoami\nview\n");
}

TEST_CASE("every directive of the table is supported with a reader, planned, or left out with a reason") {
  for (const DirectiveRow& row : directive_table()) {
    CAPTURE(row.name);
    CHECK((row.read != nullptr) == (row.status == DirectiveRow::Status::supported));
    CHECK(row.reason.empty() == (row.status != DirectiveRow::Status::left_out));
    CHECK(find_directive(row.name) == &row);
  }
}

TEST_CASE("a snapshot file belongs to one cluster, which several blocks may share") {
  const std::string cluster = "{\n kubernetes cluster.local {\n  snapshot /s\n }\n}\n";
  CHECK(load_good("cluster.local:53 " + cluster + "cluster.local:54 " + cluster).blocks.size() == 2);
  const std::string where =
      "Corefile:7: the snapshot '/s' is already that of another 'kubernetes', at Corefile:2; name another file\n";
  CHECK(faults_of("a.org " + cluster + "b.org {\n kubernetes cluster.local {\n  snapshot /s 1h\n }\n}\n") == where);
  CHECK(faults_of("a.org " + cluster + "b.org {\n kubernetes other.local {\n  snapshot /s\n }\n}\n") == where);
  CHECK(faults_of("a.org " + cluster + "b.org {\n kubernetes cluster.local {\n  snapshot /s\n }\n bind ::1\n}\n") ==
        where);
  CHECK(faults_of("a.org " + cluster + "b.org {\n kubernetes cluster.local {\n  snapshot /t\n }\n}\n").empty());
}

TEST_CASE("one zone and port in two blocks is a fault that names both lines") {
  CHECK(faults_of("a.org:53 {\n}\nb.org a.org {\n}\n") ==
        "Corefile:3: zone 'a.org.' on port 53 is already served by the block at Corefile:1; merge the blocks, or give "
        "one another port or 'bind' address\n");
  CHECK(faults_of("a.org {\n}\nA.ORG. {\n}\n").starts_with("Corefile:3: zone 'a.org.' on port 53 is already served"));
}

TEST_CASE("one zone twice in one block is a fault") {
  CHECK(faults_of("a.org\n{\n}\n.,\n:53 {\n}\n") ==
        "Corefile:5: zone '.' on port 53 is already a zone of this block, at Corefile:4; write it once\n");
}

TEST_CASE("one zone and port on different addresses is none") {
  CHECK(faults_of("a {\n bind 127.0.0.1\n}\na {\n bind ::1 lo {\n except lo\n }\n}\na:54 {\n}\n") == "");
}

TEST_CASE("one zone and port on the same address, or on all of them, is a fault") {
  CHECK(faults_of("a {\n bind ::1 127.0.0.1\n}\na {\n bind 127.0.0.1\n}\n").starts_with("Corefile:4: zone 'a.'"));
  CHECK(faults_of("a {\n bind ::1\n}\na {\n}\n").starts_with("Corefile:4: zone 'a.'"));
  CHECK(faults_of("a {\n}\na {\n bind ::1\n}\n").starts_with("Corefile:3: zone 'a.'"));
}

TEST_CASE("an address as a zone is a warning, because it is read as a name") {
  CHECK(to_string(load_good("127.0.0.1:53 {\n}\n").warnings) ==
        "Corefile:1: '127.0.0.1:53' is read as the name of a zone; to listen on an address, use 'bind'\n");
}

TEST_CASE("a directive that may be repeated but counts once warns") {
  const Corefile corefile = load_good(". {\n health :1\n health :2\n reload 5s\n reload 9s\n}\n");
  CHECK(corefile.blocks[0].options.health->address.port == 2);
  CHECK(corefile.blocks[0].options.reload->interval == std::chrono::seconds(5));
  CHECK(corefile.blocks[0].directives.size() == 2);
  CHECK(to_string(corefile.blocks[0].directives[1].at) == "Corefile:3");
  CHECK(to_string(corefile.warnings) ==
        "Corefile:3: Directive 'health' is already used in this block, at Corefile:2; only the last one counts\n"
        "Corefile:5: Directive 'reload' is already used in this block, at Corefile:4; only the first one counts\n");
}

TEST_CASE("the digest of one file is what sha512sum prints") {
  CHECK(
      load_good(".\n").digest ==
      "dd4f520768dafe6990081e74c73c7adff8bdde7f831aa9ea6b8de15d3ed53c7b04eaf15cb332f4ff3b55966b75612bd5c2dd5ca62139eee5"
      "8470a7f5d59bb62f");
}

TEST_CASE("the digest changes with an imported file and does not need a Corefile without faults") {
  const auto digest = [](std::string text, std::string imported) {
    MemoryCorefile corefile(std::move(text), {{"a.conf", std::move(imported)}});
    MemoryReader reader(corefile.files);
    return corefile_digest("Corefile", corefile.settings(reader));
  };
  CHECK(digest("import a.conf", ". {\n}\n") != digest("import a.conf", ". {\n\n}\n"));
  CHECK(digest("import a.conf", "nonsense {").has_value());
  MemoryReader empty({});
  LoadSettings settings;
  settings.reader = &empty;
  CHECK_FALSE(corefile_digest("Corefile", settings).has_value());
}

TEST_CASE("an imported file's faults stand where its import stands") {
  CHECK(faults_of(MemoryCorefile("a {\n one\n import d/x.conf\n four\n}\nimport d/y.conf\nb {\n nine\n}\n",
                                 {{"d/x.conf", "\n\n\n\n\n\n\n\n\n\nx\n"}, {"d/y.conf", "c {\n y\n}\n"}})) ==
        "Corefile:2: Unknown directive 'one'\n"
        "d/x.conf:11: Unknown directive 'x'\n"
        "Corefile:4: Unknown directive 'four'\n"
        "d/y.conf:2: Unknown directive 'y'\n"
        "Corefile:8: Unknown directive 'nine'\n");
}

TEST_CASE("a snippet's fault is reported once, however often it is imported") {
  CHECK(faults_of("(s) {\n nonsense\n}\na {\n import s\n}\nb {\n import s\n}\n") ==
        "Corefile:2: Unknown directive 'nonsense'\n");
}

TEST_CASE("more faults than anyone reads are counted") {
  std::string text = ". {\n";
  for (int i = 0; i < 5000; ++i) text += "nonsense" + std::to_string(i) + "\n";
  MemoryCorefile corefile(text + "}\n");
  const auto loaded = corefile.load();
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().size() == 101);
  CHECK(to_string(loaded.error().at(99)) == "Corefile:101: Unknown directive 'nonsense99'");
  CHECK(to_string(loaded.error().back()) == "Corefile: and 4900 more faults");
}

TEST_CASE("a word in a message is cut and has no control characters") {
  const std::string fault = faults_of(". {\n \"a\x1b[31m\n" + std::string(1000, 'b') + "\"\n}\n");
  CHECK(fault == "Corefile:2: Unknown directive 'a\\x1b[31m\\n" + std::string(53, 'b') + "...'\n");
}

TEST_CASE("a network in every block ends at the limit of zones") {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "128.0.0.0/1:" + std::to_string(i + 1) + " {\n}\n";
  CHECK(faults_of(text).contains("the Corefile names more than 100000 zones"));
}

TEST_CASE("patterns end at their limit") {
  std::string text = ". {\n errors {\n";
  for (int i = 0; i < 257; ++i) text += "consolidate 1s a\n";
  CHECK(faults_of(text + "}\n}\n") ==
        "Corefile:259: more than 256 regular expressions in the Corefile; join some of them with '|'\n");
}

// The disk, in a folder of its own.

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char pattern[] = "/tmp/fairlead_corefile_XXXXXX";
    path_ = ::mkdtemp(pattern);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

TEST_CASE("files are read from the disk, with patterns relative to the importing file") {
  const TemporaryFolder folder;
  const auto path = folder.write("Corefile", ". {\n import custom/*.override\n}\nimport none/*.server\n");
  folder.write("custom/b.override", "errors\n");
  folder.write("custom/a.override", "cache 30\n");
  folder.write("custom/.a.override", "nonsense\n");
  std::filesystem::create_directories(folder.path() / "custom/folder.override");
  const auto loaded = load_corefile(path);
  REQUIRE(loaded);
  CHECK(loaded->blocks[0].directives.size() == 2);
  REQUIRE(loaded->files.size() == 3);
  CHECK(loaded->files[1] == folder.path() / "custom/a.override");
  REQUIRE(loaded->warnings.size() == 1);
  CHECK(loaded->warnings[0].message == "no file matches 'none/*.server'; nothing is imported");
}

TEST_CASE("a folder whose name is a pattern does not change what is imported") {
  const TemporaryFolder folder;
  const auto path = folder.write("[x]*/Corefile", ". {\n import *.conf\n}\n");
  folder.write("[x]*/a.conf", "errors\n");
  CHECK(load_corefile(path)->files.size() == 2);
}

TEST_CASE("what is no file is a fault and does not hang") {
  const TemporaryFolder folder;
  const std::string fifo = folder.path() / "fifo";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  CHECK(load_corefile(fifo).error().at(0).message == "cannot read the file: it is not a regular file");
  CHECK(load_corefile(folder.path()).error().at(0).message == "cannot read the file: it is a directory");
  CHECK(to_string(load_corefile("/nonexistent/Corefile").error()) ==
        "/nonexistent/Corefile: cannot read the file: No such file or directory\n");
  const auto large = folder.write("large", std::string((1 << 20) + 1, '#'));
  CHECK(load_corefile(large).error().at(0).message == "cannot read the file: larger than 1048576 octets");
}

TEST_CASE("the process's environment is read unless another is given") {
  const TemporaryFolder folder;
  ::setenv("FAIRLEAD_COREFILE_TEST_PORT", "5353", 1);
  const auto path = folder.write("Corefile", ".:{$FAIRLEAD_COREFILE_TEST_PORT} {\n}\n");
  CHECK(load_corefile(path)->blocks[0].keys[0].port == 5353);
  ::unsetenv("FAIRLEAD_COREFILE_TEST_PORT");
}

}  // namespace
}  // namespace fairlead::server
