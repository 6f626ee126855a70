#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/bytes.h"
#include "flow/engine.h"

namespace sb::flow {

Result<bool> FlowRegistry::add(std::shared_ptr<const Flow> flow) {
  const std::lock_guard lock(mutex_);
  const auto [at, added] = flows_.emplace(flow->id(), flow);
  if (!added && at->second->hash != flow->hash) {
    return fail(Errc::already_exists,
                fmt::format("flow {} exists with other content; raise document.version", flow->id()),
                "document.version");
  }
  return added;
}

Result<std::shared_ptr<const Flow>> FlowRegistry::find_id(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = flows_.find(id);
  if (found == flows_.end()) return fail(Errc::not_found, fmt::format("no flow {}", id));
  return found->second;
}

namespace {

std::array<std::uint64_t, 3> version_numbers(std::string_view version) {
  std::array<std::uint64_t, 3> numbers{};
  std::size_t i = 0;
  for (const auto part : split(version.substr(0, version.find_first_of("-+")), '.')) {
    if (i < numbers.size()) std::from_chars(part.data(), part.data() + part.size(), numbers[i++]);
  }
  return numbers;
}

}  // namespace

Result<std::shared_ptr<const Flow>> FlowRegistry::find(std::string_view ns, std::string_view name,
                                                       std::string_view version) const {
  if (!version.empty()) return find_id(fmt::format("{}/{}@{}", ns, name, version));
  const std::lock_guard lock(mutex_);
  const std::string prefix = fmt::format("{}/{}@", ns, name);
  std::shared_ptr<const Flow> best;
  for (auto at = flows_.lower_bound(prefix); at != flows_.end() && at->first.starts_with(prefix); ++at) {
    if (!best || version_numbers(best->version) < version_numbers(at->second->version)) best = at->second;
  }
  if (!best) return fail(Errc::not_found, fmt::format("no flow {}/{}", ns, name));
  return best;
}

std::vector<std::shared_ptr<const Flow>> FlowRegistry::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Flow>> all;
  for (const auto& [id, flow] : flows_) all.push_back(flow);
  return all;
}

}  // namespace sb::flow
