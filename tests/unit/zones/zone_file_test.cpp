#include "zones/zone_file.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "zones/dns/ldns_bridge.hpp"

namespace fairlead::zones {
namespace {

using Lines = std::vector<std::string>;

const dns::DomainName origin = *dns::DomainName::parse("example.org.");

Lines records_of(const ZoneFile& file) {
  Lines lines;
  for (const auto& record : file.records) {
    lines.push_back(record.owner.to_string() + ' ' + std::to_string(record.ttl) + ' ' + to_string(record.type) + ' ' +
                    dns::rdata_to_string(record.type, record.rdata));
  }
  return lines;
}

Lines faults_of(const ZoneFile& file) {
  Lines lines;
  for (const auto& fault : file.faults) lines.push_back(file.to_string(fault));
  return lines;
}

Lines records(std::string_view text) {
  const ZoneFile file = parse_zone_text(text, "db", origin);
  CHECK(faults_of(file) == Lines{});
  return records_of(file);
}

Lines faults(std::string_view text) { return faults_of(parse_zone_text(text, "db", origin)); }

}  // namespace

TEST_CASE("a zone file is read in all the forms of RFC 1035 §5") {
  CHECK(records(R"zone($TTL 1h
@   IN SOA ns hostmaster.example.org. ( 7 ; serial
        2h 30m
        1w1d ) 300 ; "not a quote
    NS  ns
    60 IN NS ns.example.net.
ns  IN 5m A 192.0.2.1
	AAAA 2001:db8::1
$ORIGIN sub
a.b A 192.0.2.2   ; below sub.example.org.
@ MX 10 mail
txt TXT "a;b (c)" plain "with \" quote"
esc\.aped 0 TXT x
TYPE.test. A 192.0.2.9
g TYPE65280 \# 3 0a0b0c
caa CAA 0 issue "ca.example"
sshfp SSHFP 1 1 0123456789012345678901234567890123456789
)zone") == Lines{"example.org. 3600 SOA ns.example.org. hostmaster.example.org. 7 7200 1800 691200 300",
                 "example.org. 3600 NS ns.example.org.", "example.org. 60 NS ns.example.net.",
                 "ns.example.org. 300 A 192.0.2.1", "ns.example.org. 3600 AAAA 2001:db8::1",
                 "a.b.sub.example.org. 3600 A 192.0.2.2", "sub.example.org. 3600 MX 10 mail.sub.example.org.",
                 "txt.sub.example.org. 3600 TXT \"a;b (c)\" \"plain\" \"with \\\" quote\"",
                 "esc\\.aped.sub.example.org. 0 TXT \"x\"", "TYPE.test. 3600 A 192.0.2.9",
                 "g.sub.example.org. 3600 TYPE65280 \\# 3 0a0b0c",
                 "caa.sub.example.org. 3600 CAA 0 issue \"ca.example\"",
                 "sshfp.sub.example.org. 3600 TYPE44 1 1 0123456789012345678901234567890123456789"});
}

TEST_CASE("without $TTL the last TTL counts, and first the SOA's MINIMUM") {
  CHECK(records("@ SOA a b 1 2 3 4 77\nx A 192.0.2.1\ny 9 A 192.0.2.1\nz A 192.0.2.1\n") ==
        Lines{"example.org. 77 SOA a.example.org. b.example.org. 1 2 3 4 77", "x.example.org. 77 A 192.0.2.1",
              "y.example.org. 9 A 192.0.2.1", "z.example.org. 9 A 192.0.2.1"});
}

TEST_CASE("TTLs have units, and an end") {
  CHECK(parse_ttl("1w2d3h4m5s") == 604800 + 2 * 86400 + 3 * 3600 + 4 * 60 + 5);
  CHECK(parse_ttl("1H30") == 3630);
  CHECK(parse_ttl("2147483647") == 2147483647);
  for (const char* bad : {"", "h", "2147483648", "99999w", "1h h", "-1", "1x", "18446744073709551617"}) {
    CAPTURE(bad);
    CHECK(parse_ttl(bad) == std::nullopt);
  }
}

TEST_CASE("$GENERATE counts in owner and data") {
  CHECK(records("$GENERATE 9-11 host-$ 60 A 192.0.2.$\n") == Lines{"host-9.example.org. 60 A 192.0.2.9",
                                                                   "host-10.example.org. 60 A 192.0.2.10",
                                                                   "host-11.example.org. 60 A 192.0.2.11"});
  CHECK(records("$GENERATE 0-20/10 ${1,3}.x 60 IN TXT \"${250,4,x} $$ \\$\"\n") ==
        Lines{"001.x.example.org. 60 TXT \"00fa $ $\"", "011.x.example.org. 60 TXT \"0104 $ $\"",
              "021.x.example.org. 60 TXT \"010e $ $\""});
}

TEST_CASE("all faults are told with their lines, and what is behind them is read") {
  CHECK(faults(R"(   A 192.0.2.1
@ SOA ns hostmaster 1 2 3 4
x A 192.0.2.256
y B 192.0.2.1
$TTL soon
$ORIGIN a..b
z TXT "open
z CH A 192.0.2.1
$NONSENSE
q MX 10
r A 192.0.2.1 192.0.2.2
$GENERATE 1-99999999 a A 192.0.2.1
$GENERATE 1-2 a${x} A 192.0.2.1
s )
t AXFR x
$INCLUDE nowhere/at.all
u 60
good A 192.0.2.1
v ( A 192.0.2.1
w A nonsense
)") == Lines{"db:1: no record before this one has an owner that it could go on with",
             "db:2: SOA 'ns hostmaster 1 2 3 4': Syntax error, value expected",
             "db:3: A '192.0.2.256': Syntax error, could not parse the RR's rdata",
             "db:4: 'B' is no type, class or TTL", "db:5: write '$TTL SECONDS', or a time like 1h30m",
             "db:6: 'a..b' is no domain name: empty label",
             "db:7: a quoted text is not closed on its line; write '\"' at its end",
             "db:8: class CH is not served from files; write IN",
             "db:9: unknown directive '$NONSENSE'; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE",
             "db:10: MX '10': Syntax error, value expected",
             "db:11: A '192.0.2.1 192.0.2.2': Syntax error, superfluous text present",
             "db:12: $GENERATE has more than 65535 steps",
             "db:13: 'a${x}' has a bad '$'; write '${OFFSET[,WIDTH[,d|o|x|X]]}'",
             "db:14: a parenthesis closes here that none has opened",
             "db:15: AXFR is a type of questions, not of records",
             "db:16: cannot read 'nowhere/at.all': No such file or directory", "db:17: the record has no type",
             "db:19: a parenthesis that opens here is never closed",
             "db:20: A 'nonsense': Syntax error, could not parse the RR's rdata"});
}

TEST_CASE("a name that is too long behind the origin is a fault, also in data") {
  const std::string label(63, 'a');
  const std::string name = label + '.' + label + '.' + label + '.' + std::string(58, 'b');
  CHECK(faults(name + " 60 A 192.0.2.1\n").size() == 1);
  CHECK(faults("x 60 CNAME " + name + "\n").size() == 1);
  CHECK(faults("x 60 MX 1 " + name + "\n").size() == 1);
  CHECK(faults("x 60 SOA a " + name + " 1 2 3 4 5\n").size() == 1);
  CHECK(records("x 60 CNAME " + name.substr(2) + ".\n").size() == 1);
}

TEST_CASE("a file of garbage ends after a hundred faults, and none at all is one") {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a b c d\n";
  CHECK(faults(text).size() == zone_faults_max + 1);
  CHECK(faults("").empty());
  CHECK(faults(std::string_view("a\0b A 192.0.2.1\n", 16)).size() <= 1);
  CHECK(faults_of(read_zone_file("/nowhere/db", origin)) ==
        Lines{"/nowhere/db: cannot read '/nowhere/db': No such file or directory"});
  CHECK(faults_of(read_zone_file("/tmp", origin)) == Lines{"/tmp: cannot read '/tmp': it is no file"});
}

TEST_CASE("$INCLUDE is beside its file, keeps origin and owner, and does not go round in circles") {
  const auto folder = std::filesystem::temp_directory_path() / ("zone_file_test." + std::to_string(getpid()));
  std::filesystem::create_directories(folder / "sub");
  std::ofstream(folder / "db") << "$TTL 60\nx A 192.0.2.1\n$INCLUDE sub/more other\n AAAA ::1\n$INCLUDE sub/more\n";
  std::ofstream(folder / "sub/more") << "y A 192.0.2.2\n$ORIGIN z\n$INCLUDE again\n";
  std::ofstream(folder / "sub/again") << "$INCLUDE " << (folder / "db").string() << "\nq A bad\n";
  const ZoneFile file = read_zone_file(folder / "db", origin);
  CHECK(records_of(file) == Lines{"x.example.org. 60 A 192.0.2.1", "y.other.example.org. 60 A 192.0.2.2",
                                  "x.example.org. 60 AAAA ::1", "y.example.org. 60 A 192.0.2.2"});
  const std::string again = (folder / "sub/again").string();
  const std::string circle = again + ":1: '" + (folder / "db").string() + "' includes itself";
  const std::string bad = again + ":2: A 'bad': Syntax error, could not parse the RR's rdata";
  CHECK(faults_of(file) == Lines{circle, bad, circle, bad});
  CHECK(file.files.size() == 3);
  std::filesystem::remove_all(folder);
}

}  // namespace fairlead::zones
