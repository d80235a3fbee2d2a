#include "parallel/partition.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/check.h"

namespace tandem {
namespace {

void cut(Range units, Range ranks, std::vector<Range>& runs) {
  if (ranks.size() == 1) {
    runs[static_cast<size_t>(ranks.begin)] = units;
    return;
  }
  const int64_t low_ranks = ceil_div(ranks.size(), 2);
  const int64_t low_units = ceil_div(units.size() * low_ranks, ranks.size());
  cut({units.begin, units.begin + low_units}, {ranks.begin, ranks.begin + low_ranks}, runs);
  cut({units.begin + low_units, units.end}, {ranks.begin + low_ranks, ranks.end}, runs);
}

int64_t middle(Range node) { return node.begin + ceil_div(node.size(), 2); }

void collect_nodes(Range node, Range run, std::vector<Range>& nodes) {
  if (node.size() == 0 || node.end <= run.begin || run.end <= node.begin) return;
  if (run.begin <= node.begin && node.end <= run.end) {
    nodes.push_back(node);
    return;
  }
  collect_nodes({node.begin, middle(node)}, run, nodes);
  collect_nodes({middle(node), node.end}, run, nodes);
}

/// Walks the tree below `node`; leaves are the entries of `leaves` from `next` on. Each inner node
/// adds one merge after its last leaf.
void add_merges(Range node, const std::vector<Range>& leaves, size_t& next, TreeProgram& program) {
  if (next < leaves.size() && leaves[next] == node) {
    ++next;
    program.merges.push_back(0);
    return;
  }
  TANDEM_CHECK(node.size() > 1);
  add_merges({node.begin, middle(node)}, leaves, next, program);
  add_merges({middle(node), node.end}, leaves, next, program);
  ++program.merges.back();
}

}  // namespace

Range Units::elements(Range run) const {
  return {std::min(size, run.begin * unit), std::min(size, run.end * unit)};
}

Units feed_forward_units(int64_t width) {
  const int64_t columns = std::max(ceil_div(width, 64), std::min<int64_t>(128, width / 32));
  return {width, round_up(std::max<int64_t>(columns, 1), 32)};
}

Units vocabulary_units(int64_t rows) { return {rows, round_up(ceil_div(rows, 64), 64)}; }

std::vector<Range> partition(int64_t units, int64_t ranks) {
  TANDEM_CHECK(units >= 0 && ranks >= 1);
  std::vector<Range> runs(static_cast<size_t>(ranks));
  cut({0, units}, {0, ranks}, runs);
  return runs;
}

std::vector<Range> tree_nodes(int64_t units, Range run) {
  std::vector<Range> nodes;
  if (run.size() > 0) collect_nodes({0, units}, run, nodes);
  return nodes;
}

TreeProgram local_tree(int64_t units, Range run) {
  TreeProgram program;
  for (const Range& node : tree_nodes(units, run)) {
    std::vector<Range> leaves;
    for (int64_t u = node.begin; u < node.end; ++u) leaves.push_back({u, u + 1});
    size_t next = 0;
    add_merges(node, leaves, next, program);
  }
  return program;
}

TreeProgram global_tree(int64_t units, const std::vector<Range>& nodes) {
  TreeProgram program;
  size_t next = 0;
  add_merges({0, units}, nodes, next, program);
  TANDEM_CHECK(next == nodes.size());
  return program;
}

}  // namespace tandem
