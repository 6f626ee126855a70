/// Keys that announce themselves by a literal prefix.
#pragma once

#include <cstdint>
#include <string_view>

namespace sb::policy {

struct PrefixRule {
  std::string_view rule;
  std::string_view prefix;
  std::uint8_t least;       ///< bytes of key that must follow
  bool dots = false;        ///< '.' is part of the key
  bool alnum_only = false;  ///< '-' and '_' end the key
  std::uint8_t most = 0;    ///< bytes of key that may follow; 0: any
};

/// As published by the vendors for secret scanning; where one prefix begins another, the longer comes first.
inline constexpr PrefixRule kPrefixRules[] = {
    {"anthropic_key", "sk-ant-", 20},
    {"openai_key", "sk-", 20},
    {"aws_access_key", "AKIA", 16, false, true, 16},
    {"aws_access_key", "ASIA", 16, false, true, 16},
    {"aws_access_key", "ABIA", 16, false, true, 16},
    {"github_token", "github_pat_", 22},
    {"github_token", "ghp_", 30, false, true},
    {"github_token", "gho_", 30, false, true},
    {"github_token", "ghu_", 30, false, true},
    {"github_token", "ghs_", 30, false, true},
    {"github_token", "ghr_", 30, false, true},
    {"gitlab_token", "glpat-", 20},
    {"gitlab_token", "gldt-", 20},
    {"gitlab_token", "glrt-", 20},
    {"slack_token", "xoxb-", 16},
    {"slack_token", "xoxa-", 16},
    {"slack_token", "xoxp-", 16},
    {"slack_token", "xoxr-", 16},
    {"slack_token", "xoxs-", 16},
    {"slack_token", "xoxe.", 16, true},
    {"slack_token", "xapp-", 16},
    {"stripe_key", "sk_live_", 16, false, true},
    {"stripe_key", "rk_live_", 16, false, true},
    {"stripe_key", "pk_live_", 16, false, true},
    {"stripe_key", "sk_test_", 16, false, true},
    {"stripe_key", "rk_test_", 16, false, true},
    {"stripe_key", "whsec_", 24, false, true},
    {"google_api_key", "AIza", 30},
    {"google_oauth", "ya29.", 20},
    {"google_oauth", "GOCSPX-", 20},
    {"huggingface_token", "hf_", 30, false, true},
    {"docker_token", "dckr_pat_", 24},
    {"npm_token", "npm_", 30, false, true},
    {"pypi_token", "pypi-", 40},
    {"digitalocean_token", "dop_v1_", 40, false, true},
    {"shopify_token", "shpat_", 30, false, true},
    {"shopify_token", "shpss_", 30, false, true},
    {"sendgrid_key", "SG.", 40, true},
    {"mailgun_key", "key-", 32, false, true, 32},
    {"mailchimp_key", "mdp-", 20},
    {"databricks_token", "dapi", 32, false, true, 34},
    {"vault_token", "hvs.", 20, true},
    {"vault_token", "hvb.", 20, true},
    {"terraform_token", "atlasv1.", 40, true},
    {"grafana_token", "glsa_", 32},
    {"grafana_token", "glc_", 32},
    {"linear_key", "lin_api_", 32, false, true},
    {"notion_key", "ntn_", 32, false, true},
    {"notion_key", "secret_", 40, false, true},
    {"postman_key", "PMAK-", 40},
    {"newrelic_key", "NRAK-", 24, false, true},
    {"figma_token", "figd_", 32},
    {"planetscale_token", "pscale_tkn_", 32},
    {"square_token", "sq0csp-", 32},
    {"square_token", "sq0atp-", 20},
    {"groq_key", "gsk_", 40, false, true},
    {"replicate_key", "r8_", 32, false, true},
    {"perplexity_key", "pplx-", 32},
    {"xai_key", "xai-", 40},
    {"jwt", "eyJ", 24, true},
    {"twilio_key", "SK", 32, false, true, 32},
};

/// Twilio's prefix is too short to wake anybody; a hexadecimal digit follows it.
inline constexpr std::string_view kTwilioBeginnings[] = {"SK0", "SK1", "SK2", "SK3", "SK4", "SK5", "SK6", "SK7",
                                                         "SK8", "SK9", "SKa", "SKb", "SKc", "SKd", "SKe", "SKf"};

}  // namespace sb::policy
