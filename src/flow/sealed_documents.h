/// Documents that people wrote and no tenant owns, sealed in the store: policies, flows, API keys with their names.
/// What names them (their hash, the flow's id) stands in clear, as it does in the record.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "flow/sealer.h"
#include "store/store.h"

namespace sb::flow {

inline constexpr std::string_view kApiKeysDocument = "keys";

inline void put_sealed(store::Commit& commit, const Sealer& sealer, std::string name, std::string_view text) {
  std::string sealed = sealer.seal_document(name, text);
  commit.documents.emplace_back(std::move(name), std::move(sealed));
}

/// Nothing: there is none of that name. `store` and `sealer` outlive the call. Errors: corrupt, as the store's.
inline Task<Result<std::optional<std::string>>> load_sealed(store::Store& store, const Sealer& sealer,
                                                            std::string name) {
  SB_CO_TRY(const auto sealed, co_await store.load_document(name));
  if (!sealed) co_return std::nullopt;
  auto text = sealer.open_document(name, *sealed);
  if (!text)
    co_return fail(text.error().code,
                   fmt::format("document {} of the database does not open: {}", name, text.error().detail));
  co_return *std::move(text);
}

}  // namespace sb::flow
