// tandem bench: tokens per second, beside what the machine can do in the same minute.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Option.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "cli/command.h"
#include "json/json.h"
#include "tandem/diag.h"

namespace tandem::cli {
namespace {

struct BenchCommand {
  BenchOptions bench;
  std::string shape;
  int64_t prompt = 512;
  int64_t generate = 64;
  std::vector<int64_t> batches = {1};
  std::vector<int64_t> contexts;
  bool sweep = false;
  bool json = false;
};

double per_pass_ms(double seconds, int64_t passes) {
  return passes > 0 ? 1e3 * seconds / static_cast<double>(passes) : 0;
}

/// By kind of op: milliseconds of one pass.
Json ops_json(const OpTimes& ops) {
  Json object{Json::Object{}};
  for (const OpTime& one : ops.kinds) {
    Json times{Json::Object{}};
    times.set("decode_ms", per_pass_ms(one.decode_s, ops.decode_passes));
    times.set("prefill_ms", per_pass_ms(one.prefill_s, ops.prefill_passes));
    object.set(one.name, std::move(times));
  }
  return object;
}

Json to_json(const BenchReport& r) {
  Json object{Json::Object{}};
  object.set("model", r.model);
  object.set("isa", r.isa);
  object.set("world_size", static_cast<int64_t>(r.world_size));
  object.set("threads", static_cast<int64_t>(r.threads));
  object.set("dtype", r.dtype);
  object.set("quantize", r.quantize);
  object.set("prompt", r.point.prompt);
  object.set("generate", r.point.generate);
  object.set("batch", r.point.batch);
  object.set("load_s", r.load_s);
  object.set("prefill_tok_s", r.prefill_tok_s);
  object.set("decode_tok_s", r.decode_tok_s);
  object.set("spread", r.spread);
  object.set("probe_read_gb_s", r.probe_read_gb_s);
  object.set("probe_compute_gf", r.probe_compute_gf);
  object.set("bytes_per_step", r.bytes_per_step);
  object.set("flops_per_token", r.flops_per_token);
  object.set("decode_percent_of_read", r.decode_percent_of_read);
  object.set("prefill_percent_of_compute", r.prefill_percent_of_compute);
  object.set("probe_compute", r.probe_compute);
  object.set("collective_share_decode", r.collective_share_decode);
  object.set("collective_share_prefill", r.collective_share_prefill);
  object.set("ops", ops_json(r.ops));
  object.set("rounds", static_cast<int64_t>(r.rounds));
  object.set("discarded", static_cast<int64_t>(r.discarded));
  object.set("too_busy", r.too_busy);
  return object;
}

/// Where a pass goes, the largest part of decode first.
void print_ops(const BenchReport& r) {
  std::vector<OpTime> kinds = r.ops.kinds;
  double prefill = 0, decode = 0;
  for (const OpTime& one : kinds) prefill += one.prefill_s, decode += one.decode_s;
  if (prefill <= 0 || decode <= 0) return;
  std::sort(kinds.begin(), kinds.end(),
            [](const OpTime& a, const OpTime& b) { return a.decode_s > b.decode_s; });
  std::printf("  %-14s %21s %25s\n", "where", "a decode step", "a prefill pass");
  for (const OpTime& one : kinds) {
    std::printf("  %-14s %10.3f ms %5.1f %% %14.2f ms %5.1f %%\n", one.name.c_str(),
                per_pass_ms(one.decode_s, r.ops.decode_passes), 100 * one.decode_s / decode,
                per_pass_ms(one.prefill_s, r.ops.prefill_passes), 100 * one.prefill_s / prefill);
  }
}

void print(const BenchReport& r) {
  const std::string form = r.quantize == "none" ? r.dtype : r.quantize + " with " + r.dtype;
  std::printf("%s, %s, %s: %d rank%s x %d thread%s, prompt %lld, generate %lld, batch %lld\n",
              r.model.c_str(), form.c_str(), r.isa.c_str(), r.world_size,
              r.world_size == 1 ? "" : "s", r.threads, r.threads == 1 ? "" : "s",
              static_cast<long long>(r.point.prompt), static_cast<long long>(r.point.generate),
              static_cast<long long>(r.point.batch));
  std::printf("  load     %10.2f s\n", r.load_s);
  std::printf("  a decode step reads %.1f MB of weights and cache; a token of prefill: %.2f GF\n",
              r.bytes_per_step / 1e6, r.flops_per_token / 1e9);
  std::printf("  prefill  %10.1f tokens/s  %5.1f %% of %.0f GF/s (%s)\n", r.prefill_tok_s,
              r.prefill_percent_of_compute, r.probe_compute_gf, r.probe_compute.c_str());
  std::printf("  decode   %10.2f tokens/s  %5.1f %% of %.1f GB/s (reading memory)\n",
              r.decode_tok_s, r.decode_percent_of_read, r.probe_read_gb_s);
  std::printf("  medians of %d rounds, spread %.0f %%; %d discarded as the machine was busy\n",
              r.rounds, 100 * r.spread, r.discarded);
  std::printf("  collectives %.1f %% of decode, %.1f %% of prefill, waits included\n",
              100 * r.collective_share_decode, 100 * r.collective_share_prefill);
  print_ops(r);
  if (r.too_busy)
    std::printf("  fewer than three quiet rounds: all of them count, and mean little\n");
}

/// The points of --sweep: contexts 128 ... 8192 alone, batches 1 ... 64 at --prompt.
void add_sweep(BenchCommand& command) {
  if (!command.sweep) return;
  command.contexts = {128, 256, 512, 1024, 2048, 4096, 8192};
  command.batches = {1, 2, 4, 8, 16, 32, 64};
}

void make_points(BenchCommand& command) {
  add_sweep(command);
  std::vector<BenchCase>& points = command.bench.points;
  for (const int64_t context : command.contexts) points.push_back({context, command.generate, 1});
  if (!command.contexts.empty() && command.batches == std::vector<int64_t>{1}) return;
  for (const int64_t batch : command.batches) {
    const auto same = [&](const BenchCase& one) {
      return one.prompt == command.prompt && one.batch == batch;
    };
    if (std::none_of(points.begin(), points.end(), same))
      points.push_back({command.prompt, command.generate, batch});
  }
}

void run(BenchCommand command) {
  EngineOptions& engine = command.bench.engine;
  if (command.shape.empty() == engine.model_path.empty())
    bad_input("give either --model_path or --shape");
  if (!command.shape.empty()) engine.model_path = "shape:" + command.shape;
  for (const int world_size : command.bench.world_sizes)
    if (world_size < 1) bad_input("--world_size is {}; it must be at least 1", world_size);
  make_points(command);
  if (isatty(STDERR_FILENO) == 1) {
    command.bench.progress = [](const std::string& line) {
      std::fprintf(stderr, "\r\033[K%s", line.c_str());
    };
  }
  // One line per point as soon as it is measured: a sweep takes long.
  bench(command.bench, [&command](const BenchReport& report) {
    if (command.json) {
      std::printf("%s\n", to_json(report).dump().c_str());
    } else {
      print(report);
    }
    std::fflush(stdout);
  });
}

}  // namespace

void add_bench(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "bench", "Measure prefill and decode beside probes of the machine, in rounds");
  auto options = std::make_shared<BenchCommand>();
  EngineOptions& engine = options->bench.engine;
  options->bench.world_sizes = {1};
  std::string shapes;
  for (const std::string& name : bench_shapes()) shapes += (shapes.empty() ? "" : ", ") + name;
  command->add_option("--model_path", engine.model_path, "Hugging Face folder");
  command->add_option("--shape", options->shape, "Random weights in memory: " + shapes);
  command->add_option("--world_size", options->bench.world_sizes, "Ranks; several: 1,2")
      ->delimiter(',');
  command->add_option("--threads", engine.threads, "Per rank; 0: cores / ranks");
  command->add_option("--device", engine.device, "cpu");
  command->add_option("--isa", engine.isa, "auto, portable, avx2, avx512 or amx");
  command->add_option("--dtype", engine.dtype, "auto, float32, bfloat16 or float16");
  command->add_option("--kv_cache", engine.kv_cache, "auto, int8, bf16, f16 or f32");
  command
      ->add_option("--quantize", options->bench.quantize, "none, int8 or int4; several: none,int8")
      ->delimiter(',');
  command->add_option("--prefill_chunk", engine.prefill_chunk, "Prompt tokens per pass");
  command->add_option("--use_mc2", engine.use_mc2, "on, off or auto");
  command->add_option("--prompt", options->prompt, "Prompt tokens per sequence");
  command->add_option("--generate", options->generate, "New tokens per sequence");
  command->add_option("--batch", options->batches, "Sequences at a time; several: 1,8")
      ->delimiter(',');
  command
      ->add_option("--context", options->contexts,
                   "Prompt lengths to measure one after another with one sequence: 128,2048")
      ->delimiter(',');
  command->add_option("--rounds", options->bench.rounds, "Rounds of probe and model");
  command->add_flag("--sweep", options->sweep, "Contexts 128 to 8192 and batches 1 to 64");
  command->add_flag("--json", options->json, "One JSON object per point");
  command->callback([options] { run(*options); });
}

}  // namespace tandem::cli
