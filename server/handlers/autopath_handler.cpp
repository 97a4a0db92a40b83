#include "server/handlers/autopath_handler.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "resolver/reply.hpp"
#include "server/handlers/cluster_reply.hpp"
#include "server/query/answer.hpp"
#include "server/query/limits.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/reply_copy.hpp"
#include "server/query/same_client.hpp"
#include "zones/base/published.hpp"

namespace fairlead::server {
namespace {

using dns::Rcode;

// REFUSED is what nobody serves, or an upstream does not want to: no answer either.
bool goes_on(Rcode rcode) { return rcode == Rcode::nxdomain || rcode == Rcode::refused; }

// The Extended DNS Error of a reply; its text lies in the message.
std::optional<dns::ExtendedErrorOption> reason_of(std::span<const std::uint8_t> message) {
  const auto reply = resolver::Reply::parse(message);
  return reply ? reply->extended_error() : std::nullopt;
}

std::string_view label_at(dns::NameView name, std::size_t offset) {
  return {reinterpret_cast<const char*>(name.data()) + offset + 1, name.data()[offset]};
}

void count_success(const QueryContext& context) {
  if (context.server != nullptr && context.server->slots != nullptr) context.server->slots->autopath_successes.add();
}

}  // namespace

/// A search under way: on the client's own context while every reply comes at once, then on a PendingQuery.
class AutopathHandler::Search : public std::enable_shared_from_this<Search> {
 public:
  Search(AutopathHandler& handler, QueryContext& context, std::vector<dns::DomainName> names)
      : handler_(handler), context_(&context), names_(std::move(names)), qtype_(context.query.qtype) {}

  /// The reply to the name itself stands in the context's writer; so does the search's when it won.
  Step run_now() {
    run();
    if (!is_waiting_) return Step::answered;
    keep_first(message_so_far(context_->writer), context_->writer.extended_error());
    return suspend() ? Step::suspended : Step::answered;
  }

  /// From now on the client waits. False when too many do; the search is over then.
  bool suspend() {
    pending_ = PendingQuery::suspend(*context_);
    context_ = nullptr;
    return pending_ != nullptr;
  }

  void take(std::span<const std::uint8_t> reply) {
    is_waiting_ = false;
    if (context_ == nullptr && pending_ == nullptr) return;  // given up
    if (goes_on(dns::read_header(reply).rcode())) {
      if (next_ == 0) keep_first({reply.begin(), reply.end()}, reason_of(reply));
      if (!is_running_) go_on_later();
      return;
    }
    has_won_ = true;
    QueryContext& context = this->context();
    context.writer.clear_records();
    context.writer.clear_extended_error();
    copy_whole_reply(reply, context.query.qname, context.writer);
    if (const auto error = reason_of(reply)) {
      // Where nobody waited, the writer is finished when the reply and this search are gone.
      handler_.reason_text_ = error->text;
      context.writer.set_extended_error({error->code, handler_.reason_text_});
    }
    context.rotate = context.server->chain->rotates_answers;
    // Whose search list it is was read from a snapshot, whatever the name that was found.
    if (const std::string_view note = handler_.snapshot_note(); !note.empty()) {
      context.writer.set_extended_error({dns::ExtendedError::stale_answer, note});
    }
    count_success(context);
    if (pending_ != nullptr) pending_->reply(handler_.label_);
  }

 private:
  void keep_first(std::vector<std::uint8_t> reply, const std::optional<dns::ExtendedErrorOption>& error) {
    first_reply_ = std::move(reply);
    if (!error) return;
    first_error_ = error->code;
    first_error_text_ = error->text;
  }

  QueryContext& context() { return context_ != nullptr ? *context_ : pending_->context(); }

  void run() {
    is_running_ = true;
    while (!has_won_ && next_ < names_.size()) {
      is_waiting_ = true;
      const dns::DomainName& name = names_[next_++];
      ask_internally(context(), name, qtype_,
                     [self = shared_from_this()](std::span<const std::uint8_t> reply) { self->take(reply); });
      if (is_waiting_) break;
    }
    is_running_ = false;
    if (is_waiting_ || has_won_ || pending_ == nullptr) return;
    QueryContext& context = this->context();
    copy_whole_reply(first_reply_, context.query.qname, context.writer);
    if (first_error_) context.writer.set_extended_error({*first_error_, first_error_text_});
    pending_->reply(handler_.label_);
  }

  // A reply may come while another query is being answered, inside of its ReadSection; those do not nest.
  void go_on_later() {
    asio::post(handler_.io_, [self = shared_from_this()] {
      const base::ReadSection section;
      self->run();
    });
  }

  AutopathHandler& handler_;
  QueryContext* context_;
  std::shared_ptr<PendingQuery> pending_;  // keeps the plan, and with it the handler
  const std::vector<dns::DomainName> names_;
  const dns::RRType qtype_;
  std::size_t next_ = 0;
  bool is_running_ = false;
  bool is_waiting_ = false;
  bool has_won_ = false;
  /// The reply to the name itself, once the client waits.
  std::vector<std::uint8_t> first_reply_;
  std::optional<dns::ExtendedError> first_error_;
  std::string first_error_text_;
};

/// The client, as the handlers behind us see it: when they take the query away, their reply comes to a Search.
class AutopathHandler::FirstOrigin final : public SameClient {
 public:
  FirstOrigin(AutopathHandler& handler, QueryContext& context, const Split& split)
      : SameClient(context), handler_(handler), split_(split) {}

  std::unique_ptr<ReplyTarget> keep() override {
    struct Target final : ReplyTarget {
      Target(std::shared_ptr<Search> to, std::string text) : search(std::move(to)), client(std::move(text)) {}
      void deliver(std::span<const std::uint8_t> message) override { search->take(message); }
      std::string client_text() const override { return client; }
      std::shared_ptr<Search> search;
      std::string client;
    };
    std::string client = client_text();
    auto search = std::make_shared<Search>(handler_, context_, handler_.other_names(context_, split_));
    if (!search->suspend()) return nullptr;
    return std::make_unique<Target>(std::move(search), std::move(client));
  }

 private:
  AutopathHandler& handler_;
  const Split& split_;
};

AutopathHandler::AutopathHandler(AutopathSearch search, asio::io_context& io) : search_(std::move(search)), io_(io) {
  std::ranges::stable_sort(search_.cluster_zones, std::ranges::greater{},
                           [](const auto& zone) { return zone.view().label_count(); });
}

Step AutopathHandler::handle(QueryContext& context) {
  // Questions of our own are not searched for again.
  if (context.alias_depth > 0) return Step::next;
  const auto split = this->split(context);
  if (!split) return Step::next;

  FirstOrigin origin(*this, context, *split);
  QueryContext first(context.packet, context.query, context.writer, origin, context.plan);
  first.server = context.server;
  first.router = context.router;
  first.received = context.received;
  first.alias_depth = static_cast<std::uint8_t>(context.alias_depth + 1);
  const Step step = handle_behind(first, *this);
  if (step != Step::answered) return step;
  first.run_observers();
  first.run_editors();
  if (goes_on(context.writer.rcode())) {
    const auto search = std::make_shared<Search>(*this, context, other_names(context, *split));
    return search->run_now();
  }
  context.rotate = first.rotate;
  if (!first.error.empty()) {
    // The reason in the reply is a view of the text that moves.
    const auto reason = context.writer.extended_error();
    const bool is_same_text = reason && reason->text.data() == first.error.data();
    context.error = std::move(first.error);
    if (is_same_text) context.writer.set_extended_error({reason->code, context.error});
  }
  count_success(context);
  return Step::answered;
}

std::string_view AutopathHandler::snapshot_note() const {
  return search_.cluster != nullptr ? server::snapshot_note(search_.cluster->table()) : std::string_view();
}

std::optional<AutopathHandler::Split> AutopathHandler::split(const QueryContext& context) const {
  const dns::NameView qname = context.qname.view();
  const auto contains = [&](const dns::DomainName& zone) { return qname.is_at_or_below(zone); };
  if (std::ranges::none_of(search_.zones, contains)) return std::nullopt;
  if (search_.cluster == nullptr) {
    if (search_.list.empty() || !contains(search_.list.front())) return std::nullopt;
    const std::size_t base_octets = qname.size() - search_.list.front().view().size();
    if (base_octets == 0) return std::nullopt;
    return Split{.base_octets = base_octets};
  }
  const auto zone = std::ranges::find_if(search_.cluster_zones, contains);
  const k8s::PodTable* const pods = search_.cluster->table().known_pods();
  if (zone == search_.cluster_zones.end() || pods == nullptr) return std::nullopt;
  // <base>.<ns>.svc.<zone>
  const dns::LabelOffsets labels(qname);
  const std::size_t zone_labels = zone->view().label_count();
  if (labels.count < zone_labels + 3) return std::nullopt;
  const std::size_t svc = labels.count - zone_labels - 1;
  if (label_at(qname, labels.offset[svc]) != "svc") return std::nullopt;
  if (!pods->contains(label_at(qname, labels.offset[svc - 1]), context.origin.client_address())) return std::nullopt;
  return Split{
      .base_octets = labels.offset[svc - 1], .svc_offset = labels.offset[svc], .zone_offset = labels.offset[svc + 1]};
}

std::vector<dns::DomainName> AutopathHandler::other_names(const QueryContext& context, const Split& split) const {
  const dns::NameView qname = context.query.qname;
  std::vector<dns::DomainName> names;
  const auto add = [&](dns::NameView element) {
    if (names.size() == search_names_max || split.base_octets + element.size() > dns::name_octets_max) return;
    std::vector<std::uint8_t> wire(qname.wire().begin(),
                                   qname.wire().begin() + static_cast<std::ptrdiff_t>(split.base_octets));
    wire.insert(wire.end(), element.wire().begin(), element.wire().end());
    const dns::NameView name(wire);
    const auto is_same = [&](const dns::DomainName& other) { return other.view() == name; };
    if (name == qname || std::ranges::any_of(names, is_same)) return;
    names.emplace_back(name);
  };
  if (search_.cluster != nullptr) {
    add(dns::NameView(qname.wire().subspan(split.svc_offset)));
    add(dns::NameView(qname.wire().subspan(split.zone_offset)));
  }
  for (const auto& element : search_.list) add(element);
  add(dns::DomainName());
  return names;
}

}  // namespace fairlead::server
