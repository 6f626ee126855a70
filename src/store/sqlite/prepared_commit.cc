#include "store/sqlite/prepared_commit.h"

#include <fmt/format.h>

namespace sb::store::sqlite {
namespace {

constexpr std::size_t kMaxLeafFieldBytes = 1024;

Result<> check(const Commit& commit) {
  if (commit.create && commit.update) {
    return fail(Errc::invalid_argument, "a commit creates a run or updates it, not both");
  }
  const RunRow* const row = commit.create ? &*commit.create : commit.update ? &*commit.update : nullptr;
  if (row && commit.run != RunId() && commit.run != row->id) {
    return fail(Errc::invalid_argument, "a commit concerns one run; its steps belong to another than its row");
  }
  for (const LeafDraft& leaf : commit.leaves) {
    if (leaf.summary.text().size() > kMaxSummaryBytes) {
      return fail(Errc::too_large,
                  fmt::format("summary of an audit leaf has {} bytes, at most {} are kept", leaf.summary.text().size(),
                              kMaxSummaryBytes),
                  "summary");
    }
    for (const std::string* field : {&leaf.kind, &leaf.tenant, &leaf.actor, &leaf.payload_commit}) {
      if (field->size() > kMaxLeafFieldBytes) {
        return fail(Errc::too_large, fmt::format("a field of an audit leaf has {} bytes, at most {} are kept",
                                                 field->size(), kMaxLeafFieldBytes));
      }
    }
  }
  return {};
}

std::size_t payload_size(const Commit& commit) {
  std::size_t size = 512;
  for (const auto* row : {&commit.create, &commit.update}) {
    if (*row) size += (*row)->input.size() + (*row)->state.size() + (*row)->output.size() + (*row)->vault.size() + 64;
  }
  for (const StepRow& step : commit.steps) {
    size += step.name.size() + step.ref.size() + step.kind.size() + step.output.size() + step.decision.size() +
            step.error.size() + 64;
  }
  for (const StreamChunk& chunk : commit.chunks) size += chunk.data.size() + 32;
  for (const Checkpoint& checkpoint : commit.checkpoints) size += checkpoint.sealed.size() + 32;
  for (const OutboxRow& row : commit.outbox) size += row.sealed.size() + 64;
  for (const NoteRow& note : commit.notes) size += note.sealed.size() + 128;
  for (const LabelRow& label : commit.labels) size += label.sealed.size() + label.intent.size() + 192;
  for (const RequestName& name : commit.rename) size += name.idempotency_key.size() + name.request_hash.size() + 32;
  return size;
}

void release(std::string& text) {
  std::string().swap(text);
}

void pack_run(RunRow& run, bool born, BodyWriter& body, std::string& state) {
  if (born) body.input(run.input);
  if (is_final(run.status)) {
    body.state(run);
  } else {
    BodyWriter open;
    open.state(run);
    state = compress_if_large(open.plain());
  }
  for (std::string* text : {&run.input, &run.state, &run.output, &run.vault}) release(*text);
}

}  // namespace

// In one place from here to the disk: there is so much that may be in a commit that moving it costs as much as a step's
// encryption.
Result<std::unique_ptr<PreparedCommit>> prepare(Commit&& given) {
  SB_CHECK(check(given));
  auto whole = std::make_unique<PreparedCommit>();
  PreparedCommit& prepared = *whole;
  Commit& commit = prepared.commit = std::move(given);
  const std::size_t size = payload_size(commit);
  if (size > kMaxColumnBytes) {
    return fail(Errc::too_large, fmt::format("a commit of {} bytes; one row holds at most {}", size, kMaxColumnBytes));
  }
  BodyWriter body;
  body.reserve(size);
  if (commit.create) {
    commit.run = commit.create->id;
    pack_run(*commit.create, true, body, prepared.state);
  } else if (commit.update) {
    commit.run = commit.update->id;
    pack_run(*commit.update, false, body, prepared.state);
  }
  prepared.steps.reserve(commit.steps.size());
  for (const StepRow& step : commit.steps) {
    prepared.steps.push_back({static_cast<std::uint32_t>(step.index), step.attempt});
    body.step(step);
  }
  for (const StreamChunk& chunk : commit.chunks) body.chunk(chunk);
  for (const Checkpoint& checkpoint : commit.checkpoints) body.checkpoint(checkpoint);
  commit.steps.clear();
  commit.chunks.clear();
  commit.checkpoints.clear();
  if (!body.empty()) prepared.body = body.packed();
  if (const ReviewRow* review = commit.review_create   ? &*commit.review_create
                                : commit.review_change ? &commit.review_change->row
                                                       : nullptr) {
    prepared.question = pack_column(review->question);
    prepared.verdict = pack_column(review->verdict);
  }
  prepared.size_bytes = size;
  for (const LeafDraft& leaf : commit.leaves) prepared.size_bytes += leaf.summary.text().size() + 256;
  for (const auto& [name, text] : commit.documents) prepared.size_bytes += name.size() + text.size();
  for (const TenantToken& token : commit.tokens) prepared.size_bytes += token.token.size() + token.sealed.size() + 64;
  for (const Reseal& change : commit.reseal) prepared.size_bytes += change.before.size() + change.after.size() + 64;
  return whole;
}

}  // namespace sb::store::sqlite
