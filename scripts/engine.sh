# shellcheck shell=bash
# The Docker engine of tests and demo; read by setup.sh, never run by itself.
#
# An engine that answers already is used and never stopped. One that we started
# has its pid in $PIDFILE and lives as long as it has a holder: a process id,
# or "manual" for a start by hand.

# engine_answers: whether GET /_ping on the socket gives 200 within 3 s. perl-base
# is on every Debian; curl and the docker command line need not be.
engine_answers() {
	perl -MIO::Socket::UNIX -e '
		alarm 3;
		my $s = IO::Socket::UNIX->new(Peer => shift) or exit 1;
		print $s "GET /_ping HTTP/1.0\r\n\r\n";
		exit(((<$s> // "") =~ m{^HTTP/1\.\d 200}) ? 0 : 1);
	' "$SOCKET" 2>/dev/null
}

# started_by_us: whether the process in $PIDFILE is a dockerd that still runs.
started_by_us() {
	local pid
	pid=$(cat "$PIDFILE" 2>/dev/null) || return 1
	[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

# with_lock COMMAND...: one start or stop at a time on this machine.
with_lock() {
	mkdir -p "$HOLDERS"
	exec 9>"$STATE/engine.lock"
	flock 9
	"$@"
	exec 9>&-
}

engine_start() { with_lock engine_start_locked "$1"; }
engine_stop() { with_lock engine_stop_locked "$1"; }

engine_start_locked() {
	: >"$HOLDERS/$1"
	if engine_answers; then
		return
	fi
	command -v dockerd >/dev/null || die "dockerd is not installed: run 'setup.sh engine'"

	local log=/var/log/hopscope-dockerd.log
	: >>"$log" 2>/dev/null || log=/tmp/hopscope-dockerd.log
	say "starting dockerd, log in $log"
	run_detached "$log" dockerd --host "unix://$SOCKET" --pidfile "$STATE/docker-own.pid" &
	local pid=$!
	echo "$pid" >"$PIDFILE"
	wait_for_answer "$pid" "$log"
}

# run_detached LOG COMMAND...: in a session of its own, since Ctrl-C at the
# terminal must not take the engine away from under the clean-up of its
# containers; and without any open file of the caller, whose locks would live as
# long as the engine.
run_detached() {
	local log=$1 fd
	shift
	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || eval "exec $fd>&-" 2>/dev/null
	done
	PATH=$(path_with_working_iptables)
	exec setsid "$@" >"$log" 2>&1 </dev/null
}

# wait_for_answer PID LOG: up to 60 s.
wait_for_answer() {
	local deadline=$((SECONDS + 60))
	until engine_answers; do
		if [ ! -d "/proc/$1" ] || [ $SECONDS -ge $deadline ]; then
			tail -n 30 "$2" >&2
			stop_ours
			die "dockerd did not come up; the end of $2 is above"
		fi
		sleep 0.2
	done
	say "dockerd is up"
}

# Some kernels have only the older iptables tables, others only nf_tables. Docker
# runs whatever "iptables" is on PATH; a directory of ours, in front of it, swaps
# the variant for this dockerd alone.
path_with_working_iptables() {
	if iptables -w -t nat -S >/dev/null 2>&1 || ! iptables-legacy -w -t nat -S >/dev/null 2>&1; then
		echo "$PATH"
		return
	fi
	local dir=$STATE/bin name
	mkdir -p "$dir"
	for name in iptables ip6tables; do
		ln -sf "$(command -v "$name-legacy")" "$dir/$name"
	done
	echo "$dir:$PATH"
}

engine_stop_locked() {
	rm -f "$HOLDERS/$1"
	started_by_us || return 0
	if has_holders; then
		[ "$1" != manual ] || say "dockerd stays up for another user"
		return 0
	fi
	stop_ours
	[ "$1" != manual ] || say "dockerd is stopped"
}

# has_holders: forgets the holders that died, says whether one is left.
has_holders() {
	local file pid
	for file in "$HOLDERS"/*; do
		[ -e "$file" ] || continue
		pid=${file##*/}
		if [ "$pid" = manual ] || [ -d "/proc/$pid" ]; then
			return 0
		fi
		rm -f "$file"
	done
	return 1
}

# stop_ours: SIGTERM lets dockerd stop containers and its containerd first.
stop_ours() {
	local pid i
	if started_by_us; then
		pid=$(cat "$PIDFILE")
		kill -TERM "$pid"
		for ((i = 0; i < 300; i++)); do
			[ -d "/proc/$pid" ] || break
			sleep 0.1
		done
		[ ! -d "/proc/$pid" ] || die "dockerd ($pid) does not stop"
	fi
	rm -f "$PIDFILE"
}

engine_status() {
	if ! engine_answers; then
		say "no Docker engine answers on $SOCKET"
		return 1
	fi
	if started_by_us; then
		say "dockerd $(cat "$PIDFILE") answers, started by setup.sh"
	else
		say "a Docker engine that was not started by setup.sh answers"
	fi
}
