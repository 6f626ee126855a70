// `run: container`: what of it is known when the flow is registered.
#include "flow/containers.h"

#include <fmt/format.h>

#include <utility>

#include "flow/dsl/compiler.h"

namespace sb::flow::dsl {

// What expressions give is looked at in the same way, by the same functions, when they have given it.
Result<> Compiler::container(const json::value& what, const Pointer& pointer) {
  SB_CHECK(only(what, pointer,
                {"image", "name", "command", "volumes", "environment", "stdin", "arguments", "lifetime", "pullPolicy"},
                {"ports"}));
  if (string_member(what, "image").empty()) return fault(pointer, "a container needs `image`");
  if (const auto* lifetime = find_member(what, "lifetime")) {
    const auto at = pointer + "/lifetime";
    SB_CHECK(object_at(*lifetime, at, "`lifetime` is an object with `cleanup`"));
    SB_CHECK(only(*lifetime, at, {"cleanup", "after"}));
    if (find_member(*lifetime, "after") && string_member(*lifetime, "cleanup") != "eventually")
      return fault(at + "/after", "goes with `cleanup: eventually`");
  }
  json::object written;
  for (const auto& [name, member] : what.get_object()) {
    if (!has_expression(member)) written[name] = member;
  }
  const auto spec = ContainerSpec::read(written);
  if (!spec) return fault(pointer + spec.error().param, spec.error().detail);
  if (!containers_) {  // whoever checks a text alone does not know what the server lets run
    note(Error(Errc::unsupported, "whether this container may run is looked at when the flow is registered", pointer),
         true);
    return {};
  }
  if (!containers_->configured())
    return fault(pointer, "no container runs here: flows.containers is not in signalbox.yaml", Errc::unsupported);
  const auto refuse = [&](const Error& error) { return fault(pointer + error.param, error.detail, error.code); };
  if (written.contains("image")) {
    if (const auto fine = check_image(spec->image, *containers_); !fine) return refuse(fine.error());
  }
  for (const auto& [folder, target] : spec->volumes) {
    if (const auto fine = check_volume(folder, target, *containers_); !fine) return refuse(fine.error());
  }
  if (spec->pull == ContainerSpec::Pull::always && !containers_->pull)
    return fault(pointer + "/pullPolicy", "images are not pulled here: flows.containers.pull is not true",
                 Errc::permission_denied);
  return {};
}

}  // namespace sb::flow::dsl
