#include "triage/prices.h"

#include <fmt/format.h>

#include <charconv>
#include <vector>

#include "base/bytes.h"

namespace sb::triage {
namespace {

struct Name {
  std::string_view flag;
  std::string_view file;
  double Prices::* value;
};

constexpr Name kNames[] = {
    {"script", "script", &Prices::script},
    {"small", "small_model", &Prices::small},
    {"large", "large_model", &Prices::large},
    {"human", "human", &Prices::human},
    {"wrong_script", "wrong_script", &Prices::wrong_script},
    {"missed_human", "missed_human", &Prices::missed_human},
    {"needless_human", "needless_human", &Prices::needless_human},
};

}  // namespace

Result<Prices> read_prices(const json::value& cost) {
  Prices out;
  for (const auto& name : kNames) {
    const auto* value = find_member(cost, name.file);
    if (!value) continue;
    if (!value->is_number() || value->to_number<double>() < 0) {
      return fail(Errc::invalid_argument, fmt::format("cost.{}: is not a number of 0 or more", name.file));
    }
    out.*name.value = value->to_number<double>();
  }
  return out;
}

Result<> set_prices(std::span<const std::string> settings, Prices& prices) {
  for (const auto& setting : settings) {
    const auto equals = setting.find('=');
    const std::string_view key = std::string_view(setting).substr(0, equals);
    const auto* name = std::ranges::find(kNames, key, &Name::flag);
    if (name == std::end(kNames)) {
      std::vector<std::string> known;
      for (const auto& one : kNames) known.emplace_back(one.flag);
      const auto near = nearest(key, known);
      return fail(Errc::invalid_argument,
                  fmt::format("--price {}: no price of that name{}; there are {}", key,
                              near ? fmt::format(", did you mean {}?", *near) : "", fmt::join(known, ", ")));
    }
    const std::string_view units =
        equals == setting.npos ? std::string_view() : std::string_view(setting).substr(equals + 1);
    double value = -1;
    const auto [end, error] = std::from_chars(units.data(), units.data() + units.size(), value);
    if (error != std::errc() || end != units.data() + units.size() || !(value >= 0)) {
      return fail(Errc::invalid_argument, fmt::format("--price {}: write {}=UNITS, 0 or more", setting, key));
    }
    prices.*name->value = value;
  }
  return {};
}

}  // namespace sb::triage
