// A stock peer in a process of its own: counting_peer.mjs DHT_PORT TOPIC BYTES. Says 'connected', and 'all' when as many
// bytes have come.
import { Hyperswarm } from './words.mjs'

const [port, topic, wanted] = process.argv.slice(2)
const swarm = new Hyperswarm({ bootstrap: [{ host: '127.0.0.1', port: Number(port) }] })
let got = 0
swarm.on('connection', (connection) => {
  process.send('connected')
  connection.on('error', () => {})
  connection.on('data', (message) => {
    got += message.length
    if (got === Number(wanted)) process.send('all')
  })
})
swarm.join(Buffer.from(topic, 'hex'), { server: false, client: true })
process.on('disconnect', () => process.exit())
