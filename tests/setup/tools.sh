#!/bin/sh
# Unpacks programs that the tests drive, and that this Debian release lacks, from a newer
# suite into a private folder. The machine's own package sources and state stay as they are.
#   tools.sh DIR        afterwards the programs are in DIR/usr/bin
set -eu

suite=trixie
packages="oras"

dir=${1:?usage: tools.sh DIR}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
stamp="$dir/.complete-$suite"
[ "$(cat "$stamp" 2>/dev/null)" = "$packages" ] && exit 0

# The mirror that this machine already uses; its lists say which of the sources that is.
find_mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' |
        grep -v -e security -e snapshot | head -n 1
}
mirror=$(find_mirror)
if [ -z "$mirror" ] && [ "$(id -u)" -eq 0 ]; then
    apt-get -qq update || echo "tools: apt-get update failed" >&2
    mirror=$(find_mirror)
fi
if [ -z "$mirror" ]; then
    echo "tools: no Debian mirror is known among this machine's package sources; run: apt-get update" >&2
    exit 3
fi

apt="$dir/apt"
if [ -d "$dir" ] && [ -n "$(ls -A "$dir")" ] && ! ls "$dir"/.complete-* >/dev/null 2>&1 && [ ! -d "$dir/apt" ]; then
    echo "tools: $dir holds something else; name an empty folder" >&2
    exit 2
fi
rm -rf "$dir"
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/etc"
: >"$apt/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/etc/sources.list"

private_apt() {
    apt-get -qq -o APT::Sandbox::User=root -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" \
        -o Dir::Cache="$apt" -o Dir::Cache::archives="$apt/archives" \
        -o Dir::Etc::sourcelist="$apt/etc/sources.list" -o Dir::Etc::sourceparts=- \
        -o Acquire::Languages=none "$@"
}
private_apt update
(cd "$apt/archives" && private_apt download $packages)
for archive in "$apt"/archives/*.deb; do
    dpkg -x "$archive" "$dir"
done
rm -rf "$apt"
echo "$packages" >"$stamp"
