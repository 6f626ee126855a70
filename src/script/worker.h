/// The worker process of JavaScript scripts: the server's own binary, started as `signalbox script-worker`.
#pragma once

namespace sb::script {

/// Enters the sandbox, then answers requests (script/protocol.h) read from descriptor 0 on descriptor 1 until the other
/// end closes. Single-threaded. Returns the exit status: 0 at the end of input, 2 without a sandbox, 3 on a broken
/// frame.
int script_worker_main();

}  // namespace sb::script
