/// Asks witnesses to cosign the newest tree head (C2SP tlog-witness, add-checkpoint), on a thread of its own: a tree
/// head is shown at once, and gains its cosignatures when they come.
///
/// All witnesses are asked for the same tree head, so that their cosignatures meet on one, until a quorum has cosigned
/// it or all who were asked have answered; then for the newest. Who is slow answers beside that, who fails is asked
/// again after a while. Every cosignature is verified before it is kept. With those of a quorum, the tree head is
/// `checkpoint.witnessed`, and `checkpoint` too unless a newer one is shown already. What each witness cosigned last is
/// kept in `.witness/`, and survives a restart.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "audit/log_source.h"
#include "audit/outside_thread.h"
#include "audit/publisher.h"
#include "audit/witness.h"

namespace sb::audit {

struct WitnessPlace {
  http::Url url;  ///< the submission prefix
  WitnessKey key;
};

struct WitnessOptions {
  std::vector<WitnessPlace> places;
  std::size_t quorum = 1;
  std::chrono::milliseconds interval{1'000};  ///< between two looks at who is to be asked
  std::chrono::milliseconds timeout{5'000};   ///< for one witness's answer
};

struct WitnessStats {
  std::uint64_t cosigned_leaves = 0;  ///< under the tree head that it cosigned last
  std::uint64_t failures = 0;
  std::uint64_t refusals = 0;
};

/// The file, below the log's folder, of what a witness cosigned last.
std::string witness_file(const WitnessKey& key);

class Witnesses {
 public:
  /// `folder`: the published log. Borrows the publisher. Errors: permission_denied, disk_full.
  static Result<std::unique_ptr<Witnesses>> start(WitnessOptions options, const NoteVerifier& log,
                                                  const std::string& folder, Publisher& publisher);

  std::vector<WitnessStats> stats() const;  ///< in the order of the places; any thread
  std::uint64_t witnessed() const;          ///< leaves under the newest tree head with a quorum; any thread

 private:
  struct Member {
    http::Url url;
    Witness witness;
    bool asked = false;   ///< and has not answered yet
    std::string trouble;  ///< as it was logged last
  };

  Witnesses(WitnessOptions options, const NoteVerifier& log, TileFiles files, const std::string& folder,
            Publisher& publisher);
  Task<void> run();
  void choose_head();
  Task<void> ask(Member& member, Publisher::Head head);
  Task<void> ask_until_settled(Member& member, const Publisher::Head& head);
  Result<std::string> request_body(const Witness& witness, const Publisher::Head& head);
  void settle(Member& member, const Publisher::Head& head, const Witness::Judgement& judgement);
  void show(const Publisher::Head& head);

  const WitnessOptions options_;
  Publisher& publisher_;
  TileFiles files_;
  const std::unique_ptr<LogSource> log_;
  std::vector<Member> members_;
  Publisher::Head head_;  ///< that the witnesses are asked for
  std::string shown_;     ///< the newest note with a quorum, of this process

  mutable std::mutex mutex_;
  // Under mutex_:
  std::vector<WitnessStats> stats_;
  std::uint64_t witnessed_ = 0;

  OutsideThread thread_;  // last: its work refers to all of the above
};

}  // namespace sb::audit
