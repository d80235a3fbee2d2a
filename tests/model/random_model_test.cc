#include "model/random_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/half.h"
#include "model/families.h"
#include "model/weights.h"
#include "tandem/error.h"

namespace tandem {
namespace {

float value(const StoredTensor& tensor, size_t i) {
  uint16_t bits;
  std::memcpy(&bits, tensor.data + 2 * i, 2);
  return bf16_to_float(bits);
}

TEST(RandomModel, EveryShapeBindsStrictly) {
  for (const std::string& name : shape_names()) {
    SCOPED_TRACE(name);
    const HfFolder folder = open_model("shape:" + name);
    const ModelSpec spec = read_model_spec(folder.config, folder.config_path);
    const ModelWeights weights(spec, folder.tensors);
    EXPECT_EQ(weights.stored_dtype(), DType::kBF16);
    EXPECT_EQ(folder.tensors.total_bytes(), 2 * parameter_count(spec));
  }
}

TEST(RandomModel, ValuesAreTheSameEachTimeAndLikeWeights) {
  const HfFolder a = open_model("shape:smollm2-135m");
  const HfFolder b = open_model("shape:smollm2-135m");
  const StoredTensor& embedding = a.tensors.get("model.embed_tokens.weight");
  ASSERT_GT(embedding.bytes, size_t{50} << 20);  // far longer than the block it is made of
  double sum = 0;
  double squares = 0;
  const auto count = static_cast<size_t>(embedding.elements());
  for (size_t i = 0; i < count; i += 7) {
    const auto x = static_cast<double>(value(embedding, i));
    sum += x;
    squares += x * x;
  }
  const double n = static_cast<double>(count) / 7;
  EXPECT_NEAR(sum / n, 0, 1e-4);
  EXPECT_NEAR(std::sqrt(squares / n), 0.02, 5e-4);
  const StoredTensor& same = b.tensors.get("model.embed_tokens.weight");
  EXPECT_EQ(std::memcmp(embedding.data, same.data, embedding.bytes), 0);
  EXPECT_EQ(value(a.tensors.get("model.norm.weight"), 575), 1.0F);
  const StoredTensor& other = a.tensors.get("model.layers.1.mlp.up_proj.weight");
  EXPECT_NE(std::memcmp(embedding.data, other.data, 4096), 0);
  a.tensors.release(embedding, 0, embedding.bytes);  // legal, and without effect
  EXPECT_EQ(std::memcmp(embedding.data, same.data, 4096), 0);
}

TEST(RandomModel, UnknownShapesAreRefusedWithTheList) {
  try {
    open_model("shape:nothing");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadInput);
    EXPECT_THAT(error.what(), testing::HasSubstr("tinyllama-1.1b"));
  }
}

}  // namespace
}  // namespace tandem
