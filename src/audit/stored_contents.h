/// The sealed contents of a data directory's runs and their keys, for commands beside the server: read-only.
#pragma once

#include <memory>
#include <string>

#include "audit/leaf.h"
#include "base/errors.h"
#include "keys/envelope.h"
#include "store/data_dir.h"
#include "store/sqlite/reader.h"

namespace sb::audit {

class StoredContents {
 public:
  /// `master_key`: env:NAME or file:PATH; empty: the data directory's own. Errors: invalid_argument, not_found,
  /// permission_denied (another master key), corrupt.
  static Result<std::unique_ptr<StoredContents>> open(const store::DataDir& data, std::string_view master_key);

  /// Its contents still sealed. Errors: not_found.
  Result<store::RunRow> run(const RunId& id) { return reader_->load_run(id); }
  /// The key of a run that is not erased. Errors: not_found, corrupt (it is gone, or spoilt).
  Result<std::string> key_of(const store::RunRow& run);

  enum class Comparison : std::uint8_t { same, erased };
  /// Of the content that a leaf commits to with the one that is stored. Errors: corrupt (another one, it does not open,
  /// its key is gone or spoilt, its run is not there), and those of what it reads.
  Result<Comparison> compare(const LeafFields& leaf);

 private:
  StoredContents(std::unique_ptr<store::sqlite::Reader> reader, std::string master)
      : reader_(std::move(reader)), master_(std::move(master)), keys_(master_) {}
  Result<> load_keys();
  Result<std::string> content_of(const LeafFields& leaf, const store::RunRow& run);
  Result<std::string> note_content(const LeafFields& leaf, const RunId& run);
  Result<std::string> feedback_content(const LeafFields& leaf);

  std::unique_ptr<store::sqlite::Reader> reader_;
  const std::string master_;
  TenantKeys keys_;
};

}  // namespace sb::audit
