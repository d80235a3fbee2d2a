#include "base/event_recorder.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(EventRecorder, KeepsScopesInTheOrderOfTheirEnds) {
  EventRecorder recorder(4);
  {
    const EventScope outer(&recorder, "outer");
    const EventScope inner(&recorder, "inner", 7);
  }
  ASSERT_EQ(recorder.events().size(), 2);
  const Event& inner = recorder.events()[0];
  const Event& outer = recorder.events()[1];
  EXPECT_STREQ(inner.name, "inner");
  EXPECT_EQ(inner.value, 7);
  EXPECT_LE(outer.begin_ns, inner.begin_ns);
  EXPECT_LE(inner.begin_ns, inner.end_ns);
  EXPECT_LE(inner.end_ns, outer.end_ns);
}

TEST(EventRecorder, IsBounded) {
  EventRecorder recorder(2);
  for (int64_t i = 0; i < 5; ++i) const EventScope scope(&recorder, "x", i);
  ASSERT_EQ(recorder.events().size(), 2);
  EXPECT_EQ(recorder.events()[1].value, 1);
  EXPECT_EQ(recorder.dropped(), 3);
}

}  // namespace
}  // namespace tandem
