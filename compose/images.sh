#!/usr/bin/env bash
# Makes sure that the images which the Dockerfile and a compose file name exist on this machine.
#
#   compose/images.sh redis       those of the Dockerfile and of compose/redis.yml
#   compose/images.sh --remove    removes the stand-ins again, and nothing else
#
# An image that exists is left alone; one that does not is pulled. Where no registry answers, a stand-in is made under the
# same tag from what the machine has: Debian from the mirror that apt uses, the Go toolchain from the host, servers from
# Debian's packages. Stand-ins carry a label, so that they can be told from the real ones.
# Set BELFRY_STANDINS=1 to make stand-ins without asking a registry first.
# Making them needs root and Debian; it takes about two minutes and 700 MB.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly label=io.belfry.standin
readonly suite=bookworm
readonly pull_seconds=300
work=""

say() { printf 'images: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

clean() { [[ -z $work ]] || rm -rf --one-file-system "$work"; }
trap clean EXIT

exists() { docker image inspect "$1" >/dev/null 2>&1; }

# label_of prints what the image's stand-in label says, nothing for a real image.
label_of() { docker image inspect --format "{{ index .Config.Labels \"$label\" }}" "$1" 2>/dev/null; }

# wanted prints the images that a backend's test names, bases first.
wanted() {
	local file=compose/$1.yml
	[[ -f $file ]] || die "no compose file for backend $1"
	sed -nE 's/^FROM ([^ ]+).*/\1/p' Dockerfile | sort
	# Images with a variable in their name are built, not fetched.
	sed -nE 's/^ +image: ([^$ ]+)( .*)?$/\1/p' "$file" | sort -u
}

# need_tools installs what making a stand-in takes.
need_tools() {
	[[ $(id -u) == 0 ]] || die "making stand-ins needs root"
	command -v apt-get >/dev/null || die "making stand-ins needs Debian or a system made from it"
	if ! command -v debootstrap >/dev/null || [[ ! -f $(ca_bundle) ]]; then
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends debootstrap ca-certificates >/dev/null
	fi
}

# ca_bundle is the host's: a network that signs its own certificates has its authority there, and `go mod download` inside
# a container must trust it as the host does.
ca_bundle() { printf '%s' "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"; }

# mirror prints the address apt has this suite's main packages from, or nothing if apt knows another suite only; then
# debootstrap uses its own default.
mirror() {
	# shellcheck disable=SC2016 # the dollar signs are apt's
	apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v suite=$suite '$1 == suite && $2 == "main" && !found { print $3; found = 1 }'
}

# rootfs makes a minimal Debian in $work/root, once a run.
rootfs() {
	[[ ! -d $work/root ]] || return 0
	say "making a $suite base with debootstrap"
	local log=$work/debootstrap.log
	# shellcheck disable=SC2046 # no mirror is no argument
	debootstrap --variant=minbase "$suite" "$work/root" $(mirror) >"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		die "debootstrap $suite: see above"
	}
	install -D -m 0644 "$(ca_bundle)" "$work/root/etc/ssl/certs/ca-certificates.crt"
}

# import TAG [CHANGE...] makes an image of $work/root without what no container reads.
import() {
	local tag=$1 change changes=()
	shift
	for change in "LABEL $label=debian" "$@"; do changes+=(--change "$change"); done
	tar -C "$work/root" --numeric-owner --one-file-system \
		--exclude='./proc/*' --exclude='./sys/*' --exclude='./dev/*' --exclude='./run/*' --exclude='./tmp/*' \
		--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
		--exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude=./etc/resolv.conf \
		-c . | docker import "${changes[@]}" - "$tag" >/dev/null
}

make_debian() {
	rootfs
	import "$1" 'CMD ["bash"]'
}

# make_golang puts the host's toolchain on a base: the build inside is then by the very compiler that the tests ran with.
make_golang() {
	local base=debian:$suite-slim root
	root=$(go env GOROOT)
	exists "$base" || make_debian "$base"
	docker build -t "$1" -f - "$root" >"$work/golang.log" 2>&1 <<-EOT || {
		FROM $base
		LABEL $label=$(go env GOVERSION)
		COPY . /usr/local/go
		ENV GOPATH=/go GOTOOLCHAIN=local
		ENV PATH=/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		WORKDIR /go
	EOT
		tail -n 20 "$work/golang.log" >&2
		die "docker build $1: see above"
	}
}

# make_redis installs Debian's server into the base by chroot, not in a container, so that only the host needs a way to
# the mirror. Data directory, user and the meaning of the arguments are those of the public image.
make_redis() {
	rootfs
	local root=$work/root
	# Installing a server must not start it.
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod +x "$root/usr/sbin/policy-rc.d"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	DEBIAN_FRONTEND=noninteractive chroot "$root" \
		apt-get install -yqq --no-install-recommends redis-server >"$work/redis.log" 2>&1 || {
		tail -n 20 "$work/redis.log" >&2
		die "redis-server in the stand-in: see above"
	}
	rm "$root/usr/sbin/policy-rc.d"
	install -d -o "$(chroot "$root" id -u redis)" -g "$(chroot "$root" id -g redis)" "$root/data"
	cat >"$root/usr/local/bin/start-redis" <<-'EOT'
		#!/bin/sh
		# Options alone, or a configuration file, are redis-server's; anything else is a command of its own.
		case "${1:-}" in
		'' | -* | *.conf) set -- redis-server "$@" ;;
		esac
		[ "$1" = redis-server ] && [ "$(id -u)" = 0 ] || exec "$@"
		chown -R redis:redis /data
		exec setpriv --reuid=redis --regid=redis --clear-groups "$@"
	EOT
	chmod +x "$root/usr/local/bin/start-redis"
	import "$1" 'VOLUME /data' 'WORKDIR /data' 'ENTRYPOINT ["start-redis"]' 'CMD ["redis-server"]' 'EXPOSE 6379'
}

# stale says whether a stand-in no longer stands for what the host has.
stale() {
	case $1 in
	golang:*)
		local of
		of=$(label_of "$1")
		[[ -n $of && $of != "$(go env GOVERSION)" ]]
		;;
	*) return 1 ;;
	esac
}

standin() {
	need_tools
	[[ -n $work ]] || work=$(mktemp -d)
	say "making a stand-in for $1"
	case $1 in
	debian:*) make_debian "$1" ;;
	golang:*) make_golang "$1" ;;
	redis:*) make_redis "$1" ;;
	*) die "no stand-in is known for $1" ;;
	esac
}

registry=${BELFRY_STANDINS:+no}

ensure() {
	if exists "$1" && ! stale "$1"; then return; fi
	if [[ $registry != no ]]; then
		if timeout "$pull_seconds" docker pull -q "$1" >/dev/null 2>&1; then return; fi
		say "no registry answers for $1"
		registry=no # one refusal is enough; asking for each image could take minutes
	fi
	standin "$1"
}

# remove goes by tag: an image made FROM a stand-in inherits its label, and stays.
remove() {
	local tags
	tags=$(docker images --filter "label=$label" --format '{{ .Repository }}:{{ .Tag }}' | grep -E '^(debian|golang|redis):') || return 0
	xargs docker rmi <<<"$tags" >/dev/null
}

main() {
	[[ $# -ge 1 ]] || die "usage: compose/images.sh BACKEND... | --remove"
	docker version >/dev/null 2>&1 || die "no Docker Engine answers"
	if [[ $1 == --remove ]]; then
		remove
		return
	fi
	local backend image images
	for backend in "$@"; do
		images=$(wanted "$backend")
		for image in $images; do ensure "$image"; done
	done
}

main "$@"
