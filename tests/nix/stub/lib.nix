# As much of nixpkgs' lib as nix/ uses: options with types, and modules that are evaluated to one configuration.
let
  inherit (builtins) all attrNames concatStringsSep filter foldl' hasAttr head isAttrs isBool isFloat isFunction isInt isList isString length mapAttrs match;

  at = loc: concatStringsSep "." loc;
  fail = loc: value: type: throw "A definition for option `${at loc}' is not of type `${type}': ${builtins.toJSON value}";
  # A type of values that are taken as they are; several definitions must be one.
  plain = name: check: {
    inherit name check;
    merge = loc: defs:
      if !(check (head defs)) then fail loc (head defs) name
      else if length defs > 1 then throw "The option `${at loc}' is defined more than once"
      else head defs;
  };
  withMerge = type: merge: type // { inherit merge; };

  types = {
    bool = plain "boolean" isBool;
    int = plain "signed integer" isInt;
    float = plain "floating point number" isFloat;
    str = plain "string" isString;
    package = plain "package" (value: isAttrs value && value.type or "" == "derivation");
    ints.unsigned = plain "unsigned integer" (value: isInt value && value >= 0);
    strMatching = pattern: plain "string matching ${pattern}" (value: isString value && match pattern value != null);
    nullOr = of: withMerge (plain "null or ${of.name}" (value: value == null || of.check value))
      (loc: defs: if all (def: def == null) defs then null else of.merge loc defs);
    either = a: b: withMerge (plain "${a.name} or ${b.name}" (value: a.check value || b.check value))
      (loc: defs: if a.check (head defs) then a.merge loc defs else if b.check (head defs) then b.merge loc defs else fail loc (head defs) "${a.name} or ${b.name}");
    listOf = of: withMerge (plain "list of ${of.name}" isList)
      (loc: defs: map (value: of.merge loc [ value ]) (foldl' (found: def: if isList def then found ++ def else fail loc def "list of ${of.name}") [ ] defs));
    attrsOf = of: withMerge (plain "attribute set of ${of.name}" isAttrs)
      (loc: defs: if !(all isAttrs defs) then fail loc defs "attribute set" else
      mapAttrs (name: _: of.merge (loc ++ [ name ]) (map (def: def.${name}) (filter (hasAttr name) defs))) (foldl' (found: def: found // def) { } defs));
    anything = withMerge (plain "anything" (_: true)) (loc: defs: head defs);
    submodule = module: withMerge (plain "submodule" isAttrs)
      (loc: defs: if !(all isAttrs defs) then fail loc defs "submodule" else evaluate loc module.options defs);
  };

  isOption = value: isAttrs value && value._type or "" == "option";

  # Options and definitions, both trees -> the configuration.
  evaluate = loc: options: defs:
    let
      unknown = filter (name: !(hasAttr name options)) (builtins.concatLists (map attrNames defs));
    in
    if unknown != [ ] then throw "The option `${at (loc ++ [ (head unknown) ])}' does not exist"
    else mapAttrs
      (name: option:
        let
          here = loc ++ [ name ];
          found = map (def: def.${name}) (filter (hasAttr name) defs);
        in
        if isOption option then
          (if found != [ ] then option.type.merge here found
          else if option ? default then (if option.type.name == "submodule" then option.type.merge here [ option.default ] else option.default)
          else throw "The option `${at here}' is used but not defined")
        else evaluate here option found)
      options;

  # Trees of options into one.
  join = a: b: a // mapAttrs (name: value: if hasAttr name a && !(isOption value) then join a.${name} value else value) b;
in
{
  inherit types;
  mkOption = attrs: attrs // { _type = "option"; };
  licenses = { mit = "MIT"; bsd3 = "BSD-3-Clause"; };
  platforms.linux = [ "x86_64-linux" "aarch64-linux" ];

  evalModules = { modules, specialArgs }:
    let
      load = module: if builtins.isPath module then load (import module) else if isFunction module then module (specialArgs // { inherit config; }) else module;
      given = map load modules;
      config = evaluate [ ] (foldl' join { } (map (module: module.options or { }) given))
        (map (module: module.config or (if module ? options then { } else module)) given);
    in
    { inherit config; };
}
