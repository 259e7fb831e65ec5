#!/usr/bin/env bash
# Runs the four-pod test of a backend in containers, as a user would, and checks what comes out.
#
#   compose/test.sh redis
#
# Environment:
#   COMPOSE              the Compose to use; default: `docker compose` where it works, else `docker-compose`
#   BELFRY_BUILD_FLAGS   flags of `compose build`, such as --no-cache
#
# It has a project, an image tag and volumes of its own, touches no others, and leaves nothing behind but the image.
# Everything that could hang has a time limit; the whole takes about two and a half minutes after the build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly backend=${1:?usage: compose/test.sh BACKEND}
readonly file=compose/$backend.yml
readonly project=belfry-test-$backend-$$
export BELFRY_IMAGE=belfry:test

# About 30 fire times: a start just before or after a whole five seconds gives a round more or less.
readonly least=25 most=35

say() { printf '%s: %s\n' "$backend" "$*"; }
die() { say "$*" >&2; exit 1; }

if [[ -n ${COMPOSE:-} ]]; then
	read -ra command <<<"$COMPOSE"
elif docker compose version >/dev/null 2>&1; then
	command=(docker compose)
else
	command=(docker-compose)
fi

# compose SECONDS ARGS... runs Compose on this test's project.
compose() {
	local seconds=$1
	shift
	timeout --kill-after=10 "$seconds" "${command[@]}" -p "$project" -f "$file" "$@" </dev/null
}

follower=""
scratch=$(mktemp -d)

clean() {
	local status=$?
	trap - EXIT
	[[ -z $follower ]] || kill "$follower" 2>/dev/null || true
	if ((status != 0)); then
		say "the last lines of each service:" >&2
		compose 30 logs --no-color --tail=25 >&2 || true
	fi
	compose 120 --profile analyze down -v --remove-orphans >"$scratch/down" 2>&1 || {
		cat "$scratch/down" >&2
		say "could not take the project $project down" >&2
		status=1
	}
	rm -rf "$scratch"
	exit "$status"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# step TITLE COMMAND... runs a command and shows its output only if it fails.
step() {
	local title=$1 begin=$SECONDS
	shift
	"$@" >"$scratch/step" 2>&1 || {
		local status=$?
		cat "$scratch/step" >&2
		die "$title: exit $status"
	}
	say "$title ($((SECONDS - begin)) s)"
}

# pods prints the containers of the pods, whatever their state.
pods() {
	local id
	for id in $(docker ps -aq --no-trunc --filter "label=com.docker.compose.project=$project"); do
		docker inspect --format '{{ index .Config.Labels "com.docker.compose.service" }} {{ .Id }}' "$id"
	done | awk '/^scheduler-/ { print $2 }'
}

# await_pods COUNT waits until that many pods have ended, and wants 0 from each.
await_pods() {
	local ids codes
	mapfile -t ids < <(pods)
	[[ ${#ids[@]} == "$1" ]] || die "${#ids[@]} pods were started, want $1"
	codes=$(timeout 120 docker wait "${ids[@]}") || die "pods still run two minutes later"
	[[ $(sort -u <<<"$codes") == 0 ]] || die "exit codes of the pods: $(xargs <<<"$codes"), want all 0"
	say "all $1 pods have ended with exit code 0"
}

# wants TEXT... demands that the report in $scratch/report has each of them.
wants() {
	local text
	for text in "$@"; do
		grep -qF -- "$text" "$scratch/report" || die "the report lacks: $text"
	done
}

# total prints the report's total of executions.
total() { sed -nE 's/.*Total executions: ([0-9]+).*/\1/p' "$scratch/report"; }

# analyze TITLE ARGS... gets the analyzer's report by Compose, shows it, and wants it to pass.
analyze() {
	local title=$1
	shift
	say "$title"
	compose 60 "$@" >"$scratch/report" 2>"$scratch/errors" || {
		local status=$?
		cat "$scratch/report" "$scratch/errors" >&2
		die "$title: exit $status"
	}
	cat "$scratch/report"
	wants 'DISTRIBUTED TEST RESULTS' 'No duplicates found' 'PASS: Total executions' 'PASS: No duplicate executions detected'
	! grep -qF FAIL "$scratch/report" || die "$title: the report fails"
	[[ $(total) -ge 1 ]] || die "$title: no execution is counted"
}

# complete demands of the report that a run of full length is in it, with every pod.
complete() {
	local n pod job
	n=$(total)
	((n >= least && n <= most)) || die "$n executions, want $least to $most"
	for job in 0 1 2 3 4; do wants "✓ job-$job: "; done
	for pod in scheduler-leader scheduler-1 scheduler-2 scheduler-3; do
		grep -qE "$pod: [1-9][0-9]* times" "$scratch/report" || die "$pod took no part"
	done
}

# no_twice is a second witness beside the analyzer: no trigger stands twice in what the handlers wrote, over all runs.
no_twice() {
	local triggers twice
	compose 60 run --rm --entrypoint sh analyzer -c 'cat /evidence/*.jsonl' >"$scratch/evidence" 2>"$scratch/errors" || {
		cat "$scratch/errors" >&2
		die "the evidence cannot be read"
	}
	triggers=$(grep -oE '"job":"[^"]+","fire":"[^"]+"' "$scratch/evidence") || die "the evidence holds no execution"
	(($(wc -l <<<"$triggers") >= $1)) || die "the evidence holds $(wc -l <<<"$triggers") executions, want $1 or more"
	twice=$(sort <<<"$triggers" | uniq -d)
	[[ -z $twice ]] || die "triggers that ran twice: $twice"
	say "$(wc -l <<<"$triggers") executions in the evidence, no trigger twice"
}

# first_run starts four pods and looks at them in every way while they run and after.
first_run() {
	step "up" compose 180 up --build -d
	compose 90 logs --no-color -f scheduler-leader >"$scratch/follow" 2>&1 &
	follower=$!
	sleep 12
	analyze "the report during the run" run --rm analyzer
	local services
	services=$(compose 30 config --services) || die "config --services: exit $?"
	if grep -qx "$backend" <<<"$services"; then
		step "ps $backend" compose 30 ps "$backend"
		grep -q "$backend" "$scratch/step" || die "ps does not show $backend"
	fi
	await_pods 4
	wait "$follower" || die "logs -f scheduler-leader: exit $?"
	follower=""
	grep -q scheduler-leader "$scratch/follow" || die "logs -f scheduler-leader shows nothing"
	step "logs" compose 30 logs
	step "logs scheduler-1" compose 30 logs scheduler-1
	grep -q scheduler-1 "$scratch/step" || die "logs scheduler-1 shows nothing"
	analyze "the report after the run" run --rm analyzer
	complete
	analyze "the report by the profile" --profile analyze up --no-color analyzer
	complete
	no_twice "$least"
}

# second_run scales one pod to five, on the volumes of the first run.
second_run() {
	step "up with five of scheduler-1" compose 180 up --build -d --scale scheduler-1=5
	await_pods 8
	analyze "the report of eight pods" run --rm analyzer
	local n
	n=$(total)
	((n >= least && n <= most)) || die "$n executions, want $least to $most"
	no_twice $((2 * least))
}

# nothing_left demands that the project has left no container, network or volume.
nothing_left() {
	local left
	left=$({
		docker container ls -aq --filter "label=com.docker.compose.project=$project"
		docker network ls -q --filter "label=com.docker.compose.project=$project"
		docker volume ls -q --filter "label=com.docker.compose.project=$project"
	})
	[[ -z $left ]] || die "down -v left behind: $left"
}

main() {
	[[ -f $file ]] || die "$file does not exist"
	say "by $("${command[@]}" version 2>/dev/null | head -n 1)"
	compose/images.sh "$backend"
	# shellcheck disable=SC2086 # several flags are several words
	step "build${BELFRY_BUILD_FLAGS:+ $BELFRY_BUILD_FLAGS}" compose 1200 build ${BELFRY_BUILD_FLAGS:-}
	first_run
	step "down" compose 120 --profile analyze down
	second_run
	step "down -v" compose 120 --profile analyze down -v
	nothing_left
	say "the four-pod test holds"
}

main
