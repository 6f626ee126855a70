#include "api/key_rotation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"

namespace sb::api {
namespace {

constexpr const char* kDocument = "tenant_keys";

}  // namespace

Task<Result<>> KeyRotation::begin(std::string tenant, std::string actor) {
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  if (!keys_.has(tenant)) co_return fail(Errc::not_found, fmt::format("no tenant {}", tenant), "tenant");
  const auto rotating = keys_.rotating();
  if (std::ranges::find(rotating, tenant) != rotating.end()) {
    co_return fail(Errc::conflict, fmt::format("the key of tenant {} is being rotated already", tenant), "tenant");
  }
  const std::size_t version = keys_.version(tenant) + 1;
  if (version == kMaxKeyVersions) {
    co_return fail(Errc::unsupported, fmt::format("tenant {} has had {} keys, the most there can be", tenant, version));
  }
  const json::value document = keys_.with_new_key(tenant, entropy_);
  store::Commit commit;
  commit.documents.emplace_back(kDocument, to_text(document));
  store::LeafDraft leaf;
  leaf.kind = "tenant_key.create";
  leaf.tenant = std::move(tenant);
  leaf.actor = std::move(actor);
  leaf.summary = fmt::format(R"({{"version":{}}})", version);
  leaf.time_us = clock_.now_us();
  commit.leaves.push_back(std::move(leaf));
  SB_CO_CHECK(co_await store_.commit(std::move(commit)));
  co_return keys_.load(document);
}

Task<Result<KeyRotation::Step>> KeyRotation::step() {
  if (!work_) {
    const auto rotating = keys_.rotating();
    if (rotating.empty()) co_return Step::idle;
    work_ = Work{rotating.front(), static_cast<unsigned char>(keys_.version(rotating.front())), 0, 0, std::nullopt};
  }
  SB_CO_TRY(const bool more_keys, co_await move(store::SealedKind::data_key, work_->data_keys_after));
  if (more_keys) co_return Step::moved;
  SB_CO_TRY(const bool more_tokens, co_await move(store::SealedKind::token, work_->tokens_after));
  if (more_tokens) co_return Step::moved;
  const auto now = clock_.steady();
  if (!work_->all_moved) work_->all_moved = now;
  if (now - *work_->all_moved < options_.grace) co_return Step::waiting;
  if (const auto ended = co_await end(); !ended) {
    // A run that got its key before the rotation began, and was stored after its place was looked at.
    if (ended.error().code == Errc::conflict) co_return Step::moved;
    co_return std::unexpected(ended.error());
  }
  work_.reset();
  co_return Step::ended;
}

// False: there is nothing (more) of that kind for now.
Task<Result<bool>> KeyRotation::move(store::SealedKind kind, std::int64_t& after) {
  SB_CO_TRY(const store::SealedPage page,
            co_await store_.sealed_by_others(work_->tenant, kind, work_->version, after, options_.batch));
  store::Commit commit;
  for (const store::SealedRow& row : page.rows) {
    SB_CO_TRY(std::string sealed, sealer_.reseal(work_->tenant, row));
    commit.reseal.push_back({row.kind, row.no, row.sealed, std::move(sealed)});
  }
  if (!page.rows.empty()) {
    work_->all_moved.reset();
    SB_CO_CHECK(co_await store_.commit(std::move(commit)));
  }
  after = page.last;
  co_return page.more;
}

Task<Result<>> KeyRotation::end() {
  SB_CO_TRY(const auto pass, co_await changes_.enter());
  const json::value document = keys_.without_old_keys(work_->tenant, entropy_);
  store::Commit commit;
  commit.documents.emplace_back(kDocument, to_text(document));
  commit.retire_keys = {work_->tenant, work_->version, work_->data_keys_after, work_->tokens_after};
  store::LeafDraft leaf;
  leaf.kind = "tenant_key.rotate";
  leaf.tenant = work_->tenant;
  leaf.summary = fmt::format(R"({{"version":{}}})", work_->version);
  leaf.time_us = clock_.now_us();
  commit.leaves.push_back(std::move(leaf));
  SB_CO_CHECK(co_await store_.commit(std::move(commit)));
  co_return keys_.load(document);
}

}  // namespace sb::api
