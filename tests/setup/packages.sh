#!/bin/sh
# Installs the Debian packages that the tests and the demo run: Slurm, munge,
# docker-registry, a Python that can make virtual environments, strace, and what compiles a plugin for Slurm.
# Starts no service, and leaves none enabled that it installed.
set -eu

packages="slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge docker-registry python3-venv strace gcc libc6-dev libslurm-dev openssl"
units="slurmctld slurmd munge docker-registry"

missing=
for package in $packages; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
    [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

by_hand() {
    echo "packages: $1" >&2
    echo "packages: have an administrator run: apt-get install --no-install-recommends$missing" >&2
    exit 3
}

command -v apt-get >/dev/null 2>&1 || by_hand "these Debian packages are missing, and there is no apt-get:$missing"
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || by_hand "installing$missing needs root, and there is no sudo"
    echo "packages: installing$missing (sudo may ask for your password)"
    sudo -- sh "$0" || by_hand "sudo did not install$missing"
    exit 0
fi

# The way a Debian system keeps an installation from starting services.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "packages: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# A third party's source that fails to update need not stop us: the installation tells.
apt-get update -qq || echo "packages: apt-get update failed, trying with the lists at hand" >&2
# shellcheck disable=SC2086  # a list of words
apt-get install -qq -y --no-install-recommends $missing >/dev/null

if command -v systemctl >/dev/null 2>&1; then
    for unit in $units; do
        case " $missing " in
        *" $unit "*) systemctl --quiet disable "$unit" || echo "packages: could not disable $unit" >&2 ;;
        esac
    done
fi
