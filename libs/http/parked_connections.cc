#include "http/parked_connections.h"

#include <utility>

#include <microhttpd.h>

namespace hnx::http {

void ParkedConnections::OnResume(std::function<void(MHD_Connection*)> call) {
  MutexLock lock(mutex_);
  on_resume_ = std::move(call);
}

void ParkedConnections::ResumeOne(MHD_Connection* connection) {
  ::MHD_resume_connection(connection);
  if (on_resume_) {
    on_resume_(connection);
  }
}

bool ParkedConnections::Park(MHD_Connection* connection) {
  MutexLock lock(mutex_);
  if (closed_) {
    return false;
  }
  if (parked_.insert(connection).second) {
    ::MHD_suspend_connection(connection);
  }
  return true;
}

void ParkedConnections::Resume(MHD_Connection* connection) {
  MutexLock lock(mutex_);
  if (parked_.erase(connection) > 0) {
    ResumeOne(connection);
  }
}

void ParkedConnections::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  for (MHD_Connection* const connection : parked_) {
    ResumeOne(connection);
  }
  parked_.clear();
}

std::size_t ParkedConnections::size() const {
  MutexLock lock(mutex_);
  return parked_.size();
}

}  // namespace hnx::http
