# The version of this tree: said once, in CMakeLists.txt.
builtins.head (builtins.match ".*project\\(hypercore_nixos VERSION ([0-9.]+).*" (builtins.readFile ../CMakeLists.txt))
