#include "config/secret.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace sb {
namespace {

constexpr std::size_t kMaxSecretBytes = std::size_t{64} * 1024;

bool is_variable_name(std::string_view name) {
  const auto word = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_'; };
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  return !name.empty() && word(name.front()) && std::ranges::all_of(name, [&](char c) { return word(c) || digit(c); });
}

Result<std::string> read_secret_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    return fail(Errc::not_found, fmt::format("file:{}: cannot be read; create it or correct the path", path));
  std::string bytes(kMaxSecretBytes + 1, '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  if (bytes.size() > kMaxSecretBytes) {
    return fail(Errc::too_large,
                fmt::format("file:{}: longer than {} bytes; is it the right file?", path, kMaxSecretBytes));
  }
  if (bytes.ends_with('\n')) bytes.pop_back();
  if (bytes.ends_with('\r')) bytes.pop_back();
  return bytes;
}

}  // namespace

Secret::~Secret() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

// Swapping, not moving: a moved-from short string keeps its bytes in place.
Secret::Secret(Secret&& other) noexcept {
  bytes_.swap(other.bytes_);
}

Secret& Secret::operator=(Secret&& other) noexcept {
  bytes_.swap(other.bytes_);
  return *this;
}

std::optional<SecretRef> SecretRef::parse(std::string_view text) {
  if (text.starts_with("env:") && is_variable_name(text.substr(4))) {
    return SecretRef(Kind::environment, std::string(text.substr(4)));
  }
  if (text.starts_with("file:") && text.size() > 5) return SecretRef(Kind::file, std::string(text.substr(5)));
  return std::nullopt;
}

Result<Secret> SecretRef::resolve() const {
  std::string value;
  if (kind_ == Kind::environment) {
    const char* found = std::getenv(place_.c_str());
    if (!found) return fail(Errc::not_found, fmt::format("env:{0}: not set; export {0} before starting", place_));
    value = found;
  } else {
    SB_TRY(value, read_secret_file(place_));
  }
  if (value.empty()) return fail(Errc::not_found, fmt::format("{}: the secret is empty", to_string()));
  return Secret(std::move(value));
}

std::string SecretRef::to_string() const {
  return (kind_ == Kind::environment ? "env:" : "file:") + place_;
}

void SecretRef::rebase(const std::filesystem::path& base) {
  if (kind_ == Kind::file && !base.empty()) place_ = (base / place_).lexically_normal().string();
}

}  // namespace sb
