// `file`: what stands in a zone file, as it is answered.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "unit/server/query/corefile_server.hpp"
#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::test {
namespace {

using dns::RRType;

constexpr std::string_view zone_text = R"(
$TTL 60
@       SOA ns hostmaster 7 7200 1800 86400 30
        NS  ns
ns      A   192.0.2.53
www     A   192.0.2.1
        A   192.0.2.2
        AAAA 2001:db8::1
mail    MX  10 www
        MX  20 elsewhere.test.
alias   CNAME hop
hop     CNAME www
dangling CNAME nobody
out     CNAME elsewhere.test.
loop    CNAME pool
pool    CNAME loop
down    CNAME host.cut
*.wild  A   192.0.2.9
*.cwild CNAME www
a.b.deep TXT "x"
cut     NS  ns.cut
        NS  ns.elsewhere.test.
        DS  1 8 2 0123456789012345678901234567890123456789012345678901234567890123
ns.cut  A   192.0.2.54
tree    DNAME target
x.target A  192.0.2.10
far     DNAME elsewhere.test.
)";

// "NOERROR aa", then "answer OWNER TTL TYPE RDATA" and the like, then "reason" of an Extended DNS Error.
Lines ask(CorefileServer& server, std::string_view name, RRType type, bool with_reason = false,
          server::Transport transport = server::Transport::udp) {
  const auto message = server.reply(
      query_packet(name, type, {.edns_octets = static_cast<std::uint16_t>(with_reason ? 1232 : 0)}), transport);
  const auto header = dns::read_header(message);
  Lines lines{dns::to_string(header.rcode()) + (header.has(dns::Header::aa) ? " aa" : "") +
              (header.has(dns::Header::tc) ? " tc" : "")};
  auto reader = dns::RecordReader::open(message);
  while (const auto record = *reader->next()) {
    static constexpr const char* sections[] = {"answer ", "authority ", "additional "};
    const auto whole = *dns::read_record(message, *record);
    if (record->type == RRType::opt) {
      if (whole.rdata.size() > 6) lines.push_back("reason " + std::string(whole.rdata.begin() + 6, whole.rdata.end()));
      continue;
    }
    lines.push_back(sections[static_cast<int>(record->section)] + whole.owner.to_string() + ' ' +
                    std::to_string(whole.ttl) + ' ' + to_string(whole.type) + ' ' +
                    dns::rdata_to_string(whole.type, whole.rdata));
  }
  return lines;
}

std::string joined(const Lines& lines) {
  std::string text;
  for (const auto& line : lines) text += line + '\n';
  return text;
}

class Folder {
 public:
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(path / name) << text;
    return path / name;
  }
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("zone_file_handler_test." + std::to_string(getpid()));
};

}  // namespace

TEST_CASE("a zone file is answered by RFC 1034 §4.3.2") {
  const Folder folder;
  CorefileServer server("root " + folder.path.string() + "\nfile " +
                        folder.write("db", zone_text).substr(folder.path.string().size() + 1) + " example.org");
  const std::string soa = "authority example.org. 30 SOA ns.example.org. hostmaster.example.org. 7 7200 1800 86400 30";
  const std::string ns = "authority example.org. 60 NS ns.example.org.";
  struct Row {
    const char* name;
    RRType type;
    Lines expected;
  };
  for (const auto& [name, type, expected] : std::initializer_list<Row>{
           {"WWW.example.org.",
            RRType::a,
            {"NOERROR aa", "answer WWW.example.org. 60 A 192.0.2.1", "answer WWW.example.org. 60 A 192.0.2.2", ns}},
           {"example.org.",
            RRType::soa,
            {"NOERROR aa", "answer example.org. 60 SOA ns.example.org. hostmaster.example.org. 7 7200 1800 86400 30",
             ns}},
           {"example.org.",
            RRType::ns,
            {"NOERROR aa", "answer example.org. 60 NS ns.example.org.", "additional ns.example.org. 60 A 192.0.2.53"}},
           {"mail.example.org.",
            RRType::mx,
            {"NOERROR aa", "answer mail.example.org. 60 MX 10 www.example.org.",
             "answer mail.example.org. 60 MX 20 elsewhere.test.", ns, "additional www.example.org. 60 A 192.0.2.1",
             "additional www.example.org. 60 A 192.0.2.2", "additional www.example.org. 60 AAAA 2001:db8::1"}},
           {"www.example.org.", RRType::txt, {"NOERROR aa", soa}},
           {"nobody.example.org.", RRType::a, {"NXDOMAIN aa", soa}},
           {"b.deep.example.org.", RRType::a, {"NOERROR aa", soa}},
           {"x.wild.example.org.", RRType::a, {"NOERROR aa", "answer x.wild.example.org. 60 A 192.0.2.9", ns}},
           {"x.wild.example.org.", RRType::txt, {"NOERROR aa", soa}},
           {"wild.example.org.", RRType::a, {"NOERROR aa", soa}},
           {"x.cwild.example.org.",
            RRType::aaaa,
            {"NOERROR aa", "answer x.cwild.example.org. 60 CNAME www.example.org.",
             "answer www.example.org. 60 AAAA 2001:db8::1", ns}},
           {"alias.example.org.",
            RRType::aaaa,
            {"NOERROR aa", "answer alias.example.org. 60 CNAME hop.example.org.",
             "answer hop.example.org. 60 CNAME www.example.org.", "answer www.example.org. 60 AAAA 2001:db8::1", ns}},
           {"alias.example.org.",
            RRType::cname,
            {"NOERROR aa", "answer alias.example.org. 60 CNAME hop.example.org.", ns}},
           {"alias.example.org.",
            RRType::txt,
            {"NOERROR aa", "answer alias.example.org. 60 CNAME hop.example.org.",
             "answer hop.example.org. 60 CNAME www.example.org.", soa}},
           {"dangling.example.org.",
            RRType::a,
            {"NXDOMAIN aa", "answer dangling.example.org. 60 CNAME nobody.example.org.", soa}},
           {"cut.example.org.",
            RRType::a,
            {"NOERROR", "authority cut.example.org. 60 NS ns.cut.example.org.",
             "authority cut.example.org. 60 NS ns.elsewhere.test.", "additional ns.cut.example.org. 60 A 192.0.2.54"}},
           {"cut.example.org.",
            RRType::ds,
            {"NOERROR aa",
             "answer cut.example.org. 60 DS 1 8 2 0123456789012345678901234567890123456789012345678901234567890123",
             ns}},
           {"down.example.org.",
            RRType::a,
            {"NOERROR aa", "answer down.example.org. 60 CNAME host.cut.example.org.",
             "authority cut.example.org. 60 NS ns.cut.example.org.",
             "authority cut.example.org. 60 NS ns.elsewhere.test.", "additional ns.cut.example.org. 60 A 192.0.2.54"}},
           {"x.tree.example.org.",
            RRType::a,
            {"NOERROR aa", "answer tree.example.org. 60 DNAME target.example.org.",
             "answer x.tree.example.org. 60 CNAME x.target.example.org.",
             "answer x.target.example.org. 60 A 192.0.2.10", ns}},
           {"x.tree.example.org.",
            RRType::cname,
            {"NOERROR aa", "answer tree.example.org. 60 DNAME target.example.org.",
             "answer x.tree.example.org. 60 CNAME x.target.example.org."}},
           // Nobody here has the target, and the client may look for it.
           {"out.example.org.", RRType::a, {"NOERROR aa", "answer out.example.org. 60 CNAME elsewhere.test."}},
           {"x.far.example.org.",
            RRType::a,
            {"NOERROR aa", "answer far.example.org. 60 DNAME elsewhere.test.",
             "answer x.far.example.org. 60 CNAME x.elsewhere.test."}},
           {"ns.example.org.", RRType::any, {"NOERROR aa", "answer ns.example.org. 60 A 192.0.2.53"}},
           {"example.org.", RRType::axfr, {"REFUSED"}},
           {"elsewhere.test.", RRType::a, {"REFUSED"}},
       }) {
    CAPTURE(name);
    CAPTURE(type);
    CHECK(joined(ask(server, name, type)) == joined(expected));
  }
  CHECK(ask(server, "loop.example.org.", RRType::a).size() == 1 + 11);
  const std::string label(63, 'a');
  const std::string long_name = label + '.' + label + '.' + label + '.' + std::string(44, 'a') + ".tree.example.org.";
  CHECK(ask(server, long_name, RRType::a).front() == "YXDOMAIN aa");
}

TEST_CASE("fallthrough is for names that are not there, and the longest zone answers") {
  const Folder folder;
  const std::string db = folder.write("db", zone_text);
  const std::string sub = folder.write("sub", "@ 5 SOA a b 1 2 3 4 5\nwww 5 A 192.0.2.77\n");
  CorefileServer server("file " + db + " example.org {\nfallthrough\n}\nfile " + sub +
                        " sub.example.org {\nfallthrough x.sub.example.org\n}\nwhoami");
  CHECK(ask(server, "www.sub.example.org.", RRType::a)[1] == "answer www.sub.example.org. 5 A 192.0.2.77");
  CHECK(ask(server, "nobody.example.org.", RRType::a).size() > 2);  // whoami's
  CHECK(ask(server, "y.sub.example.org.", RRType::a).front() == "NXDOMAIN aa");
  CHECK(ask(server, "x.sub.example.org.", RRType::a).front() == "NOERROR aa");
  CHECK(ask(server, "deep.example.org.", RRType::a)[1].starts_with("authority example.org. 30 SOA"));
}

TEST_CASE("a file that cannot be read is SERVFAIL, and the others go on") {
  const Folder folder;
  CorefileServer server("file " + folder.write("bad", "x A bad\n") + " bad.test\nfile /nowhere/db none.test\nfile " +
                        folder.write("db", zone_text) + " example.org");
  CHECK(ask(server, "www.bad.test.", RRType::a).front() == "SERVFAIL");
  CHECK(ask(server, "www.none.test.", RRType::a, true).back() ==
        "reason the zone file could not be read, the log says why");
  CHECK(ask(server, "www.example.org.", RRType::a).size() == 4);
}

}  // namespace fairlead::test
