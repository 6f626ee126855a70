#include "api/erasure.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"

namespace sb::api {
namespace {

constexpr std::size_t kRunsAtOnce = 1'000;  // others wait for the writer meanwhile

}  // namespace

json::object ErasureOrder::to_json() const {
  json::object made{{"id", id}, {"tenant", scope.tenant}, {"actor", actor}, {"legal_basis", legal_basis}};
  if (scope.run) made["run"] = scope.run->to_string();
  if (!scope.subject.empty()) made["subject"] = scope.subject;
  if (!requested_by.empty()) made["requested_by"] = requested_by;
  made["runs_before"] = runs_before;
  return made;
}

Result<ErasureOrder> ErasureOrder::parse(const json::value& stored) {
  ErasureOrder order;
  const std::pair<const char*, std::string*> members[] = {
      {"id", &order.id},       {"tenant", &order.scope.tenant},       {"subject", &order.scope.subject},
      {"actor", &order.actor}, {"requested_by", &order.requested_by}, {"legal_basis", &order.legal_basis}};
  for (const auto& [name, member] : members) *member = string_member(stored, name);
  order.runs_before = static_cast<std::uint64_t>(int_member(stored, "runs_before"));
  order.scope.run = RunId::parse(string_member(stored, "run"));
  if (order.id.empty() || order.scope.subject.empty() == !order.scope.run)
    return fail(Errc::corrupt, "the list of erasures that are under way is damaged");
  return order;
}

Task<Result<std::vector<ErasureOrder>>> unfinished_erasures(store::Store& store) {
  SB_CO_TRY(const auto document, co_await store.load_document(std::string(kErasures)));
  std::vector<ErasureOrder> orders;
  if (!document) co_return orders;
  SB_CO_TRY(const json::value stored, parse_json(*document));
  if (!stored.is_array()) co_return fail(Errc::corrupt, "the list of erasures that are under way is damaged");
  for (const json::value& one : stored.get_array()) {
    SB_CO_TRY(ErasureOrder order, ErasureOrder::parse(one));
    orders.push_back(std::move(order));
  }
  co_return orders;
}

// Runs that go on are counted before those that ended are looked for: one that ends in between is found. Those that end
// later are told as open, and another order's.
Task<Result<Erasure::Outcome>> Erasure::run() {
  for (bool more = true; more;) {
    SB_CO_TRY(outcome_.open, co_await count_open());
    SB_CO_TRY(more, co_await erase_some());
  }
  co_return outcome_;
}

Task<Result<std::uint64_t>> Erasure::count_open() {
  if (order_.scope.run) co_return std::uint64_t{0};
  std::uint64_t unstored = 0;
  for (const RunId& id : in_flight_.runs_of(order_.scope.subject)) {
    const auto run = co_await store_.load_run(id);
    if (!run && run.error().code != Errc::not_found) co_return std::unexpected(run.error());
    if (!run) ++unstored;
  }
  SB_CO_TRY(const auto stored, co_await store_.open_runs_of_subject(order_.scope.tenant, order_.scope.subject));
  co_return stored + unstored;
}

// Whether there are more.
Task<Result<bool>> Erasure::erase_some() {
  store::ErasableFilter filter;
  filter.tenant = order_.scope.tenant;
  filter.subject = order_.scope.subject;
  filter.run = order_.scope.run;
  filter.limit = kRunsAtOnce;
  SB_CO_TRY(auto runs, co_await store_.erasable_runs(filter));
  SB_CO_TRY(const auto tokens,
            co_await store_.tokens_of_subject(order_.scope.tenant, order_.scope.subject, kRunsAtOnce));
  const bool more = runs.size() == kRunsAtOnce || tokens.size() == kRunsAtOnce;
  store::Commit commit;
  SB_CO_CHECK(co_await note_order(commit, more, outcome_.runs + runs.size()));
  const auto shared = static_cast<std::uint64_t>(std::ranges::count_if(tokens, &store::PersonsToken::shared));
  commit.leaves.push_back(leaf_of_all(runs.size(), tokens.size() - shared, shared, more));
  for (const RunId& run : runs) commit.leaves.push_back(leaf_of(run));
  outcome_.runs += runs.size();
  outcome_.values += tokens.size() - shared;
  outcome_.shared += shared;
  commit.erase = std::move(runs);
  for (const store::PersonsToken& token : tokens) {
    commit.erase_tokens.push_back(token.no);
    if (token.nobodys != 0) commit.erase_tokens.push_back(token.nobodys);  // it is theirs, whoever did not say so
  }
  SB_CO_CHECK(co_await store_.commit(std::move(commit)));
  co_return more;
}

// With each of several batches, and without it with the last one.
Task<Result<>> Erasure::note_order(store::Commit& commit, bool more, std::uint64_t runs) {
  SB_CO_TRY(const auto orders, co_await unfinished_erasures(store_));
  const bool is_noted = std::ranges::find(orders, order_.id, &ErasureOrder::id) != orders.end();
  if (!is_noted && !more) co_return Result<>();
  json::array list;
  for (const ErasureOrder& order : orders) {
    if (order.id != order_.id) list.push_back(order.to_json());
  }
  if (more) {
    ErasureOrder noted = order_;
    noted.runs_before += runs;
    list.push_back(noted.to_json());
  }
  commit.documents.emplace_back(std::string(kErasures), to_text(list));
  co_return Result<>();
}

store::LeafDraft Erasure::draft(std::string kind) const {
  store::LeafDraft leaf;
  leaf.kind = std::move(kind);
  leaf.tenant = order_.scope.tenant;
  leaf.actor = order_.actor;
  leaf.time_us = clock_.now_us();
  return leaf;
}

store::LeafDraft Erasure::leaf_of_all(std::uint64_t runs, std::uint64_t values, std::uint64_t shared, bool more) const {
  store::LeafDraft leaf = draft("erasure");
  JsonWriter summary;
  summary.begin_object().member("erasure", order_.id).member("legal_basis", order_.legal_basis);
  if (more) summary.member("more", true);
  if (!order_.requested_by.empty()) summary.member("requested_by", order_.requested_by);
  summary.member("runs", static_cast<std::int64_t>(runs));
  if (const std::uint64_t before = order_.runs_before + outcome_.runs; before > 0)
    summary.member("runs_before", static_cast<std::int64_t>(before));
  if (!order_.scope.subject.empty()) {
    summary.member("subject", order_.scope.subject);
    summary.member("values", static_cast<std::int64_t>(values));
    summary.member("values_shared", static_cast<std::int64_t>(shared));
  }
  leaf.summary = std::move(summary.end_object()).take();
  return leaf;
}

// Among the run's own leaves, so that they prove that it was erased.
store::LeafDraft Erasure::leaf_of(const RunId& run) const {
  store::LeafDraft leaf = draft("run.erased");
  leaf.run = run;
  leaf.summary = fmt::format(R"({{"erasure":"{}"}})", order_.id);
  return leaf;
}

}  // namespace sb::api
