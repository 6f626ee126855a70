#include "mirror/sigv4.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/bytes.h"
#include "base/crypto.h"

namespace sb::mirror {
namespace {

std::string utc(Micros now_us, const char* format) {
  const std::time_t seconds = now_us / 1'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::string text(32, '\0');
  text.resize(std::strftime(text.data(), text.size(), format, &parts));
  return text;
}

}  // namespace

std::string uri_encode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || (keep_slash && c == '/');
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string canonical_query(std::vector<std::pair<std::string, std::string>> query) {
  for (auto& [name, value] : query) {
    name = uri_encode(name, false);
    value = uri_encode(value, false);
  }
  std::ranges::sort(query);
  std::string out;
  for (const auto& [name, value] : query) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> sign(const SignedRequest& request, const Credentials& credentials,
                                                      Micros now_us) {
  const std::string time = utc(now_us, "%Y%m%dT%H%M%SZ");
  const std::string day = time.substr(0, 8);
  const std::string body_hash = to_hex(sha256(request.body));
  auto headers = request.headers;
  headers.emplace_back("host", request.host);
  headers.emplace_back("x-amz-content-sha256", body_hash);
  headers.emplace_back("x-amz-date", time);
  std::ranges::sort(headers);
  std::string names;
  std::string lines;
  for (const auto& [name, value] : headers) {
    if (!names.empty()) names += ';';
    names += name;
    lines += fmt::format("{}:{}\n", name, trim(value));
  }
  const std::string canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, request.path,
                                            canonical_query(request.query), lines, names, body_hash);
  const std::string scope = fmt::format("{}/{}/s3/aws4_request", day, credentials.region);
  const std::string to_sign = fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", time, scope, to_hex(sha256(canonical)));
  Digest key = hmac_sha256("AWS4" + std::string(credentials.secret_key), day);
  for (const std::string_view part : {credentials.region, std::string_view("s3"), std::string_view("aws4_request")})
    key = hmac_sha256(view_of(key), part);
  const std::string signature = to_hex(hmac_sha256(view_of(key), to_sign));
  return {{"x-amz-date", time},
          {"x-amz-content-sha256", body_hash},
          {"authorization", fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
                                        credentials.access_key, scope, names, signature)}};
}

}  // namespace sb::mirror
