/// Keys that announce themselves by a literal prefix.
#pragma once

#include <cstdint>
#include <string_view>

namespace sb::policy {

struct PrefixRule {
  std::string_view rule;
  std::string_view prefix;
  std::uint8_t wake;   ///< index in `prefix` of the byte that wakes the detector
  std::uint8_t least;  ///< bytes of key that must follow
  bool dots;           ///< '.' is part of the key
  bool alnum_only;     ///< '-' and '_' end the key
};

/// As published by the vendors for secret scanning.
inline constexpr PrefixRule kPrefixRules[] = {
    {"anthropic_key", "sk-ant-", 2, 20, false, false},
    {"openai_key", "sk-", 2, 20, false, false},
    {"aws_access_key", "AKIA", 1, 16, false, true},
    {"aws_access_key", "ASIA", 1, 16, false, true},
    {"github_token", "github_pat_", 6, 22, false, false},
    {"github_token", "ghp_", 3, 30, false, true},
    {"github_token", "gho_", 3, 30, false, true},
    {"github_token", "ghu_", 3, 30, false, true},
    {"github_token", "ghs_", 3, 30, false, true},
    {"github_token", "ghr_", 3, 30, false, true},
    {"gitlab_token", "glpat-", 5, 20, false, false},
    {"slack_token", "xoxb-", 4, 16, false, false},
    {"slack_token", "xoxa-", 4, 16, false, false},
    {"slack_token", "xoxp-", 4, 16, false, false},
    {"slack_token", "xoxr-", 4, 16, false, false},
    {"slack_token", "xoxs-", 4, 16, false, false},
    {"slack_token", "xapp-", 4, 16, false, false},
    {"stripe_key", "sk_live_", 2, 16, false, true},
    {"stripe_key", "rk_live_", 2, 16, false, true},
    {"stripe_key", "sk_test_", 2, 16, false, true},
    {"stripe_key", "rk_test_", 2, 16, false, true},
    {"stripe_key", "whsec_", 5, 24, false, true},
    {"google_api_key", "AIza", 2, 30, false, false},
    {"google_oauth", "ya29.", 3, 20, false, false},
    {"huggingface_token", "hf_", 2, 30, false, true},
    {"npm_token", "npm_", 3, 30, false, true},
    {"pypi_token", "pypi-", 4, 40, false, false},
    {"digitalocean_token", "dop_v1_", 3, 40, false, true},
    {"shopify_token", "shpat_", 5, 30, false, true},
    {"sendgrid_key", "SG.", 1, 40, true, false},
    {"jwt", "eyJ", 2, 24, true, false},
    {"twilio_key", "SK", 1, 32, false, true},
};

}  // namespace sb::policy
