/** The tables of docs/performance.md from the JSON of one bench, so that nobody copies figures by hand. */

type Json = { readonly [key: string]: unknown }

export function markdownOf(result: Json): string {
  const machine = at(result, 'machine')
  const parts = [
    `${text(machine, 'cores')} cores (${text(machine, 'cpu')}), ${text(machine, 'memoryMiB')} MiB, Linux ${text(machine, 'kernel')}, ` +
      `Node.js ${text(machine, 'node')}; medians of ${text(result, 'runs')} runs of ${text(result, 'phaseS')} s, lowest and highest in brackets.`,
    edgeTable(result),
    streamsTable(at(result, 'edge', 'streams')),
    messagesTable(result),
    presenceTable(at(result, 'presence')),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function edgeTable(result: Json): string {
  const columns: readonly Column[] = [
    ['edge, XMPP to link', at(result, 'edge', 'xmppToLink')],
    ['edge, link to XMPP', at(result, 'edge', 'linkToXmpp')],
    ['Prosody, s2s to s2s', at(result, 'peers', 'prosody')],
  ]
  return table(columns, [
    ['stanzas per second', 'perSecond'],
    ['CPU per 1000 stanzas, ms', 'cpuMsPer1000'],
    ['lost', 'lost'],
    ['cores: the process measured', 'subjectCores'],
    ['cores: generator', 'generatorCores'],
    ['cores: null gateway', 'nullGatewayCores'],
    ['cores: others', 'foreignCores'],
  ])
}

const streamsTable = (streams: Json | undefined): string =>
  table(
    [['edge', streams]],
    [
      ['handshakes per second', 'handshakesPerSecond'],
      ['CPU per handshake, ms', 'handshakeCpuMs'],
      ['memory per idle stream, KiB', 'idleStreamKiB'],
      ['memory of the edge with all of them idle, MiB', 'idleMiB'],
      ['streams held at once, with traffic on each', 'heldStreams'],
      ['messages per second on them', 'heldPerSecond'],
      ['of these lost', 'lost'],
      ['cores: generator', 'generatorCores'],
      ['cores: others', 'foreignCores'],
    ],
  )

function messagesTable(result: Json): string {
  const columns: readonly Column[] = (['xmppToSip', 'sipToXmpp'] as const).flatMap((way) => {
    const name = way === 'xmppToSip' ? 'XMPP to SIP' : 'SIP to XMPP'
    return [
      [`edge and gateway, ${name}`, at(result, 'messages', way)],
      [`Kamailio and Prosody, ${name}`, at(result, 'peers', 'kamailioProsody', way)],
    ] as const
  })
  return table(columns, [
    ['messages per second', 'perSecond'],
    ['CPU per 1000 messages, ms', 'cpuMsPer1000'],
    ['of it the edge', 'edgeCpuMsPer1000'],
    ['of it the gateway', 'gatewayCpuMsPer1000'],
    ['of it Kamailio', 'kamailioCpuMsPer1000'],
    ['of it Prosody', 'prosodyCpuMsPer1000'],
    ['at a steady rate of, per second', 'openPerSecond'],
    ['p50 at that rate, ms', 'p50Ms'],
    ['p99 at that rate, ms', 'p99Ms'],
    ['CPU per 1000 messages at that rate, ms', 'openCpuMsPer1000'],
    ['lost', 'lost'],
    ['failed', 'failed'],
    ['twice', 'twice'],
    ['out of order', 'outOfOrder'],
    ['cores: generator', 'generatorCores'],
    ['cores: others', 'foreignCores'],
  ])
}

const presenceTable = (presence: Json | undefined): string =>
  table(
    [['edge and gateway', presence]],
    [
      ['NOTIFY per second', 'notifyPerSecond'],
      ['p50, ms', 'p50Ms'],
      ['p99, ms', 'p99Ms'],
      ['CPU per 1000 NOTIFY, ms', 'cpuMsPer1000'],
      ['lost', 'lost'],
      ['one contact, all his watchers: NOTIFY per second', 'fanOutPerSecond'],
      ['until the last of them knows, ms', 'fanOutMs'],
      ['CPU per 1000 of these, ms', 'fanOutCpuMsPer1000'],
      ['SIP to XMPP: presence stanzas per second', 'stanzasPerSecond'],
      ['p50, ms', 'stanzasP50Ms'],
      ['p99, ms', 'stanzasP99Ms'],
      ['CPU per 1000 stanzas, ms', 'stanzasCpuMsPer1000'],
      ['subscriptions', 'subscriptions'],
      ['asked for and never told', 'untold'],
      ['told to come again (503), times', 'refused'],
      ['set up per second', 'subscribedPerSecond'],
      ['memory per subscription, KiB', 'subscriptionKiB'],
      ['after kill -9: known again after, s', 'knownAfterS'],
      ['after kill -9: resumed in the time given', 'resumed'],
      ['after kill -9: all resumed after, s', 'resumedAfterS'],
      ['resumed per second', 'resumedPerSecond'],
      ['messages meanwhile: p50, ms', 'resumingMessageP50Ms'],
      ['messages meanwhile: p99, ms', 'resumingMessageP99Ms'],
      ['memory after that, MiB', 'resumedMemoryMiB'],
    ],
  )

type Column = readonly [title: string, values: Json | undefined]

/** Columns and rows of which nothing is known are left out. */
function table(columns: readonly Column[], rows: readonly (readonly [title: string, key: string])[]): string {
  const known = columns.flatMap(([title, values]) => (values === undefined ? [] : [{ title, values }]))
  if (known.length === 0) return ''
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    line(['', ...known.map(({ title }) => title)]),
    line(['---', ...known.map(() => '---:')]),
    ...rows
      .filter(([, key]) => known.some(({ values }) => key in values))
      .map(([title, key]) => line([title, ...known.map(({ values }) => cell(values, key))])),
  ].join('\n')
}

function cell(values: Json, key: string): string {
  const value = values[key]
  if (typeof value !== 'number') return value === null ? 'not in the time given' : ''
  const spread = at(values, 'spread')?.[key]
  if (!Array.isArray(spread)) return inWords(value)
  const [lowest, highest] = spread as readonly number[]
  return lowest === highest ? inWords(value) : `${inWords(value)} (${inWords(lowest)} to ${inWords(highest)})`
}

const inWords = (value: number | undefined): string => (value ?? Number.NaN).toLocaleString('en')

function at(json: Json | undefined, ...keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((one, key) => one?.[key] as Json | undefined, json)
}

const text = (json: Json | undefined, key: string): string => String(json?.[key] ?? 'unknown')
