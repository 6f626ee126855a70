// `signalbox audit prove`: one run's leaves as a file that stands for itself.
#include <fmt/format.h>

#include <fstream>

#include "audit/command_flags.h"
#include "audit/opening.h"
#include "audit/proof.h"
#include "audit/tile_files.h"
#include "base/json.h"
#include "keys/derived_keys.h"
#include "keys/envelope.h"
#include "store/data_dir.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {

namespace {

constexpr std::size_t kCacheKib = 512;

// What was asked opens the run's first leaf, what was answered its last.
Result<std::function<std::optional<Disclosure>(const LeafFields&)>> disclosure(const Flags& flags, const RunId& id) {
  SB_TRY(const auto data, store::DataDir::open(flags.get("--data")));
  SB_TRY(const std::string master, master_key_of(flags.get("--master-key"), data.vault_key()));
  SB_TRY(const auto reader, store::sqlite::Reader::open(data.database(), kCacheKib));
  SB_TRY(const auto document, reader->load_document("tenant_keys"));
  SB_TRY(const json::value parsed, parse_json(document.value_or("{}")));
  TenantKeys keys(master);
  SB_CHECK(keys.load(parsed));
  SB_TRY(const store::RunRow run, reader->load_run(id));
  if (run.erased) return fail(Errc::not_found, fmt::format("the content of run {} was erased", id.to_string()));
  const std::string_view context(reinterpret_cast<const char*>(id.uuid.bytes.data()), id.uuid.bytes.size());
  SB_TRY(const std::string key, keys.unwrap(run.tenant, context, run.data_key));
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

}  // namespace

Result<int> prove_command(const Flags& flags, std::ostream& out) {
  const auto run = RunId::parse(flags.get("--run"));
  if (!run) return fail(Errc::invalid_argument, "prove needs --run ID, the UUID of a run");
  SB_TRY(const NoteVerifier key, key_of(flags));
  SB_TRY(const auto log, open_log_source(flags.get("--data")));
  ProofParts parts;
  parts.run = *run;
  if (flags.has("--disclose")) {
    SB_TRY(parts.disclose, disclosure(flags, *run));
  }
  SB_TRY(const auto record, store::sqlite::RecordReader::open(database_of(flags)));
  const std::string id = run->to_string();
  for (;;) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) break;
    if (leaf->bytes.find(id) == std::string_view::npos) continue;
    SB_TRY(const LeafFields fields, parse_leaf(leaf->bytes));
    if (fields.run == id) parts.leaves.emplace_back(leaf->index, leaf->bytes);
  }
  SB_TRY(parts.checkpoint, tree_head_over(parts.leaves.empty() ? 0 : parts.leaves.back().first + 1, *log, key));
  SB_TRY(const json::object proof, make_proof(*log, key, parts));
  const std::size_t proved = proof.at("entries").as_array().size();
  if (proved == 0) return fail(Errc::not_found, fmt::format("no leaf of run {} under the newest tree head", id));
  if (!flags.has("--out")) {
    out << to_text(proof) << '\n';
    return kOk;
  }
  std::ofstream file(flags.get("--out"), std::ios::binary | std::ios::trunc);
  if (!(file << to_text(proof) << '\n').flush())
    return fail(Errc::permission_denied, fmt::format("cannot write {}", flags.get("--out")));
  out << fmt::format("leaves of run {}:", id);
  for (const auto& entry : proof.at("entries").as_array()) out << ' ' << int_member(entry, "index");
  out << '\n';
  if (proved < parts.leaves.size())
    out << fmt::format("{} more are not under a tree head yet: prove it again in a moment\n",
                       parts.leaves.size() - proved);
  return kOk;
}

}  // namespace sb::audit
