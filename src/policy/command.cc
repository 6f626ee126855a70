#include "policy/command.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

#include "base/bytes.h"
#include "base/json.h"
#include "policy/diff_command.h"
#include "policy/guard.h"
#include "policy/injection_command.h"
#include "policy/json_guard.h"
#include "policy/policy_cases.h"
#include "policy/stream_guard.h"
#include "policy/tagger/train/train_command.h"

namespace sb::policy {
namespace {

constexpr std::string_view kHelp = R"(Find and treat personal data and secrets.

  signalbox policy scan --policy FILE [FILE|-]...      where findings are, and what the policy does with them
  signalbox policy scan --policy FILE --jsonl FILE|-   one JSON line in, one line of spans out
  signalbox policy test FILE...                        run a policy's cases (policies/default.test.yaml shows how)
  signalbox policy diff OLD NEW --data DIR             what NEW would do otherwise with recorded runs (diff --help)
  signalbox policy diff OLD NEW --jsonl FILE|-         ... with texts of a file
  signalbox policy injection                           how good the classifier of injections is (injection --help)
  signalbox policy train ...                           learn the weights that find names and addresses (train --help)

Options of scan
  --policy FILE     the policy; only what its rules speak of is found
  --direction WORD  inbound (default) or outbound
  --guarded         print the text as the policy would let it pass, instead of the findings
  --jsonl FILE|-    lines {"id":...,"text":"..."}; prints {"id":...,"spans":[{"start","end","type","score"}]},
                    in Unicode code points, end exclusive; a line that cannot be read is told of, and the exit code is 1
  --chunk N         with --jsonl: feed each text in pieces of N bytes, as a stream would; the output is the same
  --fail            exit with 1 where something is found (for checks before a commit)

Findings are printed without the values: FILE:LINE:COLUMN TYPE action score rule

Examples
  git diff --cached | signalbox policy scan --policy policies/secrets.yaml --fail -
  signalbox policy scan --policy policies/gdpr.yaml --guarded letter.txt
)";

struct Options {
  std::string policy;
  Direction direction = Direction::inbound;
  bool guarded = false;
  bool fail = false;
  std::optional<std::string> jsonl;
  std::size_t chunk = 0;
  std::vector<std::string> files;
};

const std::vector<std::string> kOptions = {"--policy", "--direction", "--guarded", "--jsonl",
                                           "--chunk",  "--fail",      "--help"};

Result<std::string> read_all(std::istream& stream, std::string_view name) {
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (stream.bad()) return fail(Errc::unavailable, fmt::format("{}: cannot be read", name));
  return text;
}

Result<std::string> read_input(const std::string& name, std::istream& in) {
  if (name == "-") return read_all(in, "standard input");
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", name));
  return read_all(file, name);
}

Result<Options> parse_scan(std::span<const std::string> args) {
  Options options;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto& arg = args[i];
    const auto value = [&]() -> Result<std::string> {
      if (i + 1 >= args.size()) return fail(Errc::invalid_argument, fmt::format("{} needs a value", arg));
      return args[++i];
    };
    if (arg == "--policy") {
      SB_TRY(options.policy, value());
    } else if (arg == "--direction") {
      SB_TRY(const auto word, value());
      if (word != "inbound" && word != "outbound")
        return fail(Errc::invalid_argument, "--direction is inbound or outbound");
      options.direction = word == "inbound" ? Direction::inbound : Direction::outbound;
    } else if (arg == "--jsonl") {
      SB_TRY(options.jsonl, value());
    } else if (arg == "--chunk") {
      SB_TRY(const auto text, value());
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.chunk);
      if (error != std::errc() || end != text.data() + text.size() || options.chunk == 0) {
        return fail(Errc::invalid_argument, "--chunk is a number of bytes, at least 1");
      }
    } else if (arg == "--guarded") {
      options.guarded = true;
    } else if (arg == "--fail") {
      options.fail = true;
    } else if (arg.size() > 1 && arg[0] == '-') {
      const auto near = nearest(arg, kOptions);
      return fail(Errc::invalid_argument,
                  fmt::format("unknown option {}{}", arg, near ? "; did you mean " + *near + "?" : ""));
    } else {
      options.files.push_back(arg);
    }
  }
  if (options.policy.empty())
    return fail(Errc::invalid_argument, "--policy FILE is missing, e.g. --policy policies/default.yaml");
  if (options.chunk > 0 && !options.jsonl) return fail(Errc::invalid_argument, "--chunk goes with --jsonl");
  if (!options.jsonl && options.files.empty()) options.files.emplace_back("-");
  return options;
}

// Byte offsets, in rising order, to code points; one pass over the text.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}
  std::size_t at(std::size_t byte) {
    for (; byte_ < byte && byte_ < text_.size(); ++byte_)
      count_ += (static_cast<unsigned char>(text_[byte_]) & 0xc0) != 0x80;
    return count_;
  }

 private:
  std::string_view text_;
  std::size_t byte_ = 0;
  std::size_t count_ = 0;
};

// The hashes are not printed, so any key will do.
constexpr std::string_view kNoKey = "00000000000000000000000000000000";

Result<std::vector<GuardedFinding>> find_in(const Policy& policy, Direction direction, std::string_view text,
                                            std::size_t chunk) {
  TokenVault vault;
  GuardContext context{direction, {}, kNoKey, vault};
  if (chunk == 0) {
    SB_TRY(auto result, guard_text(policy, context, text));
    return std::move(result.findings);
  }
  StreamGuard stream(policy, context);
  for (std::size_t at = 0; at < text.size(); at += chunk) SB_CHECK(stream.feed(text.substr(at, chunk)));
  SB_CHECK(stream.finish());
  return stream.findings();
}

Result<> scan_line(const Policy& policy, const Options& options, std::string_view line, std::size_t number,
                   std::ostream& out) {
  const auto at = [&](std::string_view what) { return fmt::format("line {}: {}", number, what); };
  const auto document = parse_json(line);
  if (!document) return fail(Errc::invalid_argument, at(document.error().detail));
  const auto* text = find_member(*document, "text");
  if (!text || !text->is_string()) return fail(Errc::invalid_argument, at("needs a member \"text\" that is a string"));
  const std::string_view content = text->get_string();
  const auto found = find_in(policy, options.direction, content, options.chunk);
  if (!found) return fail(found.error().code, at(found.error().detail));
  std::string reply = "{";
  if (const auto* id = find_member(*document, "id")) reply += "\"id\":" + to_text(*id) + ",";
  reply += "\"spans\":[";
  CodePoints starts(content);  // findings come by rising begin; readings of one place end here and there
  for (const auto& [finding, action, rule, hash] : *found) {
    if (reply.back() != '[') reply += ',';
    const std::size_t start = starts.at(finding.span.begin);
    const std::size_t size = CodePoints(content.substr(finding.span.begin)).at(finding.span.size());
    fmt::format_to(std::back_inserter(reply), R"({{"start":{},"end":{},"type":"{}","score":{:.3f}}})", start,
                   start + size, finding.type, finding.score);
  }
  out << reply << "]}\n";
  return {};
}

// A line that cannot be treated is told of, and the others are.
int scan_lines(const Policy& policy, const Options& options, std::istream& in, std::ostream& out, std::ostream& err) {
  std::string line;
  int status = 0;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (trim(line).empty()) continue;
    if (const auto scanned = scan_line(policy, options, line, number, out); !scanned) {
      err << "signalbox policy: " << scanned.error().detail << '\n';
      status = 1;
    }
  }
  return status;
}

void print_findings(std::string_view name, std::string_view text, const std::vector<GuardedFinding>& findings,
                    std::ostream& out) {
  CodePoints points(text);
  std::size_t line = 1;
  std::size_t before_line = 0;  // code points
  std::size_t at = 0;
  for (const auto& found : findings) {
    for (; at < found.finding.span.begin; ++at) {
      if (text[at] == '\n') ++line, before_line = points.at(at + 1);
    }
    const auto column = points.at(found.finding.span.begin) - before_line + 1;
    out << fmt::format("{}:{}:{} {} {} {:.2f} {}\n", name, line, column, found.finding.type, to_string(found.action),
                       found.finding.score, found.rule);
  }
}

Result<int> scan(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err) {
  SB_TRY(const auto options, parse_scan(args));
  SB_TRY(const auto yaml, read_input(options.policy, in));
  SB_TRY(const auto policy, Policy::load(yaml, options.policy));
  if (options.jsonl) {
    if (*options.jsonl == "-") return scan_lines(*policy, options, in, out, err);
    std::ifstream file(*options.jsonl, std::ios::binary);
    if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", *options.jsonl));
    return scan_lines(*policy, options, file, out, err);
  }
  bool found = false;
  for (const auto& name : options.files) {
    SB_TRY(const auto text, read_input(name, in));
    TokenVault vault;
    GuardContext context{options.direction, {}, kNoKey, vault};
    // Where findings are is told of the text; what becomes of it, as the server does it.
    SB_TRY(const auto result,
           options.guarded ? guard_text_or_json(*policy, context, text) : guard_text(*policy, context, text));
    if (options.guarded)
      out << result.text;
    else
      print_findings(name, text, result.findings, out);
    found = found || !result.findings.empty();
  }
  return found && options.fail ? 1 : 0;
}

}  // namespace

int policy_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                   const PolicyTools& tools) {
  if (!args.empty() && args[0] == "train") return train_command(args.subspan(1), out, err);
  if (!args.empty() && args[0] == "injection") return injection_command(args.subspan(1), out, err, tools);
  if (!args.empty() && args[0] == "diff") return diff_command(args.subspan(1), in, out, err, tools);
  if (args.empty() || args[0] == "--help" || args[0] == "help" || std::ranges::find(args, "--help") != args.end()) {
    (args.empty() ? err : out) << kHelp;
    return args.empty() ? 2 : 0;
  }
  Result<int> status;
  if (args[0] == "scan")
    status = scan(args.subspan(1), in, out, err);
  else if (args[0] == "test")
    status = run_policy_tests(args.subspan(1), tools.scorer, out);
  else
    status = fail(Errc::invalid_argument,
                  fmt::format("unknown command \"{}\"; known: scan, test, diff, injection, train", args[0]));
  if (status) return *status;
  err << "signalbox policy: " << status.error().detail << "\n";
  return 2;
}

}  // namespace sb::policy
