// A page of keys and values to be copied before anything is written: the part of a prefix that ends
// inside a page.
#pragma once

#include <cstdint>

namespace tandem {

struct PageCopy {
  int32_t from = 0;
  int32_t to = 0;

  bool operator==(const PageCopy&) const = default;
};

}  // namespace tandem
