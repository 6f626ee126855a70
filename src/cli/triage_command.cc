#include "cli/triage_command.h"

#include <array>
#include <ostream>
#include <vector>

#include "cli/api_client.h"
#include "replay/trial_report.h"

namespace sb::cli {
namespace {

constexpr std::array<std::string_view, 1> kLive = {"trials"};

int show_trials(const Invocation& it) {
  const auto report = call_api(it, "GET", "/api/v1/triage/trials");
  if (!report) return it.fail(report.error());
  it.out << (it.has("json") ? to_text(*report) + "\n" : replay::trial_lines(*report));
  return kExitOk;
}

}  // namespace

bool is_live_triage(std::span<const std::string> arguments) {
  return !arguments.empty() && std::ranges::find(kLive, arguments[0]) != kLive.end();
}

int live_triage_command(std::span<const std::string> arguments, std::ostream& out, std::ostream& err) {
  Command root("signalbox", "");
  auto& triage = root.add(Command("triage", "triage on a running server"));
  add_api_flags(triage.add(Command("trials", "how candidates do beside the triage in force"))
                    .about("Counts the record of a running server: who decided, where queries went, what they cost, "
                           "what was said of the answers, and what is not known. What is tried stands in signalbox.yaml "
                           "under triage.trials.")
                    .toggle("json", "as JSON")
                    .example("signalbox triage trials", "all trials of the configuration")
                    .run(show_trials));
  std::vector<std::string> all{"triage"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return root.dispatch(all, out, err);
}

}  // namespace sb::cli
