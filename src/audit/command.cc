#include "audit/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "audit/command_flags.h"
#include "audit/leaf.h"
#include "audit/tile_files.h"
#include "base/bytes.h"
#include "base/json.h"
#include "store/data_dir.h"
#include "store/sqlite/record_reader.h"

namespace sb::audit {
namespace {

using store::DataDir;
using store::sqlite::RecordReader;

constexpr std::string_view kHelp =
    "usage: signalbox audit verify TARGET [--key VKEY] [--head FILE | --since FILE] [--save FILE]\n"
    "                              [--witness VKEY]... [--quorum N] [--tsa-ca FILE] [--json]\n"
    "                              [--contents [--master-key REF]]\n"
    "       signalbox audit prove  --data DIR {--run ID | --erasure ID} [--out FILE]\n"
    "                              [--disclose [--master-key REF] [--url URL --key-file FILE]]\n"
    "       signalbox audit show   --data DIR [--run ID] [--from N] [--limit N]\n"
    "       signalbox audit key    --data DIR\n"
    "\n"
    "verify  TARGET is one of\n"
    "          a data directory   every leaf, every signed tree head, every stored step, and the published log\n"
    "          http(s)://HOST/    the published log of a server, from its tiles alone; needs --key\n"
    "          a folder           a published log, copied or mirrored: it holds `checkpoint`, or it is the mirror; "
    "needs --key\n"
    "          s3://BUCKET[/PREFIX]  the published log in a mirror, access from the environment as for `signalbox "
    "restore`; needs --key\n"
    "          a file             a proof made by `audit prove`\n"
    "        --head FILE   a tree head kept from earlier (also: --checkpoint): the log must continue it\n"
    "        --since FILE  the same, and read only what came after it\n"
    "        --key VKEY    the log's public key; of a data directory, instead of the one in it\n"
    "        --key-file FILE an API key that may read the log, where the server shows it to nobody else\n"
    "        --save FILE   writes the newest tree head there, to be kept on another machine\n"
    "        --witness VKEY a witness's public key; again for each: the log's cosignatures are verified too\n"
    "        --quorum N    so many of them must be there (all of those given)\n"
    "        --tsa-ca FILE PEM certificates of a time-stamping authority: the newest time stamp is verified too\n"
    "        --contents    of a data directory: also that each input, output and verdict opens, and is the one that "
    "its\n"
    "                      leaf commits to; with --master-key as for prove\n"
    "        for cron:     signalbox audit verify https://HOST/ --key VKEY --since head --save head\n"
    "prove   a run's leaves, or those of an erasure and of each run that it took, with inclusion proofs under the\n"
    "        newest tree head: a file that stands for itself\n"
    "        --disclose    with what was asked and answered, and the key to it: whoever has the file reads them\n"
    "        --master-key  env:NAME or file:PATH, where the server has one of its own\n"
    "        --url         the server that works on DIR: it puts on record who opens the content, by the API key in\n"
    "                      --key-file or SIGNALBOX_API_KEY; without a server this command does\n"
    "show    prints leaves, one JSON object a line\n"
    "key     prints the log's public key, as Go's sumdb tools and --key take it\n"
    "\n"
    "examples\n"
    "        signalbox audit verify /var/lib/signalbox --contents\n"
    "        signalbox audit verify s3://records/box-1 --key \"$VKEY\" --head kept-head --json\n"
    "        signalbox audit prove --data /var/lib/signalbox --run 01a2166e-16cb-785b-a546-2318b1069f00 --out "
    "run.proof\n"
    "        signalbox audit verify run.proof --key \"$VKEY\"\n"
    "\n"
    "exit codes: 0 all is well, 1 not verified, 2 wrong usage, 3 could not be read (nothing is known)\n";

Result<int> show(const Flags& flags, std::ostream& out) {
  SB_TRY(const std::uint64_t from, number_of(flags, "--from", 0));
  SB_TRY(const std::uint64_t limit, number_of(flags, "--limit", 50));
  SB_TRY(const auto record, RecordReader::open(database_of(flags)));
  SB_CHECK(record->seek(from));
  const std::string run = flags.get("--run");
  if (!run.empty() && !RunId::parse(run)) return fail(Errc::invalid_argument, "--run takes a run's id, a UUID");
  std::uint64_t shown = 0;
  while (shown < limit) {
    SB_TRY(const auto leaf, record->next_leaf());
    if (!leaf) break;
    if (!run.empty()) {
      SB_TRY(const LeafFields fields, parse_leaf(leaf->bytes));
      if (fields.run != run) continue;
    }
    out << leaf->bytes << '\n';
    ++shown;
  }
  if (shown == 0 && !run.empty()) return fail(Errc::not_found, fmt::format("no leaf of run {} from {} on", run, from));
  return kOk;
}

Result<int> key(const Flags& flags, std::ostream& out) {
  SB_TRY(const NoteVerifier verifier, key_of(flags));
  out << verifier.to_string() << '\n';
  return kOk;
}

struct Verb {
  std::string_view name;
  std::function<Result<int>(const Flags&, std::ostream&)> run;
  std::vector<std::string> flags;
};

}  // namespace

Result<Flags> parse_flags(std::span<const std::string> args, std::span<const std::string> known) {
  Flags flags;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string name = args[i];
    std::optional<std::string> value;
    if (!name.starts_with("--")) {
      value = std::exchange(name, "--data");
    } else if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    if (name == "--checkpoint") name = "--head";
    if (std::ranges::find(known, name) == known.end()) {
      const auto near = nearest(name, known);
      return fail(Errc::invalid_argument,
                  fmt::format("unknown option {}{}", name, near ? fmt::format("; did you mean {}?", *near) : ""));
    }
    if (name == "--json" || name == "--disclose" || name == "--contents") {
      flags.values[name] = "";
      continue;
    }
    if (!value) {
      if (i + 1 == args.size() || args[i + 1].starts_with("--"))
        return fail(Errc::invalid_argument, fmt::format("{} needs a value", name));
      value = args[++i];
    }
    if (name == "--witness") {
      flags.witnesses.push_back(*value);
      continue;
    }
    if (!flags.values.emplace(name, *value).second)
      return fail(Errc::invalid_argument, fmt::format("{} is given twice", name));
  }
  if (flags.get("--data").empty()) return fail(Errc::invalid_argument, "--data DIR is missing");
  return flags;
}

Result<Quorum> quorum_of(const Flags& flags) {
  Quorum quorum;
  for (const std::string& text : flags.witnesses) {
    auto key = WitnessKey::parse(text);
    if (!key) return fail(key.error().code, "--witness: " + key.error().detail);
    const auto same = [&](const WitnessKey& other) { return other.to_string() == key->to_string(); };
    if (std::ranges::any_of(quorum.witnesses, same))
      return fail(Errc::invalid_argument, fmt::format("--witness {} is given twice: it would count twice", text));
    quorum.witnesses.push_back(*std::move(key));
  }
  SB_TRY(quorum.needed, number_of(flags, "--quorum", quorum.witnesses.size()));
  if (quorum.needed > quorum.witnesses.size() || (quorum.needed == 0 && flags.has("--quorum"))) {
    return fail(Errc::invalid_argument,
                fmt::format("--quorum takes 1 to the number of --witness given, {}", quorum.witnesses.size()));
  }
  return quorum;
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
  // The log's name stands in its tree heads; only one that this very key signed is believed.
  const std::string note = read_whole_file(data.audit_folder() + "/" + TileFiles::kCheckpoint, 64 * 1024).value_or("");
  const std::string origin = note.substr(0, note.find('\n'));
  if (!origin.empty() && origin.find_first_of(" +\t\r") == std::string::npos) {
    NoteVerifier named(origin, key.public_key());
    if (named.open(note)) return named;
  }
  return NoteVerifier(default_origin(key.public_key()), key.public_key());
}

Result<std::string> api_key_of(const Flags& flags) {
  if (!flags.has("--key-file")) {
    const char* const key = std::getenv("SIGNALBOX_API_KEY");
    return std::string(key ? key : "");
  }
  std::ifstream file(flags.get("--key-file"));
  std::string key;
  if (!(file >> key)) return fail(Errc::not_found, fmt::format("cannot read a key from {}", flags.get("--key-file")));
  return key;
}

std::string database_of(const Flags& flags) {
  return flags.get("--data") + "/" + DataDir::kDatabase;
}

int audit_command(std::span<const std::string> args, std::ostream& out, std::ostream& err,
                  const OpenBucket& open_bucket) {
  const Verb verbs[] = {
      {"verify",
       [&](const Flags& flags, std::ostream& to) { return verify_command(flags, to, open_bucket); },
       {"--data", "--head", "--since", "--key", "--save", "--witness", "--quorum", "--tsa-ca", "--json", "--contents",
        "--master-key", "--key-file"}},
      {"show", show, {"--data", "--run", "--from", "--limit"}},
      {"key", key, {"--data"}},
      {"prove",
       prove_command,
       {"--data", "--run", "--erasure", "--key", "--out", "--disclose", "--master-key", "--url", "--key-file"}},
  };
  const bool asks_help =
      std::ranges::any_of(args, [](const std::string& arg) { return arg == "--help" || arg == "-h"; });
  if (asks_help || (!args.empty() && args[0] == "help")) {
    out << kHelp;
    return kOk;
  }
  const auto verb =
      std::ranges::find(verbs, args.empty() ? std::string_view() : std::string_view(args[0]), &Verb::name);
  if (verb == std::end(verbs)) {
    if (args.empty())
      err << kHelp;
    else
      err << "signalbox audit: unknown command " << args[0] << "; it knows verify, prove, show and key\n";
    return kUsage;
  }
  const auto flags = parse_flags(args.subspan(1), verb->flags);
  const Result<int> code = flags ? verb->run(*flags, out) : Result<int>(std::unexpected(flags.error()));
  if (code) return *code;
  if (std::ranges::find(args, "--json") != args.end())
    out << to_text(json::object{{"ok", false},
                                {"error", {{"code", to_string(code.error().code)}, {"detail", code.error().detail}}}})
        << '\n';
  err << "signalbox audit " << verb->name << ": " << code.error().detail << '\n';
  switch (code.error().code) {
    case Errc::invalid_argument:
      return kUsage;
    case Errc::corrupt:
      return kFailed;
    default:
      return kUnread;
  }
}

}  // namespace sb::audit
