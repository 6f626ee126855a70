// `policy`: what may pass.
#include "config/declaration/sections.h"

namespace sb::config {

Declaration<PolicyConfig> policy_section() {
  using G = GuardHostConfig;
  auto guard_host = declare<G>("One host that published policies may ask.")
                        .text("name", &G::name, {.about = "`host` or `host:port`.", .required = true});
  return declare<PolicyConfig>("What may pass, in and out.")
      .path("file", &PolicyConfig::file,
            {.about = "Policy document; empty is the built-in default policy. SIGHUP reads it again."})
      .choice("approval", &PolicyConfig::approval, {{"none", Approval::none}, {"two_people", Approval::two_people}},
              {.about = "`two_people`: a changed policy is in force only when another key than its author's approved "
                        "it."})
      .path("injection_model", &PolicyConfig::injection_model,
            {.about = "Classifier of `injection` checks, made by `signalbox triage train`; empty is the built-in "
                      "one."})
      .list("guard_hosts", &PolicyConfig::guard_hosts, guard_host,
            {.about = "Hosts that `http` checks of published policies may send texts to; the policy of `file` "
                      "names its own.",
             .max = 100});
}

}  // namespace sb::config
