// ParkedConnections: connections of a server that wait for something other than the network. While
// one is parked, libmicrohttpd does nothing with it. Internal to this folder.
//
// Threads: Park from the connection's own callbacks; the others from any.
#pragma once

#include <functional>
#include <unordered_set>

#include "base/mutex.h"

struct MHD_Connection;

namespace hnx::http {

class ParkedConnections {
 public:
  // Called with each that is resumed, until Close has returned; before the first is parked.
  void OnResume(std::function<void(MHD_Connection*)> call) HNX_EXCLUDES(mutex_);
  // False: the server stops, and the connection goes on at once.
  bool Park(MHD_Connection* connection) HNX_EXCLUDES(mutex_);
  // Its callback is called again. One that is not parked (any more) is left alone.
  void Resume(MHD_Connection* connection) HNX_EXCLUDES(mutex_);
  // All go on, and none is parked from now on: libmicrohttpd cannot stop while one is.
  void Close() HNX_EXCLUDES(mutex_);
  std::size_t size() const HNX_EXCLUDES(mutex_);

 private:
  void ResumeOne(MHD_Connection* connection) HNX_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::function<void(MHD_Connection*)> on_resume_ HNX_GUARDED_BY(mutex_);
  bool closed_ HNX_GUARDED_BY(mutex_) = false;
  std::unordered_set<MHD_Connection*> parked_ HNX_GUARDED_BY(mutex_);
};

}  // namespace hnx::http
