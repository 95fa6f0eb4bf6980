#!/usr/bin/env bash
# Makes the pictures of README and docs anew, as the program draws them now:
#
#     docs/images/make.sh            all of them
#     docs/images/make.sh monitor    one: monitor, monitor-arms, why, cards, report-many
#
# It trains what they show where that is not there yet: four minutes on two cores, in `sweeps-out` and `runs`, as `quickstart`
# does. `CHROMIUM` names the browser, by default chromium. Look at each before it is committed.
set -euo pipefail
cd "$(dirname "$0")/../.."
images=$PWD/docs/images
chromium=$(command -v "${CHROMIUM:-chromium}")
scratch=$(mktemp --directory)
trap 'rm -r "$scratch"' EXIT

workbench() { cargo run --quiet --release -- "$@"; }

# An SVG or a page, as large as is said, in dark as the monitor is or in light as a page is.
photograph() { # FILE WIDTHxHEIGHT NAME
  "$chromium" --headless --no-sandbox --hide-scrollbars --window-size="${2/x/,}" --screenshot="$images/$3.png" "file://$1" 2>/dev/null
}

screen() { # DIR NAME [OPTION…]
  workbench monitor "$1" --snapshot --size 160x45 "${@:3}" --do "export $scratch/$2.svg" >/dev/null
  photograph "$scratch/$2.svg" 1296x765 "$2"
}

monitor() {
  [[ -e sweeps-out/quickstart/verdict.json ]] || workbench quickstart
  screen sweeps-out/quickstart monitor
}

# Twenty arms, each trained five times; what is there already is not trained again.
heads() {
  workbench sweep run docs/images/heads.toml --out sweeps-out/heads
}

monitor-arms() {
  heads
  screen sweeps-out/heads monitor-arms
}

why() {
  [[ -e runs/why/seed-1 ]] || workbench quickstart --why
  screen runs/why/seed-1 why
}

cards() {
  workbench report --cards --out "$scratch/cards.html"
  photograph "$scratch/cards.html" 1100x1010 cards
}

report-many() {
  heads
  workbench report sweeps-out/heads --out "$scratch/heads.html"
  photograph "$scratch/heads.html" 1100x1420 report-many
}

[[ $# -gt 0 ]] || set -- monitor monitor-arms why cards report-many
for picture in "$@"; do
  "$picture"
done
