#include "server/control/notifier.hpp"

#include <algorithm>

#include "server/control/logging.hpp"
#include "zones/dns/message_writer.hpp"

namespace fairlead::server {
namespace {

constexpr std::size_t answer_octets_max = 512;
constexpr int answers_a_turn = 64;

std::vector<std::uint8_t> make_notify(std::uint16_t id, dns::NameView zone) {
  std::vector<std::uint8_t> message(dns::header_octets);
  dns::write_u16(message.data(), id);
  dns::write_u16(message.data() + 2,
                 static_cast<std::uint16_t>(static_cast<unsigned>(dns::Opcode::notify) << 11 | dns::Header::aa));
  dns::write_u16(message.data() + 4, 1);
  message.insert(message.end(), zone.wire().begin(), zone.wire().end());
  message.resize(message.size() + 4);
  dns::write_u16(message.data() + message.size() - 4, static_cast<std::uint16_t>(dns::RRType::soa));
  dns::write_u16(message.data() + message.size() - 2, static_cast<std::uint16_t>(dns::RRClass::in));
  return message;
}

}  // namespace

// One socket a family and source address. It outlives the notifier while a wait of it is being cancelled.
class Notifier::Socket : public std::enable_shared_from_this<Socket> {
 public:
  using Take = std::function<void(const asio::ip::udp::endpoint&, std::span<const std::uint8_t>)>;

  Socket(asio::io_context& io, bool v6, const std::string& source, Take take) : socket_(io), take_(std::move(take)) {
    boost::system::error_code error;
    socket_.open(v6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), error);
    if (!error) socket_.non_blocking(true, error);
    const auto address = asio::ip::make_address(source, error);
    if (!source.empty() && !error && address.is_v6() == v6) {
      socket_.bind({address, 0}, error);
      if (error) log_error("plugin/transfer: cannot send NOTIFY from " + source + ": " + error.message());
    } else {
      socket_.bind({v6 ? asio::ip::udp::v6() : asio::ip::udp::v4(), 0}, error);
    }
  }

  void wait() {
    socket_.async_wait(asio::ip::udp::socket::wait_read, [self = shared_from_this()](boost::system::error_code error) {
      if (error || self->take_ == nullptr) return;
      std::array<std::uint8_t, answer_octets_max> answer;
      for (int i = 0; i < answers_a_turn; ++i) {
        asio::ip::udp::endpoint from;
        const std::size_t octets = self->socket_.receive_from(asio::buffer(answer), from, 0, error);
        if (error == asio::error::would_block || error == asio::error::try_again) break;
        // Others are those of messages sent before: nobody listens there.
        if (!error) self->take_(from, {answer.data(), octets});
        if (self->take_ == nullptr) return;
      }
      self->wait();
    });
  }
  void send(std::span<const std::uint8_t> message, const asio::ip::udp::endpoint& to) {
    boost::system::error_code ignored;
    socket_.send_to(asio::buffer(message.data(), message.size()), to, 0, ignored);
  }
  void close() {
    take_ = nullptr;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  asio::ip::udp::socket socket_;
  Take take_;
};

Notifier::Notifier(asio::io_context& io) : io_(io), timer_(io) {}

Notifier::~Notifier() { stop(); }

void Notifier::stop() {
  timer_.cancel();
  for (const Target& target : targets_) target.socket->close();
  targets_.clear();
  zones_.clear();
}

void Notifier::watch(std::vector<NotifiedZone> zones) {
  stop();
  zones_ = std::move(zones);
  std::map<std::pair<bool, std::string>, std::shared_ptr<Socket>> sockets;
  for (std::size_t i = 0; i < zones_.size(); ++i) {
    for (const IpEndpoint& to : zones_[i].targets) {
      boost::system::error_code error;
      const auto address = asio::ip::make_address(to.address, error);
      if (error) continue;
      auto& socket = sockets[{address.is_v6(), zones_[i].source}];
      if (socket == nullptr) {
        socket = std::make_shared<Socket>(io_, address.is_v6(), zones_[i].source,
                                          [this](const auto& from, auto message) { take_answer(from, message); });
        socket->wait();
      }
      Target target;
      target.zone = i;
      target.endpoint = {address, to.port};
      target.socket = socket;
      targets_.push_back(std::move(target));
    }
  }
  if (!targets_.empty()) look_later();
}

void Notifier::look_later() {
  timer_.expires_after(notify_look_interval);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    look();
    look_later();
  });
}

void Notifier::look() {
  const auto now = Clock::now();
  for (Target& target : targets_) {
    if (now < target.next) continue;
    const auto serial = zones_[target.zone].serial();
    if (serial && serial != target.told && (target.is_answered || target.attempts >= notify_attempts_max)) {
      begin(target, *serial);
    } else if (!target.is_answered && target.attempts < notify_attempts_max) {
      send(target);
    }
  }
}

void Notifier::begin(Target& target, std::uint32_t serial) {
  target.told = serial;
  target.id = static_cast<std::uint16_t>(random_());
  // Who has not answered to the message before is tried once, no more.
  target.attempts = target.has_failed ? notify_attempts_max - 1 : 0;
  target.is_answered = false;
  send(target);
}

void Notifier::send(Target& target) {
  const dns::DomainName& zone = zones_[target.zone].zone;
  target.socket->send(make_notify(target.id, zone), target.endpoint);
  ++target.attempts;
  target.next = Clock::now() + (target.attempts < notify_attempts_max ? std::chrono::seconds(1 << (target.attempts - 1))
                                                                      : notify_interval);
  if (target.attempts == notify_attempts_max && !std::exchange(target.has_failed, true)) {
    log_warning("plugin/transfer: notify for zone \"" + zone.to_string() + "\" was not accepted by \"" +
                target.endpoint.address().to_string() + ":" + std::to_string(target.endpoint.port()) +
                "\": no answer; it is tried again with the next change");
  }
}

void Notifier::take_answer(const asio::ip::udp::endpoint& from, std::span<const std::uint8_t> message) {
  if (message.size() < dns::header_octets) return;
  const dns::Header header = dns::read_header(message);
  if (!header.has(dns::Header::qr) || header.opcode() != dns::Opcode::notify || header.question_count > 1) return;
  for (Target& target : targets_) {
    if (target.is_answered || target.id != header.id || target.endpoint != from) continue;
    dns::NameBuffer qname;
    const dns::DomainName& zone = zones_[target.zone].zone;
    // Some leave the question out when they refuse.
    if (header.question_count == 1 &&
        (!dns::read_name(message, dns::header_octets, qname) || !(qname.view() == zone.view()))) {
      continue;
    }
    const bool is_refused = header.rcode() != dns::Rcode::noerror;
    if (is_refused && !target.has_failed) {
      log_warning("plugin/transfer: notify for zone \"" + zone.to_string() + "\" was not accepted by \"" +
                  from.address().to_string() + ":" + std::to_string(from.port()) + "\": rcode was \"" +
                  dns::to_string(header.rcode()) + '"');
    }
    target.is_answered = true;
    target.has_failed = is_refused;
    target.next = Clock::now() + notify_interval;
    return;
  }
}

}  // namespace fairlead::server
