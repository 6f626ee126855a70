#include "cli/erase_command.h"

#include <ostream>

#include "cli/api_client.h"

namespace sb::cli {
namespace {

int wrong_usage(const Invocation& it, std::string what) {
  (void)it.fail(Error(Errc::invalid_argument, std::move(what)));
  return kExitUsage;
}

}  // namespace

Command erase_command() {
  Command erase("erase", "erase a person's content, or one run's, for ever; the record stays and still verifies");
  add_api_flags(erase.option("subject", "NAME", "whose: as callers name them in x-signalbox-subject")
                    .option("run", "ID", "or this one run")
                    .option("tenant", "NAME", "of which tenant; only admins may name another than their own")
                    .option("legal-basis", "TEXT", "why, for the record, such as 'GDPR Art. 17(1)(a)'")
                    .option("requested-by", "NAME", "who asked; the record keeps a pseudonym")
                    .example("signalbox erase --subject customer-4711 --legal-basis 'GDPR Art. 17(1)(b)'",
                             "erases all that was asked and answered for them")
                    .run([](const Invocation& it) {
                      if (it.get("subject").empty() == it.get("run").empty())
                        return wrong_usage(it, "give either --subject NAME or --run ID");
                      if (it.get("legal-basis").empty()) return wrong_usage(it, "--legal-basis TEXT is missing: why?");
                      json::object body;
                      const std::pair<const char*, const char*> members[] = {{"subject", "subject"},
                                                                             {"run", "run"},
                                                                             {"tenant", "tenant"},
                                                                             {"legal-basis", "legal_basis"},
                                                                             {"requested-by", "requested_by"}};
                      for (const auto& [flag, member] : members) {
                        if (const auto value = it.get(flag); !value.empty()) body[member] = value;
                      }
                      const auto answer = call_api(it, "POST", "/api/v1/erasures", to_text(body));
                      if (!answer) return it.fail(answer.error());
                      it.out << to_text(*answer) << '\n';
                      return kExitOk;
                    }));
  return erase;
}

}  // namespace sb::cli
