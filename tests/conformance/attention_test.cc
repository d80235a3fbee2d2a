// rope_append() and attention(): against softmax in double, and bit for bit over instruction sets,
// threads, chunking, batching and recycled pages.
#include <numeric>

#include "conformance/fixture.h"

namespace tandem::testing {
namespace {

struct Shape {
  DType type, cache;
  int64_t head_dim, q_heads, kv_heads, window;
  float q_scale = 1;
};

struct Sequence {
  std::vector<float> qkv;  // [tokens][(q + 2 kv) * head_dim]
  int64_t tokens = 0;
  std::vector<int32_t> pages;
};

Sequence make_sequence(const Shape& s, int64_t tokens, uint32_t seed, std::vector<int32_t> pages) {
  const int64_t width = (s.q_heads + 2 * s.kv_heads) * s.head_dim;
  return {random_floats(static_cast<size_t>(tokens * width), seed), tokens, std::move(pages)};
}

std::vector<float> rope_rows(const Shape& s, int64_t positions, float q_scale) {
  const int64_t half = s.head_dim / 2;
  std::vector<float> rows;
  for (int64_t p = 0; p < positions; ++p) {
    for (int64_t i = 0; i < half; ++i)
      rows.push_back(std::cos(0.1f * static_cast<float>(p * (i + 1))));
    for (int64_t i = 0; i < half; ++i)
      rows.push_back(std::sin(0.1f * static_cast<float>(p * (i + 1))));
    rows.push_back(q_scale);
  }
  return rows;
}

/// Runs sequences through a fresh cache, each in chunks of `chunk` tokens, all in the same steps.
class Runner {
 public:
  Runner(const Shape& s, const Variant& v, int64_t pages)
      : s_(s),
        backend_(make(v)),
        cache_(backend_->make_kv_cache({2, s.kv_heads, s.head_dim, s.cache, pages})),
        rope_(backend_->make_rope_tables(s.head_dim / 2)),
        batch_(backend_->make_batch()) {
    rope_->set_rows(3, 0, rope_rows(s, 400, s.q_scale));
  }

  std::vector<std::vector<float>> run(const std::vector<Sequence>& sequences, int64_t chunk) {
    std::vector<std::vector<float>> outs(sequences.size());
    std::vector<int64_t> done(sequences.size(), 0);
    while (true) {
      std::vector<SequenceChunk> chunks;
      std::vector<size_t> who;
      std::vector<float> rows;
      int64_t at = 0;
      for (size_t i = 0; i < sequences.size(); ++i) {
        const Sequence& q = sequences[i];
        const int64_t n = std::min(chunk, q.tokens - done[i]);
        if (n == 0) continue;
        chunks.push_back({at, n, done[i], 3, q.pages});
        who.push_back(i);
        const int64_t width = static_cast<int64_t>(q.qkv.size()) / q.tokens;
        rows.insert(rows.end(), q.qkv.begin() + done[i] * width,
                    q.qkv.begin() + (done[i] + n) * width);
        at += n;
        done[i] += n;
      }
      if (chunks.empty()) return outs;
      const std::vector<float> result = step(chunks, rows, at);
      const int64_t width = static_cast<int64_t>(result.size()) / at;
      for (size_t c = 0; c < chunks.size(); ++c) {
        auto begin = result.begin() + chunks[c].row_begin * width;
        outs[who[c]].insert(outs[who[c]].end(), begin, begin + chunks[c].rows * width);
      }
    }
  }

 private:
  std::vector<float> step(const std::vector<SequenceChunk>& chunks, const std::vector<float>& rows,
                          int64_t count) {
    const int64_t padded = round_up(s_.head_dim, kStep);
    Owned qkv(*backend_, DType::kF32, count, (s_.q_heads + 2 * s_.kv_heads) * s_.head_dim);
    Owned q(*backend_, s_.type, count, s_.q_heads * padded);
    Owned out(*backend_, s_.type, count, s_.q_heads * padded);
    qkv.put(*backend_, rows);
    batch_->set(chunks);
    backend_->rope_append({qkv.m, batch_.get(), rope_.get(), cache_.get(), 1, s_.q_heads,
                           s_.kv_heads, s_.head_dim, q.m});
    std::vector<HeadSegment> segments;
    const int64_t group = s_.q_heads / s_.kv_heads;
    for (int64_t h = 0; h < s_.kv_heads; ++h) segments.push_back({h, h * group, group});
    AttentionArgs args{q.m, batch_.get(), cache_.get(), 1, s_.head_dim, segments, 1, 0, out.m};
    args.scale = 1.0f / std::sqrt(static_cast<float>(s_.head_dim));
    args.window = s_.window;
    backend_->attention(args);
    return out.get(*backend_);
  }

  Shape s_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<RopeTables> rope_;
  std::unique_ptr<DeviceBatch> batch_;
};

/// One head of keys or values as the cache gives it back.
std::vector<double> cached(DType type, const std::vector<float>& x) {
  std::vector<double> out;
  if (type != DType::kI8) {
    for (float v : x) out.push_back(rounded(type, v));
    return out;
  }
  float top = 0;
  for (float v : x) top = std::max(top, std::abs(v));
  const float scale = top / 127;
  for (float v : x) out.push_back(static_cast<double>(std::nearbyint(v / scale)) * scale);
  return out;
}

/// Softmax attention of one sequence in double.
std::vector<double> reference(const Shape& s, const Sequence& q) {
  const int64_t padded = round_up(s.head_dim, kStep), half = s.head_dim / 2;
  const int64_t width = (s.q_heads + 2 * s.kv_heads) * s.head_dim;
  const auto table = rope_rows(s, q.tokens, s.q_scale);
  const auto turned = [&](int64_t t, int64_t head) {
    const float* x = &q.qkv[static_cast<size_t>(t * width + head * s.head_dim)];
    const float* row = &table[static_cast<size_t>(t * (2 * half + 1))];
    std::vector<float> y;
    for (int64_t d = 0; d < s.head_dim; ++d) {
      const float c = row[d % half], n = row[half + d % half];
      y.push_back(d < half ? x[d] * c - x[d + half] * n : x[d] * c + x[d - half] * n);
      if (head < s.q_heads) y.back() *= s.q_scale;
    }
    return cached(head < s.q_heads ? s.type : s.cache, y);
  };
  std::vector<std::vector<double>> keys, values;  // [token * kv_heads + head][head_dim]
  for (int64_t t = 0; t < q.tokens; ++t) {
    for (int64_t h = 0; h < s.kv_heads; ++h) {
      keys.push_back(turned(t, s.q_heads + h));
      const auto at = q.qkv.begin() + t * width + (s.q_heads + s.kv_heads + h) * s.head_dim;
      values.push_back(cached(s.cache, {at, at + s.head_dim}));
    }
  }
  std::vector<double> out(static_cast<size_t>(q.tokens * s.q_heads * padded));
  for (int64_t t = 0; t < q.tokens; ++t) {
    for (int64_t h = 0; h < s.q_heads; ++h) {
      const int64_t kv = h / (s.q_heads / s.kv_heads);
      const int64_t begin = s.window > 0 ? std::max<int64_t>(0, t - s.window + 1) : 0;
      std::vector<double> p;
      double top = -1e300, sum = 0;
      const auto query = turned(t, h);
      for (int64_t j = begin; j <= t; ++j) {
        const auto& key = keys[static_cast<size_t>(j * s.kv_heads + kv)];
        const double dot = std::inner_product(query.begin(), query.end(), key.begin(), 0.0);
        p.push_back(dot / std::sqrt(static_cast<double>(s.head_dim)));
        top = std::max(top, p.back());
      }
      for (double& v : p) sum += v = std::exp(v - top);
      for (int64_t d = 0; d < s.head_dim; ++d) {
        double acc = 0;
        for (int64_t j = begin; j <= t; ++j) {
          acc += p[static_cast<size_t>(j - begin)] *
                 values[static_cast<size_t>(j * s.kv_heads + kv)][static_cast<size_t>(d)];
        }
        out[static_cast<size_t>((t * s.q_heads + h) * padded + d)] = acc / sum;
      }
    }
  }
  return out;
}

constexpr DType kF32 = DType::kF32, kBF16 = DType::kBF16, kF16 = DType::kF16, kI8 = DType::kI8;
const Shape kShapes[] = {
    {kBF16, kBF16, 64, 4, 2, 0},
    {kF32, kF32, 24, 3, 3, 0, 1.5f},
    {kF16, kF16, 16, 6, 1, 0},
    {kBF16, kBF16, 128, 2, 1, 70},
    {kBF16, kBF16, 40, 7, 1, 0},
    {kF32, kF32, 40, 9, 1, 5},
    // Caches of another type than the activations; more heads to a key than kernels take at once.
    {kBF16, kI8, 64, 4, 2, 0},
    {kF32, kI8, 24, 3, 3, 0, 1.5f},
    {kF16, kI8, 40, 26, 1, 0},
    {kBF16, kI8, 128, 2, 1, 70},
    {kBF16, kF32, 64, 3, 1, 5},
    {kF32, kBF16, 40, 9, 3, 0},
    {kF32, kF16, 32, 13, 1, 0},
    {kF16, kBF16, 80, 7, 1, 0},
};

TEST(AttentionConformance, CloseToDouble) {
  for (const Shape& s : kShapes) {
    const Sequence q = make_sequence(s, 150, 7, {2, 0, 3});
    const auto expected = reference(s, q);
    const auto got = Runner(s, {available_isas().back(), 2}, 4).run({q}, 150)[0];
    const double tolerance = s.type == DType::kF32 ? 2e-5 : s.type == DType::kF16 ? 4e-3 : 3e-2;
    for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], tolerance) << i;
  }
}

/// Variants that have something of their own for the shape: tiles are for bfloat16 alone.
std::vector<Variant> variants_for(const Shape& s) {
  std::vector<Variant> all = variants();
  if (s.type == kBF16 && s.cache == kBF16) return all;
  std::erase_if(all, [](const Variant& v) { return v.isa == software_tile_kernels().isa; });
  return all;
}

TEST(AttentionConformance, SameBitsHoweverItIsCut) {
  for (const Shape& s : kShapes) {
    const std::vector<Sequence> both{make_sequence(s, 131, 8, {2, 0, 3}),
                                     make_sequence(s, 70, 9, {1, 4})};
    const auto expected = Runner(s, {"portable", 1}, 5).run(both, 131);
    for (const Variant& v : variants_for(s)) {
      for (int64_t chunk : {1, 7, 64, 131}) {
        if (v.isa == "portable" && (chunk != 7 || v.threads > 2)) continue;
        const auto got = Runner(s, v, 5).run(both, chunk);
        ASSERT_TRUE(same_bits(got[0], expected[0])) << v.isa << " chunk " << chunk;
        ASSERT_TRUE(same_bits(got[1], expected[1])) << v.isa << " chunk " << chunk;
      }
      const auto alone = Runner(s, v, 5).run({both[1]}, 70);
      ASSERT_TRUE(same_bits(alone[0], expected[1])) << v.isa;
    }
  }
}

TEST(AttentionConformance, NothingLeaksFromARecycledPage) {
  for (const Shape& s : kShapes) {
    const Sequence q = make_sequence(s, 70, 10, {1, 0});
    Sequence poison = make_sequence(s, 128, 11, {0, 1});
    for (float& v : poison.qkv) v = std::nanf("");
    for (const Variant& v : variants_for(s)) {
      Runner runner(s, v, 2);
      runner.run({poison}, 128);
      EXPECT_TRUE(same_bits(runner.run({q}, 33)[0], Runner(s, v, 2).run({q}, 70)[0])) << v.isa;
    }
  }
}

TEST(AttentionConformance, NanOfAPageDoesNotReachRowsBeforeIt) {
  // The last row of the first page shares tiles with rows of the second: no product of zero and NaN
  // may reach its sum.
  const Shape s{kBF16, kBF16, 64, 3, 1, 0};
  Sequence q = make_sequence(s, 100, 12, {1, 0});
  const int64_t width = static_cast<int64_t>(q.qkv.size()) / q.tokens;
  std::fill_n(q.qkv.begin() + kKeyBlock * width, width, std::nanf(""));
  const auto expected = Runner(s, {"portable", 1}, 2).run({q}, 100)[0];
  const auto row = static_cast<int64_t>(expected.size()) / q.tokens;
  for (int64_t t = 0; t < q.tokens; ++t) {
    EXPECT_EQ(std::isnan(expected[static_cast<size_t>(t * row)]), t >= kKeyBlock) << t;
  }
  for (const Variant& v : variants()) {
    EXPECT_TRUE(same_bits(Runner(s, v, 2).run({q}, 100)[0], expected)) << v.isa;
  }
}

}  // namespace
}  // namespace tandem::testing
