// From options and checkpoint to what the ranks are told: types, threads, pages, limits. Refuses
// before anything is read.
#pragma once

#include "engine/rank_model.h"
#include "sched/scheduler.h"

namespace tandem {

struct LoadPlan {
  RankSetup setup;
  SchedulerOptions scheduler;
  WeightForms forms;
  std::vector<std::string> notes;
};

/// Throws Error(kBadInput) naming an option out of range, Error(kResource) with what is needed and
/// what there is.
LoadPlan plan_load(const EngineOptions& options, const Checkpoint& checkpoint);

/// What --kv_cache comes to: "auto" is the type of the activations, or int8 where the checkpoint
/// asks for it. Throws Error(kBadInput).
DType cache_type(const std::string& kv_cache, const ModelSpec& spec, DType compute);

/// What --quantize asks for. Throws Error(kBadInput) for another word, and where the checkpoint is
/// stored in another form.
WeightFormat weight_format(const std::string& option, const Checkpoint& checkpoint);

/// generation_config.json's sampling: its keys; without do_sample temperature 0, with it
/// transformers' defaults for what is not there (top_k 50; null: off).
SamplingParams default_sampling(const HfFolder& folder);
/// generation_config.json's eos_token_id, else config.json's.
std::vector<int32_t> end_ids(const HfFolder& folder, const ModelSpec& spec);

}  // namespace tandem
