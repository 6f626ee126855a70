#include "keys/lineage.h"

#include <algorithm>
#include <vector>

namespace sb {
namespace {

// The key, who made it, who made that: the last was made by no key. A circle, which nobody can make, ends too.
std::vector<KeyId> makers_of(std::span<const KeyRecord> keys, KeyId id) {
  std::vector<KeyId> makers{id};
  while (makers.size() <= keys.size()) {
    const auto found = std::ranges::find(keys, makers.back(), &KeyRecord::id);
    if (found == keys.end() || !found->made_by) break;
    makers.push_back(*found->made_by);
  }
  return makers;
}

}  // namespace

bool may_be_one_person(std::span<const KeyRecord> keys, KeyId one, KeyId other) {
  auto ones = makers_of(keys, one);
  auto others = makers_of(keys, other);
  const auto among = [](const std::vector<KeyId>& makers, KeyId id) {
    return std::ranges::find(makers, id) != makers.end();
  };
  if (among(ones, other) || among(others, one)) return true;
  ones.pop_back();
  others.pop_back();
  return std::ranges::find_first_of(ones, others) != ones.end();
}

}  // namespace sb
