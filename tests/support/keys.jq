# A document against the rows of moat-json(7) for its shape: $rows [{shape, path, type}], $shape its name.
# A line of text for each thing that is wrong, and "seen PATH" for each row that was there.

# ["drift",0,"kind"] -> "drift[].kind"
def text: reduce .[] as $step ("";
	. + if ($step | type) == "number" then "[]" elif . == "" then $step else "." + $step end);

($rows | map(select(.shape == $shape))) as $mine
| ($mine | map(select(.path | endswith("[]") | not)
	| {parent: (.path | sub("\\.?[^.]+$"; "")), key: (.path | sub("^.*\\."; ""))})) as $keys
| . as $doc
| [path(..)]
| (map(select(length > 0) | . as $p | {path: text, type: ($doc | getpath($p) | type)}) | unique) as $seen
| ($seen - ($mine | map({path, type})) | .[] | "not as documented: \(.path) is a \(.type)"),
  (.[] | . as $p | text as $at | ($doc | getpath($p)) | select(type == "object")
	| (($keys | map(select(.parent == $at) | .key)) - keys)[] | "missing in \"\($at)\": \(.)"),
  ($seen[] | "seen \(.path)")
