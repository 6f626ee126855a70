/// Secrets that no prefix announces but their own shape, or the command or header around them.
#pragma once

#include "policy/detector.h"

namespace sb::policy {

/// "1234567890:AA..." (Telegram, "Bot API: authorizing your bot"). `at`: the ':'.
void classify_telegram(ScanWindow& window, std::size_t at, Findings& out);
/// "....8Q~....": client secrets of Microsoft Entra ID (Microsoft Purview, "Client secret / API key"). `at`: the '~'.
void classify_azure_secret(ScanWindow& window, std::size_t at, Findings& out);
/// "<32 hexadecimal digits>-us12" (Mailchimp, "Marketing API: authentication"). `at`: the '-'.
void classify_mailchimp(ScanWindow& window, std::size_t at, Findings& out);
/// "curl -u user:X", "mysql -pX", "sshpass -p X" (their manual pages). `at`: the '-'.
void classify_command_password(ScanWindow& window, std::size_t at, Findings& out);
/// "Cookie: a=1; session=X" (RFC 6265 sections 4.1.1 and 4.2.1). `at`: the header's name, or the word behind "Set-".
void classify_cookie(ScanWindow& window, std::size_t at, Findings& out);
/// "seed phrase: word word ...": the words of a wallet (BIP 39). `name`: where the last word before the ':' begins.
void classify_seed_phrase(ScanWindow& window, std::size_t name, std::size_t at, Findings& out);

}  // namespace sb::policy
