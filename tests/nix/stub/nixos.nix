# The options of NixOS that nix/module.nix sets.
{ lib, ... }:
let
  of = type: default: lib.mkOption { inherit type default; };
in
{
  options = {
    assertions = of (lib.types.listOf lib.types.anything) [ ];
    systemd.services = of (lib.types.attrsOf lib.types.anything) { };
    systemd.tmpfiles.rules = of (lib.types.listOf lib.types.str) [ ];
    users.users = of (lib.types.attrsOf lib.types.anything) { };
    users.groups = of (lib.types.attrsOf lib.types.anything) { };
  };
}
