#include "cli/recorded_decisions.h"

#include <fmt/format.h>

#include "store/data_dir.h"
#include "store/sqlite/reader.h"

namespace sb::cli {
namespace {

constexpr std::size_t kCacheKib = 1024;

}  // namespace

Result<json::value> read_decision(const std::string& data, const std::string& run) {
  const auto id = RunId::parse(run);
  if (!id) return fail(Errc::invalid_argument, fmt::format("--run \"{}\": is not a run's id", run));
  SB_TRY(const auto folder, store::DataDir::open(data));
  SB_TRY(const auto reader, store::sqlite::Reader::open(folder.database(), kCacheKib));
  SB_TRY(const auto steps, reader->load_steps(*id));
  for (const auto& step : steps) {
    if (step.decision.empty()) continue;
    SB_TRY(auto decision, parse_json(step.decision));
    if (string_member(decision, "kind") == "route") return decision;
  }
  return fail(Errc::not_found, fmt::format("run {}: its record holds no choice of a route", run));
}

}  // namespace sb::cli
