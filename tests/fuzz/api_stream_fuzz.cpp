// Any octets as the body of a list and of a watch in JSON, cut anywhere: the same objects whatever the cuts, names that
// can be labels, and nothing else.
#include "api_objects.hpp"
#include "k8s/json_decoder.hpp"
#include "k8s/list_stream.hpp"
#include "k8s/watch_stream.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t octets) {
  using namespace fairlead::k8s;
  if (octets == 0) return 0;
  const fuzz::Input input(data, octets);
  fuzz::read_all_ways<JsonDecoder, JsonListStream, JsonWatchStream>(input);
  static_cast<void>(decode_json_status(input.text));
  return 0;
}
