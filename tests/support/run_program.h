// Runs programs for tests: no shell, both streams captured, always with a time limit.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace tandem::test {

struct Outcome {
  int exit_code = -1;  ///< of exit(); -1 when a signal ended it
  int signal = 0;      ///< that ended it, or 0
  bool timed_out = false;
  double seconds = 0;
  std::string out;
  std::string err;
};

/// One started program with its standard streams on pipes, in a process group of its own. Every
/// process that descends from it carries a mark in its environment, by which survivors are found.
class Program {
 public:
  struct Options {
    std::string input;           ///< given to standard input, which is then closed
    bool keep_input = false;     ///< leave standard input open after `input`
    double timeout_s = 120;      ///< then the whole group is killed
    bool closed_stdout = false;  ///< nobody reads standard output: the pipe's other end is closed
    std::vector<std::string> environment;  ///< "KEY=value", besides this process's own
  };

  /// Starts `program` with `args` (argv[0] is added). Throws std::runtime_error when it cannot.
  Program(const std::string& program, std::vector<std::string> args, Options options);
  Program(const std::string& program, std::vector<std::string> args)
      : Program(program, std::move(args), Options{}) {}
  ~Program();  ///< kills what still runs
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const;
  /// Direct children of the program that run now, ascending by pid.
  std::vector<pid_t> children() const;
  /// Pids of every process that carries this program's mark, zombies not counted.
  std::vector<pid_t> marked() const;
  void signal(int number) const;
  /// Reads until standard output (or error) contains `text`; false when the program or the time
  /// ended before.
  bool wait_for_output(const std::string& text, double timeout_s);
  /// Reads for so long, or until the program closed its output.
  void run_for(double seconds);
  /// What came so far.
  const std::string& out() const;
  const std::string& err() const;
  /// Waits for the end. With a time-out the group is killed.
  Outcome wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Starts, waits, returns what came of it.
Outcome run_program(const std::string& program, std::vector<std::string> args,
                    Program::Options options);
Outcome run_program(const std::string& program, std::vector<std::string> args);

/// True when within `seconds` no process of `program` (its ranks included) is left.
bool all_gone(const Program& program, double seconds);

}  // namespace tandem::test
