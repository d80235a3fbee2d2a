#include "engine/load_plan.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/arithmetic.h"
#include "base/check.h"
#include "base/cpu_features.h"
#include "base/memory_info.h"
#include "model/config_reader.h"
#include "model/families.h"

namespace tandem {
namespace {

/// Part of the memory beside the weights that pages of keys and values may take.
constexpr double kCacheShare = 0.6;
constexpr int64_t kMaxChunk = 8192;

DType activation_type(const EngineOptions& options, const Checkpoint& checkpoint) {
  if (options.dtype == "auto") return checkpoint.weights->stored_dtype();
  for (DType type : {DType::kF32, DType::kBF16, DType::kF16}) {
    if (options.dtype == dtype_name(type)) return type;
  }
  bad_input("--dtype is \"{}\"; expected auto, float32, bfloat16 or float16", options.dtype);
}

void check_options(const EngineOptions& o) {
  if (o.world_size < 1 || o.world_size > 1024)
    bad_input("--world_size is {}; expected 1 to 1024", o.world_size);
  if (o.threads < 0 || o.threads > 1024)
    bad_input("--threads is {}; expected 0 (automatic) to 1024", o.threads);
  if (o.max_batch < 1 || o.max_batch > 4096)
    bad_input("--max_batch is {}; expected 1 to 4096", o.max_batch);
  if (o.prefill_chunk < 0)
    bad_input("--prefill_chunk is {}; expected 0 (whole prompts) or more", o.prefill_chunk);
  if (!(o.rank_timeout_s > 0 && o.rank_timeout_s <= 1e6)) {
    bad_input("--rank_timeout is {}; expected seconds above 0", o.rank_timeout_s);
  }
  if (o.use_mc2 != "auto" && o.use_mc2 != "on" && o.use_mc2 != "off") {
    bad_input("--use_mc2 is \"{}\"; expected on, off or auto", o.use_mc2);
  }
}

std::string choose_isa(const EngineOptions& options) {
  const std::vector<std::string> present = available_isas();
  if (options.isa == "auto") return present.back();
  if (std::find(present.begin(), present.end(), options.isa) == present.end()) {
    unsupported("--isa is \"{}\"; this machine runs {}", options.isa, fmt::join(present, ", "));
  }
  return options.isa;
}

int64_t sequence_limit(const EngineOptions& options, const ModelSpec& spec) {
  if (options.max_seq_len < 0 || options.max_seq_len > spec.max_positions) {
    bad_input("--max_seq_len is {}; this model takes 1 to {} tokens", options.max_seq_len,
              spec.max_positions);
  }
  return options.max_seq_len == 0 ? spec.max_positions : options.max_seq_len;
}

/// Bytes of all ranks' slices and of one page over all ranks.
struct Needs {
  int64_t weights = 0;
  int64_t page = 0;
};
Needs needs(const ModelSpec& spec, int ranks, const WeightForms& forms, DType cache) {
  const ModelSplit split = split_model(spec, ranks);
  Needs out;
  for (int r = 0; r < ranks; ++r) {
    const Shard shard = shard_of(spec, split, r, forms, cache);
    out.weights += shard.weight_bytes;
    out.page += shard.kv_bytes_per_token * kKeyBlock;
  }
  return out;
}

/// Pages, and the sequence length that they allow when the user did not ask for one.
void plan_cache(const EngineOptions& options, const Needs& need, LoadPlan& plan) {
  const AvailableMemory memory = available_memory();
  require_memory(need.weights, fmt::format("the weights of {} rank(s)", options.world_size),
                 memory);
  const auto room =
      static_cast<int64_t>(kCacheShare * static_cast<double>(memory.bytes - need.weights));
  const int64_t fit = room / std::max<int64_t>(need.page, 1);
  int64_t& length = plan.scheduler.max_seq_len;
  if (fit < ceil_div(length, kKeyBlock)) {
    if (options.max_seq_len > 0 || fit < 1) {
      fail(ErrorCode::kResource,
           "{} tokens of keys and values need {}, {} has room for {} beside the weights; use a "
           "smaller --max_seq_len",
           length, format_bytes(need.page * ceil_div(length, kKeyBlock)), memory.source,
           format_bytes(room));
    }
    length = fit * kKeyBlock;
    plan.notes.push_back(fmt::format("memory allows {} tokens a sequence", length));
  }
  plan.setup.decoder.blocks = std::min(fit, options.max_batch * ceil_div(length, kKeyBlock) + 1);
}

}  // namespace

DType cache_type(const std::string& kv_cache, const ModelSpec& spec, DType compute) {
  if (kv_cache == "auto") return spec.int8_cache ? DType::kI8 : compute;
  if (kv_cache == "int8") return DType::kI8;
  if (kv_cache == "bf16") return DType::kBF16;
  if (kv_cache == "f16") return DType::kF16;
  if (kv_cache == "f32") return DType::kF32;
  bad_input("--kv_cache is \"{}\"; expected auto, int8, bf16, f16 or f32", kv_cache);
}

namespace {

WeightFormat named_format(const std::string& option) {
  using enum WeightFormat;
  if (option == "int4") return kBestInt4;
  if (option == "int4_min") return kInt4Min;  // format_name() says "int4", the best one
  for (WeightFormat format : {kFloat, kInt8, kInt4, kInt4Min}) {
    if (option == format_name(format)) return format;
  }
  bad_input("--quantize is \"{}\"; expected none, int8, int4, int4_symmetric or int4_min", option);
}

}  // namespace

WeightFormat weight_format(const std::string& option, const Checkpoint& checkpoint) {
  const WeightFormat format = named_format(option);
  const WeightForms stored = checkpoint.weights->forms(DType::kF32, WeightFormat::kFloat);
  if (is_quantized(format) && !stored.stored.empty() && stored.name() != format_name(format)) {
    bad_input(
        "--quantize is \"{}\", and {} is stored as {} already; leave the option out, or quantize "
        "the checkpoint in 16 or 32 bits",
        option, checkpoint.folder.path, stored.name());
  }
  return format;
}

LoadPlan plan_load(const EngineOptions& options, const Checkpoint& checkpoint) {
  check_options(options);
  const ModelSpec& spec = checkpoint.spec;
  LoadPlan plan;
  RankSetup& setup = plan.setup;
  setup.model_path = options.model_path;
  setup.architectures = architectures_of(options.families);
  setup.device = options.device;
  setup.isa = choose_isa(options);
  setup.threads =
      options.threads > 0 ? options.threads : std::max(1, usable_cores() / options.world_size);
  setup.time_limit_s = options.rank_timeout_s;
  setup.mc2 = options.use_mc2 == "on"    ? Mc2Mode::kOn
              : options.use_mc2 == "off" ? Mc2Mode::kOff
                                         : Mc2Mode::kAuto;
  setup.time_ops = options.time_ops;
  setup.decoder.compute = activation_type(options, checkpoint);
  setup.decoder.cache = cache_type(options.kv_cache, spec, setup.decoder.compute);
  setup.decoder.quantize = weight_format(options.quantize, checkpoint);
  plan.forms = checkpoint.weights->forms(setup.decoder.compute, setup.decoder.quantize);

  plan.scheduler.max_batch = options.max_batch;
  plan.scheduler.max_seq_len = sequence_limit(options, spec);
  plan_cache(options, needs(spec, options.world_size, plan.forms, setup.decoder.cache), plan);
  const int64_t chunk = options.prefill_chunk == 0 ? kMaxChunk : options.prefill_chunk;
  plan.scheduler.prefill_chunk = std::min({chunk, kMaxChunk, plan.scheduler.max_seq_len});
  plan.scheduler.blocks = setup.decoder.blocks;
  plan.scheduler.verify = options.verify;
  plan.scheduler.prefix_cache = options.prefix_cache;
  const int64_t affordable =
      (int64_t{32} << 20) / (spec.vocab * static_cast<int64_t>(sizeof(float)));
  setup.decoder.max_logit_rows =
      std::max(options.max_batch, std::clamp<int64_t>(affordable, 1, 64));
  plan.scheduler.max_logit_rows = setup.decoder.max_logit_rows;
  setup.decoder.max_rows = plan.scheduler.prefill_chunk + options.max_batch;
  return plan;
}

SamplingParams default_sampling(const HfFolder& folder) {
  SamplingParams params;
  params.temperature = 0;
  if (!folder.generation_config.is_object()) return params;
  const JsonReader config(folder.generation_config, folder.generation_path);
  const bool sample = config.boolean_or("do_sample", false);
  if (sample) params.temperature = static_cast<float>(config.number_or("temperature", 1, 0, 100));
  const int64_t absent = sample ? 50 : 0;
  params.top_k = config.is_null("top_k") ? 0 : config.integer_or("top_k", absent, 0, 1 << 30);
  params.top_p = static_cast<float>(config.number_or("top_p", 1, 0, 1));
  params.min_p = static_cast<float>(config.number_or("min_p", 0, 0, 1));
  params.repetition_penalty =
      static_cast<float>(config.number_or("repetition_penalty", 1, 1e-3, 1e3));
  return params;
}

std::vector<int32_t> end_ids(const HfFolder& folder, const ModelSpec& spec) {
  if (folder.generation_config.is_object()) {
    const JsonReader config(folder.generation_config, folder.generation_path);
    if (config.has("eos_token_id")) return token_ids(config, "eos_token_id", spec.vocab);
  }
  return spec.eos;
}

}  // namespace tandem
