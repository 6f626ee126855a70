#include "audit/proof.h"

#include <fmt/format.h>

#include <cstring>

#include "audit/merkle.h"
#include "audit/run_chain.h"
#include "audit/stored_claims.h"
#include "audit/tile_tree.h"
#include "base/bytes.h"
#include "base/crypto.h"
#include "keys/envelope.h"

namespace sb::audit {
namespace {

std::optional<Digest> digest_of(std::string_view base64) {
  const auto bytes = from_base64(base64);
  Digest digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::memcpy(digest.data(), bytes->data(), digest.size());
  return digest;
}

bool check_payload(const json::value& payload, const LeafFields& leaf) {
  const auto salt = from_hex(string_member(payload, "salt"));
  const auto ciphertext = from_base64(string_member(payload, "ciphertext"));
  const auto key = from_base64(string_member(payload, "key"));
  if (!salt || !ciphertext || !key || key->size() != 32) return false;
  if (to_hex(sha256(*salt, *ciphertext)) != leaf.payload_commit) return false;
  const auto id = RunId::parse(leaf.run);
  return id && open_payload(*key, *ciphertext, *id, leaf.kind == "run.start" ? "input" : "output").has_value();
}

/// What the leaves of a proof must be together, one after the other.
class LeavesOfOne {
 public:
  explicit LeavesOfOne(ProofReport& report) : report_(report) {}

  /// Nothing, or what is wrong with it.
  std::string_view take(const LeafFields& leaf) {
    if (!report_.subject.has(leaf)) return report_.subject.is_erasure ? "is of another erasure" : "is of another run";
    if (leaf.kind == "run.end") report_.ended = true;
    if (leaf.kind == "run.retry") report_.ended = false;
    if (leaf.kind == "run.erased") ++report_.runs_erased;
    if (leaf.kind == "erasure" && runs_erased_before(leaf) != std::exchange(ordered_, ordered_ + runs_erased(leaf)))
      return "does not continue the erasure's leaves before it: one is missing";
    if (leaf.kind == "erasure") report_.ended = !goes_on(leaf);
    if (report_.subject.is_erasure) return {};
    return chain_.take(leaf) ? "" : "does not continue the run's leaves before it: one is missing";
  }

  void finish() {
    if (!report_.subject.is_erasure && !chain_.begun())
      report_.problems.emplace_back("the run's start is not among its leaves");
    if (report_.subject.is_erasure && ordered_ != report_.runs_erased) {
      report_.problems.push_back(
          fmt::format("it has the erasure of {} runs, and {} leaves of erased runs", ordered_, report_.runs_erased));
    }
  }

 private:
  ProofReport& report_;
  RunChain chain_;
  std::uint64_t ordered_ = 0;
};

void check_entry(const json::value& entry, const TreeHead& head, LeavesOfOne& leaves, ProofReport& report) {
  const auto index = static_cast<std::uint64_t>(int_member(entry, "index", -1));
  const std::string_view leaf = string_member(entry, "leaf");
  const auto wrong = [&](std::string_view what) { report.problems.push_back(fmt::format("leaf {}: {}", index, what)); };
  std::vector<Digest> path;
  const auto* proof = find_member(entry, "proof");
  for (const auto& hash : proof && proof->is_array() ? proof->get_array() : json::array()) {
    const auto digest = hash.is_string() ? digest_of(std::string_view(hash.get_string())) : std::nullopt;
    if (!digest) return wrong("its proof is not a list of hashes");
    path.push_back(*digest);
  }
  if (!verify_inclusion(index, head.size, leaf_hash(leaf), path, head.root))
    return wrong("is not in the log at that place");
  const auto fields = parse_leaf(leaf);
  if (!fields || fields->seq != index) return wrong("does not say that it is number " + std::to_string(index));
  if (!report.indices.empty() && index <= report.indices.back()) return wrong("is there twice, or not in its place");
  report.indices.push_back(index);
  if (const auto problem = leaves.take(*fields); !problem.empty()) return wrong(problem);
  if (const auto* payload = find_member(entry, "payload")) {
    if (!check_payload(*payload, *fields)) return wrong("what is disclosed is not what it committed to");
    ++report.payloads;
  }
}

}  // namespace

bool ProofSubject::has(const LeafFields& leaf) const {
  if (!is_erasure) return leaf.run == id;
  if (leaf.kind != "erasure" && leaf.kind != "run.erased") return false;
  const auto summary = parse_json(leaf.summary);
  return summary && string_member(*summary, "erasure") == id;
}

Result<json::object> make_proof(LogSource& log, const NoteVerifier& key, const ProofParts& parts) {
  SB_TRY(const TreeHead head, open_tree_head(parts.checkpoint, key));
  TileTree tree(log, head.size);
  json::array entries;
  for (const auto& [index, leaf] : parts.leaves) {
    if (index >= head.size) continue;
    SB_TRY(const auto path, tree.inclusion_proof(index));
    if (!verify_inclusion(index, head.size, leaf_hash(leaf), path, head.root))
      return fail(Errc::corrupt,
                  fmt::format("leaf {} does not fit the tree head; run `signalbox audit verify`", index));
    json::array proof;
    for (const Digest& hash : path) proof.emplace_back(to_base64(view_of(hash)));
    json::object entry{{"index", index}, {"leaf", leaf}, {"proof", std::move(proof)}};
    SB_TRY(const LeafFields fields, parse_leaf(leaf));
    if (const auto shown = parts.disclose ? parts.disclose(fields) : std::nullopt) {
      entry["payload"] = json::object{{"salt", to_hex(as_u8(shown->salt))},
                                      {"ciphertext", to_base64(shown->ciphertext)},
                                      {"key", to_base64(shown->key)}};
    }
    entries.push_back(std::move(entry));
  }
  return json::object{{"format", kProofFormat},
                      {parts.subject.member(), parts.subject.id},
                      {"key", key.to_string()},
                      {"checkpoint", parts.checkpoint},
                      {"entries", std::move(entries)}};
}

Result<ProofReport> verify_proof(std::string_view text, const std::optional<NoteVerifier>& expected,
                                 const Quorum& quorum) {
  const auto parsed = parse_json(text);
  if (!parsed || string_member(*parsed, "format") != kProofFormat)
    return fail(Errc::corrupt, "not a proof made by `signalbox audit prove`, or cut short");
  SB_TRY(const NoteVerifier named, NoteVerifier::parse(string_member(*parsed, "key")));
  ProofReport report;
  report.subject.is_erasure = find_member(*parsed, "erasure") != nullptr;
  report.subject.id = string_member(*parsed, report.subject.member());
  report.key = named.to_string();
  const auto head = open_tree_head(string_member(*parsed, "checkpoint"), expected ? *expected : named);
  if (!head) {
    report.foreign = true;
    report.problems.push_back(head.error().detail);
    return report;
  }
  report.size = head->size;
  auto cosigners = check_quorum(string_member(*parsed, "checkpoint"), quorum);
  if (cosigners)
    report.cosigners = *std::move(cosigners);
  else
    report.problems.push_back(cosigners.error().detail);
  LeavesOfOne leaves(report);
  const auto* entries = find_member(*parsed, "entries");
  for (const auto& entry : entries && entries->is_array() ? entries->get_array() : json::array())
    check_entry(entry, *head, leaves, report);
  if (report.indices.empty() && report.problems.empty()) report.problems.emplace_back("it proves no leaf");
  if (report.problems.empty()) leaves.finish();
  return report;
}

}  // namespace sb::audit
