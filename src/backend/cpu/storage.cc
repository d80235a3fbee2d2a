#include "backend/cpu/storage.h"

#include <algorithm>

#include "backend/checks.h"
#include "base/check.h"

namespace tandem::cpu {

void CpuRopeTables::set_rows(int32_t table, int64_t first, std::span<const float> values) {
  const int64_t width = 2 * half_ + 1;
  TANDEM_CHECK(table >= 0 && first >= 0);
  TANDEM_CHECK(static_cast<int64_t>(values.size()) % width == 0);
  if (tables_.size() <= static_cast<size_t>(table)) tables_.resize(static_cast<size_t>(table) + 1);
  std::vector<float>& rows = tables_[static_cast<size_t>(table)];
  const size_t begin = static_cast<size_t>(first * width);
  if (rows.size() < begin + values.size()) rows.resize(begin + values.size());
  std::copy(values.begin(), values.end(), rows.begin() + static_cast<int64_t>(begin));
}

void CpuRopeTables::drop(int32_t table) {
  if (table >= 0 && static_cast<size_t>(table) < tables_.size()) {
    std::vector<float>().swap(tables_[static_cast<size_t>(table)]);
  }
}

const float* CpuRopeTables::row(int32_t table, int64_t position) const {
  TANDEM_CHECK(table >= 0 && static_cast<size_t>(table) < tables_.size());
  const std::vector<float>& rows = tables_[static_cast<size_t>(table)];
  const int64_t width = 2 * half_ + 1;
  TANDEM_CHECK((position + 1) * width <= static_cast<int64_t>(rows.size()));
  return rows.data() + position * width;
}

void CpuBatch::set(std::span<const SequenceChunk> chunks) {
  check_chunks(chunks);
  if (chunks_.size() < chunks.size()) chunks_.resize(chunks.size());
  std::copy(chunks.begin(), chunks.end(), chunks_.begin());
  count_ = chunks.size();
}

}  // namespace tandem::cpu
