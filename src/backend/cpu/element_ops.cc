// Layer norm and the element-wise ops, row by row.
#include "backend/checks.h"
#include "backend/cpu/for_each.h"

namespace tandem::cpu {

void CpuBackend::layer_norm(const LayerNormArgs& args) {
  check_args(args);
  for_each(args.x.rows, args.x.rows * args.x.cols, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      LayerNormRow row;
      row.x = float_row(args.x, i);
      row.w = CpuVector::of(args.weight);
      row.b = CpuVector::of(args.bias);
      row.n = args.x.cols;
      row.eps = args.eps;
      row.type = args.out.dtype;
      row.out = row_of(args.out, i);
      kernels_.layer_norm(row);
    }
  });
}

void CpuBackend::elementwise(const ElementwiseArgs& args) {
  static_assert(static_cast<int>(ElementOp::kGeluTanh) + 1 == kElementOps);
  check_args(args);
  const auto kernel = kernels_.element[static_cast<size_t>(args.op)];
  const int64_t work = args.op < ElementOp::kSigmoid ? 1 : 8;
  for_each(args.out.rows, args.out.rows * args.out.cols * work, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      ElementRow row;
      row.a = row_of(args.a, i);
      row.a_type = args.a.dtype;
      if (args.b.buffer != nullptr) {
        row.b = row_of(args.b, i);
        row.b_type = args.b.dtype;
      } else if (args.row != nullptr) {
        row.b = reinterpret_cast<const std::byte*>(CpuVector::of(args.row));
      }
      row.scale = args.scale;
      row.n = args.out.cols;
      row.type = args.out.dtype;
      row.out = row_of(args.out, i);
      kernel(row);
    }
  });
}

}  // namespace tandem::cpu
