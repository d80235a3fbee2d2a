// The collectives, with threads as ranks: every world size, uneven trees, both schedules.
// Length: one suite over every collective; the cases share the made-up trees and expected sums.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "comm/host_backend.h"
#include "comm/registry.h"
#include "comm/self_test.h"
#include "engine/ranks/rank_group.h"

namespace tandem {
namespace {

using testing::add_serially;
using testing::HostBackend;
using testing::row;

/// A rank that fails an assertion leaves the others alone: they give up instead of waiting forever.
std::unique_ptr<DeviceComm> connect(RankContext& rank, Backend& backend,
                                    const DeviceCommSpec& spec) {
  auto comm = rank.connect(backend, spec);
  comm->set_time_limit(std::chrono::seconds(20));
  return comm;
}

/// Runs `body` on every rank; rank 0 is this thread.
void on_ranks(int size, const WorkerBody& body) {
  const auto group = RankGroup::start_threads(size, body);
  body(group->root());
}

/// A tree that halves `leaves` into ceil and floor, as the reduction tree does.
void halve(int32_t leaves, TreeProgram* program) {
  if (leaves == 1) {
    program->merges.push_back(0);
    return;
  }
  halve(leaves - leaves / 2, program);
  halve(leaves / 2, program);
  ++program->merges.back();
}

struct Case {
  std::vector<int32_t> nodes;
  TreeProgram program;
  int64_t rows, cols;
  uint32_t seed;
};

/// Magnitudes far apart, so that the order of addition shows in the bits.
float value(uint32_t seed, int64_t leaf, int64_t i, int64_t j) {
  std::minstd_rand random(
      static_cast<uint32_t>(seed * 7919 + leaf * 104729 + i * 1299709 + j * 15485863 + 1));
  random.discard(3);
  return std::ldexp(static_cast<float>(static_cast<int32_t>(random() % 2001) - 1000),
                    static_cast<int>(random() % 30));
}

Case make_case(int size, int64_t max_nodes, uint32_t seed) {
  std::mt19937 random(seed);
  Case c{{}, {}, 0, 0, seed};
  c.rows = 1 + static_cast<int64_t>(random() % 5);
  c.cols = 1 + static_cast<int64_t>(random() % 70);
  int32_t leaves = 0;
  for (int r = 0; r < size; ++r) {
    c.nodes.push_back(static_cast<int32_t>(random() % (max_nodes + 1)));
    leaves += c.nodes.back();
  }
  if (leaves == 0) leaves = ++c.nodes[random() % size];
  halve(leaves, &c.program);
  return c;
}

/// MC2's calls, at random cuts (some pieces empty).
Matrix reduce_in_pieces(DeviceComm& comm, const Case& c) {
  std::mt19937 random(c.seed);
  std::vector<int64_t> begins = {0};
  for (unsigned piece = random() % 6; piece > 0; --piece) {
    begins.push_back(std::min(c.cols, begins.back() + static_cast<int64_t>(random() % 25)));
  }
  begins.push_back(c.cols);
  comm.begin_pieces({c.rows, c.cols, c.nodes, &c.program, begins});
  for (size_t p = 1; p < begins.size(); ++p) comm.piece_ready();
  return comm.end_pieces();
}

void check_case(RankContext& rank, DeviceComm& comm, const Case& c, bool in_pieces) {
  int64_t first = 0;
  for (int r = 0; r < rank.rank(); ++r) first += c.nodes[r];
  std::vector<Matrix> partials(static_cast<size_t>(c.nodes[rank.rank()]));
  comm.partial_buffers(c.rows, c.cols, partials);
  for (size_t n = 0; n < partials.size(); ++n) {
    for (int64_t i = 0; i < c.rows; ++i) {
      for (int64_t j = 0; j < c.cols; ++j) {
        row(partials[n], i)[j] = value(c.seed, first + static_cast<int64_t>(n), i, j);
      }
    }
  }
  const Matrix result =
      in_pieces ? reduce_in_pieces(comm, c) : comm.all_reduce(c.rows, c.cols, c.nodes, c.program);
  ASSERT_EQ(result.rows, c.rows);
  ASSERT_EQ(result.cols, c.cols);
  std::vector<float> leaves(static_cast<size_t>(c.program.leaves()));
  for (int64_t i = 0; i < c.rows; ++i) {
    for (int64_t j = 0; j < c.cols; ++j) {
      for (size_t n = 0; n < leaves.size(); ++n) {
        leaves[n] = value(c.seed, static_cast<int64_t>(n), i, j);
      }
      const float expected = add_serially(c.program, leaves);
      ASSERT_EQ(std::memcmp(&row(result, i)[j], &expected, 4), 0)
          << "rank " << rank.rank() << " (" << i << ", " << j << ") seed " << c.seed;
    }
  }
}

class Collectives : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Worlds, Collectives, ::testing::Range(1, 9));

TEST_P(Collectives, ReduceEqualsTheSerialTreeBitForBit) {
  const int size = GetParam();
  for (const int64_t small_bytes : {int64_t{0}, int64_t{1} << 20, int64_t{600}}) {
    on_ranks(size, [&](RankContext& rank) {
      HostBackend backend;
      const DeviceCommSpec spec{.max_rows = 5,
                                .max_cols = 70,
                                .max_nodes_per_rank = 4,
                                .max_gather_floats = 16,
                                .small_bytes = small_bytes};
      const auto comm = connect(rank, backend, spec);
      // Back to back: a buffer reused too early shows here.
      for (uint32_t seed = 1; seed <= 60; ++seed) {
        check_case(rank, *comm, make_case(size, 4, seed), comm->overlaps() && seed % 3 == 0);
      }
      EXPECT_EQ(comm->counters().calls, 60);
    });
  }
}

class Pieces : public Collectives {};
INSTANTIATE_TEST_SUITE_P(Worlds, Pieces, ::testing::Range(2, 9));

TEST_P(Pieces, AreReducedAsTheyAreProduced) {
  const int size = GetParam();
  on_ranks(size, [&](RankContext& rank) {
    HostBackend backend;
    const auto comm = connect(rank, backend, {.max_rows = 3, .max_cols = 96});
    const std::vector<int32_t> nodes(static_cast<size_t>(size), 1);
    TreeProgram program;
    halve(size, &program);
    const std::vector<int64_t> begins = {0, 40, 56, 96};
    for (int round = 0; round < 40; ++round) {
      std::vector<Matrix> partial(1);
      comm->partial_buffers(3, 96, partial);
      comm->begin_pieces({3, 96, nodes, &program, begins});
      // A piece that is read before it is announced would show the numbers of two calls ago.
      for (size_t p = 0; p + 1 < begins.size(); ++p) {
        if ((round + rank.rank()) % 4 == 0) std::this_thread::yield();
        for (int64_t i = 0; i < 3; ++i) {
          for (int64_t j = begins[p]; j < begins[p + 1]; ++j) {
            row(partial[0], i)[j] = value(static_cast<uint32_t>(round), rank.rank(), i, j);
          }
        }
        comm->piece_ready();
      }
      const Matrix result = comm->end_pieces();
      std::vector<float> leaves(static_cast<size_t>(size));
      for (int64_t i = 0; i < 3 * 96; ++i) {
        for (int r = 0; r < size; ++r) {
          leaves[static_cast<size_t>(r)] = value(static_cast<uint32_t>(round), r, i / 96, i % 96);
        }
        ASSERT_EQ(row(result, i / 96)[i % 96], add_serially(program, leaves)) << round;
      }
    }
  });
}

TEST(Overlap, EarlierPiecesAreAddedBeforeTheLastIsProduced) {
  std::atomic<bool> published = false;
  const std::vector<int32_t> nodes = {1, 1};
  const TreeProgram program{{0, 1}};
  const std::vector<int64_t> begins = {0, 32, 64, 96};
  const PieceReduce reduce = {1, 96, nodes, &program, begins};
  const auto group = RankGroup::start_threads(2, [&](RankContext& rank) {
    HostBackend backend;
    const auto comm = connect(rank, backend, {.max_rows = 1, .max_cols = 96});
    comm->begin_pieces(reduce);
    for (int p = 0; p < 3; ++p) comm->piece_ready();
    published = true;
    comm->end_pieces();
  });
  HostBackend backend;
  const auto comm = connect(group->root(), backend, {.max_rows = 1, .max_cols = 96});
  EventRecorder recorder(100);
  comm->record_into(&recorder);
  comm->begin_pieces(reduce);
  while (!published) std::this_thread::yield();
  comm->piece_ready();
  comm->piece_ready();
  ASSERT_EQ(recorder.events().size(), 2);
  EXPECT_STREQ(recorder.events()[1].name, "add");
  EXPECT_EQ(recorder.events()[1].value, 1);
  comm->piece_ready();
  comm->end_pieces();
}

TEST_P(Collectives, GathersReachEveryRank) {
  const int size = GetParam();
  on_ranks(size, [&](RankContext& rank) {
    HostBackend backend;
    const auto comm = connect(rank, backend, {.max_gather_floats = 7 * 50});
    for (int round = 0; round < 50; ++round) {
      std::mt19937 random(static_cast<uint32_t>(round));
      const int64_t rows = 1 + random() % 7, cols = 1 + random() % 50;
      const Matrix m = comm->gather_buffer(rows, cols);
      const auto number = [&](int64_t i, int64_t j) {
        return static_cast<float>(round * 1000 + i * 100 + j);
      };
      if (round % 2 == 0) {
        std::vector<int64_t> begins = {0};
        for (int r = 1; r < size; ++r) begins.push_back(begins.back() + random() % 9);
        begins.push_back(cols);
        for (int64_t& begin : begins) begin = std::min(begin, cols);
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = begins[rank.rank()]; j < begins[rank.rank() + 1]; ++j) {
            row(m, i)[j] = number(i, j);
          }
        }
        comm->all_gather_columns(m, begins);
      } else {
        std::vector<int32_t> owners;
        for (int64_t i = 0; i < rows; ++i) owners.push_back(static_cast<int32_t>(random() % size));
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < cols && owners[i] == rank.rank(); ++j)
            row(m, i)[j] = number(i, j);
        }
        comm->all_gather_rows(m, owners);
      }
      // A late reader, while the others go on to the next call.
      if (round % size == rank.rank()) std::this_thread::sleep_for(std::chrono::microseconds(300));
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < cols; ++j) ASSERT_EQ(row(m, i)[j], number(i, j)) << round;
      }
    }
  });
}

TEST_P(Collectives, HostBytesTravel) {
  const int size = GetParam();
  on_ranks(size, [&](RankContext& rank) {
    for (const size_t length : {size_t{0}, size_t{3}, size_t{1000000}}) {
      std::vector<std::byte> bytes(rank.rank() == 0 ? length : 7,
                                   std::byte(rank.rank() == 0 ? 42 : 1));
      rank.host().broadcast(bytes);
      ASSERT_EQ(bytes, std::vector<std::byte>(length, std::byte(42)));
      const std::vector<std::byte> own(length / 2 + rank.rank(), std::byte(rank.rank()));
      const auto all = rank.host().gather(own);
      ASSERT_EQ(all.size(), rank.rank() == 0 ? size : 0);
      for (size_t r = 0; r < all.size(); ++r) {
        ASSERT_EQ(all[r], std::vector<std::byte>(length / 2 + r, std::byte(r)));
      }
      rank.host().barrier();
    }
  });
}

TEST_P(Collectives, SelfTestPasses) {
  on_ranks(GetParam(), [](RankContext& rank) {
    HostBackend backend;
    for (const int64_t floats : {1, 30, 90000}) {
      const DeviceCommSpec spec{
          .max_rows = 1, .max_cols = floats, .max_nodes_per_rank = 3, .max_gather_floats = floats};
      const auto comm = rank.connect(backend, spec);
      self_test(rank.host(), *comm, backend, spec, std::chrono::seconds(20));
    }
  });
}

TEST(SelfTest, NamesTheRankThatDoesNotCome) {
  const DeviceCommSpec spec{.max_rows = 1, .max_cols = 40, .max_gather_floats = 40};
  const auto group = RankGroup::start_threads(3, [&](RankContext& rank) {
    HostBackend backend;
    const auto comm = rank.connect(backend, spec);
    if (rank.rank() == 2) {
      std::vector<std::byte> plan;
      rank.host().broadcast(plan);  // waits for the end of the group instead
    }
    self_test(rank.host(), *comm, backend, spec, std::chrono::seconds(20));
  });
  HostBackend backend;
  const auto comm = group->root().connect(backend, spec);
  try {
    self_test(group->root().host(), *comm, backend, spec, std::chrono::milliseconds(200));
    FAIL() << "the self-test passed without rank 2";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRankFailure);
    EXPECT_NE(std::string(error.what()).find("rank 2"), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find("rank 1"), std::string::npos) << error.what();
  }
}

/// A transport that damages one number on one rank.
class Damaging final : public DeviceComm {
 public:
  explicit Damaging(DeviceComm& inner) : inner_(inner) {}
  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  void partial_buffers(int64_t rows, int64_t cols, std::span<Matrix> out) override {
    inner_.partial_buffers(rows, cols, out);
  }
  Matrix all_reduce(int64_t rows, int64_t cols, std::span<const int32_t> nodes,
                    const TreeProgram& program) override {
    const Matrix m = inner_.all_reduce(rows, cols, nodes, program);
    row(m, 0)[cols - 1] = std::nextafter(row(m, 0)[cols - 1], 0.0f);
    return m;
  }
  Matrix gather_buffer(int64_t rows, int64_t cols) override {
    return inner_.gather_buffer(rows, cols);
  }
  void all_gather_columns(const Matrix& m, std::span<const int64_t> begins) override {
    inner_.all_gather_columns(m, begins);
  }
  void all_gather_rows(const Matrix& m, std::span<const int32_t> owners) override {
    inner_.all_gather_rows(m, owners);
  }
  void set_time_limit(std::chrono::milliseconds limit) override { inner_.set_time_limit(limit); }
  Counters counters() const override { return inner_.counters(); }

 private:
  DeviceComm& inner_;
};

TEST(SelfTest, NamesTheRankWithAWrongNumber) {
  const DeviceCommSpec spec{.max_rows = 1, .max_cols = 40, .max_gather_floats = 40};
  const auto group = RankGroup::start_threads(2, [&](RankContext& rank) {
    HostBackend backend;
    const auto comm = rank.connect(backend, spec);
    Damaging damaging(*comm);
    self_test(rank.host(), damaging, backend, spec, std::chrono::seconds(20));
  });
  HostBackend backend;
  const auto comm = group->root().connect(backend, spec);
  try {
    self_test(group->root().host(), *comm, backend, spec, std::chrono::seconds(20));
    FAIL() << "not noticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("rank 1 found"), std::string::npos) << error.what();
  }
}

TEST(Abort, WakesEveryWaitAndKeepsTheFirstReason) {
  std::atomic<int> ended = 0;
  {
    const auto group = RankGroup::start_threads(5, [&](RankContext& rank) {
      try {
        HostBackend backend;
        const auto comm = rank.connect(backend, {.max_rows = 1, .max_cols = 8});
        std::vector<std::byte> start;
        rank.host().broadcast(start);
        if (rank.rank() == 4) bad_input("tensor x is missing");
        if (rank.rank() == 3) {
          std::vector<std::byte> bytes;
          rank.host().broadcast(bytes);
        } else {
          comm->all_reduce(1, 8, std::vector<int32_t>(5, 1), TreeProgram{{0, 1, 1, 1, 1}});
        }
      } catch (const Error&) {
        ++ended;
        throw;
      }
    });
    HostBackend backend;
    const auto comm = group->root().connect(backend, {.max_rows = 1, .max_cols = 8});
    for (int again = 0; again < 2; ++again) {
      try {
        if (again == 0) {
          std::vector<std::byte> start;
          group->root().host().broadcast(start);
          group->root().host().gather({});
        } else {
          comm->all_gather_columns(comm->gather_buffer(0, 0), std::vector<int64_t>(6, 0));
        }
        FAIL() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kBadInput);
        EXPECT_STREQ(error.what(), "rank 4: tensor x is missing");
      }
    }
  }
  EXPECT_EQ(ended, 4);
}

TEST(Abort, RanksThatDisagreeAboutTheCallAreNamed) {
  const auto group = RankGroup::start_threads(2, [](RankContext& rank) {
    HostBackend backend;
    const auto comm = rank.connect(backend, {.max_gather_floats = 8});
    comm->all_gather_columns(comm->gather_buffer(1, 8), std::vector<int64_t>{0, 4, 8});
  });
  HostBackend backend;
  const auto comm = group->root().connect(backend, {.max_gather_floats = 8});
  EXPECT_THROW(comm->all_gather_columns(comm->gather_buffer(2, 4), std::vector<int64_t>{0, 2, 4}),
               Error);
}

TEST(Spec, BeyondTheSizesIsACheckAndOverflowIsRefused) {
  HostBackend backend;
  const auto group = RankGroup::start_threads(1, [](RankContext&) {});
  const auto comm = group->root().connect(backend, {.max_rows = 2, .max_cols = 8});
  std::vector<Matrix> one(1), two(2);
  EXPECT_NO_THROW(comm->partial_buffers(4, 4, one));
  EXPECT_THROW(comm->partial_buffers(3, 8, one), Error);
  EXPECT_THROW(comm->partial_buffers(1, 8, two), Error);
  EXPECT_THROW(comm->gather_buffer(1, 1), Error);
  try {
    const int64_t huge = int64_t{1} << 33;
    group->root().connect(backend, {.max_rows = huge, .max_cols = huge});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResource);
  }
}

TEST(Counters, WaitingIsCounted) {
  const auto group = RankGroup::start_threads(2, [](RankContext& rank) {
    HostBackend backend;
    const auto comm = rank.connect(backend, {.max_gather_floats = 8});
    const Matrix m = comm->gather_buffer(1, 8);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    comm->all_gather_columns(m, std::vector<int64_t>{0, 4, 8});
  });
  HostBackend backend;
  const auto comm = group->root().connect(backend, {.max_gather_floats = 8});
  comm->all_gather_columns(comm->gather_buffer(1, 8), std::vector<int64_t>{0, 4, 8});
  EXPECT_EQ(comm->counters().calls, 1);
  EXPECT_GT(comm->counters().wait_s, 0.02);
}

}  // namespace
}  // namespace tandem
