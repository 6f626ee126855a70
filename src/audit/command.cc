#include "audit/command.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "audit/leaf.h"
#include "audit/merkle.h"
#include "audit/verify.h"
#include "base/bytes.h"
#include "base/json.h"
#include "store/data_dir.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {
namespace {

using store::DataDir;
using store::sqlite::RecordReader;

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr std::string_view kHelp =
    "usage: signalbox audit verify --data DIR [--head FILE] [--key VKEY] [--save FILE] [--json]\n"
    "       signalbox audit show   --data DIR [--run ID] [--from N] [--limit N]\n"
    "       signalbox audit key    --data DIR\n"
    "       signalbox audit prove  --data DIR --run ID\n"
    "\n"
    "verify  recomputes the whole record: every leaf, every signed tree head, every stored step\n"
    "          --head FILE  a tree head kept from earlier (also: --checkpoint): the log must continue it\n"
    "          --key VKEY   the log's public key, instead of the one in DIR\n"
    "          --save FILE  writes the newest tree head there, to be kept on another machine\n"
    "show    prints leaves, one JSON object a line\n"
    "key     prints the log's public key, as Go's sumdb tools and --key take it\n"
    "prove   prints a run's leaves with inclusion proofs under the newest tree head, as JSON\n"
    "\n"
    "exit codes: 0 all is well, 1 verification failed or the data cannot be read, 2 wrong usage\n";

struct Flags {
  std::map<std::string, std::string, std::less<>> values;
  std::string get(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  }
  bool has(std::string_view name) const { return values.contains(name); }
};

Result<Flags> parse_flags(std::span<const std::string> args, std::span<const std::string> known) {
  Flags flags;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string name = args[i];
    std::optional<std::string> value;
    if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    if (name == "--checkpoint") name = "--head";
    if (std::ranges::find(known, name) == known.end()) {
      const auto near = nearest(name, known);
      return fail(Errc::invalid_argument,
                  fmt::format("unknown option {}{}", name, near ? fmt::format("; did you mean {}?", *near) : ""));
    }
    if (name == "--json") {
      flags.values[name] = "";
      continue;
    }
    if (!value) {
      if (i + 1 == args.size()) return fail(Errc::invalid_argument, fmt::format("{} needs a value", name));
      value = args[++i];
    }
    flags.values[name] = *value;
  }
  if (flags.get("--data").empty()) return fail(Errc::invalid_argument, "--data DIR is missing");
  return flags;
}

Result<std::uint64_t> number_of(const Flags& flags, std::string_view name, std::uint64_t otherwise) {
  if (!flags.has(name)) return otherwise;
  const std::string text = flags.get(name);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return fail(Errc::invalid_argument, fmt::format("{} takes a number, not \"{}\"", name, text));
  }
  return value;
}

Result<NoteVerifier> key_of(const Flags& flags) {
  if (flags.has("--key")) return NoteVerifier::parse(flags.get("--key"));
  SB_TRY(const DataDir data, DataDir::open(flags.get("--data")));
  SB_TRY(const SigningKey key, SigningKey::from_seed(data.audit_seed()));
  return NoteVerifier(default_origin(key.public_key()), key.public_key());
}

std::string database_of(const Flags& flags) {
  return flags.get("--data") + "/" + DataDir::kDatabase;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return fail(Errc::not_found, fmt::format("cannot read {}", path));
  return text;
}

json::value report_json(const VerifyReport& report) {
  json::array problems;
  for (const std::string& problem : report.problems) problems.emplace_back(problem);
  return json::object{{"ok", report.ok()},
                      {"leaves", report.leaves},
                      {"steps", report.steps},
                      {"tree_heads", report.heads},
                      {"signed_leaves", report.signed_leaves},
                      {"problem_count", report.problem_count},
                      {"problems", std::move(problems)},
                      {"newest_head", report.newest_head},
                      {"elapsed_us", report.elapsed_us}};
}

void print_report(const VerifyReport& report, std::ostream& out) {
  out << fmt::format("{}: {} leaves, {} steps, {} signed tree heads, {:.2f} s\n",
                     report.ok() ? "verified" : "NOT VERIFIED", report.leaves, report.steps, report.heads,
                     static_cast<double>(report.elapsed_us) / 1e6);
  if (report.ok() && report.leaves > report.signed_leaves) {
    out << fmt::format("the last {} leaves are not under a tree head yet\n", report.leaves - report.signed_leaves);
  }
  for (const std::string& problem : report.problems) out << "  " << problem << '\n';
  if (report.problem_count > report.problems.size()) {
    out << fmt::format("  and {} more\n", report.problem_count - report.problems.size());
  }
  if (report.ok() && !report.newest_head.empty()) out << '\n' << report.newest_head;
}

Result<int> verify(const Flags& flags, std::ostream& out) {
  VerifyOptions options;
  options.database = database_of(flags);
  SB_TRY(options.key, key_of(flags));
  if (flags.has("--head")) {
    SB_TRY(options.kept_head, read_file(flags.get("--head")));
    if (options.kept_head.empty()) return fail(Errc::corrupt, fmt::format("{} is empty", flags.get("--head")));
  }
  SB_TRY(const VerifyReport report, verify_store(options));
  if (flags.has("--json"))
    out << to_text(report_json(report)) << '\n';
  else
    print_report(report, out);
  if (report.ok() && flags.has("--save")) {
    std::ofstream file(flags.get("--save"), std::ios::binary | std::ios::trunc);
    if (!(file << report.newest_head).flush())
      return fail(Errc::permission_denied, fmt::format("cannot write {}", flags.get("--save")));
  }
  return report.ok() ? kOk : kFailed;
}

Result<int> show(const Flags& flags, std::ostream& out) {
  SB_TRY(const std::uint64_t from, number_of(flags, "--from", 0));
  SB_TRY(const std::uint64_t limit, number_of(flags, "--limit", 50));
  SB_TRY(const auto record, RecordReader::open(database_of(flags)));
  SB_CHECK(record->seek(from));
  const std::string run = flags.get("--run");
  for (std::uint64_t shown = 0; shown < limit;) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) break;
    if (!run.empty()) {
      SB_TRY(const LeafFields fields, parse_leaf(leaf->bytes));
      if (fields.run != run) continue;
    }
    out << leaf->bytes << '\n';
    ++shown;
  }
  return kOk;
}

Result<int> key(const Flags& flags, std::ostream& out) {
  SB_TRY(const NoteVerifier verifier, key_of(flags));
  out << verifier.to_string() << '\n';
  return kOk;
}

Result<int> prove(const Flags& flags, std::ostream& out) {
  const auto run = RunId::parse(flags.get("--run"));
  if (!run) return fail(Errc::invalid_argument, "prove needs --run ID, the UUID of a run");
  SB_TRY(const NoteVerifier verifier, key_of(flags));
  SB_TRY(const auto record, RecordReader::open(database_of(flags)));
  SB_TRY(const auto heads, record->heads());
  if (heads.empty()) return fail(Errc::not_found, "the record has no tree head yet");
  SB_TRY(const TreeHead head, open_tree_head(heads.back().note, verifier));
  const std::string id = run->to_string();
  MerkleTree tree;
  std::vector<std::pair<std::uint64_t, std::string>> leaves;
  while (tree.size() < head.size) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) return fail(Errc::corrupt, "the log is shorter than its tree head; run `signalbox audit verify`");
    tree.append(leaf_hash(leaf->bytes));
    SB_TRY(const LeafFields fields, parse_leaf(leaf->bytes));
    if (fields.run == id) leaves.emplace_back(leaf->index, leaf->bytes);
  }
  if (tree.root(head.size) != head.root)
    return fail(Errc::corrupt, "the log does not fit its tree head; run `signalbox audit verify`");
  if (leaves.empty()) return fail(Errc::not_found, fmt::format("no leaf of run {} under the newest tree head", id));
  json::array entries;
  for (const auto& [index, leaf] : leaves) {
    json::array proof;
    for (const Digest& hash : tree.inclusion_proof(index, head.size)) {
      proof.emplace_back(to_base64({reinterpret_cast<const char*>(hash.data()), hash.size()}));
    }
    entries.push_back(json::object{{"index", index}, {"leaf", leaf}, {"proof", std::move(proof)}});
  }
  out << to_text(json::object{
             {"run", id}, {"key", verifier.to_string()}, {"head", heads.back().note}, {"entries", std::move(entries)}})
      << '\n';
  return kOk;
}

struct Verb {
  std::string_view name;
  Result<int> (*run)(const Flags&, std::ostream&);
  std::vector<std::string> flags;
};

}  // namespace

int audit_command(std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  const Verb verbs[] = {
      {"verify", verify, {"--data", "--head", "--key", "--save", "--json"}},
      {"show", show, {"--data", "--run", "--from", "--limit"}},
      {"key", key, {"--data"}},
      {"prove", prove, {"--data", "--run", "--key"}},
  };
  if (!args.empty() && (args[0] == "--help" || args[0] == "-h" || args[0] == "help")) {
    out << kHelp;
    return kOk;
  }
  const auto verb =
      std::ranges::find(verbs, args.empty() ? std::string_view() : std::string_view(args[0]), &Verb::name);
  if (verb == std::end(verbs)) {
    err << kHelp;
    return kUsage;
  }
  const auto flags = parse_flags(args.subspan(1), verb->flags);
  const Result<int> code = flags ? verb->run(*flags, out) : Result<int>(std::unexpected(flags.error()));
  if (code) return *code;
  err << "signalbox audit " << verb->name << ": " << code.error().detail << '\n';
  return code.error().code == Errc::invalid_argument ? kUsage : kFailed;
}

}  // namespace sb::audit
