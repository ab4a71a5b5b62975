# pkgs -> packages -> a derivation that is built when every program runs and says this version.
pkgs: packages:
pkgs.runCommand "hypercore-nixos-check-programs" { } ''
  for program in ${packages.coordinator}/bin/coordinator ${packages.worker}/bin/worker ${packages.gateway}/bin/gateway ${packages.hyp}/bin/hyp ${packages.swarm}/bin/swarm; do
    $program --version | grep -F ${packages.default.version}
  done
  touch $out
''
