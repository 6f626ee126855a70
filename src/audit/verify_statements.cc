#include "audit/verify_statements.h"

#include <fmt/format.h>

#include "audit/tile_tree.h"
#include "audit/timestamp_token.h"
#include "audit/timestamps.h"

namespace sb::audit {
namespace {

/// An optional file of the log; empty where it is not there.
Result<std::string> read_optional(LogSource& source, const std::string& path) {
  auto bytes = source.read(path);
  return !bytes && bytes.error().code == Errc::not_found ? Result<std::string>(std::string()) : bytes;
}

/// The tree head in `older`, if the log of `head` continues it. Errors: corrupt, or as the source.
Result<TreeHead> continued(LogSource& source, const NoteVerifier& key, const std::string& older, const TreeHead& head) {
  SB_TRY(TreeHead old, open_tree_head(older, key));
  if (old.size > head.size) {
    return fail(Errc::corrupt,
                fmt::format("tree head: of {} leaves, the log shows {}: it was rolled back", old.size, head.size));
  }
  SB_TRY(const auto proof, TileTree(source, head.size).consistency_proof(old.size));
  if (!verify_consistency(old.size, head.size, old.root, head.root, proof)) {
    return fail(Errc::corrupt,
                fmt::format("tree head: the log does not continue it at {} leaves: this is another history", old.size));
  }
  return old;
}

Result<WitnessReport> check_witnesses(LogSource& source, const NoteVerifier& key, const Quorum& quorum,
                                      const std::string& witnessed, const TreeHead& head, std::string_view note) {
  auto on_newest = check_quorum(note, quorum);
  if (on_newest) return WitnessReport{head.size, *std::move(on_newest)};
  if (witnessed.empty()) return std::unexpected(on_newest.error());
  SB_TRY(Cosigners cosigners, check_quorum(witnessed, quorum));
  SB_TRY(const TreeHead old, continued(source, key, witnessed, head));
  return WitnessReport{old.size, std::move(cosigners)};
}

Result<TimestampReport> check_newest_timestamp(LogSource& source, const NoteVerifier& key, const std::string& ca_file,
                                               std::optional<std::uint64_t> size, const TreeHead& head) {
  if (!size) return fail(Errc::corrupt, "there is none");
  SB_TRY(const std::string stamped, source.read(stamped_file(*size)));
  SB_TRY(const std::string token, source.read(timestamp_file(*size)));
  SB_TRY(const std::int64_t time, check_timestamp(token, {stamped, std::nullopt, ca_file}));
  SB_TRY(const TreeHead old, continued(source, key, stamped, head));
  return TimestampReport{old.size, time};
}

}  // namespace

Result<Statements> read_statements(LogSource& source, const LogVerification& how) {
  Statements statements;
  if (!how.quorum.witnesses.empty()) {
    SB_TRY(statements.witnessed, read_optional(source, TileFiles::kWitnessed));
  }
  if (!how.tsa_ca_file.empty()) {
    SB_TRY(statements.stamped, newest_timestamp(source));
  }
  return statements;
}

Result<std::vector<std::string>> check_statements(LogSource& source, const NoteVerifier& key,
                                                  const LogVerification& how, const Statements& statements,
                                                  std::string_view note, LogReport& report) {
  SB_TRY(const TreeHead head, open_tree_head(note, key));
  std::vector<std::string> problems;
  // What is not there, or wrong, is said of the log; what could not be read says nothing of it.
  const auto settle = [&](auto& place, auto checked, const char* what) -> Result<> {
    if (checked)
      place = *std::move(checked);
    else if (checked.error().code == Errc::corrupt || checked.error().code == Errc::not_found)
      problems.push_back(fmt::format("{}: {}", what, checked.error().detail));
    else
      return std::unexpected(checked.error());
    return {};
  };
  if (!how.quorum.witnesses.empty()) {
    SB_CHECK(settle(report.witnessed, check_witnesses(source, key, how.quorum, statements.witnessed, head, note),
                    "witnesses"));
  }
  if (!how.tsa_ca_file.empty()) {
    SB_CHECK(settle(report.timestamp, check_newest_timestamp(source, key, how.tsa_ca_file, statements.stamped, head),
                    "time stamp"));
  }
  return problems;
}

}  // namespace sb::audit
