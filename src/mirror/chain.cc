#include "mirror/chain.h"

#include <fmt/format.h>

#include "mirror/snapshot.h"

namespace sb::mirror {
namespace {

// Segments stay for weeks; the newest is not before the one that the newest snapshot began with, also where that
// snapshot does not count. Empty: the whole chain has to be listed.
Result<std::string> late_segment(Target& target, std::string_view key) {
  SB_TRY(const auto snapshots, list_snapshots(target));
  if (snapshots.empty()) return std::string();
  const auto newest = read_snapshot(target, key, snapshots.back());
  const bool is_gone = !newest && (newest.error().code == Errc::not_found || newest.error().code == Errc::corrupt);
  if (!newest && !is_gone) return std::unexpected(newest.error());
  return newest && newest->segment > 0 ? segment_name(newest->segment - 1) : std::string();
}

}  // namespace

Result<std::optional<ChainEnd>> read_chain_end(Target& target, std::string_view key) {
  SB_TRY(const std::string late, late_segment(target, key));
  SB_TRY(auto names, target.list("segments/", late));
  if (names.empty() && !late.empty()) {  // segments were lost: what is left says more than nothing
    SB_TRY(names, target.list("segments/"));
  }
  if (names.empty()) return std::nullopt;
  SB_TRY(const std::string sealed, target.get(names.back()));
  SB_TRY(const std::string plain, open_object(key, names.back(), sealed));
  SB_TRY(Segment segment, parse_segment(plain));
  return ChainEnd{std::move(segment), sha256(sealed)};
}

}  // namespace sb::mirror
