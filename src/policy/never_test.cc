// What must never happen, tried: a detector that fails, that opens a socket; text made to cost.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>

#include "base/json.h"
#include "policy/chat_stream_guard.h"
#include "policy/json_guard.h"
#include "policy/test_policies.h"

namespace sb::policy {
namespace {

/// Sees every '#' and cannot bear it.
class Faulty final : public Detector {
 public:
  std::string_view name() const override { return "faulty"; }
  bool reports(std::string_view type) const override { return type == "FAULT"; }
  std::string_view wake_bytes() const override { return "#"; }
  void verify(ScanWindow&, std::size_t, Findings&) const override { throw std::runtime_error("secret words"); }
};

std::shared_ptr<const Policy> faulty_policy() {
  return *Policy::load("{name: p, version: 1, rules: [{types: ['*'], action: redact}]}", "p",
                       {std::make_shared<Faulty>()});
}

TEST(Never, ADetectorThatThrowsLetsNothingPass) {
  const auto policy = faulty_policy();
  TokenVault vault;
  for (const auto direction : {Direction::inbound, Direction::outbound}) {
    auto context = test::context_for(vault, direction);
    const auto text = guard_text(*policy, context, "a # b");
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().code, Errc::internal);
    EXPECT_EQ(text.error().detail.find("secret words"), std::string::npos);
    for (const char* json : {R"({"m":"#"})", R"({"a#":1})", R"({"arguments":"{\"x\":\"\\u0023\"}"})"})
      EXPECT_FALSE(guard_json(*policy, context, json, JsonProfile::any)) << json;
    ChatStreamGuard stream(*policy, context);
    EXPECT_FALSE(stream.feed(R"({"choices":[{"index":0,"delta":{"content":"{\"q\":\"#\"}"}}]})"));
    EXPECT_TRUE(stream.feed(R"({"choices":[{"index":0,"delta":{"content":"more"}}]})").value().empty());
  }
}

/// Counts the bytes that it is shown.
class Counting final : public Detector {
 public:
  explicit Counting(std::atomic<std::size_t>& bytes) : bytes_(bytes) {}
  std::string_view name() const override { return "counting"; }
  bool reports(std::string_view type) const override { return type == "COUNTED"; }
  bool sweeps() const override { return true; }
  std::size_t sweep(const Sweep& in, Findings&) const override {
    bytes_ += in.text.size();
    return in.text.size();
  }

 private:
  std::atomic<std::size_t>& bytes_;
};

TEST(Never, AChunkOfManyToolCallsCostsNoMoreThanItsLength) {
  std::atomic<std::size_t> bytes = 0;
  const auto policy = *Policy::load("{name: p, version: 1, rules: [{types: [COUNTED], action: redact}]}", "p",
                                    {std::make_shared<Counting>(bytes)});
  const auto looked_at = [&](int calls, const char* finish) {
    std::string chunk = R"({"choices":[{"index":0,"delta":{"tool_calls":[)";
    for (int i = 0; i < calls; ++i)
      chunk += fmt::format(R"({}{{"index":{},"id":"c {}","function":{{"name":"f","arguments":"a b c "}}}})",
                           i ? "," : "", i % 20, i);
    TokenVault vault;
    auto context = test::context_for(vault, Direction::outbound);
    ChatStreamGuard guard(*policy, context);
    bytes = 0;
    EXPECT_TRUE(guard.feed(chunk + "]}" + finish + "}]}"));
    EXPECT_TRUE(guard.finish());
    return bytes.load();
  };
  for (const char* finish : {"", R"(,"finish_reason":"tool_calls")"}) {
    // Of each text a stream keeps some 400 bytes that a next look reads again; 800 pieces of a text have 6,400.
    EXPECT_GT(looked_at(16'000, finish), 16'000U * 8);
    EXPECT_LT(bytes, 16'000U * 600);
  }
}

TEST(Never, JsonInJsonIsLookedAtHoweverDeep) {
  const auto policy = test::load(test::kTokeniseAll);
  std::string document = R"({"to":"ann@x.org, 4111 1111 1111 1111"})";
  for (int depth = 0; depth < 8; ++depth) {
    TokenVault vault;
    auto context = test::context_for(vault);
    const auto guarded = guard_json(*policy, context, document, JsonProfile::any);
    ASSERT_TRUE(guarded) << depth;
    EXPECT_EQ(guarded->json.find("ann@x.org"), std::string::npos) << depth << guarded->json;
    EXPECT_EQ(guarded->json.find("4111"), std::string::npos) << depth << guarded->json;
    EXPECT_EQ(restore_json(vault, guarded->json), document) << depth;
    std::string inner;
    append_json_string(inner, document);
    document = R"({"arguments":)" + inner + "}";
  }
}

// From here on a process that makes a socket, connects or opens a file dies of SIGSYS.
void forbid_io() {
  constexpr unsigned kCalls[] = {__NR_socket, __NR_connect, __NR_openat, __NR_open, __NR_execve};
  std::vector<sock_filter> program = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const unsigned call : kCalls) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) _exit(3);
}

template <class Body>
int status_of_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    forbid_io();
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST(Never, ADetectorOpensASocketOrAFile) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer opens files itself";
#endif
  const int caught = status_of_child([] { (void)socket(AF_INET, SOCK_STREAM, 0); });
  ASSERT_TRUE(WIFSIGNALED(caught)) << "the trap itself works";
  const auto policy = test::load(test::kTokeniseAll);
  const int status = status_of_child([&] {
    TokenVault vault;
    auto context = test::context_for(vault);
    for (const char* text : {"ann@x.org +44 20 7946 0123 4111 1111 1111 1111 DE89 3704 0044 0532 0130 00 10.1.2.3",
                             "password is S3cr-fp2kqgj https://u:p4ssw0rdQQ@host/x 536-22-8726 born 1970-02-03",
                             "Dear Mr John Smith, 12 Main Street, Springfield"}) {
      if (!guard_text(*policy, context, text)) _exit(4);
    }
  });
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(Never, WhatIsOverALimitIsSaidSo) {
  const auto policy = test::load(test::kTokeniseAll);
  TokenVault vault;
  auto context = test::context_for(vault);
  EXPECT_EQ(guard_text(*policy, context, std::string(kMaxTextBytes + 1, '7')).error().code, Errc::too_large);
  EXPECT_EQ(guard_json(*policy, context, std::string(kMaxJsonBytes + 1, ' '), JsonProfile::any).error().code,
            Errc::too_large);
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  EXPECT_EQ(guard_json(*policy, context, deep, JsonProfile::any).error().code, Errc::invalid_argument);
  EXPECT_EQ(guard_json(*policy, context, "{\"a\":\"\xff\xfe\"}", JsonProfile::any).error().code,
            Errc::invalid_argument);
  EXPECT_TRUE(guard_text(*policy, context, "\xff\xfe ann@x.org \xc3"));
}

}  // namespace
}  // namespace sb::policy
