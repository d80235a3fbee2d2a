#include "support/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

extern char** environ;

namespace tandem::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr char kMarkKey[] = "TANDEM_TEST_MARK";

struct Pipe {
  int read = -1;
  int write = -1;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
    read = ends[0];
    write = ends[1];
  }
};

void close_fd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

std::string new_mark() {
  static std::atomic<int> counter{0};
  return std::to_string(getpid()) + "-" + std::to_string(counter++);
}

/// The fields of /proc/PID/stat after the command's name: state, parent ...
std::vector<std::string> stat_fields(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  std::getline(file, line);
  const auto end = line.rfind(')');
  std::vector<std::string> fields;
  if (end == std::string::npos) return fields;
  std::istringstream rest(line.substr(end + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}

std::vector<std::string> all_pids() {
  std::vector<std::string> pids;
  std::error_code ended;  // a process may go while its name is read
  for (std::filesystem::directory_iterator at("/proc", ended), end; at != end;
       at.increment(ended)) {
    const std::string name = at->path().filename();
    if (name.find_first_not_of("0123456789") == std::string::npos) pids.push_back(name);
    if (ended) break;
  }
  return pids;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (auto& s : strings) result.push_back(s.data());
  result.push_back(nullptr);
  return result;
}

}  // namespace

struct Program::State {
  Options options;
  std::string mark;
  pid_t pid = -1;
  int in = -1;
  int out_fd = -1;
  int err_fd = -1;
  size_t written = 0;
  bool reaped = false;
  int status = 0;
  Clock::time_point start = Clock::now();
  Outcome outcome;

  Clock::time_point deadline() const {
    return start + std::chrono::duration_cast<Clock::duration>(
                       std::chrono::duration<double>(options.timeout_s));
  }
  void spawn(const std::string& program, std::vector<std::string> args);
  bool pump(int wait_ms);
  bool reap();
  void read_from(int& fd, std::string& text);
  void write_input();
};

void Program::State::spawn(const std::string& program, std::vector<std::string> args) {
  Pipe input, output, error;
  args.insert(args.begin(), program);
  std::vector<std::string> env(options.environment);  // first of a name wins
  env.push_back(std::string(kMarkKey) + "=" + mark);
  for (char** e = environ; *e != nullptr; ++e) env.emplace_back(*e);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input.read, 0);
  posix_spawn_file_actions_adddup2(&files, output.write, 1);
  posix_spawn_file_actions_adddup2(&files, error.write, 2);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setpgroup(&attributes, 0);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP}) sigaddset(&defaults, number);
  posix_spawnattr_setsigdefault(&attributes, &defaults);

  const int result = posix_spawn(&pid, program.c_str(), &files, &attributes, pointers(args).data(),
                                 pointers(env).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  close_fd(input.read);
  close_fd(output.write);
  close_fd(error.write);
  in = input.write;
  out_fd = output.read;
  err_fd = error.read;
  if (result != 0) {
    pid = -1;
    throw std::runtime_error("cannot start " + program + ": " + std::strerror(result));
  }
  for (int fd : {in, out_fd, err_fd}) fcntl(fd, F_SETFL, O_NONBLOCK);
  if (options.closed_stdout) close_fd(out_fd);
}

void Program::State::read_from(int& fd, std::string& text) {
  std::array<char, 65536> chunk;
  const ssize_t n = read(fd, chunk.data(), chunk.size());
  if (n > 0) {
    text.append(chunk.data(), static_cast<size_t>(n));
  } else if (n == 0 || errno != EAGAIN) {
    close_fd(fd);
  }
}

void Program::State::write_input() {
  if (written < options.input.size()) {
    const ssize_t n = write(in, options.input.data() + written, options.input.size() - written);
    if (n > 0) written += static_cast<size_t>(n);
    if (n < 0 && errno != EAGAIN) close_fd(in);
  }
  if (in >= 0 && written == options.input.size() && !options.keep_input) close_fd(in);
}

bool Program::State::reap() {
  if (!reaped && waitpid(pid, &status, WNOHANG) == pid) {
    reaped = true;
    outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return reaped;
}

/// Moves bytes both ways for up to wait_ms; false once both outputs are closed.
bool Program::State::pump(int wait_ms) {
  std::array<pollfd, 3> fds{{{out_fd, POLLIN, 0}, {err_fd, POLLIN, 0}, {-1, POLLOUT, 0}}};
  if (in >= 0 && (written < options.input.size() || !options.keep_input)) fds[2].fd = in;
  if (poll(fds.data(), fds.size(), wait_ms) > 0) {
    if (fds[0].revents != 0) read_from(out_fd, outcome.out);
    if (fds[1].revents != 0) read_from(err_fd, outcome.err);
    if (fds[2].revents != 0) write_input();
  }
  return out_fd >= 0 || err_fd >= 0;
}

Program::Program(const std::string& program, std::vector<std::string> args, Options options)
    : state_(std::make_unique<State>()) {
  ::signal(SIGPIPE, SIG_IGN);  // a program that ends early must not end the test that writes to it
  state_->options = std::move(options);
  state_->mark = new_mark();
  state_->spawn(program, std::move(args));
}

Program::~Program() {
  if (state_->pid > 0) {
    for (pid_t pid : marked()) kill(pid, SIGKILL);
    if (!state_->reaped) waitpid(state_->pid, nullptr, 0);
  }
  close_fd(state_->in);
  close_fd(state_->out_fd);
  close_fd(state_->err_fd);
}

pid_t Program::pid() const { return state_->pid; }
const std::string& Program::out() const { return state_->outcome.out; }
const std::string& Program::err() const { return state_->outcome.err; }
void Program::signal(int number) const { kill(state_->pid, number); }

std::vector<pid_t> Program::children() const {
  std::vector<pid_t> result;
  for (const auto& pid : all_pids()) {
    const auto fields = stat_fields(pid);
    if (fields.size() > 1 && fields[1] == std::to_string(state_->pid) && fields[0] != "Z")
      result.push_back(std::stoi(pid));
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<pid_t> Program::marked() const {
  const std::string needle = std::string(kMarkKey) + "=" + state_->mark;
  std::vector<pid_t> result;
  for (const auto& pid : all_pids()) {
    const auto fields = stat_fields(pid);
    if (fields.empty() || fields[0] == "Z") continue;
    std::ifstream file("/proc/" + pid + "/environ", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    if (text.find(needle + '\0') != std::string::npos) result.push_back(std::stoi(pid));
  }
  return result;
}

bool Program::wait_for_output(const std::string& text, double timeout_s) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(timeout_s));
  auto found = [&] {
    return out().find(text) != std::string::npos || err().find(text) != std::string::npos;
  };
  while (!found() && Clock::now() < end) {
    if (!state_->pump(20)) return found();
  }
  return found();
}

void Program::run_for(double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  while (Clock::now() < end && state_->pump(10)) {
  }
}

Outcome Program::wait() {
  State& s = *state_;
  s.options.keep_input = false;
  while (!s.reap()) {
    if (!s.pump(20)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (!s.outcome.timed_out && Clock::now() > s.deadline()) {
      s.outcome.timed_out = true;
      for (pid_t pid : marked()) kill(pid, SIGKILL);
    }
  }
  // What still lies in the pipes. A surviving child that holds them open must not hold up the test.
  for (size_t before = 1, now = 0; before != now;) {
    before = s.outcome.out.size() + s.outcome.err.size();
    s.pump(s.out_fd >= 0 || s.err_fd >= 0 ? 50 : 0);
    now = s.outcome.out.size() + s.outcome.err.size();
  }
  if (WIFEXITED(s.status)) s.outcome.exit_code = WEXITSTATUS(s.status);
  if (WIFSIGNALED(s.status)) s.outcome.signal = WTERMSIG(s.status);
  return s.outcome;
}

Outcome run_program(const std::string& program, std::vector<std::string> args,
                    Program::Options options) {
  return Program(program, std::move(args), std::move(options)).wait();
}

Outcome run_program(const std::string& program, std::vector<std::string> args) {
  return Program(program, std::move(args)).wait();
}

bool all_gone(const Program& program, double seconds) {
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  while (!program.marked().empty()) {
    if (Clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

}  // namespace tandem::test
