// The one binary: picks the command and runs it. Everything else is in src/.
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "audit/command.h"
#include "cli/args.h"
#include "cli/attest_command.h"
#include "cli/config_command.h"
#include "cli/erase_command.h"
#include "cli/flow_command.h"
#include "cli/keys_command.h"
#include "cli/recorded_decisions.h"
#include "cli/replay_command.h"
#include "cli/reviews_command.h"
#include "cli/runs_command.h"
#include "cli/serve_command.h"
#include "cli/triage_command.h"
#include "flow/injection.h"
#include "flow/recorded_traffic.h"
#include "injection_training.h"
#include "mirror/command.h"
#include "mirror/mirrored_log.h"
#include "model/simulate.h"
#include "policy/command.h"
#include "script/worker.h"
#include "server/services.h"
#include "triage/command.h"

namespace {

/// Modules that bring a command line of their own.
struct Delegate {
  const char* name;
  const char* summary;
  int (*run)(std::span<const std::string> arguments);
};

constexpr Delegate kDelegates[] = {
    {"simulate", "a simulated model provider, for demos, tests and load",
     [](std::span<const std::string> a) { return sb::model::simulate_command(a); }},
    {"triage", "train, evaluate, tune, apply and explain the choice of a tier",
     [](std::span<const std::string> a) {
       if (sb::cli::is_live_triage(a)) return sb::cli::live_triage_command(a, std::cout, std::cerr);
       return sb::triage::triage_command(a, std::cin, std::cout, std::cerr, sb::cli::read_decision);
     }},
    {"policy", "scan texts with a policy, test a policy",
     [](std::span<const std::string> a) {
       const auto scorer = sb::flow::make_injection_scorer(sb::server::default_injection_model());
       return sb::policy::policy_command(a, std::cin, std::cout, std::cerr,
                                         {scorer ? scorer->get() : nullptr, sb::flow::read_traffic_on_record,
                                          sb::flow::load_injection_scorer, sb::train_injection_scorer});
     }},
    {"audit", "verify, show and prove the audit log",
     [](std::span<const std::string> a) {
       return sb::audit::audit_command(a, std::cout, std::cerr, sb::mirror::open_mirrored_log);
     }},
    {"restore", "make a lost data directory again from its mirror",
     [](std::span<const std::string> a) { return sb::mirror::restore_command(a, std::cout, std::cerr); }},
    {"mirror", "hold the mirror against the store",
     [](std::span<const std::string> a) { return sb::mirror::mirror_command(a, std::cout, std::cerr); }},
};

}  // namespace

int main(int argc, char** argv) {
  // A script worker is this binary started again; it reads jobs from standard input until that closes.
  if (argc == 2 && std::strcmp(argv[1], "script-worker") == 0) return sb::script::script_worker_main();

  std::ios::sync_with_stdio(false);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  sb::cli::Command root("signalbox",
                        "one server between applications and AI models: triage, durable work, policy, record");
  root.version(SB_VERSION);
  root.add(sb::cli::init_command());
  root.add(sb::cli::serve_command());
  root.add(sb::cli::config_command());
  root.add(sb::cli::flow_command());
  root.add(sb::cli::runs_command());
  root.add(sb::cli::reviews_command());
  root.add(sb::cli::erase_command());
  root.add(sb::cli::attest_command());
  root.add(sb::cli::keys_command());
  root.add(sb::cli::replay_command());
  for (const auto& delegate : kDelegates) {
    if (!arguments.empty() && arguments[0] == delegate.name) return delegate.run(std::span(arguments).subspan(1));
    root.add(sb::cli::Command(delegate.name, delegate.summary)).run([&delegate](const sb::cli::Invocation&) {
      const std::vector<std::string> help = {"--help"};
      return delegate.run(help);
    });
  }
  return root.main(argc, argv);
}
