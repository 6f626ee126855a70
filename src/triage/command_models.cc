#include "triage/command_models.h"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace sb::triage {

Result<std::optional<Encoder>> find_encoder(const Options& options) {
  constexpr const char* kUsual = ".third_party/encoder/minilm.sbe";
  std::string path;
  if (options.has("--encoder")) {
    SB_TRY(path, options.one("--encoder"));
  } else if (const char* set = std::getenv("SIGNALBOX_ENCODER")) {
    path = set;
  } else if (std::filesystem::exists(kUsual)) {
    path = kUsual;
  }
  if (path.empty() || path == "none") return std::nullopt;
  SB_TRY(auto encoder, Encoder::load_file(path));
  return encoder;
}

Result<IntentModel> load_model(const Options& options) {
  SB_TRY(const auto path, options.one("--model"));
  SB_TRY(auto model, IntentModel::load_file(path));
  if (!model.data().sentence) return model;
  SB_TRY(const auto encoder, find_encoder(options));
  return encoder ? model.with_encoder(*encoder) : model;
}

Result<std::shared_ptr<const Router>> load_router(const Options& options) {
  if (!options.has("--config")) {
    SB_TRY(auto model, load_model(options));
    return Router::of_model(std::move(model));
  }
  SB_TRY(const auto path, options.one("--config"));
  if (!options.has("--model")) {
    SB_TRY(auto router, Router::load(path));
    if (!router->model())
      return fail(Errc::invalid_argument, fmt::format("{}: has no model; name one by --model", path));
    return router;
  }
  SB_TRY(auto model, load_model(options));
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("triage: {}: cannot be opened", path));
  std::ostringstream text;
  text << file.rdbuf();
  return Router::from_text(text.view(), path, std::move(model));
}

Result<RouteMap> load_routes(const Options& options) {
  RouteMap routes;
  if (options.has("--routes")) {
    SB_TRY(const auto path, options.one("--routes"));
    SB_TRY(routes, read_routes(path));
  }
  SB_CHECK(set_prices(options.list("--price"), routes.prices));
  return routes;
}

}  // namespace sb::triage
