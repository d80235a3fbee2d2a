#include "diag/probe_loops.h"

namespace tandem {

double fma_loop_portable(int64_t rounds, float& sink) {
  // Four lanes side by side, as any 64-bit machine has; a product and a sum where there is no fma.
  struct Lanes {
    float x[4];
    Lanes operator+(const Lanes& o) const {
      return {x[0] + o.x[0], x[1] + o.x[1], x[2] + o.x[2], x[3] + o.x[3]};
    }
  };
  const Lanes a{{0.5F, 0.25F, 0.125F, 0.75F}};
  const Lanes sum = chains(rounds, a, a, [](const Lanes& x, const Lanes& y, const Lanes& z) {
    return Lanes{{x.x[0] * y.x[0] + z.x[0], x.x[1] * y.x[1] + z.x[1], x.x[2] * y.x[2] + z.x[2],
                  x.x[3] * y.x[3] + z.x[3]}};
  });
  sink += sum.x[0] + sum.x[1] + sum.x[2] + sum.x[3];
  return static_cast<double>(rounds) * kChains * 4 * 2;
}

double int8_loop_portable(int64_t rounds, float& sink) {
  const uint32_t a = 3, b = 5;
  sink += static_cast<float>(
      chains(rounds, a, b, [](uint32_t x, uint32_t y, uint32_t z) { return (x & 0xff) * y + z; }));
  return static_cast<double>(rounds) * kChains * 2;
}

uint64_t read_loop_portable(const uint64_t* words, size_t n) {
  return sum_of_loads<uint64_t>(words, n, [](const uint64_t* at) { return *at; });
}

}  // namespace tandem
