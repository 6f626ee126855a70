/// A tenant's key is replaced while the server works: a new key, everything the older ones sealed under the new one,
/// batch by batch, and then the older ones are destroyed.
///
/// What is to be done stands in the stored document of the tenants' keys (more than one key: a rotation is under way),
/// so that a crash anywhere only makes the next start go on. Contents are not touched: of a run its data key is sealed
/// anew (61 bytes), of a tenant's placeholder its value (at most 540).
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "api/change_gate.h"
#include "base/clock.h"
#include "flow/sealer.h"
#include "keys/envelope.h"
#include "store/store.h"

namespace sb::api {

class KeyRotation {
 public:
  struct Options {
    std::size_t batch = 500;  ///< rows looked at a step: some milliseconds of the writer's time where all change
    /// Between the last row and the end of the older keys: whoever read a row before may still open it.
    std::chrono::milliseconds grace{2'000};
  };
  KeyRotation(store::Store& store, TenantKeys& keys, const flow::Sealer& sealer, ChangeGate& changes,
              const Clock& clock, Entropy& entropy, Options options)
      : store_(store),
        keys_(keys),
        sealer_(sealer),
        changes_(changes),
        clock_(clock),
        entropy_(entropy),
        options_(options) {}

  /// Gives the tenant its new key, on the record as `tenant_key.create` by `actor` (a pseudonym). Any thread.
  /// Errors: not_found (no such tenant), conflict (a rotation is under way), unsupported (no version is left).
  Task<Result<>> begin(std::string tenant, std::string actor);

  enum class Step {
    idle,     ///< nothing is under way
    moved,    ///< a batch is done
    waiting,  ///< for the grace to pass
    ended,    ///< the older keys of a tenant are gone, on the record as `tenant_key.rotate`
  };
  /// One batch of what is under way. One caller at a time. Errors: as the store's; the next call tries again.
  Task<Result<Step>> step();

 private:
  struct Work {
    std::string tenant;
    unsigned char version = 0;
    std::int64_t data_keys_after = 0;
    std::int64_t tokens_after = 0;
    std::optional<std::chrono::steady_clock::time_point> all_moved;
  };
  Task<Result<bool>> move(store::SealedKind kind, std::int64_t& after);
  Task<Result<>> end();

  store::Store& store_;
  TenantKeys& keys_;
  const flow::Sealer& sealer_;
  ChangeGate& changes_;
  const Clock& clock_;
  Entropy& entropy_;
  const Options options_;
  std::optional<Work> work_;
};

}  // namespace sb::api
