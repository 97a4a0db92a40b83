#include "server/control/dnstap_link.hpp"

#include <utility>

#include "server/control/frame_streams.hpp"

namespace fairlead::server {

using Error = boost::system::error_code;

DnstapLink::DnstapLink(asio::io_context& io, std::unique_ptr<DnstapStream> stream, Owner& owner)
    : stream_(std::move(stream)), owner_(&owner), timer_(io) {}

void DnstapLink::open() {
  state_ = State::hello;
  wait_at_most(link_silence_max, "it does not answer to a hello");
  stream_->shake_hands([self = shared_from_this()](const Error& error, std::size_t) {
    if (self->state_ != State::hello) return;
    if (error) return self->end(error.message());
    self->push(std::make_shared<const std::string>(make_control_frame(FrameControl::ready, true)), false);
    self->read();
  });
}

void DnstapLink::send(Batch batch) { push(std::move(batch), true); }

void DnstapLink::finish() {
  if (state_ != State::open) return end({});
  state_ = State::goodbye;
  wait_at_most(link_goodbye_max, "it does not answer to a goodbye");
  if (output_.empty()) say_goodbye();
}

void DnstapLink::detach() {
  owner_ = nullptr;
  end({});
}

std::string DnstapLink::take_unsent() {
  std::string unsent;
  for (const Piece& piece : output_) {
    const std::size_t sent = &piece == &output_.front() ? frame_boundary(*piece.octets, sent_) : 0;
    if (piece.is_data) unsent.append(*piece.octets, sent);
  }
  output_.clear();
  return unsent;
}

void DnstapLink::push(Batch octets, bool is_data) {
  if (state_ == State::ended) return;
  waiting_octets_ += octets->size();
  output_.push_back({std::move(octets), is_data});
  write();
}

void DnstapLink::write() {
  if (is_writing_ || output_.empty()) return;
  is_writing_ = true;
  if (state_ == State::open) wait_at_most(link_silence_max, "it takes nothing");
  stream_->write_some(std::string_view(*output_.front().octets).substr(sent_),
                      [self = shared_from_this(), piece = output_.front().octets](
                          const Error& error, std::size_t octets) { self->on_written(error, octets); });
}

void DnstapLink::on_written(const Error& error, std::size_t octets) {
  is_writing_ = false;
  if (state_ == State::ended) return;
  sent_ += octets;
  waiting_octets_ -= octets;
  if (error) return end(error.message());
  if (sent_ < output_.front().octets->size()) return write();
  output_.pop_front();
  sent_ = 0;
  if (output_.empty() && state_ == State::goodbye) return say_goodbye();
  if (output_.empty() && state_ == State::open) stop_waiting();
  write();
  if (state_ == State::open && owner_ != nullptr) owner_->on_link_room(*this);
}

void DnstapLink::read() {
  stream_->read_some(
      buffer_, [self = shared_from_this()](const Error& error, std::size_t octets) { self->on_read(error, octets); });
}

void DnstapLink::on_read(const Error& error, std::size_t octets) {
  if (state_ == State::ended) return;
  if (error) return end(error == asio::error::eof ? "it closed the connection" : error.message());
  if (state_ == State::open) return end("it speaks where it should listen");
  input_.append(buffer_.data(), octets);
  const auto frame = read_control_frame(input_);
  if (!frame) return end(frame.error());
  if (!*frame) {
    // A whole frame would have been understood.
    if (input_.size() > control_octets_max + 2 * frame_length_octets) return end("it does not speak Frame Streams");
    return read();
  }
  input_.erase(0, (*frame)->octets);
  const bool is_hello = state_ == State::hello;
  if ((*frame)->control != (is_hello ? FrameControl::accept : FrameControl::finish) || !input_.empty()) {
    return end("it does not keep to the order of Frame Streams");
  }
  if (!is_hello) return end({});
  state_ = State::open;
  stop_waiting();
  push(std::make_shared<const std::string>(make_control_frame(FrameControl::start, true)), false);
  read();
  if (owner_ != nullptr) owner_->on_link_open(*this);
}

void DnstapLink::say_goodbye() {
  // Once: what is written now is the goodbye itself.
  if (std::exchange(has_said_goodbye_, true)) return;
  push(std::make_shared<const std::string>(make_control_frame(FrameControl::stop, false)), false);
}

void DnstapLink::wait_at_most(std::chrono::milliseconds time, const char* why) {
  timer_.expires_after(time);
  // One that has expired may be on its way when the next begins.
  timer_.async_wait([self = shared_from_this(), why, wait = ++wait_](const Error& error) {
    if (!error && wait == self->wait_) self->end(why);
  });
}

void DnstapLink::stop_waiting() {
  ++wait_;
  timer_.cancel();
}

void DnstapLink::end(const std::string& why) {
  if (state_ == State::ended) return;
  state_ = State::ended;
  stop_waiting();
  stream_->close();
  if (owner_ != nullptr) std::exchange(owner_, nullptr)->on_link_end(*this, why);
}

}  // namespace fairlead::server
