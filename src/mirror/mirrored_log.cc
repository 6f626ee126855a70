#include "mirror/mirrored_log.h"

#include <fmt/format.h>

namespace sb::mirror {
namespace {

class MirroredLog final : public audit::LogSource {
 public:
  MirroredLog(Target& target, std::string prefix) : target_(target), prefix_(std::move(prefix)) {}
  MirroredLog(std::unique_ptr<Target> target, std::string prefix)
      : owned_(std::move(target)), target_(*owned_), prefix_(std::move(prefix)) {}
  Result<std::string> read(const std::string& path) override { return target_.get(prefix_ + path); }
  std::string name() const override {
    const std::string name = target_.name() + "/" + prefix_;
    return name.substr(0, name.find_last_not_of('/') + 1);
  }

 private:
  std::unique_ptr<Target> owned_;  ///< null: somebody else's
  Target& target_;
  const std::string prefix_;
};

}  // namespace

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
