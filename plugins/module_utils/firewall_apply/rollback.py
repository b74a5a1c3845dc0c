# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Linux host restores by itself: a script of sh, because neither Ansible nor its Python may be there then.

A change is one folder, whose name is its state: ``armed-ID`` is to be restored, ``going-ID`` is being restored,
``rolled_back-ID`` was. ``confirmed-ID`` is about to be removed. Renaming is one step of the kernel: whoever wins it,
the confirmation or the rollback, has it alone. Folder and files are root's own.
"""

from __future__ import annotations

# sh rollback.sh FOLDER ID timer|boot|run|rehearse. `timer` waits for the deadline, which may be moved meanwhile; `boot`
# comes before anything is loaded, so that files are enough; `rehearse` loads the rules in a namespace of its own.
SCRIPT = r"""#!/bin/sh
# Restores the firewall as it was before a change that nobody confirmed. Made by cryptobot.maintenance.
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
cd "$1" || exit 1
id=$2 how=$3 now=armed-$2

plain() { sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]//'; }
tool() { [ "$1" = ip6 ] && echo "ip6tables-$2" || echo "iptables-$2"; }
same() { nft -s list table "$2" "$3" 2>/dev/null | cmp -s - "$now/$1.list"; }
load() {
    if [ "$4" = iptables ]; then
        "$(tool "$2" nft-restore)" -c -T "$3" < "$now/$1.nft"
    else
        { echo "table $2 $3"; echo "delete table $2 $3"; cat "$now/$1.nft"; } | nft -f -
    fi
}
exact() {
    while read -r number family name _; do
        same "$number" "$family" "$name" || { echo "the table $family $name is not as it was" >&2; return 1; }
    done < "$now/index"
    [ "$(nft list tables | wc -l)" -eq "$(wc -l < "$now/index")" ] && same_legacy ip 4 && same_legacy ip6 6
}
# Each table is exchanged in one step, so none is ever missing. From the first one that differs on all are made anew,
# for they act in the order in which they were made; but not firewalld's, which knows its rules by their numbers.
rules() {
    [ -s "$now/sets" ] && ipset -exist restore < "$now/sets"
    changed=
    while read -r number family name way <&3; do
        same "$number" "$family" "$name" && { [ -z "$changed" ] || [ "$name" = firewalld ]; } && continue
        changed=yes
        load "$number" "$family" "$name" "$way"
    done 3< "$now/index"
    nft list tables | while read -r _ family name; do
        grep -q "^[0-9]* $family $name " "$now/index" || nft delete table "$family" "$name"
    done
    legacy ip 4
    legacy ip6 6
    exact
}
present() { [ -n "$(cat "/proc/net/$1_tables_names" 2>/dev/null)" ]; }
same_legacy() {
    [ -e "$now/legacy$2" ] || return 0
    "$(tool "$1" legacy-save)" | plain | cmp -s - "$now/legacy$2.list"
}
legacy() {
    if [ -e "$now/legacy$2" ]; then
        same_legacy "$1" "$2" || "$(tool "$1" legacy-restore)" -c < "$now/legacy$2"
    elif present "$1"; then  # there were none: they let everything through, as none does
        while read -r table; do
            for word in -F -X; do "$(tool "$1" legacy)" -t "$table" $word; done
            for chain in INPUT OUTPUT FORWARD; do "$(tool "$1" legacy)" -t "$table" -P $chain ACCEPT 2>/dev/null; done
        done < "/proc/net/$1_tables_names"
    fi
}
files() {
    [ -s "$now/files.tar" ] && tar -C / --recursive-unlink -xpf "$now/files.tar"
    while read -r path; do rm -rf "$path"; done < "$now/absent"
    [ -d /run/systemd/system ] && while read -r unit enabled active; do
        systemctl -q --root=/ "$enabled" "$unit"
        [ "$how" = boot ] && [ "$enabled" = disable ] && systemctl --no-block stop "$unit"
    done < "$now/units"
    sync
}
restore() {
    [ -s "$now/rolled" ] || echo "$how $(date -u +%Y-%m-%dT%H:%M:%SZ)" > "$now/rolled"
    files
    if [ "$how" != boot ]; then
        [ -d /run/systemd/system ] && systemctl daemon-reload
        while read -r unit enabled active; do
            [ "$unit" = firewalld.service ] || continue
            if [ "$active" = active ]; then firewall-cmd -q --reload; else systemctl stop "$unit"; fi
        done < "$now/units"
        [ -s "$now/sysctl" ] && sysctl -q -p "$now/sysctl"
        rules && echo restored > "$now/verified" || echo different > "$now/verified"
    fi
    rm -f /etc/systemd/system/sysinit.target.wants/cryptobot-firewall-rollback.service \
        /etc/systemd/system/cryptobot-firewall-rollback.service
    rm -rf rolled_back-*
    mv -T "$now" "rolled_back-$id"
    sync
}
one() {
    # a run that changed more after the rollback has it done again
    [ "$how" = run ] && mv -T "rolled_back-$id" "going-$id" 2>/dev/null
    mv -T "armed-$id" "going-$id" 2>/dev/null
    now=going-$id
    [ -d "$now" ] && restore
}

case $how in
rehearse)
    now=new-$id
    while read -r link; do
        ip link add "$link" type dummy 2>/dev/null || ip link add "$link" type bridge 2>/dev/null
    done < "$now/links"
    rules
    exit
    ;;
timer)
    while [ -d "$now" ]; do
        left=$(($(cat "$now/deadline" 2>/dev/null || echo 0) - $(cut -d. -f1 /proc/uptime)))
        [ "$left" -gt 0 ] || break
        sleep "$left"
    done
    ;;
esac
exec 9> rollback.lock
flock 9
if [ "$how" = boot ]; then
    for folder in armed-* going-*; do
        [ -d "$folder" ] && id=${folder#*-} && one >> rollback.log 2>&1
    done
else
    one >> rollback.log 2>&1
fi
"""

BOOT_UNIT = "cryptobot-firewall-rollback.service"
UNITS_FOLDER = "/etc/systemd/system"
BOOT_WANTED = f"{UNITS_FOLDER}/sysinit.target.wants/{BOOT_UNIT}"


def boot_unit(folder: str) -> str:
    """Given the folder of changes, return the unit that restores files before any manager reads them."""
    folder = folder.replace("%", "%%")
    return f"""\
# Made by cryptobot.maintenance for as long as a change of the firewall is not confirmed.
[Unit]
Description=Restore the firewall's files, because a change of them was not confirmed before the reboot
DefaultDependencies=no
RequiresMountsFor={folder} /etc
After=local-fs.target
Before=network-pre.target ufw.service firewalld.service nftables.service
ConditionPathExistsGlob=|{folder}/armed-*
ConditionPathExistsGlob=|{folder}/going-*

[Service]
Type=oneshot
ExecStart=/bin/sh {folder}/rollback.sh {folder} - boot

[Install]
WantedBy=sysinit.target
"""
