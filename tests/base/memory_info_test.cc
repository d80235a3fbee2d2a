#include "base/memory_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "support/temp_folder.h"
#include "tandem/error.h"

namespace tandem::test {
namespace {

using ::testing::HasSubstr;

TEST(MemoryInfo, ThisMachineHasSome) {
  const AvailableMemory available = available_memory();
  EXPECT_GT(available.bytes, 0);
  EXPECT_LT(available.bytes, INT64_MAX);
}

TEST(MemoryInfo, NothingReadableIsNoLimit) {
  const TempFolder root;
  EXPECT_EQ(available_memory(root.path()).bytes, INT64_MAX);
}

TEST(MemoryInfo, MemAvailableWithoutGroups) {
  const TempFolder root;
  root.write("proc/meminfo", "MemTotal:   2000 kB\nMemFree: 1 kB\nMemAvailable:   1000 kB\n");
  const AvailableMemory available = available_memory(root.path());
  EXPECT_EQ(available.bytes, 1'024'000);
  EXPECT_THAT(available.source, HasSubstr("MemAvailable"));
}

TEST(MemoryInfo, SecondVersionTakesTheTightestLimitUpToTheRoot) {
  const TempFolder root;
  root.write("proc/meminfo", "MemAvailable:   1000000 kB\n");
  root.write("proc/self/cgroup", "0::/outer/inner\n");
  root.write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.write("sys/fs/cgroup/outer/inner/memory.current", "5\n");
  root.write("sys/fs/cgroup/outer/memory.max", "10000\n");
  root.write("sys/fs/cgroup/outer/memory.current", "9000\n");
  EXPECT_EQ(available_memory(root.path()).bytes, 1000);
  EXPECT_THAT(available_memory(root.path()).source, HasSubstr("/outer/memory.max"));
  // Page cache is given back when it is needed.
  root.write("sys/fs/cgroup/outer/memory.stat", "anon 10\ninactive_file 3000\nactive_file 500\n");
  EXPECT_EQ(available_memory(root.path()).bytes, 4500);
}

TEST(MemoryInfo, FirstVersionAndAPathThatIsNotMounted) {
  const TempFolder root;
  root.write("proc/self/cgroup", "5:cpu:/x\n4:memory:/docker/abc\n");
  root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n");
  root.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "8000\n");
  EXPECT_EQ(available_memory(root.path()).bytes, 0);
  root.write("sys/fs/cgroup/memory/memory.stat", "inactive_file 9\ntotal_inactive_file 2000\n");
  EXPECT_EQ(available_memory(root.path()).bytes, 1000);
}

TEST(MemoryInfo, RefusalHasBothNumbers) {
  const AvailableMemory available{1000, "somewhere"};
  EXPECT_NO_THROW(require_memory(1000, "the model", available));
  try {
    require_memory(13'500'000'000, "the model", available);
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResource);
    EXPECT_THAT(error.what(), HasSubstr("13500000000"));
    EXPECT_THAT(error.what(), HasSubstr("1000 bytes"));
    EXPECT_THAT(error.what(), HasSubstr("somewhere"));
  }
}

}  // namespace
}  // namespace tandem::test
