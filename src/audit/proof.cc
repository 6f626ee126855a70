#include "audit/proof.h"

#include <fmt/format.h>

#include <cstring>

#include "audit/merkle.h"
#include "audit/run_chain.h"
#include "audit/tile_tree.h"
#include "base/bytes.h"

namespace sb::audit {
namespace {

std::string_view view_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::optional<Digest> digest_of(std::string_view base64) {
  const auto bytes = from_base64(base64);
  Digest digest;
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  std::memcpy(digest.data(), bytes->data(), digest.size());
  return digest;
}

bool check_payload(const json::value& payload, std::string_view run, std::string_view commitment) {
  const auto salt = from_hex(string_member(payload, "salt"));
  const auto ciphertext = from_base64(string_member(payload, "ciphertext"));
  const auto key = from_base64(string_member(payload, "key"));
  if (!salt || !ciphertext || !key || key->size() != 32) return false;
  if (to_hex(sha256(*salt, *ciphertext)) != commitment) return false;
  const auto id = RunId::parse(run);
  return id && aead_open(*key, *ciphertext, {reinterpret_cast<const char*>(id->uuid.bytes.data()), 16}).has_value();
}

void check_entry(const json::value& entry, const TreeHead& head, RunChain& chain, ProofReport& report) {
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
  if (fields->run != report.run) return wrong("is of another run");
  if (!report.indices.empty() && index <= report.indices.back()) return wrong("is there twice, or not in its place");
  report.indices.push_back(index);
  if (!chain.take(*fields)) wrong("does not continue the run's leaves before it: one is missing");
  if (fields->kind == "run.end") report.ended = true;
  if (const auto* payload = find_member(entry, "payload")) {
    if (!check_payload(*payload, report.run, fields->payload_commit))
      return wrong("what is disclosed is not what it committed to");
    ++report.payloads;
  }
}

}  // namespace

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
                      {"run", parts.run.to_string()},
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
  report.run = string_member(*parsed, "run");
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
  RunChain chain;
  const auto* entries = find_member(*parsed, "entries");
  for (const auto& entry : entries && entries->is_array() ? entries->get_array() : json::array())
    check_entry(entry, *head, chain, report);
  if (report.indices.empty() && report.problems.empty()) report.problems.emplace_back("it proves no leaf");
  return report;
}

}  // namespace sb::audit
