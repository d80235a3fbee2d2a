// The options that every command over a model shares, declared once: engine, sampling, limits.
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <vector>

#include "json/json.h"
#include "tandem/engine.h"

namespace tandem::cli {

struct ModelOptions {
  EngineOptions engine;
  SamplingParams sampling;  ///< only the given ones are meant: see sampling_for()
  int64_t max_new_tokens = 256;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  bool json = false;
  CLI::App* command = nullptr;
};

/// --model_path, --world_size, --threads, --device, --isa, --dtype ... --json.
void add_engine_options(CLI::App& command, ModelOptions& options);
/// --max_new_tokens, --temperature ... --seed, --stop, --ignore_eos.
void add_generation_options(CLI::App& command, ModelOptions& options);

/// Loads with a progress bar on a terminal; signals (SIGINT, SIGTERM, SIGHUP) abort the engine and
/// end the command.
class LoadedEngine {
 public:
  explicit LoadedEngine(std::unique_ptr<Engine> engine);
  ~LoadedEngine();  ///< signals no longer reach the engine
  LoadedEngine(LoadedEngine&&) = default;
  Engine* operator->() const { return engine_.get(); }
  Engine& operator*() const { return *engine_; }

 private:
  std::unique_ptr<Engine> engine_;
};
LoadedEngine load_engine(const ModelOptions& options);
/// generation_config.json's defaults with the given options in their place; --temperature 0 drops
/// penalties that were not given.
SamplingParams sampling_for(const ModelOptions& options, const EngineInfo& info);
/// A request with sampling, limits, stops and end ids filled in.
Request request_for(const ModelOptions& options, const EngineInfo& info,
                    std::vector<int32_t> prompt_ids);
/// max_new_tokens cut to what the model's length leaves after the prompt.
int64_t room_after(const EngineInfo& info, int64_t prompt_tokens, int64_t wanted);

/// Engine::submit; a refusal's message begins with `where`.
uint64_t submit_named(Engine& engine, const Request& request, const std::string& where,
                      const Engine::OnToken& on_token = {});

/// Throws the error of a result that is not ok.
void require_ok(const RequestResult& result);
Json ids_json(const std::vector<int32_t>& ids);
Json floats_json(const std::vector<float>& values);
Json doubles_json(const std::vector<double>& values);
/// 16 hex digits.
std::string hex_digest(uint64_t digest);

}  // namespace tandem::cli
