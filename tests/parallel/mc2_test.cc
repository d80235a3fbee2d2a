// Row-parallel products in pieces: the same bits as whole ones, at every world size.
#include "parallel/mc2.h"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <numeric>
#include <random>

#include "base/arithmetic.h"
#include "comm/host_backend.h"
#include "engine/ranks/rank_group.h"
#include "parallel/linear.h"

namespace tandem {
namespace {

using testing::HostBackend;
using testing::row;

/// float32 linears with one sum per unit, in plain loops.
class LinearBackend final : public HostBackend {
 public:
  struct Packed final : PackedLinear {
    LinearSource source;
    std::vector<float> weight;  // [n, k]
    int64_t n = 0, k = 0;
    int64_t out_features() const override { return n; }
    int64_t padded_k() const override {
      int64_t sum = 0;
      for (const int64_t unit : source.units) sum += round_up(unit, kStep);
      return sum;
    }
    int64_t results() const override { return source.tree.results(); }
    int64_t bytes() const override { return n * k * 4; }
  };
  std::unique_ptr<PackedLinear> pack_linear(const LinearSource& source) override {
    auto packed = std::make_unique<Packed>();
    packed->source = source;
    packed->k = std::accumulate(source.units.begin(), source.units.end(), int64_t{0});
    for (const WeightRows& block : source.weight) {
      TANDEM_CHECK(block.dtype == DType::kF32 && block.cols == packed->k);
      const auto* data = reinterpret_cast<const float*>(block.data);
      for (int64_t i = 0; i < block.rows; ++i) {
        packed->weight.insert(packed->weight.end(), data + i * block.row_stride,
                              data + i * block.row_stride + block.cols);
      }
      packed->n += block.rows;
    }
    return packed;
  }
  void linear(const LinearArgs& args) override {
    const auto& packed = dynamic_cast<const Packed&>(*args.weight);
    TANDEM_CHECK(args.in.cols == packed.padded_k());
    for (int64_t i = 0; i < args.in.rows; ++i) {
      for (int64_t j = 0; j < packed.n; ++j) one_output(args, packed, i, j);
    }
  }

 private:
  static void one_output(const LinearArgs& args, const Packed& packed, int64_t i, int64_t j) {
    const float* in = row(args.in, i);
    const float* weight = packed.weight.data() + j * packed.k;
    std::vector<float> stack;
    for (size_t u = 0; u < packed.source.units.size(); ++u) {
      const int64_t width = packed.source.units[u];
      float sum = 0;
      for (int64_t k = 0; k < width; ++k) sum = std::fma(in[k], weight[k], sum);
      in += round_up(width, kStep);
      weight += width;
      stack.push_back(sum);
      for (int32_t m = 0; m < packed.source.tree.merges[u]; ++m) {
        const float upper = stack.back();
        stack.pop_back();
        stack.back() += upper;
      }
    }
    TANDEM_CHECK(stack.size() == args.outs.size());
    for (size_t node = 0; node < stack.size(); ++node) row(args.outs[node], i)[j] = stack[node];
  }
};

constexpr int64_t kOut = 200;
constexpr Units kUnits = {150, 20};  // eight units, the last of 10
constexpr int64_t kRows = 3;

/// A [kOut, 150] weight and a [kRows, 150] input.
struct Numbers {
  Numbers() : weight(static_cast<size_t>(kOut * kUnits.size)), in(kRows * kUnits.size) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (float& x : weight) x = normal(random);
    for (float& x : in) x = normal(random);
  }
  std::vector<float> weight, in;
};

/// What rank `context.rank` of the row-parallel product returns, by forward() called `calls` times.
std::vector<float> product(const ParallelContext& context, const Numbers& numbers, int calls) {
  const RowParallelLinear::Layout layout = {kUnits.count(), partition(kUnits.count(), context.size),
                                            kOut};
  const Range run = layout.runs[static_cast<size_t>(context.rank)];
  const Range columns = kUnits.elements(run);
  LinearSource source;
  source.tree = local_tree(kUnits.count(), run);
  for (int64_t u = run.begin; u < run.end; ++u) {
    source.units.push_back(kUnits.elements({u, u + 1}).size());
  }
  // Two blocks, so that pieces cross a border between blocks.
  const auto* data = reinterpret_cast<const std::byte*>(numbers.weight.data() + columns.begin);
  const int64_t first = 90;
  source.weight = {
      {data, DType::kF32, first, columns.size(), kUnits.size},
      {data + first * kUnits.size * 4, DType::kF32, kOut - first, columns.size(), kUnits.size}};
  RowParallelLinear linear(context, source, layout);

  int64_t padded = 0;
  for (const int64_t unit : source.units) padded += round_up(unit, kStep);
  const auto memory = context.backend->allocate(static_cast<size_t>(kRows * padded * 4 + 4));
  const Matrix in = {memory.get(), 0, DType::kF32, kRows, padded, padded};
  for (int64_t i = 0; i < kRows; ++i) {
    float* to = row(in, i);
    const float* from = numbers.in.data() + i * kUnits.size + columns.begin;
    for (const int64_t unit : source.units) {
      std::copy(from, from + unit, to);
      from += unit;
      to += round_up(unit, kStep);
    }
  }
  std::vector<float> result(kRows * kOut);
  for (int i = 0; i < calls; ++i) {
    const Matrix out = linear.forward(in);
    context.backend->download(out, std::as_writable_bytes(std::span(result)));
  }
  return result;
}

/// The product at `size` ranks; all ranks must have the same bits.
std::vector<float> product_of(int size, const Mc2Schedule& schedule) {
  const Numbers numbers;
  std::mutex mutex;
  std::vector<std::vector<float>> results;
  const WorkerBody body = [&](RankContext& rank) {
    LinearBackend backend;
    const auto comm = rank.connect(
        backend, {.max_rows = kRows, .max_cols = kOut, .max_nodes_per_rank = 8, .small_bytes = 0});
    const ParallelContext context = {&backend, comm.get(), rank.rank(), rank.size(), schedule};
    auto result = product(context, numbers, 7);
    const std::lock_guard lock(mutex);
    results.push_back(std::move(result));
  };
  {
    const auto group = RankGroup::start_threads(size, body);
    body(group->root());
  }
  EXPECT_EQ(results.size(), size);
  for (const auto& result : results) {
    EXPECT_EQ(std::memcmp(result.data(), results[0].data(), result.size() * 4), 0);
  }
  return results[0];
}

TEST(Mc2, SameBitsAtEveryWorldSizeAndNumberOfPieces) {
  const std::vector<float> expected = product_of(1, {});
  EXPECT_NE(expected[0], 0);
  for (const int size : {2, 3, 4, 5, 9}) {  // nine: a rank without units
    for (const int64_t pieces : {1, 2, 3, 4}) {
      const std::vector<float> found = product_of(size, {pieces, 1});
      EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * 4), 0)
          << size << " ranks, " << pieces << " pieces";
    }
    // Packed in pieces, reduced whole: what few rows do under auto.
    const std::vector<float> found = product_of(size, {4, kRows + 1});
    EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * 4), 0);
  }
}

TEST(Mc2, PiecesAreRunsOfWholePanels) {
  EXPECT_EQ(piece_begins(200, 1), (std::vector<int64_t>{0, 200}));
  EXPECT_EQ(piece_begins(200, 2), (std::vector<int64_t>{0, 128, 200}));
  EXPECT_EQ(piece_begins(256, 4), (std::vector<int64_t>{0, 64, 128, 192, 256}));
  EXPECT_EQ(piece_begins(64, 4), (std::vector<int64_t>{0, 64}));
  EXPECT_EQ(piece_begins(1, 4), (std::vector<int64_t>{0, 1}));
  for (int64_t cols = 1; cols < 700; cols += 13) {
    for (int64_t pieces = 1; pieces < 9; ++pieces) {
      const auto begins = piece_begins(cols, pieces);
      ASSERT_LE(static_cast<int64_t>(begins.size()), pieces + 1);
      ASSERT_EQ(begins.back(), cols);
      for (size_t p = 0; p + 1 < begins.size(); ++p) {
        ASSERT_LT(begins[p], begins[p + 1]);
        ASSERT_EQ(begins[p] % kPanel, 0);
      }
    }
  }
}

/// The decisions of all ranks.
std::vector<Mc2Decision> decide(int size, Mc2Mode mode, const Mc2Shape& shape) {
  std::mutex mutex;
  std::vector<Mc2Decision> decisions;
  const WorkerBody body = [&](RankContext& rank) {
    LinearBackend backend;
    const auto comm = rank.connect(backend, {.max_rows = shape.max_rows,
                                             .max_cols = std::max<int64_t>(shape.out_features, 1),
                                             .max_nodes_per_rank = 8});
    const ParallelContext context = {&backend, comm.get(), rank.rank(), rank.size(), {}, nullptr};
    const Mc2Decision decision = decide_mc2(rank.host(), context, mode, shape);
    const std::lock_guard lock(mutex);
    decisions.push_back(decision);
  };
  const auto group = RankGroup::start_threads(size, body);
  body(group->root());
  group->shutdown();
  return decisions;
}

TEST(Mc2, AllRanksDecideAlike) {
  const Mc2Shape shape = {kUnits, kOut, DType::kF32, 64};
  for (const Mc2Mode mode : {Mc2Mode::kAuto, Mc2Mode::kOn, Mc2Mode::kOff}) {
    const auto decisions = decide(3, mode, shape);
    ASSERT_EQ(decisions.size(), 3);
    for (const Mc2Decision& decision : decisions) {
      EXPECT_EQ(decision.schedule.pieces, decisions[0].schedule.pieces);
      EXPECT_EQ(decision.schedule.min_rows, decisions[0].schedule.min_rows);
      EXPECT_EQ(decision.note, decisions[0].note);
    }
    EXPECT_EQ(decisions[0].schedule.overlaps(1), mode == Mc2Mode::kOn);
    EXPECT_TRUE(mode != Mc2Mode::kOff || !decisions[0].schedule.overlaps(64));
    EXPECT_EQ(mode == Mc2Mode::kAuto, decisions[0].note.find("ms whole") != std::string::npos);
  }
}

TEST(Mc2, RefusalsGiveTheirReasonWhenAsked) {
  const auto one = decide(1, Mc2Mode::kOn, {kUnits, kOut, DType::kF32, 64});
  EXPECT_FALSE(one[0].schedule.overlaps(64));
  EXPECT_NE(one[0].note.find("one rank"), std::string::npos);
  EXPECT_EQ(decide(1, Mc2Mode::kAuto, {kUnits, kOut, DType::kF32, 64})[0].note, "");
  const auto narrow = decide(2, Mc2Mode::kOn, {kUnits, 64, DType::kF32, 64});
  EXPECT_FALSE(narrow[0].schedule.overlaps(64));
  EXPECT_NE(narrow[0].note.find("64 output features"), std::string::npos);
}

}  // namespace
}  // namespace tandem
