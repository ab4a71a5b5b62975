# Turns SQL files into a header of string constants; run as a script at build time:
#   cmake -DMODE=statements -DOUTPUT=x.h "-DINPUTS=a.sql,b.sql" -P EmbedSql.cmake
#   cmake -DMODE=migrations -DOUTPUT=x.h "-DINPUTS=001_name.up.sql" -P EmbedSql.cmake
# statements: each "-- name: Foo" line begins the statement kFoo. migrations: one table of them all.
string(REPLACE "," ";" inputs "${INPUTS}")
set(text "// Made from SQL files by cmake/EmbedSql.cmake.\n#pragma once\n\n#include <array>\n#include <string_view>\n\n")
string(APPEND text "namespace hnx::coordinator::sql {\n")
if(MODE STREQUAL "statements")
  foreach(input IN LISTS inputs)
    file(READ ${input} content)
    string(FIND "${content}" "-- name: " start)
    string(SUBSTRING "${content}" ${start} -1 content)
    string(REGEX REPLACE "-- name: ([A-Za-z0-9]+)\n"
      ")sql\";\ninline constexpr std::string_view k\\1 = R\"sql(" content "${content}")
    # The first statement has nothing before it to close.
    string(SUBSTRING "${content}" 7 -1 content)
    string(APPEND text "${content})sql\";\n")
  endforeach()
else()
  set(rows "")
  set(count 0)
  foreach(input IN LISTS inputs)
    get_filename_component(name ${input} NAME)
    string(REGEX MATCH "^([0-9]+)_([a-z0-9_]+)\\.up\\.sql$" ignored ${name})
    set(title ${CMAKE_MATCH_2})
    string(REGEX REPLACE "^0+" "" version ${CMAKE_MATCH_1})
    file(READ ${input} content)
    string(APPEND rows "    Migration{${version}, \"${title}\", R\"sql(${content})sql\"},\n")
    math(EXPR count "${count} + 1")
  endforeach()
  string(APPEND text "struct Migration {\n  int version = 0;\n  std::string_view name;\n  std::string_view statements;\n};\n"
    "inline constexpr std::array<Migration, ${count}> kMigrations{\n${rows}};\n")
endif()
string(APPEND text "}  // namespace hnx::coordinator::sql\n")
file(WRITE ${OUTPUT} "${text}")
