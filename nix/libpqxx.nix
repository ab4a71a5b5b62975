# The last version with the interface that coordinator/store is written for, which is Debian 12's too. nixpkgs has 7.
{ lib, stdenv, fetchFromGitHub, libpq, pkg-config, python3 }:

stdenv.mkDerivation {
  pname = "libpqxx";
  version = "6.4.8";
  src = fetchFromGitHub {
    owner = "jtv";
    repo = "libpqxx";
    rev = "6.4.8";
    hash = "sha256-ybnW9ip1QVadmbYLP+gvo49k9ExHfnsOhSnI6NjsAQk=";
  };
  nativeBuildInputs = [ pkg-config python3 ];
  buildInputs = [ libpq ];
  preConfigure = "patchShebangs .";
  configureFlags = [ "--enable-shared" "--disable-documentation" ];
  meta.license = lib.licenses.bsd3;
}
