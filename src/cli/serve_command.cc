#include "cli/serve_command.h"

#include <ostream>

#include "cli/config_command.h"
#include "server/serve.h"

namespace sb::cli {
namespace {

std::vector<std::string> overrides_of(const Invocation& it) {
  std::vector<std::string> more;
  if (const auto data = it.get("data"); !data.empty()) more.push_back("data.dir=" + data);
  return more;
}

int serve(const Invocation& it) {
  auto more = overrides_of(it);
  if (const auto listen = it.get("listen"); !listen.empty()) more.push_back("server.listen=" + listen);
  auto config = config_from(it, more);
  if (!config) return it.fail(config.error());
  return server::serve({std::move(*config), {}});
}

int init(const Invocation& it) {
  auto config = config_from(it, overrides_of(it));
  if (!config) return it.fail(config.error());
  auto report = server::init(*config);
  if (!report) return it.fail(report.error());
  it.out << "data directory: " << report->data_dir << '\n';
  if (report->key.empty()) {
    it.out << "keys: there already; nothing changed\n";
  } else {
    it.out << "api key: " << report->key << "\nKeep it: it is shown this once, and only its hash is stored.\n";
  }
  return kExitOk;
}

}  // namespace

Command serve_command() {
  Command command("serve", "run the server");
  add_config_flags(command)
      .option("listen", "HOST:PORT", "overrides server.listen; port 0 picks a free one, written to DATA/listen")
      .option("data", "DIR", "overrides data.dir")
      .example("signalbox serve --data ./data", "the embedded default on 127.0.0.1:8080")
      .example("signalbox serve --config signalbox.yaml --listen 0.0.0.0:8443", "all addresses; needs keys")
      .run(serve);
  return command;
}

Command init_command() {
  Command command("init", "make the data directory and the first API key");
  add_config_flags(command)
      .option("data", "DIR", "overrides data.dir")
      .example("signalbox init --data ./data", "prints the first admin key; again: changes nothing")
      .run(init);
  return command;
}

}  // namespace sb::cli
