// `tandem bench` on a tiny shape: the JSON and its refusals. Speeds are not asserted.
#include <gtest/gtest.h>

#include "support/tandem_json.h"

namespace tandem::test {
namespace {

TEST(BenchCommand, GivesOneObjectPerPointWithAllKeys) {
  const auto output =
      tandem_json({"bench", "--shape", "tiny", "--rounds", "1", "--prompt", "20", "--generate", "4",
                   "--world_size", "1,2", "--threads", "1", "--json"});
  ASSERT_EQ(output.size(), 2U);
  for (const Json& one : output) {
    for (const char* key :
         {"model", "isa", "world_size", "threads", "dtype", "quantize", "prompt", "generate",
          "prefill_tok_s", "decode_tok_s", "spread", "probe_read_gb_s", "probe_compute_gf",
          "decode_percent_of_read", "prefill_percent_of_compute", "collective_share_decode",
          "collective_share_prefill", "rounds", "discarded"})
      EXPECT_NE(one.find(key), nullptr) << key;
    EXPECT_EQ(one.find("model")->string(), "tiny");
    EXPECT_GT(one.find("decode_tok_s")->number(), 0);
    EXPECT_GT(one.find("prefill_tok_s")->number(), 0);
    // 2 layers of 9216 + 6144 + 9216 + 46080 weights, two flops each.
    EXPECT_EQ(one.find("flops_per_token")->number(), 2.0 * 2 * 70656);
  }
  EXPECT_EQ(output[1].find("world_size")->integer(), 2);
  EXPECT_GT(output[1].find("collective_share_decode")->number(), 0);
  EXPECT_GT(output[1].find("collective_share_prefill")->number(), 0);
  const Json* ops = output[1].find("ops");
  for (const char* kind : {"embedding", "norm", "qkv", "rope", "attention", "attention_out",
                           "gate_up", "down", "head", "sampling", "collective", "other"}) {
    ASSERT_NE(ops->find(kind), nullptr) << kind;
    EXPECT_GT(ops->find(kind)->find("decode_ms")->number(), 0) << kind;
    EXPECT_GT(ops->find(kind)->find("prefill_ms")->number(), 0) << kind;
  }
}

TEST(BenchCommand, CountsTheBytesOfEveryQuantization) {
  const auto output =  // with fewer tokens than multiply-adds are counted from
      tandem_json({"bench", "--shape", "tiny", "--rounds", "1", "--prompt", "2", "--generate", "2",
                   "--threads", "1", "--quantize", "none,int8,int4,int4_min", "--json"});
  ASSERT_EQ(output.size(), 4U);
  const auto name = [&](size_t i) { return output[i].find("quantize")->string(); };
  const auto bytes = [&](size_t i) { return output[i].find("bytes_per_step")->number(); };
  EXPECT_EQ(name(0), "none");
  EXPECT_EQ(name(1), "int8");
  EXPECT_EQ(name(2), "int4");
  EXPECT_EQ(name(3), name(2)) << "int4 is the form with minima";
  // Per group of 32: 64 bytes, 34, and with a minimum 20; the head's are int8 in both.
  const double blocks = 2 * 70656;
  EXPECT_DOUBLE_EQ(bytes(1) - bytes(2), blocks * (34 - 20) / 32);
  EXPECT_GT(bytes(0) - bytes(1), blocks * (64 - 34) / 32) << "and the head";
  EXPECT_NE(output[1].find("probe_compute")->string(), output[0].find("probe_compute")->string());
}

TEST(BenchCommand, RefusesContradictions) {
  EXPECT_EQ(tandem({"bench", "--json"}).exit_code, 2);
  EXPECT_EQ(tandem({"bench", "--shape", "tiny", "--model_path", "x"}).exit_code, 2);
  EXPECT_EQ(tandem({"bench", "--shape", "unknown"}).exit_code, 2);
  EXPECT_EQ(tandem({"bench", "--shape", "tiny", "--generate", "1"}).exit_code, 2);
  EXPECT_EQ(tandem({"bench", "--shape", "tiny", "--quantize", "int3"}).exit_code, 2);
}

}  // namespace
}  // namespace tandem::test
