// Programs and inputs from a seeded grammar, evaluated here and by the `jq` program; outputs must be the same.
//
// Debian's jq is 1.6: what 1.7 changed is kept out of the grammar (what limit(0; f), empty updates and `try` in front
// of a pipe that fails do, error(null), number literals beyond 2^53, ltrimstr on other kinds, implode of bad
// codepoints). Error texts are not compared.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/clock.h"
#include "jq/program.h"
#include "jq/text.h"

namespace sb::jq {
namespace {

class Grammar {
 public:
  explicit Grammar(std::uint64_t seed) : entropy_(seed) {}

  std::string program() { return pipe(3); }

  std::string value(int depth) {
    switch (pick(depth > 0 ? 8 : 6)) {
      case 0:
        return "null";
      case 1:
        return pick(2) ? "true" : "false";
      case 2:
        return std::to_string(static_cast<int>(pick(9)) - 3);
      case 3:
        return one({"0.5", "1.25", "-2.5", "1000000", "3"});
      case 4:
      case 5:
        return one({"\"a\"", "\"b\"", "\"\"", "\"a,b\"", "\"caf\u00e9 <&>\"", "\"12\"", "\"x y\""});
      case 6: {
        std::string text = "[";
        for (std::size_t i = pick(4); i > 0; --i) text += value(depth - 1) + (i > 1 ? "," : "");
        return text + "]";
      }
      default: {
        std::string text = "{";
        bool first = true;
        for (const char* key : {"a", "b", "c"})
          if (pick(2))
            text += (std::exchange(first, false) ? "\"" : ",\"") + std::string(key) + "\":" + value(depth - 1);
        return text + "}";
      }
    }
  }

 private:
  std::size_t pick(std::size_t count) { return entropy_.next_u64() % count; }
  std::string one(std::initializer_list<const char*> choices) { return choices.begin()[pick(choices.size())]; }

  std::string pipe(int depth) { return pick(3) ? term(depth) : term(depth) + " | " + term(depth); }
  std::string in(int depth) { return "(" + pipe(depth - 1) + ")"; }

  std::string path(int depth) {
    switch (pick(depth > 0 ? 12 : 6)) {
      case 0:
        return ".a";
      case 1:
        return ".b";
      case 2:
        return ".[]?";
      case 3:
        return ".[0]?";
      case 4:
        return ".[-1]?";
      case 5:
        return ".";
      case 6:
        return "(" + path(depth - 1) + " | " + path(depth - 1) + ")";
      case 7:
        return "(" + path(depth - 1) + ", " + path(depth - 1) + ")";
      case 8:
        return "(.. | select(" + in(depth) + "))";
      case 9:
        return "first(" + path(depth - 1) + ")";
      case 10:
        return "(if " + in(depth) + " then " + path(depth - 1) + " else " + path(depth - 1) + " end)";
      default:
        return "(" + path(depth - 1) + ")[1:]?";
    }
  }

  std::string leaf() {
    switch (pick(6)) {
      case 0:
        return value(1);
      case 1:
        return path(0);
      case 2:
        return one(
            {"length", "keys", "type", "not", "tojson", "tostring", "add", "sort", "unique", "reverse", "min", "max"});
      case 3:
        return one({"ascii_upcase", "explode", "tonumber", "flatten", "transpose", "to_entries", "from_entries", "any",
                    "all", "floor"});
      case 4:
        return one({"[paths]",       "[..]",       "first",    "last",   "@base64", "@html",
                    "@uri",          "@json",      "@text",    "@csv",   "@sh",     "[.[]?]",
                    "keys_unsorted", "[tostream]", "fromjson", "values", "scalars", "ascii_downcase",
                    "[leaf_paths]",  "sqrt",       "empty"});
      default:
        return ".";
    }
  }

  std::string term(int depth) {
    if (depth <= 0) return leaf();
    const auto sub = [&] { return in(depth); };
    switch (pick(34)) {
      case 0:
        return "(" + sub() + ", " + sub() + ")";
      case 1:
        return "(" + sub() + one({" + ", " - ", " * ", " / ", " % "}) + sub() + ")";
      case 2:
        return "(" + sub() + one({" == ", " != ", " < ", " <= ", " > ", " >= "}) + sub() + ")";
      case 3:
        return "(" + sub() + one({" and ", " or ", " // "}) + sub() + ")";
      case 4:
        return "[" + sub() + "]";
      case 5:
        return "{a: " + sub() + ", b: " + sub() + "}";
      case 6:
        return "{(" + sub() + " | tostring): " + sub() + "}";
      case 7:
        return "(if " + sub() + " then " + sub() + " else " + sub() + " end)";
      case 8:
        return "[try " + sub() + " catch \"E\"]";
      case 9:
        return "[(" + sub() + ")?]";
      case 10:
        return "(reduce " + sub() + " as $x (" + sub() + "; [., $x]))";
      case 11:
        return "[foreach " + sub() + " as $x (" + sub() + "; [$x, .]; " + sub() + ")]";
      case 12:
        return "(" + sub() + " as $x | " + sub() + " | [., $x])";
      case 13:
        return "(" + sub() + " as [$x, {a: $y}] | [$y, $x])";
      case 14:
        return "\"<\\(" + sub() + ")-\\(" + sub() + ")>\"";
      case 15:
        return "map(" + sub() + ")";
      case 16:
        return "[.[]? | select(" + sub() + ")]";
      case 17:
        return one({"sort_by(", "group_by(", "unique_by(", "min_by(", "max_by("}) + sub() + ")";
      case 18:
        return "[path(" + path(depth) + ")]";
      case 19:
        return "(" + path(depth) + " = " + sub() + ")";
      case 20:
        return "(" + path(depth) + " |= ([" + sub() + "] | tojson))";
      case 21:
        return "(" + path(depth) + one({" += ", " -= ", " *= ", " //= "}) + sub() + ")";
      case 22:
        return "del(" + path(depth) + ")";
      case 23:
        return "(objects | with_entries(.value |= [" + sub() + "]))";
      case 24:
        return "[limit(2; " + sub() + ")]";
      case 25:
        return "(def f(g): [g, (g | g)]; f(" + sub() + "))";
      case 26:
        return "(def f($p; q): [$p, q]; f(" + sub() + "; " + sub() + "))";
      case 27:
        return "[label $out | " + sub() + " | ., (select(" + sub() + ") | break $out)]";
      case 28:
        return one({"contains(", "inside(", "has(", "indices(", "index(", "join(", "startswith("}) + sub() + ")";
      case 29:
        return "(.[" + sub() + "]?)";
      case 30:
        return "(.[" + sub() + ":" + sub() + "]?)";
      case 31:
        return "[getpath([" + sub() + "])?]";
      case 32:
        return "[walk(" +
               one({"if type == \"number\" then . + 1 else . end", "if type == \"array\" then sort else . end", "."}) +
               ")]";
      default:
        return "[first(" + sub() + "), isempty(" + sub() + "), any(" + sub() + "; .)]";
    }
  }

  SeededEntropy entropy_;
};

struct Pair {
  std::string program;
  std::string input;
};

// One jq process evaluates a batch: each program in its own function, its outputs and a mark for an error.
std::vector<std::string> ask_jq(const std::vector<Pair>& batch) {
  std::string source;
  for (std::size_t i = 0; i < batch.size(); ++i)
    source += "def t" + std::to_string(i) + ": " + batch[i].program + ";\n";
  source += "[";
  for (std::size_t i = 0; i < batch.size(); ++i)
    source += (i ? ",\n" : "") + std::string("[try (") + batch[i].input + " | t" + std::to_string(i) +
              " | [.]) catch \"error\"]";
  source += "] | .[] | tojson";
  const auto directory = std::filesystem::temp_directory_path() / ("sb-jq-" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  const auto file = directory / "programs.jq";
  std::ofstream(file) << source;
  std::vector<std::string> lines;
  if (FILE* pipe = popen(("jq -nr -f " + file.string() + " 2>" + (directory / "err").string()).c_str(), "r")) {
    std::string text;
    char buffer[4096];
    while (const std::size_t size = fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, size);
    pclose(pipe);
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      lines.push_back(text.substr(at, end - at));
      at = end == std::string::npos ? text.size() : end + 1;
    }
  }
  if (lines.size() != batch.size()) {
    std::ifstream err(directory / "err");
    ADD_FAILURE() << "jq: " << std::string(std::istreambuf_iterator<char>(err), {}).substr(0, 2000);
  }
  std::filesystem::remove_all(directory);
  return lines;
}

bool same(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    const double x = to_double(a), y = to_double(b);
    return x == y || std::abs(x - y) <= 1e-12 * std::abs(x);
  }
  if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), same);
  if (a.is_object() && b.is_object())
    return a.get_object().size() == b.get_object().size() &&
           std::ranges::all_of(a.get_object(), [&](const auto& entry) {
             const auto* other = b.get_object().if_contains(entry.key());
             return other && same(entry.value(), *other);
           });
  return equal(a, b);
}

TEST(Differential, AgreesWithTheJqProgram) {
  if (std::system("command -v jq >/dev/null 2>&1") != 0) GTEST_SKIP() << "no jq on PATH";
  const char* wanted = std::getenv("SB_JQ_PAIRS");
  const std::size_t pairs = wanted ? std::strtoul(wanted, nullptr, 10) : 600;
  const char* seed_text = std::getenv("SB_SEED");
  const std::uint64_t seed = seed_text ? std::strtoull(seed_text, nullptr, 10) : 1;
  constexpr std::size_t kBatch = 25;
  std::size_t compared = 0, failures = 0, errors = 0;
  for (std::size_t done = 0; done < pairs && failures < 20; done += kBatch) {
    Grammar grammar(seed + done);
    std::vector<Pair> batch;
    for (std::size_t i = 0; i < kBatch; ++i) batch.push_back({grammar.program(), grammar.value(3)});
    const auto answers = ask_jq(batch);
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const auto program = Program::compile("[try ((" + batch[i].program + ") | [.]) catch \"error\"]");
      ASSERT_TRUE(program) << batch[i].program << ": " << program.error().detail;
      const auto mine = program->eval_one(*parse_json(batch[i].input));
      const auto theirs = parse_json(answers[i]);
      if (!theirs) continue;  // nested deeper than our parser takes
      ++compared;
      errors += answers[i].find("\"error\"") != std::string::npos;
      if (mine && same(*mine, *theirs)) continue;
      ++failures;
      ADD_FAILURE() << "seed " << seed + done << "\n  " << batch[i].program << "\n  of " << batch[i].input
                    << "\n  jq:   " << answers[i] << "\n  here: " << (mine ? dump(*mine) : mine.error().detail);
    }
  }
  printf("%zu pairs compared, %zu of them raising an error\n", compared, errors);
  EXPECT_GT(compared, pairs / 2);
}

}  // namespace
}  // namespace sb::jq
