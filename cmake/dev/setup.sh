# Set-up: Debian packages, Node, npm folders, pinned sources. Everything is idempotent, and quick when nothing is missing.

# packages_of GROUP...: the names listed for these groups in cmake/debian-packages.txt.
packages_of() {
  awk -v groups=" $* " '
    /^#/ || NF == 0 { next }
    /^\[/ { gsub(/[][]/, ""); wanted = index(groups, " " $0 " ") > 0; next }
    wanted { print $1 }' "$ROOT/cmake/debian-packages.txt"
}

# need GROUP...: installs what is missing of these groups.
need() {
  have dpkg-query || { say "not Debian: please provide the packages of [$*] in cmake/debian-packages.txt"; return 0; }
  local missing=() package
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | awk '$1 == "installed" { print $2 }')
  for package in $(packages_of "$@"); do
    grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing Debian packages for $*: ${missing[*]}"
  as_root apt-get -qq update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
}

# Node 20 or later. Debian 12 ships 18; the npm registry carries the official binary as a package, so what is too old
# for us can still fetch what we need.
need_node() {
  local tools=$BUILD/tools/node
  [ ! -x "$tools/bin/node" ] || export PATH=$tools/bin:$PATH
  if have node && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] && have npm; then return 0; fi
  if ! have npm; then
    say "installing Debian's npm"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nodejs npm >/dev/null
  fi
  if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    local arch
    case $(uname -m) in
      x86_64) arch=x64 ;;
      aarch64) arch=arm64 ;;
      *) fail "no Node 20 for $(uname -m) in the registry; install Node 20 or later yourself" ;;
    esac
    say "fetching Node 20 (package node-linux-$arch of the npm registry)"
    mkdir -p "$tools/bin"
    npm install --silent --no-save --prefix "$tools" "node-linux-$arch@20" npm@10 >/dev/null
    ln -sf "../node_modules/node-linux-$arch/bin/node" "$tools/bin/node"
    ln -sf ../node_modules/npm/bin/npm-cli.js "$tools/bin/npm"
    ln -sf ../node_modules/npm/bin/npx-cli.js "$tools/bin/npx"
    export PATH=$tools/bin:$PATH
    hash -r
  fi
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 20 ] || fail "Node 20 or later is needed, got $(node --version)"
}

# npm_ci FOLDER...: `npm ci`, unless node_modules was made from this very lock file.
npm_ci() {
  local folder sum
  for folder in "$@"; do
    [ -f "$folder/package-lock.json" ] || continue
    sum=$(sha256sum <"$folder/package-lock.json")
    [ "$(cat "$folder/node_modules/.omen-lock-sum" 2>/dev/null)" != "$sum" ] || continue
    say "npm ci in ${folder#"$ROOT"/}"
    (cd "$folder" && npm ci --no-fund --no-audit --loglevel=error >&2)
    mkdir -p "$folder/node_modules"
    printf '%s\n' "$sum" >"$folder/node_modules/.omen-lock-sum"
  done
}

# Every folder of ours with a lock file.
npm_folders() {
  find "$ROOT" \( -name node_modules -o -name build -o -name .git -o -name dist \) -prune -o \
    -name package-lock.json -printf '%h\n' | sort
}

# What the build itself needs of npm: wasm-opt.
need_tools() {
  need_node
  npm_ci "$ROOT/cmake/tools"
}

# The package, the demo's model, the build's tools; not what tests and benchmarks need.
need_npm_for_demo() {
  need_node
  npm_ci "$ROOT/cmake/tools" "$ROOT/js" "$ROOT/examples/demo"
}

need_npm() {
  need_node
  local folders
  mapfile -t folders < <(npm_folders)
  npm_ci "${folders[@]}"
}
