// `signalbox audit prove`: a run's leaves, or an erasure's, as a file that stands for itself.
#include <fmt/format.h>

#include <fstream>

#include "audit/command_flags.h"
#include "audit/opening.h"
#include "audit/proof.h"
#include "audit/stored_contents.h"
#include "audit/tile_files.h"
#include "base/json.h"
#include "keys/envelope.h"
#include "store/data_dir.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {

namespace {

// What was asked opens the run's first leaf, what was answered its last.
Result<std::function<std::optional<Disclosure>(const LeafFields&)>> disclosure(const Flags& flags, const RunId& id) {
  SB_TRY(const auto data, store::DataDir::open(flags.get("--data")));
  SB_TRY(const auto contents, StoredContents::open(data, flags.get("--master-key")));
  SB_TRY(const store::RunRow run, contents->run(id));
  if (run.erased) return fail(Errc::not_found, fmt::format("the content of run {} was erased", id.to_string()));
  SB_TRY(const std::string key, contents->key_of(run));
  SB_CHECK(record_opening(flags, data, {run.tenant, id, {{"what", "proof"}}}));
  return [key, input = run.input, output = run.output](const LeafFields& leaf) -> std::optional<Disclosure> {
    if (leaf.payload_commit.empty()) return std::nullopt;
    if (leaf.kind == "run.start") return Disclosure{payload_salt(key, "input"), input, key};
    if (leaf.kind == "run.end") return Disclosure{payload_salt(key, "output"), output, key};
    return std::nullopt;
  };
}

// The newest tree head that a quorum cosigned, where it is over so many leaves; else the newest.
Result<std::string> tree_head_over(std::uint64_t leaves, LogSource& log, const NoteVerifier& key) {
  auto witnessed = log.read(TileFiles::kWitnessed);
  if (witnessed) {
    const auto head = open_tree_head(*witnessed, key);
    if (head && head->size >= leaves) return witnessed;
  }
  return log.checkpoint();
}

Result<ProofSubject> subject_of(const Flags& flags) {
  if (flags.has("--run") == flags.has("--erasure"))
    return fail(Errc::invalid_argument, "prove needs --run ID, the UUID of a run, or --erasure ID, that of an erasure");
  ProofSubject subject{flags.has("--erasure"), {}};
  const auto id = RunId::parse(flags.get(subject.is_erasure ? "--erasure" : "--run"));
  if (!id) return fail(Errc::invalid_argument, fmt::format("--{} takes the UUID of one", subject.member()));
  if (subject.is_erasure && flags.has("--disclose"))
    return fail(Errc::invalid_argument, "of what was erased nothing can be disclosed: --disclose goes with --run");
  subject.id = id->to_string();
  return subject;
}

Result<std::vector<std::pair<std::uint64_t, std::string>>> leaves_of(const ProofSubject& subject,
                                                                     const std::string& database) {
  SB_TRY(const auto record, store::sqlite::RecordReader::open(database));
  std::vector<std::pair<std::uint64_t, std::string>> leaves;
  for (;;) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) return leaves;
    if (leaf->bytes.find(subject.id) == std::string_view::npos) continue;
    SB_TRY(const LeafFields fields, parse_leaf(leaf->bytes));
    if (subject.has(fields)) leaves.emplace_back(leaf->index, leaf->bytes);
  }
}

}  // namespace

Result<int> prove_command(const Flags& flags, std::ostream& out) {
  ProofParts parts;
  SB_TRY(parts.subject, subject_of(flags));
  const std::string about = fmt::format("{} {}", parts.subject.member(), parts.subject.id);
  SB_TRY(const NoteVerifier key, key_of(flags));
  SB_TRY(const auto log, open_log_source(flags.get("--data")));
  if (flags.has("--disclose")) {
    SB_TRY(parts.disclose, disclosure(flags, *RunId::parse(parts.subject.id)));
  }
  SB_TRY(parts.leaves, leaves_of(parts.subject, database_of(flags)));
  SB_TRY(parts.checkpoint, tree_head_over(parts.leaves.empty() ? 0 : parts.leaves.back().first + 1, *log, key));
  SB_TRY(const json::object proof, make_proof(*log, key, parts));
  const std::size_t proved = proof.at("entries").as_array().size();
  if (proved == 0) return fail(Errc::not_found, fmt::format("no leaf of {} under the newest tree head", about));
  if (!flags.has("--out")) {
    out << to_text(proof) << '\n';
    return kOk;
  }
  std::ofstream file(flags.get("--out"), std::ios::binary | std::ios::trunc);
  if (!(file << to_text(proof) << '\n').flush())
    return fail(Errc::permission_denied, fmt::format("cannot write {}", flags.get("--out")));
  out << fmt::format("leaves of {}:", about);
  for (const auto& entry : proof.at("entries").as_array()) out << ' ' << int_member(entry, "index");
  out << '\n';
  if (proved < parts.leaves.size())
    out << fmt::format("{} more are not under a tree head yet: prove it again in a moment\n",
                       parts.leaves.size() - proved);
  return kOk;
}

}  // namespace sb::audit
