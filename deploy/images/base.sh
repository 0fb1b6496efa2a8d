#!/bin/sh
# Makes a base for the images where none can be pulled: the smallest Debian 12, from the mirror that apt uses here.
#
#   deploy/images/base.sh base.tar              FROM this: docker import base.tar pgherd-base
#   deploy/images/base.sh base.tar node.tar     and with this machine's Node and npm: docker import node.tar pgherd-node
#   make images BASE=pgherd-base NODE=pgherd-node
#
# Needs root and debootstrap.
set -eu

out=${1:?usage: base.sh BASE.tar [NODE.tar]}
node_out=${2-}
suite=bookworm
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  sed -n "s# $suite main\$##p" | head -n 1)
[ -n "$mirror" ] || { echo "apt of this machine knows no mirror of Debian $suite" >&2; exit 1; }

work=$(mktemp -d /var/tmp/pgherd-base.XXXXXX)
# Nothing below it is mounted when debootstrap ends in order; when it does not, nothing may be deleted through a mount.
cleanup() {
  for at in $(awk -v dir="$work/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | sort -r); do umount "$at"; done
  rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
cd "$work/root"
rm -rf usr/share/doc/* usr/share/man/* usr/share/locale/* usr/share/info/* var/cache/apt/* var/lib/apt/lists/* var/log/*
tar --numeric-owner -cf "$work/base.tar" .
if [ -n "$node_out" ]; then
  mkdir -p usr/local/bin usr/local/lib/node_modules etc/ssl/certs
  cp "$(node -p process.execPath)" usr/local/bin/node
  cp -R "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" usr/local/lib/node_modules/npm
  ln -sf ../lib/node_modules/npm/bin/npm-cli.js usr/local/bin/npm
  # Who builds behind an inspecting proxy has its certificate here.
  [ ! -e /etc/ssl/certs/ca-certificates.crt ] || cp -L /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
  tar --numeric-owner -cf "$work/node.tar" .
fi
cd /
mv "$work/base.tar" "$out"
[ -z "$node_out" ] || mv "$work/node.tar" "$node_out"
