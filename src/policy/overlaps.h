/// Which of the findings of a text stand where several cover the same bytes.
#pragma once

#include "policy/scanner.h"

namespace sb::policy {

/// Settles the overlaps of `out.findings` (spans in raw bytes, weights known) as Scanner::scan promises, and follows
/// the tails of those that stay. `out.place` holds what was taken before and how far this scan decided, which is less
/// where an open tail makes it so.
void settle_overlaps(bool complete, Scanner::Overlaps overlaps, ScanResult& out);

}  // namespace sb::policy
