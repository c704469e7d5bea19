# The pinned C libraries, unpacked into build/deps/<name>, where cmake/deps.cmake looks first.
#
# They come from the source packages of Debian trixie, by whatever mirror this machine's apt already uses, through apt
# itself (so its proxies, signatures and hashes apply), without touching the system's package lists. If that does not
# work, CMake downloads the upstream releases instead. Either way the SHA-256 must match.

# name | Debian source package | file | SHA-256
# The zstd and yyjson files are Debian's repacked originals (documentation and non-free parts left out; the library
# sources are unchanged); the xxHash and Snowball files are upstream's tag archives themselves, the stop words' file is CPAN's. The Unicode database
# is for the generator of src/text/unicode_tables.c and its tests alone: CMake does without.
PINNED_SOURCES='
zstd   libzstd libzstd_1.5.7+dfsg.orig.tar.xz 0c092ef267edce57ba7f3f2645c861f72eaf5e76273c6c3632869423464b90a5
xxhash xxhash  xxhash_0.8.3.orig.tar.gz       aae608dfe8213dfd05d909a57718ef82f30722c392344583d3f39050c7f29a80
yyjson yyjson  yyjson_0.10.0+ds.orig.tar.xz   ae6fde69a193e10afab426ef13f113d6903446405f9db9ee98bfb572bd6c961a
snowball  snowball                snowball_2.2.0.orig.tar.gz                 425cdb5fba13a01db59a1713780f0662e984204f402d3dae1525bda9e6d30f1a
stopwords liblingua-stopwords-perl liblingua-stopwords-perl_0.12.orig.tar.gz 398d56ed4210a915180bb211e77beb1cfad695f714722452345b426475a535c3
unicode   unicode-data            unicode-data_15.1.0.orig.tar.xz            67dc72f591397d8b1094b75cec4b56bee1262d2623ac3cf90f23f9581c025367
'

# The Debian mirror in use: the archive behind the installed base system.
debian_mirror() {
  apt-cache policy 2>/dev/null |
    awk '/ [a-z]+:\/\/[^ ]+ [a-z-]+\/main / && $2 !~ /security/ && $2 ~ /\/debian\/?$/ && !found++ { print $2 }'
}

# apt_aside ARGS...: apt-get with lists, sources and cache of its own under build/apt.
apt_aside() {
  local aside=$BUILD/apt
  apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$aside/parts" \
    -o Dir::State::Lists="$aside/lists" -o Dir::Cache="$aside/cache" -o APT::Sandbox::User= \
    -o APT::Get::List-Cleanup=false "$@"
}

prepare_apt_aside() {
  local mirror
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || return 1
  mkdir -p "$BUILD"/apt/{parts,lists/partial,cache/archives/partial}
  printf 'Types: deb-src\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: %s\n' \
    "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg >"$BUILD/apt/parts/trixie.sources"
  apt_aside update
}

# fetch_source NAME PACKAGE FILE SHA256: one tarball, checked, unpacked, moved into place last.
fetch_source() {
  local name=$1 package=$2 file=$3 sum=$4 folder=$BUILD/deps/$1 archive=$BUILD/apt/$3 uri
  if ! sha256sum --quiet -c - <<<"$sum  $archive" >/dev/null 2>&1; then
    compgen -G "$BUILD/apt/lists/*Sources*" >/dev/null || prepare_apt_aside || return 1
    uri=$(apt_aside source --download-only --print-uris "$package" 2>/dev/null |
      awk -v file="$file" '$2 == file { gsub(/\x27/, "", $1); print $1 }')
    [ -n "$uri" ] || return 1
    rm -f "$archive"
    /usr/lib/apt/apt-helper -o APT::Sandbox::User= download-file "$uri" "$archive" "SHA256:$sum" >/dev/null || return 1
    sha256sum --quiet -c - <<<"$sum  $archive" || return 1
  fi
  rm -rf "$folder" "$folder.new"
  mkdir -p "$folder.new"
  tar -xf "$archive" -C "$folder.new" --strip-components=1
  printf '%s\n' "$sum" >"$folder.new/.pinned-sha256"
  mv "$folder.new" "$folder"
}

need_deps() {
  local name package file sum
  mkdir -p "$BUILD/deps" "$BUILD/apt"
  while read -r name package file sum; do
    [ -n "$name" ] || continue
    [ "$(cat "$BUILD/deps/$name/.pinned-sha256" 2>/dev/null)" != "$sum" ] || continue
    say "unpacking $name from Debian's source package"
    fetch_source "$name" "$package" "$file" "$sum" ||
      say "no source package of $name from Debian; CMake will download the upstream release"
  done <<<"$PINNED_SOURCES"
}
