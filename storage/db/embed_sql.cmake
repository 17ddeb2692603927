# cmake -DIN=x.sql -DOUT=x.inc [-DNAME=symbol] -P embed_sql.cmake
#
# With NAME the whole file becomes one C string of that name. Without, every block that begins with
# a line `-- name: BLOB_GET` becomes QUERY(BLOB_GET, false, "..."), and true of `-- write: LINK_ADD`.
file(READ ${IN} text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
if(NAME)
	string(REPLACE "\n" "\\n\"\n\"" text "${text}")
	set(text "static const char ${NAME}[] =\n\"${text}\";\n")
else()
	string(FIND "${text}" "-- name: " first)
	string(SUBSTRING "${text}" ${first} -1 text)
	string(REPLACE "\n" "\\n\"\n\"" text "${text}")
	string(REGEX REPLACE "-- name: ([A-Z_0-9]+)\\\\n\"\n" "\")\nQUERY(\\1, false,\n" text "${text}")
	string(REGEX REPLACE "-- write: ([A-Z_0-9]+)\\\\n\"\n" "\")\nQUERY(\\1, true,\n" text "${text}")
	string(SUBSTRING "${text}" 3 -1 text)
	set(text "${text}\")\n")
endif()
file(WRITE ${OUT} "/* made from ${IN} */\n${text}")
