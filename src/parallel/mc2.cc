#include "parallel/mc2.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <span>

#include "base/arithmetic.h"
#include "base/check.h"
#include "comm/communicator.h"
#include "parallel/linear.h"

namespace tandem {

namespace {

using Clock = std::chrono::steady_clock;

/// Runs per product. More hide more of the reduce and cost more calls; above 4 nothing was gained.
constexpr int64_t kPieces = 4;
/// A run is a multiple of this, so that every kernel's blocks of columns stay whole.
constexpr int64_t kRunColumns = 64;
/// Rows that kAuto measures, and from which its answer is used.
constexpr int64_t kMeasuredRows = 64;
constexpr int64_t kAutoMinRows = 64;
constexpr int kRounds = 3;
/// What overlap must save before kAuto takes it.
constexpr double kWorthwhile = 0.97;

/// Zeros of the shape's slice of this rank: time does not depend on the values.
class Trial {
 public:
  Trial(const ParallelContext& context, const Mc2Shape& shape, int64_t pieces)
      : linear_(with_pieces(context, pieces), source(context, shape), layout(context, shape)) {}

  double seconds(const Matrix& in) {
    const auto start = Clock::now();
    linear_.forward(in);
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  static int64_t padded_k(const ParallelContext& context, const Mc2Shape& shape) {
    int64_t k = 0;
    for (int64_t unit : own_units(context, shape)) k += round_up(unit, kStep);
    return k;
  }

 private:
  static ParallelContext with_pieces(ParallelContext context, int64_t pieces) {
    context.mc2 = {pieces, 1};
    return context;
  }
  static RowParallelLinear::Layout layout(const ParallelContext& context, const Mc2Shape& shape) {
    return {shape.units.count(), partition(shape.units.count(), context.size), shape.out_features};
  }
  static std::vector<int64_t> own_units(const ParallelContext& context, const Mc2Shape& shape) {
    const Range run = layout(context, shape).runs[static_cast<size_t>(context.rank)];
    std::vector<int64_t> widths;
    for (int64_t u = run.begin; u < run.end; ++u) {
      widths.push_back(shape.units.elements({u, u + 1}).size());
    }
    return widths;
  }
  LinearSource source(const ParallelContext& context, const Mc2Shape& shape) {
    const Range run = layout(context, shape).runs[static_cast<size_t>(context.rank)];
    LinearSource source;
    source.units = own_units(context, shape);
    source.tree = local_tree(shape.units.count(), run);
    source.compute = shape.compute;
    source.quantize = shape.quantize;
    const int64_t k = shape.units.elements(run).size();
    zeros_.resize(static_cast<size_t>(k * dtype_bytes(shape.compute)));
    // One row of zeros stands for all of them.
    source.weight.push_back({zeros_.data(), shape.compute, shape.out_features, k, 0});
    return source;
  }

  std::vector<std::byte> zeros_;  // before linear_, which packs from it
  RowParallelLinear linear_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Seconds of the product reduced whole and overlapped, as rank 0 sees them; the same on all ranks.
std::array<double, 2> measure(HostComm& host, const ParallelContext& context,
                              const Mc2Shape& shape) {
  Trial whole(context, shape, 1);
  Trial overlapped(context, shape, kPieces);
  const int64_t rows = std::min(kMeasuredRows, shape.max_rows);
  const int64_t k = Trial::padded_k(context, shape);
  const auto memory = context.backend->allocate(
      static_cast<size_t>(std::max<int64_t>(rows * k * dtype_bytes(shape.compute), 1)));
  const Matrix in = {memory.get(), 0, shape.compute, rows, k, k};
  std::vector<double> times[2];
  for (int round = 0; round < kRounds; ++round) {
    times[0].push_back(whole.seconds(in));
    times[1].push_back(overlapped.seconds(in));
  }
  // Rank 0's numbers decide for all.
  const std::array<double, 2> own = {median(times[0]), median(times[1])};
  const auto* data = reinterpret_cast<const std::byte*>(own.data());
  std::vector<std::byte> bytes(data, data + sizeof(own));
  host.broadcast(bytes);
  std::array<double, 2> agreed = {};
  TANDEM_CHECK(bytes.size() == sizeof(agreed));
  std::memcpy(agreed.data(), bytes.data(), sizeof(agreed));
  return agreed;
}

}  // namespace

Mc2Decision decide_mc2(HostComm& host, const ParallelContext& context, Mc2Mode mode,
                       const Mc2Shape& shape) {
  if (mode == Mc2Mode::kOff) return {};
  const bool asked = mode == Mc2Mode::kOn;
  if (context.size == 1) {
    return {{}, asked ? "--use_mc2 has no effect with one rank: nothing is reduced" : ""};
  }
  if (!context.comm->overlaps()) {
    return {{}, asked ? "--use_mc2 has no effect: this transport reduces whole matrices only" : ""};
  }
  if (piece_begins(shape.out_features, kPieces).size() <= 2) {
    return {{},
            asked ? fmt::format("--use_mc2 has no effect: {} output features are too few to cut",
                                shape.out_features)
                  : ""};
  }
  if (asked) return {{kPieces, 1}, ""};
  if (shape.max_rows < kAutoMinRows) return {};
  const auto [whole, overlapped] = measure(host, context, shape);
  const std::string note =
      fmt::format("mc2: {:.2f} ms whole, {:.2f} ms overlapped", whole * 1e3, overlapped * 1e3);
  if (overlapped > whole * kWorthwhile) return {{}, note};
  return {{kPieces, kAutoMinRows}, note};
}

std::vector<int64_t> piece_begins(int64_t cols, int64_t pieces) {
  const int64_t width = round_up(std::max<int64_t>(ceil_div(cols, pieces), 1), kRunColumns);
  std::vector<int64_t> begins = {0};
  while (begins.back() + width < cols) begins.push_back(begins.back() + width);
  begins.push_back(cols);
  return begins;
}

LinearSource output_features(const LinearSource& source, Range range) {
  TANDEM_CHECK(source.bias.empty() && !source.gate_up);
  LinearSource part = source;
  part.weight.clear();
  int64_t first = 0;
  for (const WeightRows& block : source.weight) {
    const int64_t begin = std::max(range.begin, first);
    const int64_t end = std::min(range.end, first + block.rows);
    if (begin < end) {
      part.weight.push_back(block.slice(begin - first, end - begin));
    }
    first += block.rows;
  }
  return part;
}

}  // namespace tandem
