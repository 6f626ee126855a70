#include "audit/verify_log.h"

#include <fmt/format.h>

#include "audit/leaf.h"
#include "audit/verify_statements.h"
#include "base/clock.h"
#include "store/sqlite/codec.h"

namespace sb::audit {
namespace {

constexpr std::size_t kMaxLogProblems = 20;

class LogCheck {
 public:
  LogCheck(LogSource& source, TreeHead head, std::optional<TreeHead> kept)
      : source_(source), head_(std::move(head)), kept_(std::move(kept)) {}

  /// Errors: unavailable and the like (what could not be read says nothing of the log), where nothing was found before.
  Result<LogReport> run(bool since_kept) {
    report_.leaves = head_.size;
    if (kept_ && kept_->size > head_.size) {
      problem("the kept tree head has {} leaves, the log shows {}: it was rolled back", kept_->size, head_.size);
      return std::move(report_);
    }
    if (since_kept && kept_) begin_at(kept_->size / kTileWidth * kTileWidth);
    check_kept();
    while (!gave_up_ && edge_.size() < head_.size) read_bundle();
    if (!gave_up_) finish();
    if (outage_ && report_.ok()) return std::unexpected(*outage_);
    return std::move(report_);
  }

 private:
  template <class... Args>
  void problem(fmt::format_string<Args...> format, Args&&... args) {
    if (++report_.problem_count <= kMaxLogProblems)
      report_.problems.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void unread(const Error& error, std::string_view what) {
    if (error.code == Errc::not_found || error.code == Errc::corrupt) return problem("{}: {}", what, error.detail);
    gave_up_ = true;
    if (!outage_) outage_ = error;
  }
  template <class... Args>
  void give_up(fmt::format_string<Args...> format, Args&&... args) {
    problem(format, std::forward<Args>(args)...);
    gave_up_ = true;
  }

  void begin_at(std::uint64_t size) {
    auto edge = TileEdge::restore(size, [&](const TileId& id) { return source_.tile(id); });
    if (!edge) {
      gave_up_ = true;
      return unread(edge.error(), fmt::format("the tiles before leaf {}", size));
    }
    edge_ = *std::move(edge);
  }

  void check_kept() {
    if (gave_up_ || !kept_ || kept_->size != edge_.size()) return;
    if (kept_->root != edge_.root())
      problem("the first {} leaves are not those of the kept tree head: this is another history", kept_->size);
  }

  void read_bundle() {
    const std::uint64_t first = edge_.size();
    const auto width = static_cast<unsigned>(std::min(kTileWidth, head_.size - first));
    const TileId id{TileId::kEntries, first / kTileWidth, width};
    const auto bundle = source_.tile(id);
    if (!bundle) {
      gave_up_ = true;
      return unread(bundle.error(), id.path());
    }
    std::string_view rest = *bundle;
    for (unsigned i = 0; i < width; ++i) {
      const auto leaf = store::sqlite::take_leaf(rest);
      if (!leaf) return give_up("{}: cut short after {} of {} leaves", id.path(), i, width);
      check_leaf(first + i, *leaf);
      edge_.append(*leaf);
      check_kept();
    }
    if (!rest.empty()) problem("{}: more bytes than its leaves have", id.path());
    for (const Tile& tile : edge_.take_full()) check_tile(tile);
  }

  void check_leaf(std::uint64_t index, std::string_view bytes) {
    ++report_.checked;
    const auto fields = parse_leaf(bytes);
    if (!fields)
      problem("leaf {}: {}", index, fields.error().detail);
    else if (fields->seq != index)
      problem("leaf {} says that it is number {}", index, fields->seq);
  }

  void check_tile(const Tile& tile) {
    if (tile.id.level == TileId::kEntries) return;
    const auto bytes = source_.tile(tile.id);
    if (!bytes)
      unread(bytes.error(), tile.id.path());
    else if (*bytes != tile.bytes)
      problem("{}: not the hashes of the leaves below it", tile.id.path());
    else
      ++report_.tiles;
  }

  void finish() {
    for (const Tile& tile : edge_.partial()) check_tile(tile);
    if (edge_.root() != head_.root) problem("the {} leaves do not lead to the root in the tree head", head_.size);
  }

  LogSource& source_;
  const TreeHead head_;
  const std::optional<TreeHead> kept_;
  LogReport report_;
  TileEdge edge_;
  bool gave_up_ = false;
  std::optional<Error> outage_;
};

}  // namespace

Result<LogReport> verify_log(LogSource& source, const NoteVerifier& key, const LogVerification& how) {
  const auto begin = system_clock().steady();
  std::optional<TreeHead> kept;
  if (!how.kept_head.empty()) {
    SB_TRY(kept, open_tree_head(how.kept_head, key));
  }
  SB_TRY(const Statements statements, read_statements(source, how));
  SB_TRY(const std::string note, source.checkpoint());
  const auto head = open_tree_head(note, key);
  LogReport report;
  if (!head) {
    report.foreign = true;
    report.problem_count = 1;
    report.problems.push_back(fmt::format("{}/checkpoint: {}", source.name(), head.error().detail));
  } else {
    SB_TRY(report, LogCheck(source, *head, std::move(kept)).run(how.since_kept));
    SB_TRY(auto wrong, check_statements(source, key, how, statements, note, report));
    report.problem_count += wrong.size();
    std::ranges::move(wrong, std::back_inserter(report.problems));
    if (report.ok()) report.head = note;
  }
  report.elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin).count();
  return report;
}

}  // namespace sb::audit
