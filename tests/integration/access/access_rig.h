// What the tests of the door share: certificates by the script that users run, a real coordinator
// process, and calls of any method by its name.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <sys/types.h>

#include "access/access_options.h"
#include "rpc/channel.h"

namespace hnx::test {

// A new folder that goes with the object.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::filesystem::path operator/(const std::string& name) const { return folder_ / name; }
  std::string File(const std::string& name) const { return (folder_ / name).string(); }

 private:
  std::filesystem::path folder_;
};

// Runs deploy/tls/make-certificates on `folder`; a failure is the test's.
void MakeCertificates(const std::filesystem::path& folder, const std::vector<std::string>& words);

// Of `folder`: <who>.crt and <who>.key, and ca.crt.
access::TlsFiles Files(const std::filesystem::path& folder, const std::string& who);
access::ClientAccess As(const std::filesystem::path& folder, const std::string& who);
// By a rename: readers see the old file or the new one.
void Replace(const std::filesystem::path& file, const std::string& content, unsigned mode = 0600);
std::string Content(const std::filesystem::path& file);

// A program of this build. What it prints goes to one file.
class Process {
 public:
  Process(const std::string& program, const std::vector<std::string>& words,
          std::filesystem::path log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string Log() const;
  // The first line of the log with `text`; a failure of the test when it does not come.
  std::string WaitForLine(const std::string& text);
  // Its exit code.
  int Wait();

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

// A coordinator on a database of its own.
class Coordinator {
 public:
  // `flags`: of its door.
  Coordinator(const Scratch& scratch, const std::vector<std::string>& flags,
              const std::string& listen = "127.0.0.1:0");

  const std::string& endpoint() const { return endpoint_; }
  const std::string& database() const { return database_; }
  Process& process() { return *process_; }

 private:
  std::string database_;
  std::unique_ptr<Process> process_;
  std::string endpoint_;
};

// --tls-cert, --tls-key and --tls-ca
std::vector<std::string> TlsFlags(const access::TlsFiles& files);

// A client, as our programs are.
class Client {
 public:
  Client(const std::string& endpoint, const access::ClientAccess& access);
  Client(const std::string& endpoint, std::shared_ptr<const rpc::ClientCredentials> credentials);

  // The outcome of a call with the method's full name and one message; its answers are not looked
  // at. A stream is left after the first one.
  grpc::Status Call(const std::string& method, const std::string& message = {});
  grpc::Channel& channel() { return *channel_; }

 private:
  std::shared_ptr<const rpc::ClientCredentials> credentials_;
  std::shared_ptr<grpc::Channel> channel_;
};

// Until `done`; a failure of the test after a minute.
void WaitUntil(const std::string& what, const std::function<bool()>& done);

inline constexpr const char* kGetStatus = "/hypercore_nixos.v1.Coordinator/GetStatus";
inline constexpr const char* kSynchronize = "/hypercore_nixos.v1.WorkerGateway/Synchronize";

}  // namespace hnx::test
