// basic, bearer, digest, OAuth2 and OpenID Connect.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/crypto.h"
#include "flow/outbound/http_call.h"

namespace sb::flow {
namespace {

bool same_word(std::string_view a, std::string_view b) {
  return to_lower(a) == b;
}

std::string hash_hex(const EVP_MD* algorithm, std::string_view text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), bytes, &size, algorithm, nullptr) != 1) return {};
  std::string out;
  for (unsigned i = 0; i < size; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

/// A parameter of a WWW-Authenticate challenge, quoted or not.
std::string parameter(std::string_view challenge, std::string_view name) {
  std::size_t at = 0;
  while ((at = challenge.find(name, at)) != std::string_view::npos) {
    const bool whole = at == 0 || challenge[at - 1] == ' ' || challenge[at - 1] == ',';
    auto rest = challenge.substr(at + name.size());
    at += name.size();
    if (!whole || !rest.starts_with('=')) continue;
    rest.remove_prefix(1);
    if (rest.starts_with('"')) {
      rest.remove_prefix(1);
      return std::string(rest.substr(0, rest.find('"')));
    }
    return std::string(rest.substr(0, rest.find_first_of(", ")));
  }
  return {};
}

Problem no_token(std::string detail) {
  return standard_problem("authentication", 401, "No access token could be had", std::move(detail));
}

std::string list_text(const json::value* list) {
  std::string out;
  if (!list || !list->is_array()) return out;
  for (const auto& item : list->get_array()) {
    if (!item.is_string()) continue;
    if (!out.empty()) out += ' ';
    out += std::string_view(item.get_string());
  }
  return out;
}

/// The fields of the token request (RFC 6749, 4.3 and 4.4; RFC 8693).
json::object token_fields(const json::value& definition) {
  json::object fields{{"grant_type", string_member(definition, "grant")}};
  const auto copy = [&](std::string_view from, std::string_view to) {
    if (const auto text = string_member(definition, from); !text.empty()) fields[to] = text;
  };
  copy("username", "username");
  copy("password", "password");
  if (auto scopes = list_text(find_member(definition, "scopes")); !scopes.empty()) fields["scope"] = scopes;
  if (auto audiences = list_text(find_member(definition, "audiences")); !audiences.empty())
    fields["audience"] = audiences;
  for (const auto* party : {"subject", "actor"}) {
    if (const auto* token = find_member(definition, party)) {
      fields[fmt::format("{}_token", party)] = string_member(*token, "token");
      fields[fmt::format("{}_token_type", party)] = string_member(*token, "type");
    }
  }
  const auto* client = find_member(definition, "client");
  if (!client) return fields;
  const auto method = string_member(*client, "authentication", "client_secret_post");
  if (method != "client_secret_basic") fields["client_id"] = string_member(*client, "id");
  if (method == "client_secret_post") fields["client_secret"] = string_member(*client, "secret");
  return fields;
}

}  // namespace

std::string digest_authorization(std::string_view challenge, std::string_view method, std::string_view target,
                                 std::string_view username, std::string_view password, std::string_view nonce) {
  if (!to_lower(challenge.substr(0, 6)).starts_with("digest")) return {};
  const auto algorithm = parameter(challenge, "algorithm");
  const bool sha256_wanted = same_word(algorithm, "sha-256");
  if (!algorithm.empty() && !sha256_wanted && !same_word(algorithm, "md5")) return {};
  const EVP_MD* hash = sha256_wanted ? EVP_sha256() : EVP_md5();
  const auto realm = parameter(challenge, "realm"), server_nonce = parameter(challenge, "nonce");
  const auto opaque = parameter(challenge, "opaque");
  const bool qop = !parameter(challenge, "qop").empty();
  const auto a1 = hash_hex(hash, fmt::format("{}:{}:{}", username, realm, password));
  const auto a2 = hash_hex(hash, fmt::format("{}:{}", method, target));
  const auto response = qop ? hash_hex(hash, fmt::format("{}:{}:00000001:{}:auth:{}", a1, server_nonce, nonce, a2))
                            : hash_hex(hash, fmt::format("{}:{}:{}", a1, server_nonce, a2));
  std::string out = fmt::format(R"(Digest username="{}", realm="{}", nonce="{}", uri="{}", response="{}")", username,
                                realm, server_nonce, target, response);
  if (!algorithm.empty()) out += ", algorithm=" + algorithm;
  if (!opaque.empty()) out += fmt::format(R"(, opaque="{}")", opaque);
  if (qop) out += fmt::format(R"(, qop=auth, nc=00000001, cnonce="{}")", nonce);
  return out;
}

Task<Outcome<Outbound::Credentials>> Outbound::credentials(json::value authentication, json::object secrets,
                                                           CancelSource* cancel) {
  Credentials made;
  const auto* object = authentication.if_object();
  if (!object || object->empty()) co_return made;
  const std::string scheme(object->begin()->key());
  json::value definition = object->begin()->value();
  if (const auto* use = find_member(definition, "use"); use && use->is_string()) {
    const auto* secret = secrets.if_contains(use->get_string());
    if (!secret)
      co_return std::unexpected(standard_problem("authorization", 403, "The secret may not be used",
                                                 "the authentication names a secret that the flow does not declare or "
                                                 "the server does not have"));
    json::value value = *secret;
    definition = std::move(value);
    if (scheme == "bearer" && definition.is_string()) definition = json::object{{"token", *secret}};
  }
  if (scheme == "basic") {
    made.scheme = "Basic";
    made.parameter =
        to_base64(fmt::format("{}:{}", string_member(definition, "username"), string_member(definition, "password")));
  } else if (scheme == "bearer") {
    made.scheme = "Bearer";
    made.parameter = string_member(definition, "token");
  } else if (scheme == "digest") {
    made.digest = true;
    made.username = string_member(definition, "username");
    made.password = string_member(definition, "password");
  } else {
    auto value = co_await token(std::move(definition), scheme == "oidc", cancel);
    if (!value) co_return std::unexpected(value.error());
    made.scheme = "Bearer";
    made.parameter = *std::move(value);
  }
  if ((made.scheme + made.parameter).find_first_of("\r\n") != std::string::npos)
    co_return std::unexpected(
        standard_problem("validation", 400, "The call is not valid", "a credential has a line break"));
  co_return made;
}

Task<Outcome<std::string>> Outbound::token(json::value definition, bool oidc, CancelSource* cancel) {
  const std::string key = to_hex(sha256(to_text(definition)));
  const Micros now = clock_.now_us();
  if (const auto known = tokens_.find(key); known != tokens_.end() && known->second.until_us > now)
    co_return known->second.value;
  std::string authority(string_member(definition, "authority"));
  while (authority.ends_with('/')) authority.pop_back();
  const auto* endpoints = find_member(definition, "endpoints");
  std::string url =
      authority + std::string(endpoints ? string_member(*endpoints, "token", "/oauth2/token") : "/oauth2/token");
  if (oidc) {
    HttpQuestion discovery;
    discovery.url = authority + "/.well-known/openid-configuration";
    discovery.cancel = cancel;
    auto found = co_await ask(std::move(discovery), {});
    if (!found)
      co_return std::unexpected(no_token("the authority's configuration could not be read: " + found.error().detail));
    const auto document = parse_json(found->body).value_or(nullptr);
    url = string_member(document, "token_endpoint");
  }
  HttpQuestion question;
  question.method = "POST";
  question.url = url;
  question.cancel = cancel;
  json::object headers;
  const auto* client = find_member(definition, "client");
  if (client && string_member(*client, "authentication") == "client_secret_basic")
    headers["authorization"] =
        "Basic " + to_base64(fmt::format("{}:{}", string_member(*client, "id"), string_member(*client, "secret")));
  const auto* request = find_member(definition, "request");
  const json::object fields = token_fields(definition);
  if (request && string_member(*request, "encoding") == "application/json") {
    question.body = to_text(fields);
  } else {
    headers["content-type"] = "application/x-www-form-urlencoded";
    std::string form;
    for (const auto& [name, value] : fields)
      form += fmt::format("{}{}={}", form.empty() ? "" : "&", http::percent_encode(name),
                          http::percent_encode(value.get_string()));
    question.body = std::move(form);
  }
  question.headers = std::move(headers);
  auto answer = co_await ask(std::move(question), {});
  if (!answer) co_return std::unexpected(no_token(answer.error().detail));
  const auto body = parse_json(answer->body).value_or(nullptr);
  const std::string value(string_member(body, "access_token"));
  if (value.empty()) co_return std::unexpected(no_token("the authority's answer has no access_token"));
  constexpr std::int64_t kEarly_s = 30;
  if (const auto lasts = int_member(body, "expires_in"); lasts > kEarly_s) {
    constexpr std::size_t kMostTokens = 1'000;
    if (tokens_.size() >= kMostTokens) tokens_.clear();
    tokens_.insert_or_assign(key, Token{value, now + (lasts - kEarly_s) * 1'000'000});
  }
  co_return value;
}

}  // namespace sb::flow
