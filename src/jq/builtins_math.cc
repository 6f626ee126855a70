// Builtins on numbers. Results come from the C library; all of them are exactly specified or differ in the last digit
// only.
#include <cmath>
#include <limits>

#include "jq/builtins.h"

namespace sb::jq {
namespace {

template <double (*function)(double)>
Outcome f_unary(Run&, const Value& in, Arguments, Value& out) {
  if (!in.is_number()) return fault_about(in, "number required");
  return out = number(function(to_double(in))), kDone;
}

// Rounding leaves integers alone, also those a double cannot hold.
template <double (*function)(double)>
Outcome f_round(Run& run, const Value& in, Arguments arguments, Value& out) {
  if (in.is_int64() || in.is_uint64()) return out = in, kDone;
  return f_unary<function>(run, in, arguments, out);
}

template <double (*function)(double, double)>
Outcome f_binary(Run&, const Value&, Arguments a, Value& out) {
  for (const auto& argument : a)
    if (!argument.is_number()) return fault_about(argument, "number required");
  return out = number(function(to_double(a[0]), to_double(a[1]))), kDone;
}

double exp10_of(double x) {
  return std::pow(10.0, x);
}
double significand_of(double x) {
  return x == 0 || !std::isfinite(x) ? x : std::scalbn(x, -std::ilogb(x));
}
double logb_of(double x) {
  return std::logb(x);
}
double gamma_of(double x) {
  return std::lgamma(x);
}
double drem_of(double x, double y) {
  return std::remainder(x, y);
}
double ldexp_of(double x, double y) {
  return std::ldexp(x, static_cast<int>(std::clamp(y, -10000.0, 10000.0)));
}

Outcome f_abs(Run&, const Value& in, Arguments, Value& out) {
  if (!in.is_number()) return fault_about(in, "has no absolute value");
  out = in;
  if (in.is_int64() && in.get_int64() < 0 && in.get_int64() != std::numeric_limits<std::int64_t>::min())
    out = -in.get_int64();
  else if (in.is_double() || (in.is_int64() && in.get_int64() < 0))
    out = number(std::abs(to_double(in)));
  return kDone;
}

Outcome f_infinite(Run&, const Value&, Arguments, Value& out) {
  return out = std::numeric_limits<double>::infinity(), kDone;
}
Outcome f_nan(Run&, const Value&, Arguments, Value& out) {
  return out = std::numeric_limits<double>::quiet_NaN(), kDone;
}

Outcome f_isinfinite(Run&, const Value& in, Arguments, Value& out) {
  if (!in.is_number()) return fault_about(in, "number required");
  return out = std::isinf(to_double(in)), kDone;
}
Outcome f_isnan(Run&, const Value& in, Arguments, Value& out) {
  if (!in.is_number()) return fault_about(in, "number required");
  return out = std::isnan(to_double(in)), kDone;
}
Outcome f_isnormal(Run&, const Value& in, Arguments, Value& out) {
  if (!in.is_number()) return fault_about(in, "number required");
  return out = std::isnormal(to_double(in)), kDone;
}

constexpr Native kMathNatives[] = {
    {"floor", 0, f_round<std::floor>},
    {"ceil", 0, f_round<std::ceil>},
    {"round", 0, f_round<std::round>},
    {"trunc", 0, f_round<std::trunc>},
    {"rint", 0, f_round<std::rint>},
    {"nearbyint", 0, f_round<std::nearbyint>},
    {"fabs", 0, f_abs},
    {"abs", 0, f_abs},
    {"sqrt", 0, f_unary<std::sqrt>},
    {"cbrt", 0, f_unary<std::cbrt>},
    {"exp", 0, f_unary<std::exp>},
    {"exp2", 0, f_unary<std::exp2>},
    {"exp10", 0, f_unary<exp10_of>},
    {"expm1", 0, f_unary<std::expm1>},
    {"log", 0, f_unary<std::log>},
    {"log2", 0, f_unary<std::log2>},
    {"log10", 0, f_unary<std::log10>},
    {"log1p", 0, f_unary<std::log1p>},
    {"sin", 0, f_unary<std::sin>},
    {"cos", 0, f_unary<std::cos>},
    {"tan", 0, f_unary<std::tan>},
    {"asin", 0, f_unary<std::asin>},
    {"acos", 0, f_unary<std::acos>},
    {"atan", 0, f_unary<std::atan>},
    {"sinh", 0, f_unary<std::sinh>},
    {"cosh", 0, f_unary<std::cosh>},
    {"tanh", 0, f_unary<std::tanh>},
    {"asinh", 0, f_unary<std::asinh>},
    {"acosh", 0, f_unary<std::acosh>},
    {"atanh", 0, f_unary<std::atanh>},
    {"significand", 0, f_unary<significand_of>},
    {"logb", 0, f_unary<logb_of>},
    {"gamma", 0, f_unary<gamma_of>},
    {"lgamma", 0, f_unary<gamma_of>},
    {"tgamma", 0, f_unary<std::tgamma>},
    {"pow", 2, f_binary<std::pow>},
    {"atan2", 2, f_binary<std::atan2>},
    {"fmod", 2, f_binary<std::fmod>},
    {"fmin", 2, f_binary<std::fmin>},
    {"fmax", 2, f_binary<std::fmax>},
    {"hypot", 2, f_binary<std::hypot>},
    {"drem", 2, f_binary<drem_of>},
    {"ldexp", 2, f_binary<ldexp_of>},
    {"scalb", 2, f_binary<ldexp_of>},
    {"copysign", 2, f_binary<std::copysign>},
    {"infinite", 0, f_infinite},
    {"nan", 0, f_nan},
    {"isinfinite", 0, f_isinfinite},
    {"isnan", 0, f_isnan},
    {"isnormal", 0, f_isnormal},
};

}  // namespace

std::span<const Native> math_natives() {
  return kMathNatives;
}

}  // namespace sb::jq
