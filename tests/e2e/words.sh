# Words that the e2e tests in bash are written with. To be sourced.
# shellcheck shell=bash
set -euo pipefail

HNX_SOURCE_DIR=${HNX_SOURCE_DIR:-$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")}
# shellcheck disable=SC2034  # for those who source this
HNX_BIN_DIR=${HNX_BIN_DIR:-$HNX_SOURCE_DIR/build/test/bin}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/hnx-e2e.XXXXXX")
# shellcheck disable=SC2034  # for those who source this
demo=$HNX_SOURCE_DIR/deploy/demo-channel
cleanups=()

at_end() { cleanups+=("$1"); }

clean_up() {
  local status=$? index
  trap - EXIT
  for ((index = ${#cleanups[@]} - 1; index >= 0; index--)); do
    eval "${cleanups[index]}" || true
  done
  if ((status)) && [[ -n ${HNX_KEEP:-} ]]; then
    echo "kept: $scratch"
  else
    chmod -R u+w "$scratch" && rm -rf "$scratch"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

step() { printf '\n-- %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# expect WORDS VALUE VALUE
expect_equal() { [[ $2 == "$3" ]] || fail "$1: $2 instead of $3"; }

free_port() { /usr/bin/python3 -B "$HNX_SOURCE_DIR/deploy/demo/channel.py" free-port; }

# nix_trusting KEY COMMAND...: a client that trusts this key alone, and no other substituter.
nix_trusting() {
  local key=$1
  shift
  env HOME="$scratch/home" NIX_CONF_DIR="$scratch/home" NIX_REMOTE='' NIX_CONFIG="
experimental-features = nix-command
build-users-group =
substituters =
require-sigs = true
trusted-public-keys = $key
" "$@"
}

# copy_and_verify URL KEY STORE PATH...: what the real nix takes from there, and that all of it is signed.
copy_and_verify() {
  local url=$1 key=$2 store=$3
  shift 3
  nix_trusting "$key" nix copy --from "$url" --to "$store" "$@" >"$scratch/nix-copy.log" 2>&1 ||
    { tail -n 20 "$scratch/nix-copy.log"; fail "nix copy --from $url"; }
  nix_trusting "$key" nix store verify --store "$store" --all >"$scratch/nix-verify.log" 2>&1 ||
    { grep -v '^checking' "$scratch/nix-verify.log" | tail -n 20; fail "nix store verify of what came from $url"; }
}

# expected FILE EXPRESSION: prints what a Python expression over the parsed file `e` gives, one a line.
expected() {
  /usr/bin/python3 - "$1" "$2" <<'EOF'
import json, sys
e = json.load(open(sys.argv[1], encoding="utf-8"))
value = eval(sys.argv[2])
print(*(value if isinstance(value, (list, tuple, set, type({}.keys()))) else [value]), sep="\n")
EOF
}
