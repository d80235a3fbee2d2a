// sin and cos of our own, so that rope tables have the same bits everywhere.
#pragma once

namespace tandem {

struct SinCos {
  double sin = 0;
  double cos = 0;
};

/// |angle| up to about 1e8 rad; absolute error below 1e-14 * max(1, |angle| / 1e6).
SinCos sin_cos(double angle);

}  // namespace tandem
