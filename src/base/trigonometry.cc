#include "base/trigonometry.h"

#include <cmath>
#include <cstdint>
#include <initializer_list>

namespace tandem {

SinCos sin_cos(double angle) {
  // Cody-Waite: angle = quarter * pi/2 + r with pi/2 in three parts of 33 bits, |r| <= pi/4.
  constexpr double kTwoOverPi = 6.36619772367581382433e-01;
  constexpr double kPart1 = 1.57079632673412561417e+00;
  constexpr double kPart2 = 6.07710050630396597660e-11;
  constexpr double kPart3 = 2.02226624879595063154e-21;
  const double quarter = std::nearbyint(angle * kTwoOverPi);
  double r = std::fma(-quarter, kPart1, angle);
  r = std::fma(-quarter, kPart2, r);
  r = std::fma(-quarter, kPart3, r);
  const double x = r * r;
  // Taylor series; the first term left out is below 1e-17 on |r| <= pi/4.
  double s = -1.0 / 1307674368000.0;
  for (double c : {1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0,
                   1.0 / 120.0, -1.0 / 6.0}) {
    s = std::fma(s, x, c);
  }
  const double sine = std::fma(r * x, s, r);
  double c = 1.0 / 20922789888000.0;
  for (double k : {-1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0, 1.0 / 40320.0,
                   -1.0 / 720.0, 1.0 / 24.0, -0.5}) {
    c = std::fma(c, x, k);
  }
  const double cosine = std::fma(x, c, 1.0);
  switch (static_cast<int64_t>(quarter) & 3) {
    case 0:
      return {sine, cosine};
    case 1:
      return {cosine, -sine};
    case 2:
      return {-sine, -cosine};
    default:
      return {-cosine, sine};
  }
}

}  // namespace tandem
