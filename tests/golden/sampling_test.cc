// `tandem sample` against tests/data/golden/sampling.json.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/golden.h"
#include "support/tandem_json.h"

namespace tandem::test {
namespace {

TEST(GoldenSampling, MatchesReference) {
  const std::string file = test_data() + "/golden/sampling.json";
  const Json reference = Json::parse_file(file);
  const auto& cases = reference.find("cases")->array();
  const auto output = tandem_json({"sample", "--file", file, "--json"});
  // One document with the cases, or one line per case.
  ASSERT_FALSE(output.empty());
  const Json* list = output[0].find("cases");
  const std::vector<Json>& results = list != nullptr ? list->array() : output;
  ASSERT_EQ(results.size(), cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases[i].find("name")->string());
    EXPECT_LE(largest_error(numbers(results[i], "probs"), numbers(cases[i], "expected")), 1e-5);
    EXPECT_EQ(results[i].find("kept")->integer(), cases[i].find("kept")->integer());
  }
}

}  // namespace
}  // namespace tandem::test
