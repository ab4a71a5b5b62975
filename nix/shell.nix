# pkgs -> packages -> a shell with what the build and most tests need.
pkgs: packages:
pkgs.mkShell {
  inputsFrom = [ packages.default ];
  packages = [
    pkgs.ccache pkgs.clang-tools pkgs.gtest pkgs.gbenchmark pkgs.rapidcheck
    pkgs.nodejs pkgs.postgresql pkgs.nginx pkgs.python3 pkgs.shellcheck
  ];
}
