// /api/v1/costs: what was spent, and what was saved.
#include "api/api.h"
#include "api/control.h"

namespace sb::api {

Task<void> Api::get_costs(http::Exchange& exchange, const Caller& caller, std::vector<std::string>) {
  auto rows = co_await parts_.store.costs(tenant_scope(caller), 0, parts_.clock.now_us() + 1);
  if (!rows) co_return co_await respond_error(exchange, rows.error());
  MicroMoney total = 0, all_large = 0;
  std::uint64_t runs = 0;
  json::object by_route, by_model;
  const auto add = [](json::object& into, std::string_view name, const store::CostRow& row) {
    auto& slot = into[name];
    if (!slot.is_object()) slot = json::object{{"runs", 0}, {"cost_micro", 0}, {"all_large_micro", 0}};
    auto& entry = slot.get_object();
    entry["runs"] = int_member(slot, "runs") + static_cast<std::int64_t>(row.runs);
    entry["cost_micro"] = int_member(slot, "cost_micro") + row.cost;
    entry["all_large_micro"] = int_member(slot, "all_large_micro") + row.cost_all_large;
  };
  for (const auto& row : *rows) {
    total += row.cost;
    all_large += row.cost_all_large;
    runs += row.runs;
    add(by_route, row.route.empty() ? "none" : row.route, row);
    add(by_model, row.model.empty() ? "none" : row.model, row);
  }
  const double saved =
      all_large > 0 ? 100.0 * static_cast<double>(all_large - total) / static_cast<double>(all_large) : 0.0;
  co_await respond_json(exchange, 200,
                        to_text(json::object{{"currency", parts_.currency},
                                             {"runs", runs},
                                             {"total_micro", total},
                                             {"all_large_micro", all_large},
                                             {"saved_percent", saved},
                                             {"by_route", std::move(by_route)},
                                             {"by_model", std::move(by_model)}}));
}

}  // namespace sb::api
