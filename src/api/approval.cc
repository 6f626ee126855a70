#include "api/approval.h"

#include <fmt/format.h>

#include <algorithm>

#include "keys/lineage.h"

namespace sb::api {

Result<> check_approver(const Approvable& wanted, const std::string& approver, std::span<const KeyRecord> keys) {
  const auto denied = [](std::string why) { return fail(Errc::permission_denied, std::move(why)); };
  if (wanted.author == approver)
    return denied(fmt::format("who wrote a {} cannot approve it; use another person's key", wanted.what));
  const auto key = KeyId::parse(approver);
  const auto record = key ? std::ranges::find(keys, *key, &KeyRecord::id) : keys.end();
  if (record == keys.end()) return {};
  if (record->created_us >= wanted.created_us)
    return denied(
        fmt::format("a key that was made after a {} was published cannot approve it: its author may have made it; use "
                    "an older key of another person, or publish again",
                    wanted.what));
  if (const auto author = KeyId::parse(wanted.author); author && may_be_one_person(keys, *author, *key))
    return denied(
        fmt::format("the keys of its author and of who approves a {} must not have made one another, nor come from one "
                    "key below the first: one person may hold both; use a key that another admin made",
                    wanted.what));
  return {};
}

}  // namespace sb::api
