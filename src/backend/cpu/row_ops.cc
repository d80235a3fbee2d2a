// The ops that treat each row, or each element, by itself.
#include <algorithm>
#include <cstring>

#include "backend/checks.h"
#include "backend/cpu/for_each.h"

namespace tandem::cpu {

void CpuBackend::embedding(const EmbeddingArgs& args) {
  check_args(args);
  const auto& table = static_cast<const CpuLinear&>(*args.table);
  for (size_t i = 0; i < args.ids.size(); ++i) {
    const int64_t row = args.ids[i] - args.first_id;
    if (row < 0 || row >= table.out_features()) continue;
    table.read_row(row, float_row(args.out, static_cast<int64_t>(i)));
  }
}

void CpuBackend::rms_norm(const RmsNormArgs& args) {
  check_args(args);
  const int64_t rows = args.residual.rows;
  for_each(rows, rows * args.residual.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      NormArgs n;
      n.x = float_row(args.residual, i);
      n.add = args.add.buffer == nullptr ? nullptr : float_row(args.add, i);
      n.add_bias = CpuVector::of(args.add_bias);
      n.w = CpuVector::of(args.weight);
      n.n = args.residual.cols;
      n.eps = args.eps;
      n.type = args.out.dtype;
      n.out = n.w == nullptr ? nullptr : row_of(args.out, i);
      kernels_.rms_norm(n);
    }
  });
}

void CpuBackend::head_norm(const HeadNormArgs& args) {
  check_args(args);
  for_each(args.x.rows, args.x.rows * args.x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t column = 0; column < args.x.cols; column += args.head_dim) {
        NormArgs n;
        n.x = float_row(args.x, i) + column;
        n.w = CpuVector::of(args.weight);
        n.n = args.head_dim;
        n.eps = args.eps;
        n.out = reinterpret_cast<std::byte*>(n.x);
        kernels_.rms_norm(n);
      }
    }
  });
}

void CpuBackend::silu_mul(const SiluMulArgs& args) {
  check_args(args);
  for_each(args.out.rows, args.out.rows * args.out.cols * 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels_.silu_mul(float_row(args.gate, i), float_row(args.up, i), args.out.cols,
                        args.out.dtype, row_of(args.out, i));
    }
  });
}

void CpuBackend::select_rows(const SelectRowsArgs& args) {
  check_args(args);
  const auto bytes = static_cast<size_t>(args.in.cols * dtype_bytes(args.in.dtype));
  for (size_t i = 0; i < args.rows.size() && bytes > 0; ++i) {
    std::memcpy(row_of(args.out, static_cast<int64_t>(i)), row_of(args.in, args.rows[i]), bytes);
  }
}

void CpuBackend::tree_add(const TreeAddArgs& args) {
  check_args(args);
  // Pieces of a row small enough for the stack of sums to lie in L1.
  constexpr int64_t kPiece = 256;
  const auto inputs = static_cast<int64_t>(args.inputs.size());
  const int64_t pieces = ceil_div(args.out.cols, kPiece);
  float* sums = shared_.floats(inputs * kPiece * pool_.threads());
  const int64_t count = args.out.rows * pieces;
  const auto part = [&](int64_t begin, int64_t end, float* stack) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / pieces, column = item % pieces * kPiece;
      const int64_t n = std::min(kPiece, args.out.cols - column);
      int64_t depth = 0;
      for (int64_t i = 0; i < inputs; ++i) {
        const float* in = float_row(args.inputs[static_cast<size_t>(i)], row) + column;
        std::copy_n(in, n, stack + depth++ * kPiece);
        for (int32_t m = 0; m < args.program->merges[static_cast<size_t>(i)]; ++m) {
          --depth;
          kernels_.add(stack + (depth - 1) * kPiece, stack + depth * kPiece, n);
        }
      }
      std::copy_n(stack, n, float_row(args.out, row) + column);
    }
  };
  if (args.out.rows * args.out.cols * inputs < 65536 || pool_.threads() == 1) {
    const DenormalsFlushed flushed;
    part(0, count, sums);
    return;
  }
  pool_.run([&](int thread, int threads) {
    const Share share = share_of(count, thread, threads);
    part(share.begin, share.end, sums + thread * inputs * kPiece);
  });
}

void CpuBackend::logit_stats(const LogitStatsArgs& args) {
  check_args(args);
  const int64_t units = ceil_div(args.logits.cols, args.unit_rows);
  const int64_t count = args.logits.rows * units;
  for_each(count, args.logits.rows * args.logits.cols * 4, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % units * args.unit_rows;
      UnitSums sums;
      kernels_.unit_sums(float_row(args.logits, item / units) + first,
                         std::min(args.unit_rows, args.logits.cols - first), &sums);
      args.stats[static_cast<size_t>(item)] = {
          sums.max, static_cast<int32_t>(args.first_id + first + sums.argmax), sums.sum_exp};
    }
  });
}

}  // namespace tandem::cpu
