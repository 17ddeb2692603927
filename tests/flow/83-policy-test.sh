#!/usr/bin/env bash
# `moat policy test` holds assertions against manifests: words, columns, patterns, reports.
. "$(dirname "$0")/../support/lib.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit
cp -r "$DATA/footguns/26-good-baseline/manifests" good

step 'assertions that hold'
cat >good.txt <<'END'
# the shop
allow prod/web prod/api TCP/9090 owner=shop because the front end asks the API
deny  dev/* prod/* TCP/5432   # nobody from dev
allow */* kube-system/coredns UDP/53
deny ext:* prod/db TCP/5432
deny ext:203.0.113.0/24 prod/d? TCP/5432
allow prod/web prod/web TCP/1
END
must moat policy test good.txt good
out_has '^6 of 6 assertions hold$'
for case in "$DATA"/footguns/* "$DATA"/recipes/*; do
	must moat policy test "$case/probes.tsv" "$case/manifests"
done

step 'some that do not: what decides the first connection, and the reports'
cat >bad.txt <<'END'
allow prod/* prod/db TCP/5432 owner=data because "a" & b < c
deny prod/web prod/api TCP/9090
deny prod/web prod/w* TCP/80
deny dev/* prod/* TCP/5432
END
must_fail 10 moat policy test bad.txt good --junit junit.xml
out_has '^bad.txt:1: allow prod/\* prod/db TCP/5432: prod/[a-z]+ -> prod/db is deny: good/policy.yaml:1: NetworkPolicy prod/deny isolates it, and no rule allows it; 2 of 2 such connections fail'
out_has '^    because "a" & b < c, owner data'
out_has '^bad.txt:2: .*prod/web -> prod/api is allow: good/policy.yaml:40: rule 1 of NetworkPolicy prod/api-web allows it'
out_has '^bad.txt:3: .*there is no such connection'
out_has '^1 of 4 assertions hold'
err_has '3 of 4 assertions do not hold'
python3 - <<'END'
import xml.etree.ElementTree as tree
suite = tree.parse("junit.xml").getroot()
assert (suite.get("tests"), suite.get("failures")) == ("4", "3"), suite.attrib
cases = suite.findall("testcase")
assert [len(c) for c in cases] == [1, 1, 1, 0], cases
assert cases[0].get("classname") == "data" and cases[0].get("name") == "allow prod/* prod/db TCP/5432"
assert "isolates it" in cases[0][0].get("message")
END
must_fail 10 moat policy test bad.txt good --tap
out_has '^1\.\.4$'
out_has '^not ok 2 - deny prod/web prod/api TCP/9090$'
out_has '^# bad.txt:2: prod/web -> prod/api is allow'
out_has '^ok 4 - deny dev/\* prod/\* TCP/5432$'
must_fail 10 moat policy test bad.txt good --json
json_is '.held == 1 and .failed == 3 and (.assertions | map(.holds)) == [false, false, false, true]'

step 'an assertion that is weakened is noticed'
sed 's/9090/9091/' -i good/policy.yaml
must_fail 10 moat policy test good.txt good
out_has '^good.txt:2: .* NetworkPolicy prod/deny isolates it'

step 'lines and ends that are none'
echo 'allow prod/web prod/api' >none.txt
must_fail 2 moat policy test none.txt good
err_has 'none.txt:1: an assertion is VERDICT SRC DST PROTO/PORT'
for end in 'prod/none' 'none/*' '*' 'ext:10.0.0.0/33' 'ext:x'; do
	echo "deny $end prod/db TCP/1" >none.txt
	must_fail 2 moat policy test none.txt good
	err_has 'none.txt:1: ".*" is no end'
	echo "deny prod/db $end TCP/1" >none.txt
	must_fail 2 moat policy test none.txt good
	err_has 'none.txt:1: ".*" is no end'
done
must_fail 2 moat policy test good.txt
must_fail 1 moat policy test absent.txt good
must_fail '[1-9]' moat policy test good.txt good --junit absent/junit.xml
