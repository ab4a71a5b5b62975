# The demonstration packages, as attributes of ordinary derivations. packages.json, which lies beside this
# file in nixexprs.tar.xz, says what each package holds and refers to; build.py makes one package.
#
#   nix-env -f nixexprs.tar.xz -qaP          nix-build nixexprs -A hello
let
  plan = builtins.fromJSON (builtins.readFile ./packages.json);

  # "glibc" is the first output of a package, "glibc!dev" another one.
  resolve = reference:
    let
      parts = builtins.match "([^!]*)(!(.*))?" reference;
      path = all.${builtins.elemAt parts 0};
      output = builtins.elemAt parts 2;
    in
    if output == null then "${path}" else "${path.${output}}";

  makeDerivation = package: derivation ({
    name = package.name;
    system = builtins.currentSystem;
    builder = "/usr/bin/python3";
    args = [ "-I" "-S" ./build.py ];
    outputs = package.outputs;
    references = map resolve package.references;
    files = builtins.toJSON package.files;
    passAsFile = [ "files" ];
  } // (if package ? flat_sha256 then {
    outputHashMode = "flat";
    outputHashAlgo = "sha256";
    outputHash = package.flat_sha256;
  } else { }));

  make = package: {
    derivation = makeDerivation package;
    # Content-addressed by their text and what it refers to: no builder, no deriver.
    text = builtins.toFile package.name
      (builtins.concatStringsSep "" (package.lines ++ map (r: "${resolve r}\n") package.references));
    # Content-addressed by its NAR.
    source = builtins.path { name = package.name; path = ./build.py; };
  }.${package.kind};

  all = builtins.mapAttrs (_: make) plan.packages;
  isDerivation = attribute: plan.packages.${attribute}.kind == "derivation";
  derivations = builtins.listToAttrs (map (name: { inherit name; value = all.${name}; })
    (builtins.filter isDerivation (builtins.attrNames all)));
in
derivations // {
  # attribute -> output -> store path, of every path of the demonstration.
  demoPaths = builtins.mapAttrs
    (attribute: package:
      if isDerivation attribute
      then builtins.listToAttrs (map (name: { inherit name; value = "${all.${attribute}.${name}}"; }) package.outputs)
      else { out = "${all.${attribute}}"; })
    plan.packages;
}
