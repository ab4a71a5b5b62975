# What a unit may see and do: the same as in deploy/systemd (tests/nix holds them against each other).
{ families ? [ "AF_INET" "AF_INET6" "AF_UNIX" ]
, writesCode ? false # Node.js compiles what it runs
, hidden # folders of the other units
, memoryMax
}:
{
  NoNewPrivileges = true;
  CapabilityBoundingSet = "";
  AmbientCapabilities = "";
  ProtectSystem = "strict";
  ProtectHome = true;
  ProtectProc = "invisible";
  ProcSubset = "pid";
  ProtectClock = true;
  ProtectHostname = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;
  ProtectControlGroups = true;
  PrivateTmp = true;
  PrivateDevices = true;
  DevicePolicy = "closed";
  PrivateUsers = true;
  PrivateIPC = true;
  RemoveIPC = true;
  KeyringMode = "private";
  RestrictAddressFamilies = families;
  RestrictNamespaces = true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  LockPersonality = true;
  SystemCallArchitectures = "native";
  SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
  SystemCallErrorNumber = "EPERM";
  InaccessiblePaths = map (path: "-" + path) hidden;
  UMask = "0077";
  LimitCORE = 0; # a core dump would hold keys
  LimitNOFILE = 65536;
  TasksMax = 512;
  MemoryMax = memoryMax;
} // (if writesCode then { } else { MemoryDenyWriteExecute = true; })
