#!/usr/bin/env bash
# Makes a Debian machine ready for hopscope's own tests and demo. Run as root.
# Everything is idempotent: what is there already is left alone.
set -euo pipefail

readonly STATE=/run/hopscope
readonly HOLDERS=$STATE/holders          # one empty file for each user of the engine
readonly PIDFILE=$STATE/dockerd.pid      # exists only for an engine that we started
readonly SOCKET=/var/run/docker.sock

readonly TOOLS=(clang-19 llvm-19 clang-format-19 libbpf-dev)
readonly ENGINE=(docker.io iptables nftables iproute2 busybox-static ethtool
                 tcpdump procps kmod tmux ca-certificates
                 bash-completion zsh fish man-db groff-base)
readonly MATRIX=(qemu-system-x86 nftables xz-utils debian-archive-keyring)
readonly BROWSER=(chromium fonts-dejavu-core)

usage() {
	cat >&2 <<-'TEXT'
	usage: setup.sh COMMAND
	  tools                 install what regenerating and checking bpf/ needs
	  engine                install what the tests need, a Docker engine included
	  browser               install what the test of the HTML flame drives
	  matrix                install what booting other kernels in an emulator needs
	  engine-start [PID]    start dockerd unless an engine answers; PID keeps it alive
	  engine-stop  [PID]    give it up; the last one stops what engine-start started
	  engine-status         say whether an engine answers, and whose it is
	TEXT
	exit 2
}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=scripts/engine.sh
. "$here/engine.sh"

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing PACKAGE...: installs those that are not there.
install_missing() {
	local missing=() package
	for package in "$@"; do
		is_installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "this is no Debian machine; install these yourself: ${missing[*]}"

	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	local apt=(apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
	"${apt[@]}" update >&2
	without_service_start "${apt[@]}" install --no-install-recommends "${missing[@]}" >&2
}

# Where no init system runs, a package's own start of its daemon would leave one
# behind that nobody stops; policy-rc.d is Debian's switch against that.
without_service_start() {
	local policy=/usr/sbin/policy-rc.d
	if [ -d /run/systemd/system ] || [ -e "$policy" ]; then
		"$@"
		return
	fi
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
	local rc=0
	"$@" || rc=$?
	rm -f "$policy"
	return "$rc"
}

# know_sources: apt tells what its sources are called once it has their lists.
know_sources() {
	apt-get indextargets --format '$(LABEL)' | grep -q . || apt-get -q update >&2
}

[ $# -ge 1 ] && [ $# -le 2 ] || usage
[ "$(id -u)" = 0 ] || die "must be run as root: sudo $0 $*"
case $1 in
tools) install_missing "${TOOLS[@]}" ;;
engine) install_missing "${ENGINE[@]}" ;;
browser) install_missing "${BROWSER[@]}" ;;
matrix)
	install_missing "${MATRIX[@]}"
	know_sources
	;;
engine-start) engine_start "${2:-manual}" ;;
engine-stop) engine_stop "${2:-manual}" ;;
engine-status) engine_status ;;
*) usage ;;
esac
