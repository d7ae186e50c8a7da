#!/bin/sh
# Build the root file system of the lab's hosts: build_image.sh TARGET PACKAGES SETUP SOURCES
#   TARGET    folder to make; it appears only when the build is complete
#   PACKAGES  comma separated Debian packages
#   SETUP     script that mmdebstrap runs at the end with the root folder as its argument
#   SOURCES   this machine's own apt sources, space separated; empty: mmdebstrap's default
set -eu
target=$1 packages=$2 setup=$3 sources=$4
exec 9>"$target.lock"
flock 9 # two labs may want the same image at once
[ ! -d "$target" ] || exit 0
rm -rf "$target.part"
# shellcheck disable=SC2086 # the sources are several words
mmdebstrap --variant=minbase --include="$packages" --customize-hook="$setup \"\$1\"" \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  bookworm "$target.part" $sources
mv -T "$target.part" "$target"
