#!/bin/sh
# Runs node as workers on another machine have it: in a mount namespace of its own, where the repository and /tmp are
# empty but for the store. What the worker itself is made of lies in a folder that no user's path leads to.
# $KINGLET_TEST_REPOSITORY, $KINGLET_TEST_STORE, $KINGLET_TEST_NODE; the last argument is the worker's entry.
exec unshare --mount --propagation private /bin/sh -eu -c '
  own=/run/kinglet-test-worker
  mkdir -p "$own"
  mount -t tmpfs -o size=1m none "$own"
  mkdir "$own/repository" "$own/store"
  mount --bind "$KINGLET_TEST_REPOSITORY" "$own/repository"
  mount --bind "$KINGLET_TEST_STORE" "$own/store"
  mount -t tmpfs none "$KINGLET_TEST_REPOSITORY"
  mount -t tmpfs none /tmp
  mkdir -p "$KINGLET_TEST_STORE"
  mount --bind "$own/store" "$KINGLET_TEST_STORE"
  cd /
  moved() { case "$1" in "$KINGLET_TEST_REPOSITORY"/*) echo "$own/repository${1#"$KINGLET_TEST_REPOSITORY"}" ;; *) echo "$1" ;; esac; }
  node=$(moved "$KINGLET_TEST_NODE")
  count=$#
  while [ "$count" -gt 0 ]; do
    argument=$1
    shift
    set -- "$@" "$(moved "$argument")"
    count=$((count - 1))
  done
  export TMPDIR=/tmp
  exec "$node" "$@"
' worker "$@"
