/// Owners of OpenSSL's objects: OpensslPtr<EVP_PKEY, EVP_PKEY_free>.
#pragma once

#include <memory>

namespace sb {

template <auto Free>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

template <class T, auto Free>
using OpensslPtr = std::unique_ptr<T, OpensslFree<Free>>;

}  // namespace sb
