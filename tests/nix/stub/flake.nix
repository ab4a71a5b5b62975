# Stands for nixpkgs where there is no internet: the functions and names that flake.nix and nix/ use, and no more.
{
  outputs = { self }: {
    lib = import ./lib.nix;
    legacyPackages = builtins.listToAttrs (map
      (system: { name = system; value = import ./packages.nix { inherit system; }; })
      [ "x86_64-linux" "aarch64-linux" ]);
  };
}
