/// A name lookup whose asker may have gone before the answer comes. Private to src/http.
#pragma once

#include <memory>
#include <vector>

#include "http/stream.h"
#include "http/wakeup.h"

namespace sb::http {

struct Lookup {
  struct Done {
    std::shared_ptr<Lookup> lookup;
    void operator()(error_code outcome, const Resolver::results_type& results) {
      lookup->done = true;
      lookup->error = outcome;
      for (const auto& entry : results) lookup->endpoints.push_back(entry.endpoint());
      if (lookup->waiter) lookup->waiter->notify_inline();
    }
  };

  std::vector<Tcp::endpoint> endpoints;
  error_code error;
  Wakeup* waiter = nullptr;
  bool done = false;
};

}  // namespace sb::http
