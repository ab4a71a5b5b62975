#include "access_rig.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/postgres_fixture.h"

namespace hnx::test {
namespace {

constexpr std::chrono::seconds kLimit{60};

std::string Need(const char* variable) {
  const char* value = std::getenv(variable);
  EXPECT_NE(value, nullptr) << variable << ": run by ctest";
  return value == nullptr ? "" : value;
}

pid_t Spawn(std::vector<std::string> words, const std::filesystem::path& log) {
  std::vector<char*> arguments;
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(arguments[0], arguments.data());
    ::_exit(127);
  }
  return child;
}

}  // namespace

Scratch::Scratch() {
  std::string name = std::filesystem::temp_directory_path() / "hnx-access-XXXXXX";
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  folder_ = name;
}

Scratch::~Scratch() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void MakeCertificates(const std::filesystem::path& folder, const std::vector<std::string>& words) {
  std::vector<std::string> all = {Need("HNX_SOURCE_DIR") + "/deploy/tls/make-certificates",
                                  folder.string()};
  all.insert(all.end(), words.begin(), words.end());
  const std::filesystem::path log = folder.string() + ".log";
  int status = 0;
  ASSERT_GT(::waitpid(Spawn(all, log), &status, 0), 0);
  ASSERT_EQ(status, 0) << Content(log);
}

access::TlsFiles Files(const std::filesystem::path& folder, const std::string& who) {
  return {.cert = folder / (who + ".crt"), .key = folder / (who + ".key"), .ca = folder / "ca.crt"};
}

access::ClientAccess As(const std::filesystem::path& folder, const std::string& who) {
  access::ClientAccess access;
  access.tls = Files(folder, who);
  return access;
}

void Replace(const std::filesystem::path& file, const std::string& content, unsigned mode) {
  const std::filesystem::path next = file.string() + ".next";
  std::ofstream(next) << content;
  ASSERT_EQ(::chmod(next.c_str(), mode), 0);
  std::filesystem::rename(next, file);
}

std::string Content(const std::filesystem::path& file) {
  std::ostringstream content;
  content << std::ifstream(file).rdbuf();
  return content.str();
}

Process::Process(const std::string& program, const std::vector<std::string>& words,
                 std::filesystem::path log)
    : log_(std::move(log)) {
  std::vector<std::string> all = {Need("HNX_BIN_DIR") + "/" + program};
  all.insert(all.end(), words.begin(), words.end());
  pid_ = Spawn(std::move(all), log_);
}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    (void)Wait();
  }
}

std::string Process::Log() const {
  return Content(log_);
}

std::string Process::WaitForLine(const std::string& text) {
  std::string found;
  WaitUntil("\"" + text + "\" in " + log_.string(), [&] {
    std::istringstream lines(Log());
    for (std::string line; std::getline(lines, line);) {
      if (line.find(text) != std::string::npos && !lines.eof()) {
        found = line;
        return true;
      }
    }
    return false;
  });
  if (found.empty()) {
    ADD_FAILURE() << Log();
  }
  return found;
}

int Process::Wait() {
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Coordinator::Coordinator(const Scratch& scratch, const std::vector<std::string>& flags,
                         const std::string& listen)
    : database_(PostgresFixture::Get().NewDatabase()) {
  std::vector<std::string> words = {"serve",      "--data",        scratch.File("data"),
                                    "--database", database_,       "--listen",
                                    listen,       "--listen-http", "127.0.0.1:0"};
  words.insert(words.end(), flags.begin(), flags.end());
  process_ = std::make_unique<Process>("coordinator", words, scratch / "coordinator.log");
  const std::string line = process_->WaitForLine("serves workers and clients on port ");
  endpoint_ = "127.0.0.1:" + line.substr(line.rfind(' ') + 1);
}

std::vector<std::string> TlsFlags(const access::TlsFiles& files) {
  return {"--tls-cert", files.cert, "--tls-key", files.key, "--tls-ca", files.ca};
}

Client::Client(const std::string& endpoint, const access::ClientAccess& access) {
  auto credentials = rpc::ClientCredentials::Make(access, {endpoint});
  if (!credentials.has_value()) {
    ADD_FAILURE() << credentials.error().message;
    return;
  }
  credentials_ = *std::move(credentials);
  channel_ = rpc::MakeChannel(endpoint, *credentials_);
}

Client::Client(const std::string& endpoint,
               std::shared_ptr<const rpc::ClientCredentials> credentials)
    : credentials_(std::move(credentials)), channel_(rpc::MakeChannel(endpoint, *credentials_)) {}

grpc::Status Client::Call(const std::string& method, const std::string& message) {
  if (channel_ == nullptr) {
    return {grpc::StatusCode::INTERNAL, "no client"};
  }
  grpc::CompletionQueue queue;
  const auto next = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto context = rpc::MakeContext(kLimit);
  grpc::GenericStub stub(channel_);
  const auto call = stub.PrepareCall(context.get(), method, &queue);
  call->StartCall(nullptr);
  bool open = next();
  if (open) {
    const grpc::Slice slice(message);
    call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    open = next();
  }
  if (open) {
    call->WritesDone(nullptr);
    open = next();
  }
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  bool more = next();
  if (more) {
    context->TryCancel();
  }
  while (more) {
    call->Read(&answer, nullptr);
    more = next();
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  next();
  const bool left = status.error_code() == grpc::StatusCode::CANCELLED;
  return left ? grpc::Status::OK : status;
}

void WaitUntil(const std::string& what, const std::function<bool()>& done) {
  const auto until = std::chrono::steady_clock::now() + kLimit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > until) {
      ADD_FAILURE() << "in vain: " << what;
      return;
    }
    (void)::poll(nullptr, 0, 50);
  }
}

}  // namespace hnx::test
