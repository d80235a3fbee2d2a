#include "cli/result.h"

#include <algorithm>
#include <cstdio>

#include "base/check.h"

namespace tandem::cli {
namespace {

Json timing_json(const EngineInfo& info, const Request& request, const RequestResult& result) {
  const auto prompt = static_cast<double>(static_cast<int64_t>(request.prompt_ids.size()) -
                                          result.cached_prompt_tokens);
  const auto decoded = static_cast<double>(result.output_ids.size()) - 1;
  return Json::Object{{"load_s", info.load_s},
                      {"prefill_s", result.prefill_s},
                      {"decode_s", result.decode_s},
                      {"prefill_tok_s", per_second(prompt, result.prefill_s)},
                      {"decode_tok_s", per_second(std::max(0.0, decoded), result.decode_s)}};
}

}  // namespace

double per_second(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

void print_stdout(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail(ErrorCode::kInternal, "standard output was closed");
  }
}

Json::Object result_json(Engine& engine, const Request& request, const RequestResult& result) {
  const EngineInfo& info = engine.info();
  Json::Object out;
  out.reserve(32);
  out.emplace_back("prompt_ids", ids_json(request.prompt_ids));
  out.emplace_back("output_ids", ids_json(result.output_ids));
  out.emplace_back("text", result.text);
  out.emplace_back("finish_reason", result.finish_reason);
  out.emplace_back("logprobs", doubles_json(result.logprobs));
  out.emplace_back("cached_prompt_tokens", result.cached_prompt_tokens);
  out.emplace_back("world_size", info.world_size);
  out.emplace_back("device", info.device);
  out.emplace_back("isa", info.isa);
  out.emplace_back("dtype", info.dtype);
  out.emplace_back("kv_cache", info.kv_cache);
  out.emplace_back("quantize", info.quantize);
  out.emplace_back("timing", timing_json(info, request, result));
  Json::Array rss, weights, macs;
  for (const RankReport& report : engine.report()) {
    rss.emplace_back(report.peak_rss_bytes);
    weights.emplace_back(report.weight_bytes);
    macs.emplace_back(report.macs);
  }
  out.emplace_back("peak_rss_bytes", std::move(rss));
  out.emplace_back("weight_bytes", std::move(weights));
  out.emplace_back("macs", std::move(macs));
  if (request.digest) out.emplace_back("digest", hex_digest(result.digest));
  if (request.logits_last) out.emplace_back("logits_last", floats_json(result.logits_last));
  return out;
}

}  // namespace tandem::cli
