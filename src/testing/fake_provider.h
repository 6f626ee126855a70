/// Model providers and time that a test commands: no network, no waiting. Never linked into the product.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/gateway.h"

namespace sb::model::testing {

/// Time that stands still until it is told to move.
class FakeClock final : public Clock {
 public:
  Micros now_us() const override { return start_us + steady_us; }
  std::chrono::steady_clock::time_point steady() const override {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(steady_us));
  }
  void advance(std::chrono::microseconds by) { steady_us += by.count(); }

  Micros start_us = 1'800'000'000'000'000;
  Micros steady_us = 1'000'000;
};

/// Waits by moving the clock; remembers how long each wait was.
class FakeSleeper final : public Sleeper {
 public:
  explicit FakeSleeper(FakeClock& clock) : clock_(clock) {}
  Task<> sleep(std::chrono::microseconds duration, CancelSource* cancel) override {
    waits.push_back(duration);
    if (cancel_during_wait && cancel) {
      cancel->cancel();
      co_return;
    }
    clock_.advance(duration);
  }

  std::vector<std::chrono::microseconds> waits;
  bool cancel_during_wait = false;

 private:
  FakeClock& clock_;
};

/// How one call goes: an answer with a status, or an error; for a stream also its chunks and how it ends.
struct FakeReply {
  int status = 200;
  http::Headers headers;
  std::string body = R"({"choices":[]})";
  Usage usage{10, 0, 5, false};
  std::optional<Error> error;         ///< instead of an answer
  std::vector<std::string> chunks;    ///< of a stream
  std::optional<Error> stream_error;  ///< after the chunks, instead of a proper end
  std::string stream_error_body;
  std::chrono::microseconds latency{1'000};
};

inline FakeReply fake_status(int status, http::Headers headers = {}, std::string body = {}) {
  FakeReply reply;
  reply.status = status;
  reply.headers = std::move(headers);
  reply.body = std::move(body);
  return reply;
}

inline FakeReply fake_error(Errc code) {
  FakeReply reply;
  reply.error = Error(code, "injected");
  return reply;
}

class FakeStream final : public ChatStream {
 public:
  explicit FakeStream(FakeReply reply) : reply_(std::move(reply)) {}
  Task<Result<std::optional<std::string>>> next() override {
    if (given_ < reply_.chunks.size()) co_return std::optional<std::string>(reply_.chunks[given_++]);
    if (reply_.stream_error) co_return std::unexpected(*reply_.stream_error);
    ended_ = true;
    co_return std::optional<std::string>();
  }
  Usage usage() const override {
    if (ended_) return reply_.usage;
    return {reply_.usage.input_tokens, 0, static_cast<std::int64_t>(given_), true};
  }
  std::string_view error_body() const override { return reply_.stream_error_body; }

 private:
  FakeReply reply_;
  std::size_t given_ = 0;
  bool ended_ = false;
};

/// Answers by script: per upstream model a queue of replies; when it is empty, `otherwise`.
class FakeProvider final : public Provider {
 public:
  FakeProvider(FakeClock& clock, std::vector<std::string>& calls) : clock_(clock), calls_(calls) {}

  FakeProvider& then(const std::string& model, FakeReply reply) {
    script_[model].push_back(std::move(reply));
    return *this;
  }

  Task<Result<ChatReply>> chat(ChatCall, UpstreamModel model) override {
    const FakeReply reply = take(model);
    if (reply.error) co_return std::unexpected(*reply.error);
    co_return head_of(reply);
  }
  Task<Result<StreamStart>> chat_stream(ChatCall, UpstreamModel model) override {
    FakeReply reply = take(model);
    if (reply.error) co_return std::unexpected(*reply.error);
    StreamStart start;
    start.head = head_of(reply);
    start.head.usage = {};
    if (reply.status == 200) start.stream = std::make_unique<FakeStream>(std::move(reply));
    co_return start;
  }
  Task<Result<ChatReply>> embeddings(ChatCall call, UpstreamModel model) override { return chat(call, model); }
  Task<Result<std::vector<std::string>>> list_models(CancelSource*) override { co_return std::vector<std::string>(); }

  std::map<std::string, FakeReply> otherwise;  ///< by upstream model; a plain 200 where it has none

 private:
  FakeReply take(const UpstreamModel& model) {
    const std::string name(model.name);
    calls_.push_back(name);
    auto& queue = script_[name];
    FakeReply reply = otherwise.contains(name) ? otherwise[name] : FakeReply();
    if (!queue.empty()) {
      reply = std::move(queue.front());
      queue.pop_front();
    }
    clock_.advance(reply.latency);
    return reply;
  }
  static ChatReply head_of(const FakeReply& reply) {
    ChatReply head;
    head.status = reply.status;
    head.headers = reply.headers;
    head.body = reply.body;
    head.usage = reply.usage;
    return head;
  }

  FakeClock& clock_;
  std::vector<std::string>& calls_;
  std::map<std::string, std::deque<FakeReply>> script_;
};

}  // namespace sb::model::testing
