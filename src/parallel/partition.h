// Who owns what: units (the smallest pieces of a dimension), partitions (runs of units per rank)
// and the fixed tree in which units' partial sums are added. Integers only. See
// docs/architecture.md, "How a model is split".
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tree_program.h"

namespace tandem {

/// Half-open range.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// A dimension of `size` elements cut into units of `unit` elements, the last one shorter.
struct Units {
  int64_t size = 0;
  int64_t unit = 1;
  int64_t count() const { return size == 0 ? 0 : (size + unit - 1) / unit; }
  /// Elements of a run of units.
  Range elements(Range run) const;
};

/// Units of a feed-forward width F: max(F/64, min(128, F/32)) columns, rounded up to a multiple
/// of 32.
Units feed_forward_units(int64_t width);
/// Units of a vocabulary: the smallest multiple of 64 rows that gives at most 64 units.
Units vocabulary_units(int64_t rows);

/// Run of units of each of `ranks` ranks: the first ceil(N/2) ranks take the first ceil(U *
/// ceil(N/2) / N) units, and so on inside each half. Runs may be empty; they are contiguous and in
/// order.
std::vector<Range> partition(int64_t units, int64_t ranks);

/// The maximal subtrees inside `run` of the binary tree over `units` units that halves n into
/// ceil(n/2) and floor(n/2), as ranges of units in ascending order.
std::vector<Range> tree_nodes(int64_t units, Range run);
/// How the units of `run` are added to those nodes. One leaf per unit of the run.
TreeProgram local_tree(int64_t units, Range run);
/// How the nodes of all runs (in order; together they cover [0, units)) are added to the total. One
/// leaf per node, one result. Every leaf must be a subtree.
TreeProgram global_tree(int64_t units, const std::vector<Range>& nodes);

}  // namespace tandem
