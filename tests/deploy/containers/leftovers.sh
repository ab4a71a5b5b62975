# What a run that was killed has left of itself, taken away: processes, containers, mounts, namespaces. Sourced by `run` with
# the variables of podman set, and the lock held: whatever works on this storage belongs to nobody any more.
# shellcheck shell=bash
: "${folder:?the storage}" "${run:?its runroot}" "${CONTAINERS_STORAGE_CONF:?}"

readonly end_s_max=30

# Whoever a run started has its storage in the environment (this shell itself got that later, and grep is not given it); what
# runs in a container, or in an image that is being built, has its root there.
leftover_processes() {
  local file
  while read -r file; do
    file=${file%/*}
    [[ $file == "/proc/$$" || $file == "/proc/$PPID" ]] || echo "${file#/proc/}"
  done < <(env -u CONTAINERS_STORAGE_CONF grep -lszFx "CONTAINERS_STORAGE_CONF=$CONTAINERS_STORAGE_CONF" /proc/[0-9]*/environ
    grep -ls " / / .*=$folder/graph/" /proc/[0-9]*/mountinfo)
}

# Tests stop what they own when they are told to end.
end_processes() {
  local processes deadline
  mapfile -t processes < <(leftover_processes)
  ((${#processes[@]})) || return 0
  echo "containers: a run before has left ${#processes[@]} processes: they are ended"
  kill -TERM "${processes[@]}" 2>/dev/null || true
  deadline=$((SECONDS + end_s_max))
  while ((SECONDS < deadline)) && [[ -n $(leftover_processes) ]]; do
    sleep 0.2 # a look at /proc
  done
  mapfile -t processes < <(leftover_processes)
  ((!${#processes[@]})) || kill -KILL "${processes[@]}" 2>/dev/null || true
}

# Those of buildah are no podman's, and the other way round.
remove_containers() {
  podman rm --all --force --time 0 >/dev/null 2>&1 || true
  podman volume rm --all --force >/dev/null 2>&1 || true
  podman image unmount --all --force >/dev/null 2>&1 || true
  podman network prune --force >/dev/null 2>&1 || true
  buildah rm --all >/dev/null 2>&1 || true
}

# The last one first: mounts lie upon each other. What stays is no matter but to `rm`, which says so.
unmount_all() {
  local target
  while IFS= read -r target; do
    umount --lazy "$target" || true
  done < <(findmnt --noheadings --list --output TARGET | grep -e "^$folder/" -e "^$run/" | tac)
}

# tests/e2e/namespaces.mjs names them by the process that made them.
remove_namespaces() {
  local name process
  while read -r name _; do
    process=${name#hnx} process=${process%%-*}
    [[ $name != hnx*-* || ! $process =~ ^[0-9]+$ || -d /proc/$process ]] || ip netns delete "$name" || true
  done < <(ip netns list)
}

end_leftovers() {
  end_processes
  [[ ! -d $folder/graph ]] || remove_containers
  unmount_all
  remove_namespaces
}
