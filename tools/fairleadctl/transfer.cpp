#include "tools/fairleadctl/transfer.hpp"

#include <random>

#include "tools/fairleadctl/connection.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::ctl {
namespace {

using dns::ResourceRecord;
template <typename T>
using Result = std::expected<T, std::string>;

std::vector<std::uint8_t> make_query(std::uint16_t id, dns::NameView zone) {
  std::vector<std::uint8_t> query(2 + dns::header_octets);
  dns::write_u16(query.data() + 2, id);
  dns::write_u16(query.data() + 6, 1);
  query.insert(query.end(), zone.data(), zone.data() + zone.size());
  query.resize(query.size() + 4);
  dns::write_u16(query.data() + query.size() - 4, static_cast<std::uint16_t>(dns::RRType::axfr));
  dns::write_u16(query.data() + query.size() - 2, static_cast<std::uint16_t>(dns::RRClass::in));
  dns::write_u16(query.data(), static_cast<std::uint16_t>(query.size() - 2));
  return query;
}

// What the server's refusal asks of the operator.
std::string explain(dns::Rcode rcode, const std::string& zone) {
  const std::string fact = "the server answers " + dns::to_string(rcode);
  switch (rcode) {
    case dns::Rcode::refused:
      return fact +
             ": it serves no such zone, or does not transfer it to this client; check --zone, and that the "
             "Corefile has `transfer { to ADDRESS }` for " +
             zone;
    case dns::Rcode::notauth:
    case dns::Rcode::nxdomain:
      return fact + ": it does not serve " + zone + ", or does not let this client transfer it; check --zone";
    case dns::Rcode::notimp:
    case dns::Rcode::formerr: return fact + ": it does not transfer zones";
    case dns::Rcode::servfail: return fact + ": it is not ready yet or its zone is broken; see its log, or try again";
    default: return fact;
  }
}

// Takes a transfer in, message by message. Servers give up on clients that take their time (Knot after half a second),
// so the messages are only walked through here; records() spells them out when all are there.
class Assembler {
 public:
  Assembler(dns::DomainName zone, std::uint16_t id, std::size_t records_max)
      : zone_(std::move(zone)), id_(id), records_max_(records_max) {}

  bool is_complete() const { return complete_; }
  std::size_t record_count() const { return record_count_; }

  Result<void> take(std::vector<std::uint8_t> message) {
    auto reader = dns::RecordReader::open(message);
    if (!reader) return std::unexpected("the server sent something that is no DNS message");
    const dns::Header& header = reader->header();
    if (!header.has(dns::Header::qr) || header.id != id_) {
      return std::unexpected("the server sent a message that does not belong to the transfer");
    }
    if (header.rcode() != dns::Rcode::noerror) return std::unexpected(explain(header.rcode(), zone_.to_string()));
    if (header.has(dns::Header::tc)) return std::unexpected("the server sent a truncated message");
    for (unsigned i = 0; i < header.answer_count; ++i) {
      const auto record = reader->next();
      dns::NameBuffer owner;
      if (!record || !record->has_value() || !dns::read_name(message, (*record)->owner_offset, owner)) {
        return std::unexpected("the server sent a message that is cut or broken");
      }
      if (auto taken = take((*record)->type, owner.view()); !taken) return taken;
    }
    if (record_count_ == 0) {
      return std::unexpected("the server answers without records: it does not transfer " + zone_.to_string());
    }
    messages_.push_back(std::move(message));
    return {};
  }

  /// Everything but the final SOA.
  Result<std::vector<ResourceRecord>> records() const {
    std::vector<ResourceRecord> records;
    records.reserve(record_count_);
    for (const auto& message : messages_) {
      auto reader = dns::RecordReader::open(message);
      while (records.size() < record_count_) {
        const auto view = reader->next();
        if (!view || !view->has_value() || (*view)->section != dns::Section::answer) break;
        auto record = dns::read_record(message, **view);
        if (!record) return std::unexpected("the server sent a broken record: " + record.error());
        records.push_back(*std::move(record));
      }
    }
    return records;
  }

 private:
  Result<void> take(dns::RRType type, dns::NameView owner) {
    if (complete_) return std::unexpected("the server sent records behind the final SOA");
    const bool is_apex_soa = type == dns::RRType::soa && owner == zone_.view();
    if (record_count_ == 0 && !is_apex_soa) {
      return std::unexpected("the transfer does not begin with the SOA of " + zone_.to_string() + " but with " +
                             owner.to_string() + ' ' + dns::to_string(type) + "; check --zone");
    }
    if (!owner.is_at_or_below(zone_)) {
      return std::unexpected("the server sent " + owner.to_string() + ", which is not in " + zone_.to_string());
    }
    if (is_apex_soa && record_count_ > 0) {
      complete_ = true;
      return {};
    }
    if (record_count_ == records_max_) {
      return std::unexpected("the zone has more than " + std::to_string(records_max_) + " records");
    }
    ++record_count_;
    return {};
  }

  dns::DomainName zone_;
  std::uint16_t id_;
  std::size_t records_max_;
  std::vector<std::vector<std::uint8_t>> messages_;
  std::size_t record_count_ = 0;  // without the final SOA
  bool complete_ = false;
};

}  // namespace

std::expected<std::vector<ResourceRecord>, std::string> transfer_zone(const ServerAddress& server,
                                                                      const dns::DomainName& zone,
                                                                      std::chrono::milliseconds timeout,
                                                                      std::size_t records_max) {
  const auto fail = [&server](std::string_view what, const std::string& reason) {
    return std::unexpected(std::string(what) + ' ' + server.to_string() + ": " + reason);
  };
  Connection connection(std::chrono::steady_clock::now() + timeout);
  if (auto done = connection.connect(server); !done) {
    return fail("cannot connect to", done.error() + "; does a DNS server listen there on TCP?");
  }
  const auto id = static_cast<std::uint16_t>(std::random_device{}());
  if (auto done = connection.send(make_query(id, zone)); !done) return fail("cannot ask", done.error());

  Assembler assembler(zone, id, records_max);
  while (!assembler.is_complete()) {
    std::uint8_t length[2];
    std::vector<std::uint8_t> message;
    auto received = connection.receive(length);
    if (received && *received) {
      message.resize(dns::read_u16(length));
      received = connection.receive(message);
    }
    const std::string progress = " after " + std::to_string(assembler.record_count()) + " records";
    if (!received) return fail("transfer from", received.error() + progress);
    if (!*received) {
      return fail("transfer from", "the connection was closed" + progress + ", before the SOA that ends a transfer; " +
                                       (assembler.record_count() == 0 ? "does the server transfer this zone at all?"
                                                                      : "the listing would be incomplete, try again"));
    }
    if (auto taken = assembler.take(std::move(message)); !taken) return fail("transfer from", taken.error());
  }
  auto records = assembler.records();
  if (!records) return fail("transfer from", records.error());
  return records;
}

}  // namespace fairlead::ctl
