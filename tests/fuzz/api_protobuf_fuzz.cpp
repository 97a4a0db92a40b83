// Any octets as the body of a list and of a watch in protobuf, cut anywhere: the same items and events whatever the
// cuts, names that can be labels, and nothing else.
#include "api_objects.hpp"
#include "k8s/protobuf_decoder.hpp"
#include "k8s/protobuf_stream.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t octets) {
  using namespace fairlead::k8s;
  if (octets == 0) return 0;
  const fuzz::Input input(data, octets);
  fuzz::read_all_ways<ProtobufDecoder, ProtobufListStream, ProtobufWatchStream>(input);
  static_cast<void>(decode_protobuf_status(input.text));
  return 0;
}
