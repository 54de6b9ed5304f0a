#!/usr/bin/env bash
# Two RTSP cameras for SECONDS (600); their server is killed and restarted twice on the way. A subscriber records every message, and
# the transcript is checked against the contract. usage: Benchmarks/rtsp-outage.sh [SECONDS] [CLIP1 CLIP2]
# Needs ../shared (server and clips), mosquitto, mosquitto-clients and GStreamer's RTSP server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-600}
clips=("${2:-../shared/data/videos/car_traffic_small.mp4}" "${3:-../shared/data/videos/intel_car-detection.mp4}")
at=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap stop EXIT
free_port() { /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
rtsp=$(free_port) mqtt=$(free_port)

serve() {
  /usr/bin/python3 ../shared/tools/rtsp_server.py --port "$rtsp" "${clips[@]}" >"$at/rtsp.log" 2>&1 &
  server=$!
  pids+=("$server")
}
outage() { # kills the server after $1 seconds and brings it back $2 seconds later
  sleep "$1"
  echo "[$(date +%T)] RTSP server killed"
  kill -9 "$server"
  wait "$server" 2>/dev/null || true
  sleep "$2"
  serve
  echo "[$(date +%T)] RTSP server back"
}

cat >"$at/mosquitto.conf" <<END
listener $mqtt 127.0.0.1
allow_anonymous true
END
mosquitto -c "$at/mosquitto.conf" >"$at/mosquitto.log" 2>&1 &
pids+=($!)
serve
sleep 1
mosquitto_sub -p "$mqtt" -v -q 1 -t 'dvis/v1/outage/#' >"$at/transcript.txt" &
pids+=($!)

cat >"$at/config.yaml" <<END
version: 1
node: { id: outage }
model: { path: $PWD/Models/default }
defaults: { rtsp: { stall_timeout: 5s, backoff: { initial: 1s, max: 5s } } }
cameras:
  one: { url: "rtsp://127.0.0.1:$rtsp/cam1" }
  two: { url: "rtsp://127.0.0.1:$rtsp/cam2" }
mqtt: { servers: ["mqtt://127.0.0.1:$mqtt"] }
http: { bind: "127.0.0.1:0" }
END
dotnet build -c Release Benchmarks -v q --nologo >/dev/null
dotnet artifacts/bin/Dvis.Streaming.Hosting/release/dvis.dll run -c "$at/config.yaml" --seconds "$seconds" >"$at/dvis.log" 2>&1 &
dvis=$!
pids+=("$dvis")
outage $((seconds / 4)) 10
outage $((seconds / 4)) 10
code=0
wait "$dvis" || code=$?
tail -25 "$at/dvis.log"
sleep 1
echo "dvis exit code $code; transcript, $(wc -l <"$at/transcript.txt") lines in $at:"
dotnet artifacts/bin/Dvis.Streaming.Benchmarks/release/Dvis.Streaming.Benchmarks.dll transcript "$at/transcript.txt"
exit "$code"
