// `signalbox audit verify`: a data directory, a published log, or a proof.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "audit/checkpoint_note.h"
#include "audit/command_flags.h"
#include "audit/proof.h"
#include "audit/stored_contents.h"
#include "audit/tile_files.h"
#include "audit/verify.h"
#include "audit/verify_log.h"
#include "base/bytes.h"
#include "base/json.h"
#include "base/log.h"
#include "keys/derived_keys.h"
#include "store/data_dir.h"

namespace sb::audit {
namespace {

constexpr std::size_t kMaxProofBytes = std::size_t{256} << 20;
constexpr std::int64_t kSecondUs = 1'000'000;

void print_problems(const std::vector<std::string>& problems, std::uint64_t count, std::ostream& out) {
  for (const std::string& problem : problems) out << "  " << problem << '\n';
  if (count > problems.size()) out << fmt::format("  and {} more\n", count - problems.size());
}

json::array to_json(const Cosigners& cosigners) {
  json::array array;
  for (const auto& [witness, time] : cosigners) array.push_back(json::object{{"witness", witness}, {"time", time}});
  return array;
}

json::object to_json(const LogReport& report) {
  json::object made{{"ok", report.ok()},
                    {"leaves", report.leaves},
                    {"checked", report.checked},
                    {"tiles", report.tiles},
                    {"problem_count", report.problem_count},
                    {"problems", texts(report.problems)},
                    {"newest_head", report.head},
                    {"elapsed_us", report.elapsed_us}};
  if (const auto& witnessed = report.witnessed)
    made["witnessed"] = json::object{{"leaves", witnessed->leaves}, {"cosigners", to_json(witnessed->cosigners)}};
  if (const auto& stamp = report.timestamp)
    made["timestamp"] = json::object{{"leaves", stamp->leaves}, {"time", stamp->time}};
  return made;
}

json::object to_json(const VerifyReport& report) {
  return {{"ok", report.ok()},
          {"leaves", report.leaves},
          {"steps", report.steps},
          {"contents", report.contents},
          {"actors", report.actors},
          {"tree_heads", report.heads},
          {"signed_leaves", report.signed_leaves},
          {"problem_count", report.problem_count},
          {"problems", texts(report.problems)},
          {"newest_head", report.newest_head},
          {"elapsed_us", report.elapsed_us}};
}

void print(const LogReport& report, std::ostream& out) {
  out << fmt::format("{}: {} leaves ({} read), {} tiles, {:.2f} s\n", report.ok() ? "log verified" : "LOG NOT VERIFIED",
                     report.leaves, report.checked, report.tiles, static_cast<double>(report.elapsed_us) / 1e6);
  if (const auto& witnessed = report.witnessed) {
    out << fmt::format("{} leaves are under a tree head cosigned by", witnessed->leaves);
    for (const auto& [witness, time] : witnessed->cosigners)
      out << fmt::format(" {} ({})", witness, rfc3339(static_cast<std::int64_t>(time) * kSecondUs));
    out << '\n';
  }
  if (const auto& stamp = report.timestamp)
    out << fmt::format("{} leaves are under a tree head stamped at {}\n", stamp->leaves,
                       rfc3339(stamp->time * kSecondUs));
  print_problems(report.problems, report.problem_count, out);
}

void print(const VerifyReport& report, std::ostream& out) {
  out << fmt::format("{}: {} leaves, {} steps, {} signed tree heads, {:.2f} s\n",
                     report.ok() ? "verified" : "NOT VERIFIED", report.leaves, report.steps, report.heads,
                     static_cast<double>(report.elapsed_us) / 1e6);
  if (report.contents > 0) out << fmt::format("{} contents are those that leaves commit to\n", report.contents);
  if (report.ok() && report.leaves > report.signed_leaves)
    out << fmt::format("the last {} leaves are not under a tree head yet\n", report.leaves - report.signed_leaves);
  if (!report.actors) out << "who did it was not compared: that needs the data directory's keys/\n";
  print_problems(report.problems, report.problem_count, out);
}

// What was never looked at is not counted: with another log's key there is one thing to say.
std::unexpected<Error> foreign(const std::string& problem) {
  return fail(Errc::corrupt, "NOT VERIFIED: " + problem);
}

Result<> save(const Flags& flags, const std::string& head) {
  if (!flags.has("--save")) return {};
  const std::string path = flags.get("--save");
  const std::string scratch = path + ".new";
  std::error_code error;
  bool written = false;
  {
    std::ofstream file(scratch, std::ios::binary | std::ios::trunc);
    written = static_cast<bool>((file << head).flush());
  }
  // The one kept so far stays until the new one is whole.
  if (written) std::filesystem::rename(scratch, path, error);
  if (!written || error) return fail(Errc::permission_denied, fmt::format("cannot write {}", path));
  return {};
}

Result<int> verify_proof_file(const Flags& flags, const std::string& path, std::ostream& out) {
  for (const char* of_a_log : {"--head", "--since", "--save", "--tsa-ca", "--contents", "--master-key"}) {
    if (flags.has(of_a_log))
      return fail(Errc::invalid_argument, fmt::format("{} goes with a log: {} is a proof, which has one tree head and "
                                                      "nothing that leads from another to it",
                                                      of_a_log, path));
  }
  SB_TRY(const std::string text, read_whole_file(path, kMaxProofBytes));
  std::optional<NoteVerifier> key;
  if (flags.has("--key")) {
    SB_TRY(key, NoteVerifier::parse(flags.get("--key")));
  }
  SB_TRY(const Quorum quorum, quorum_of(flags));
  SB_TRY(const ProofReport report, verify_proof(text, key, quorum));
  if (report.foreign && !flags.has("--json")) return foreign(path + ": " + report.problems.front());
  if (flags.has("--json")) {
    json::array indices;
    for (const std::uint64_t index : report.indices) indices.emplace_back(index);
    out << to_text(json::object{{"ok", report.ok()},
                                {report.subject.member(), report.subject.id},
                                {"key", report.key},
                                {"leaves", report.size},
                                {"indices", std::move(indices)},
                                {"cosigners", to_json(report.cosigners)},
                                {"payloads", report.payloads},
                                {"ended", report.ended},
                                {"runs_erased", report.runs_erased},
                                {"problems", texts(report.problems)}})
        << '\n';
  } else {
    out << fmt::format("{}: {} {}, {} leaves of a log of {}, {}\n",
                       report.ok() ? "proof verified" : "PROOF NOT VERIFIED", report.subject.member(),
                       report.subject.id, report.indices.size(), report.size,
                       report.subject.is_erasure ? fmt::format("{} runs erased", report.runs_erased)
                                                 : fmt::format("{} payloads disclosed", report.payloads));
    print_problems(report.problems, report.problems.size(), out);
    if (!report.ended && report.subject.is_erasure)
      out << "its order went on after the last of them: later ones are left out, or it was cut off\n";
    if (!report.ended && !report.subject.is_erasure)
      out << "the run's end is not among them: it went on when this was made, or later leaves are left out\n";
    if (!key) out << "signed by " << report.key << ": compare it with the key you know, or give --key\n";
  }
  return report.ok() ? kOk : kFailed;
}

Result<LogVerification> how(const Flags& flags) {
  LogVerification how;
  SB_TRY(how.quorum, quorum_of(flags));
  how.tsa_ca_file = flags.get("--tsa-ca");
  const bool since = flags.has("--since");
  if (since && flags.has("--head")) return fail(Errc::invalid_argument, "give --head or --since, not both");
  const std::string path = flags.get(since ? "--since" : "--head");
  if (path.empty()) return how;
  SB_TRY(how.kept_head, read_whole_file(path, kMaxNoteBytes));
  if (how.kept_head.empty()) return fail(Errc::corrupt, fmt::format("{} is empty", path));
  how.since_kept = since;
  return how;
}

// And not a published log, nor a mirror with one in it.
bool is_data_directory(const std::string& target) {
  const auto has = [&](const char* name) { return std::filesystem::exists(target + "/" + name); };
  if (target.find("://") != std::string::npos || has(TileFiles::kCheckpoint)) return false;
  return has(store::DataDir::kDatabase) || has("keys/audit.seed") || !has("audit/checkpoint");
}

// What is shown of the log. Torn by power loss, it is looked at as the log and written again by the next start.
std::vector<std::string> published_heads(const std::string& audit) {
  const std::string stamped = read_whole_file(audit + "/timestamp/newest", kMaxNoteBytes).value_or("");
  std::vector<std::string> notes;
  for (const std::string& name : {std::string(TileFiles::kCheckpoint), std::string(TileFiles::kWitnessed),
                                  "timestamp/" + std::string(trim(stamped))}) {
    auto note = read_whole_file(audit + "/" + name, kMaxNoteBytes);
    if (note && note->ends_with('\n')) notes.push_back(*std::move(note));
  }
  return notes;
}

// A copy of the database alone, without the directory's secrets, is verified as far as that goes.
Result<VerifyReport> verify_database(const Flags& flags, const NoteVerifier& key, const std::string& kept_head) {
  VerifyOptions options{database_of(flags), key, kept_head};
  options.published = published_heads(flags.get("--data") + "/audit");
  const auto data = store::DataDir::open(flags.get("--data"));
  std::optional<Pseudonyms> actors;
  if (data) options.actors = &actors.emplace(pseudonym_secret(data->pepper()));
  std::unique_ptr<StoredContents> contents;
  if (flags.has("--contents")) {
    if (!data) return std::unexpected(data.error());
    SB_TRY(contents, StoredContents::open(*data, flags.get("--master-key")));
    options.contents = contents.get();
  }
  return verify_store(options);
}

}  // namespace

Result<int> verify_command(const Flags& flags, std::ostream& out, const OpenBucket& open_bucket) {
  const std::string target = flags.get("--data");
  if (std::filesystem::is_regular_file(target)) return verify_proof_file(flags, target, out);
  const bool data = is_data_directory(target);
  if (!data && !flags.has("--key")) {
    return fail(Errc::invalid_argument,
                "--key VKEY is missing: the log's public key, as `signalbox audit key --data DIR` prints it");
  }
  SB_TRY(const NoteVerifier key, key_of(flags));
  SB_TRY(const LogVerification options, how(flags));
  if (flags.has("--contents") && (!data || options.since_kept))
    return fail(Errc::invalid_argument, "--contents goes with a data directory, and not with --since");
  std::optional<VerifyReport> store;
  // What the database holds that the log does not: the steps behind the leaves. With --since, only the log is read.
  if (data && !options.since_kept) {
    SB_TRY(store, verify_database(flags, key, options.kept_head));
  }
  const bool in_bucket = open_bucket && target.starts_with("s3://");
  // Not the environment's: it is for the operator's own server, and this may be anybody's.
  SB_TRY(const std::string api_key, flags.has("--key-file") ? api_key_of(flags) : Result<std::string>());
  SB_TRY(const auto source, in_bucket ? open_bucket(target) : open_log_source(target, api_key));
  SB_TRY(LogReport log, verify_log(*source, key, options));
  if (store && log.leaves < store->signed_leaves) {
    ++log.problem_count;
    log.problems.push_back(
        fmt::format("the published log has {} leaves, a tree head over {} is stored: it was rolled back, or "
                    "the server has not been started since a power failure",
                    log.leaves, store->signed_leaves));
  }
  if (log.foreign && (!store || store->heads == 0) && !flags.has("--json")) return foreign(log.problems.front());
  const bool ok = log.ok() && (!store || store->ok());
  if (flags.has("--json")) {
    json::object report = store ? to_json(*store) : to_json(log);
    report["ok"] = ok;
    if (store) report["log"] = to_json(log);
    out << to_text(report) << '\n';
  } else {
    if (store) print(*store, out);
    print(log, out);
    if (ok) out << '\n' << log.head;
  }
  if (ok) SB_CHECK(save(flags, log.head));
  return ok ? kOk : kFailed;
}

}  // namespace sb::audit
