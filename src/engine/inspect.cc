#include "tandem/inspect.h"

#include <filesystem>

#include "base/check.h"
#include "engine/load_plan.h"
#include "tandem/text.h"

namespace tandem {
namespace {

Json range_json(Range range) {
  Json::Array list;
  list.emplace_back(range.begin);
  list.emplace_back(range.end);
  return list;
}

Json sampling_json(const SamplingParams& p) {
  Json::Object out;
  out.emplace_back("temperature", static_cast<double>(p.temperature));
  out.emplace_back("top_k", p.top_k);
  out.emplace_back("top_p", static_cast<double>(p.top_p));
  out.emplace_back("min_p", static_cast<double>(p.min_p));
  out.emplace_back("repetition_penalty", static_cast<double>(p.repetition_penalty));
  return out;
}

std::string tokenizer_of(const std::string& folder) {
  for (const char* name : {"tokenizer.json", "tokenizer.model", "qwen.tiktoken"}) {
    if (std::filesystem::exists(std::filesystem::path(folder) / name))
      return Tokenizer::load(folder)->description();
  }
  return "none";
}

}  // namespace

std::string inspect_json(const std::string& folder, int world_size, const std::string& kv_cache,
                         const std::string& quantize, const Families& families) {
  if (world_size < 1 || world_size > 1024)
    bad_input("--world_size is {}; expected 1 to 1024", world_size);
  const auto checkpoint = Checkpoint::open(folder, families);
  const ModelSpec& spec = checkpoint->spec;
  const DType stored = checkpoint->weights->stored_dtype();
  const DType cache = cache_type(kv_cache, spec, stored);
  const ModelSplit split = split_model(spec, world_size);
  const WeightForms forms =
      checkpoint->weights->forms(stored, weight_format(quantize, *checkpoint));
  Json::Array ranks;
  for (int r = 0; r < world_size; ++r) {
    const Shard s = shard_of(spec, split, r, forms, cache);
    Json::Object rank;
    rank.reserve(8);
    rank.emplace_back("query_heads", range_json(s.q_heads));
    rank.emplace_back("kv_heads", range_json(s.kv_heads));
    rank.emplace_back("ff_columns", range_json(s.ff_columns));
    rank.emplace_back("vocab_rows", range_json(s.vocab_rows));
    rank.emplace_back("weight_bytes", s.weight_bytes);
    rank.emplace_back("kv_bytes_per_token", s.kv_bytes_per_token);
    ranks.emplace_back(std::move(rank));
  }
  Json::Array ends;
  for (int32_t id : end_ids(checkpoint->folder, spec)) ends.push_back(static_cast<int64_t>(id));
  Json::Object out;
  out.reserve(32);
  out.emplace_back("family", spec.family);
  out.emplace_back("architecture", spec.architecture);
  out.emplace_back("parameters", parameter_count(spec));
  out.emplace_back("dtype", std::string(dtype_name(stored)));
  out.emplace_back("kv_cache", std::string(dtype_name(cache)));
  out.emplace_back("quantize", std::string(forms.name()));
  out.emplace_back("tokenizer", tokenizer_of(folder));
  out.emplace_back("hidden_size", spec.hidden);
  out.emplace_back("layers", spec.layers);
  out.emplace_back("query_heads", spec.q_heads);
  out.emplace_back("kv_heads", spec.kv_heads);
  out.emplace_back("head_dim", spec.head_dim);
  out.emplace_back("ff_columns", spec.ff);
  out.emplace_back("vocab_size", spec.vocab);
  out.emplace_back("max_positions", spec.max_positions);
  out.emplace_back("end_ids", std::move(ends));
  out.emplace_back("sampling", sampling_json(default_sampling(checkpoint->folder)));
  out.emplace_back("ranks", std::move(ranks));
  return Json(std::move(out)).dump();
}

}  // namespace tandem
