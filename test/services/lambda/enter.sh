# The first process of an execution environment: completes the file system that the helper has built, hides everything
# else, and runs the command as an ordinary user. It stays: a function that is process 1 could not be ended by a signal.
# usage: enter.sh <root> <code> <KiB of /tmp> <user or ""> <group> <cgroup.procs files, colon-separated> <command...>
set -eu
root=$1 code=$2 tmpKiB=$3 user=$4 group=$5 cgroups=$6
shift 6
IFS=:
for file in $cgroups; do echo 0 >"$file"; done
unset IFS
/bin/mount --bind "$code" "$root/var/task"
/bin/mount -o remount,bind,ro,nosuid "$root/var/task"
/bin/mount -t tmpfs -o "size=${tmpKiB}k,mode=0700${user:+,uid=$user,gid=$group}" tmp "$root/tmp"
/bin/mount -t proc -o nosuid,noexec proc "$root/proc"
cd "$root"
/sbin/pivot_root . old
cd /var/task
# From the old root, which is gone after it.
/var/rapid/umount -l /old
drop="--no-new-privs --bounding-set=-all --inh-caps=-all"
[ -z "$user" ] || drop="$drop --reuid=$user --regid=$group --clear-groups"
status=0
/var/rapid/setpriv $drop "$@" || status=$?
exit $status
