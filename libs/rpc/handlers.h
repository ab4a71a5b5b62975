// Handlers for gRPC's callback API: the reaction hands the work to a ThreadPool and returns; the
// work says how it ended with a Result. A full pool answers RESOURCE_EXHAUSTED at once: callers
// back off.
//
//   grpc::ServerUnaryReactor* Synchronize(context, request, response) override {
//     return HandleUnary(pool_, context, [=, this] { return domain_.Synchronize(*request,
//     response); });
//   }
//   grpc::ServerWriteReactor<Failure>* ListFailures(context, request) override {
//     return HandleServerStream<Failure>(streams_, context, [=, this](MessageWriter<Failure>& out)
//     {
//       return domain_.ListFailures(*request, [&](const Failure& f) { return out.Write(f); });
//     });
//   }
//   grpc::ServerReadReactor<SubmitRequest>* Submit(context, response) override {
//     return HandleClientStream<SubmitRequest>(streams_, context,
//                                              [=, this](MessageReader<SubmitRequest>& in) {...});
//   }
//
// A streaming handler keeps one thread of its StreamPool until it ends; a client that stalls loses
// it when another one needs it. context, request and response live until the handler returned.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "base/mutex.h"
#include "base/result.h"
#include "rpc/grpc_status.h"
#include "rpc/stream_pool.h"
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

// What both kinds of stream are: operations for which the client is waited for.
class StreamPart {
 protected:
  // Until what was started is done; false: the client has gone, or was cut off.
  bool Await() {
    place_->Waits();
    const bool ok = completion_.Wait();
    place_->GoesOn();
    return ok;
  }

  Completion completion_;

 private:
  template <class Reactor, class Work>
  friend Reactor* HandleStream(StreamPool& pool, grpc::CallbackServerContext* context, Work work);

  std::unique_ptr<StreamPool::Place> place_;  // while the handler runs
};

}  // namespace internal

// Writes the messages of a server stream one after the other. Used by the handler's thread only.
template <class Message>
class MessageWriter : public grpc::ServerWriteReactor<Message>, public internal::StreamPart {
 public:
  // Blocks until gRPC took the message (flow control is the back-pressure). kCancelled: the client
  // has gone, or stalled and had to make room; the handler should return.
  Result<void> Write(const Message& message) {
    this->StartWrite(&message);
    if (!this->Await()) {
      return Error{ErrorCode::kCancelled, "the client closed the stream, or took nothing of it"};
    }
    return {};
  }

 private:
  void OnWriteDone(bool ok) override { this->completion_.Done(ok); }
  void OnDone() override { delete this; }
};

// Reads the messages of a client stream one after the other. Used by the handler's thread only.
template <class Message>
class MessageReader : public grpc::ServerReadReactor<Message>, public internal::StreamPart {
 public:
  // Nothing: the client has sent its last message, or has gone. Which of them is known for certain
  // only where the messages themselves have an end.
  std::optional<Message> Read() {
    Message message;
    this->StartRead(&message);
    if (!this->Await()) {
      return std::nullopt;
    }
    return message;
  }

  // The client is known to have gone; gRPC may tell it after the last Read().
  bool cancelled() const { return cancelled_; }

 private:
  void OnReadDone(bool ok) override { this->completion_.Done(ok); }
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override { delete this; }

  std::atomic<bool> cancelled_{false};
};

namespace internal {

// The reactor deletes itself in OnDone, which gRPC calls once after Finish: gRPC's ownership rule.
// Nothing may be cancelled after that, so the place ends first.
template <class Reactor, class Work>
Reactor* HandleStream(StreamPool& pool, grpc::CallbackServerContext* context, Work work) {
  auto* reactor = new Reactor;
  const bool taken =
      pool.TrySubmit([context] { context->TryCancel(); },
                     [reactor, work = std::move(work)](std::unique_ptr<StreamPool::Place> place) {
                       reactor->place_ = std::move(place);
                       const grpc::Status status = ToGrpcStatus(work(*reactor));
                       reactor->place_.reset();
                       reactor->Finish(status);
                     });
  if (!taken) {
    reactor->Finish(ToGrpcStatus(PoolIsFull()));
  }
  return reactor;
}

}  // namespace internal

// `work`: (MessageWriter<Message>&) -> Result<void>.
template <class Message, class Work>
grpc::ServerWriteReactor<Message>* HandleServerStream(StreamPool& pool,
                                                      grpc::CallbackServerContext* context,
                                                      Work work) {
  return internal::HandleStream<MessageWriter<Message>>(pool, context, std::move(work));
}

// `work`: (MessageReader<Message>&) -> Result<void>; it fills the response that it captured.
template <class Message, class Work>
grpc::ServerReadReactor<Message>* HandleClientStream(StreamPool& pool,
                                                     grpc::CallbackServerContext* context,
                                                     Work work) {
  return internal::HandleStream<MessageReader<Message>>(pool, context, std::move(work));
}

}  // namespace hnx::rpc
