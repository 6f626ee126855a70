#include "model/catalog.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "model/error_body.h"

namespace sb::model {
namespace {

ProviderConfig provider(std::string name, std::vector<std::string> models) {
  ProviderConfig config;
  config.name = std::move(name);
  config.base_url = "http://127.0.0.1:1/v1";
  for (auto& model : models) config.models.push_back({model, "up-" + model, {}, 0});
  return config;
}

CatalogConfig two_providers() {
  CatalogConfig config;
  config.providers = {provider("a", {"gpt", "mini"}), provider("b", {"gpt", "org/deep"})};
  config.tiers = {{"small", {{"a", "mini", 1, 0}}},
                  {"large", {{"b", "gpt", 3, 1}, {"a", "gpt", 1, 0}, {"b", "org/deep", 1, 1}}}};
  config.aliases = {{"gpt-4o", "large"}, {"cheap", "a/mini"}};
  return config;
}

std::vector<std::vector<std::string>> groups_of(const Catalog& catalog, std::string_view name) {
  const auto target = catalog.resolve(name);
  std::vector<std::vector<std::string>> out;
  if (!target) return out;
  for (const auto& group : (*target)->groups) {
    out.emplace_back();
    for (const auto& candidate : group) out.back().push_back(catalog.deployments()[candidate.deployment].name);
  }
  return out;
}

using Groups = std::vector<std::vector<std::string>>;

TEST(Catalog, ResolvesTiersAliasesFullAndBareNames) {
  const auto catalog = Catalog::create(two_providers());
  ASSERT_TRUE(catalog) << catalog.error().detail;
  EXPECT_EQ(groups_of(*catalog, "large"), (Groups{{"a/gpt"}, {"b/gpt", "b/org/deep"}}));
  EXPECT_EQ(groups_of(*catalog, "gpt-4o"), groups_of(*catalog, "large"));
  EXPECT_EQ(groups_of(*catalog, "cheap"), (Groups{{"a/mini"}}));
  EXPECT_EQ(groups_of(*catalog, "b/gpt"), (Groups{{"b/gpt"}}));
  EXPECT_EQ(groups_of(*catalog, "b/org/deep"), (Groups{{"b/org/deep"}}));
  EXPECT_EQ(groups_of(*catalog, "gpt"), (Groups{{"a/gpt"}, {"b/gpt"}}));
  EXPECT_EQ((*catalog->resolve("large"))->tier, "large");
  EXPECT_EQ((*catalog->resolve("gpt"))->tier, "");
  EXPECT_EQ(catalog->deployments()[0].upstream, "up-gpt");
}

TEST(Catalog, UnknownModelNamesTheNearestOne) {
  const auto catalog = Catalog::create(two_providers());
  const auto unknown = catalog->resolve("smal");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::not_found);
  EXPECT_EQ(unknown.error().param, "model");
  EXPECT_NE(unknown.error().detail.find("\"small\""), std::string::npos);
  EXPECT_EQ(catalog->resolve("auto").error().code, Errc::not_found);
}

TEST(Catalog, RefusesConfigurationsThatCannotWork) {
  const auto refused = [](auto change) {
    CatalogConfig config = two_providers();
    change(config);
    const auto catalog = Catalog::create(std::move(config));
    return catalog ? std::string("accepted") : catalog.error().param;
  };
  EXPECT_EQ(refused([](auto& c) { c.providers.push_back(c.providers[0]); }), "providers");
  EXPECT_EQ(refused([](auto& c) { c.providers[0].base_url = "nowhere"; }), "providers.a.base_url");
  EXPECT_EQ(refused([](auto& c) { c.providers[0].models[0].price.output = -1; }), "providers.a.models.gpt.price");
  EXPECT_EQ(refused([](auto& c) { c.providers[0].models[1].name = "gpt"; }), "providers.a.models.gpt");
  EXPECT_EQ(refused([](auto& c) { c.tiers[0].deployments.clear(); }), "tiers.small");
  EXPECT_EQ(refused([](auto& c) { c.tiers[0].deployments[0].model = "mni"; }), "tiers.small");
  EXPECT_EQ(refused([](auto& c) { c.tiers[0].deployments[0].weight = 0; }), "tiers.small");
  EXPECT_EQ(refused([](auto& c) { c.tiers[0].name = "auto"; }), "tiers.auto");
  EXPECT_EQ(refused([](auto& c) { c.aliases["x"] = "cheap"; }), "aliases.x");
  EXPECT_EQ(refused([](auto& c) { c.aliases["small"] = "a/gpt"; }), "aliases.small");
}

TEST(Catalog, WhatANameMayComeTo) {
  const auto catalog = Catalog::create(two_providers());
  ASSERT_TRUE(catalog);
  using Names = std::vector<std::string>;
  const auto reach = [&](std::string_view model) {
    const auto names = catalog->reach(model);
    return Names(names.begin(), names.end());
  };
  EXPECT_EQ(reach("a/gpt"), (Names{"a/gpt", "gpt"}));
  const auto small = reach("small");
  EXPECT_NE(std::ranges::find(small, "small"), small.end());
  const auto all = reach("auto");
  for (const auto& deployment : catalog->deployments())
    EXPECT_NE(std::ranges::find(all, deployment.name), all.end()) << deployment.name;
  EXPECT_EQ(reach("nobody knows it"), all);
}

TEST(ErrorBody, EveryCodeHasAStatusATypeAndValidJson) {
  for (int value = 1; value <= 99; ++value) {
    const Error error(static_cast<Errc>(value), "quote \" and\nline", value % 2 ? "model" : "");
    if (value > 20 && value != 99) continue;
    const int status = http_status(error.code);
    EXPECT_GE(status, 400) << value;
    const auto body = parse_json(openai_error_body(error));
    ASSERT_TRUE(body) << value;
    const auto* object = find_member(*body, "error");
    ASSERT_TRUE(object);
    EXPECT_EQ(string_member(*object, "message"), error.detail);
    EXPECT_EQ(string_member(*object, "type"), openai_error_type(error.code));
    EXPECT_FALSE(string_member(*object, "code").empty());
    EXPECT_EQ(find_member(*object, "param")->is_null(), value % 2 == 0);
    EXPECT_TRUE(is_openai_error(openai_error_body(error)));
  }
  EXPECT_EQ(openai_error_code(Error(Errc::not_found, "", "model")), "model_not_found");
  EXPECT_FALSE(is_openai_error("<html>"));
  EXPECT_FALSE(is_openai_error(R"({"error":"text"})"));
}

}  // namespace
}  // namespace sb::model
