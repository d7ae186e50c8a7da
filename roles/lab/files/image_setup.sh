#!/bin/sh
# Last step of the image: no service of a role runs before its role has configured it, and no key is shared by hosts.
set -eu
root=$1
for unit in prometheus prometheus-alertmanager prometheus-node-exporter \
  prometheus-node-exporter-apt.timer prometheus-node-exporter-nvme.timer \
  prometheus-node-exporter-smartmon.timer prometheus-node-exporter-mellanox-hca-temp.timer \
  prometheus-node-exporter-ipmitool-sensor.timer dnsmasq nftables systemd-timesyncd \
  apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service e2scrub_all.timer fstrim.timer dpkg-db-backup.timer; do
  systemctl --quiet --root="$root" disable "$unit" 2>/dev/null || true
done
# systemd-nspawn makes the device nodes; the unit that would make them again fails now and then beside it.
systemctl --quiet --root="$root" mask systemd-tmpfiles-setup-dev.service
rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub "$root"/etc/machine-id
: >"$root/etc/machine-id"
