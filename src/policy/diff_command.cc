#include "policy/diff_command.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <istream>
#include <map>
#include <ostream>
#include <vector>

#include "base/bytes.h"
#include "policy/policy_diff.h"

namespace sb::policy {
namespace {

constexpr std::string_view kDiffHelp = R"(What another version of a policy would have done with traffic.

  signalbox policy diff OLD NEW --data DIR         with the runs recorded in a data directory, beside its server
  signalbox policy diff OLD NEW --jsonl FILE|-     with lines {"id":...,"text":"..."} or {"id":...,"input":{chat request}}

Prints a line for each text that would change, and the sums. No value is ever printed: a place, a type, an action.
Exit status: 0 nothing would change, 1 something would, 2 it could not be told.

  --direction WORD   inbound (towards a model) or outbound; --data: both unless named, --jsonl: inbound
  --since, --until   with --data: runs begun in that time: 2026-11-23, 2026-11-23T18:00:00Z, or how long ago: 90m 24h 7d
  --flow NAME        with --data: "namespace/name"; chats are signalbox/chat
  --tenant NAME      with --data
  --limit N          with --data: the newest N runs
  --master-key REF   with --data: env:NAME or file:PATH, where the server has one of its own
  --url URL          with --data: the server that works on DIR: it puts on record who reads, by the API key in
  --key-file FILE    FILE (else SIGNALBOX_API_KEY), which may read the audit log. Without a server: "local" does

Recorded texts were treated when they came. What was tokenised or encrypted is put back in memory, so that both policies
see what came; what was masked, redacted, replaced or hashed is gone, and is counted at the end: of it no policy can say
anything. Answers stand as the model gave them, with placeholders for what the caller sent. Runs whose content was
erased are counted and left out.

Example
  signalbox policy diff policies/default.yaml new.yaml --data /var/lib/signalbox --since 7d --url http://127.0.0.1:8080 --key-file auditor.key
)";

const std::vector<std::string> kDiffOptions = {"--data",       "--jsonl", "--direction", "--since",
                                               "--until",      "--flow",  "--tenant",    "--limit",
                                               "--master-key", "--url",   "--key-file",  "--help"};
const std::vector<std::string> kOfData = {"--since", "--until",      "--flow", "--tenant",
                                          "--limit", "--master-key", "--url",  "--key-file"};
constexpr std::chrono::seconds kTellEvery{5};

struct Line {
  std::vector<std::string> policies;
  std::map<std::string, std::string, std::less<>> options;

  std::string get(std::string_view name) const {
    const auto found = options.find(name);
    return found == options.end() ? std::string() : found->second;
  }
};

Result<Line> parse(std::span<const std::string> args) {
  Line line;
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto& arg = args[i];
    if (!arg.starts_with("--")) {
      line.policies.push_back(arg);
      continue;
    }
    if (std::ranges::find(kDiffOptions, arg) == kDiffOptions.end()) {
      const auto near = nearest(arg, kDiffOptions);
      return fail(Errc::invalid_argument,
                  fmt::format("unknown option {}{}", arg, near ? "; did you mean " + *near + "?" : ""));
    }
    if (i + 1 == args.size()) return fail(Errc::invalid_argument, fmt::format("{} needs a value", arg));
    line.options[arg] = args[++i];
  }
  const bool of_data = line.options.contains("--data");
  if (line.policies.size() != 2 || of_data == line.options.contains("--jsonl"))
    return fail(Errc::invalid_argument,
                "diff needs two policies and --data DIR or --jsonl FILE, e.g. diff old.yaml new.yaml --jsonl -");
  for (const auto& name : kOfData) {
    if (!of_data && line.options.contains(name))
      return fail(Errc::invalid_argument, fmt::format("{} goes with --data", name));
  }
  return line;
}

Result<std::optional<Direction>> direction_of(const Line& line) {
  const auto word = line.get("--direction");
  if (word.empty()) return std::nullopt;
  if (word != "inbound" && word != "outbound")
    return fail(Errc::invalid_argument, "--direction is inbound or outbound");
  return word == "inbound" ? Direction::inbound : Direction::outbound;
}

template <class Number>
std::optional<Number> number_in(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<TrafficFilter> filter_of(const Line& line) {
  TrafficFilter filter;
  filter.data = line.get("--data");
  filter.master_key = line.get("--master-key");
  filter.url = line.get("--url");
  filter.key_file = line.get("--key-file");
  filter.tenant = line.get("--tenant");
  filter.flow = line.get("--flow");
  SB_TRY(filter.direction, direction_of(line));
  const Micros now = system_clock().now_us();
  for (const auto& [name, moment] : {std::pair{"--since", &filter.since_us}, std::pair{"--until", &filter.until_us}}) {
    const auto text = line.get(name);
    if (text.empty()) continue;
    const auto parsed = parse_moment(text, now);
    if (!parsed) return fail(Errc::invalid_argument, fmt::format("{}: {}", name, parsed.error().detail));
    *moment = *parsed;
  }
  if (const auto text = line.get("--limit"); !text.empty()) {
    const auto limit = number_in<std::uint64_t>(text);
    if (!limit || *limit == 0) return fail(Errc::invalid_argument, "--limit is a number of runs, at least 1");
    filter.limit = *limit;
  }
  return filter;
}

Result<std::shared_ptr<const Policy>> load_policy(const std::string& name) {
  std::ifstream file(name, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", name));
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  return Policy::load(yaml, name);
}

Result<> over_file(PolicyDiff& diff, const Line& line, std::istream& in) {
  SB_TRY(const auto direction, direction_of(line));
  const auto name = line.get("--jsonl");
  std::ifstream file;
  if (name != "-") {
    file.open(name, std::ios::binary);
    if (!file) return fail(Errc::not_found, fmt::format("{}: no such file, or not readable", name));
  }
  return diff_lines(diff, direction.value_or(Direction::inbound), name == "-" ? in : file);
}

Result<TrafficSums> over_runs(PolicyDiff& diff, const Line& line, const ReadTraffic& recorded, std::ostream& err) {
  SB_TRY(const auto filter, filter_of(line));
  if (!recorded) return fail(Errc::unsupported, "--data is not to be had here: this program cannot open runs");
  using Clock = std::chrono::steady_clock;
  auto told = Clock::now();
  return recorded(filter, [&](const RecordedText& text) -> Result<> {
    if (auto compared = diff.compare(text); !compared)
      return fail(compared.error().code, fmt::format("{}: {}", text.id, compared.error().detail));
    if (Clock::now() - told >= kTellEvery) {
      told = Clock::now();
      err << fmt::format("{} texts compared, {} would change\n", diff.compared(), diff.changed()) << std::flush;
    }
    return {};
  });
}

void tell(const TrafficSums& sums, std::ostream& out) {
  out << fmt::format("{} runs read", sums.runs);
  if (sums.erased > 0) out << fmt::format("; {} more were erased", sums.erased);
  out << '\n';
  if (sums.still_sealed > 0)
    out << fmt::format("{} texts hold encrypted values that do not open with these keys\n", sums.still_sealed);
  for (const auto& [what, count] : sums.taken_out)
    out << fmt::format("not known: {} values taken out when recorded ({})\n", count, what);
}

Result<int> run(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                const PolicyTools& tools) {
  SB_TRY(const auto line, parse(args));
  SB_TRY(const auto before, load_policy(line.policies[0]));
  SB_TRY(const auto after, load_policy(line.policies[1]));
  PolicyDiff difference(*before, *after, tools.scorer, out);
  if (line.options.contains("--data")) {
    SB_TRY(const auto sums, over_runs(difference, line, tools.recorded, err));
    difference.finish();
    tell(sums, out);
  } else {
    SB_CHECK(over_file(difference, line, in));
    difference.finish();
  }
  return difference.changed() > 0 ? 1 : 0;
}

}  // namespace

Result<Micros> parse_moment(std::string_view text, Micros now_us) {
  using namespace std::chrono;
  const auto wrong = [&] {
    return fail(
        Errc::invalid_argument,
        fmt::format("\"{}\" is no time: 2026-11-23, 2026-11-23T18:07:56Z, or how long ago: 90m, 24h, 7d", text));
  };
  const std::map<char, seconds> units = {{'m', minutes(1)}, {'h', hours(1)}, {'d', days(1)}};
  if (const auto unit = units.find(text.empty() ? '\0' : text.back()); unit != units.end()) {
    const auto count = number_in<std::uint32_t>(text.substr(0, text.size() - 1));
    if (!count) return wrong();
    return now_us - duration_cast<microseconds>(*count * unit->second).count();
  }
  constexpr std::string_view kForm = "0000-00-00T00:00:00Z";
  if (text.size() != 10 && text.size() != kForm.size()) return wrong();
  int numbers[6] = {};
  std::size_t part = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == '0' ? !digit : text[i] != kForm[i]) return wrong();
    if (digit)
      numbers[part] = numbers[part] * 10 + (text[i] - '0');
    else
      ++part;
  }
  const auto& [y, mo, d, h, mi, s] = numbers;
  const year_month_day date(year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d)));
  if (!date.ok() || h > 23 || mi > 59 || s > 59) return wrong();
  const auto moment = sys_days(date) + hours(h) + minutes(mi) + seconds(s);
  return duration_cast<microseconds>(moment.time_since_epoch()).count();
}

int diff_command(std::span<const std::string> args, std::istream& in, std::ostream& out, std::ostream& err,
                 const PolicyTools& tools) {
  if (std::ranges::find(args, "--help") != args.end()) {
    out << kDiffHelp;
    return 0;
  }
  const auto status = run(args, in, out, err, tools);
  if (status) return *status;
  err << "signalbox policy diff: " << status.error().detail << '\n';
  return 2;
}

}  // namespace sb::policy
