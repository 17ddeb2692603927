#!/usr/bin/env bash
# `moat policy map` says who reaches whom as np-guard published it, and what `moat policy eval` says of each connection.
. "$(dirname "$0")/../support/lib.sh"
. "$SUPPORT/worlds.sh"

DATA=$SOURCE/tests/data/policy
cd "$T" || exit

step 'connectivity that np-guard published'
must "$SUPPORT/policy_npguard.py" "$DATA/netpol-npguard/cases"
out_has '^99 files, 0 differ$'

step 'foot-guns and recipes'
for case in "$DATA"/footguns/* "$DATA"/recipes/*; do
	must moat policy map --all --json "$case/manifests"
	cp out map.json
	must "$SUPPORT/policy_map_probes.py" map.json "$case/probes.tsv"
done

step 'what cannot be told is apart, with its reason'
cat >world.yaml <<-'END'
	{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: prod, labels: {app: web}}}
	---
	{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: prod, labels: {app: db}}}
	---
	apiVersion: networking.k8s.io/v1
	kind: NetworkPolicy
	metadata: {name: db, namespace: prod}
	spec:
	  podSelector: {matchLabels: {app: db}}
	  policyTypes: [Ingress]
	  ingress:
	  - from: [{podSelector: {}}]
	    ports: [{port: 5432}, {port: 53, protocol: UDP}, {port: 9, protocol: SCTP}]
	  - from: [{ipBlock: {cidr: 10.0.0.0/8}}, {ipBlock: {cidr: 2001:db8::/32}}]
	    ports: [{port: 80, endPort: 90}]
END
must moat policy map world.yaml
cat >want <<-'END'
	prod/db[Pod] => prod/web[Pod] : all
	prod/db[Pod] => 0.0.0.0-255.255.255.255 : all
	prod/db[Pod] => ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff : all
	prod/web[Pod] => prod/db[Pod] : TCP 5432 UDP 53 SCTP 9; unknown TCP 80-90 (a block over addresses of pods or nodes)
	prod/web[Pod] => 0.0.0.0-255.255.255.255 : all
	prod/web[Pod] => ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff : all
	10.0.0.0-10.255.255.255 => prod/db[Pod] : TCP 80-90
	2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff => prod/db[Pod] : TCP 80-90
	0.0.0.0-255.255.255.255 => prod/web[Pod] : all
	::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff => prod/web[Pod] : all
END
same_file out want
must moat policy map --ipblock-pods never --all world.yaml
out_has '^prod/web\[Pod\] => prod/db\[Pod\] : TCP 5432 UDP 53 SCTP 9$'
out_has '^11.0.0.0-255.255.255.255 => prod/db\[Pod\] : none$'

step 'from one end to another, and whose policies say so'
world=$DATA/footguns/26-good-baseline/manifests
must moat policy map --from prod/ --to kube-system/coredns "$world"
cat >want <<-'END'
	prod/api[Pod] => kube-system/coredns[Pod] : TCP 53 UDP 53
	prod/db[Pod] => kube-system/coredns[Pod] : TCP 53 UDP 53
	prod/web[Pod] => kube-system/coredns[Pod] : TCP 53 UDP 53
END
same_file out want
must moat policy map --from 'prod/web[Pod]' --to ext:192.0.2.1 --direction ingress "$world"
echo 'prod/web[Pod] => 0.0.0.0-255.255.255.255 : all' >want
same_file out want
must moat policy map --from prod/web --to ext:192.0.2.1 --direction egress "$world"
: >want
same_file out want
must moat policy map --from host --to prod/db "$world"
echo 'host => prod/db[Pod] : all' >want
same_file out want
must_fail 2 moat policy map --from prod/none "$world"
err_has '"prod/none" is no end'
must_fail 2 moat policy map --to 'prod/web[Deployment]' "$world"
must_fail 2 moat policy map --to ext:host "$world"

step 'other forms'
must moat policy map --format csv --from prod/ --to prod/ "$world"
cat >want <<-'END'
	src,dst,allow,unknown,reasons
	"prod/web[Pod]","prod/api[Pod]","TCP 9090","none",""
END
same_file out want
must moat policy map --format dot --to prod/db world.yaml
out_has '^  "prod/web\[Pod\]" -> "prod/db\[Pod\]" \[label="TCP 5432 UDP 53 SCTP 9; unknown TCP 80-90"\];$'
[ "$(tail -1 out)" = '}' ] || _fail 'no end of the graph'
must moat policy map --format matrix "$world"
sed 1d out >rows
cat >want <<-'END'
	-##...#  dev/tool[Pod]
	#-#...#  kube-system/coredns[Pod]
	##-...#  monitoring/prom[Pod]
	.+.-...  prod/api[Pod]
	.+..-..  prod/db[Pod]
	.+.+.-.  prod/web[Pod]
	###...  outside
END
same_file rows want
sed 's/name: web/name: "w\\\"b"/' world.yaml >odd.yaml
must moat policy map --format csv --from prod/db odd.yaml
out_has '^"prod/db\[Pod\]","prod/w""b\[Pod\]",'

step 'replicas are one line, however many there are'
mkdir few many
"$SUPPORT/policy_scale.py" 8 40 40 90 20 few
"$SUPPORT/policy_scale.py" 8 40 400 90 20 many
must moat policy map few
cp out want
must moat policy map many
same_file out want
out_has '^ns-7/app-7-5d9c7b\[ReplicaSet\] => ns-7/app-31-5d9c7b\[ReplicaSet\] : TCP 443$'

step 'a page that stands alone'
# page: its picture is XML, its rows are the lines of the map, nothing comes from elsewhere
page() {
	python3 - out <<-'END'
		import html.parser, re, sys, xml.dom.minidom
		text = open(sys.argv[1]).read()
		picture = xml.dom.minidom.parseString(re.search(r"<svg.*</svg>", text, re.S).group())
		ways = [t.firstChild.data for t in picture.getElementsByTagName("title")]
		class Rows(html.parser.HTMLParser):
		    rows, within = [], False
		    def handle_starttag(self, tag, attributes):
		        assert not {"src", "href"} & {k for k, v in attributes}, (tag, attributes)
		        self.within |= tag == "tr"
		        if tag == "tr": self.rows.append([])
		        if tag == "td": self.rows[-1].append("")
		    def handle_endtag(self, tag):
		        self.within &= tag != "tr"
		    def handle_data(self, data):
		        if self.within and self.rows[-1]: self.rows[-1][-1] += data
		rows = Rows()
		rows.feed(text)
		for way in ways: print("way", way)
		for row in rows.rows[1:]: print("row", *[cell.strip() for cell in row], sep="|")
	END
}
must moat policy map --format html --to prod/db world.yaml
page >rows
cat >want <<-'END'
	way prod/web => prod/db : TCP 5432 UDP 53 SCTP 9
	row|prod/web[Pod]|prod/db[Pod]|TCP 5432 UDP 53 SCTP 9|TCP 80-90: a block over addresses of pods or nodes
	row|10.0.0.0-10.255.255.255|prod/db[Pod]|TCP 80-90|
	row|2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff|prod/db[Pod]|TCP 80-90|
END
same_file rows want
sed 's/name: web/name: "<script>\&\\\""/' world.yaml >odd.yaml
must moat policy map --format html --from prod/ --to prod/db odd.yaml
page >rows
has_line rows '^way prod/<script>&" => prod/db : '
[ "$(grep -c '<script>' out)" = 1 ] || _fail 'a name is not escaped'
must moat policy map --format html few
out_has '<svg '
"$SUPPORT/policy_scale.py" 4 200 200 0 0 many
must moat policy map --format html --to ns-0/ many
out_has '200 workloads are too many for a picture'
must_fail 2 moat policy map --from prod/web --hops 2 --format html world.yaml

step 'Services, and the ways in'
cat >services.yaml <<-'END'
	{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: prod}, spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, ports: [{name: http, containerPort: 8080}]}]}}}}
	---
	{apiVersion: apps/v1, kind: Deployment, metadata: {name: db, namespace: prod}, spec: {template: {metadata: {labels: {app: db}}, spec: {containers: [{name: a, ports: [{name: sql, containerPort: 5432, hostPort: 15432}]}]}}}}
	---
	{apiVersion: apps/v1, kind: Deployment, metadata: {name: db2, namespace: prod}, spec: {template: {metadata: {labels: {app: db, closed: "yes"}}, spec: {containers: [{name: a, ports: [{name: sql, containerPort: 5433}]}]}}}}
	---
	{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, namespace: prod}, spec: {template: {metadata: {labels: {app: agent}}, spec: {hostNetwork: true, containers: [{name: a}]}}}}
	---
	{apiVersion: v1, kind: Service, metadata: {name: web, namespace: prod}, spec: {type: LoadBalancer, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}, {port: 81, targetPort: none}]}}
	---
	{apiVersion: v1, kind: Service, metadata: {name: db, namespace: prod}, spec: {selector: {app: db}, ports: [{port: 5432, targetPort: sql}]}}
	---
	{apiVersion: v1, kind: Service, metadata: {name: peers, namespace: prod}, spec: {clusterIP: None, selector: {app: web}, externalIPs: [192.0.2.1], ports: [{port: 9, targetPort: 8081}]}}
	---
	{apiVersion: v1, kind: Service, metadata: {name: far, namespace: prod}, spec: {type: ExternalName, externalName: example.com}}
	---
	{apiVersion: v1, kind: Service, metadata: {name: hand, namespace: prod}, spec: {ports: [{port: 80}]}}
	---
	{apiVersion: v1, kind: Service, metadata: {name: nobody, namespace: prod}, spec: {selector: {app: nobody}, ports: [{port: 80}]}}
	---
	{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: site, namespace: prod}, spec: {rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}, {path: /x, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}}
	---
	{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db2, namespace: prod}, spec: {podSelector: {matchLabels: {closed: "yes"}}, policyTypes: [Ingress]}}
	---
	{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: prod}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: http}]}]}}
END
must moat policy map --services --ipblock-pods never services.yaml
err_has 'Service far: leads to a name outside'
err_has 'services.yaml:17: Service hand: has no selector'
err_has 'Service nobody: selects no pod that has its ports'
err_has 'Service web: port 81 leads to no port of its pods'
grep svc: out >rows
cat >want <<-'END'
	prod/agent[DaemonSet] => svc:prod/web : unknown TCP 80 (a pod on its node's network)
	prod/agent[DaemonSet] => svc:prod/db : unknown TCP 5432 (a pod on its node's network)
	prod/agent[DaemonSet] => svc:prod/peers : unknown TCP 8081 (a pod on its node's network)
	prod/db[Deployment] => svc:prod/db : unknown TCP 5432 (only some of the pods behind it)
	prod/db2[Deployment] => svc:prod/db : TCP 5432
	prod/web[Deployment] => svc:prod/web : TCP 80
	prod/web[Deployment] => svc:prod/db : unknown TCP 5432 (only some of the pods behind it)
	prod/web[Deployment] => svc:prod/peers : TCP 8081
	svc:prod/web => prod/web[Deployment] : TCP 8080
	svc:prod/db => prod/db[Deployment] : TCP 5432
	svc:prod/db => prod/db2[Deployment] : TCP 5433
	svc:prod/peers => prod/web[Deployment] : TCP 8081
END
same_file rows want
must moat policy map --from prod/web --to svc:prod/db services.yaml
cat >want <<-'END'
	prod/web[Deployment] => svc:prod/db : unknown TCP 5432 (only some of the pods behind it)
	svc:prod/db => prod/db[Deployment] : TCP 5432
	svc:prod/db => prod/db2[Deployment] : TCP 5433
END
same_file out want
must_fail 2 moat policy map --to svc:prod/none services.yaml
err_has '"svc:prod/none" is no Service'
must moat policy map --ways-in services.yaml
tr -s ' ' <out | sed 's/ *$//' >rows
cat >want <<-'END'
	WAY NAME HOST PORT TO TARGET FROM OUTSIDE FROM A NODE
	Ingress prod/site shop.example - prod/web[Deployment] TCP 8080 some unknown
	LoadBalancer prod/web - TCP 80 prod/web[Deployment] TCP 8080 some unknown
	NodePort prod/web - TCP 30080 prod/web[Deployment] TCP 8080 some unknown
	externalIPs prod/peers - TCP 9 prod/web[Deployment] TCP 8081 deny deny
	hostNetwork prod/agent - - prod/agent[DaemonSet] all allow allow
	hostPort prod/db - TCP 15432 prod/db[Deployment] TCP 5432 allow allow
END
same_file rows want
must moat policy map --ways-in --json --to prod/db services.yaml
json_is 'length == 1 and .[0].way == "hostPort" and .[0].outside == "allow"'
for bad in 'port: 0' 'port: 80, protocol: ICMP' 'port: 80, targetPort: 70000' 'port: x'; do
	echo "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{$bad}]}}" >bad.yaml
	must_fail 1 moat policy map bad.yaml
	err_has 'bad.yaml:1: .*Service'
done

step 'what a taken-over pod reaches, step by step'
must moat policy map --from frontend/webapp --hops 2 "$DATA/netpol-npguard/cases/acs-security-demos/manifests"
cat >want <<-'END'
	1 frontend/webapp[Deployment] => backend/checkout[Deployment] : TCP 8080
	1 frontend/webapp[Deployment] => backend/recommendation[Deployment] : TCP 8080
	1 frontend/webapp[Deployment] => backend/reports[Deployment] : TCP 8080
	1 frontend/webapp[Deployment] => backend/shipping[Deployment] : TCP 8080
	2 backend/recommendation[Deployment] => backend/catalog[Deployment] : TCP 8080
	2 backend/checkout[Deployment] => backend/notification[Deployment] : TCP 8080
	2 backend/checkout[Deployment] => payments/gateway[Deployment] : TCP 8080
END
same_file out want
must moat policy map --from frontend/webapp --to payments/ --hops 9 "$DATA/netpol-npguard/cases/acs-security-demos/manifests"
out_has '^3 payments/gateway\[Deployment\] => payments/visa-processor\[Deployment\] : TCP 8080$'
must moat policy map --from prod/agent --to prod/db2 --hops 3 services.yaml
out_has '^1\? prod/agent\[DaemonSet\] => prod/db2\[Deployment\] : unknown all'
must_fail 2 moat policy map --hops 2 world.yaml
must_fail 2 moat policy map --from prod/web --hops 2 --format matrix world.yaml
must_fail 2 moat policy map --from prod/web --hops 2 --services world.yaml

step 'random worlds'
for ((seed = 1; seed <= ${MOAT_SOAK:-5}; seed++)); do
	for engine in api match calico cilium; do
		random_world "$seed" "$engine"
		must moat policy map --all --json world.json "${JUDGED_AS[@]}"
		cp out map.json
		must "$SUPPORT/policy_map_probes.py" map.json probes.tsv
		start=$(jq -r '[.[].src | select(contains("/"))][0]' map.json)
		must moat policy map --from "$start" --hops 2 --json world.json "${JUDGED_AS[@]}"
		cp out hops.json
		must "$SUPPORT/policy_hops.py" map.json hops.json "$start" 2
	done
done

step 'wrong usage'
must_fail 2 moat policy map
must_fail 1 moat policy map none
