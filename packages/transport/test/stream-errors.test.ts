import type { FailureReason } from '@stox/xmpp-engine'
import { wordsOf } from '@stox/xmpp-engine'
import { VirtualTime } from '@stox/kernel'
import type { DomainName, StreamCondition } from '@stox/xmpp'
import type { SendOutcome } from '@stox/transport'
import { OutboundPair } from '../src/outbound-pair.ts'
import type { OutboundStanza, StanzaCarrier } from '../src/outbound-stanza.ts'
import { RULES, type RawPeer, RawServer, TableResolver, TestServer, domain, header } from './xmpp-support.ts'

/** What we do when the peer ends our stream with an error. @see RFC 6120 §4.9.3, mapping B.3 */
const ROMEO = domain('montague.example')
const JULIET = domain('capulet.example')
const OTHER = domain('tybalt.example')

interface Reaction {
  readonly reason: FailureReason
  /** What a sender hears whose stanza could not go because of it. */
  readonly told: readonly [string, number]
  /** When the stream was only about to be: those who wait have one more attempt, or hear at once. */
  readonly waits: 'once more' | 'no longer'
}

const LATER = ['remote-server-timeout', 504] as const
const NOT_US = ['remote-server-timeout', 502] as const
const NOT_THERE = ['remote-server-not-found', 404] as const
const unread: Reaction = { reason: 'peer-protocol-error', told: LATER, waits: 'no longer' }

const REACTIONS: Readonly<Record<StreamCondition, Reaction>> = {
  'bad-format': unread,
  'bad-namespace-prefix': unread,
  conflict: { reason: 'peer-conflict', told: LATER, waits: 'once more' },
  'connection-timeout': { reason: 'peer-timeout', told: LATER, waits: 'once more' },
  'host-gone': { reason: 'peer-host-unknown', told: NOT_THERE, waits: 'no longer' },
  'host-unknown': { reason: 'peer-host-unknown', told: NOT_THERE, waits: 'no longer' },
  'improper-addressing': unread,
  'internal-server-error': { reason: 'peer-error', told: LATER, waits: 'no longer' },
  'invalid-from': { reason: 'peer-not-authorized', told: NOT_US, waits: 'no longer' },
  'invalid-namespace': unread,
  'invalid-xml': unread,
  'not-authorized': { reason: 'peer-not-authorized', told: NOT_US, waits: 'no longer' },
  'not-well-formed': unread,
  'policy-violation': { reason: 'peer-policy-violation', told: ['policy-violation', 403], waits: 'no longer' },
  'remote-connection-failed': { reason: 'dialback-error', told: NOT_US, waits: 'no longer' },
  reset: { reason: 'peer-reset', told: LATER, waits: 'once more' },
  'resource-constraint': {
    reason: 'peer-resource-constraint',
    told: ['resource-constraint', 480],
    waits: 'no longer',
  },
  'restricted-xml': unread,
  'see-other-host': { reason: 'peer-see-other-host', told: LATER, waits: 'no longer' },
  'system-shutdown': { reason: 'peer-shutdown', told: LATER, waits: 'once more' },
  'undefined-condition': { reason: 'peer-error', told: LATER, waits: 'no longer' },
  'unsupported-encoding': unread,
  'unsupported-feature': { reason: 'no-method', told: LATER, waits: 'no longer' },
  'unsupported-stanza-type': unread,
  'unsupported-version': { reason: 'unsupported-version', told: LATER, waits: 'no longer' },
}

const ROWS = (Object.entries(REACTIONS) as [StreamCondition, Reaction][]).map(
  ([condition, reaction]) => [condition, reaction.waits, reaction.told, reaction] as const,
)
const failureOf = (condition: StreamCondition) => ({ kind: 'peer-error', condition, detail: 'why' }) as const

function scene() {
  const time = new VirtualTime()
  const dials: number[] = []
  const outcomes: SendOutcome[] = []
  const pair = new OutboundPair({
    local: ROMEO,
    remote: JULIET,
    clock: time,
    timers: time,
    ids: { token: () => 'x', fraction: () => 1 },
    queueEntries: 10,
    queueBytes: 1_000_000,
    backOffFirstMs: 1_000,
    backOffCapMs: 300_000,
    dial: () => dials.push(time.monotonicMs()),
  })
  const send = async (maxWaitMs: number): Promise<void> => {
    void pair.send('<message/>', maxWaitMs).then((outcome) => outcomes.push(outcome))
    await turn()
  }
  return { time, pair, dials, outcomes, send }
}

/** Settled promises are told in a turn of their own. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

function stream(room: number) {
  const written: OutboundStanza[] = []
  const carrier: StanzaCarrier = {
    maxBytes: 50_000,
    get isFull() {
      return written.length >= room
    },
    open: 0,
    write(stanza) {
      written.push(stanza)
      stanza.settle({ kind: 'sent', streamId: 'a stream' })
    },
    leftovers: () => [],
  }
  return { carrier, written }
}

test.each(ROWS)('%s before the stream is there: who waits, waits %s and hears %p', async (condition, waits, told) => {
  const { time, pair, dials, outcomes, send } = scene()
  const failed = { kind: 'failed', failure: { condition: told[0], status: told[1] } }
  await send(20_000)
  pair.onEnded(failureOf(condition))
  await turn()
  expect(outcomes).toMatchObject(waits === 'once more' ? [] : [failed])
  // Nobody is in a hurry to hear the same again, and who cannot wait so long hears at once.
  await send(900)
  expect(outcomes.at(-1)).toMatchObject(failed)
  await send(5_000)
  time.advance(999)
  expect(dials).toEqual([0])
  time.advance(1)
  expect(dials).toEqual([0, 1_000])
  pair.onEnded(failureOf(condition))
  await turn()
  expect(outcomes).toMatchObject([failed, failed, failed])
  expect(pair.waiting).toBe(0)
})

test.each(ROWS)(
  '%s on a stream that stood: nobody who waits hears of it, and the next stream takes it',
  async (condition) => {
    const { time, pair, dials, outcomes, send } = scene()
    await send(20_000)
    const first = stream(1)
    pair.onReady(first.carrier)
    await send(20_000)
    pair.onEnded(failureOf(condition))
    pair.onGone(first.carrier)
    time.advance(1_000)
    expect(dials).toEqual([0, 1_000])
    const second = stream(10)
    pair.onReady(second.carrier)
    await turn()
    expect(outcomes).toMatchObject([{ kind: 'sent' }, { kind: 'sent' }])
    expect([first.written.length, second.written.length]).toEqual([1, 1])
  },
)

test.each(ROWS)('%s in the list of failures', (condition, _waits, _told, { reason }) => {
  expect(wordsOf(failureOf(condition), { ours: ROMEO, theirs: JULIET })).toMatchObject({ reason })
})

/** We, and partners that say this to whoever connects; what we then list as failures, and what became of the last message. */
async function failuresOf(partners: readonly DomainName[], onPeer: (raw: RawPeer, remote: string) => void) {
  const peer = await new RawServer((raw, index) => onPeer(raw, partners[index] ?? '')).listen()
  const resolver = new TableResolver()
  const romeo = await new TestServer(ROMEO, resolver).listen()
  resolver.hosts.set('x', ['127.0.0.1'])
  for (const remote of partners) {
    resolver.srvRecords.set(`_xmpp-server._tcp.${remote}`, [{ priority: 0, weight: 0, port: peer.port, target: 'x' }])
    romeo.partners.set(remote, { ...RULES.tlsNotSupported, partner: remote })
  }
  let outcome: SendOutcome | undefined
  for (const remote of partners) outcome = await romeo.send(remote, 'm1')
  const failures = romeo.endpoint.failures()
  await Promise.all([romeo.endpoint.close(), peer.close()])
  return { outcome, failures }
}

test('beside others a partner is read in turns: who hangs up at once is heard to the end nevertheless', async () => {
  const error = `<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>`
  const { failures } = await failuresOf([OTHER, JULIET], (raw, remote) => {
    const white = ' '.repeat(24 * 1024)
    raw.say(
      header(remote, ROMEO, ` id='x' version='1.0'`) + `${white}<stream:error>${error}</stream:error></stream:stream>`,
    )
    raw.socket.end()
  })
  const refused = { reason: 'peer-not-authorized', times: 1 }
  expect(failures).toMatchObject([refused, refused])
})

test('RFC 6120 §4.9.3.19: another host is not gone to, whatever domain it may be of', async () => {
  const other = await new RawServer().listen()
  const { outcome, failures } = await failuresOf([JULIET], (raw) => {
    const error = `<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>127.0.0.1:${other.port}</see-other-host>`
    raw.say(header(JULIET, ROMEO, ` id='x' version='1.0'`) + `<stream:error>${error}</stream:error></stream:stream>`)
  })
  expect(outcome).toMatchObject({ kind: 'failed', failure: { status: 504 } })
  expect(failures).toMatchObject([{ reason: 'peer-see-other-host', times: 1 }])
  await other.close()
  expect(other.peers).toEqual([])
})
