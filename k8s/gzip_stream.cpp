// The only <zlib.h>.
#include "k8s/gzip_stream.hpp"

#include <zlib.h>

#include <new>

namespace fairlead::k8s {

namespace {
constexpr std::size_t output_octets = std::size_t{16} << 10;
constexpr int gzip_window_bits = 15 + 16;  // the largest window; +16 means gzip, not zlib
}  // namespace

struct GzipStream::State {
  z_stream stream{};
  unsigned char output[output_octets];
};

GzipStream::GzipStream() : state_(std::make_unique<State>()) {
  if (inflateInit2(&state_->stream, gzip_window_bits) != Z_OK) throw std::bad_alloc();
}

GzipStream::~GzipStream() { inflateEnd(&state_->stream); }

bool GzipStream::feed(std::string_view packed, const Output& output) {
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  // A full output buffer may hide more output although all input is taken.
  while (!failed_ && !complete_) {
    stream.next_out = state_->output;
    stream.avail_out = output_octets;
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code == Z_BUF_ERROR) break;  // nothing more to be had from this input
    if (code != Z_OK && code != Z_STREAM_END) {
      failed_ = true;
      break;
    }
    complete_ = code == Z_STREAM_END;
    const std::size_t octets = output_octets - stream.avail_out;
    if (octets > 0 && !output({reinterpret_cast<const char*>(state_->output), octets})) return true;
  }
  return !failed_;
}

}  // namespace fairlead::k8s
