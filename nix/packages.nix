# pkgs -> each program for itself (`nix shell .#hyp` has hyp and nothing else), and all of them.
pkgs:
let
  all = pkgs.callPackage ./package.nix {
    libpqxx = pkgs.callPackage ./libpqxx.nix { };
    swarmNodeModules = pkgs.callPackage ./swarm-node-modules.nix { };
  };
  one = program: pkgs.runCommand "hypercore-nixos-${program}-${all.version}" { meta = all.meta // { mainProgram = program; }; } ''
    mkdir -p $out/bin
    ln -s ${all}/bin/${program} $out/bin/${program}
  '';
in
{
  default = all;
  hypercore-nixos = all;
  coordinator = one "coordinator";
  worker = one "worker";
  gateway = one "gateway";
  hyp = one "hyp";
  swarm = one "swarm";
}
