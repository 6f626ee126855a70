#include "mirror/mirrored_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "audit/checkpoint_note.h"
#include "audit/tile.h"
#include "audit/tile_files.h"

namespace sb::mirror {
namespace {

constexpr std::size_t kTilesAtOnce = 16;

class MirroredLog final : public audit::LogSource {
 public:
  MirroredLog(Target& target, std::string prefix) : target_(target), prefix_(std::move(prefix)) {}
  MirroredLog(std::unique_ptr<Target> target, std::string prefix)
      : owned_(std::move(target)), target_(*owned_), prefix_(std::move(prefix)) {}
  Result<std::string> read(const std::string& path) override {
    if (auto ahead = ahead_.extract(path)) return std::move(ahead.mapped());
    const auto tile = audit::TileId::parse(path);
    if (tile && tile->width == audit::kTileWidth) return read_ahead(*tile);
    auto bytes = target_.get(prefix_ + path);
    if (bytes && path == audit::TileFiles::kCheckpoint) size_ = leaves_under(*bytes);
    return bytes;
  }
  std::string name() const override {
    const std::string name = target_.name() + "/" + prefix_;
    return name.substr(0, name.find_last_not_of('/') + 1);
  }

 private:
  // Whoever verifies a log reads its tiles in their order: one wait for many of them, where each alone takes as long.
  Result<std::string> read_ahead(const audit::TileId& tile) {
    const auto level = static_cast<unsigned>(std::max(tile.level, 0));
    const std::uint64_t full = audit::hashes_at(size_, level + 1);
    std::vector<std::string> paths{tile.path()};
    for (std::uint64_t next = tile.index + 1; next < full && paths.size() < kTilesAtOnce; ++next)
      paths.push_back(audit::TileId{tile.level, next}.path());
    std::vector<std::string> names;
    for (const std::string& path : paths) names.push_back(prefix_ + path);
    auto all = paths.size() > 1 ? target_.get_all(names) : fail(Errc::not_found, "");
    if (!all) return target_.get(names.front());  // one of them is missing: which one, the next reads say
    for (std::size_t i = 1; i < paths.size(); ++i) ahead_[paths[i]] = std::move((*all)[i]);
    return std::move(all->front());
  }

  std::unique_ptr<Target> owned_;  ///< null: somebody else's
  Target& target_;
  const std::string prefix_;
  std::uint64_t size_ = 0;  ///< leaves under the tree head that was read last
  std::map<std::string, std::string, std::less<>> ahead_;
};

}  // namespace

std::uint64_t leaves_under(std::string_view note) {
  const auto parts = audit::parse_note(note);
  const auto head =
      parts ? audit::parse_tree_head(parts->text) : Result<audit::TreeHead>(std::unexpected(parts.error()));
  return head ? head->size : 0;
}

std::unique_ptr<audit::LogSource> log_in(Target& target) {
  return std::make_unique<MirroredLog>(target, "audit/");
}

Result<std::unique_ptr<audit::LogSource>> open_mirrored_log(const std::string& where) {
  for (const char* prefix : {"audit/", ""}) {
    SB_TRY(auto target, open_target(where, s3_access_from_environment()));
    auto log = std::make_unique<MirroredLog>(std::move(target), prefix);
    const auto found = log->checkpoint();
    if (found) return log;
    if (found.error().code != Errc::not_found) return std::unexpected(found.error());
  }
  return fail(Errc::not_found,
              fmt::format("there is no log at {}: no `checkpoint` below it, nor below its audit/", where));
}

}  // namespace sb::mirror
