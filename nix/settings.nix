# Settings of a program as options of their own, by the long names of its command line: what the program does not know, or
# would not take, is refused when the system is evaluated. options.json is made from the programs' --help
# (tests/nix/generate.mjs).
{ lib, program }:
let
  known = (builtins.fromJSON (builtins.readFile ./options.json)).${program};
  text = lib.types.str;
  duration = lib.types.strMatching "([0-9]+(\\.[0-9]+)?(ms|s|m|h|d) ?)+";
  size = lib.types.strMatching "[0-9]+(\\.[0-9]+)? ?([KMGT]i?)?B?";
  types = {
    FLAG = lib.types.bool;
    INT = lib.types.int;
    UINT = lib.types.ints.unsigned;
    FLOAT = lib.types.either lib.types.int lib.types.float;
    SIZE = lib.types.either lib.types.ints.unsigned size;
    DURATION = duration;
    TEXT = text;
  };
  optionOf = name: { type, list, help }: lib.mkOption {
    type = lib.types.nullOr (if list then lib.types.listOf types.${type} else types.${type});
    default = null;
    description = help;
  };

  valueText = value:
    if builtins.isBool value then (if value then "true" else "false")
    else if builtins.isList value then builtins.concatStringsSep "\n" (map valueText value)
    else toString value;
  environmentName = name: "HNX_" + builtins.replaceStrings
    ([ "-" ] ++ lower) ([ "_" ] ++ upper)
    name;
  lower = letters "abcdefghijklmnopqrstuvwxyz";
  upper = letters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  letters = all: builtins.genList (i: builtins.substring i 1 all) (builtins.stringLength all);
in
{
  type = lib.types.submodule { options = builtins.mapAttrs optionOf known; };

  # {HNX_...} of those that are said.
  environment = settings: builtins.listToAttrs (map
    (name: { name = environmentName name; value = valueText settings.${name}; })
    (builtins.filter (name: settings.${name} != null && settings.${name} != [ ]) (builtins.attrNames known)));
}
