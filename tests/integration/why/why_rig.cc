#include "why_rig.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/json_text.h"
#include "coordinator/cli/why_json.h"
#include "coordinator/cli/why_text.h"
#include "coordinator/rpc/path_to_proto.h"

namespace hnx::test {
namespace {

// Lines of JSON, checked together: starting Python takes longer than most tests.
class SchemaCheck : public testing::Environment {
 public:
  void Add(std::string line) { lines_.push_back(std::move(line)); }

  void TearDown() override {
    const char* source =
        std::getenv("HNX_SOURCE_DIR");  // NOLINT(concurrency-mt-unsafe): no other threads
    ASSERT_NE(source, nullptr);
    const std::filesystem::path file =
        std::filesystem::temp_directory_path() / ("why." + std::to_string(::getpid()) + ".jsonl");
    std::ofstream out(file);
    for (const std::string& line : lines_) {
      out << line << '\n';
    }
    out.close();
    const std::string program =
        "import json, sys, jsonschema\n"
        "check = jsonschema.Draft202012Validator(json.load(open(sys.argv[1])))\n"
        "for line in open(sys.argv[2]): check.validate(json.loads(line))\n";
    const std::string command = "python3 -c '" + program + "' " + source +
                                "/docs/schemas/coordinator-why.schema.json " + file.string();
    EXPECT_EQ(std::system(command.c_str()), 0);  // NOLINT(concurrency-mt-unsafe): own words
    std::filesystem::remove(file);
  }

 private:
  std::vector<std::string> lines_;
};

SchemaCheck& Said() {
  static auto* const check = dynamic_cast<SchemaCheck*>(
      testing::AddGlobalTestEnvironment(new SchemaCheck));  // gtest owns it
  return *check;
}

// Before the tests run, as gtest asks for.
[[maybe_unused]] const SchemaCheck& registered = Said();

}  // namespace

nlohmann::json WhyOf(StoreRig& rig, int path) {
  const auto message = coordinator::PathToProto(Must(rig.releases->Why(HashOf(path))));
  const std::string text = coordinator::WhyText(message);
  EXPECT_NE(text.find(message.explanation()), std::string::npos) << text;
  EXPECT_NE(text.find(message.advice()), std::string::npos) << text;
  std::string line = cli::JsonLine(coordinator::ToJson(message));
  auto json = nlohmann::json::parse(line);
  Said().Add(std::move(line));
  return json;
}

void ExpectWhy(const nlohmann::json& why, const std::string& state, const std::string& situation,
               const std::string& words) {
  EXPECT_EQ(why["state"], state) << why;
  EXPECT_EQ(why["situation"], situation) << why;
  EXPECT_NE(why["explanation"].get<std::string>().find(words), std::string::npos)
      << why["explanation"] << " does not say: " << words;
}

}  // namespace hnx::test
