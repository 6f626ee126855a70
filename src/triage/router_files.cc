#include "triage/router_files.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "triage/router_config.h"
#include "triage/verifier.h"

namespace sb::triage {

std::string beside(const std::string& document_path, const std::string& name) {
  return (std::filesystem::path(document_path).parent_path() / name).string();
}

Result<std::shared_ptr<const Router>> load_router(std::string_view yaml, const std::string& name,
                                                  const std::function<std::string(const std::string&)>& path_of,
                                                  std::optional<Learnt> learnt) {
  SB_TRY(const auto config, parse_router_config(yaml, name));
  std::optional<IntentModel> model;
  if (!config.model_path.empty()) {
    SB_TRY(model, IntentModel::load_file(path_of(config.model_path)));
  }
  std::optional<Encoder> encoder;
  if (!config.encoder_path.empty() && (model || !config.verifier_path.empty())) {
    SB_TRY(encoder, Encoder::load_file(path_of(config.encoder_path)));
  }
  if (model && encoder) {
    auto two_tiers = model->with_encoder(*encoder);
    if (!two_tiers) return fail(two_tiers.error().code, fmt::format("{}: {}", name, two_tiers.error().detail));
    model = *std::move(two_tiers);
  }
  if (learnt) {
    if (!model) return fail(Errc::conflict, fmt::format("{}: it names no classifier to learn beside", name));
    auto with_learnt = model->with_learnt(*std::move(learnt));
    if (!with_learnt) return fail(with_learnt.error().code, fmt::format("{}: {}", name, with_learnt.error().detail));
    model = *std::move(with_learnt);
  }
  std::shared_ptr<const Verifier> verifier;
  if (!config.verifier_path.empty()) {
    SB_TRY(verifier, Verifier::load_file(path_of(config.verifier_path), std::move(encoder)));
  }
  return Router::from_text(yaml, name, std::move(model), std::move(verifier));
}

Result<std::shared_ptr<const Router>> Router::load(const std::string& yaml_path) {
  std::ifstream file(yaml_path, std::ios::binary);
  if (!file) return fail(Errc::not_found, fmt::format("triage: {}: cannot be opened", yaml_path));
  std::ostringstream text;
  text << file.rdbuf();
  return load_router(text.view(), yaml_path, [&](const std::string& name) { return beside(yaml_path, name); });
}

}  // namespace sb::triage
