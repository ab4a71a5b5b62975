# The packages of swarm/package-lock.json, whose integrity npm checks. The lock names no registry, so they are fetched by npm
# itself, and the hash is that of all of them together: `tests/nix/node_modules_hash` says it anew after a change of the lock.
{ lib, stdenvNoCC, nodejs, cacert }:

stdenvNoCC.mkDerivation {
  pname = "hypercore-nixos-swarm-node-modules";
  version = import ./version.nix;
  src = builtins.path {
    path = ../swarm;
    name = "hypercore-nixos-swarm-lock";
    filter = path: type: builtins.elem (baseNameOf path) [ "package.json" "package-lock.json" ];
  };
  nativeBuildInputs = [ nodejs cacert ];
  buildPhase = ''
    export HOME=$TMPDIR
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund
    rm node_modules/.package-lock.json # names the registry
  '';
  installPhase = "cp -r node_modules $out";
  dontFixup = true;
  outputHashMode = "recursive";
  outputHashAlgo = "sha256";
  outputHash = "sha256-UBG6+vHEsh+Fjb1OJlIezSXrkYSSMtwTguc4fj7A5Ik=";
  meta.license = lib.licenses.mit;
}
