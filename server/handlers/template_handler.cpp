#include "server/handlers/template_handler.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "server/config/fault_collector.hpp"
#include "server/handlers/cluster_reply.hpp"
#include "server/query/answer.hpp"
#include "server/query/metadata.hpp"
#include "server/query/pending_query.hpp"
#include "server/query/query_input.hpp"
#include "server/query/reply_copy.hpp"

namespace fairlead::server {
namespace {

using dns::RRClass;
using dns::RRType;
using dns::Section;

constexpr std::size_t match_counters_max = 1'000;

constexpr std::array<std::string_view, 3> section_names{"answer", "authority", "additional"};

const std::vector<TemplateOptions::Record>& records_of(const TemplateOptions& options, Section section) {
  switch (section) {
    case Section::answer: return options.answer;
    case Section::authority: return options.authority;
    case Section::additional: break;
  }
  return options.additional;
}

// As Go prints it, whose shortest form has an exponent from 1e21 on and below 1e-4.
std::string to_text(double real) {
  std::array<char, 64> digits{};
  const double size = real < 0 ? -real : real;
  const bool is_plain = size == 0 || (size >= 1e-4 && size < 1e21);
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), real,
                                 is_plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  return {digits.data(), end};
}

// The template language has no fractions: one is its text.
TemplateValue to_template(const ExpressionValue& value) {
  if (const auto* const flag = std::get_if<bool>(&value)) return *flag;
  if (const auto* const number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* const real = std::get_if<double>(&value)) return to_text(*real);
  if (const auto* const text = std::get_if<std::string>(&value)) return *text;
  TemplateList list;
  for (const ExpressionValue& item : std::get<std::shared_ptr<const ExpressionList>>(value)->items) {
    list.push_back(to_template(item));
  }
  return list;
}

// The longest zone at or above the name; null when there is none.
const dns::DomainName* find_zone(const std::vector<dns::DomainName>& zones, dns::NameView qname) {
  const dns::DomainName* found = nullptr;
  for (const dns::DomainName& zone : zones) {
    if (!qname.is_at_or_below(zone)) continue;
    if (found == nullptr || zone.view().size() > found->view().size()) found = &zone;
  }
  return found;
}

// The target of an alias at the end of the answers, if somebody should look it up: one that no record here has.
const dns::ResourceRecord* last_alias(const std::vector<dns::ResourceRecord>& answers) {
  for (const dns::ResourceRecord& record : answers) {
    if (record.type != RRType::cname) continue;
    const dns::NameView target(record.rdata);
    const bool is_here =
        std::ranges::any_of(answers, [&](const dns::ResourceRecord& other) { return other.owner.view() == target; });
    if (!is_here) return &record;
  }
  return nullptr;
}

}  // namespace

// The values of a query; made when a template asks for them.
class TemplateHandler::Data final : public TemplateData {
 public:
  Data(const QueryContext& context, const TemplateOptions& options, const dns::DomainName& zone)
      : context_(context), options_(options), zone_(zone), name_(context.qname.view().to_string()) {}

  /// The first pattern of the template that the name matches.
  bool match() {
    if (options_.match.empty()) {
      groups_ = {name_};
      return true;
    }
    for (const RegularExpression& pattern : options_.match) {
      if (!pattern.find(name_, groups_)) continue;
      pattern_ = &pattern;
      return true;
    }
    return false;
  }

  /// Makes the variables and asks the conditions. Nothing, with the reason in `error`, where one has no value.
  std::optional<bool> are_conditions_met(std::string& error) {
    if (options_.variables.empty() && options_.conditions.empty()) return true;
    const Input input(*this);
    for (const TemplateOptions::Variable& variable : options_.variables) {
      auto value = variable.value.evaluate(input);
      if (!value) {
        error = "template: the variable '" + variable.name +
                "' has no value for this query: " + quote(variable.value.text());
        return std::nullopt;
      }
      variables_.push_back(std::move(*value));
    }
    for (const Expression& condition : options_.conditions) {
      const auto holds = condition.evaluate(input);
      if (!holds) {
        error = "template: the condition has no value for this query: " + quote(condition.text());
        return std::nullopt;
      }
      if (!std::get<bool>(*holds)) return false;
    }
    return true;
  }

  std::string rrclass() const {
    const bool is_any = context_.query.qclass == RRClass::any;
    return to_string(is_any ? options_.qclass : context_.query.qclass);
  }
  std::string type() const {
    return to_string(context_.query.qtype == RRType::any ? options_.qtype : context_.query.qtype);
  }
  const dns::DomainName& zone() const { return zone_; }

  TemplateValue field(std::string_view name) const override {
    if (name == "Name") return name_;
    if (name == "Zone") return zone_.to_string();
    if (name == "Class") return rrclass();
    if (name == "Type") return type();
    if (name == "Remote") return context_.origin.client_address().to_string();
    if (name == "Regex") return pattern_ != nullptr ? pattern_->text() : std::string(".*");
    if (name == "Match") return match_list();
    if (name == "Group") return groups();
    if (name == "Question") return question();
    if (name == "Message") return message();
    if (name == "Var") return variables();
    return {};
  }
  std::string meta(std::string_view label) const override {
    return metadata_value(context_, label).value_or(std::string());
  }

 private:
  class Input final : public QueryInput {
   public:
    explicit Input(const Data& data)
        : QueryInput(data.context_, data.context_.plan->routers[data.context_.router].port), data_(data) {}
    std::string group(std::string_view name) const override { return std::string(data_.group(name)); }
    ExpressionValue variable(std::size_t index) const override { return data_.variables_[index]; }

   private:
    const Data& data_;
  };

  std::string_view group(std::string_view name) const {
    // A name before a number, as the map of groups has it.
    for (std::size_t i = groups_.size(); pattern_ != nullptr && i-- > 0;) {
      if (!name.empty() && pattern_->group_names()[i] == name) return groups_[i];
    }
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      if (name == std::to_string(i)) return groups_[i];
    }
    return {};
  }
  TemplateMap variables() const {
    TemplateMap variables;
    for (std::size_t i = 0; i < options_.variables.size(); ++i) {
      variables[options_.variables[i].name] = to_template(variables_[i]);
    }
    return variables;
  }
  TemplateList match_list() const {
    TemplateList list;
    for (const std::string_view group : groups_) list.emplace_back(std::string(group));
    return list;
  }
  // By number and by name.
  TemplateMap groups() const {
    TemplateMap groups;
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      groups[std::to_string(i)] = std::string(groups_[i]);
      if (pattern_ != nullptr && !pattern_->group_names()[i].empty()) {
        groups[pattern_->group_names()[i]] = std::string(groups_[i]);
      }
    }
    return groups;
  }
  TemplateMap question() const {
    return {{"Name", context_.query.qname.to_string()},
            {"Qtype", static_cast<std::uint64_t>(context_.query.qtype)},
            {"Qclass", static_cast<std::uint64_t>(context_.query.qclass)}};
  }
  TemplateMap message() const {
    const dns::Header& header = context_.query.header;
    return {{"Id", static_cast<std::uint64_t>(header.id)},
            {"RecursionDesired", header.has(dns::Header::rd)},
            {"CheckingDisabled", header.has(dns::Header::cd)},
            {"AuthenticatedData", header.has(dns::Header::ad)},
            {"Question", TemplateList{TemplateValue(question())}}};
  }

  const QueryContext& context_;
  const TemplateOptions& options_;
  const dns::DomainName& zone_;
  const std::string name_;
  const RegularExpression* pattern_ = nullptr;
  std::vector<std::string_view> groups_;
  std::vector<ExpressionValue> variables_;  // as options_.variables
};

bool knows_other_classes(const std::vector<TemplateOptions>& templates) {
  return std::ranges::any_of(templates, [](const TemplateOptions& one) { return one.qclass != RRClass::in; });
}

Step TemplateHandler::handle(QueryContext& context) {
  const RRClass qclass = context.query.qclass;
  const RRType qtype = context.query.qtype;
  for (const TemplateOptions& options : templates_) {
    const dns::DomainName* const zone = find_zone(options.zones, context.qname.view());
    if (zone == nullptr) continue;
    if (options.qclass != RRClass::any && qclass != RRClass::any && qclass != options.qclass) continue;
    if (options.qtype != RRType::any && qtype != RRType::any && qtype != options.qtype) continue;
    Data data(context, options, *zone);
    std::string error;
    const bool has_pattern = data.match();
    const auto is_met = has_pattern ? data.are_conditions_met(error) : std::optional(false);
    if (is_met && *is_met) return answer(context, options, data);
    if (is_met && options.fallthrough.covers(context.qname.view())) continue;
    context.error = std::move(error);
    const std::string_view reason = !is_met       ? std::string_view(context.error)
                                    : has_pattern ? "no condition of 'template' takes this query"
                                                  : "no pattern of 'template' matches this name";
    context.writer.set_rcode(dns::Rcode::servfail);
    context.writer.set_extended_error({dns::ExtendedError::other, reason});
    return Step::answered;
  }
  return Step::next;
}

Step TemplateHandler::answer(QueryContext& context, const TemplateOptions& options, const Data& data) {
  match_counter(context, data).add();
  if (options.rcode == dns::Rcode::servfail) {
    write(context, {.made_by = &options, .sections = {}}, {});
    context.writer.set_flag(dns::Header::aa, false);
    return Step::answered;
  }
  auto reply = make_reply(context, options, data);
  if (!reply) {
    context.writer.set_rcode(dns::Rcode::servfail);
    context.writer.set_extended_error({dns::ExtendedError::other, context.error});
    return Step::answered;
  }
  const bool asks_address = context.query.qtype == RRType::a || context.query.qtype == RRType::aaaa;
  const auto* const alias = asks_address ? last_alias(reply->sections[0]) : nullptr;
  if (alias != nullptr) {
    const dns::DomainName target{dns::NameView(alias->rdata)};
    return look_up(context, std::move(*reply), target);
  }
  write(context, *reply, {});
  return Step::answered;
}

std::optional<TemplateHandler::Reply> TemplateHandler::make_reply(QueryContext& context, const TemplateOptions& options,
                                                                  const Data& data) {
  Reply reply{.made_by = &options, .sections = {}};
  for (const Section section : {Section::answer, Section::authority, Section::additional}) {
    const auto index = static_cast<std::size_t>(section);
    for (const TemplateOptions::Record& record : records_of(options, section)) {
      if (record.constant) {
        reply.sections[index].push_back(*record.constant);
        continue;
      }
      const auto text = record.text.run(data);
      if (!text) {
        counter("coredns_template_template_failures_total", "Counter of go template failures.", context, data,
                section_names[index], record.text.source())
            ->add();
        context.error = "template: " + text.error();
        return std::nullopt;
      }
      auto parsed = parse_template_record(*text);
      if (!parsed) {
        counter("coredns_template_rr_failures_total", "Counter of mis-templated RRs.", context, data,
                section_names[index], record.text.source())
            ->add();
        context.error = "template: its text is no record: " + parsed.error();
        return std::nullopt;
      }
      reply.sections[index].push_back(std::move(*parsed));
    }
  }
  return reply;
}

Step TemplateHandler::look_up(QueryContext& context, Reply reply, dns::NameView target) {
  const std::shared_ptr<PendingQuery> pending = PendingQuery::suspend(context);
  if (pending == nullptr) {
    context.writer.set_rcode(dns::Rcode::servfail);
    context.writer.set_extended_error({dns::ExtendedError::other, "too many queries are waiting for upstreams"});
    return Step::answered;
  }
  ask_internally(pending->context(), target, pending->context().query.qtype,
                 [pending, label = label_,
                  reply = std::make_shared<const Reply>(std::move(reply))](std::span<const std::uint8_t> found) {
                   write(pending->context(), *reply, found);
                   pending->reply(label);
                 });
  return Step::suspended;
}

void TemplateHandler::write(QueryContext& context, const Reply& reply, std::span<const std::uint8_t> found) {
  dns::MessageWriter& writer = context.writer;
  writer.set_flag(dns::Header::aa);
  writer.set_rcode(reply.made_by->rcode);
  if (const auto& error = reply.made_by->extended_error) {
    writer.set_extended_error({static_cast<dns::ExtendedError>(error->code), error->reason});
  }
  for (const Section section : {Section::answer, Section::authority, Section::additional}) {
    for (const dns::ResourceRecord& record : reply.sections[static_cast<std::size_t>(section)]) {
      const bool is_question = record.owner.view() == context.query.qname;
      const auto pointer = pointer_octets(dns::question_pointer);
      const auto owner = is_question ? std::span<const std::uint8_t>(pointer) : record.owner.view().wire();
      if (writer.append(section, owner, record.type, record.ttl, record.rdata, record.rrclass)) continue;
      // What is beside the answer may be missing.
      if (section != Section::additional) writer.set_flag(dns::Header::tc);
      return;
    }
    if (section != Section::answer || found.empty()) continue;
    if (!append_answers(found, writer) || dns::read_header(found).has(dns::Header::tc)) {
      writer.set_flag(dns::Header::tc);
      return;
    }
  }
}

SharedCounter& TemplateHandler::match_counter(const QueryContext& context, const Data& data) {
  const MatchKey key(&data.zone(), context.router, context.query.qclass, context.query.qtype);
  const auto known = match_counters_.find(key);
  if (known != match_counters_.end()) return *known->second;
  SharedCounter* const found =
      counter("coredns_template_matches_total", "Counter of template regex matches.", context, data);
  // A client may ask for every type that there is.
  if (match_counters_.size() < match_counters_max) match_counters_.emplace(key, found);
  return *found;
}

SharedCounter* TemplateHandler::counter(std::string_view name, std::string_view help, const QueryContext& context,
                                        const Data& data, std::string_view section, std::string_view text) {
  // Labels come from fixed tables, so that no client makes new ones.
  const auto known = [](std::string value, std::string_view unnamed) {
    return value.starts_with(unnamed) ? std::string("other") : value;
  };
  MetricLabels labels{{"server", server_labels_[context.router]},
                      {"zone", data.zone().to_string()},
                      {"view", view_},
                      {"class", known(data.rrclass(), "CLASS")},
                      {"type", known(data.type(), "TYPE")}};
  if (!section.empty()) {
    labels.emplace_back("section", section);
    labels.emplace_back("template", text);
  }
  return metrics_.counter(name, help, std::move(labels));
}

}  // namespace fairlead::server
