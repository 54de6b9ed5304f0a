# shellcheck shell=bash
# Sourced by ./dvis, ./run and ./test: finds what they need, installs what is missing and only that, and says so.
# Downloaded things live in .dvis/ (ignored by git); Debian packages go where Debian puts them.

me=${0##*/}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.dvis/tools
export PATH="$PATH:/usr/sbin:$tools/usr/bin"   # mosquitto lies in sbin
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
export MSBUILDDISABLENODEREUSE=1               # nothing of the build outlives it
if [[ ! -w ${HOME:-} ]]; then                  # a service account without a home
  export DOTNET_CLI_HOME=$root/.dvis/dotnet NUGET_PACKAGES=$root/.dvis/nuget
fi

say() { printf '%s: %s\n' "$me" "$*"; }
fail() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || compgen -G "/usr/lib/*/$1" >/dev/null || [[ -e /usr/local/lib/$1 ]]; }

# as_root COMMAND...: as root, by sudo, or not at all.
as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"
  elif has sudo && [[ -t 0 ]]; then sudo "$@"
  elif has sudo; then sudo -n "$@"
  else return 1
  fi
}

# install_debian PACKAGE...: these packages and what they cannot do without.
install_debian() {
  (($#)) || return 0
  has apt-get || fail "these Debian packages, or what they hold, are missing: $*"
  say "installing Debian packages: $*"
  local started=no
  [[ " $* " == *" mosquitto "* && -d /run/systemd/system ]] && started=yes
  local install=(apt-get install -y -q --no-install-recommends "$@")
  if ! { as_root "${install[@]}" || { as_root apt-get update -q && as_root "${install[@]}"; }; } >"$root/.dvis/apt.log" 2>&1 </dev/null; then
    tail -n 5 "$root/.dvis/apt.log" >&2
    fail "could not install them; as root:  apt-get update && ${install[*]}"
  fi
  # The package starts a broker of its own. Nobody asked for that one: ./run brings up its own and takes it down again.
  if [[ $started == yes ]]; then as_root systemctl disable --now mosquitto >/dev/null 2>&1 || true; fi
}

# need_runtime: all that the service needs to run.
need_runtime() {
  local missing=()
  (cd "$root" && dotnet --version) >/dev/null 2>&1 ||
    fail 'the .NET SDK 10 is missing: https://dotnet.microsoft.com/download/dotnet/10.0 (all else that is missing is fetched by this script)'
  has ffmpeg || missing+=(ffmpeg)
  has mosquitto || missing+=(mosquitto)
  has mosquitto_sub || missing+=(mosquitto-clients)
  install_debian "${missing[@]}"
}

# need_for_tests: what only tests use. promtool is taken out of its package: installing that would start a Prometheus.
need_for_tests() {
  if ! has promtool && has apt-get; then
    say "fetching promtool"
    mkdir -p "$tools"
    (cd "$tools" && rm -f prometheus_*.deb && { apt-get download -q prometheus || { as_root apt-get update -q && apt-get download -q prometheus; }; } &&
      dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool; rm -f prometheus_*.deb) >"$root/.dvis/apt.log" 2>&1 </dev/null ||
      say "promtool could not be fetched: the tests that need it are skipped"
  fi
  # OpenCV's native library is linked with them; without them the tests of OpenCV are skipped.
  if has apt-get; then
    local missing=()
    has_library libgtk-3.so.0 || missing+=(libgtk-3-0)
    has_library libatomic.so.1 || missing+=(libatomic1)
    (install_debian "${missing[@]}") || say "the tests of OpenCV are skipped"
  fi
  # The RTSP server for tests is GStreamer's, driven from Python; it lies beside the working tree, or is not there.
  if [[ -f $root/../shared/tools/rtsp_server.py ]] && ! /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null; then
    install_debian python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad}
  fi
}

# build PROJECT CONFIGURATION: quiet when all is well; warnings are errors in every project.
build() {
  local log=$root/.dvis/build.log
  (cd "$root" && dotnet build "$1" -c "$2" -v quiet -clp:NoSummary -nologo </dev/null) >"$log" 2>&1 || { cat "$log" >&2; fail "$1 does not build."; }
}

# listens PORT: somebody does, on 127.0.0.1.
listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port PORT: this one, or the next that nobody listens on.
free_port() {
  local port=$1
  while listens "$port"; do port=$((port + 1)); done
  printf '%s\n' "$port"
}

mkdir -p "$root/.dvis"
