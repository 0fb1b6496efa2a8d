#!/bin/sh
# Installs the Debian packages that pgherd runs, if they are missing; with `test`, also those that only its tests need.
# No service of this machine is started, stopped, enabled or changed by it: pgherd runs the programs itself.
set -eu

packages='etcd-server etcd-client patroni python3-etcd postgresql-15 haproxy'
modules=
programs='etcd etcdctl patroni haproxy psql /usr/lib/postgresql/15/bin/postgres'
if [ "${1-}" = test ]; then
  packages="$packages docker.io docker-registry debootstrap iptables iproute2"
  packages="$packages prometheus prometheus-postgres-exporter ruby systemd dbus curl"
  programs="$programs dockerd docker-proxy docker-registry debootstrap iptables ip"
  programs="$programs prometheus promtool prometheus-postgres-exporter ruby systemd-analyze systemd-notify dbus-daemon curl"
  packages="$packages python3-etcd3 python3-etcd3gw"
  modules='etcd3 etcd3gw'
fi

missing_programs() {
  for program in $programs; do
    # haproxy is in /usr/sbin, which is not in the PATH of users.
    PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || printf '%s ' "$program"
  done
  for module in $modules; do
    [ -e "/usr/lib/python3/dist-packages/$module" ] || printf 'python3-%s ' "$module"
  done
}

installed() {
  dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort
}

missing=$(missing_programs)
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "pgherd needs these programs, which are missing here: $missing" >&2
  echo "Install them as your system does it; on Debian 12 they are in the packages: $packages" >&2
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null; then
    echo "Installing $packages (with sudo)"
    exec sudo -- "$0" "$@"
  fi
  echo "Missing are $missing. Run as root: apt-get install $packages, or $0" >&2
  exit 1
fi

# Both files are only there while we install, and only if nobody else put them there.
policy=/usr/sbin/policy-rc.d
no_cluster=/etc/postgresql-common/createcluster.d/pgherd.conf
work=$(mktemp -d)
own_policy=
cleanup() {
  [ -z "$own_policy" ] || rm -f "$policy"
  rm -rf "$no_cluster" "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ ! -e "$policy" ]; then
  own_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
mkdir -p "$(dirname "$no_cluster")"
echo 'create_main_cluster = false' >"$no_cluster"

echo "Installing $packages: about 100 MB"
installed >"$work/before"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of words
if ! {
  apt-get update && apt-get install --yes --no-install-recommends --no-upgrade $packages
} >"$work/log" 2>&1 </dev/null; then
  cat "$work/log" >&2
  exit 1
fi

# Debian enables the services of new packages for the next boot.
installed >"$work/after"
for package in $(comm -13 "$work/before" "$work/after"); do
  for unit in $(dpkg-query --listfiles "$package" | sed -n 's#^.*/systemd/system/\([^/@]*\.\(service\|socket\|timer\)\)$#\1#p'); do
    if command -v systemctl >/dev/null; then
      systemctl --quiet disable "$unit" >/dev/null 2>&1 || true
    elif [ -e "/etc/init.d/${unit%.service}" ]; then
      update-rc.d "${unit%.service}" disable || true
    fi
  done
done

still=$(missing_programs)
if [ -n "$still" ]; then
  echo "Installed $packages, but $still cannot be found: is this Debian 12?" >&2
  exit 1
fi
