# The programs, an overlay, a NixOS module and a shell to work in. What stands where: nix/README.md.
{
  description = "Complete, verified mirrors of Nix package sets on Hyperdrives";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      forEachSystem = make: builtins.listToAttrs
        (map (system: { name = system; value = make nixpkgs.legacyPackages.${system}; }) systems);
      packagesOf = import ./nix/packages.nix;
    in
    {
      overlays.default = import ./nix/overlay.nix;
      packages = forEachSystem packagesOf;
      nixosModules.default = import ./nix/module.nix;
      checks = forEachSystem (pkgs: {
        # It builds, and each program knows its own name and version.
        programs = import ./nix/check-programs.nix pkgs (packagesOf pkgs);
      });
      devShells = forEachSystem (pkgs: { default = import ./nix/shell.nix pkgs (packagesOf pkgs); });
    };
}
