#!/bin/sh
# Another Debian release in a folder, with its Slurm: what the tests need to run on Slurm versions that this machine
# hasn't got. Needs root. The machine's own package sources, packages (but for debootstrap) and services stay as they are.
#   chroot.sh make SUITE DIR             debootstrap, Slurm and pytest; nothing where that is done
#   chroot.sh add DIR PACKAGE…           more packages there; nothing where they are installed
#   chroot.sh run DIR PROJECT COMMAND…   runs a command there, in the project's folder, which it may only read
# Mounts and processes are in namespaces of their own: they end with the command, however it ends.
set -eu

packages="slurmctld slurmd slurm-client slurm-wlm-basic-plugins munge python3-pytest"

fail() {
    echo "chroot: $1" >&2
    exit 3
}

[ "$(id -u)" -eq 0 ] || fail "changing the root folder needs root: run this with sudo"

# The mirror that this machine already uses; its lists say which of the sources that is.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        grep -v -e security -e snapshot | head -n 1
}

# The way a Debian system keeps an installation from starting services.
forbid_services() {
    [ ! -e "$1/usr/sbin/policy-rc.d" ] || return 0
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 755 "$1/usr/sbin/policy-rc.d"
}

install_debootstrap() {
    ! command -v debootstrap >/dev/null 2>&1 || return 0
    echo "chroot: installing debootstrap"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends debootstrap >/dev/null ||
        fail "debootstrap was not installed; have an administrator run: apt-get install debootstrap"
}

# enter DIR PROJECT COMMAND…: PROJECT may be empty; of this machine's environment nothing goes along.
enter() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        unshare --mount --pid --fork --kill-child --propagation private sh -eu -c '
        root=$1 project=$2
        shift 2
        mount --bind "$root" "$root" # some programs look for the mount that a folder is on
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        echo "127.0.0.1 localhost $(uname -n)" >"$root/etc/hosts" # slurmctld looks its own host up
        if [ -n "$project" ]; then
            mkdir -p "$root/project"
            mount --bind "$project" "$root/project"
            mount -o remount,bind,ro "$root/project"
        fi
        # Apptainer refuses to work below a mere chroot; where the root can not be exchanged, that is what is left.
        cd "$root"
        if pivot_root . . 2>/dev/null; then umount -l .; fi
        exec chroot . sh -c "cd /project 2>/dev/null || cd /; exec \"\$@\"" sh "$@"' sh "$@"
}

# step STAMP WHAT COMMAND…: once; its output goes to the root's log.
step() {
    stamp="$root/.hpccompat/$1" what=$2
    shift 2
    [ "$(cat "$stamp" 2>/dev/null)" != "$what" ] || return 0
    echo "chroot: $what"
    "$@" >>"$root/.hpccompat/log" 2>&1 || { tail -n 20 "$root/.hpccompat/log" >&2; fail "$what: failed"; }
    echo "$what" >"$stamp"
}

# install_packages PACKAGE…
install_packages() {
    forbid_services "$root"
    # shellcheck disable=SC2016
    enter "$root" "" sh -eu -c '
        # A mirror may be the copy of a day; signatures are checked as ever.
        echo "Acquire::Check-Valid-Until \"false\";" >/etc/apt/apt.conf.d/90check-valid-until
        apt-get -qq update
        apt-get -qq -y --no-install-recommends install "$@"
        apt-get clean' sh "$@"
}

add_packages() {
    root=$1
    shift
    [ -e "$root/.hpccompat/packages" ] || fail "$root is not complete; make it first"
    step added "packages $*" install_packages "$@"
}

make_root() {
    suite=$1 root=$2
    if [ -d "$root" ] && [ -n "$(ls -A "$root")" ] && [ ! -d "$root/.hpccompat" ]; then
        fail "$root holds something else; name an empty folder"
    fi
    if [ ! -e "$root/.hpccompat/base" ]; then
        install_debootstrap
        mirror=$(find_mirror)
        if [ -z "$mirror" ]; then
            apt-get -qq update || echo "chroot: apt-get update failed" >&2
            mirror=$(find_mirror)
        fi
        [ -n "$mirror" ] || fail "no Debian mirror is known among this machine's package sources; run: apt-get update"
        rm -rf --one-file-system "$root"
        mkdir -p "$root/.hpccompat"
        step base "Debian $suite" unshare --mount --propagation private debootstrap --variant=minbase \
            --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$suite" "$root" "$mirror"
    fi
    # shellcheck disable=SC2086  # a list of words
    step packages "packages $packages" install_packages $packages
    echo "chroot: Debian $suite has $(enter "$root" "" slurmctld -V)"
}

action=${1:-}
[ $# -ge 3 ] || fail "usage: chroot.sh make SUITE DIR, chroot.sh add DIR PACKAGE…, chroot.sh run DIR PROJECT COMMAND…"
shift
case $action in
make) make_root "$1" "$(realpath -m "$2")" ;;
add)
    root=$(realpath -e "$1")
    shift
    add_packages "$root" "$@"
    ;;
run)
    root=$(realpath -e "$1") project=$(realpath -e "$2")
    shift 2
    [ -e "$root/.hpccompat/packages" ] || fail "$root is not complete; make it first"
    enter "$root" "$project" "$@"
    ;;
*) fail "usage: chroot.sh make SUITE DIR, chroot.sh add DIR PACKAGE…, chroot.sh run DIR PROJECT COMMAND…" ;;
esac
