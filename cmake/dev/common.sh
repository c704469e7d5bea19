# Shared by ./dev and its parts: where things lie, how to speak, how to fail.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$ROOT/build
JOBS=${OMEN_JOBS:-$(nproc)}
export npm_config_ignore_scripts=true npm_config_fund=false npm_config_audit=false npm_config_update_notifier=false

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf 'dev: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: packages need root; say so plainly when there is no way to become it.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else fail "needs root to run '$*'; run it yourself, or install sudo"
  fi
}
