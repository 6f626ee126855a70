// What a stream holds while it waits for its next piece: a server has thousands of them. Counted is every byte that is
// allocated for it, the guard itself and what the allocator adds included.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/stream_guard.h"
#include "policy/test_policies.h"

namespace {

std::atomic<std::int64_t> heap_bytes{0};

// A chunk of glibc has its size before it.
std::int64_t size_of(void* chunk) {
  return chunk ? static_cast<std::int64_t>(malloc_usable_size(chunk) + sizeof(std::size_t)) : 0;
}

}  // namespace

void* operator new(std::size_t size) {
  void* const chunk = std::malloc(size);
  if (!chunk) throw std::bad_alloc();
  heap_bytes += size_of(chunk);
  return chunk;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  void* const chunk = std::malloc(size);
  heap_bytes += size_of(chunk);
  return chunk;
}
void operator delete(void* chunk) noexcept {
  heap_bytes -= size_of(chunk);
  std::free(chunk);
}
void operator delete(void* chunk, std::size_t) noexcept {
  operator delete(chunk);
}

namespace sb::policy {
namespace {

std::string repeated_text(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

struct HostileText {
  const char* name;
  std::string text;
};

// Texts that make a stream keep as much as it can.
std::vector<HostileText> hostile_texts() {
  std::string names;
  for (const char* first : {"Anna", "Peter", "Maria", "Thomas", "Laura", "Daniel", "Sofia", "Martin"}) {
    for (const char* last : {"Schneider", "Johnson", "Rossi", "Dubois", "Kowalski", "Lindqvist"})
      names += std::string("My name is ") + first + " " + last + ". ";
  }
  const std::string key = repeated_text("aB3xZ9qW7", 480);
  std::string escaped;
  for (const char c : key) escaped += "\\u00" + std::string(1, "0123456789abcdef"[c >> 4]) + "0123456789abcdef"[c & 15];
  return {
      {"prose", repeated_text("The meeting of the group was moved to a later hour and nobody minded it much. ", 4000)},
      {"full-width digits", repeated_text("\xef\xbc\x94", 4000)},
      {"percent", repeated_text("%34", 4000)},
      {"JSON escapes", repeated_text("\\u0034", 4000)},
      {"HTML escapes", repeated_text("&#000052;", 4000)},
      {"zero width", repeated_text("4\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b", 4000)},
      {"escapes that vanish", repeated_text("&#x34;&shy;", 4000)},
      {"four bytes a character", repeated_text("\xf0\x9f\x98\x80", 4000)},
      {"many names", names},
      {"a long address",
       "see https://" + repeated_text("some-very-long-host.", 300) + "org/" + repeated_text("path/", 180)},
      {"a key in work", "token ghp_" + key},
      {"an endless key", "token ghp_" + repeated_text(key, 4000)},
      {"a key in escapes", "password: \"" + escaped.substr(0, 500)},
      {"a private key",
       "-----BEGIN RSA PRIVATE KEY-----\n" + repeated_text("MIIB+x/9abcDEF0123456789MIIB+x/9abcDEF0123456789\n", 440)},
      {"a private key in escapes", "-----BEGIN RSA PRIVATE KEY-----\\n" +
                                       repeated_text("MIIB+x/9abcDEF0123456789MIIB+x/9\\u0061\\u0062", 440) +
                                       repeated_text("&#x22;&#x2b;", 330)},
      {"a long private key", "-----BEGIN RSA PRIVATE KEY-----\n" + repeated_text("MIIB+x/9abcDEF0123456789\n", 4000)},
      {"a private key of line ends", "-----BEGIN RSA PRIVATE KEY-----\n" + repeated_text("MI\n", 12000)}};
}

// What the thread lends every stream is not its own: a first one makes it grow. Findings are no state but what a stream
// has to tell; these have one at most.
template <class Guard>
std::size_t most_bytes(const Policy& policy, const std::vector<std::string>& pieces) {
  TokenVault vault;
  auto context = test::context_for(vault, Direction::outbound);
  std::size_t most = 0;
  for (const bool counts : {false, true}) {
    const std::int64_t before = heap_bytes;
    const auto guard = std::make_unique<Guard>(policy, context);
    for (const auto& piece : pieces) {
      EXPECT_TRUE(guard->feed(piece));
      if (!counts) continue;
      const std::int64_t now = heap_bytes;
      const auto told = guard->findings().size() * sizeof(GuardedFinding);
      most = std::max(most, static_cast<std::size_t>(now - before) - told);
    }
  }
  return most;
}

std::vector<std::string> cut(std::string_view text, std::size_t size) {
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size(); at += size) pieces.emplace_back(text.substr(at, size));
  return pieces;
}

std::shared_ptr<const Policy> policy() {
  return test::load(
      "{name: look, version: 1, rules: [{types: [PERSON], action: redact, min_score: 0.9999}, {types: [SECRET], "
      "action: "
      "redact}]}");
}

TEST(StreamState, OfATextIsBelowAKilobyte) {
  const auto looks = policy();
  for (const auto& [name, text] : hostile_texts()) {
    for (const std::size_t size : {1U, 5U, 700U}) {
      const auto bytes = most_bytes<StreamGuard>(*looks, cut(text, size));
      EXPECT_LE(bytes, 1024U) << name << " in pieces of " << size;
    }
  }
}

std::string as_json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string chunk(std::string_view delta) {
  return R"({"id":"chatcmpl-123","object":"chat.completion.chunk","choices":[{"index":0,"delta":)" +
         std::string(delta) + "}]}";
}

std::vector<std::string> chunks(std::string_view text, std::size_t size, std::string_view before,
                                std::string_view behind) {
  auto pieces = cut(text, size);
  for (auto& piece : pieces) piece = chunk(std::string(before) + as_json(piece) + std::string(behind));
  return pieces;
}

struct Answer {
  const char* what;
  std::string before, behind;  // of a piece, in a chunk's delta
  int json_strings;            // in which the text stands, one in the other
  std::size_t of_prose, most;  // bytes; a field more in what each of them keeps is felt
};

std::vector<Answer> answers() {
  const std::string call = R"({"tool_calls":[{"index":0,"function":{"arguments":)";
  return {{"content", R"({"content":)", "}", 0, 640, 1232},
          {"an argument", call, "}}]}", 1, 832, 1552},
          {"JSON in an argument", call, "}}]}", 2, 1024, 1968}};
}

std::size_t most_bytes(const Policy& policy, const Answer& answer, std::string text) {
  for (int i = 0; i < answer.json_strings; ++i) text = R"({"text":)" + as_json(text);
  return most_bytes<ChatStreamGuard>(policy, chunks(text, 5, answer.before, answer.behind));
}

// Beside its text each has what says where it stands: in which choice, in which strings, under which names.
TEST(StreamState, OfAnAnswerOfProseIsBelowAKilobyte) {
  const auto looks = policy();
  for (const auto& answer : answers())
    EXPECT_LE(most_bytes(*looks, answer, hostile_texts().front().text), answer.of_prose) << answer.what;
}

TEST(StreamState, OfAnAnswerIsBounded) {
  const auto looks = policy();
  for (const auto& [name, text] : hostile_texts()) {
    for (const auto& answer : answers())
      EXPECT_LE(most_bytes(*looks, answer, text), answer.most) << name << " as " << answer.what;
  }
  const auto deep = repeated_text(R"({"a_member_with_a_long_name_of_its_own":[)", 32 * 40);
  EXPECT_LE(most_bytes<ChatStreamGuard>(*looks, chunks(deep, 5, R"({"content":)", "}")), 1600U);
}

// What begins a value that is held back, and what may stand in it, however it is written.
std::string made_text(std::mt19937& random) {
  constexpr const char* kOpeners[] = {"",
                                      "My name is Anna Schneider. ",
                                      "see https://some-host.org/",
                                      "token ghp_",
                                      "password: \"",
                                      "-----BEGIN RSA PRIVATE KEY-----\n",
                                      "-----BEGIN RSA PRIVATE KEY-----\\n",
                                      "the card 4111 1111 "};
  constexpr const char* kUnits[] = {"4",       "aB3xZ9qW7", "MI\n",
                                    "\n",      "\t\"",      "\xef\xbc\x94",
                                    "%34",     "\\u0034",   "&#000052;",
                                    "&shy;",   "/",         "\xe2\x80\x8b",
                                    "&#x22;",  "\\u0061\n", "\xf0\x9f\x98\x80",
                                    "a word ", "\\n",       "MIIB+x/9abcDEF"};
  const auto one_of = [&random](const auto& many) { return many[random() % std::size(many)]; };
  std::string text = one_of(kOpeners);
  for (int part = 0; part < 3; ++part)
    text += repeated_text(std::string(one_of(kUnits)) + one_of(kUnits), random() % 500);
  return text;
}

TEST(StreamState, NoneOfManyMadeTextsKeepsMore) {
  const auto looks = policy();
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    const auto text = made_text(random);
    for (const auto& answer : answers())
      EXPECT_LE(most_bytes(*looks, answer, text), answer.most) << "seed=" << seed << " as " << answer.what;
  }
}

}  // namespace
}  // namespace sb::policy
