#include "server/config/digest.hpp"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <new>

namespace fairlead::server {

std::string sha512_hex(std::span<const std::string_view> parts) {
  static constexpr std::string_view hex = "0123456789abcdef";
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  bool is_good = context != nullptr && EVP_DigestInit_ex(context.get(), EVP_sha512(), nullptr) == 1;
  for (const std::string_view part : parts) {
    is_good = is_good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  is_good = is_good && EVP_DigestFinal_ex(context.get(), digest.data(), &size) == 1;
  // SHA-512 over memory fails for want of memory alone, and everything else ends the same way then.
  if (!is_good) throw std::bad_alloc();
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += hex[digest[i] >> 4];
    text += hex[digest[i] & 15];
  }
  return text;
}

}  // namespace fairlead::server
