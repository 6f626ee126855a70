// Expressions, templates, durations, references to components.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/bytes.h"
#include "flow/dsl/compiler.h"

namespace sb::flow {

Result<Micros> parse_iso_duration(std::string_view text) {
  const auto bad = [&] {
    return fail(Errc::invalid_argument, fmt::format("`{}` is not an ISO 8601 duration such as PT1M30S", text));
  };
  std::string_view rest = text;
  if (!rest.starts_with('P') || rest.size() < 3) return bad();
  rest.remove_prefix(1);
  double seconds = 0;
  bool in_time = false;
  std::string_view order = "WDHMS";  // each at most once, in this order
  while (!rest.empty()) {
    if (rest.front() == 'T' && !in_time) {
      in_time = true;
      rest.remove_prefix(1);
      if (rest.empty()) return bad();
      continue;
    }
    double amount = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), amount, std::chars_format::fixed);
    if (error != std::errc() || end == rest.data() + rest.size() || amount < 0) return bad();
    const char unit = *end;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()) + 1);
    if (unit == 'Y' || (unit == 'M' && !in_time))
      return fail(Errc::invalid_argument,
                  fmt::format("`{}`: how long a month or a year is depends on when; use days", text));
    const auto at = order.find(unit);
    if (at == std::string_view::npos || in_time != (unit == 'H' || unit == 'M' || unit == 'S')) return bad();
    order.remove_prefix(at + 1);
    constexpr std::pair<char, double> kUnits[] = {{'W', 604800}, {'D', 86400}, {'H', 3600}, {'M', 60}, {'S', 1}};
    for (const auto& [name, size] : kUnits) {
      if (name == unit) seconds += amount * size;
    }
  }
  constexpr double kHundredYears = 100 * 365.25 * 86400;
  if (seconds > kHundredYears) return fail(Errc::invalid_argument, "a duration is at most 100 years");
  return static_cast<Micros>(std::llround(seconds * 1e6));
}

Result<Micros> duration_of(const json::value& value) {
  if (const auto* text = value.if_string()) return parse_iso_duration(*text);
  const auto* object = value.if_object();
  if (!object || object->empty())
    return fail(Errc::invalid_argument, "a duration is {days, hours, minutes, seconds, milliseconds} or ISO 8601 text");
  constexpr std::pair<std::string_view, Micros> kUnits[] = {{"days", 86'400'000'000},
                                                            {"hours", 3'600'000'000},
                                                            {"minutes", 60'000'000},
                                                            {"seconds", 1'000'000},
                                                            {"milliseconds", 1'000}};
  Micros total = 0;
  for (const auto& [key, amount] : *object) {
    const auto unit = std::ranges::find(kUnits, std::string_view(key), [](const auto& u) { return u.first; });
    if (unit == std::end(kUnits))
      return fail(Errc::invalid_argument, fmt::format("a duration has no `{}`", std::string_view(key)));
    constexpr std::int64_t kMost = 36'525LL * 24 * 60 * 60 * 1000;
    if (!amount.is_int64() || amount.get_int64() < 0 || amount.get_int64() > kMost / (unit->second / 1000))
      return fail(Errc::invalid_argument,
                  fmt::format("`{}` is a whole number, not negative, and at most 100 years", std::string_view(key)));
    total += amount.get_int64() * unit->second;
  }
  return total;
}

Result<Micros> Duration::resolve(const Scope& scope) const {
  if (!computed) return fixed_us;
  SB_TRY(const auto value, computed->render(scope));
  return duration_of(value.value());
}

}  // namespace sb::flow

namespace sb::flow::dsl {

bool has_expression(const json::value& value) {
  if (const auto* text = value.if_string()) return is_expression(*text);
  if (const auto* object = value.if_object())
    return std::ranges::any_of(*object, [](const auto& member) { return has_expression(member.value()); });
  if (const auto* array = value.if_array()) return std::ranges::any_of(*array, has_expression);
  return false;
}

Result<Template> Compiler::template_at(const json::value& value, std::string_view pointer, Template::Uris uris) const {
  auto compiled = Template::compile(value, pointer, locals_, uris);
  if (!compiled) return fault(compiled.error().param, compiled.error().detail, compiled.error().code);
  return compiled;
}

Result<Expression> Compiler::expression_at(const json::value& value, std::string_view pointer) const {
  if (!value.is_string()) return fault(pointer, "must be an expression, as a string");
  auto compiled = Expression::compile(value.get_string(), locals_);
  if (!compiled) return fault(pointer, compiled.error().detail, compiled.error().code);
  return compiled;
}

Result<Expression> Compiler::member_expression(const json::value& object, std::string_view key,
                                               std::string_view pointer) const {
  return expression_at(*find_member(object, key), pointer_append(pointer, key));
}

// A string is an expression with or without "${ }", anything else a template.
Result<Template> Compiler::shaping(const json::value& value, std::string_view pointer) const {
  json::value definition = value;
  if (const auto* text = value.if_string(); text && !is_expression(*text))
    definition = json::string("${" + std::string(*text) + "}");
  else if (!text && !value.is_object())
    return fault(pointer, "must be an expression, as a string, or an object");
  return template_at(definition, pointer);
}

Result<Compiler::Stage> Compiler::stage(const json::value& value, std::string_view pointer,
                                        std::string_view key) const {
  SB_CHECK(object_at(value, pointer, fmt::format("must be an object with `{}` or `schema`", key)));
  SB_CHECK(only(value, pointer, {key, "schema"}));
  Stage made;
  if (const auto* transform = find_member(value, key)) {
    SB_TRY(made.transform, shaping(*transform, pointer_append(pointer, key)));
  }
  if (const auto* definition = find_member(value, "schema")) {
    SB_TRY(made.schema, schema(*definition, pointer_append(pointer, "schema")));
  }
  return made;
}

Result<Duration> Compiler::duration(const json::value& value, std::string_view pointer) const {
  Duration made;
  if (has_expression(value)) {
    SB_TRY(made.computed, template_at(value, pointer));
    return made;
  }
  auto fixed = duration_of(value);
  if (!fixed) return fault(pointer, fixed.error().detail);
  made.fixed_us = *fixed;
  return made;
}

Result<std::pair<const json::value*, Compiler::Pointer>> Compiler::component(const json::value& value,
                                                                             std::string_view pointer,
                                                                             std::string_view kind) const {
  if (!value.is_string()) return std::pair(&value, std::string(pointer));
  const std::string_view name = value.get_string();
  const auto* use = find_member(yaml_.value, "use");
  const auto* all = use ? find_member(*use, kind) : nullptr;
  const auto* found = all ? find_member(*all, name) : nullptr;
  if (!found) {
    std::vector<std::string> names;
    if (all && all->is_object())
      for (const auto& [key, ignored] : all->get_object()) names.emplace_back(key);
    const auto near = nearest(name, names);
    return fault(pointer, fmt::format("there is no `{}` under use.{}{}", name, kind,
                                      near ? "; did you mean `" + *near + "`?" : ""));
  }
  return std::pair(found, pointer_append(pointer_append("/use", kind), name));
}

Result<Duration> Compiler::timeout(const json::value& value, std::string_view pointer) const {
  SB_TRY(const auto definition, component(value, pointer, "timeouts"));
  const auto& [limit, at] = definition;
  SB_CHECK(object_at(*limit, at, "a timeout is {after: DURATION} or a name under use.timeouts"));
  SB_CHECK(only(*limit, at, {"after"}));
  const auto* after = find_member(*limit, "after");
  if (!after) return fault(at, "a timeout needs `after`");
  return duration(*after, pointer_append(at, "after"));
}

Result<Transition> Compiler::transition(const json::value& value, std::string_view pointer, Names siblings) const {
  if (!value.is_string()) return fault(pointer, "must be continue, exit, end or the name of a task in the same list");
  const std::string_view target = value.get_string();
  if (target == "continue") return Transition{Transition::Kind::next};
  if (target == "exit") return Transition{Transition::Kind::exit};
  if (target == "end") return Transition{Transition::Kind::end};
  const auto found = std::ranges::find(siblings, target);
  if (found == siblings.end()) {
    const auto near = nearest(target, siblings);
    return fault(pointer,
                 fmt::format("no task `{}` in this list{}", target, near ? "; did you mean `" + *near + "`?" : ""));
  }
  return Transition{Transition::Kind::to, static_cast<std::size_t>(found - siblings.begin())};
}

Result<> Compiler::authentication(const json::value& value, std::string_view pointer) const {
  SB_CHECK(object_at(value, pointer, "an authentication is an object"));
  SB_CHECK(only(value, pointer, {"use", "basic", "bearer", "digest", "oauth2", "oidc"}));
  if (value.get_object().size() != 1) return fault(pointer, "is one of use, basic, bearer, digest, oauth2, oidc");
  const std::string scheme(value.get_object().begin()->key());
  const auto& definition = value.get_object().begin()->value();
  const auto at = pointer_append(pointer, scheme);
  if (scheme == "use") return {};
  SB_CHECK(object_at(definition, at, "must be an object"));
  if (find_member(definition, "use")) return only(definition, at, {"use"});
  const auto need = [&](std::initializer_list<std::string_view> keys) -> Result<> {
    for (const auto key : keys) {
      if (!find_member(definition, key)) return fault(at, fmt::format("`{}` needs `{}`", scheme, key));
    }
    return {};
  };
  if (scheme == "basic" || scheme == "digest") {
    SB_CHECK(only(definition, at, {"username", "password"}));
    return need({"username", "password"});
  }
  if (scheme == "bearer") {
    SB_CHECK(only(definition, at, {"token"}));
    return need({"token"});
  }
  SB_CHECK(only(definition, at,
                {"authority", "grant", "client", "request", "issuers", "scopes", "audiences", "username", "password",
                 "subject", "actor", "endpoints"}));
  SB_CHECK(need({"authority", "grant"}));
  const auto grant = string_member(definition, "grant");
  if (grant != "client_credentials" && grant != "password" && grant != "refresh_token" &&
      grant != "urn:ietf:params:oauth:grant-type:token-exchange")
    return fault(pointer_append(at, "grant"),
                 fmt::format("grant `{}` is not supported: a server has nobody to ask; use client_credentials, "
                             "password or token exchange",
                             grant),
                 Errc::unsupported);
  const auto* client = find_member(definition, "client");
  const auto method = client ? string_member(*client, "authentication", "client_secret_post") : "client_secret_post";
  if (method != "client_secret_basic" && method != "client_secret_post" && method != "none")
    return fault(pointer_append(at, "client/authentication"),
                 fmt::format("client authentication `{}` is not supported", method), Errc::unsupported);
  return {};
}

// Puts the policy under use.authentications in the place of its name.
Result<json::value> Compiler::with_authentication(json::value value, std::string_view pointer) const {
  auto* object = value.if_object();
  if (!object) return value;
  for (auto& [key, member] : *object) {
    const auto at = pointer_append(pointer, key);
    const std::string_view name = key;
    if (name == "authentication" && !member.is_string()) {
      SB_CHECK(authentication(member, at));
      if (const auto* use = find_member(member, "use")) {
        SB_TRY(const auto policy, component(*use, pointer_append(at, "use"), "authentications"));
        json::value resolved = *policy.first;
        member = std::move(resolved);
      }
    } else if (name != "body" && name != "parameters" && name != "message" && name != "arguments" &&
               member.is_object()) {
      SB_TRY(member, with_authentication(std::move(member), at));
    }
  }
  return value;
}

}  // namespace sb::flow::dsl
