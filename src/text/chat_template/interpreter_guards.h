// What must be undone when a block ends, by an exception too.
#pragma once

#include "text/chat_template/interpreter.h"

namespace tandem::jinja {

class Interpreter::ScopeGuard {
 public:
  /// Opens a scope inside of `parent`.
  ScopeGuard(Interpreter& in, std::shared_ptr<Scope> parent) : in_(in), outer_(in.scope_) {
    in_.rt_.step();
    auto scope = std::make_shared<Scope>();
    scope->parent = std::move(parent);
    in_.scope_ = std::move(scope);
  }
  ~ScopeGuard() { in_.scope_ = std::move(outer_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Interpreter& in_;
  std::shared_ptr<Scope> outer_;
};

class Interpreter::OutputGuard {
 public:
  OutputGuard(Interpreter& in, std::string& out) : in_(in), outer_(in.out_), pending_(in.pending_) {
    in_.out_ = &out;
  }
  ~OutputGuard() {
    in_.out_ = outer_;
    in_.pending_ = pending_;
  }
  OutputGuard(const OutputGuard&) = delete;
  OutputGuard& operator=(const OutputGuard&) = delete;

 private:
  Interpreter& in_;
  std::string* outer_;
  size_t pending_;
};

class Interpreter::DepthGuard {
 public:
  DepthGuard(Interpreter& in, int line) : in_(in) {
    in_.rt_.line = line;
    in_.rt_.step();
    if (in_.depth_ >= in_.rt_.limits().call_depth) {
      in_.rt_.fail("evaluation nested deeper than {} levels", in_.rt_.limits().call_depth);
    }
    ++in_.depth_;
  }
  ~DepthGuard() { --in_.depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  Interpreter& in_;
};

}  // namespace tandem::jinja
