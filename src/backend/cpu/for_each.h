// Definition of CpuBackend::for_each, for the files that implement ops.
#pragma once

#include "backend/cpu/cpu_backend.h"
#include "base/denormals.h"

namespace tandem::cpu {

template <typename F>
void CpuBackend::for_each(int64_t count, int64_t work, F fn) {
  constexpr int64_t kWorthMeeting = 32768;  // floats: about as long as a meeting of threads takes
  if (work < kWorthMeeting || pool_.threads() == 1) {
    const DenormalsFlushed flushed;
    fn(int64_t{0}, count);
    return;
  }
  pool_.run([&](int thread, int threads) {
    const Share share = share_of(count, thread, threads);
    fn(share.begin, share.end);
  });
}

}  // namespace tandem::cpu
