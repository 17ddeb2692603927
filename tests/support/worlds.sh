# shellcheck shell=bash
# Random worlds with policies and the verdicts of a slow evaluator (policy_worlds.py). Sourced.

# random_world SEED ENGINE: world.json and probes.tsv here, and in JUDGED_AS the options under which they hold. ENGINE: api,
# match (blocks match pods), calico, cilium.
random_world() {
	"$SUPPORT/policy_worlds.py" "$1" "$2" . || _fail "no world for seed $1"
	case $2 in
	api) JUDGED_AS=(--ipblock-pods never) ;;
	match) JUDGED_AS=(--ipblock-pods match) ;;
	*) JUDGED_AS=(--engine "$2") ;;
	esac
}
