#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.h"
#include "base/cpu_features.h"
#include "tandem/error.h"

namespace tandem {
namespace {

using ::testing::HasSubstr;

std::string refusal(const BackendOptions& options) {
  try {
    make_backend(options);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Registry, RefusesAbsentDevicesAndInstructionSetsByName) {
  EXPECT_THAT(refusal({.device = "cuda"}), HasSubstr("'cuda'"));
  EXPECT_THAT(refusal({.device = "tpu"}), HasSubstr("'tpu'"));
  EXPECT_THAT(refusal({.isa = "neon"}), HasSubstr("present: portable"));
  EXPECT_THAT(refusal({.threads = 0}), HasSubstr("threads is 0"));
}

TEST(Registry, AmxIsRefusedWhereItIsAbsent) {
  if (cpu_features().amx) GTEST_SKIP() << "this processor has AMX";
  EXPECT_THAT(refusal({.isa = "amx"}), HasSubstr("'amx' is not present"));
  EXPECT_THAT(refusal({.isa = "amx"}), HasSubstr(available_isas().back()));
}

TEST(Registry, AutoIsTheBestPresent) {
  EXPECT_EQ(make_backend({})->isa(), available_isas().back());
  for (const std::string& isa : available_isas()) {
    EXPECT_EQ(make_backend({.isa = isa})->isa(), isa);
  }
}

TEST(Checks, AWrongShapeIsNamed) {
  const auto backend = make_backend({});
  const auto buffer = backend->allocate(4096);
  Matrix a{buffer.get(), 0, DType::kF32, 2, 8, 8}, b{buffer.get(), 0, DType::kF32, 2, 9, 9};
  EXPECT_THROW(backend->silu_mul({a, b, a}), Error);
  a.rows = 2000;
  try {
    backend->silu_mul({a, a, a});
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("end in bytes"));
  }
}

}  // namespace
}  // namespace tandem
