import { parseArgs } from 'node:util'
import { Stage } from '../src/stage.ts'
import { machine, type Bench } from './measure.ts'
import { benchEdge } from './mode-edge.ts'
import { benchMessages, generatorsAlone, type MessageOptions } from './mode-messages.ts'

const MODES = ['edge', 'prosody', 'messages'] as const
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
  say: (line) => void (options.json ? process.stderr : process.stdout).write(`${line}\n`),
}
const messages: MessageOptions = {
  transport: options.transport === 'tcp' ? 'tcp' : 'udp',
  window: Number(options.window),
  way: options.way,
}

async function all(): Promise<Readonly<Record<string, unknown>>> {
  if (options.generators) return generatorsAlone(bench, messages)
  return {
    ...(has('edge') || has('prosody') ? await benchEdge(bench, { edge: has('edge'), prosody: has('prosody') }) : {}),
    ...(has('messages') ? await benchMessages(bench, messages) : {}),
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
