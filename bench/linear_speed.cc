// The linear layers of a block between a read probe and a multiply-add probe, in turn, round by
// round:
//   linear_speed SHAPE THREADS ROWS[,ROWS...] [ISA [ROUNDS [DTYPE]]]
// SHAPE: tinyllama | llama2-7b. Prints medians, and medians of each round's ratio to its own
// probes. "chain" is the same weight without leaves of the reduction tree.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "probes.h"

namespace tandem {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

constexpr int64_t kBytes = int64_t{160} << 20;  ///< weights of one kind: far above the caches

struct Linear {
  std::string name;
  int64_t n = 0, k = 0, unit = 0;
  bool gate_up = false;
};

std::vector<Linear> linears(const std::string& shape) {
  const bool small = shape == "tinyllama";
  const int64_t h = small ? 2048 : 4096, ff = small ? 5632 : 11008, kv = small ? 256 : 4096;
  const int64_t head = small ? 64 : 128, ff_unit = small ? 64 : 96;
  return {{"qkv", h + 2 * kv, h, h}, {"o", h, h, head},
          {"o, chain", h, h, h},     {"gate_up", 2 * ff, h, h, true},
          {"down", h, ff, ff_unit},  {"down, chain", h, ff, ff},
          {"head", 32000, h, h}};
}

TreeProgram balanced(int64_t units) {
  // Merges after unit i as a full binary tree over equal halves of a power of two makes them: the
  // number of trailing ones of i; what is left over is merged at the end.
  TreeProgram tree;
  tree.merges.clear();
  int depth = 0;
  for (int64_t i = 0; i < units; ++i) {
    int32_t merges = 0;
    for (int64_t bits = i; (bits & 1) != 0; bits >>= 1) ++merges;
    depth += 1 - merges;
    if (i + 1 == units) {
      merges += depth - 1;
    }
    tree.merges.push_back(merges);
  }
  return tree;
}

struct Measured {
  Linear linear;
  std::vector<std::unique_ptr<PackedLinear>> weights;
  std::vector<std::vector<double>> seconds, read_ratio, fma_ratio;  ///< by number of rows
};

Measured pack(Backend& backend, const Linear& linear, DType type) {
  Measured m;
  m.linear = linear;
  const auto bytes = static_cast<size_t>(linear.n * linear.k * dtype_bytes(type));
  std::vector<std::byte> values(bytes, std::byte{0x3c});
  LinearSource source;
  source.weight = {{values.data(), type, linear.n, linear.k, linear.k}};
  source.compute = type;
  source.gate_up = linear.gate_up;
  for (int64_t at = 0; at < linear.k; at += linear.unit) {
    source.units.push_back(std::min(linear.unit, linear.k - at));
  }
  source.tree = balanced(static_cast<int64_t>(source.units.size()));
  for (int64_t have = 0; have < kBytes; have += static_cast<int64_t>(bytes)) {
    m.weights.push_back(backend.pack_linear(source));
  }
  return m;
}

/// Seconds of one call; few rows go through all copies, so that weights come from memory.
double time_of(Backend& backend, const Measured& m, int64_t rows, DType type) {
  const int64_t padded = m.weights[0]->padded_k();
  const int64_t n = m.linear.gate_up ? m.linear.n / 2 : m.linear.n;
  const auto in = backend.allocate(static_cast<size_t>(rows * padded * dtype_bytes(type)));
  const auto out = backend.allocate(static_cast<size_t>(rows * n * 4));
  const Matrix x{in.get(), 0, type, rows, padded, padded};
  const Matrix y{out.get(), 0, DType::kF32, rows, n, n};
  const size_t use = rows > 64 ? 1 : m.weights.size();
  const auto begin = std::chrono::steady_clock::now();
  for (size_t i = 0; i < use; ++i) backend.linear({x, m.weights[i].get(), {&y, 1}});
  return seconds_since(begin) / static_cast<double>(use);
}

struct Options {
  std::string shape = "tinyllama", isa = "auto";
  int threads = 2, rounds = 7;
  std::vector<int64_t> rows = {1, 8, 512};
  DType type = DType::kBF16;
};

void measure(const Options& o) {
  const auto backend = make_backend({.isa = o.isa, .threads = o.threads});
  ThreadPool pool({.threads = o.threads});
  MemoryProbe memory(pool);
  std::vector<double> reads, fmas;
  std::vector<Measured> all;
  for (const Linear& linear : linears(o.shape)) {
    Measured m = pack(*backend, linear, o.type);
    m.seconds.resize(o.rows.size());
    m.read_ratio = m.fma_ratio = m.seconds;
    for (int round = 0; round <= o.rounds; ++round) {
      const double gb = 1e-9 * MemoryProbe::kBytes / memory.pass(), gf = fma_pass(pool);
      for (size_t i = 0; i < o.rows.size(); ++i) {
        const double s = time_of(*backend, m, o.rows[i], o.type);
        if (round == 0) continue;  // warms up
        const auto weights = static_cast<double>(linear.n * linear.k);
        m.seconds[i].push_back(s);
        m.read_ratio[i].push_back(weights * static_cast<double>(dtype_bytes(o.type)) * 1e-9 / s /
                                  gb);
        m.fma_ratio[i].push_back(2e-9 * weights * static_cast<double>(o.rows[i]) / s / gf);
      }
      reads.push_back(gb);
      fmas.push_back(gf);
    }
    m.weights.clear();
    all.push_back(std::move(m));
  }
  fmt::print("{} {} threads {}: read probe {:.1f} GB/s, fma probe {:.0f} GF\n", o.shape,
             backend->isa(), o.threads, median(reads), median(fmas));
  for (size_t i = 0; i < o.rows.size(); ++i) {
    for (const Measured& m : all) {
      fmt::print(
          "rows {:4}  {:12} {:9.3f} ms (best {:9.3f})  {:6.1f} % of read  {:6.1f} % of fma\n",
          o.rows[i], m.linear.name, 1e3 * median(m.seconds[i]),
          1e3 * *std::min_element(m.seconds[i].begin(), m.seconds[i].end()),
          100 * median(m.read_ratio[i]), 100 * median(m.fma_ratio[i]));
    }
  }
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) {
  tandem::Options o;
  if (argc < 4) {
    std::fputs("linear_speed SHAPE THREADS ROWS[,ROWS...] [ISA [ROUNDS [DTYPE]]]\n", stderr);
    return 2;
  }
  o.shape = argv[1];
  o.threads = std::atoi(argv[2]);
  o.rows.clear();
  std::istringstream list(argv[3]);
  for (std::string one; std::getline(list, one, ',');) o.rows.push_back(std::stoll(one));
  if (argc > 4) o.isa = argv[4];
  if (argc > 5) o.rounds = std::atoi(argv[5]);
  if (argc > 6) {
    const std::string type = argv[6];
    o.type = type == "float32"   ? tandem::DType::kF32
             : type == "float16" ? tandem::DType::kF16
                                 : tandem::DType::kBF16;
  }
  tandem::measure(o);
}
