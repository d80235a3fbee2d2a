// How ranks talk. HostComm carries small byte strings (plans, statistics), DeviceComm the
// activations. Every wait ends by throwing the Error of whoever aborted the group: a rank that
// failed (its own code and message), or the monitor of the rank processes (kRankFailure, naming
// rank and cause).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "backend/buffer.h"
#include "base/check.h"
#include "base/event_recorder.h"
#include "tensor/tree_program.h"

namespace tandem {

/// Small host values between ranks. Rank 0 is the root of both directions.
class HostComm {
 public:
  virtual ~HostComm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Rank 0 gives `bytes` to all; the others receive into it. Workers block here between steps (no
  /// deadline: rank 0 may be idle for hours; its death or abort ends the wait).
  virtual void broadcast(std::vector<std::byte>& bytes) = 0;
  /// Every rank's bytes, by rank, on rank 0; an empty list elsewhere.
  virtual std::vector<std::vector<std::byte>> gather(std::span<const std::byte> bytes) = 0;
  virtual void barrier() = 0;
  /// Makes every pending and later call on every rank, device calls too, throw Error(code, reason).
  /// The first reason wins. May be called from any thread and from a signal handler.
  virtual void abort(ErrorCode code, std::string_view reason) = 0;
  /// Throws the reason of abort(), if there was one. For long work between two calls (loading).
  virtual void check() = 0;
};

/// Sizes of a DeviceComm, given once; calls beyond them are programmer errors.
struct DeviceCommSpec {
  int64_t max_rows = 0;  ///< of a partial sum; the product with max_cols is what counts
  int64_t max_cols = 0;
  int64_t max_nodes_per_rank = 1;
  int64_t max_gather_floats = 0;  ///< rows * cols of a gather buffer
  int threads_per_rank = 1;       ///< ranks * threads above the cores: waits sleep at once
  /// Partial sums of all ranks up to this many bytes together are added by every rank on its own
  /// (one meeting); larger ones in slices (two meetings). Chooses the schedule, never the result.
  int64_t small_bytes = int64_t{256} << 10;
};

/// An all_reduce whose partial sums come in runs of columns.
struct PieceReduce {
  int64_t rows = 0;
  int64_t cols = 0;
  std::span<const int32_t> nodes_per_rank;  ///< as in all_reduce; kept by the caller until the end
  const TreeProgram* program = nullptr;
  std::span<const int64_t> begins;  ///< piece p is columns [begins[p], begins[p+1]) of [0, cols)
};

/// Activations between ranks. One instance per rank; all ranks make the same calls in the same
/// order.
class DeviceComm {
 public:
  virtual ~DeviceComm() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Where this rank's partial sums of the next all_reduce go: fills `out` (one float32 [rows,
  /// cols] matrix per node of this rank).
  virtual void partial_buffers(int64_t rows, int64_t cols, std::span<Matrix> out) = 0;
  /// Adds all ranks' partial sums by `program` (its leaves are the nodes of rank 0, then rank 1,
  /// ...; nodes_per_rank says how many each has). Returns float32 [rows, cols], readable until the
  /// next collective call.
  virtual Matrix all_reduce(int64_t rows, int64_t cols, std::span<const int32_t> nodes_per_rank,
                            const TreeProgram& program) = 0;

  /// MC2: the same reduce, the same bits, while the partial sums are still being produced. Between
  /// partial_buffers() and the result: begin_pieces(), then piece_ready() for piece 0, 1, ... when
  /// this rank has written that piece of all its nodes, then end_pieces(). The earlier pieces are
  /// reduced meanwhile. Only where overlaps() says so; all ranks decide alike.
  virtual bool overlaps() const { return false; }
  virtual void begin_pieces(const PieceReduce&) { TANDEM_CHECK(overlaps()); }
  virtual void piece_ready() { TANDEM_CHECK(overlaps()); }
  virtual Matrix end_pieces() {
    TANDEM_CHECK(overlaps());
    return {};
  }

  /// A float32 [rows, cols] matrix in transport memory of which this rank writes a part before the
  /// matching all_gather.
  virtual Matrix gather_buffer(int64_t rows, int64_t cols) = 0;
  /// Rank r has written columns [begins[r], begins[r+1]). On return every rank can read all of it
  /// until the next collective.
  virtual void all_gather_columns(const Matrix& m, std::span<const int64_t> begins) = 0;
  /// Rank owners[i] has written row i.
  virtual void all_gather_rows(const Matrix& m, std::span<const int32_t> owners) = 0;

  /// A wait for the other ranks that lasts longer aborts the group, naming who is late; zero: no
  /// limit. That is the normal state: while a rank's heart beats it is slow, not dead.
  virtual void set_time_limit(std::chrono::milliseconds limit) = 0;

  /// Seconds spent waiting for other ranks, and number of collectives, since the start.
  struct Counters {
    double wait_s = 0;
    int64_t calls = 0;
  };
  virtual Counters counters() const = 0;

  /// From now on waits ("wait") and additions ("add", by piece) are recorded; nullptr: off. The
  /// recorder must outlive its use.
  virtual void record_into(EventRecorder*) {}
};

}  // namespace tandem
