// The database of a mirror in Kubernetes is lost, and there is no backup: what docs/BACKUP.md says for that is carried out with
// the chart's pods. The commands are the page's own; what they ask the cluster for is done here.
import { check, checkEqual, step, until } from '../../e2e/words.mjs'
import fs from 'node:fs'
import path from 'node:path'
import { titleOf } from '../manifests.mjs'
import { brokenRules, unknownFields } from '../schemas.mjs'
import { blocksOf, carryOut } from './page.mjs'

const PAGE = 'docs/BACKUP.md'
const TIMEOUT_MS = 120_000
const KINDS = { deploy: 'Deployment', statefulset: 'StatefulSet' }

class Kubectl {
  constructor (world, { startPods }) {
    Object.assign(this, { world, startPods, folder: path.join(world.scratch, 'kubectl') })
    fs.mkdirSync(this.folder)
  }

  #podsOf (kind, name) {
    const pods = this.world.cluster.pods.filter(({ owner }) => titleOf(owner) === `${KINDS[kind]}/${name}`)
    check(pods.length > 0, `${kind}/${name}, of which ${PAGE} speaks, has no pods`)
    return pods
  }

  async run (block) {
    for (const object of this.world.cluster.objects) fs.writeFileSync(path.join(this.folder, `${object.kind}-${object.metadata.name}.json`), JSON.stringify(object))
    fs.rmSync(path.join(this.folder, 'calls'), { force: true })
    carryOut(block, { RELEASE: 'mirror', KEY: this.world.key }, { HNX_CLUSTER: this.folder })
    for (const call of fs.readFileSync(path.join(this.folder, 'calls'), 'utf8').trim().split('\n')) await this.#do(call)
  }

  async #do (call) {
    const [, kind, name, replicas] = call.match(/^scale (\w+)\/(\S+) --replicas=(\d+)$/) ?? []
    if (kind) return this.#scale(this.#podsOf(kind, name), Number(replicas))
    const [, gone] = call.match(/^wait --for=delete pod\/(\S+) /) ?? []
    if (gone) return check(this.world.cluster.pods.some((pod) => pod.name === gone && [...pod.containers.values()].every(({ running }) => !running)), `${gone} is no pod that has ended`)
    if (call === 'create -f -') return this.#runJob(JSON.parse(fs.readFileSync(path.join(this.folder, 'created.json'), 'utf8')))
    const [, job] = call.match(/^(?:wait --for=condition=complete|logs|delete) job\/(\S+)/) ?? []
    check(job ? job === this.job : call.startsWith('get '), `kubectl ${call}: what is that?`)
  }

  async #scale (pods, replicas) {
    if (replicas > 0) {
      checkEqual(`pods of ${titleOf(pods[0].owner)}`, replicas, pods.length)
      return this.startPods(pods)
    }
    for (const pod of pods) {
      for (const container of pod.containers.values()) checkEqual(`the exit status of ${container.name}`, await container.terminate(), 0)
    }
  }

  // As the API server would take it, and as kubelet would run it.
  async #runJob (job) {
    this.job = job.metadata.name
    checkEqual('what is wrong with the Job', [...unknownFields(job), ...await brokenRules(job)], [])
    const pod = this.world.cluster.podOfJob(job, 'coordinator-0')
    const { status, said } = await pod.run()
    checkEqual(`rescan: ${said.slice(-1500)}`, status, 0)
    console.log(said.trim())
  }
}

export async function restore (world, { startPods, becomesReady }) {
  const submit = async () => {
    const { status, said } = await world.coordinator('submit', '--wait', '--channel', world.channel.info.channel)
    checkEqual(`submit: ${said.slice(-800)}`, status, 0)
  }
  const blocks = blocksOf(PAGE, 'In Kubernetes')
  checkEqual(`shell blocks of ${PAGE}, "In Kubernetes"`, blocks.length, 4)
  const [stop, rescan, start, upgrade] = blocks
  const [index] = world.pods('index')
  // `index.acceptLength: 0` was for the first installation alone.
  world.cluster.update(world.render('--set', 'index.acceptLength=null'))
  const kubectl = new Kubectl(world, { startPods: async (pods) => { for (const pod of pods) await pod.start() } })

  step('the database is lost: a Job made of the coordinator\'s Deployment reads it from the index')
  const asked = [...world.channel.narRequests()]
  await kubectl.run(stop)
  world.emptyDatabase()
  await kubectl.run(rescan)
  await kubectl.run(start)
  await becomesReady(world.pods('coordinator'))
  step('the index worker refuses without the operator\'s word, and takes it')
  const container = index.containers.get('index')
  checkEqual('the exit status of the index worker', await container.ended('the index worker refuses', TIMEOUT_MS), 1)
  const [, length] = container.logs().match(/--accept-length (\d+)/) ?? []
  check(length, `it does not say which length: ${container.logs().slice(-800)}`)
  const [, chart, words] = upgrade.match(/^helm upgrade RELEASE (\S+) --reuse-values (.*)\n$/) ?? []
  checkEqual('the chart', chart, 'helm/hypercore-nixos')
  world.cluster.update(world.render(...words.replace('=N', `=${length}`).split(' ')))
  await startPods([index])
  await becomesReady([index])
  step('everything is there, upstream is asked for nothing, and the next release is mirrored')
  await submit()
  for (const pod of world.pods('gateway')) await world.hasAll(pod)
  checkEqual('NARs that upstream sent', [...world.channel.narRequests()], asked)
  world.channel.make('--release', '2')
  await world.channel.stop()
  await world.channel.serve()
  await submit()
  for (const pod of world.pods('gateway')) await world.hasAll(pod, 2)
  const before = new Map(asked)
  const fresh = [...new Set(Object.values(world.channel.expected(2).paths).filter((entry) => entry.new).map(({ url }) => url))].sort()
  checkEqual('NARs that the next release asked upstream for', [...world.channel.narRequests()].filter(([url, count]) => count !== before.get(url)).map(([url]) => url).sort(), fresh)
}
