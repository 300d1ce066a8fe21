import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { BENCH_PEERS, installPeers } from '../src/peers.ts'
import { Stage } from '../src/stage.ts'
import { markdownOf } from './markdown.ts'
import { machine, type Bench } from './measure.ts'
import { benchEdge } from './mode-edge.ts'
import { benchHostile } from './mode-hostile.ts'
import type { MessageOptions } from './message-system.ts'
import { benchMessages, generatorsAlone } from './mode-messages.ts'
import { benchPresence } from './mode-presence.ts'

const MODES = ['edge', 'prosody', 'messages', 'kamailioProsody', 'presence'] as const
type Mode = (typeof MODES)[number]

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    /** The tables of docs/performance.md. */
    markdown: { type: 'boolean', default: false },
    /** Measures nothing: the tables are those of this JSON, of an earlier bench. */
    from: { type: 'string' },
    /** One short run of each, to see that it works. */
    quick: { type: 'boolean', default: false },
    /** Some of the modes, with commas between them. */
    only: { type: 'string', default: MODES.join(',') },
    runs: { type: 'string' },
    seconds: { type: 'string' },
    /** Only an honest partner beside hostile ones; `--cases` takes some of them, with commas between. */
    hostile: { type: 'boolean', default: false },
    cases: { type: 'string' },
    /** Messages: only the generators against each other. */
    generators: { type: 'boolean', default: false },
    transport: { type: 'string', default: 'udp' },
    window: { type: 'string', default: '128' },
    way: { type: 'string' },
    /** Messages a second while latency is measured; else half of what each contender can. */
    rate: { type: 'string' },
    /** Presence: so many. */
    subscriptions: { type: 'string' },
  },
})
if (options.from !== undefined) {
  process.stdout.write(markdownOf(JSON.parse(readFileSync(options.from, 'utf8')) as Record<string, unknown>))
  process.exit()
}
const wanted = new Set<string>(options.only.split(','))
const unknown = [...wanted].filter((mode) => !(MODES as readonly string[]).includes(mode))
if (unknown.length > 0) throw new Error(`--only takes ${MODES.join(', ')}; not ${unknown.join(', ')}`)
const needPeers = ['prosody', 'kamailioProsody'] as const satisfies readonly Mode[]
const say = (line: string): void =>
  void (options.json || options.markdown ? process.stderr : process.stdout).write(`${line}\n`)
if (needPeers.some((mode) => wanted.has(mode)) && installPeers(say, BENCH_PEERS).length > 0)
  for (const mode of needPeers) wanted.delete(mode)
const has = (mode: Mode): boolean => wanted.has(mode)

const plan: Omit<Bench, 'stage'> = {
  isQuick: options.quick,
  runs: Number(options.runs ?? (options.quick ? 1 : 5)),
  phaseMs: 1000 * Number(options.seconds ?? (options.quick ? 0.5 : 5)),
  warmUpMs: options.quick ? 300 : 4000,
  say,
}
const messages: MessageOptions = {
  transport: options.transport === 'tcp' ? 'tcp' : 'udp',
  window: Number(options.window),
  way: options.way,
  rate: options.rate === undefined ? undefined : Number(options.rate),
}

const subscriptions = Number(options.subscriptions ?? (options.quick ? 100 : 100_000))

type Part = Readonly<Record<string, unknown>>
const parts: readonly { readonly of: readonly Mode[]; measure(bench: Bench): Promise<Part> }[] = [
  { of: ['edge', 'prosody'], measure: (bench) => benchEdge(bench, { edge: has('edge'), prosody: has('prosody') }) },
  {
    of: ['messages', 'kamailioProsody'],
    measure: (bench) =>
      benchMessages(bench, messages, { messages: has('messages'), kamailioProsody: has('kamailioProsody') }),
  },
  { of: ['presence'], measure: (bench) => benchPresence(bench, subscriptions) },
]

const hostile = { of: ['hostile'], measure: (bench: Bench) => benchHostile(bench, options.cases?.split(',')) }

// All cases of --hostile take more than a quarter of an hour, with one edge.
process.env['STOX_E2E_LIFETIME_S'] ??= '3600'

let stage: Stage | undefined
const done: Part[] = []
const failed: Record<string, string> = {}

/** What was measured so far: it is not lost because another part broke, or somebody had no more time. */
function print(): void {
  const peers: object = Object.assign({}, ...done.map((one) => one['peers']))
  const result = {
    ...Object.assign({}, ...done),
    ...(Object.keys(peers).length > 0 && { peers }),
    ...(Object.keys(failed).length > 0 && { failed }),
    runs: plan.runs,
    phaseS: plan.phaseMs / 1000,
    machine: machine(),
  }
  if (options.markdown) process.stdout.write(markdownOf(result))
  if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`)
}

async function stopped(signal: string): Promise<void> {
  failed['all'] = `stopped by ${signal}`
  // Our processes are not left behind.
  await stage?.close()
  print()
  process.exit(1)
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stopped(signal))

/** On a stage of its own; nothing of it runs beside the next. */
async function staged<T>(measure: (bench: Bench) => Promise<T>): Promise<T> {
  stage = await Stage.open('bench')
  try {
    return await measure({ ...plan, stage })
  } catch (error) {
    stage.failed()
    throw error
  } finally {
    await stage.close()
  }
}

if (options.generators) say(JSON.stringify(await staged((bench) => generatorsAlone(bench, messages))))
else {
  for (const { of, measure } of options.hostile ? [hostile] : parts.filter((part) => part.of.some(has))) {
    try {
      done.push(await staged(measure))
    } catch (error) {
      const why = error instanceof Error ? (error.stack ?? error.message) : String(error)
      failed[of.join(', ')] = why
      say(`${of.join(', ')}: ${why}`)
      process.exitCode = 1
    }
  }
  print()
}
