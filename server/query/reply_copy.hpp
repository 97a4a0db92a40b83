// What is done to replies beyond copying them whole (resolver/reply.hpp does that): the answers of one message behind
// the alias of another, a reply to a name that the client did not ask for, and loadbalance's rotation.
//
// Threads: any.
// Security: the message is an upstream's and untrusted; what does not parse is refused, never half copied.
// Standards: RFC 1035 §4.1.4 (pointers), RFC 3597 §4 (which RDATA may be compressed).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "zones/dns/message_reader.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::server {

/// Appends the answer records of `message` to the answer section, with the names in RDATA spelled out. False when they
/// do not parse or do not fit; the writer then keeps the records that did.
bool append_answers(std::span<const std::uint8_t> message, dns::MessageWriter& writer);

/// Everything of `message` but its question and OPT: RCODE, flags, and the records with their names spelled out.
/// Answers that begin at another name than `question` stand behind a CNAME to it. TC when they do not fit.
void copy_whole_reply(std::span<const std::uint8_t> message, dns::NameView question, dns::MessageWriter& writer);

/// What is changed in the records of a reply while they are copied. Names are whole.
class RecordEditor {
 public:
  virtual ~RecordEditor() = default;
  /// False for a record that is left out; each is asked about once, in order.
  virtual bool takes(const dns::RecordView&) { return true; }
  virtual void edit_owner(dns::NameBuffer&) {}
  /// The name in the RDATA of a record of that type, of those that RecordEditor::has_names() has; of SOA the first.
  virtual void edit_value(dns::NameBuffer&, dns::RRType) {}
  virtual std::uint32_t edit_ttl(std::uint32_t ttl) { return ttl; }
  /// Another type and other RDATA in the place of a record's; false leaves it out. Names are edited before, TTLs
  /// behind.
  virtual bool edit_record(dns::Section, dns::RRType&, std::vector<std::uint8_t>&) { return true; }
  /// CNAME, DNAME, MX, NAPTR, NS, PTR, SOA and SRV.
  static bool has_names(dns::RRType type);
};

/// As copy_whole_reply(), but for the CNAME: records through `editor`, in their classes. The RCODE and the Extended DNS
/// Error are the message's too; the text of the latter is put into `reason`.
void copy_edited_reply(std::span<const std::uint8_t> message, dns::NameView question, RecordEditor& editor,
                       dns::MessageWriter& writer, std::string& reason);

/// What the writer holds, as a message of its own without OPT; the writer goes on.
std::vector<std::uint8_t> message_so_far(dns::MessageWriter& writer);

/// Rotates the addresses of each A and AAAA RRset of the answer section by `rotation`.
void rotate_addresses(std::span<std::uint8_t> message, std::uint32_t rotation);

}  // namespace fairlead::server
