#!/bin/sh
# Debian's package descriptions for text_bench: one a line, name and text, into the folder given (build/bench/data/debian). Uses package lists of its own.
set -eu
dir=$(mkdir -p "$1" && cd "$1" && pwd)
out=$dir/descriptions.txt
[ -s "$out" ] && exit 0
mkdir -p "$dir/lists/partial" "$dir/cache"
apt-get -qq -o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o Acquire::Languages=en -o APT::Sandbox::User=root update
files=$(ls "$dir"/lists/*Translation-en* 2>/dev/null || true)
[ -n "$files" ] || { echo "there are no English descriptions among the package lists" >&2; exit 1; }
for f in $files; do /usr/lib/apt/apt-helper cat-file "$f"; done | awk '
    function put() { if (name != "" && !(name in seen)) { print name " " text; seen[name] = 1 } name = text = "" }
    /^$/ { put(); next }
    /^Package: / { name = substr($0, 10); next }
    /^Description-en: / { text = substr($0, 17); next }
    /^ \.$/ { next }
    /^ / { text = text $0 }
    END { put() }' > "$out.new"
mv "$out.new" "$out"
rm -rf "$dir/lists" "$dir/cache"
