// Every type of key/value cache on the reference models: one digest over world sizes, instruction
// sets, threads, chunks, batches and reused prefixes; near the reference; and chosen as asked.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "support/digests.h"
#include "support/golden.h"
#include "support/tandem_json.h"
#include "support/temp_folder.h"
#include "tandem/engine.h"
#include "tandem/inspect.h"

namespace tandem::test {
namespace {

EngineOptions with_cache(const std::string& folder, const std::string& kv_cache) {
  EngineOptions options = options_for(folder);
  options.kv_cache = kv_cache;
  return options;
}

class KvCacheTypes : public testing::TestWithParam<std::string> {};

TEST_P(KvCacheTypes, OneDigestForEachType) {
  const GoldenModel model = read_golden(GetParam());
  const std::vector<std::string> isas = available_isas();
  std::vector<std::vector<uint64_t>> by_type;
  for (const std::string type : {"auto", "int8", "bf16", "f32"}) {
    std::vector<uint64_t> expected;
    size_t turn = 0;
    for (int world_size : {1, 2, 3, static_cast<int>(model.query_heads) + 1}) {
      for (const int64_t chunk : {0, 7}) {
        ++turn;
        EngineOptions options = with_cache(model.folder, type);
        options.world_size = world_size;
        options.prefill_chunk = chunk;
        options.isa = isas[turn % isas.size()];
        options.threads = 1 + static_cast<int>(turn % 2);
        options.max_batch = chunk == 0 ? 8 : 1;
        SCOPED_TRACE(type + " world size " + std::to_string(world_size) + " chunk " +
                     std::to_string(chunk) + " " + options.isa);
        auto engine = Engine::load(options);
        const auto found = digests(*engine, prompts_of(model));
        if (expected.empty()) expected = found;
        EXPECT_EQ(found, expected);
        EXPECT_EQ(digests(*engine, prompts_of(model)), expected) << "with prefixes from the cache";
      }
    }
    by_type.push_back(expected);
  }
  EXPECT_NE(by_type[1], by_type[0]) << "int8 changed nothing";
  EXPECT_NE(by_type[2], by_type[3]) << "float32 is as bfloat16";
}

TEST_P(KvCacheTypes, StayNearTheReference) {
  const GoldenModel model = read_golden(GetParam());
  for (const std::string type : {"int8", "bf16", "f16", "f32"}) {
    EngineOptions options = with_cache(model.folder, type);
    options.dtype = "float32";
    auto engine = Engine::load(options);
    // One rounding of keys and values instead of one of every activation; int8 is one of 254 steps
    // over a head's range, about as coarse as bfloat16.
    const double allowed = tolerance(type == "f32"   ? "float32"
                                     : type == "f16" ? "float16"
                                                     : "bfloat16");
    for (const GoldenCase& c : model.cases) {
      const RequestResult r = engine->run(greedy(c.prompt, 1));
      ASSERT_TRUE(r.status.ok) << r.status.message;
      EXPECT_LE(largest_error({r.logits_last.begin(), r.logits_last.end()}, c.logits_last),
                allowed * c.logits_std)
          << type << " " << c.name;
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
// Grouped heads, a window, dynamic rope, log-n queries, a head of 128.
INSTANTIATE_TEST_SUITE_P(Golden, KvCacheTypes,
                         testing::Values("llama-gqa-bf16", "mistral-swa-f32", "llama-dynamic-f32",
                                         "qwen-mha-bf16", "llama-hd128-bf16"),
                         name_of);

TEST(KvCacheOption, QwenAsksForInt8AndTheOptionDecides) {
  const GoldenModel model = read_golden("qwen-mha-bf16");
  const TempFolder temp;
  for (const auto& entry : std::filesystem::directory_iterator(model.folder)) {
    std::filesystem::copy(entry.path(), temp.file(entry.path().filename().string()));
  }
  Json config = Json::parse_file(temp.file("config.json"));
  config.set("use_cache_quantization", true);
  temp.write("config.json", config.dump());
  const auto loaded = [](const std::string& folder, const std::string& type) {
    return Engine::load(with_cache(folder, type))->info().kv_cache;
  };
  EXPECT_EQ(loaded(temp.path(), "auto"), "int8");
  EXPECT_EQ(loaded(temp.path(), "bf16"), "bfloat16");
  EXPECT_EQ(loaded(model.folder, "auto"), "bfloat16");
  EXPECT_EQ(loaded(model.folder, "int8"), "int8");
  EXPECT_THROW(loaded(model.folder, "int4"), Error);
}

TEST(KvCacheOption, InspectCountsTheScales) {
  const GoldenModel model = read_golden("llama-gqa-bf16");
  const auto bytes = [&](const std::string& type) {
    const Json json = Json::parse(inspect_json(model.folder, 1, type), "inspect");
    const int64_t heads = 2 * json.find("layers")->integer() * json.find("kv_heads")->integer();
    return json.find("ranks")->array()[0].find("kv_bytes_per_token")->integer() / heads;
  };
  const int64_t head_dim =
      Json::parse(inspect_json(model.folder, 1), "inspect").find("head_dim")->integer();
  EXPECT_EQ(bytes("auto"), 2 * head_dim);
  EXPECT_EQ(bytes("f32"), 4 * head_dim);
  EXPECT_EQ(bytes("int8"), head_dim + 4);
}

}  // namespace
}  // namespace tandem::test
