// A worker, a rank 0 for the tests to kill, or the tests.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "engine/ranks/worker.h"
#include "fault/ranks/scenario.h"

int main(int argc, char** argv) {
  tandem::run_if_worker(argc, argv, tandem::testing::fault_worker);
  if (argc == 3 && std::string(argv[1]) == "--root") {
    try {
      return tandem::testing::run_root(std::atoi(argv[2]), true);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
