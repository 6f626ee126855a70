#include "store/sqlite/sqlite_store.h"

#include "store/store_contract.h"

namespace sb::store::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract,
                         ::testing::Values(StoreFactory{"sqlite",
                                                        [](const std::string& folder, LeafLog& log) {
                                                          SqliteOptions options;
                                                          options.path = folder + "/test.db";
                                                          return open_sqlite_store(std::move(options), log);
                                                        }}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sb::store::testing
