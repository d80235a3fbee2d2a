#include "parallel/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/arithmetic.h"
#include "base/check.h"
#include "comm/communicator.h"

namespace tandem {
namespace {

constexpr int64_t kStatsFloats = sizeof(UnitStats) / sizeof(float);
static_assert(sizeof(UnitStats) % sizeof(float) == 0);

}  // namespace

std::shared_ptr<PackedLinear> pack_vocabulary(Backend& backend, const LinearSource& source) {
  int64_t rows = 0;
  for (const WeightRows& block : source.weight) rows += block.rows;
  return rows > 0 ? std::shared_ptr<PackedLinear>(backend.pack_linear(source)) : nullptr;
}

VocabularyEmbedding::VocabularyEmbedding(const ParallelContext& context,
                                         std::shared_ptr<PackedLinear> table,
                                         const VocabularySplit& split)
    : context_(context), table_(std::move(table)), split_(split) {}

Matrix VocabularyEmbedding::forward(std::span<const int32_t> ids, int64_t hidden) {
  const auto rows = static_cast<int64_t>(ids.size());
  Matrix out = context_.comm->gather_buffer(rows, hidden);
  if (table_ != nullptr) {
    context_.backend->embedding({table_.get(), ids, split_.rows(context_.rank).begin, out});
  }
  owners_.clear();
  for (int32_t id : ids) {
    const int64_t unit = id / split_.units.unit;
    const auto run = std::find_if(split_.runs.begin(), split_.runs.end(),
                                  [&](const Range& r) { return unit < r.end; });
    owners_.push_back(static_cast<int32_t>(run - split_.runs.begin()));
  }
  const OpScope scope(context_.clock, "collective");
  context_.comm->all_gather_rows(out, owners_);
  return out;
}

std::vector<ParallelHead::Section> ParallelHead::sections(const VocabularySplit& split) {
  std::vector<Section> list;
  int64_t column = 0;
  for (size_t r = 0; r < split.runs.size(); ++r) {
    Section s;
    s.rows = split.rows(static_cast<int>(r));
    s.units = split.runs[r];
    s.begin = column;
    s.stats_begin = column + round_up(s.rows.size(), kPanel);
    column = s.stats_begin + round_up(s.units.size() * kStatsFloats, kPanel);
    list.push_back(s);
  }
  return list;
}

int64_t ParallelHead::gathered_columns(const VocabularySplit& split) {
  const Section last = sections(split).back();
  return last.stats_begin + round_up(last.units.size() * kStatsFloats, kPanel);
}

ParallelHead::ParallelHead(const ParallelContext& context, std::shared_ptr<PackedLinear> head,
                           const VocabularySplit& split)
    : context_(context),
      head_(std::move(head)),
      split_(split),
      sections_(sections(split)),
      columns_(gathered_columns(split)) {
  for (const Section& s : sections_) begins_.push_back(s.begin);
  begins_.push_back(columns_);
}

void ParallelHead::forward(const Matrix& hidden) {
  gathered_ = context_.comm->gather_buffer(hidden.rows, columns_);
  const Section& own = sections_[static_cast<size_t>(context_.rank)];
  if (head_ != nullptr) {
    const Matrix logits = gathered_.columns(own.begin, own.rows.size());
    context_.backend->linear({whole_steps(hidden, *head_), head_.get(), {&logits, 1}});
    stats_.resize(static_cast<size_t>(hidden.rows * own.units.size()));
    context_.backend->logit_stats({logits, own.rows.begin, split_.units.unit, stats_});
    context_.backend->upload(gathered_.columns(own.stats_begin, own.units.size() * kStatsFloats),
                             std::as_bytes(std::span<const UnitStats>(stats_)));
  }
  const OpScope scope(context_.clock, "collective");
  context_.comm->all_gather_columns(gathered_, begins_);
}

void ParallelHead::read_logits(int64_t row, std::span<float> out) const {
  for (const Section& s : sections_) {
    if (s.rows.size() == 0) continue;
    const Matrix part = gathered_.row_range(row, 1).columns(s.begin, s.rows.size());
    context_.backend->download(
        part, std::as_writable_bytes(out.subspan(static_cast<size_t>(s.rows.begin),
                                                 static_cast<size_t>(s.rows.size()))));
  }
}

void ParallelHead::read_stats(int64_t row, std::span<UnitStats> out) const {
  for (const Section& s : sections_) {
    if (s.units.size() == 0) continue;
    const Matrix part =
        gathered_.row_range(row, 1).columns(s.stats_begin, s.units.size() * kStatsFloats);
    context_.backend->download(
        part, std::as_writable_bytes(out.subspan(static_cast<size_t>(s.units.begin),
                                                 static_cast<size_t>(s.units.size()))));
  }
}

double log_sum_exp(std::span<const UnitStats> stats) {
  TANDEM_CHECK(!stats.empty());
  float max = stats[0].max;
  for (const UnitStats& s : stats) max = std::max(max, s.max);
  double sum = 0;
  for (const UnitStats& s : stats) {
    sum += s.sum_exp * std::exp(static_cast<double>(s.max) - static_cast<double>(max));
  }
  return static_cast<double>(max) + std::log(sum);
}

int32_t argmax(std::span<const UnitStats> stats) {
  const UnitStats* best = &stats[0];
  for (const UnitStats& s : stats) {
    if (s.max > best->max) best = &s;
  }
  return best->argmax;
}

}  // namespace tandem
