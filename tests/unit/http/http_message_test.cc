#include "http/http_message.h"

#include <gtest/gtest.h>

namespace hnx::http {
namespace {

TEST(HttpHeaders, AreFoundInAnyCaseWithoutTheirBlanks) {
  HttpHeaders headers;
  headers.AppendLine("Content-Type: text/plain\r\n");
  headers.AppendLine("ETAG:\t\"x\" \r\n");
  EXPECT_EQ(headers.Get("content-type"), "text/plain");
  EXPECT_EQ(headers.Get("ETag"), "\"x\"");
  EXPECT_EQ(headers.Get("Content"), std::nullopt);
}

TEST(HttpHeaders, CountDuplicatesAndReturnTheFirst) {
  HttpHeaders headers;
  headers.AppendLine("Content-Encoding: gzip");
  headers.AppendLine("content-encoding: br");
  EXPECT_EQ(headers.Count("Content-Encoding"), 2);
  EXPECT_EQ(headers.Get("Content-Encoding"), "gzip");
}

TEST(HttpHeaders, IgnoreLinesThatAreNoHeaders) {
  HttpHeaders headers;
  headers.AppendLine("garbage\r\n");
  headers.AppendLine("");
  headers.AppendLine("A: 1\nB: 2\r\n");
  EXPECT_TRUE(headers.empty());
}

TEST(ParseContentRange, TakesRangesWithAndWithoutATotal) {
  const auto range = ParseContentRange("bytes 5-9/10");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->first, 5U);
  EXPECT_EQ(range->last, 9U);
  EXPECT_EQ(range->total, 10U);
  EXPECT_EQ(ParseContentRange("Bytes 0-0/*")->total, std::nullopt);
}

TEST(ParseContentRange, RefusesWhatIsNoRange) {
  for (const char* value :
       {"", "bytes", "bytes ", "bytes */10", "bytes 5-4/10", "bytes 5-10/10", "bytes 5-/10",
        "bytes -5/10", "items 5-9/10", "bytes 5-9/10 ", "bytes 5-9/10,", "bytes 5-9",
        "bytes 99999999999999999999-9/10", "bytes 1-2/3, 1-2/3"}) {
    if (std::string_view(value) == "bytes 5-9/10 ") {
      EXPECT_TRUE(ParseContentRange(value));  // blanks around a value mean nothing
    } else {
      EXPECT_FALSE(ParseContentRange(value)) << value;
    }
  }
}

}  // namespace
}  // namespace hnx::http
