#include "fault/ranks/scenario.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/check.h"
#include "base/unique_fd.h"
#include "comm/host_backend.h"

namespace tandem::testing {

namespace {

constexpr int64_t kCols = 257;

DeviceCommSpec spec_of() { return {.max_rows = 4, .max_cols = kCols}; }

std::vector<std::byte> to_bytes(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

std::string to_text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void reduce(DeviceComm& comm, int64_t step) {
  std::vector<Matrix> mine(1);
  comm.partial_buffers(2, kCols, mine);
  for (int64_t i = 0; i < 2 * kCols; ++i) {
    row(mine[0], 0)[i] = static_cast<float>(comm.rank() + 1 + step % 5);
  }
  TreeProgram program;
  for (int r = 0; r < comm.size(); ++r) program.merges.push_back(r > 0);
  const Matrix sum =
      comm.all_reduce(2, kCols, std::vector<int32_t>(static_cast<size_t>(comm.size()), 1), program);
  const int n = comm.size();
  const int added = n * (n + 1) / 2 + n * (step % 5);
  const auto expected = static_cast<float>(added);
  for (int64_t i = 0; i < 2 * kCols; ++i) TANDEM_CHECK(row(sum, 0)[i] == expected);
}

/// A file of /proc, "" when its process has gone meanwhile.
std::string read_now(const std::filesystem::path& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while (file.valid() && (n = read(file.get(), buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

void misbehave(const Scenario& scenario, RankContext& context) {
  const std::string& fault = scenario.fault;
  if (fault == "sigkill") raise(SIGKILL);
  if (fault == "sigstop") raise(SIGSTOP);
  if (fault == "exit") _exit(3);
  if (fault == "throw") throw std::runtime_error("operation x failed");
  if (fault == "bad_input") bad_input("tensor x is missing");
  if (fault == "slow") sleep_ms(1800);
  if (fault == "sigsegv") {
    signal(SIGSEGV, SIG_DFL);  // not a sanitizer's report
    raise(SIGSEGV);
  }
  if (fault == "deaf") {
    context.host().abort(ErrorCode::kRankFailure, "a rank went deaf");
    for (;;) sleep_ms(1000);
  }
}

}  // namespace

void sleep_ms(int64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void fault_worker(RankContext& context) {
  std::vector<std::byte> bytes;
  context.host().broadcast(bytes);
  Scenario scenario;
  std::istringstream(to_text(bytes)) >> scenario.fault >> scenario.rank >> scenario.step;
  HostBackend backend;
  const auto comm = context.connect(backend, spec_of());
  for (;;) {
    context.host().broadcast(bytes);
    const int64_t step = std::stoll(to_text(bytes));
    if (step < 0) return;
    context.set_progress(RankPhase::kDecode, step);
    if (scenario.rank == context.rank() && scenario.step == step) {
      if (scenario.fault == "return") return;
      misbehave(scenario, context);
    }
    reduce(*comm, step);
    context.host().gather(to_bytes(std::to_string(context.rank())));
  }
}

FaultRun::FaultRun(int size, const Scenario& scenario, const RankOptions& options)
    : backend_(std::make_unique<HostBackend>()), group_(RankGroup::start_processes(size, options)) {
  auto bytes = to_bytes(scenario.fault + " " + std::to_string(scenario.rank) + " " +
                        std::to_string(scenario.step));
  group_->root().host().broadcast(bytes);
  comm_ = group_->root().connect(*backend_, spec_of());
}

FaultRun::~FaultRun() = default;

void FaultRun::step() {
  ++steps_;
  auto bytes = to_bytes(std::to_string(steps_));
  group_->root().host().broadcast(bytes);
  group_->root().set_progress(RankPhase::kDecode, steps_);
  reduce(*comm_, steps_);
  const auto ranks = group_->root().host().gather(to_bytes("0"));
  for (size_t r = 0; r < ranks.size(); ++r) TANDEM_CHECK(to_text(ranks[r]) == std::to_string(r));
}

std::string FaultRun::run_until_error(std::chrono::milliseconds limit, ErrorCode* code) {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < limit) {
    try {
      step();
    } catch (const Error& error) {
      if (code) *code = error.code();
      return error.what();
    }
  }
  return "";
}

std::vector<pid_t> workers_of(pid_t parent) {
  std::vector<pid_t> found;
  const std::string ending = "," + std::to_string(parent);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const pid_t pid = static_cast<pid_t>(atoi(entry.path().filename().c_str()));
    if (pid <= 0) continue;
    std::string line = read_now(entry.path() / "cmdline");  // empty for a zombie
    while (!line.empty() && line.back() == '\0') line.pop_back();
    if (line.find("--tandem_worker=") != std::string::npos && line.ends_with(ending)) {
      found.push_back(pid);
    }
  }
  return found;
}

std::vector<pid_t> own_children() {
  std::vector<pid_t> found;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::istringstream file(read_now(task.path() / "children"));
    pid_t pid = 0;
    while (file >> pid) found.push_back(pid);
  }
  return found;
}

std::vector<std::string> open_descriptors(pid_t pid) {
  std::vector<std::string> found;
  std::error_code error;
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto target = std::filesystem::read_symlink(entry.path(), error);
    // Not the descriptor of this very walk.
    if (!error && target.string().find("/proc/") == std::string::npos) {
      found.push_back(entry.path().filename().string() + " " + target.string());
    }
  }
  return found;
}

int run_root(int size, bool chatty) {
  FaultRun run(size);
  for (int64_t i = 0;; ++i) {
    run.step();
    if (!chatty) continue;
    printf("step %ld\n", static_cast<long>(i));
    fflush(stdout);
  }
}

}  // namespace tandem::testing
