#include "audit/stored_contents.h"

#include <fmt/format.h>

#include <algorithm>

#include "audit/stored_claims.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "base/json.h"
#include "keys/derived_keys.h"

namespace sb::audit {
namespace {

constexpr std::size_t kCacheKib = 2048;

std::string_view context_of(const RunId& run) {
  return {reinterpret_cast<const char*>(run.uuid.bytes.data()), run.uuid.bytes.size()};
}

/// What a payload's salt is made for; empty: leaves of that kind commit to none.
std::string_view purpose_of(std::string_view kind) {
  if (kind == "run.start") return "input";
  if (kind == "run.end") return "output";
  if (kind == "run.feedback") return "feedback";
  if (kind == "run.annotation") return "annotate";
  if (kind == "run.score") return "score";
  return kind == "review.verdict" ? "verdict" : "";
}

/// Of what a key noted on a run, but for tags; nothing: another leaf.
std::optional<store::NoteKind> note_kind_of(const LeafFields& leaf) {
  if (leaf.kind == "run.annotation") return store::NoteKind::annotation;
  return leaf.kind == "run.score" ? std::optional(store::NoteKind::score) : std::nullopt;
}

// As flow/sealer.h binds it.
std::string place_of(const LeafFields& leaf) {
  const auto review = leaf.kind == "review.verdict" ? review_of(leaf) : std::nullopt;
  if (review) return "verdict/" + review->to_string();
  if (const auto kind = note_kind_of(leaf)) return fmt::format("note/{}/{}", static_cast<int>(*kind), note_of(leaf));
  if (leaf.kind == "run.feedback") return fmt::format("feedback/{}", leaf.actor);
  return std::string(purpose_of(leaf.kind));
}

}  // namespace

Result<std::unique_ptr<StoredContents>> StoredContents::open(const store::DataDir& data, std::string_view master_key) {
  SB_TRY(std::string master, master_key_of(master_key, data.vault_key()));
  SB_TRY(auto reader, store::sqlite::Reader::open(data.database(), kCacheKib));
  std::unique_ptr<StoredContents> contents(new StoredContents(std::move(reader), std::move(master)));
  SB_CHECK(contents->load_keys());
  return contents;
}

Result<> StoredContents::load_keys() {
  SB_TRY(const auto document, reader_->load_document("tenant_keys"));
  SB_TRY(const json::value parsed, parse_json(document.value_or("{}")));
  return keys_.load(parsed);
}

Result<std::string> StoredContents::key_of(const store::RunRow& run) {
  auto key = keys_.unwrap(run.tenant, context_of(run.id), run.data_key);
  if (key) return key;
  SB_CHECK(load_keys());  // its tenant's key may have been rotated since
  return keys_.unwrap(run.tenant, context_of(run.id), run.data_key);
}

Result<std::string> StoredContents::content_of(const LeafFields& leaf, const store::RunRow& run) {
  if (leaf.kind == "run.start") return run.input;
  if (leaf.kind == "run.end") return run.output;
  if (leaf.kind == "run.feedback") return feedback_content(leaf);
  if (note_kind_of(leaf)) return note_content(leaf, run.id);
  const auto id = review_of(leaf);
  if (!id) return fail(Errc::corrupt, "its review is no UUID");
  SB_TRY(const store::ReviewRow review, reader_->load_review(*id));
  return review.verdict;
}

Result<std::string> StoredContents::note_content(const LeafFields& leaf, const RunId& run) {
  SB_TRY(const auto notes, reader_->notes(run));
  const auto found = std::ranges::find_if(
      notes, [&](const store::NoteRow& note) { return note.kind == note_kind_of(leaf) && note.name == note_of(leaf); });
  return found == notes.end() ? std::string() : found->sealed;
}

Result<std::string> StoredContents::feedback_content(const LeafFields& leaf) {
  SB_TRY(const auto document, reader_->load_document(fmt::format("feedback/{}", leaf.run)));
  SB_TRY(const json::value said, parse_json(document.value_or("[]")));
  if (!said.is_array()) return fail(Errc::corrupt, "the feedback on its run is damaged");
  for (const auto& one : said.get_array()) {
    if (string_member(one, "author") == leaf.actor)
      return from_base64(string_member(one, "comment")).value_or(std::string());
  }
  return std::string();
}

Result<StoredContents::Comparison> StoredContents::compare(const LeafFields& leaf) {
  const std::string_view purpose = purpose_of(leaf.kind);
  const auto id = RunId::parse(leaf.run);
  if (purpose.empty() || !id) return fail(Errc::corrupt, "it commits to a content that its kind does not have");
  SB_TRY(const store::RunRow stored, run(*id));
  if (stored.erased) return Comparison::erased;
  const auto key = key_of(stored);
  if (!key) return fail(Errc::corrupt, fmt::format("the key of run {} is gone or spoilt", leaf.run));
  SB_TRY(const std::string content, content_of(leaf, stored));
  if (to_hex(sha256(payload_salt(*key, purpose), content)) != leaf.payload_commit)
    return fail(Errc::corrupt, fmt::format("the {} of run {} is not what was committed to", purpose, leaf.run));
  if (!open_payload(*key, content, *id, place_of(leaf)))
    return fail(Errc::corrupt, fmt::format("the {} of run {} does not open", purpose, leaf.run));
  return Comparison::same;
}

}  // namespace sb::audit
