# shellcheck shell=bash
# Sourced by ./dvis, ./run, ./install and ./test: finds what they need, installs only what is missing, and reports it.
# Downloaded files live in .dvis/ (ignored by git); Debian packages go where Debian puts them.

me=${0##*/}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools=$root/.dvis/tools
export PATH="$PATH:/usr/sbin:$tools/usr/bin"   # mosquitto lies in sbin
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1
export MSBUILDDISABLENODEREUSE=1               # nothing of the build outlives it
if [[ ! -w ${HOME:-} ]]; then                  # a service account without a home
  export DOTNET_CLI_HOME=$root/.dvis/dotnet NUGET_PACKAGES=$root/.dvis/nuget
fi

say() { printf '%s: %s\n' "$me" "$*" || true; }   # a full or closed output ends nothing
fail() { printf '%s: %s\n' "$me" "$*" >&2; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }
has_library() { ldconfig -p 2>/dev/null | grep -q "$1" || compgen -G "/usr/lib/*/$1" >/dev/null || [[ -e /usr/local/lib/$1 ]]; }

# step WHAT COMMAND...: runs COMMAND with a dot per second, then prints the seconds it took. Its output goes to
# .dvis/step.log; when it fails, the last lines are printed.
step() {
  local started=$SECONDS log=$root/.dvis/step.log code=0 dots
  printf '%s: %s ' "$me" "$1" || true
  shift
  (while sleep 1 && kill -0 $$ 2>/dev/null; do printf . || true; done) &
  dots=$!
  "$@" >"$log" 2>&1 </dev/null || code=$?
  kill "$dots" 2>/dev/null || true
  wait "$dots" 2>/dev/null || true
  printf ' %s s\n' $((SECONDS - started)) || true
  ((code == 0)) || tail -n 40 "$log" >&2
  return $code
}

# as_root COMMAND...: as root, or by sudo, which asks for a password only where there is a terminal.
as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"
  elif has sudo && { : </dev/tty; } 2>/dev/null; then sudo "$@"
  elif has sudo; then sudo -n "$@"
  else return 1
  fi
}

# install_debian PACKAGE...: these packages and what they depend on.
install_debian() {
  (($#)) || return 0
  has apt-get || fail "these Debian packages, or what they hold, are missing: $*"
  local service=no
  [[ " $* " == *" mosquitto "* && -d /run/systemd/system ]] && service=yes
  step "installing Debian packages: $*" apt_install "$@" ||
    fail "could not install them; as root:  apt-get update && apt-get install -y --no-install-recommends $*"
  # The package starts a broker of its own, which ./run does not use.
  if [[ $service == yes ]]; then as_root systemctl disable --now mosquitto >/dev/null 2>&1 || true; fi
}
apt_install() {
  local install=(apt-get install -y -q --no-install-recommends "$@")
  as_root "${install[@]}" || { as_root apt-get update -q && as_root "${install[@]}"; }
}

need_sdk() {
  (cd "$root" && dotnet --version) >/dev/null 2>&1 ||
    fail 'the .NET SDK 10 is missing: https://dotnet.microsoft.com/download/dotnet/10.0'
}

# need_runtime: programs that the service needs.
need_runtime() {
  local missing=()
  need_sdk
  has ffmpeg || missing+=(ffmpeg)
  has mosquitto || missing+=(mosquitto)
  has mosquitto_sub || missing+=(mosquitto-clients)
  install_debian "${missing[@]}"
}

# need_for_tests: programs for tests only. promtool is taken out of its package: installing that would start a Prometheus.
need_for_tests() {
  if ! has promtool && has apt-get; then
    step 'fetching promtool' fetch_promtool || say "promtool could not be fetched: the tests that need it are skipped"
  fi
  # OpenCV's native library is linked with them; without them the tests of OpenCV are skipped.
  if has apt-get; then
    local missing=()
    has_library libgtk-3.so.0 || missing+=(libgtk-3-0)
    has_library libatomic.so.1 || missing+=(libatomic1)
    (install_debian "${missing[@]}") || say "the tests of OpenCV are skipped"
    has chromium || (install_debian chromium) || say "the tests of the live page in a browser are skipped"
  fi
  # The RTSP server for tests is GStreamer's, driven from Python; it is beside the working tree, if at all.
  if [[ -f $root/../shared/tools/rtsp_server.py ]] && ! /usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null; then
    install_debian python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad}
  fi
}

fetch_promtool() (
  mkdir -p "$tools" && cd "$tools" || exit
  trap 'rm -f prometheus_*.deb' EXIT
  apt-get download -q prometheus || { as_root apt-get update -q && apt-get download -q prometheus; } || exit
  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool
)

# build PROJECT CONFIGURATION: warnings are errors in every project.
build() {
  local size=250
  [[ $1 != Pipeline.Tests ]] || size=465   # Playwright, which drives the browser of the tests
  [[ -d $root/artifacts/obj ]] || say "the first build downloads $size MB of packages"
  step "restoring the packages of $1" in_root dotnet restore "$1" -v quiet ||
    fail "the packages of $1 cannot be restored."
  step "building $1" in_root dotnet build "$1" -c "$2" --no-restore -v quiet -clp:NoSummary -nologo ||
    fail "$1 does not build."
}
in_root() (cd "$root" && "$@")

# build_program: builds $program when a source has changed since the last build.
program=$root/artifacts/bin/Dvis.Streaming.Hosting/release/dvis.dll
build_program() {
  local built=${program%/*}/.built   # as old as the start of the last build
  local sources=("$root"/{Evaluation,Hosting,Pipeline,Sinks,Sources,Sources.OpenCv,*.props,global.json})
  # A folder is newer when a file was added or removed.
  if [[ -f $program && -f $built && -z $(find "${sources[@]}" -newer "$built" -print -quit) ]]; then return; fi
  need_runtime
  touch "$root/.dvis/building"
  build Hosting Release
  mv "$root/.dvis/building" "$built"
}

# listens PORT: true when a program listens there on 127.0.0.1.
listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port PORT: this one, or the next on which no program listens.
free_port() {
  local port=$1
  while listens "$port"; do port=$((port + 1)); done
  printf '%s\n' "$port"
}

mkdir -p "$root/.dvis"
