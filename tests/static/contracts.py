#!/usr/bin/env python3
"""usage: contracts.py SOURCE-DIR
Every function that a header declares has a comment: above it, behind it, or above the group of declarations
without an empty line that it belongs to. A line "/* --- name --- */" begins a section and is no comment."""
import re
import subprocess
import sys

START = re.compile(r"^(MUST |struct |enum |const |unsigned |void |bool |char |int |long |size_t |u?int\d+_t )[^=;{]*\w\(")


def declarations(lines):
    """(number, first line, commented) of each declaration at file scope"""
    comment = group = inside = False
    depth, number = 0, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if inside:
            inside = "*/" not in line
            comment = group = comment or not inside
            continue
        if line.startswith("/*"):
            inside = "*/" not in line
            comment = group = not line.startswith("/* ---")
            continue
        if not line.strip():
            comment = group = False
            continue
        if depth == 0 and START.match(line):
            first, text = number, line
            while ";" not in text and "{" not in text and number < len(lines):
                text += lines[number]
                number += 1
            if "{" not in text:
                yield first, line, comment or group or "/*" in text
                inside = "/*" in text and "*/" not in text
                comment = False
                continue
            line = text
        depth += line.count("{") - line.count("}")
        comment = False


def main():
    found = bare = 0
    files = subprocess.run(["git", "ls-files", "--", "registry/*.h", "storage/*.h", "mirror-tool/*.h"],
                           cwd=sys.argv[1], capture_output=True, text=True, check=True).stdout.split()
    for name in files:
        with open(f"{sys.argv[1]}/{name}") as f:
            for number, line, good in declarations(f.read().splitlines()):
                found += 1
                if not good:
                    bare += 1
                    print(f"{name}:{number}: no comment says what it promises: {line}")
    if found < 500:
        sys.exit(f"contracts.py: only {found} declarations were found: the pattern is wrong")
    print(f"{found} declarations, {bare} without a comment")
    sys.exit(bare > 0)


main()
