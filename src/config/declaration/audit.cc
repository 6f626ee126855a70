// `audit`: the log, its witnesses and its time stamps.
#include <string_view>

#include "config/declaration/forms.h"
#include "config/declaration/sections.h"

namespace sb::config {
namespace {

bool is_optional_url(std::string_view text) {
  return text.empty() || kUrl.accepts(text);
}
bool is_verifier_key(std::string_view text) {
  const auto name = text.find('+');
  if (name == 0 || name == std::string_view::npos || text.find_first_of(" \t\r\n") != std::string_view::npos)
    return false;
  const auto id = text.substr(name + 1, 8);
  return id.size() == 8 && id.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         text.size() > name + 10 && text[name + 9] == '+';
}
bool is_origin(std::string_view text) {
  return text.size() <= 128 && text.find_first_of(" +\t\r\n") == std::string_view::npos;
}

constexpr TextForm kOptionalUrl{"^(https?://[^/:@\\s][^@\\s]*)?$",
                                "an http:// or https:// address without credentials, or nothing", is_optional_url};
constexpr TextForm kVerifierKey{"^[^\\s+]+\\+[0-9a-f]{8}\\+\\S+$", "a verifier key: name+id+base64", is_verifier_key};
constexpr TextForm kOrigin{"^[^\\s+]{0,128}$", "a name without blanks and plus signs", is_origin};

}  // namespace

Declaration<AuditConfig> audit_section() {
  using W = WitnessConfig;
  auto witness =
      declare<W>("One witness.")
          .text("url", &W::url,
                {.about = "Its submission prefix: requests go to this and /add-checkpoint.",
                 .form = &kUrl,
                 .required = true})
          .text("key", &W::key,
                {.about = "Its verifier key, as it publishes it: name+id+base64, of a cosignature key (Ed25519).",
                 .form = &kVerifierKey,
                 .required = true});
  using T = TimestampConfig;
  auto timestamp =
      declare<T>("Time stamps of RFC 3161 on tree heads.")
          .text("url", &T::url,
                {.about = "Address of the time-stamping authority; empty is no time stamps.", .form = &kOptionalUrl})
          .integer("interval_s", &T::interval_s,
                   {.about = "Time between two stamps; none is asked for while no leaf has come.",
                    .unit = "s",
                    .min = 1,
                    .max = kDayMs})
          .integer("timeout_ms", &T::timeout_ms,
                   {.about = "Time for an answer.", .unit = "ms", .min = 1, .max = kDayMs})
          .path("ca", &T::ca,
                {.about = "PEM file with the authority's root certificates: stamps that do not lead to one are not "
                          "kept; empty leaves that to who verifies."});
  using A = AuditConfig;
  return declare<A>("The transparency log of everything that was decided.")
      .text("origin", &A::origin,
            {.about = "The log's name, as in its tree heads, such as example.com/signalbox; empty is one made of its "
                      "key. The server's first start on a data directory gives the log its name. It cannot be changed "
                      "later: another name is another log.",
             .form = &kOrigin})
      .boolean("public", &A::is_public,
               {.about = "Serve the log at /audit/ to everybody; otherwise only to keys that may read the audit log. "
                         "It holds no content, but tenants, routes and versions."})
      .list("witnesses", &A::witnesses, witness,
            {.about = "Witnesses that are asked to cosign tree heads (C2SP tlog-witness).", .max = 16})
      .integer("quorum", &A::quorum,
               {.about = "So many cosignatures make a tree head a witnessed one.", .min = 1, .max = 16})
      .integer(
          "witness_interval_ms", &A::witness_interval_ms,
          {.about = "Pause between two rounds of questions to the witnesses.", .unit = "ms", .min = 10, .max = kDayMs})
      .integer("witness_timeout_ms", &A::witness_timeout_ms,
               {.about = "Time for a witness's answer.", .unit = "ms", .min = 1, .max = kDayMs})
      .section("timestamp", &A::timestamp, timestamp);
}

}  // namespace sb::config
