#include "store/store.h"

#include <algorithm>

namespace sb::store {
namespace {

constexpr std::array<std::string_view, 7> kRunStatus{"pending",   "running", "waiting",  "suspended",
                                                     "cancelled", "faulted", "completed"};
constexpr std::array<std::string_view, 6> kReviewState{"open", "claimed", "approved", "edited", "rejected", "expired"};

}  // namespace

std::string_view to_string(RunStatus status) {
  return kRunStatus.at(static_cast<std::size_t>(status));
}

std::optional<RunStatus> run_status(std::string_view name) {
  const auto found = std::ranges::find(kRunStatus, name);
  if (found == kRunStatus.end()) return std::nullopt;
  return static_cast<RunStatus>(found - kRunStatus.begin());
}

std::string_view to_string(LabelOrigin origin) {
  switch (origin) {
    case LabelOrigin::given:
      return "label";
    case LabelOrigin::feedback:
      return "feedback";
    case LabelOrigin::review:
      return "review";
  }
  return "label";
}

std::string_view to_string(ReviewState state) {
  return kReviewState.at(static_cast<std::size_t>(state));
}

}  // namespace sb::store
