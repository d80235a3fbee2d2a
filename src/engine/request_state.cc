#include "engine/request_state.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "parallel/vocabulary.h"

namespace tandem {

StopText::StopText(std::vector<std::string> stops) : stops_(std::move(stops)) {}

std::string StopText::push(const std::string& piece) {
  if (found_) return "";
  held_ += piece;
  size_t end = std::string::npos;
  for (const std::string& stop : stops_) end = std::min(end, held_.find(stop));
  if (end != std::string::npos) {
    found_ = true;
    std::string out = held_.substr(0, end);
    held_.clear();
    return out;
  }
  size_t keep = 0;  // the longest end of held_ that begins a stop text
  for (const std::string& stop : stops_) {
    for (size_t n = std::min(stop.size() - 1, held_.size()); n > keep; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) keep = n;
    }
  }
  std::string out = held_.substr(0, held_.size() - keep);
  held_.erase(0, out.size());
  return out;
}

std::string StopText::finish() { return std::exchange(held_, ""); }

uint64_t fnv1a(uint64_t hash, std::span<const float> values) {
  for (float value : values) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    for (int byte = 0; byte < 4; ++byte, bits >>= 8)
      hash = (hash ^ (bits & 0xffU)) * 0x100000001b3U;
  }
  return hash;
}

RequestState::RequestState(uint64_t number, Request request, Engine::OnToken on_token,
                           const Tokenizer* tokenizer, int64_t vocab)
    : number_(number),
      request_(std::move(request)),
      on_token_(std::move(on_token)),
      sampler_(request_.sampling, vocab),
      stop_(request_.stop) {
  sampler_.set_prompt(request_.prompt_ids);
  if (tokenizer != nullptr) detokenizer_ = tokenizer->detokenizer(true);
  result_.digest = kFnvBasis;
}

bool RequestState::needs_full_logits() const {
  return request_.digest || request_.logits_last || request_.score || !sampler_.plain_argmax();
}

void RequestState::score_row(const LogitRow& row, double log_sum, std::span<const UnitStats> stats,
                             std::span<const float> logits) {
  result_.argmax.push_back(argmax(stats));
  const auto next = static_cast<size_t>(row.position + 1);
  if (next < request_.prompt_ids.size()) {
    const auto id = static_cast<size_t>(request_.prompt_ids[next]);
    result_.logprobs.push_back(static_cast<double>(logits[id]) - log_sum);
  }
}

Choice RequestState::choose(const LogitRow& row, double log_sum, std::span<const UnitStats> stats,
                            std::span<const float> logits) {
  const int32_t id =
      sampler_.plain_argmax() ? argmax(stats) : sampler_.sample(logits, row.position + 1);
  float logit = 0;
  if (logits.empty()) {
    for (const UnitStats& s : stats) {
      if (s.argmax == id) logit = s.max;
    }
  } else {
    logit = logits[static_cast<size_t>(id)];
  }
  sampler_.accept(id);
  result_.output_ids.push_back(id);
  result_.logprobs.push_back(static_cast<double>(logit) - log_sum);
  const bool end =
      std::find(request_.end_ids.begin(), request_.end_ids.end(), id) != request_.end_ids.end();
  emit(id, detokenizer_ != nullptr ? detokenizer_->push(id) : "");
  return {id, end || stop_.found() || !result_.status.ok};
}

Choice RequestState::take_row(const LogitRow& row, std::span<const UnitStats> stats,
                              std::span<const float> logits) {
  if (first_ == Clock::time_point{}) first_ = Clock::now();
  const double log_sum = log_sum_exp(stats);
  if (request_.digest) result_.digest = fnv1a(result_.digest, logits);
  if (request_.logits_last) result_.logits_last.assign(logits.begin(), logits.end());
  if (row.sample) return choose(row, log_sum, stats, logits);
  score_row(row, log_sum, stats, logits);
  return {};
}

void RequestState::emit(int32_t id, const std::string& piece) {
  const std::string text = stop_.push(piece);
  result_.text += text;
  tell(id, text);
}

/// A callback that throws ends its own request and nothing else.
void RequestState::tell(int32_t id, const std::string& text) {
  if (!on_token_) return;
  try {
    on_token_(id, text);
    return;
  } catch (const Error& error) {
    result_.status = Status::failure(error.code(), error.what());
  } catch (const std::exception& error) {
    result_.status = Status::failure(ErrorCode::kInternal, error.what());
  } catch (...) {
    result_.status = Status::failure(ErrorCode::kInternal, "the request's callback threw");
  }
  on_token_ = nullptr;
}

void RequestState::end(const EndedRequest& ended) {
  const auto now = Clock::now();
  if (first_ == Clock::time_point{}) first_ = now;
  if (!stop_.found()) {
    std::string rest = stop_.push(detokenizer_ != nullptr ? detokenizer_->finish() : "");
    if (!stop_.found()) rest += stop_.finish();
    result_.text += rest;
    tell(-1, rest);
  }
  const bool stopped = ended.reason == EndReason::kStop || stop_.found();
  result_.finish_reason = stopped                              ? "stop"
                          : ended.reason == EndReason::kLength ? "length"
                                                               : "cancelled";
  result_.cached_prompt_tokens = ended.cached_prompt_tokens;
  result_.prefill_s = std::chrono::duration<double>(first_ - submitted_).count();
  result_.decode_s = std::chrono::duration<double>(now - first_).count();
  done_ = true;
}

void RequestState::fail(Status status) {
  result_.status = std::move(status);
  done_ = true;
}

}  // namespace tandem
