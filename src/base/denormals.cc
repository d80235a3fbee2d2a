#include "base/denormals.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace tandem {

#if defined(__x86_64__)
unsigned flush_denormals() {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // FTZ is bit 15, DAZ is bit 6
  return before;
}

void restore_denormals(unsigned control) { _mm_setcsr(control); }
#else
#error \
    "tandem's CPU arithmetic needs a processor whose denormals can be flushed; only x86-64 is built so far"
#endif

}  // namespace tandem
