/// Versions of triage, kept by content: a document with all that it names, whatever becomes of the files they were read
/// from.
///
///     FOLDER/files/SHA256     one file
///     FOLDER/ID.json          what a version is made of: {"document": SHA256, "files": {name in the document:
///     SHA256}},
///                             and "learnt": SHA256 where something was learnt beside its model (learnt.h)
///
/// A version's id is the beginning of the SHA-256 of that list, so the same files are the same version. Any number of
/// threads may load; one keeps at a time.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/errors.h"
#include "base/json.h"
#include "triage/router.h"
#include "triage/verifier.h"

namespace sb::triage {

class KeptVersions {
 public:
  explicit KeptVersions(std::string folder) : folder_(std::move(folder)) {}
  /// Those of the server that works on this data directory.
  static KeptVersions of_server(const std::string& data) { return KeptVersions(data + "/triage"); }

  struct Kept {
    std::string id;
    Result<> written;  ///< on disk; errors: disk_full, permission_denied
  };
  /// Keeps the document at `yaml_path` and what it names. Errors: of the document, as Router::load.
  Result<Kept> keep(const std::string& yaml_path) const;

  /// The version `id` with what was learnt beside its model in place of what was. Errors: not_found, corrupt.
  Result<Kept> keep_learnt(const std::string& id, std::string learnt) const;

  /// Errors: not_found (not kept here), corrupt (a file is not what it was), as Router::load.
  Result<std::shared_ptr<const Router>> load(const std::string& id) const;
  /// The same with a classifier that is in memory already, and the verifier beside it: an encoder of 20 MB is not read
  /// again because of some labels. Errors: as load.
  Result<std::shared_ptr<const Router>> load_around(const std::string& id, IntentModel model,
                                                    std::shared_ptr<const Verifier> verifier) const;

 private:
  Result<> write(const std::map<std::string, std::string>& files, const std::string& place,
                 const std::string& list) const;
  Result<json::value> list_of(const std::string& id) const;
  /// The bytes of one of its files. Errors: not_found, corrupt.
  Result<std::string> whole(const std::string& id, std::string_view hash) const;
  /// The list as a version, with the files that it needs and are new.
  Kept keep_list(const json::value& list, const std::map<std::string, std::string>& files) const;
  std::string path_of(const std::string& sha256) const { return folder_ + "/files/" + sha256; }

  std::string folder_;
};

}  // namespace sb::triage
