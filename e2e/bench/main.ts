import { parseArgs } from 'node:util'
import { BENCH_PEERS, installPeers } from '../src/peers.ts'
import { Stage } from '../src/stage.ts'
import { machine, type Bench } from './measure.ts'
import { benchEdge } from './mode-edge.ts'
import { benchMessages, generatorsAlone, type MessageOptions } from './mode-messages.ts'
import { benchPresence } from './mode-presence.ts'

const MODES = ['edge', 'prosody', 'messages', 'kamailioProsody', 'presence'] as const
type Mode = (typeof MODES)[number]

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    /** One short run of each, to see that it works. */
    quick: { type: 'boolean', default: false },
    /** Some of the modes, with commas between them. */
    only: { type: 'string', default: MODES.join(',') },
    runs: { type: 'string' },
    seconds: { type: 'string' },
    /** Messages: only the generators against each other. */
    generators: { type: 'boolean', default: false },
    transport: { type: 'string', default: 'udp' },
    window: { type: 'string', default: '128' },
    way: { type: 'string' },
    /** Presence: so many. */
    subscriptions: { type: 'string' },
  },
})
const wanted = new Set<string>(options.only.split(','))
const unknown = [...wanted].filter((mode) => !(MODES as readonly string[]).includes(mode))
if (unknown.length > 0) throw new Error(`--only takes ${MODES.join(', ')}; not ${unknown.join(', ')}`)
const needPeers = ['prosody', 'kamailioProsody'] as const satisfies readonly Mode[]
const say = (line: string): void => void (options.json ? process.stderr : process.stdout).write(`${line}\n`)
if (needPeers.some((mode) => wanted.has(mode)) && installPeers(say, BENCH_PEERS).length > 0)
  for (const mode of needPeers) wanted.delete(mode)
const has = (mode: Mode): boolean => wanted.has(mode)

const stage = await Stage.open('bench')
// Whoever stops us does not leave our processes behind.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void stage.close().finally(() => process.exit(1)))
const bench: Bench = {
  stage,
  isQuick: options.quick,
  runs: Number(options.runs ?? (options.quick ? 1 : 5)),
  phaseMs: 1000 * Number(options.seconds ?? (options.quick ? 1 : 6)),
  warmUpMs: options.quick ? 1000 : 4000,
  say,
}
const messages: MessageOptions = {
  transport: options.transport === 'tcp' ? 'tcp' : 'udp',
  window: Number(options.window),
  way: options.way,
}

const subscriptions = Number(options.subscriptions ?? (options.quick ? 300 : 100_000))

type Part = Readonly<Record<string, unknown>>
const parts: readonly { readonly of: readonly Mode[]; measure(): Promise<Part> }[] = [
  { of: ['edge', 'prosody'], measure: () => benchEdge(bench, { edge: has('edge'), prosody: has('prosody') }) },
  {
    of: ['messages', 'kamailioProsody'],
    measure: () =>
      benchMessages(bench, messages, { messages: has('messages'), kamailioProsody: has('kamailioProsody') }),
  },
  { of: ['presence'], measure: () => benchPresence(bench, subscriptions) },
]

async function all(): Promise<Part> {
  if (options.generators) return generatorsAlone(bench, messages)
  const done: Part[] = []
  const failed: Record<string, string> = {}
  for (const part of parts.filter(({ of }) => of.some(has))) {
    // What was measured is not lost because another part broke.
    await part.measure().then(
      (one) => done.push(one),
      (error: unknown) => {
        const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
        failed[part.of.join(', ')] = why
        say(`${part.of.join(', ')}: ${why}`)
        stage.failed()
        process.exitCode = 1
      },
    )
  }
  const peers: object = Object.assign({}, ...done.map((one) => one['peers']))
  return {
    ...Object.assign({}, ...done),
    ...(Object.keys(peers).length > 0 && { peers }),
    ...(Object.keys(failed).length > 0 && { failed }),
    runs: bench.runs,
    phaseS: bench.phaseMs / 1000,
    machine: machine(),
  }
}

try {
  const result = await all()
  if (options.json || options.generators) process.stdout.write(`${JSON.stringify(result)}\n`)
} finally {
  await stage.close()
}
