// Every limit of the bridge has its name here. Those that both ends must keep are in docs/formats/swarm-bridge.md.

// What a secret-stream frame can carry: 24 bits of length, less its tag byte and MAC.
export const MESSAGE_BYTES_MAX = 2 ** 24 - 1 - 17
export const CONTROL_BYTES_MAX = 1024 * 1024
export const TOPICS_MAX = 1024

export const FIRST_LIST_TIMEOUT_MS = 10_000
export const DIAL_DELAY_MS_MIN = 100
export const DIAL_DELAY_MS_MAX = 5_000
export const DATA_CONNECT_TIMEOUT_MS = 5_000
export const HALF_OPEN_MS_MAX = 30_000
export const KEEP_ALIVE_MS = 5_000
// Bytes that a socket to the back end may buffer before the swarm connection is read no further.
export const SOCKET_BUFFER_BYTES = 256 * 1024

// How often connections are looked at whose remote sends more than the back end reads (--max-queued).
export const QUEUE_CHECK_INTERVAL_MS = 200
export const STATE_INTERVAL_MS_MIN = 1_000
export const STATE_INTERVAL_MS_MAX = 5_000
// Looking again for a topic that nobody is connected for; hyperswarm itself does so every 10 minutes.
export const LOOKUP_AGAIN_MS_MIN = 5_000
export const LOOKUP_AGAIN_MS_MAX = 300_000
// Topics that are being joined, left or looked up at a time: each is some 20 to 40 UDP round trips.
export const QUERIES_AT_ONCE_MAX = 16
// Peers of a topic that are dialled at a time. Those that died without leaving take 8 s each to be given up, and the DHT names
// them for some 20 minutes; hyperswarm's own 3 would let a few of them hide who is alive.
export const DIALS_AT_ONCE_MAX = 16
// How long peers that were found may take to be tried before the state says `settled` all the same.
export const SETTLE_MS_MAX = 30_000
// Hyperswarm tries a peer that it could not reach again after 1 to 2 s: so long `settled` waits when nobody was reached.
export const TRIED_AGAIN_MS_MAX = 4_000

export const BACK_ENDS_MAX = 64
export const CONFIG_BYTES_MAX = 1024 * 1024
