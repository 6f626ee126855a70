/// An order to erase what is a person's, or one run: carried out to its end, over crashes.
///
/// Content goes in batches, each with its leaves in one transaction. An order that takes more than one is stored with
/// the first (document `erasures`) and forgotten with the last; what a crash or a full disk cut off is there to go on
/// with.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/legal_holds.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/task.h"
#include "flow/in_flight.h"
#include "store/store.h"

namespace sb::api {

/// The document that orders stand in while they are carried out.
inline constexpr std::string_view kErasures = "erasures";

struct ErasureOrder {
  std::string id;
  Scope scope;
  std::string actor;         ///< pseudonym of who ordered it
  std::string requested_by;  ///< pseudonym; empty: not said
  std::string legal_basis;
  std::uint64_t runs_before = 0;  ///< that it took before a crash cut it off

  json::object to_json() const;
  /// Errors: corrupt.
  static Result<ErasureOrder> parse(const json::value& stored);
};

/// Those that were not carried out to their end. Errors: as the store's, corrupt.
Task<Result<std::vector<ErasureOrder>>> unfinished_erasures(store::Store& store);

class Erasure {
 public:
  struct Outcome {
    std::uint64_t runs = 0;
    std::uint64_t values = 0;
    std::uint64_t shared = 0;  ///< values that others brought too
    std::uint64_t open = 0;    ///< runs that go on
  };

  Erasure(store::Store& store, const flow::InFlight& in_flight, const Clock& clock, ErasureOrder order)
      : store_(store), in_flight_(in_flight), clock_(clock), order_(std::move(order)) {}

  /// Until nothing is left. REQUIRES the change gate's pass. Errors: as the store's; what was done stays done, and the
  /// order stands.
  Task<Result<Outcome>> run();

 private:
  Task<Result<std::uint64_t>> count_open();
  Task<Result<bool>> erase_some();
  Task<Result<>> note_order(store::Commit& commit, bool more, std::uint64_t runs);
  store::LeafDraft draft(std::string kind) const;
  store::LeafDraft leaf_of_all(std::uint64_t runs, std::uint64_t values, std::uint64_t shared, bool more) const;
  store::LeafDraft leaf_of(const RunId& run) const;

  store::Store& store_;
  const flow::InFlight& in_flight_;
  const Clock& clock_;
  const ErasureOrder order_;
  Outcome outcome_;
};

}  // namespace sb::api
