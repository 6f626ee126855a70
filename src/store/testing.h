/// What tests of a store share: a folder that goes away, a way to wait for a task, a plain log, ready-made commits.
#pragma once

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/errors.h"
#include "base/task.h"
#include "store/store.h"

namespace sb::store::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "signalbox-store-XXXXXX").string();
    SB_ASSERT(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// An io_context that outlives every store, as store.h asks: a store's thread may still be on its way out of `post`
/// when the completion it posted has run already.
inline asio::io_context& lasting_context() {
  static std::mutex mutex;
  static std::deque<asio::io_context> contexts;
  const std::lock_guard lock(mutex);
  return contexts.emplace_back(1);
}

/// Runs `task` on an io_context of the calling thread until it is done.
template <class T>
T wait_for(Task<T> task) {
  thread_local asio::io_context& context = lasting_context();
  std::optional<T> result;
  asio::co_spawn(context, std::move(task), [&](const std::exception_ptr& thrown, T value) {
    if (thrown) std::rethrow_exception(thrown);
    result.emplace(std::move(value));
  });
  context.restart();
  context.run();
  SB_ASSERT(result.has_value());
  return *std::move(result);
}

/// Leaves as readable text, no tree; remembers what it was told.
class PlainLog final : public LeafLog {
 public:
  void encode(std::string& out, LeafIndex index, const LeafDraft& draft) override {
    out += std::to_string(static_cast<std::uint64_t>(index)) + " " + draft.kind + " " + draft.summary.text();
  }
  void committed(std::string bundle) override {
    for (std::size_t at = 0; at < bundle.size(); ++size) {
      at += 2 + (static_cast<unsigned char>(bundle[at]) << 8U) + static_cast<unsigned char>(bundle[at + 1]);
    }
  }
  std::optional<StoredTreeHead> take_head(std::uint64_t wait_for) override {
    if (wait_for == 0) return std::nullopt;
    return StoredTreeHead{size, "head of " + std::to_string(size)};
  }
  Result<> open(std::uint64_t leaves, const std::function<Result<std::string>(LeafIndex)>& leaf_at,
                std::optional<std::string> last_tree_head) override {
    size = leaves;
    head = std::move(last_tree_head);
    read.clear();
    for (std::uint64_t i = 0; i < leaves; ++i) {
      SB_TRY(std::string leaf, leaf_at(static_cast<LeafIndex>(i)));
      read.push_back(std::move(leaf));
    }
    return {};
  }

  std::uint64_t size = 0;
  std::vector<std::string> read;
  std::optional<std::string> head;
};

inline RunId new_run_id() {
  return RunId::generate(system_clock(), system_entropy());
}

inline LeafDraft start_leaf(const RunRow& run) {
  LeafDraft leaf;
  leaf.kind = "run.start";
  leaf.tenant = run.tenant;
  leaf.run = run.id;
  leaf.summary = R"({"flow":")" + run.flow + R"(","flow_hash":")" + run.flow_hash.substr(0, 16) + R"("})";
  leaf.time_us = run.created_us;
  return leaf;
}

/// A chat run from start to end in one commit: created in its final state, four steps, five leaves; about 4 KB.
inline Commit chat_commit(RunId id) {
  Commit commit;
  RunRow run;
  run.id = id;
  run.tenant = "acme";
  run.key = "019ab000-0000-7000-8000-000000000001";
  run.flow = "signalbox/chat@1.0.0";
  run.flow_hash = std::string(64, 'a');
  run.status = RunStatus::completed;
  run.epoch = LeaseEpoch{1};
  run.input = R"({"model":"auto","messages":[{"role":"user","content":")" + std::string(1900, 'q') + R"("}]})";
  run.output = R"({"choices":[{"message":{"content":")" + std::string(500, 'a') + R"("}}]})";
  run.route = "small";
  run.model = "small-a";
  run.request_hash = std::string(64, 'b');
  run.cost = 120;
  run.cost_all_large = 4'800;
  run.created_us = run.updated_us = run.ended_us = system_clock().now_us();
  commit.create = std::move(run);
  const char* const kinds[] = {"guard", "triage", "chat", "guard"};
  for (std::uint32_t i = 0; i < 4; ++i) {
    StepRow step;
    step.index = StepIndex{i};
    step.name = std::string("step-") + kinds[i];
    step.ref = "/do/" + std::to_string(i);
    step.kind = kinds[i];
    step.started_us = step.ended_us = commit.create->created_us;
    step.decision =
        R"({"kind":"route","chosen":"small","alternatives":["script","large"],"score":0.93,"threshold":0.81})";
    commit.steps.push_back(std::move(step));
    LeafDraft leaf;
    leaf.kind = "step";
    leaf.tenant = "acme";
    leaf.run = id;
    leaf.step = StepIndex{i};
    leaf.attempt = 1;
    leaf.summary = R"({"decision":)" + commit.steps.back().decision + R"(,"kind":")" + kinds[i] + R"(","task":"step-)" +
                   kinds[i] + R"("})";
    leaf.versions = R"({"policy":"p1","triage":"t1"})";
    leaf.payload_commit = std::string(64, 'c');
    leaf.time_us = commit.create->created_us;
    commit.leaves.push_back(std::move(leaf));
  }
  LeafDraft end = commit.leaves.back();
  end.kind = "run.end";
  end.step.reset();
  end.summary = R"({"cost_micro":120,"error":"","model":"small-a","route":"small","status":"completed"})";
  commit.leaves.push_back(std::move(end));
  return commit;
}

}  // namespace sb::store::testing
