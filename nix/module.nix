# NixOS module: services.hypercore-nixos. The units are those of deploy/systemd; deploy/systemd/README.md says why they are so.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.hypercore-nixos;
  settingsOf = program: import ./settings.nix { inherit lib program; };
  coordinator = settingsOf "coordinator";
  worker = settingsOf "worker";
  gateway = settingsOf "gateway";
  swarm = settingsOf "swarm";

  enable = what: lib.mkOption { type = lib.types.bool; default = false; description = "Whether to run ${what}."; };
  settings = made: of: lib.mkOption {
    type = made.type;
    default = { };
    description = "Options of `${of}`, by their long names.";
  };
  environmentFile = lib.mkOption {
    type = lib.types.nullOr lib.types.str;
    default = null;
    description = "A file of NAME=VALUE lines with further HNX_ variables, for what must not be in the Nix store.";
  };

  state = name: "/var/lib/hypercore-nixos-${name}";
  folders = { coordinator = state "coordinator"; worker = state "worker"; index = state "index"; swarm = state "swarm"; gateway = "/var/cache/hypercore-nixos-gateway"; };
  unit = { name, description, user ? "hypercore-nixos", after ? [ ], environment, environmentFile ? null, exec, stopSeconds ? 60, exits ? [ 2 ], memoryMax, extra ? { }, ... }@args: {
    inherit description environment;
    wantedBy = [ "multi-user.target" ];
    wants = [ "network-online.target" ];
    after = [ "network-online.target" ] ++ after;
    startLimitIntervalSec = 0;
    serviceConfig = {
      Type = "exec";
      User = user;
      Group = user;
      ExecStart = builtins.concatStringsSep " " exec;
      TimeoutStopSec = stopSeconds;
      Restart = "on-failure";
      RestartSec = 5;
      RestartPreventExitStatus = exits;
    } // (if environmentFile == null then { } else { EnvironmentFile = environmentFile; })
    // import ./hardening.nix ({
      inherit memoryMax;
      hidden = builtins.attrValues (builtins.removeAttrs folders [ name ]);
    } // (args.hardening or { }))
    // extra;
  };
  bin = program: "${cfg.package}/bin/${program}";
  superseded = [ 2 5 ]; # wrong settings; a newer process of this worker took over

  coordinatorUnit = unit {
    name = "coordinator";
    description = "Coordinator of a mirror of Nix packages";
    user = "hypercore-nixos-coordinator";
    after = [ "postgresql.service" ];
    environment = coordinator.environment cfg.coordinator.settings;
    inherit (cfg.coordinator) environmentFile;
    exec = [ (bin "coordinator") "serve" "--data" "%S/hypercore-nixos-coordinator" ];
    stopSeconds = 30;
    memoryMax = "512M";
    extra = { StateDirectory = "hypercore-nixos-coordinator"; StateDirectoryMode = "0700"; };
  };
  workerUnit = name: { settings, environmentFile }: unit {
    name = "worker";
    description = "Worker ${name} of a mirror of Nix packages";
    after = [ "hypercore-nixos-coordinator.service" ];
    environment = worker.environment settings;
    inherit environmentFile;
    exec = [ (bin "worker") "run" "--role" "mirror" "--name" "%l-${name}" "--data" "%S/hypercore-nixos-worker/${name}" ];
    exits = superseded;
    memoryMax = "1G";
    extra = { StateDirectory = "hypercore-nixos-worker/${name}"; StateDirectoryMode = "0700"; ReadWritePaths = [ "/run/hypercore-nixos" ]; };
  };
  indexUnit = unit {
    name = "index";
    description = "Writer of the index of a mirror of Nix packages";
    after = [ "hypercore-nixos-coordinator.service" ];
    environment = worker.environment cfg.index.settings;
    inherit (cfg.index) environmentFile;
    exec = [ (bin "worker") "run" "--role" "index" "--name" "%l-index" "--data" "%S/hypercore-nixos-index" "--index-key-file" "%t/hypercore-nixos-index/mirror.key" ];
    exits = superseded;
    memoryMax = "768M";
    extra = {
      StateDirectory = "hypercore-nixos-index";
      StateDirectoryMode = "0700";
      ReadWritePaths = [ "/run/hypercore-nixos" ];
      LoadCredential = [ "mirror.key:${cfg.index.keyFile}" ]
        ++ (if cfg.index.predecessorFile == null then [ ] else [ "mirror.key.predecessor:${cfg.index.predecessorFile}" ]);
      RuntimeDirectory = "hypercore-nixos-index";
      RuntimeDirectoryMode = "0700";
      ExecStartPre = map (name: "${pkgs.coreutils}/bin/install -m 0400 %d/${name} %t/hypercore-nixos-index/${name}")
        ([ "mirror.key" ] ++ (if cfg.index.predecessorFile == null then [ ] else [ "mirror.key.predecessor" ]));
    };
  };
  gatewayUnit = unit {
    name = "gateway";
    description = "Gateway for Nix to a mirror of packages";
    environment = gateway.environment cfg.gateway.settings;
    inherit (cfg.gateway) environmentFile;
    exec = [ (bin "gateway") "serve" "--cache" "%C/hypercore-nixos-gateway" ];
    memoryMax = "768M";
    extra = { CacheDirectory = "hypercore-nixos-gateway"; CacheDirectoryMode = "0700"; ReadWritePaths = [ "/run/hypercore-nixos" ]; };
  };
  swarmUnit = socket: unit {
    name = "swarm";
    description = "Bridge of ${socket} to the public swarm of Hyperdrives";
    environment = swarm.environment cfg.swarm.settings;
    exec = [ (bin "swarm") "--socket" "/run/hypercore-nixos/${socket}.sock" "--key-file" "%S/hypercore-nixos-swarm/${socket}.key" ];
    stopSeconds = 30;
    memoryMax = "512M";
    hardening = { families = [ "AF_INET" "AF_INET6" "AF_UNIX" "AF_NETLINK" ]; writesCode = true; };
    extra = { StateDirectory = "hypercore-nixos-swarm"; StateDirectoryMode = "0700"; };
  };
  named = prefix: make: names: builtins.listToAttrs (map (name: { name = prefix + name; value = make name; }) names);

  workerNames = builtins.attrNames cfg.workers;
  drives = workerNames != [ ] || cfg.index.enable || cfg.gateway.enable || cfg.swarm.sockets != [ ];
  owned = wanted: user: folder: if wanted then [ "d ${folder} 0700 ${user} ${user} -" ] else [ ];
  inStore = path: builtins.substring 0 (builtins.stringLength builtins.storeDir) path == builtins.storeDir;
  user = { isSystemUser = true; };
in
{
  options.services.hypercore-nixos = {
    package = lib.mkOption {
      type = lib.types.package;
      default = (import ./packages.nix pkgs).default;
      description = "Where the programs are from.";
    };
    coordinator = {
      enable = enable "a coordinator";
      settings = settings coordinator "coordinator serve";
      inherit environmentFile;
    };
    workers = lib.mkOption {
      default = { };
      description = "Workers by name, each with a folder of its own below /var/lib/hypercore-nixos-worker: mount a disk there.";
      type = lib.types.attrsOf (lib.types.submodule {
        options = {
          settings = settings worker "worker run";
          inherit environmentFile;
        };
      });
    };
    index = {
      enable = enable "the writer of the index. A mirror has one";
      keyFile = lib.mkOption {
        type = lib.types.str;
        default = "/etc/hypercore-nixos/mirror.key";
        description = "The mirror's key, made with `worker create-index-key`; only root needs to read it.";
      };
      predecessorFile = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        description = "The key's .predecessor file, for a mirror that replaces another.";
      };
      settings = settings worker "worker run";
      inherit environmentFile;
    };
    gateway = {
      enable = enable "a gateway for Nix";
      settings = settings gateway "gateway serve";
      inherit environmentFile;
    };
    swarm = {
      sockets = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        description = "A bridge to the public swarm for each program with `swarm = \"/run/hypercore-nixos/NAME.sock\"`: their NAMEs.";
      };
      settings = settings swarm "swarm";
    };
  };

  config = {
    assertions = [
      { assertion = !(cfg.index.enable && inStore cfg.index.keyFile); message = "services.hypercore-nixos.index.keyFile is in the Nix store, where everybody can read it: say a path as a string"; }
      { assertion = !(cfg.coordinator.enable && cfg.coordinator.settings.database == null && cfg.coordinator.environmentFile == null); message = "services.hypercore-nixos.coordinator needs settings.database, or HNX_DATABASE in environmentFile"; }
      { assertion = !(cfg.gateway.enable && cfg.gateway.settings.mirror == null && cfg.gateway.settings.drives == null); message = "services.hypercore-nixos.gateway.settings needs mirror, hyper://KEY"; }
    ];
    systemd.services =
      (if cfg.coordinator.enable then { hypercore-nixos-coordinator = coordinatorUnit; } else { })
      // named "hypercore-nixos-worker-" (name: workerUnit name cfg.workers.${name}) workerNames
      // (if cfg.index.enable then { hypercore-nixos-index = indexUnit; } else { })
      // (if cfg.gateway.enable then { hypercore-nixos-gateway = gatewayUnit; } else { })
      // named "hypercore-nixos-swarm-" swarmUnit cfg.swarm.sockets;
    # Folders are there before any unit starts: a unit hides from itself those of the others that exist.
    systemd.tmpfiles.rules =
      owned drives "hypercore-nixos" "/run/hypercore-nixos"
      ++ owned cfg.coordinator.enable "hypercore-nixos-coordinator" folders.coordinator
      ++ owned (workerNames != [ ]) "hypercore-nixos" folders.worker
      ++ owned cfg.index.enable "hypercore-nixos" folders.index
      ++ owned (cfg.swarm.sockets != [ ]) "hypercore-nixos" folders.swarm
      ++ owned cfg.gateway.enable "hypercore-nixos" folders.gateway;
    users.users =
      (if cfg.coordinator.enable then { hypercore-nixos-coordinator = user // { group = "hypercore-nixos-coordinator"; }; } else { })
      // (if drives then { hypercore-nixos = user // { group = "hypercore-nixos"; }; } else { });
    users.groups =
      (if cfg.coordinator.enable then { hypercore-nixos-coordinator = { }; } else { })
      // (if drives then { hypercore-nixos = { }; } else { });
  };
}
