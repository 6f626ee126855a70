/// `call: http` and what is built on it: one request to a host that the configuration names, and its answer.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/task.h"
#include "flow/outbound/egress.h"
#include "flow/outbound/operator_secrets.h"
#include "flow/problem.h"

namespace sb::flow {

template <class T>
using Outcome = std::expected<T, Problem>;

struct HttpQuestion {
  std::string method = "GET";
  std::string url;
  json::value query;    ///< object, or null
  json::value headers;  ///< object, or null
  std::optional<std::string> body;
  json::value authentication;  ///< the DSL's; null: none
  bool redirect_is_fine = false;
  bool http2 = false;
  std::string idempotency_key;
  /// What goes on the wire in place of the same members, with values in place of placeholders that this host may have
  /// in clear. Nothing else is ever said of the request than what stands beside it.
  struct InClear {
    std::string url;
    json::value headers;
    std::optional<std::string> body;
  };
  std::optional<InClear> in_clear;
  std::size_t answer_bytes_max = 8 * 1024 * 1024;
  CancelSource* cancel = nullptr;
};

/// Of a `content-type`.
bool is_json_type(std::string_view content_type);

struct HttpAnswer {
  int status = 0;
  json::object headers;   ///< names in small letters; of a cookie that is set, its value is left out
  json::object trailers;  ///< of HTTP/2, likewise
  std::string body;
  json::object request;       ///< {method, uri, headers}, credentials, cookies and the operator's secrets left out
  json::value authorization;  ///< {scheme, parameter}; null: none

  bool is_json() const;
  /// What a task outputs: "content" (parsed where it is JSON), "raw" (base64) or "response" (all of it).
  json::value output(std::string_view as) const;
};

/// Of an `endpoint`, a URL or {uri, authentication}.
void read_endpoint(const json::value& endpoint, HttpQuestion& question);
/// Puts `query`, percent-encoded, behind what `url` has of it.
void query_into_url(HttpQuestion& question);

/// One a shard. Keeps OAuth2 tokens until they run out.
class Outbound {
 public:
  Outbound(http::Client& client, const Egress& egress, const Clock& clock, Entropy& entropy)
      : client_(client), egress_(egress), clock_(clock), entropy_(entropy) {}

  /// What of the URL's host the configuration leaves open (`*.domain`); empty: it names the host, or none like it.
  std::string open_host_part(std::string_view url) const { return egress_.open_part(url); }
  /// Which values may stand in `in_clear` of a question to this URL.
  TrustedHost trusted(std::string_view url) const { return egress_.trusted(url); }

  /// `secrets`: those the run may use, for authentications that name one.
  /// Problems: communication (no answer; or a status that is no success, as its status), authorization (host or secret
  /// not allowed), authentication (no token), timeout, validation (no URL).
  Task<Outcome<HttpAnswer>> ask(HttpQuestion question, json::object secrets);

 private:
  struct Credentials {
    std::string scheme, parameter;  ///< of the Authorization header; both empty for digest and none
    std::string username, password;
    bool digest = false;
  };
  Task<Outcome<HttpAnswer>> exchange(const HttpQuestion& question, const Destination& to, std::string authorization,
                                     const OperatorSecrets& secrets);
  Task<Outcome<Credentials>> credentials(json::value authentication, json::object secrets, CancelSource* cancel);
  Task<Outcome<std::string>> token(json::value definition, bool oidc, CancelSource* cancel);

  struct Token {
    std::string value;
    Micros until_us;
  };
  http::Client& client_;
  const Egress& egress_;
  const Clock& clock_;
  Entropy& entropy_;
  std::map<std::string, Token> tokens_;  ///< by hash of the definition
};

/// `Authorization` of RFC 7616 for a challenge: MD5 and SHA-256, qop auth. Empty where the challenge is none of them.
std::string digest_authorization(std::string_view challenge, std::string_view method, std::string_view target,
                                 std::string_view username, std::string_view password, std::string_view nonce);
Problem problem_of_call(const Error& error);

}  // namespace sb::flow
