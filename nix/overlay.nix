# pkgs.hypercore-nixos, all programs.
final: prev: { hypercore-nixos = (import ./packages.nix final).default; }
