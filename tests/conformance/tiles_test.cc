// Products by tiles: the software machine against the manual, the kernels over it against the
// portable ones, and the processor's own tiles against both where it has them. (The lists of linear
// layers and attention run whole backends over the software machine.)
#include <bit>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "conformance/fixture.h"
#include "support/software_tiles.h"

namespace tandem::testing {
namespace {

constexpr int64_t kTile = 512;  // 16-bit elements

/// One product of one row tile and one tile on top of c.
std::vector<float> one_product(const cpu::TileKernels& tiles, const std::vector<uint16_t>& a,
                               const std::vector<uint16_t>& w, std::vector<float> c) {
  const cpu::TileRun run{1, false, 0};
  cpu::TileArgs t;
  t.a = reinterpret_cast<const std::byte*>(a.data());
  t.w = reinterpret_cast<const std::byte*>(w.data());
  t.runs = &run;
  t.run_count = 1;
  t.stack = c.data();
  t.depth = 1;
  t.level_floats = 256;
  t.ldc = 16;
  const cpu::TilesInUse in_use(tiles);
  tiles.block(t);
  return c;
}

const cpu::TileKernels& software() { return *software_tile_kernels().tiles; }

TEST(SoftwareTiles, SumsEvenAndOddApartAndFlushes) {
  std::vector<uint16_t> a(kTile), w(kTile);
  std::vector<float> c(256);
  // Row 0: even k give 2^27 and -2^27, odd k give 1: only apart from each other does 1 survive.
  a[0] = float_to_bf16(0x1p27f), a[1] = float_to_bf16(1), a[2] = float_to_bf16(-0x1p27f);
  a[32] = 1;                         // row 1: a denormal
  a[64] = float_to_bf16(0x1p-100f);  // row 2: a product below the normal numbers
  a[96] = float_to_bf16(0x1p-126f);  // row 3: the smallest that stays
  c[4 * 16] = std::bit_cast<float>(1u);
  for (size_t k = 0; k < 32; ++k) w[k / 2 * 32 + k % 2] = float_to_bf16(1);
  w[1 * 2] = float_to_bf16(0x1p-100f);  // second output
  const auto got = one_product(software(), a, w, c);
  EXPECT_EQ(got[0], 1.0f);
  EXPECT_EQ(got[16], 0.0f);
  EXPECT_EQ(got[32], 0x1p-100f);
  EXPECT_EQ(std::bit_cast<uint32_t>(got[33]), 0u);
  EXPECT_EQ(got[48], 0x1p-126f);
  EXPECT_EQ(std::bit_cast<uint32_t>(got[64]), 0u);
}

TEST(SoftwareTiles, RefusesWhatWouldFault) {
  SoftwareTiles::release();
  EXPECT_THROW(SoftwareTiles::zero<0>(), std::logic_error);
  cpu::TileConfig config;
  config.rows[3] = 17;
  EXPECT_THROW(SoftwareTiles::configure(config), std::logic_error);
  config.rows[3] = 8;  // sums with fewer rows than their product
  SoftwareTiles::configure(config);
  EXPECT_THROW((SoftwareTiles::dot_bf16<3, 4, 5>()), std::logic_error);
  SoftwareTiles::release();
}

/// Bits of every kind: normal, denormal, infinite, not a number.
std::vector<uint16_t> any_bits(size_t n, uint32_t seed, bool finite) {
  std::mt19937 generator(seed);
  std::vector<uint16_t> bits(n);
  for (uint16_t& b : bits) {
    b = static_cast<uint16_t>(generator());
    if (finite || generator() % 64 != 0) {
      // Exponents around that of 1, so that sums are neither infinite nor one term alone.
      b = static_cast<uint16_t>((b & 0x807f) | ((generator() % 4 == 0 ? 118 + b % 16 : 126) << 7));
    }
  }
  return bits;
}

struct Block {
  int row_tiles, panels;
  std::vector<cpu::TileRun> runs;
  int depth, keep;
  bool panel_major = false;  ///< a panel's tiles lie together, as in a page of keys

  int64_t steps() const {
    int64_t sum = 0;
    for (const cpu::TileRun& run : runs) sum += run.steps;
    return sum;
  }
  int64_t step_bytes() const { return panel_major ? 1024 : (panels + 1) * 1024; }
  int64_t panel_bytes() const { return panel_major ? steps() * 1024 : 1024; }
};

/// The sums that are left as the portable kernel and plain additions make them.
std::vector<float> by_chain(const Block& b, const std::vector<uint16_t>& a,
                            const std::vector<uint16_t>& w, std::vector<float> stack) {
  const cpu::Kernels& k = cpu::portable_kernels();
  const int64_t ldc = b.panels * 16, rows = b.row_tiles * 16, level = rows * ldc;
  int64_t step = 0;
  int64_t depth = b.depth;
  for (const cpu::TileRun& run : b.runs) {
    if (run.fresh) ++depth;
    stack.resize(static_cast<size_t>(std::max<int64_t>(depth, b.keep) * level));
    float* top = stack.data() + (depth - 1) * level;
    if (run.fresh) std::fill_n(top, level, 0.0f);
    for (int64_t s = 0; s < run.steps; ++s, ++step) {
      for (int64_t r = 0; r < rows; ++r) {
        std::vector<float> x(32);
        for (int64_t i = 0; i < 32; ++i) {
          x[static_cast<size_t>(i)] = bf16_to_float(
              a[static_cast<size_t>((r / 16 * b.steps() + step) * kTile + r % 16 * 32 + i)]);
        }
        cpu::ChainArgs c;
        c.x = x.data();
        c.steps = c.rows = c.panels = 1;
        c.ldc = ldc;
        for (int p = 0; p < b.panels; ++p) {
          c.w = reinterpret_cast<const std::byte*>(w.data()) + step * b.step_bytes() +
                p * b.panel_bytes();
          c.c = top + r * ldc + 16 * p;
          k.chain[1](c);
        }
      }
    }
    for (int m = 0; m < run.merges; ++m) {
      --depth;
      k.add(stack.data() + (depth - 1) * level, stack.data() + depth * level, level);
    }
  }
  stack.resize(static_cast<size_t>(depth * level));
  return stack;
}

std::vector<float> by_tiles(const cpu::TileKernels& tiles, const Block& b,
                            const std::vector<uint16_t>& a, const std::vector<uint16_t>& w,
                            std::vector<float> stack) {
  std::vector<float> spare(8 * 1024);
  cpu::TileArgs t;
  t.a = reinterpret_cast<const std::byte*>(a.data());
  t.a_bytes = b.steps() * cpu::kRowTileBytes;
  t.row_tiles = b.row_tiles;
  t.w = reinterpret_cast<const std::byte*>(w.data());
  t.step_bytes = b.step_bytes();
  t.panel_bytes = b.panel_bytes();
  t.panels = b.panels;
  t.runs = b.runs.data();
  t.run_count = static_cast<int64_t>(b.runs.size());
  t.stack = stack.data();
  t.spare = spare.data();
  t.keep = b.keep;
  t.depth = b.depth;
  t.ldc = b.panels * 16;
  t.level_floats = b.row_tiles * 16 * t.ldc;
  t.ahead[0] = {t.w, 16};
  t.ahead[1] = {t.a, 1};
  const cpu::TilesInUse in_use(tiles);
  tiles.block(t);
  return stack;
}

std::vector<Block> blocks() {
  std::vector<Block> all;
  const std::vector<Block> shapes{
      {0, 0, {{5, true, 0}}, 0, 1},                                             // one unit
      {0, 0, {{3, false, 0}}, 1, 1},                                            // goes on
      {0, 0, {{2, false, 1}, {1, true, 0}, {2, true, 1}, {1, true, 2}}, 2, 2},  // ends in one sum
      {0, 0, {{1, true, 0}, {1, true, 1}, {1, true, 0}, {2, true, 0}}, 1, 4},   // leaves three more
      {0, 0, {{1, true, 0}, {1, true, 0}, {1, true, 0}, {1, true, 4}}, 1, 1},   // four additions
  };
  for (const auto& [row_tiles, panels] :
       {std::pair{1, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 1}, {2, 2}}) {
    for (Block b : shapes) {
      b.row_tiles = row_tiles;
      b.panels = panels;
      b.panel_major = all.size() % 2 == 1;
      all.push_back(b);
    }
  }
  return all;
}

void expect_same(const cpu::TileKernels& tiles) {
  const DenormalsFlushed flushed;
  for (const bool finite : {true, false}) {
    for (const Block& b : blocks()) {
      SCOPED_TRACE("row tiles " + std::to_string(b.row_tiles) + ", panels " +
                   std::to_string(b.panels) + ", runs " + std::to_string(b.runs.size()));
      const auto a = any_bits(2 * 8 * kTile, 5, finite), w = any_bits(8 * 5 * kTile, 6, finite);
      const auto stack =
          random_floats(static_cast<size_t>(b.keep * b.row_tiles * b.panels * 256), 7);
      const auto expected = by_chain(b, a, w, stack);
      auto got = by_tiles(tiles, b, a, w, stack);
      got.resize(expected.size());  // what lies above is left to the kernel
      EXPECT_TRUE(same_bits(got, expected));
    }
  }
}

TEST(TileKernels, InSoftwareEqualTheChain) { expect_same(software()); }

TEST(TileKernels, OfTheProcessorEqualTheChain) {
  if (!cpu_features().amx) GTEST_SKIP() << "this processor has no AMX, or the kernel none for us";
  expect_same(*cpu::amx_kernels().tiles);
}

TEST(TileKernels, OfTheProcessorEqualThoseInSoftware) {
  if (!cpu_features().amx) GTEST_SKIP() << "this processor has no AMX, or the kernel none for us";
  for (uint32_t seed = 0; seed < 400; ++seed) {
    const bool finite = seed % 2 == 0;
    const auto a = any_bits(kTile, 3 * seed, finite), w = any_bits(kTile, 3 * seed + 1, finite);
    const auto c = random_floats(256, 3 * seed + 2, seed % 3 == 0 ? 1e-38f : 1);
    ASSERT_TRUE(same_bits(one_product(*cpu::amx_kernels().tiles, a, w, c),
                          one_product(software(), a, w, c)));
  }
}

}  // namespace
}  // namespace tandem::testing
