#include "flow/containers.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/bytes.h"
#include "flow/definition.h"

namespace sb::flow {
namespace {

constexpr std::size_t kArgumentMax = 120 << 10;   // the kernel takes 128 KiB
constexpr std::size_t kArgumentsMax = 512 << 10;  // and 2 MiB in all, with the environment

bool is_digit_or_letter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_one_of(char c, std::string_view more) {
  return is_digit_or_letter(c) || more.contains(c);
}
bool all_of(std::string_view text, std::string_view more) {
  return std::ranges::all_of(text, [&](char c) { return is_one_of(c, more); });
}

/// NAME[:TAG][@sha256:DIGEST] of the Distribution specification's form, NAME with a registry before it or without.
bool is_image(std::string_view image) {
  if (image.empty() || image.size() > 512) return false;
  auto rest = image;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    const auto digest = rest.substr(at + 1);
    constexpr std::string_view kSha256 = "sha256:";
    if (!digest.starts_with(kSha256) || digest.size() != kSha256.size() + 64 ||
        digest.substr(kSha256.size()).find_first_not_of("0123456789abcdef") != std::string_view::npos)
      return false;
    rest = rest.substr(0, at);
  }
  const auto parts = split(rest, '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto part = parts[i];
    const bool may_have_colon = i == 0 || i + 1 == parts.size();  // a registry's port, a tag
    if (part.empty() || !is_digit_or_letter(part.front()) || !is_digit_or_letter(part.back())) return false;
    if (!all_of(part, "._-:") || part.contains("..")) return false;
    if (const auto colon = part.find(':'); colon != std::string_view::npos) {
      if (!may_have_colon || part.find(':', colon + 1) != std::string_view::npos) return false;
    }
  }
  return true;
}

// As base/wildcard.h, but a `*` ends at a `/`: "acme*" is no pattern for a registry that someone else calls acme.evil.
bool fits_image(std::string_view pattern, std::string_view image) {
  std::size_t at = 0, star = std::string_view::npos, taken = 0, i = 0;
  while (i < image.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = at++;
      taken = i;
    } else if (at < pattern.size() && pattern[at] == image[i]) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos && image[taken] != '/') {
      at = star + 1;
      i = ++taken;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

/// An absolute path in the container that stands for nothing but itself.
bool is_target(std::string_view path) {
  if (path.size() < 2 || path.size() > 1024 || path.front() != '/' || path.back() == '/') return false;
  if (!all_of(path, "/._-") || path.contains("//")) return false;
  for (const auto part : split(path.substr(1), '/')) {
    if (part == "." || part == "..") return false;
  }
  constexpr std::string_view kSystem[] = {"/proc", "/sys", "/dev"};
  return std::ranges::none_of(
      kSystem, [&](auto system) { return path == system || (path.starts_with(system) && path[system.size()] == '/'); });
}

bool is_variable(std::string_view name) {
  return !name.empty() && name.size() <= 256 && !(name.front() >= '0' && name.front() <= '9') && all_of(name, "_");
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 128 && is_digit_or_letter(name.front()) && all_of(name, "_.-");
}

Error wrong(std::string pointer, std::string what) {
  return Error(Errc::invalid_argument, fmt::format("`{}` {}", pointer.substr(1), what), pointer);
}

std::string as_text(const json::value& value) {
  return value.is_string() ? std::string(value.get_string()) : to_text(value);
}

Result<> check_text(const std::string& text, const std::string& pointer) {
  if (text.contains('\0')) return std::unexpected(wrong(pointer, "has a NUL in it"));
  if (text.size() > kArgumentMax)
    return std::unexpected(wrong(pointer, fmt::format("has more than {} bytes; `stdin` takes more", kArgumentMax)));
  return {};
}

Result<> read_lifetime(const json::value& lifetime, ContainerSpec& spec) {
  const auto cleanup = string_member(lifetime, "cleanup");
  if (cleanup == "always") {
    spec.keep_us = 0;
  } else if (cleanup == "eventually") {
    const auto* after = find_member(lifetime, "after");
    if (!after) return std::unexpected(wrong("/lifetime", "needs `after` where it cleans up eventually"));
    auto time = duration_of(*after);
    if (!time) return std::unexpected(wrong("/lifetime/after", time.error().detail));
    spec.keep_us = *time;
  } else if (cleanup != "never") {
    return std::unexpected(wrong("/lifetime/cleanup", "is one of always, never, eventually"));
  }
  return {};
}

Result<ContainerSpec::Pull> read_pull(const json::value& policy) {
  const auto name = policy.is_string() ? std::string_view(policy.get_string()) : std::string_view();
  if (name == "ifNotPresent") return ContainerSpec::Pull::if_not_present;
  if (name == "always") return ContainerSpec::Pull::always;
  if (name == "never") return ContainerSpec::Pull::never;
  return std::unexpected(wrong("/pullPolicy", "is one of ifNotPresent, always, never"));
}

Result<std::vector<std::pair<std::string, std::string>>> read_pairs(const json::value& with, std::string_view key) {
  std::vector<std::pair<std::string, std::string>> made;
  const auto* given = find_member(with, key);
  if (!given || given->is_null()) return made;
  const std::string pointer = fmt::format("/{}", key);
  if (!given->is_object()) return std::unexpected(wrong(pointer, "is an object"));
  for (const auto& [name, value] : given->get_object()) {
    made.emplace_back(name, as_text(value));
    SB_CHECK(check_text(made.back().second, pointer));
  }
  return made;
}

std::string_view pull_option(const ContainerOptions& options, ContainerSpec::Pull pull) {
  if (!options.pull || pull == ContainerSpec::Pull::never) return "--pull=never";
  return pull == ContainerSpec::Pull::always ? "--pull=always" : "--pull=missing";
}

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("--label={}={}", name, value);
}

std::string instance_label(const ContainerOptions& options) {
  return fmt::format("dev.signalbox.instance={}", options.instance);
}

int digits_at(std::string_view text, std::size_t at, std::size_t size) {
  int value = -1;
  if (at + size > text.size()) return -1;
  const auto* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + size, value);
  return error == std::errc() && end == begin + size ? value : -1;
}

}  // namespace

Result<ContainerSpec> ContainerSpec::read(const json::value& with) {
  ContainerSpec spec;
  spec.image = string_member(with, "image");
  if (const auto* name = find_member(with, "name"); name && !name->is_null()) {
    spec.name = as_text(*name);
    if (!is_name(spec.name))
      return std::unexpected(wrong("/name", "begins with a letter or digit, and has letters, digits, `_`, `.`, `-`"));
  }
  if (const auto* command = find_member(with, "command"); command && !command->is_null()) {
    if (!command->is_string()) return std::unexpected(wrong("/command", "is a text"));
    spec.command = std::string(command->get_string());
    SB_CHECK(check_text(*spec.command, "/command"));
  }
  std::size_t size = spec.command ? spec.command->size() : 0;
  if (const auto* list = find_member(with, "arguments"); list && !list->is_null()) {
    if (!list->is_array()) return std::unexpected(wrong("/arguments", "is a list"));
    for (const auto& one : list->get_array()) {
      SB_CHECK(check_text(spec.arguments.emplace_back(as_text(one)), "/arguments"));
      size += spec.arguments.back().size() + 16;
    }
  }
  SB_TRY(spec.environment, read_pairs(with, "environment"));
  for (const auto& [name, value] : spec.environment) {
    if (!is_variable(name))
      return std::unexpected(wrong("/environment", "has names of letters, digits and `_` alone, no digit first"));
    size += name.size() + value.size() + 16;
  }
  if (size > kArgumentsMax)
    return std::unexpected(
        wrong("/arguments", fmt::format("and `environment` have more than {} bytes together", kArgumentsMax)));
  SB_TRY(spec.volumes, read_pairs(with, "volumes"));
  if (const auto* input = find_member(with, "stdin"); input && !input->is_null()) spec.input = as_text(*input);
  if (const auto* policy = find_member(with, "pullPolicy"); policy && !policy->is_null()) {
    SB_TRY(spec.pull, read_pull(*policy));
  }
  if (const auto* lifetime = find_member(with, "lifetime"); lifetime && !lifetime->is_null())
    SB_CHECK(read_lifetime(*lifetime, spec));
  return spec;
}

Result<> check_image(std::string_view image, const ContainerOptions& options) {
  if (!is_image(image)) return std::unexpected(wrong("/image", "is no name of an image"));
  if (std::ranges::any_of(options.images, [&](const auto& pattern) { return fits_image(pattern, image); })) return {};
  return fail(Errc::permission_denied, fmt::format("image `{}` is not among flows.containers.images", image), "/image");
}

Result<> check_volume(std::string_view folder, std::string_view target, const ContainerOptions& options) {
  if (!is_target(target))
    return std::unexpected(wrong("/volumes", "leads to absolute paths of letters, digits, `.`, `_`, `-`"));
  if (std::ranges::find(options.volumes, folder, &ContainerVolume::folder) != options.volumes.end()) return {};
  return fail(Errc::permission_denied, fmt::format("folder `{}` is not among flows.containers.volumes", folder),
              "/volumes");
}

Result<> check_container(const ContainerSpec& spec, const ContainerOptions& options) {
  SB_CHECK(check_image(spec.image, options));
  for (const auto& [folder, target] : spec.volumes) SB_CHECK(check_volume(folder, target, options));
  if (spec.pull == ContainerSpec::Pull::always && !options.pull)
    return fail(Errc::permission_denied, "images are not pulled here: flows.containers.pull is not true",
                "/pullPolicy");
  return {};
}

std::string container_name(const ContainerOptions& options, const RunId& run, std::uint32_t effect) {
  return fmt::format("signalbox-{}-{}-{}", options.instance, run.to_string(), effect);
}

std::vector<std::string> run_command(const ContainerOptions& options, const ContainerSpec& spec, const RunId& run,
                                     std::uint32_t effect) {
  std::vector<std::string> made{options.runtime, "run", "--name=" + container_name(options, run, effect)};
  const auto add = [&made](auto&&... more) { (made.emplace_back(more), ...); };
  if (spec.input)
    add("--interactive", "--attach=stdin", "--sig-proxy=false");
  else
    add("--detach");
  add(pull_option(options, spec.pull), "--network=" + options.network, "--cap-drop=ALL",
      "--security-opt=no-new-privileges");
  if (options.read_only) add("--read-only", "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=64m");
  if (!options.user.empty()) add("--user=" + options.user);
  add(fmt::format("--memory={}m", options.memory_mb),
      fmt::format("--cpus={}.{:02}", options.cpu_percent / 100, options.cpu_percent % 100),
      fmt::format("--pids-limit={}", options.pids), "--log-driver=json-file", "--stop-timeout=2");
  constexpr Micros kSecond = 1'000'000;
  const std::int64_t keep_s = spec.keep_us ? (*spec.keep_us + kSecond - 1) / kSecond : -1;
  add("--label=" + instance_label(options), label(kContainerRun, run.to_string()),
      label("dev.signalbox.effect", fmt::to_string(effect)), label(kContainerSeconds, fmt::to_string(options.seconds)),
      label(kContainerKeep, fmt::to_string(keep_s)));
  if (!spec.name.empty()) add(label("dev.signalbox.name", spec.name));
  for (const auto& [name, value] : spec.environment) add(fmt::format("--env={}={}", name, value));
  for (const auto& [folder, target] : spec.volumes) {
    const auto volume = std::ranges::find(options.volumes, folder, &ContainerVolume::folder);
    const bool writable = volume != options.volumes.end() && volume->writable;
    add(fmt::format("--mount=type=bind,source={},target={}{}", folder, target, writable ? "" : ",readonly"));
  }
  add(spec.image);
  if (spec.command) add("sh", "-c", *spec.command, "sh");
  made.insert(made.end(), spec.arguments.begin(), spec.arguments.end());
  return made;
}

std::vector<std::string> inspect_command(const ContainerOptions& options, const std::string& name) {
  return {options.runtime, "inspect", "--type=container",
          "--format={\"state\":{{json .State}},\"labels\":{{json .Config.Labels}}}", name};
}

std::vector<std::string> logs_command(const ContainerOptions& options, const std::string& name, bool follow) {
  if (follow) return {options.runtime, "logs", "--follow", name};
  return {options.runtime, "logs", name};
}

std::vector<std::string> wait_command(const ContainerOptions& options, const std::string& name) {
  return {options.runtime, "wait", name};
}

std::vector<std::string> remove_command(const ContainerOptions& options, const std::string& name) {
  return {options.runtime, "rm", "--force", name};
}

std::vector<std::string> list_command(const ContainerOptions& options) {
  return {options.runtime, "ps", "--all", "--filter=label=" + instance_label(options), "--format={{.Names}}"};
}

Result<ContainerState> ContainerState::read(std::string_view text) {
  const auto document = parse_json(trim(text));
  const auto* state = document ? find_member(*document, "state") : nullptr;
  const auto status = state ? string_member(*state, "Status") : std::string_view();
  if (status.empty()) return fail(Errc::corrupt, "the container runtime does not say what becomes of a container");
  ContainerState made;
  made.ended = status == "exited" || status == "stopped" || status == "dead";
  made.began = made.ended || status == "running" || status == "paused" || status == "restarting" ||
               status == "stopping" || status == "removing";
  made.code = static_cast<int>(int_member(*state, "ExitCode"));
  made.started_us = container_time(string_member(*state, "StartedAt"));
  made.ended_us = container_time(string_member(*state, "FinishedAt"));
  if (const auto* labels = find_member(*document, "labels"); labels && labels->is_object()) {
    for (const auto& [name, value] : labels->get_object()) made.labels.emplace(name, as_text(value));
  }
  return made;
}

GoingContainers::Mark::Mark(GoingContainers& all, std::string name) : all_(all), name_(std::move(name)) {
  const std::lock_guard lock(all_.mutex_);
  all_.names_.insert(name_);
}

GoingContainers::Mark::~Mark() {
  const std::lock_guard lock(all_.mutex_);
  all_.names_.erase(all_.names_.find(name_));
}

bool GoingContainers::contains(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return names_.contains(name);
}

Micros container_time(std::string_view text) {
  std::tm parts{};
  const int year = digits_at(text, 0, 4);
  if (text.size() < 20 || year < 1970) return 0;
  parts.tm_year = year - 1900;
  parts.tm_mon = digits_at(text, 5, 2) - 1;
  parts.tm_mday = digits_at(text, 8, 2);
  parts.tm_hour = digits_at(text, 11, 2);
  parts.tm_min = digits_at(text, 14, 2);
  parts.tm_sec = digits_at(text, 17, 2);
  if (parts.tm_mon < 0 || parts.tm_mday < 1 || parts.tm_hour < 0 || parts.tm_min < 0 || parts.tm_sec < 0) return 0;
  std::size_t at = 19;
  if (text[at] == '.') at = std::min(text.find_first_not_of("0123456789", at + 1), text.size());
  std::int64_t offset = 0;
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) {
    const int hours = digits_at(text, at + 1, 2), minutes = digits_at(text, at + 4, 2);
    if (hours < 0 || minutes < 0) return 0;
    offset = (hours * 60 + minutes) * 60 * (text[at] == '-' ? -1 : 1);
  }
  return (static_cast<std::int64_t>(::timegm(&parts)) - offset) * 1'000'000;
}

}  // namespace sb::flow
