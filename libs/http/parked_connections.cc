#include "http/parked_connections.h"

#include <microhttpd.h>

namespace hnx::http {

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
    ::MHD_resume_connection(connection);
  }
}

void ParkedConnections::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  for (MHD_Connection* const connection : parked_) {
    ::MHD_resume_connection(connection);
  }
  parked_.clear();
}

std::size_t ParkedConnections::size() const {
  MutexLock lock(mutex_);
  return parked_.size();
}

}  // namespace hnx::http
