#include "comm/self_test.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace tandem {

namespace {

/// Its sums depend on the order of addition: 2^24 swallows a single 1.
float known_value(int64_t leaf, int64_t element) {
  return (leaf + element) % 3 == 0 ? 16777216.0f
                                   : static_cast<float>(1 + (leaf * 7 + element) % 11);
}

/// ((l0 + l1) + l2) + ...
TreeProgram chain(int64_t leaves) {
  TreeProgram program;
  for (int64_t i = 0; i < leaves; ++i) program.merges.push_back(i == 0 ? 0 : 1);
  return program;
}

struct Tester {
  HostComm& host;
  DeviceComm& comm;
  Backend& backend;

  void put(const Matrix& to, int64_t leaf) {
    std::vector<float> values(static_cast<size_t>(to.rows * to.cols));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = known_value(leaf, static_cast<int64_t>(i));
    backend.upload(to, std::as_bytes(std::span(values)));
  }

  void expect(const Matrix& found, const std::vector<float>& expected, const char* call) {
    std::vector<float> values(expected.size());
    backend.download(found, std::as_writable_bytes(std::span(values)));
    for (size_t i = 0; i < values.size(); ++i) {
      if (std::memcmp(&values[i], &expected[i], sizeof(float)) == 0) continue;
      host.abort(ErrorCode::kRankFailure,
                 fmt::format("self-test of the collective: rank {} found {} at element {} of {}, "
                             "expected {}",
                             comm.rank(), values[i], i, call, expected[i]));
      host.check();
    }
  }

  void reduce(int64_t rows, int64_t cols, const std::vector<int32_t>& nodes, bool pieces = false);
  void gather_columns(int64_t rows, int64_t cols);
  void gather_rows(int64_t rows, int64_t cols);
};

void Tester::reduce(int64_t rows, int64_t cols, const std::vector<int32_t>& nodes, bool pieces) {
  int64_t leaves = 0;
  int64_t first = 0;
  for (int r = 0; r < comm.size(); ++r) {
    if (r == comm.rank()) first = leaves;
    leaves += nodes[r];
  }
  std::vector<Matrix> partials(static_cast<size_t>(nodes[comm.rank()]));
  comm.partial_buffers(rows, cols, partials);
  for (size_t i = 0; i < partials.size(); ++i) put(partials[i], first + static_cast<int64_t>(i));
  const TreeProgram program = chain(leaves);
  Matrix result;
  if (pieces) {
    const std::vector<int64_t> begins = {0, cols / 3, cols};
    comm.begin_pieces({rows, cols, nodes, &program, begins});
    comm.piece_ready();
    comm.piece_ready();
    result = comm.end_pieces();
  } else {
    result = comm.all_reduce(rows, cols, nodes, program);
  }
  std::vector<float> expected(static_cast<size_t>(rows * cols));
  for (size_t i = 0; i < expected.size(); ++i) {
    expected[i] = known_value(0, static_cast<int64_t>(i));
    for (int64_t leaf = 1; leaf < leaves; ++leaf) {
      expected[i] += known_value(leaf, static_cast<int64_t>(i));
    }
  }
  expect(result, expected, pieces ? "reduce in pieces" : "all_reduce");
}

void Tester::gather_columns(int64_t rows, int64_t cols) {
  std::vector<int64_t> begins;
  for (int r = 0; r <= comm.size(); ++r) begins.push_back(cols * r / comm.size());
  const Matrix m = comm.gather_buffer(rows, cols);
  const int64_t begin = begins[comm.rank()];
  const int64_t count = begins[comm.rank() + 1] - begin;
  if (count > 0) put(m.columns(begin, count), comm.rank());
  comm.all_gather_columns(m, begins);
  std::vector<float> expected(static_cast<size_t>(rows * cols));
  for (int r = 0; r < comm.size(); ++r) {
    const int64_t width = begins[r + 1] - begins[r];
    for (int64_t i = 0; i < rows * width; ++i) {
      expected[i / width * cols + begins[r] + i % width] = known_value(r, i);
    }
  }
  expect(m, expected, "all_gather_columns");
}

void Tester::gather_rows(int64_t rows, int64_t cols) {
  std::vector<int32_t> owners;
  for (int64_t i = 0; i < rows; ++i) owners.push_back(static_cast<int32_t>(i * 5 % comm.size()));
  const Matrix m = comm.gather_buffer(rows, cols);
  std::vector<float> expected;
  for (int64_t i = 0; i < rows; ++i) {
    if (owners[i] == comm.rank()) put(m.row_range(i, 1), i);
    for (int64_t j = 0; j < cols; ++j) expected.push_back(known_value(i, j));
  }
  comm.all_gather_rows(m, owners);
  expect(m, expected, "all_gather_rows");
}

}  // namespace

void self_test(HostComm& host, DeviceComm& comm, Backend& backend, const DeviceCommSpec& spec,
               std::chrono::milliseconds limit) {
  Tester tester{host, comm, backend};
  comm.set_time_limit(limit);
  const auto nodes_up_to = [&](int64_t most) {
    std::vector<int32_t> nodes;
    for (int r = 0; r < comm.size(); ++r) {
      nodes.push_back(static_cast<int32_t>(std::min(most, 1 + r % std::max<int64_t>(most, 1))));
    }
    return nodes;
  };
  const int64_t floats = spec.max_rows * spec.max_cols;
  if (floats > 0 && spec.max_nodes_per_rank > 0) {
    tester.reduce(1, std::min<int64_t>(floats, 97), nodes_up_to(1));
    tester.reduce(1, std::min<int64_t>(floats, 33), nodes_up_to(spec.max_nodes_per_rank));
    // Above small_bytes, where the sizes reach that far: the schedule in slices.
    const int64_t large = std::min(floats, spec.small_bytes / int64_t{sizeof(float)} + 50);
    tester.reduce(1, large, nodes_up_to(1));
    if (comm.overlaps()) tester.reduce(1, std::min<int64_t>(floats, 97), nodes_up_to(1), true);
    tester.reduce(1, std::min<int64_t>(floats, 20), nodes_up_to(1));
  }
  if (spec.max_gather_floats > 0) {
    const int64_t rows = spec.max_gather_floats >= 64 ? 4 : 1;
    const int64_t cols = std::min<int64_t>(spec.max_gather_floats / rows, 61);
    tester.gather_columns(rows, cols);
    tester.gather_rows(rows, cols);
    tester.gather_columns(1, cols);
  }
  comm.set_time_limit(std::chrono::milliseconds(0));
}

}  // namespace tandem
