// rope_append() and attention(): against softmax in double, and bit for bit over instruction sets,
// threads, chunking, batching and recycled pages.
#include "conformance/fixture.h"

namespace tandem::testing {
namespace {

struct Shape {
  DType type;
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
        cache_(backend_->make_kv_cache({2, s.kv_heads, s.head_dim, s.type, pages})),
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

/// Softmax attention of one sequence in double.
std::vector<double> reference(const Shape& s, const Sequence& q) {
  const int64_t padded = round_up(s.head_dim, kStep), half = s.head_dim / 2;
  const int64_t width = (s.q_heads + 2 * s.kv_heads) * s.head_dim;
  const auto table = rope_rows(s, q.tokens, s.q_scale);
  const auto turned = [&](int64_t t, int64_t head, int64_t d) {
    const float* x = &q.qkv[static_cast<size_t>(t * width + head * s.head_dim)];
    const float* row = &table[static_cast<size_t>(t * (2 * half + 1))];
    const double c = row[d % half], n = row[half + d % half];
    const double y = d < half ? x[d] * c - x[d + half] * n : x[d] * c + x[d - half] * n;
    return static_cast<double>(
        rounded(s.type, static_cast<float>(head < s.q_heads ? y * s.q_scale : y)));
  };
  std::vector<double> out(static_cast<size_t>(q.tokens * s.q_heads * padded));
  for (int64_t t = 0; t < q.tokens; ++t) {
    for (int64_t h = 0; h < s.q_heads; ++h) {
      const int64_t kv = h / (s.q_heads / s.kv_heads);
      const int64_t begin = s.window > 0 ? std::max<int64_t>(0, t - s.window + 1) : 0;
      std::vector<double> p;
      double top = -1e300, sum = 0;
      for (int64_t j = begin; j <= t; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < s.head_dim; ++d)
          dot += turned(t, h, d) * turned(j, s.q_heads + kv, d);
        p.push_back(dot / std::sqrt(static_cast<double>(s.head_dim)));
        top = std::max(top, p.back());
      }
      for (double& v : p) sum += v = std::exp(v - top);
      for (int64_t d = 0; d < s.head_dim; ++d) {
        double acc = 0;
        for (int64_t j = begin; j <= t; ++j) {
          const size_t at =
              static_cast<size_t>(j * width + (s.q_heads + s.kv_heads + kv) * s.head_dim + d);
          acc += p[static_cast<size_t>(j - begin)] * rounded(s.type, q.qkv[at]);
        }
        out[static_cast<size_t>((t * s.q_heads + h) * padded + d)] = acc / sum;
      }
    }
  }
  return out;
}

const Shape kShapes[] = {
    {DType::kBF16, 64, 4, 2, 0},   {DType::kF32, 24, 3, 3, 0, 1.5f}, {DType::kF16, 16, 6, 1, 0},
    {DType::kBF16, 128, 2, 1, 70}, {DType::kF32, 40, 9, 1, 5},
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

TEST(AttentionConformance, SameBitsHoweverItIsCut) {
  for (const Shape& s : kShapes) {
    const std::vector<Sequence> both{make_sequence(s, 131, 8, {2, 0, 3}),
                                     make_sequence(s, 70, 9, {1, 4})};
    const auto expected = Runner(s, {"portable", 1}, 5).run(both, 131);
    for (const Variant& v : variants()) {
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
    for (const Variant& v : variants()) {
      Runner runner(s, v, 2);
      runner.run({poison}, 128);
      EXPECT_TRUE(same_bits(runner.run({q}, 33)[0], Runner(s, v, 2).run({q}, 70)[0])) << v.isa;
    }
  }
}

}  // namespace
}  // namespace tandem::testing
