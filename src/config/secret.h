/// Secrets by reference: the configuration says where a secret is, never what it is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/errors.h"

namespace sb {

/// The secret itself. It cannot be printed, formatted, compared or copied by accident, and its bytes are wiped when it
/// goes. Borrow it with `reveal()` at the one place that sends it. Immutable, so readable from any thread.
class Secret {
 public:
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  ~Secret();
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view reveal() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Where a secret is: `env:NAME` or `file:PATH`.
class SecretRef {
 public:
  /// Empty for anything else, a literal secret above all.
  static std::optional<SecretRef> parse(std::string_view text);

  /// Reads the secret now, so that a rotated file is seen. One line end behind the value is not part of it; at most 64
  /// KiB. Errors: not_found (unset variable, missing or unreadable file, empty value), too_large.
  Result<Secret> resolve() const;

  /// "env:NAME" or "file:PATH": safe to print.
  std::string to_string() const;
  /// Makes the path of a `file:` reference absolute against `base`.
  void rebase(const std::filesystem::path& base);

  bool operator==(const SecretRef&) const = default;

 private:
  enum class Kind { environment, file };
  SecretRef(Kind kind, std::string place) : kind_(kind), place_(std::move(place)) {}
  Kind kind_;
  std::string place_;
};

}  // namespace sb
