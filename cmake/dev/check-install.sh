#!/usr/bin/env bash
# check-install.sh PREFIX: compiles a program against the installed headers and libraries, by pkg-config alone, and
# checks that the shared library exports nothing but omen_*.
set -euo pipefail
prefix=$1
config=$(find "$prefix" -name omendb.pc)
lib=$(dirname "$(dirname "$config")")
export PKG_CONFIG_PATH=$lib/pkgconfig
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/main.c" <<'C'
#include <omendb.h>
int main(void) {
    omen_options *none = 0;
    (void)none;
    return OMEN_OK;
}
C
read -ra cflags < <(pkg-config --cflags omendb)
read -ra shared < <(pkg-config --libs omendb)
read -ra archive < <(pkg-config --libs --static omendb)
gcc -std=c11 -Wall -Werror "${cflags[@]}" "$work/main.c" "${shared[@]}" -o "$work/shared"
LD_LIBRARY_PATH=$lib "$work/shared"
gcc -std=c11 -Wall -Werror "${cflags[@]}" "$work/main.c" -static "${archive[@]}" -o "$work/static"
"$work/static"
g++ -x c++ -std=c++17 -Wall -Werror -fsyntax-only "${cflags[@]}" "$work/main.c"
foreign=$(nm -D --defined-only "$lib/libomendb.so" | awk '$2 ~ /[TDBR]/ && $3 !~ /^omen_/ { print $3 }')
if [ -n "$foreign" ]; then echo "the shared library exports more than omen_*: $foreign"; exit 1; fi
[ ! -x "$prefix/bin/omendb" ] || "$prefix/bin/omendb" --version
