#include "audit/witnesses.h"

#include <algorithm>

#include "audit/tile_tree.h"
#include "base/bytes.h"
#include "base/log.h"

namespace sb::audit {
namespace {

std::chrono::steady_clock::time_point now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

std::string witness_file(const WitnessKey& key) {
  const Digest name = sha256(key.to_string());
  return ".witness/" + to_hex(std::span(name).first(8));
}

Result<std::unique_ptr<Witnesses>> Witnesses::start(WitnessOptions options, const NoteVerifier& log,
                                                    const std::string& folder, Publisher& publisher) {
  SB_TRY(TileFiles files, TileFiles::open(folder));
  std::unique_ptr<Witnesses> witnesses(new Witnesses(std::move(options), log, std::move(files), folder, publisher));
  witnesses->thread_.start([w = witnesses.get()] { return w->run(); });
  return witnesses;
}

Witnesses::Witnesses(WitnessOptions options, const NoteVerifier& log, TileFiles files, const std::string& folder,
                     Publisher& publisher)
    : options_(std::move(options)), publisher_(publisher), files_(std::move(files)), log_(open_log_folder(folder)) {
  if (const auto head = open_tree_head(files_.read_note(TileFiles::kWitnessed), log)) witnessed_ = head->size;
  for (const WitnessPlace& place : options_.places) {
    Member& member = members_.emplace_back(place.url, Witness(place.key, options_.interval));
    member.witness.remember(files_.read_note(witness_file(place.key)), log);
    stats_.push_back({member.witness.cosigned_size(), 0, 0});
  }
}

std::vector<WitnessStats> Witnesses::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

std::uint64_t Witnesses::witnessed() const {
  const std::lock_guard lock(mutex_);
  return witnessed_;
}

Task<void> Witnesses::run() {
  do {
    choose_head();
    for (Member& member : members_) {
      if (member.asked || !member.witness.is_due(head_.size, now())) continue;
      member.asked = true;
      thread_.spawn(ask(member, head_));
    }
  } while (co_await thread_.sleep(options_.interval));
}

void Witnesses::choose_head() {
  if (thread_.spawned() > 0 && witnessed() < head_.size) return;
  auto newest = publisher_.head();
  if (!newest) return;
  head_ = *std::move(newest);
  show(head_);  // cosigned before the last restart
}

Task<void> Witnesses::ask(Member& member, Publisher::Head head) {
  co_await ask_until_settled(member, head);
  member.asked = false;
}

Task<void> Witnesses::ask_until_settled(Member& member, const Publisher::Head& head) {
  Witness& witness = member.witness;
  Witness::Judgement judgement;
  do {
    auto body = request_body(witness, head);
    if (!body) co_return settle(member, head, witness.not_heard(body.error().detail, now()));
    OutsideThread::Question question{member.url, "/add-checkpoint", "text/plain; charset=utf-8", *std::move(body),
                                     options_.timeout};
    const auto answer = co_await thread_.ask(std::move(question));
    if (!answer && answer.error().code == Errc::cancelled) co_return;
    judgement = answer ? witness.heard(head.note, head.size, answer->status, answer->body, now())
                       : witness.not_heard(answer.error().detail, now());
  } while (judgement.verdict == Witness::Verdict::ask_again);
  settle(member, head, judgement);
}

Result<std::string> Witnesses::request_body(const Witness& witness, const Publisher::Head& head) {
  SB_TRY(const auto proof, TileTree(*log_, head.size).consistency_proof(witness.old_size()));
  return add_checkpoint_body(witness.old_size(), proof, head.note);
}

void Witnesses::settle(Member& member, const Publisher::Head& head, const Witness::Judgement& judgement) {
  const Witness& witness = member.witness;
  {
    const std::lock_guard lock(mutex_);
    stats_[static_cast<std::size_t>(&member - members_.data())] = {witness.cosigned_size(), witness.failures(),
                                                                   witness.refusals()};
  }
  if (judgement.verdict == Witness::Verdict::cosigned) {
    if (!member.trouble.empty()) log_info("audit.witness_back", {{"witness", witness.key().name()}});
    if (const auto kept = files_.write_note(witness_file(witness.key()), witness.note()); !kept)
      log_warn("audit.cosignature_not_kept", {{"witness", witness.key().name()}, {"detail", kept.error().detail}});
    show(head);
  } else if (judgement.why != member.trouble) {
    const bool refused = judgement.verdict == Witness::Verdict::refused;
    log(refused ? LogLevel::error : LogLevel::warn, refused ? "audit.witness_refused" : "audit.witness_failed",
        {{"witness", witness.key().name()}, {"leaves", head.size}, {"detail", judgement.why}});
  }
  member.trouble = judgement.why;
}

// A signature of Ed25519 is the same each time, so that what was cosigned under an earlier process begins as `head`
// does.
void Witnesses::show(const Publisher::Head& head) {
  std::string note = head.note;
  std::size_t count = 0;
  for (const Member& member : members_) {
    if (!member.witness.note().starts_with(head.note)) continue;
    note += member.witness.cosignature().line;
    ++count;
  }
  // An answer that came late may complete a quorum for a head that is not the newest witnessed one any more.
  if (count < options_.quorum || note == shown_ || head.size < witnessed()) return;
  if (const auto written = files_.write_note(TileFiles::kWitnessed, note); !written)
    log_warn("audit.cosignature_not_kept", {{"detail", written.error().detail}});
  publisher_.cosigned({head.size, note});
  shown_ = std::move(note);
  const std::lock_guard lock(mutex_);
  witnessed_ = head.size;
}

}  // namespace sb::audit
