#include "cli/model_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cstdio>

#include "cli/signals.h"

namespace tandem::cli {
namespace {

bool given(const ModelOptions& options, const char* name) {
  return options.command->count(name) > 0;
}

void show_progress(double fraction) {
  constexpr int kWidth = 30;
  const int full = static_cast<int>(fraction * kWidth);
  fmt::print(stderr, "\rloading [{:<{}}] {:3.0f} %", std::string(static_cast<size_t>(full), '='),
             kWidth, fraction * 100);
  if (fraction >= 1) fmt::print(stderr, "\r{:<60}\r", "");
  std::fflush(stderr);
}

}  // namespace

void add_engine_options(CLI::App& command, ModelOptions& o) {
  o.command = &command;
  EngineOptions& e = o.engine;
  command.add_option("--model_path", e.model_path, "Hugging Face folder")->required();
  command.add_option("--world_size", e.world_size, "ranks");
  command.add_option("--threads", e.threads, "threads per rank; 0: cores / world_size");
  command.add_option("--device", e.device, "cpu, cuda or ascend");
  command.add_option("--isa", e.isa, "auto, portable, avx2, avx512 or amx, on all ranks");
  command.add_option("--dtype", e.dtype, "auto (as stored), float32, bfloat16 or float16");
  command.add_option("--kv_cache", e.kv_cache,
                     "type of cached keys and values: auto (as --dtype; int8 where the checkpoint "
                     "asks for it), int8, bf16, f16 or f32");
  command.add_option("--quantize", e.quantize, "weights: none (as stored), int8 or int4");
  command.add_option("--max_seq_len", e.max_seq_len, "prompt + output of one sequence")
      ->default_str("the model's limit")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  command.add_option("--max_batch", e.max_batch, "sequences in one pass");
  command.add_option("--prefill_chunk", e.prefill_chunk, "prompt tokens per pass")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  command.add_option("--rank_timeout", e.rank_timeout_s,
                     "seconds without a sign of life before a rank is given up");
  command
      .add_option("--use_mc2", e.use_mc2,
                  "overlap matmul and all-reduce: on, off or auto; bare: on")
      ->expected(0, 1)
      ->default_str("on")  // what a bare one stands for
      ->option_text("TEXT=auto");
  command.add_flag("--verify", e.verify,
                   "every step all ranks compare hashes of their replicated residual");
  command.add_flag("--json", o.json, "result as JSON on stdout");
}

void add_generation_options(CLI::App& command, ModelOptions& o) {
  SamplingParams& s = o.sampling;
  command.add_option("--max_new_tokens", o.max_new_tokens, "output tokens at most")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 30));
  const char* kConfig = "generation_config.json";
  command.add_option("--temperature", s.temperature, "0: the largest logit")->default_str(kConfig);
  command.add_option("--top_k", s.top_k, "0: off")->default_str(kConfig);
  command.add_option("--top_p", s.top_p, "1: off")->default_str(kConfig);
  command.add_option("--min_p", s.min_p, "0: off")->default_str(kConfig);
  command.add_option("--repetition_penalty", s.repetition_penalty, "1: off")->default_str(kConfig);
  command.add_option("--presence_penalty", s.presence_penalty, "0: off");
  command.add_option("--frequency_penalty", s.frequency_penalty, "0: off");
  command.add_option("--seed", s.seed, "of the draws")->check([](const std::string& text) {
    return text.starts_with("-") ? "expected a number from 0 on" : "";
  });
  command.add_option("--stop", o.stop, "text that ends the output; may be given several times")
      ->expected(1)
      ->take_all();
  command.add_flag("--ignore_eos", o.ignore_eos, "an end token may be chosen and does not stop");
}

LoadedEngine::LoadedEngine(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {
  abort_on_signal(engine_.get());
}

LoadedEngine::~LoadedEngine() {
  if (engine_ != nullptr) abort_on_signal(nullptr);
}

LoadedEngine load_engine(const ModelOptions& options) {
  const bool bar = !options.json && isatty(STDERR_FILENO) != 0;
  watch_signals();
  auto engine = Engine::load(options.engine, [bar](double fraction) {
    check_signals();
    if (bar) show_progress(fraction);
  });
  for (const std::string& note : engine->info().notes)
    fmt::print(stderr, "tandem: note: {}\n", note);
  return LoadedEngine(std::move(engine));
}

SamplingParams sampling_for(const ModelOptions& options, const EngineInfo& info) {
  SamplingParams p = info.sampling;
  const SamplingParams& o = options.sampling;
  if (given(options, "--temperature")) p.temperature = o.temperature;
  if (p.temperature == 0) p.repetition_penalty = 1;
  if (given(options, "--top_k")) p.top_k = o.top_k;
  if (given(options, "--top_p")) p.top_p = o.top_p;
  if (given(options, "--min_p")) p.min_p = o.min_p;
  if (given(options, "--repetition_penalty")) p.repetition_penalty = o.repetition_penalty;
  p.presence_penalty = o.presence_penalty;
  p.frequency_penalty = o.frequency_penalty;
  p.seed = o.seed;
  return p;
}

int64_t room_after(const EngineInfo& info, int64_t prompt_tokens, int64_t wanted) {
  return std::max<int64_t>(std::min<int64_t>(wanted, 1),
                           std::min(wanted, info.max_seq_len - prompt_tokens));
}

Request request_for(const ModelOptions& options, const EngineInfo& info,
                    std::vector<int32_t> prompt_ids) {
  Request request;
  request.sampling = sampling_for(options, info);
  request.max_new_tokens =
      room_after(info, static_cast<int64_t>(prompt_ids.size()), options.max_new_tokens);
  request.prompt_ids = std::move(prompt_ids);
  if (!options.ignore_eos) request.end_ids = info.end_ids;
  request.stop = options.stop;
  return request;
}

uint64_t submit_named(Engine& engine, const Request& request, const std::string& where,
                      const Engine::OnToken& on_token) {
  try {
    return engine.submit(request, on_token);
  } catch (const Error& error) {
    throw Error(error.code(), where + error.what());
  }
}

void require_ok(const RequestResult& result) {
  if (!result.status.ok) throw Error(result.status.code, result.status.message);
}

Json ids_json(const std::vector<int32_t>& ids) {
  Json::Array list;
  for (int32_t id : ids) list.emplace_back(static_cast<int64_t>(id));
  return list;
}

Json floats_json(const std::vector<float>& values) {
  Json::Array list;
  for (float value : values) list.emplace_back(static_cast<double>(value));
  return list;
}

Json doubles_json(const std::vector<double>& values) {
  Json::Array list;
  for (double value : values) list.emplace_back(value);
  return list;
}

std::string hex_digest(uint64_t digest) { return fmt::format("{:016x}", digest); }

}  // namespace tandem::cli
