#include "server/setup.h"

#include "base/log.h"
#include "server/wait_for.h"

namespace sb::server {
namespace {

constexpr std::string_view kSetupDocument = "setup";
constexpr std::string_view kParts[] = {"config", "flows", "scripts",
                                       "triage"};  // in the order of their bytes: RFC 8785

}  // namespace

Result<> record_setup(Services& services) {
  SB_TRY(const auto stored, wait_for(services.store->load_document(std::string(kSetupDocument)), services.startup));
  SB_TRY(const json::value before, parse_json(stored.value_or("{}")));
  json::object now, changed;
  for (const std::string_view part : kParts) {
    const std::string& version = services.setup[std::string(part)];
    const auto former = string_member(before, part);
    now[part] = version;
    if (former != version) changed[part] = json::object{{"after", version}, {"before", former}};
  }
  if (changed.empty()) return {};
  store::Commit commit;
  commit.documents.emplace_back(kSetupDocument, to_text(now));
  store::LeafDraft leaf;
  leaf.kind = "config.change";
  leaf.summary = to_text(changed);
  leaf.time_us = system_clock().now_us();
  commit.leaves.push_back(std::move(leaf));
  auto written = wait_for(services.store->commit(std::move(commit)), services.startup);
  if (written || written.error().code != Errc::disk_full) return written;
  log_warn("config.not_recorded", {{"detail", written.error().detail}});
  return {};
}

}  // namespace sb::server
