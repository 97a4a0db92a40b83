#include "resolver/reply.hpp"

#include <doctest/doctest.h>

#include "unit/resolver/test_messages.hpp"

namespace fairlead::resolver {
namespace {

using dns::RRType;
using dns::Section;
using test::Octets;
using test::ReplyBuilder;

constexpr std::int64_t wall = 1'750'000'000;

ReplyKind kind_of(const Octets& message) {
  const auto reply = Reply::parse(message);
  REQUIRE(reply);
  return reply->classify(wall);
}

Octets signature(std::int64_t inception, std::int64_t expiration) {
  Octets rdata(19);
  dns::write_u32(&rdata[8], static_cast<std::uint32_t>(expiration));
  dns::write_u32(&rdata[12], static_cast<std::uint32_t>(inception));
  return rdata;
}

TEST_CASE("replies are told apart as RFC 2308 §2 does") {
  const auto at = [](RRType type = RRType::a) { return ReplyBuilder("www.example.", type); };
  CHECK(kind_of(at().a(300).octets()) == ReplyKind::success);
  CHECK(kind_of(at(RRType::aaaa).soa("example.", 300, 60).octets()) == ReplyKind::nodata);
  CHECK(kind_of(at().rcode(dns::Rcode::nxdomain).soa("example.", 300, 60).octets()) == ReplyKind::nxdomain);
  CHECK(kind_of(at().rcode(dns::Rcode::servfail).octets()) == ReplyKind::servfail);
  CHECK(kind_of(at().rcode(dns::Rcode::notimp).octets()) == ReplyKind::servfail);
  CHECK(kind_of(at().rcode(dns::Rcode::refused).octets()) == ReplyKind::other);
  CHECK(kind_of(at().record(Section::authority, "example.", RRType::ns, 60, {0}).octets()) == ReplyKind::delegation);
  CHECK(kind_of(at().octets()) == ReplyKind::success);
  CHECK(kind_of(at(RRType::axfr).a(300).octets()) == ReplyKind::other);
}

TEST_CASE("a CNAME that leads to nothing is NODATA when an SOA says so") {
  ReplyBuilder builder("www.example.", RRType::aaaa);
  builder.cname("www.example.", "web.example.", 60).soa("example.", 300, 60);
  CHECK(kind_of(builder.octets()) == ReplyKind::nodata);
}

TEST_CASE("a CNAME chain is followed to the answer, in any order and case") {
  ReplyBuilder builder("www.example.", RRType::a);
  builder.record(Section::answer, "C.example.", RRType::a, 60, {192, 0, 2, 1})
      .cname("B.example.", "c.example.", 60)
      .cname("www.EXAMPLE.", "b.example.", 60);
  const Octets message = builder.octets();
  CHECK(Reply::parse(message)->is_answered());
}

TEST_CASE("a CNAME loop and an alias with two targets answer nothing") {
  ReplyBuilder loop("a.example.", RRType::a);
  loop.cname("a.example.", "b.example.", 60).cname("b.example.", "a.example.", 60);
  const Octets looping = loop.octets();
  CHECK_FALSE(Reply::parse(looping)->is_answered());
  ReplyBuilder fork("a.example.", RRType::a);
  fork.cname("a.example.", "b.example.", 60)
      .cname("a.example.", "c.example.", 60)
      .record(Section::answer, "b.example.", RRType::a, 60, {192, 0, 2, 1});
  const Octets forked = fork.octets();
  CHECK_FALSE(Reply::parse(forked)->is_answered());
}

TEST_CASE("an expired signature makes a reply that nobody should remember") {
  const auto with = [](const Octets& rdata, bool dnssec_ok) {
    ReplyBuilder builder("www.example.", RRType::a, true);
    Octets message = builder.a(60).record(Section::answer, ".", RRType::rrsig, 60, rdata).octets();
    if (dnssec_ok) message[message.size() - 4] |= 0x80;
    return message;
  };
  CHECK(kind_of(with(signature(wall - 100, wall + 100), true)) == ReplyKind::success);
  CHECK(kind_of(with(signature(wall - 100, wall - 1), true)) == ReplyKind::other);
  CHECK(kind_of(with(signature(wall + 1, wall + 100), true)) == ReplyKind::other);
  CHECK(kind_of(with(signature(wall - 100, wall - 1), false)) == ReplyKind::success);
}

TEST_CASE("the smallest TTL counts the SOA's MINIMUM and not the OPT") {
  ReplyBuilder builder("www.example.", RRType::a, true);
  const Octets message = builder.rcode(dns::Rcode::nxdomain).soa("example.", 300, 60).octets();
  CHECK(Reply::parse(message)->ttl_min() == 60);
  const Octets other = ReplyBuilder("www.example.", RRType::a).soa("example.", 30, 60).octets();
  CHECK(Reply::parse(other)->ttl_min() == 30);
}

TEST_CASE("a TTL with the topmost bit set is zero (RFC 2181 §8)") {
  const Octets message = ReplyBuilder("www.example.", RRType::a).a(0x80000001).octets();
  CHECK(Reply::parse(message)->ttl_min() == 0);
}

TEST_CASE("the body ends before OPT") {
  const Octets message = ReplyBuilder("www.example.", RRType::a, true).a(60).octets();
  const auto reply = Reply::parse(message);
  REQUIRE(reply);
  CHECK(reply->has_edns());
  CHECK(reply->body().size() == 16);
  CHECK(reply->count(Section::additional) == 0);
}

TEST_CASE("every prefix of a reply and every changed octet parses or does not, but never reads out of bounds") {
  ReplyBuilder builder("www.example.", RRType::aaaa, true);
  builder.cname("www.example.", "b.example.", 60).soa("example.", 30, 60);
  const Octets message = builder.octets();
  REQUIRE(Reply::parse(message));
  for (std::size_t size = 0; size < message.size(); ++size) {
    const Octets prefix(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(Reply::parse(prefix));
  }
  for (std::size_t i = 0; i < message.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      Octets changed = message;
      changed[i] = static_cast<std::uint8_t>(value);
      const auto reply = Reply::parse(changed);
      if (!reply) continue;
      reply->classify(wall);
      reply->ttl_min();
      reply->extended_error();
      Octets buffer(512);
      dns::MessageWriter writer(buffer, 512);
      writer.begin({}, reply->question(), true);
      copy_reply(*reply, true, 7, writer);
      writer.finish();
    }
  }
}

TEST_CASE("a reply that does not fit keeps whole records and sets TC") {
  ReplyBuilder builder("www.example.", RRType::a, true);
  for (std::uint8_t i = 0; i < 60; ++i) builder.a(60, {192, 0, 2, i});
  const Octets message = builder.octets();
  const auto reply = Reply::parse(message);
  Octets buffer(512);
  dns::MessageWriter writer(buffer, 512);
  const test::ClientQuery client("WWW.example.", RRType::a);
  writer.begin(client.header, client.question_octets, true);
  copy_reply(*reply, false, 9, writer);
  const auto out = writer.finish();
  CHECK(out.size() <= 512);
  const dns::Header header = dns::read_header(out);
  CHECK(header.has(dns::Header::tc));
  CHECK(header.answer_count == (512 - 12 - 17 - 11) / 16);
  CHECK(test::describe(out).front() == "answer WWW.example. A 9 4");
}

TEST_CASE("additional records that do not fit are left out without TC (RFC 2181 §9)") {
  ReplyBuilder builder("www.example.", RRType::a);
  builder.a(60);
  for (int i = 0; i < 40; ++i) builder.record(Section::additional, "ns.example.", RRType::a, 60, {192, 0, 2, 1});
  const Octets message = builder.octets();
  const auto reply = Reply::parse(message);
  Octets buffer(512);
  dns::MessageWriter writer(buffer, 512);
  writer.begin({}, reply->question(), false);
  copy_reply(*reply, false, std::nullopt, writer);
  const dns::Header header = dns::read_header(writer.finish());
  CHECK_FALSE(header.has(dns::Header::tc));
  CHECK(header.answer_count == 1);
  CHECK(header.additional_count < 40);
}

TEST_CASE("AD reaches only clients that asked for it (RFC 6840 §5.7)") {
  const Octets message = ReplyBuilder("www.example.", RRType::a).a(60).flag(dns::Header::ad).octets();
  const auto reply = Reply::parse(message);
  for (const bool wants_ad : {false, true}) {
    Octets buffer(512);
    dns::MessageWriter writer(buffer, 512);
    writer.begin({}, reply->question(), false);
    copy_reply(*reply, wants_ad, std::nullopt, writer);
    CHECK(dns::read_header(writer.finish()).has(dns::Header::ad) == wants_ad);
  }
}

}  // namespace
}  // namespace fairlead::resolver
