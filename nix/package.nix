# All programs, the bridge to the swarm beside them. nix/packages.nix has each for itself.
{ lib, stdenv, cmake, ninja, pkg-config, makeWrapper
, bzip2, cli11, curl, fmt, grpc, libmicrohttpd, libsodium, libuv, nlohmann_json, openssl, prometheus-cpp, protobuf, rocksdb, spdlog
, tl-expected, xz, zlib, zstd
, nodejs, postgresql
, libpqxx # 6.4: nix/libpqxx.nix
, swarmNodeModules # nix/swarm-node-modules.nix
}:

let
  # What is built from. Neither tests nor documents, so that a change of them builds nothing anew.
  sources = [ "CMakeLists.txt" "cmake" "proto" "libs" "coordinator" "worker" "gateway" "hyp" "swarm" "LICENSE" ];
  root = toString ../. + "/";
  isSource = path: type:
    let
      below = builtins.substring (builtins.stringLength root) (-1) path;
      top = builtins.head (builtins.match "([^/]*).*" below);
    in
    builtins.elem top sources && baseNameOf path != "node_modules";
in
stdenv.mkDerivation {
  pname = "hypercore-nixos";
  version = import ./version.nix;
  src = builtins.path { path = ../.; name = "hypercore-nixos-source"; filter = isSource; };

  strictDeps = true;
  nativeBuildInputs = [ cmake ninja pkg-config makeWrapper protobuf grpc ];
  buildInputs = [
    bzip2 cli11 curl fmt grpc libmicrohttpd libpqxx libsodium libuv nlohmann_json openssl prometheus-cpp protobuf rocksdb spdlog
    tl-expected xz zlib zstd
  ];

  cmakeBuildType = "RelWithDebInfo";
  cmakeFlags = [ "-DHNX_BUILD_TESTS=OFF" "-DCMAKE_UNITY_BUILD=ON" ];
  # Warnings are errors where the compilers are known, those of Debian 12.
  NIX_CFLAGS_COMPILE = "-Wno-error";

  installPhase = ''
    runHook preInstall
    install -Dm755 -t $out/bin bin/coordinator bin/worker bin/gateway bin/hyp
    swarm=$out/libexec/hypercore-nixos/swarm
    mkdir -p $swarm
    cp -r ../swarm/swarm.mjs ../swarm/lib ../swarm/package.json $swarm/
    ln -s ${swarmNodeModules} $swarm/node_modules
    makeWrapper ${nodejs}/bin/node $out/bin/swarm --add-flags $swarm/swarm.mjs
    # Without --database a coordinator runs a PostgreSQL of its own; with --swarm on others run a bridge of their own.
    wrapProgram $out/bin/coordinator --suffix PATH : ${postgresql}/bin:${nodejs}/bin
    for program in worker gateway hyp; do
      wrapProgram $out/bin/$program --suffix PATH : ${nodejs}/bin
    done
    for program in coordinator worker gateway hyp; do
      mkdir -p $out/share/man/man1
      $out/bin/$program manual > $out/share/man/man1/$program.1
    done
    runHook postInstall
  '';

  passthru = { inherit isSource; };

  meta = {
    description = "Complete, verified mirrors of Nix package sets on Hyperdrives";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
  };
}
