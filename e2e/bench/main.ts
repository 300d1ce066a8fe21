import { parseArgs } from 'node:util'
import { BENCH_PEERS, installPeers } from '../src/peers.ts'
import { Stage } from '../src/stage.ts'
import { machine, type Bench } from './measure.ts'
import { benchEdge } from './mode-edge.ts'
import { benchMessages, generatorsAlone, type MessageOptions } from './mode-messages.ts'

const MODES = ['edge', 'prosody', 'messages', 'kamailioProsody'] as const
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

async function all(): Promise<Readonly<Record<string, unknown>>> {
  if (options.generators) return generatorsAlone(bench, messages)
  const parts: readonly Readonly<Record<string, unknown>>[] = [
    has('edge') || has('prosody') ? await benchEdge(bench, { edge: has('edge'), prosody: has('prosody') }) : {},
    has('messages') || has('kamailioProsody')
      ? await benchMessages(bench, messages, { messages: has('messages'), kamailioProsody: has('kamailioProsody') })
      : {},
  ]
  const peers: object = Object.assign({}, ...parts.map((part) => part['peers']))
  return {
    ...Object.assign({}, ...parts),
    ...(Object.keys(peers).length > 0 && { peers }),
    runs: bench.runs,
    phaseS: bench.phaseMs / 1000,
    machine: machine(),
  }
}

try {
  const result = await all()
  if (options.json || options.generators) process.stdout.write(`${JSON.stringify(result)}\n`)
} catch (error) {
  stage.failed()
  throw error
} finally {
  await stage.close()
}
