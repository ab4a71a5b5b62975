// What one back end's traffic adds up to, since the bridge's start. Numbers only grow.
export class Counters {
  connectionsOpenedIn = 0
  connectionsOpenedOut = 0
  connectionsClosed = 0
  refusedAway = 0
  refusedFull = 0
  refusedByBackEnd = 0
  droppedForQueue = 0
  bytesToBackEnd = 0
  bytesToSwarm = 0
  messagesToBackEnd = 0
  messagesToSwarm = 0
  announces = 0
  lookups = 0
  queryErrors = 0
  protocolErrors = 0
  backEndConnects = 0
  backEndLosses = 0
}
