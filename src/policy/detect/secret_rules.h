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
  std::uint8_t dot_at = 0;  ///< so many bytes of key stand before its first '.'; 0: any
};

/// As published by the vendors for secret scanning (GitHub Docs, "Supported secret scanning patterns", and the pages on
/// authentication named below); where one prefix begins another, the longer comes first.
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
    {"gitlab_token", "glptt-", 20},  // GitLab Docs, "Token overview", as the next four
    {"gitlab_token", "glcbt-", 20},
    {"gitlab_token", "glft-", 20},
    {"gitlab_token", "glsoat-", 20},
    {"gitlab_token", "glagent-", 20},
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
    {"planetscale_token", "pscale_pw_", 32},
    {"planetscale_token", "pscale_oauth_", 32},
    {"square_token", "sq0csp-", 32},
    {"square_token", "sq0atp-", 20},
    {"square_token", "EAAA", 56},
    {"atlassian_token", "ATATT3", 50},
    {"atlassian_token", "ATCTT3", 50},
    {"heroku_key", "HRKU-", 30},
    {"doppler_token", "dp.pt.", 40, false, true},  // Doppler's API reference, "Authentication", as the next three
    {"doppler_token", "dp.st.", 40, true},
    {"doppler_token", "dp.ct.", 40, false, true},
    {"doppler_token", "dp.sa.", 40, false, true},
    {"pulumi_token", "pul-", 40, false, true, 40},
    {"fly_token", "fo1_", 40},
    {"fly_token", "fm2_", 40},
    {"cloudflare_origin_key", "v1.0-", 50},         // Cloudflare Docs, "Get Origin CA keys"
    {"cloudflare_token", "cfk_", 40, false, true},  // Cloudflare Docs, "Token formats", as the next two
    {"cloudflare_token", "cfut_", 40, false, true},
    {"cloudflare_token", "cfat_", 40, false, true},
    {"tailscale_key", "tskey-", 20},  // Tailscale Docs, "Key prefixes"
    {"dropbox_token", "sl.", 58},
    {"airtable_token", "pat", 58, true, false, 0, 14},
    {"tavily_key", "tvly-", 20},
    {"age_key", "AGE-SECRET-KEY-1", 40, false, true},  // C2SP age.md
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
