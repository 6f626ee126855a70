#include "server/request_names.h"

#include "base/log.h"
#include "keys/pseudonym.h"
#include "server/wait_for.h"

namespace sb::server {
namespace {

constexpr std::size_t kPage = 1000;

}  // namespace

Result<> hide_request_names(Services& services) {
  const Pseudonyms pseudonyms(services.pseudonym_secret);
  std::size_t hidden = 0;
  for (;;) {
    SB_TRY(const auto plain,
           wait_for(services.store->requests_named_without(std::string(Pseudonyms::kRequestKey), kPage),
                    services.startup));
    if (plain.empty()) break;
    store::Commit commit;
    for (const auto& [tenant, name] : plain) {
      commit.rename.push_back({name.run, pseudonyms.request_key(tenant, name.idempotency_key),
                               pseudonyms.request_hash(tenant, name.request_hash)});
    }
    SB_CHECK(wait_for(services.store->commit(std::move(commit)), services.startup));
    hidden += plain.size();
  }
  if (hidden == 0) return {};
  log_info("store.request_names_hidden", {{"requests", hidden}});
  return wait_for(services.store->scrub(), services.startup);
}

}  // namespace sb::server
