/// `run: container` (Open Workflow DSL 1.0.3, "Container Process"): what a flow may have run, and the command lines for
/// a runtime that speaks as Docker does.
///
/// Pure. What a flow says never becomes an option of the runtime: each option's value is joined to its name by `=`,
/// what stands alone (the image) has the form of an image, and behind the image nothing is an option. Why so:
/// docs/decisions/0018-container-runner.md.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/errors.h"
#include "base/ids.h"
#include "base/json.h"

namespace sb::flow {

/// A folder of the host that containers may have. It itself, no folder below it: that could be a link to elsewhere.
struct ContainerVolume {
  std::string folder;
  bool writable = false;
};

/// What the operator lets containers do: `flows.containers`.
struct ContainerOptions {
  std::string runtime{};              ///< path of the program; empty: no container runs here
  std::vector<std::string> images{};  ///< a `*` stands for any text without `/`
  std::vector<ContainerVolume> volumes{};
  std::string network = "none";
  std::string user{};  ///< empty: the image's
  bool read_only = true;
  bool pull = false;
  std::int64_t memory_mb = 256;
  std::int64_t cpu_percent = 100;  ///< of one processor
  std::int64_t pids = 128;
  std::int64_t seconds = 300;
  std::int64_t output_kb = 1024;           ///< of each stream
  std::int64_t keep_hours = 24;            ///< of containers that flows leave behind; 0: for ever
  std::string instance{};                  ///< in the names of its containers: other servers may use the same runtime
  std::vector<std::string> environment{};  ///< of the runtime itself

  bool configured() const { return !runtime.empty(); }
};

/// A container as a task wants it, its expressions evaluated.
struct ContainerSpec {
  enum class Pull : std::uint8_t { if_not_present, always, never };

  std::string image;
  std::string name;                      ///< what the flow calls it; empty: nothing
  std::optional<std::string> command{};  ///< for the image's shell
  std::vector<std::string> arguments{};
  std::vector<std::pair<std::string, std::string>> environment{};
  std::vector<std::pair<std::string, std::string>> volumes{};  ///< folder of the host, folder in the container
  std::optional<std::string> input{};
  Pull pull = Pull::if_not_present;
  std::optional<Micros> keep_us{};  ///< after its end; nothing: the flow does not want it removed

  /// `with`: the `container` of a task. Errors: invalid_argument (param: pointer below it).
  static Result<ContainerSpec> read(const json::value& with);
};

/// Whether an image may run; it has the form of one. Errors: invalid_argument, permission_denied.
Result<> check_image(std::string_view image, const ContainerOptions& options);
/// Whether a volume may be had. Errors: as check_image.
Result<> check_volume(std::string_view folder, std::string_view target, const ContainerOptions& options);
/// Whether the operator lets it run. Errors: as check_image.
Result<> check_container(const ContainerSpec& spec, const ContainerOptions& options);

/// The name of the container of an effect, the same however often it is asked for.
std::string container_name(const ContainerOptions& options, const RunId& run, std::uint32_t effect);

/// What the runtime is started with. REQUIRES check_container.
std::vector<std::string> run_command(const ContainerOptions& options, const ContainerSpec& spec, const RunId& run,
                                     std::uint32_t effect);
std::vector<std::string> inspect_command(const ContainerOptions& options, const std::string& name);
/// Of what it has written so far; `follow`: until it ends.
std::vector<std::string> logs_command(const ContainerOptions& options, const std::string& name, bool follow);
std::vector<std::string> wait_command(const ContainerOptions& options, const std::string& name);
/// Stops it where it runs.
std::vector<std::string> remove_command(const ContainerOptions& options, const std::string& name);
/// Names of all that this server has made, one a line.
std::vector<std::string> list_command(const ContainerOptions& options);

/// What the runtime says of one.
struct ContainerState {
  bool began = false;  ///< its program was started, ever
  bool ended = false;
  int code = 0;
  Micros started_us = 0;  ///< 0: not known
  Micros ended_us = 0;    ///< 0: not known
  std::map<std::string, std::string, std::less<>> labels{};

  /// `text`: what inspect_command prints. Errors: corrupt.
  static Result<ContainerState> read(std::string_view text);
};

/// Labels of a container.
inline constexpr std::string_view kContainerRun = "dev.signalbox.run";
inline constexpr std::string_view kContainerKeep = "dev.signalbox.keep-seconds";
inline constexpr std::string_view kContainerSeconds = "dev.signalbox.seconds";

/// Names of containers that are being removed: whoever wants one of that name anew waits until it is gone. Shared by
/// all engines of a server; thread-safe.
class GoingContainers {
 public:
  /// As long as it is there.
  class Mark {
   public:
    Mark(GoingContainers& all, std::string name);
    ~Mark();
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;

   private:
    GoingContainers& all_;
    const std::string name_;
  };

  bool contains(const std::string& name) const;

 private:
  mutable std::mutex mutex_;
  std::multiset<std::string> names_;
};

/// "2026-11-27T18:46:24.37Z"; 0: it is no time, or the runtime's word for none.
Micros container_time(std::string_view text);

}  // namespace sb::flow
