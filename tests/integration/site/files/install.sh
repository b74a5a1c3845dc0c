#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh application|database
# On a test host: install the demo Cryptobot as systemd units, or its PostgreSQL database; then close the firewall.
# Ends when all of it runs.
set -eu
cd /
files=/opt/cryptobot-site/files
demo=/opt/cryptobot-demo

application() {
    useradd --system --no-create-home --home-dir /opt/cryptobot --shell /usr/sbin/nologin cryptobot
    python3 "$demo/manage.py" install --install-dir /opt/cryptobot --rows small
    chown -R cryptobot:cryptobot /opt/cryptobot
    # systemd brings a dead service back after a quarter of an hour only, so that a run in between sees it dead
    python3 "$demo/manage.py" systemd-units --dest /etc/systemd/system --host 127.0.0.1 --restart-seconds 900
    systemctl daemon-reload
    systemctl enable --quiet --now cryptobot-auth cryptobot-data cryptobot-strategy cryptobot-backtest cryptobot-trade
    for port in 8000 8001 8002 8003 8004; do
        wait_for nc -z 127.0.0.1 "$port"
    done
}

database() {
    systemctl enable --quiet --now postgresql
    wait_for as_postgres pg_isready --quiet
    # autovacuum stays on but sleeps, so that the dead rows are there until the collection comes
    as_postgres psql -qX -c "ALTER SYSTEM SET autovacuum_naptime = '1d'" -c "SELECT FROM pg_reload_conf()"
    as_postgres createuser cryptobot
    as_postgres createdb --owner cryptobot cryptobot
    # every row of the audit log is written anew once, so as many are dead as are alive
    python3 "$demo/manage.py" sql --bloat-rounds 1 >/tmp/demo.sql
    as_postgres psql -q -X -d cryptobot -f /tmp/demo.sql
}

as_postgres() {
    runuser -u postgres -- "$@"
}

wait_for() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "install.sh: not within 20 s: $*" >&2 && exit 1; }
        sleep 0.2
    done
}

close_firewall() {
    cp "$files/nftables.conf" /etc/nftables.conf
    systemctl enable --quiet nftables
    systemctl restart nftables
}

case ${1-} in
application | database) "$1" ;;
*) echo "install.sh: expected application or database, not '${1-}'" >&2 && exit 2 ;;
esac
close_firewall
touch /etc/cryptobot-site
