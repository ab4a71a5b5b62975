// Handlers for gRPC's callback API: the reaction hands the work to a ThreadPool and returns; the
// work says how it ended with a Result. A full pool answers RESOURCE_EXHAUSTED at once: callers
// back off.
//
//   grpc::ServerUnaryReactor* Synchronize(context, request, response) override {
//     return HandleUnary(pool_, context, [=, this] { return domain_.Synchronize(*request,
//     response); });
//   }
//   grpc::ServerWriteReactor<Failure>* ListFailures(context, request) override {
//     return HandleServerStream<Failure>(pool_, [=, this](MessageWriter<Failure>& out) {
//       return domain_.ListFailures(*request, [&](const Failure& f) { return out.Write(f); });
//     });
//   }
//   grpc::ServerReadReactor<SubmitRequest>* Submit(context, response) override {
//     return HandleClientStream<SubmitRequest>(pool_, [=, this](MessageReader<SubmitRequest>& in)
//     {...});
//   }
//
// A streaming handler keeps one pool thread until it ends: give streams that last (a progress
// watcher) a pool of their own. context, request and response live until the handler returned.
#pragma once

#include <atomic>
#include <optional>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "base/mutex.h"
#include "base/result.h"
#include "rpc/grpc_status.h"
#include "rpc/thread_pool.h"

namespace hnx::rpc {

inline Error PoolIsFull() {
  return ResourceExhausted("the server is busy: all its threads work and its queue is full; retry");
}

// `work`: () -> Result<void>.
template <class Work>
grpc::ServerUnaryReactor* HandleUnary(ThreadPool& pool, grpc::CallbackServerContext* context,
                                      Work work) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken =
      pool.TrySubmit([reactor, work = std::move(work)] { reactor->Finish(ToGrpcStatus(work())); });
  if (!taken) {
    reactor->Finish(ToGrpcStatus(PoolIsFull()));
  }
  return reactor;
}

namespace internal {

// One outstanding operation of a stream: the pool thread waits for gRPC's completion callback.
class Completion {
 public:
  void Done(bool ok) HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    outcome_ = ok;
    changed_.NotifyAll();
  }
  bool Wait() HNX_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!outcome_) {
      changed_.Wait(mutex_);
    }
    const bool ok = *outcome_;
    outcome_.reset();
    return ok;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<bool> outcome_ HNX_GUARDED_BY(mutex_);
};

}  // namespace internal

// Writes the messages of a server stream one after the other. Used by the handler's thread only.
template <class Message>
class MessageWriter : public grpc::ServerWriteReactor<Message> {
 public:
  // Blocks until gRPC took the message (flow control is the back-pressure). kCancelled: the client
  // has gone; the handler should return.
  Result<void> Write(const Message& message) {
    this->StartWrite(&message);
    if (!completion_.Wait()) {
      return Error{ErrorCode::kCancelled, "the client closed the stream"};
    }
    return {};
  }

 private:
  void OnWriteDone(bool ok) override { completion_.Done(ok); }
  void OnDone() override { delete this; }

  internal::Completion completion_;
};

// Reads the messages of a client stream one after the other. Used by the handler's thread only.
template <class Message>
class MessageReader : public grpc::ServerReadReactor<Message> {
 public:
  // Nothing: the client has sent its last message, or has gone. Which of them is known for certain
  // only where the messages themselves have an end.
  std::optional<Message> Read() {
    Message message;
    this->StartRead(&message);
    if (!completion_.Wait()) {
      return std::nullopt;
    }
    return message;
  }

  // The client is known to have gone; gRPC may tell it after the last Read().
  bool cancelled() const { return cancelled_; }

 private:
  void OnReadDone(bool ok) override { completion_.Done(ok); }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

  internal::Completion completion_;
  std::atomic<bool> cancelled_{false};
};

namespace internal {

// The reactor deletes itself in OnDone, which gRPC calls once after Finish: gRPC's ownership rule.
template <class Reactor, class Work>
Reactor* HandleStream(ThreadPool& pool, Work work) {
  auto* reactor = new Reactor;
  const bool taken = pool.TrySubmit(
      [reactor, work = std::move(work)] { reactor->Finish(ToGrpcStatus(work(*reactor))); });
  if (!taken) {
    reactor->Finish(ToGrpcStatus(PoolIsFull()));
  }
  return reactor;
}

}  // namespace internal

// `work`: (MessageWriter<Message>&) -> Result<void>.
template <class Message, class Work>
grpc::ServerWriteReactor<Message>* HandleServerStream(ThreadPool& pool, Work work) {
  return internal::HandleStream<MessageWriter<Message>>(pool, std::move(work));
}

// `work`: (MessageReader<Message>&) -> Result<void>; it fills the response that it captured.
template <class Message, class Work>
grpc::ServerReadReactor<Message>* HandleClientStream(ThreadPool& pool, Work work) {
  return internal::HandleStream<MessageReader<Message>>(pool, std::move(work));
}

}  // namespace hnx::rpc
