/// Times the guards, one thread: p50 and p99 of single calls. See README.md.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/detect/builtin.h"
#include "policy/guard.h"
#include "policy/json_guard.h"

namespace {

using namespace sb::policy;

constexpr std::string_view kEverything = R"(
name: bench
version: 1
rules:
  - {name: all, types: ["*"], action: tokenise}
)";

// All that patterns find, and nothing that the tagger does.
std::string patterns_policy() {
  std::set<std::string_view> types;
  for (const auto& detector : make_builtin_detectors()) {
    for (const auto type : detector->types()) types.insert(type);
  }
  return fmt::format("name: patterns\nversion: 1\nrules:\n  - {{name: all, types: [{}], action: tokenise}}\n",
                     fmt::join(types, ", "));
}

constexpr std::string_view kKey = "0123456789abcdef0123456789abcdef";
constexpr int kRounds = 20'000;
constexpr int kPromptRounds = 20;
constexpr std::size_t kHostileBytes = 1 << 20;

constexpr std::string_view kProse =
    "Good morning, I would like to know why the transfer that I made last week has not arrived yet. The person at the "
    "branch told me that it would take two working days at most, and we are well past that now. Could you please look "
    "into it and let me know what happened? If there is a form that I have to fill in, just send it over. ";
constexpr std::string_view kMixed =
    "Hello, this is about order 48213377 of 2024-03-18, total 1,299.00 EUR. Please write to jane.doe@pages.org or call "
    "+44 20 7946 0123 after 17:30. The card was 5553 3314 7893 2881 (exp 12/27), the account DE89 3704 0044 0532 0130 "
    "00. "
    "Version 2.14.3 of the app shows error E-4041 at https://shop.example/cart?id=77121&step=3, see ticket #99213. ";

constexpr std::string_view kNamed =
    "My name is Marta Lindqvist and I ordered a lamp for my mother, Eva Lindqvist, Rosenweg 14, 20144 Hamburg. Your "
    "colleague Tomasz from the Lisbon office of Harper Logistics said that it had left on Monday, but nothing has come "
    "so far. Could Mr. Okonkwo please call me on +44 20 7946 0123, or write to marta@pages.org? Thank you, Marta. ";

std::string repeated(std::string_view unit, std::size_t size) {
  std::string text;
  while (text.size() < size) text += unit;
  text.resize(size);
  return text;
}

void measure(std::string_view name, const std::function<void()>& call) {
  std::vector<double> us(kRounds);
  for (int i = 0; i < kRounds / 10; ++i) call();
  for (auto& one : us) {
    const auto begin = std::chrono::steady_clock::now();
    call();
    one = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  }
  std::ranges::sort(us);
  fmt::print("{:<44} p50 {:8.2f} us   p99 {:8.2f} us\n", name, us[kRounds / 2], us[kRounds * 99 / 100]);
}

std::string chat_request(std::string_view text) {
  std::string out =
      R"({"model":"auto","temperature":0.2,"messages":[{"role":"system","content":"You are a helpful clerk."},)"
      R"({"role":"user","content":)";
  sb::append_json_string(out, text);
  return out + R"(}],"stream":true,"max_tokens":512})";
}

std::string chunk(std::string_view text) {
  std::string out = R"({"id":"chatcmpl-9f1","object":"chat.completion.chunk","created":1717171717,"model":"m-large",)"
                    R"("choices":[{"index":0,"delta":{"content":)";
  sb::append_json_string(out, text);
  return out + R"(},"logprobs":null,"finish_reason":null}]})";
}

// One scan of every prompt, kPromptRounds times over: real traffic, so that neither branches nor caches know the text.
void measure_prompts(const Policy& policy, std::string_view name, const std::vector<std::string>& prompts) {
  ScanResult scan;
  std::vector<double> us;
  std::size_t findings = 0;
  for (int round = 0; round <= kPromptRounds; ++round) {
    for (const auto& prompt : prompts) {
      scan.names.known.clear();
      const auto begin = std::chrono::steady_clock::now();
      policy.scanner(Direction::inbound).scan(prompt, {}, scan);
      const auto end = std::chrono::steady_clock::now();
      if (round == 0) continue;  // warms up
      us.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
      findings += scan.findings.size();
    }
  }
  std::ranges::sort(us);
  fmt::print("{:<44} p50 {:8.2f} us   p99 {:8.2f} us   findings a prompt {:.1f}\n", name, us[us.size() / 2],
             us[us.size() * 99 / 100], static_cast<double>(findings) / static_cast<double>(us.size()));
}

// Nanoseconds of the processor a byte of a text that is `unit` over and over, the best of three scans.
double cost_of(const Policy& policy, std::string_view unit, std::size_t size) {
  const std::string text = repeated(unit, size);
  ScanResult scan;
  std::clock_t best = std::numeric_limits<std::clock_t>::max();
  for (int i = 0; i < 3; ++i) {
    scan.names.known.clear();
    const std::clock_t begin = std::clock();
    for (std::size_t done = 0; done < kHostileBytes; done += size)
      policy.scanner(Direction::inbound).scan(text, {}, scan);
    best = std::min(best, std::clock() - begin);
  }
  return static_cast<double>(best) * 1e9 / CLOCKS_PER_SEC / kHostileBytes;
}

// The dearest texts we know of units of one to three characters, and some that look dear. What grows with the size is
// not linear.
void measure_hostile(const Policy& policy, std::string_view what) {
  constexpr std::size_t kSmall = 16 << 10;
  const double plain = cost_of(policy, kProse, kHostileBytes);
  fmt::print("{:<44} {:8.2f} ns/B\n", fmt::format("prose{}, 1 MB", what), plain);
  for (const std::string_view unit : {"7", "1 ", "1-", "@", "a@", "a.", "-----BEGIN ", "password=", "[A_1",
                                      "://:", "DE12 ", "9\n", "1)", "(-%34", "\xe2\x80\x8b", "&#x34;", "\\u0034"}) {
    const double large = cost_of(policy, unit, kHostileBytes);
    std::string name;
    for (const char c : unit) name += c == '\n' ? "\\n" : std::string(1, c);
    fmt::print("{:<44} {:8.2f} ns/B   x{:.1f} of prose   x{:.2f} of 16 KB\n",
               fmt::format("hostile{}: \"{}\"", what, name), large, large / plain,
               large / cost_of(policy, unit, kSmall));
  }
}

// "--prompts FILE": {"text"} lines.
std::vector<std::string> read_prompts(const char* path) {
  std::ifstream in(path);
  std::vector<std::string> prompts;
  for (std::string line; std::getline(in, line);) {
    const auto value = sb::parse_json(line).value();
    prompts.emplace_back(value.at("text").as_string());
  }
  return prompts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--print") {  // the text that another program is timed with
    const std::string_view which = argv[2];
    fmt::print("{}", repeated(which == "clean" ? kProse : which == "named" ? kNamed : kMixed, 2048));
    return 0;
  }
  const auto policy = *Policy::load(patterns_policy(), "patterns");
  const auto everything = *Policy::load(kEverything, "everything");
  const std::string clean = repeated(kProse, 2048);
  const std::string mixed = repeated(kMixed, 2048);
  if (argc == 3 && std::string_view(argv[1]) == "--prompts") {
    const auto prompts = read_prompts(argv[2]);
    if (prompts.empty()) return fmt::print(stderr, "policy_bench: no prompts in {}\n", argv[2]), 2;
    measure_prompts(*policy, fmt::format("scan, {} real prompts of 2 KB", prompts.size()), prompts);
    measure_prompts(*everything, fmt::format("scan, names too, {} real prompts of 2 KB", prompts.size()), prompts);
    return 0;
  }
  TokenVault vault;
  GuardContext context{Direction::inbound, "acme", kKey, vault};
  ScanResult scan;
  measure("scan, 2 KB clean", [&] { policy->scanner(Direction::inbound).scan(clean, {}, scan); });
  measure("scan, 2 KB mixed", [&] { policy->scanner(Direction::inbound).scan(mixed, {}, scan); });
  fmt::print("{:<44} {}\n", "  findings in it", scan.findings.size());
  const std::string named = repeated(kNamed, 2048);
  for (const auto& [name, text] :
       {std::pair("clean", &clean), std::pair("mixed", &mixed), std::pair("named", &named)}) {
    measure(fmt::format("scan, names too, 2 KB {}", name),
            [&] { everything->scanner(Direction::inbound).scan(*text, {}, scan); });
    fmt::print("{:<44} {}\n", "  findings in it", scan.findings.size());
  }
  measure("guard_text, 2 KB clean", [&] { (void)guard_text(*policy, context, clean); });
  measure("guard_text, 2 KB mixed", [&] { (void)guard_text(*policy, context, mixed); });
  const std::string clean_body = chat_request(clean);
  const std::string mixed_body = chat_request(mixed);
  measure("guard_json, chat request 2 KB clean",
          [&] { (void)guard_json(*policy, context, clean_body, JsonProfile::chat_request); });
  measure("guard_json, chat request 2 KB mixed",
          [&] { (void)guard_json(*policy, context, mixed_body, JsonProfile::chat_request); });
  context.direction = Direction::outbound;
  const std::vector<std::string> chunks = {chunk(" the"), chunk(" transfer"), chunk(" arrived"),
                                           chunk(","),    chunk(" 48"),       chunk(" days")};
  auto stream = std::make_unique<ChatStreamGuard>(*policy, context);
  std::size_t next = 0;
  measure("chat stream chunk", [&] { (void)stream->feed(chunks[next++ % chunks.size()]); });
  measure_hostile(*policy, "");
  measure_hostile(*everything, ", names too");
}
