// /api/v1/attestations: what people did outside of this server, for the record: a drill that was held, a report that
// was given. The report itself stays where it is; its SHA-256 says which one it was.
#include <fmt/format.h>

#include <algorithm>

#include "api/api.h"
#include "api/control.h"
#include "base/json_writer.h"

namespace sb::api {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kDigestDigits = 64;

// The record is public and for ever: a name is a label, and no place for a sentence.
bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

bool is_digest(std::string_view text) {
  return text.size() == kDigestDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

struct Attestation {
  std::string kind;
  std::string summary;
};

Result<Attestation> attestation_of(const json::value& body) {
  SB_CHECK(only_texts(body, {"kind", "name", "result", "sha256"}));
  const std::string_view kind = string_member(body, "kind"), name = string_member(body, "name"),
                         result = string_member(body, "result"), digest = string_member(body, "sha256");
  if (kind != "drill" && kind != "report") return fail(Errc::invalid_argument, "`kind` is drill or report", "kind");
  if (!is_label(name))
    return fail(Errc::invalid_argument, "`name` is a label of up to 64 of a-z, 0-9, '-', '.' and '_'", "name");
  if (kind == "drill" && result != "passed" && result != "failed")
    return fail(Errc::invalid_argument, "a drill has a `result`: passed or failed", "result");
  if (kind == "report" && !result.empty()) return fail(Errc::invalid_argument, "a report has no `result`", "result");
  if (kind == "report" ? !is_digest(digest) : !digest.empty() && !is_digest(digest))
    return fail(Errc::invalid_argument, "`sha256` is the SHA-256 of the document, 64 hex digits", "sha256");
  JsonWriter summary;
  summary.begin_object().member("name", name);
  if (!result.empty()) summary.member("result", result);
  if (!digest.empty()) summary.member("sha256", digest);
  return Attestation{std::string(kind), std::move(summary.end_object()).take()};
}

}  // namespace

Task<void> Api::attest(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  const auto body = parse_json(exchange.request().body);
  if (!body || !body->is_object()) {
    co_return co_await respond_error(
        exchange, Error(Errc::invalid_argument,
                        R"(send {"kind": "drill" or "report", "name": "...", "result"?: "...", "sha256"?: "..."})"));
  }
  auto said = attestation_of(*body);
  if (!said) co_return co_await respond_error(exchange, said.error());
  store::Commit commit;
  store::LeafDraft leaf;
  leaf.kind = std::move(said->kind);
  leaf.tenant = caller.tenant;
  leaf.actor = parts_.pseudonyms.actor(actor_of(caller));
  leaf.summary = std::move(said->summary);
  leaf.time_us = parts_.clock.now_us();
  commit.leaves.push_back(std::move(leaf));
  if (auto written = co_await parts_.store.commit(std::move(commit)); !written)
    co_return co_await respond_error(exchange, written.error());
  co_await respond_json(exchange, 201, to_text(json::object{{"recorded", true}}));
}

}  // namespace sb::api
