// Shapes and types of every op's arguments, checked once in front of all backends. What fails here
// is a programmer's error: Error(kInternal) that names op, argument, value and expectation.
#pragma once

#include "backend/backend.h"

namespace tandem {

/// Refuses a source of a weight whose parts do not fit together: Error(kInternal).
void check_source(const LinearSource& source);
void check_vector(const WeightRows& source);
void check_spec(const KvCacheSpec& spec);

void check_args(const EmbeddingArgs& args);
void check_args(const RmsNormArgs& args);
void check_args(const LayerNormArgs& args);
void check_args(const HeadNormArgs& args);
void check_args(const LinearArgs& args, bool gate_up);
void check_args(const RopeAppendArgs& args);
void check_args(const AttentionArgs& args);
void check_args(const SiluMulArgs& args);
void check_args(const ElementwiseArgs& args);
void check_args(const SelectRowsArgs& args);
void check_args(const TreeAddArgs& args);
void check_args(const LogitStatsArgs& args);

/// Every chunk has rows, pages for all its positions, and indices in range.
void check_chunks(std::span<const SequenceChunk> chunks);

}  // namespace tandem
