#include "tools/kubesim/list_stream.hpp"

#include <zlib.h>

#include <algorithm>

namespace fairlead::kubesim {
namespace {

class GzipStream : public BodyStream {
 public:
  explicit GzipStream(std::unique_ptr<BodyStream> inner) : inner_(std::move(inner)) {
    constexpr int gzip_window = 15 + 16;  // zlib's way to ask for the gzip container
    // The lowest level, as the real server: lists shrink tenfold and the time matters more.
    is_ready_ = deflateInit2(&deflate_, 1, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~GzipStream() override {
    if (is_ready_) deflateEnd(&deflate_);
  }

  Step next(std::string& out, Clock::time_point now) override {
    if (!is_ready_) return Step::abort;
    std::string plain;
    const Step step = inner_->next(plain, now);
    if (step == Step::abort) return step;
    deflate_.next_in = reinterpret_cast<Bytef*>(plain.data());
    deflate_.avail_in = static_cast<uInt>(plain.size());
    char buffer[16 * 1024];
    do {
      deflate_.next_out = reinterpret_cast<Bytef*>(buffer);
      deflate_.avail_out = sizeof buffer;
      if (deflate(&deflate_, step == Step::end ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR) return Step::abort;
      out.append(buffer, sizeof buffer - deflate_.avail_out);
    } while (deflate_.avail_out == 0);
    return step;
  }

 private:
  std::unique_ptr<BodyStream> inner_;
  z_stream deflate_{};
  bool is_ready_ = false;
};

}  // namespace

ListStream::ListStream(std::string head, std::vector<ObjectPtr> objects, Representation representation, Stats& stats,
                       std::optional<std::size_t> cut_after)
    : head_(std::move(head)),
      objects_(std::move(objects)),
      representation_(std::move(representation)),
      stats_(stats),
      cut_after_(cut_after) {
  if (!cut_after_) return;
  std::size_t total = head_.size();
  for (const ObjectPtr& object : objects_) {
    total += representation_.is_protobuf ? object->protobuf.size() : object->text.size();
  }
  cut_after_ = std::min(*cut_after_, total / 2);
}

BodyStream::Step ListStream::next(std::string& out, Clock::time_point) {
  if (cut_after_ && sent_octets_ >= *cut_after_) return Step::abort;
  const std::size_t before = out.size();
  if (!head_.empty()) out += std::exchange(head_, {});
  while (next_object_ < objects_.size() && out.size() - before < list_chunk_octets) {
    if (next_object_ != 0) out += list_separator(representation_);
    out += render_list_item(*objects_[next_object_], representation_);
    objects_[next_object_++].reset();
  }
  sent_octets_ += out.size() - before;
  if (cut_after_ && sent_octets_ >= *cut_after_) {
    out.resize(out.size() - (sent_octets_ - *cut_after_));
    return Step::more;  // the cut goes out first; the next call drops the connection
  }
  if (next_object_ < objects_.size()) return Step::more;
  out += list_end(representation_);
  ++stats_.lists_completed;
  return Step::end;
}

std::unique_ptr<BodyStream> make_gzip_stream(std::unique_ptr<BodyStream> inner) {
  return std::make_unique<GzipStream>(std::move(inner));
}

}  // namespace fairlead::kubesim
