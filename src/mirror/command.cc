#include "mirror/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/bytes.h"
#include "base/json.h"
#include "config/secret.h"
#include "keys/envelope.h"
#include "mirror/check.h"
#include "mirror/restore.h"

namespace sb::mirror {
namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;
constexpr int kUnread = 3;  ///< of a comparison: nothing is said
constexpr const char* kAcceptLoss = "--accept-loss";
constexpr const char* kJson = "--json";

constexpr std::string_view kHelp =
    "usage: signalbox restore      --from PLACE --data DIR --mirror-key REF [--accept-loss] [--json]\n"
    "       signalbox mirror check --from PLACE --data DIR --mirror-key REF [--json]\n"
    "\n"
    "restore       makes the new data directory DIR as the mirror last saw it; start the server on it, and its runs go "
    "on\n"
    "mirror check  rebuilds the database from the mirror and compares it with DIR's, row by row; compares the keys; "
    "verifies\n"
    "              the published log in the mirror\n"
    "\n"
    "  --from PLACE       a folder, or s3://BUCKET[/PREFIX]\n"
    "  --mirror-key REF   env:NAME or file:PATH: the key that seals the mirror (mirror.key in the configuration)\n"
    "  --accept-loss      of a damaged mirror restores what is left, and says what is lost\n"
    "  --json             one JSON object on standard output, errors too\n"
    "for s3, from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3,\n"
    "  and SIGNALBOX_S3_VIRTUAL_HOST=1 where the bucket is named in the host\n"
    "\n"
    "examples\n"
    "  signalbox restore --from s3://records/box-1 --data /var/lib/signalbox --mirror-key "
    "file:/etc/signalbox/mirror.key\n"
    "  signalbox mirror check --from s3://records/box-1 --data /var/lib/signalbox --mirror-key env:MIRROR_KEY --json\n"
    "\n"
    "exit codes: 0 done, 1 it did not work or they differ, 2 wrong usage, 3 `mirror check` could not read one of the "
    "two:\n"
    "            nothing is known\n";

using Flags = std::map<std::string, std::string, std::less<>>;

Result<Flags> parse(std::span<const std::string> args, std::span<const std::string> switches) {
  const std::vector<std::string> valued{"--from", "--data", "--mirror-key"};
  std::vector<std::string> known = valued;
  known.insert(known.end(), switches.begin(), switches.end());
  Flags flags;
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (std::ranges::find(known, args[i]) == known.end()) {
      const auto near = nearest(args[i], known);
      return fail(Errc::invalid_argument,
                  fmt::format("unknown option {}{}", args[i], near ? fmt::format("; did you mean {}?", *near) : ""));
    }
    if (std::ranges::find(switches, args[i]) != switches.end()) {
      flags[args[i]] = args[i];
      continue;
    }
    if (i + 1 == args.size()) return fail(Errc::invalid_argument, fmt::format("{} needs a value", args[i]));
    flags[args[i]] = args[i + 1];
    ++i;
  }
  for (const std::string& name : valued) {
    if (flags[name].empty()) return fail(Errc::invalid_argument, fmt::format("{} is missing", name));
  }
  return flags;
}

struct Opened {
  std::unique_ptr<Target> target;
  std::string key;
  std::string folder;
  bool accept_loss = false;
  bool json = false;
};

json::object to_json(const RestoreReport& report) {
  return {{"ok", true},
          {"runs", report.runs},
          {"leaves", report.leaves},
          {"signed_leaves", report.signed_leaves},
          {"keys", report.keys},
          {"erased_runs", report.erased_runs},
          {"snapshot_group", report.snapshot_group},
          {"segments", report.segments},
          {"groups", report.groups},
          {"losses", texts(report.losses)},
          {"elapsed_us", report.elapsed_us}};
}

json::object to_json(const CheckReport& report) {
  return {{"ok", report.ok()},
          {"store_groups", report.store_groups},
          {"mirror_groups", report.mirror_groups},
          {"log_leaves", report.log_leaves},
          {"problems", texts(report.problems)}};
}

Result<Opened> open(std::span<const std::string> args, std::span<const std::string> switches) {
  SB_TRY(Flags flags, parse(args, switches));
  const auto place = SecretRef::parse(flags["--mirror-key"]);
  if (!place) return fail(Errc::invalid_argument, "--mirror-key takes env:NAME or file:PATH, never the key itself");
  SB_TRY(const Secret secret, place->resolve());
  Opened opened;
  SB_TRY(opened.key, parse_master_key(secret.reveal()));
  const std::string& from = flags["--from"];
  // A folder that is written to is made; one that is read must be there.
  if (from.find("://") == std::string::npos && !std::filesystem::is_directory(from))
    return fail(Errc::not_found, fmt::format("there is no mirror at {}: no such folder", from));
  SB_TRY(opened.target, open_target(from, s3_access_from_environment()));
  opened.folder = flags["--data"];
  SB_CHECK(check_apart(from, opened.folder));
  opened.accept_loss = flags.contains(kAcceptLoss);
  opened.json = flags.contains(kJson);
  return opened;
}

Result<int> restore_to(const Opened& opened, std::ostream& out) {
  SB_TRY(const RestoreReport report, restore(*opened.target, opened.key, opened.folder, {opened.accept_loss}));
  if (opened.json) {
    out << to_text(to_json(report)) << '\n';
    return kOk;
  }
  out << fmt::format(
      "restored {} runs and {} audit leaves from {} (snapshot of group {}, {} segments after it, up to "
      "group {}) in {:.2f} s\n",
      report.runs, report.leaves, opened.target->name(), report.snapshot_group, report.segments, report.groups,
      static_cast<double>(report.elapsed_us) / 1e6);
  out << fmt::format("{} keys of runs, {} runs erased\n", report.keys, report.erased_runs);
  if (report.signed_leaves > 0)
    out << fmt::format("the leaves lead to the tree head over {} of them\n", report.signed_leaves);
  else
    out << "no tree head was shown yet\n";
  for (const std::string& loss : report.losses) out << "LOST: " << loss << '\n';
  out << fmt::format("start the server: signalbox serve --data {}\n", opened.folder);
  return kOk;
}

Result<int> compare(const Opened& opened, std::ostream& out) {
  SB_TRY(const CheckReport report, check(*opened.target, opened.key, opened.folder));
  if (opened.json) {
    out << to_text(to_json(report)) << '\n';
    return report.ok() ? kOk : kFailed;
  }
  if (report.ok()) {
    out << fmt::format("the mirror is the store: {} groups of commits; its published log of {} leaves verifies\n",
                       report.store_groups, report.log_leaves);
    return kOk;
  }
  out << fmt::format("THE MIRROR IS NOT THE STORE: {} groups of commits there, {} here\n", report.mirror_groups,
                     report.store_groups);
  for (const std::string& problem : report.problems) out << "  " << problem << '\n';
  return kFailed;
}

struct Verb {
  std::string_view name;
  Result<int> (*work)(const Opened&, std::ostream&);
  std::vector<std::string> switches;
  int unread = kFailed;  ///< exit status where one of the two could not be read
};

int run(const Verb& verb, std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  if (!args.empty() && (args[0] == "--help" || args[0] == "-h")) {
    out << kHelp;
    return kOk;
  }
  const auto opened = open(args, verb.switches);
  const Result<int> code = opened ? verb.work(*opened, out) : Result<int>(std::unexpected(opened.error()));
  if (code) return *code;
  const Error& error = code.error();
  if (std::ranges::find(args, kJson) != args.end()) {
    out << to_text(json::object{{"ok", false}, {"error", {{"code", to_string(error.code)}, {"detail", error.detail}}}})
        << '\n';
  }
  err << "signalbox " << verb.name << ": " << error.detail << '\n';
  if (error.code == Errc::invalid_argument) return kUsage;
  return error.code == Errc::corrupt ? kFailed : verb.unread;
}

}  // namespace

int restore_command(std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  return run({"restore", restore_to, {kAcceptLoss, kJson}}, args, out, err);
}

int mirror_command(std::span<const std::string> args, std::ostream& out, std::ostream& err) {
  if (args.empty() || (args[0] != "check" && args[0] != "--help" && args[0] != "-h")) {
    if (args.empty())
      err << kHelp;
    else
      err << "signalbox mirror: unknown command " << args[0] << "; it knows check\n";
    return kUsage;
  }
  return run({"mirror check", compare, {kJson}, kUnread}, args[0] == "check" ? args.subspan(1) : args, out, err);
}

}  // namespace sb::mirror
