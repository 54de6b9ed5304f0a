#!/usr/bin/env bash
# deploy/check-dockerfile.sh [--keep]: builds the Dockerfile and runs the image on a machine without container engine and image
# registry; as root, with the Debian packages buildah, debootstrap, mosquitto and mosquitto-clients.
#
# Simulated are the base images, each under its real name: Debian bookworm by debootstrap, with the .NET SDK or runtime and the
# certificate authorities of this machine. (The real .NET images are Ubuntu noble, with the same names for the packages
# installed here.) Real are every step of the Dockerfile, the packages, the user, the entry point and the health check. The
# target gpu is not built. Needs about 6 GB in TMPDIR while it runs; all of it is removed at the end (--keep: it stays).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[[ $EUID -eq 0 ]] || { echo "check-dockerfile: needs root" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/dvis-image.XXXXXX")
say() { printf 'check-dockerfile: %s\n' "$*"; }

broker=''
finish() {
  [[ -z $broker ]] || kill "$broker" 2>/dev/null || true
  [[ ${1:-} == --keep ]] && { say "kept: $work"; return; }
  b rm --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
b() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
trap 'finish "$@"' EXIT

dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
authorities=/etc/ssl/certs/ca-certificates.crt

say 'Debian bookworm by debootstrap'
debootstrap --variant=minbase --include=ca-certificates,libicu72,libssl3,libstdc++6,zlib1g bookworm "$work/base" >"$work/debootstrap.log" 2>&1 ||
  { tail -n 5 "$work/debootstrap.log" >&2; exit 1; }
rm -rf "$work/base/var/cache/apt/archives/"*.deb
cp "$authorities" "$work/base$authorities"

# base_image NAME SETUP: a container of the bare Debian, changed by SETUP, committed under NAME.
base_image() {
  local name=$1 container mount
  shift
  say "base image $name"
  container=$(b from scratch)
  mount=$(b mount "$container")
  cp -a "$work/base/." "$mount/"
  "$@" "$container" "$mount"
  b commit -q --rm "$container" "$name" >/dev/null
}
sdk_image() {
  cp -a "$dotnet" "$2/usr/share/dotnet"
  ln -s ../share/dotnet/dotnet "$2/usr/bin/dotnet"
  b config --env DOTNET_CLI_TELEMETRY_OPTOUT=1 --env "NUGET_CERT_REVOCATION_MODE=${NUGET_CERT_REVOCATION_MODE:-online}" "$1"
}
aspnet_image() {
  mkdir -p "$2/usr/share/dotnet/shared"
  cp -a "$dotnet/dotnet" "$dotnet/host" "$2/usr/share/dotnet/"
  cp -a "$dotnet/shared/Microsoft.NETCore.App" "$dotnet/shared/Microsoft.AspNetCore.App" "$2/usr/share/dotnet/shared/"
  ln -s ../share/dotnet/dotnet "$2/usr/bin/dotnet"
  chroot "$2" useradd --uid 1654 --user-group --create-home app
  b config --env APP_UID=1654 --env ASPNETCORE_HTTP_PORTS=8080 --env DOTNET_RUNNING_IN_CONTAINER=true "$1"
}
base_image mcr.microsoft.com/dotnet/sdk:10.0-noble sdk_image
base_image mcr.microsoft.com/dotnet/aspnet:10.0-noble aspnet_image
rm -rf "$work/base"

say 'building the Dockerfile'
b build --isolation chroot --pull-never --format docker --target service -t dvis-streaming "$root"

say 'the image'
b inspect --type image --format '{{.Docker.Config.User}} {{.Docker.Config.Entrypoint}} {{.Docker.Config.Cmd}} {{.Docker.Config.StopSignal}} {{.Docker.Config.Healthcheck}}' dvis-streaming
container=$(b from --pull-never dvis-streaming)
in_image() { b run --isolation chroot --env "DVIS_MQTT_PORT=$port" --env "DVIS__HTTP__BIND=127.0.0.1:$((port + 1))" "$container" -- "$@"; }
port=28830
[[ $(in_image id -u) == 1654 ]] || { say 'runs as root'; exit 1; }
in_image test -w /var/lib/dvis || { say 'the state folder is not writable'; exit 1; }
in_image dotnet /app/dvis.dll --version
in_image dotnet /app/dvis.dll validate -c /etc/dvis/config.yaml

say 'the service in it, with a broker outside'
mosquitto -c <(printf '%s\n' "listener $port 127.0.0.1" 'allow_anonymous true' 'persistence false') >"$work/mosquitto.log" 2>&1 &
broker=$!
until (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
mosquitto_sub -p $port -t 'dvis/v1/#' -F '%t' -W 40 >"$work/topics" &
subscriber=$!
(sleep 15 && in_image /app/container-health) &
health=$!
in_image dotnet /app/dvis.dll run -c /etc/dvis/config.yaml --seconds 20
wait $health || { say 'the health check failed while it ran'; exit 1; }
if in_image /app/container-health 2>/dev/null; then say 'the health check passes with nothing running'; exit 1; fi
kill $subscriber
say 'messages by topic:'
sort "$work/topics" | uniq -c
grep -q '/tracks/final$' "$work/topics"
say 'all is well'
