import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Certificate } from '@stox/testkit'
import { makeCertificate } from '@stox/testkit'
import type { PartnerRules, XmppEndpointOptions } from '@stox/transport'
import { TlsIdentity } from '@stox/transport'
import type { CertificateVerdict, FailureReason } from '@stox/xmpp-engine'
import { FAILURE_REASONS } from '@stox/xmpp-engine'
import {
  RULES,
  RawPeer,
  RawServer,
  TableResolver,
  TestServer,
  dialbackSpeaker,
  domain,
  header,
} from './xmpp-support.ts'

/** As an administrator would walk through docs/failures.md: each is caused, and read in the list of failures. */
const OURS = 'capulet.example'
const THEIRS = 'montague.example'
const TIMES = { establishmentTimeoutMs: 10_000, inactivityTimeoutMs: 60_000, keepAliveIntervalMs: 30_000 }

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

const certificates = new Map<string, Certificate>()
beforeAll(async () => {
  for (const name of [OURS, THEIRS]) certificates.set(name, await makeCertificate({ names: [name] }))
})

function identityOf(name: string): TlsIdentity {
  const made = TlsIdentity.of([{ domains: [name], ...certificates.get(name)! }])
  if (!made.ok) throw new Error(JSON.stringify(made.failure))
  return made.value
}

async function endpoint(
  name: string,
  resolver: TableResolver,
  partner: string,
  rules: PartnerRules,
  options: Partial<XmppEndpointOptions> = {},
): Promise<TestServer> {
  const made = await new TestServer(name, resolver, options).listen()
  made.times = TIMES
  made.partners.set(partner, rules)
  closing.push(() => made.endpoint.close())
  return made
}

async function raw(onPeer?: (peer: RawPeer) => void): Promise<RawServer> {
  const made = await new RawServer(onPeer).listen()
  closing.push(() => made.close())
  return made
}

/** We, and the way to the partner. */
async function scene(rules: PartnerRules, options: Partial<XmppEndpointOptions> = {}) {
  const resolver = new TableResolver()
  const us = await endpoint(OURS, resolver, THEIRS, rules, options)
  const place = (port: number, service = '_xmpp-server', address = '127.0.0.1'): void => {
    resolver.srvRecords.set(`${service}._tcp.${THEIRS}`, [{ priority: 1, weight: 0, port, target: 'x.example' }])
    resolver.hosts.set('x.example', [address])
  }
  const directly = (port: number): void => place(port, '_xmpps-server')
  const connected = async (): Promise<RawPeer> => {
    const peer = await RawPeer.connect(us.port)
    closing.push(() => Promise.resolve(peer.socket.destroy()))
    return peer
  }
  return { us, resolver, place, directly, connected }
}
type Scene = Awaited<ReturnType<typeof scene>>

const send = ({ us }: Scene): Promise<unknown> => us.send(domain(THEIRS), 'm1', 'Hi', 20_000)

async function reads({ us }: Scene, direction: 'in' | 'out', reason: FailureReason): Promise<void> {
  await us.until(() => us.endpoint.failures().length > 0, 10_000)
  const [{ sentence, advice } = { sentence: '', advice: '' }, ...others] = us.endpoint.failures()
  expect(us.endpoint.failures()).toMatchObject([{ direction, reason, times: 1 }])
  expect(others).toEqual([])
  for (const text of [sentence, advice]) expect(text).toMatch(/^[A-Zc-m].{10,}/)
}

/** Its header, and what it offers. */
const greets = (features: string) => (peer: RawPeer) =>
  peer.say(header(THEIRS, OURS, ` id='x' version='1.0'`) + `<stream:features>${features}</stream:features>`)
const STARTTLS = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`

/** It takes no connection and refuses none: its queue is full and nobody looks into it. */
async function blackHole(): Promise<number> {
  const code = `const { createServer } = require('node:net')
    const { parentPort, workerData } = require('node:worker_threads')
    const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      parentPort.postMessage(server.address().port)
      setImmediate(() => Atomics.wait(workerData, 0, 0))
    })`
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(code, { eval: true, workerData: flag })
  const [port] = (await once(worker, 'message')) as [number]
  const fillers = await Promise.all([1, 2].map(() => RawPeer.connect(port)))
  closing.push(() => {
    for (const { socket } of fillers) socket.destroy()
    Atomics.store(flag, 0, 1)
    Atomics.notify(flag, 0)
    return worker.terminate()
  })
  return port
}

/** An alert in the place of an answer to the handshake, fatal. @see RFC 8446 §6.2 */
const alerts = (number: number) => (peer: RawPeer) =>
  peer.socket.once('data', () => peer.socket.end(Buffer.from([21, 3, 3, 0, 2, 2, number])))

type Walk = readonly [FailureReason, string, PartnerRules, Partial<XmppEndpointOptions>, (at: Scene) => Promise<void>]

const soon = { limits: { connectTimeoutMs: 300 } }
const OUT: readonly Walk[] = [
  [
    'no-route',
    'an address of no network',
    RULES.tlsNotSupported,
    {},
    async (at) => at.place(5269, undefined, '255.255.255.255'),
  ],
  ['connect-timeout', 'nobody answers', RULES.tlsNotSupported, soon, async (at) => at.place(await blackHole())],
  [
    'address-not-allowed',
    'where no partner may be',
    RULES.tlsNotSupported,
    { mayConnect: () => false },
    async (at) => at.place((await raw()).port),
  ],
  [
    'starttls-refused',
    'it offers STARTTLS, and does not do it',
    RULES.tlsRequired,
    {},
    async (at) => {
      const peer = await raw((one) => {
        greets(STARTTLS)(one)
        void one
          .hears(/<starttls/)
          .then(() => one.say(`<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>`))
      })
      at.place(peer.port)
    },
  ],
  [
    'not-tls',
    'words where TLS should be',
    RULES.tlsRequired,
    {},
    async (at) => at.directly((await raw((one) => one.say('220 smtp.example ESMTP\r\n'))).port),
  ],
  [
    'tls-hung-up',
    'no word in the handshake',
    RULES.tlsRequired,
    {},
    async (at) => at.directly((await raw((one) => one.socket.end())).port),
  ],
  ['tls-timeout', 'no word and no end', RULES.tlsRequired, soon, async (at) => at.directly((await raw()).port)],
  ...(
    [
      ['tls-nothing-common', 'alert protocol_version', 70],
      ['tls-nothing-common', 'alert handshake_failure', 40],
      ['tls-nothing-common', 'alert no_application_protocol', 120],
      ['tls-name-unknown', 'alert unrecognized_name', 112],
      ['our-certificate-refused', 'alert unknown_ca', 48],
      ['our-certificate-refused', 'alert bad_certificate', 42],
      ['our-certificate-refused', 'alert certificate_expired', 45],
      ['tls-failed', 'alert internal_error', 80],
    ] as const
  ).map(([reason, title, number]): Walk => {
    return [reason, title, RULES.tlsRequired, {}, async (at) => at.directly((await raw(alerts(number))).port)]
  }),
  [
    'no-own-certificate',
    'certificates alone count, and we have none',
    RULES.saslOnly,
    { judgeCertificate: () => ({ ok: true }) },
    async (at) => {
      const them = await endpoint(THEIRS, at.resolver, OURS, RULES.saslOrDialback, { tls: identityOf(THEIRS) })
      at.place(them.port)
    },
  ],
  [
    'authentication-timeout',
    'no answer to our key',
    RULES.tlsNotSupported,
    {},
    async (at) => {
      at.us.times = { ...TIMES, establishmentTimeoutMs: 300 }
      at.place((await raw(greets(''))).port)
    },
  ],
  [
    'dialback-error',
    'it cannot have our key verified',
    RULES.tlsNotSupported,
    {},
    async (at) => {
      const error = `<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
      const peer = await raw((one) => {
        greets('')(one)
        void one
          .hears(/<db:result/)
          .then(() => one.say(`<db:result from='${THEIRS}' to='${OURS}' type='error'>${error}</db:result>`))
      })
      at.place(peer.port)
    },
  ],
  [
    'connection-limit',
    'it has its connections',
    { ...RULES.tlsNotSupported, connectionLimit: 0 },
    {},
    async (at) => at.place((await raw()).port),
  ],
]

test.each(OUT)('%s: %s', async (reason, _title, rules, options, prepare) => {
  const at = await scene(rules, options)
  await prepare(at)
  expect(await send(at)).toMatchObject({ kind: 'failed' })
  await reads(at, 'out', reason)
})

test('not-reading: it takes nothing of what we write', async () => {
  const at = await scene(RULES.tlsNotSupported, { limits: { writeBufferBytes: 16_384, stallTimeoutMs: 500 } })
  const peer = await raw(dialbackSpeaker(THEIRS))
  at.place(peer.port)
  await send(at)
  peer.peers[0]?.socket.pause()
  for (let count = 0; count < 400; count += 1) void at.us.send(domain(THEIRS), `m${count}`, 'x'.repeat(40_000))
  await reads(at, 'out', 'not-reading')
})

describe('they come to us', () => {
  test('no-own-certificate: TLS is required, and we have none', async () => {
    const at = await scene(RULES.tlsRequired)
    const peer = await at.connected()
    peer.say(header(THEIRS, OURS))
    await peer.hears(/<internal-server-error/)
    await reads(at, 'in', 'no-own-certificate')
  })

  test('sasl-not-accepted: they try, and may not', async () => {
    const at = await scene(RULES.tlsNotSupported)
    const peer = await at.connected()
    peer.say(header(THEIRS, OURS))
    peer.say(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`.repeat(10))
    await peer.closes()
    await reads(at, 'in', 'sasl-not-accepted')
  })

  test('penalty: their streams end by their own fault, and they come again at once', async () => {
    const at = await scene(RULES.tlsNotSupported, { limits: { freeFaults: 0 } })
    // Each is read a moment later than the one before, and has to wait for twice as long.
    for (let said = ''; said !== 'policy-violation';) {
      const peer = await at.connected()
      peer.say(header(THEIRS, OURS) + '<a b>')
      said = (await peer.hears(/not-well-formed|policy-violation/))[0]
      await peer.closes()
    }
    await at.us.until(() => at.us.endpoint.failures().length === 2)
    expect(at.us.endpoint.failures().map(({ reason }) => reason)).toEqual(['protocol-error', 'penalty'])
  })

  test('dialback-forged: their own server says that it was not them', async () => {
    const at = await scene(RULES.tlsNotSupported)
    at.place((await raw(dialbackSpeaker(THEIRS, () => 'invalid'))).port)
    const peer = await at.connected()
    peer.say(header(THEIRS, OURS) + `<db:result from='${THEIRS}' to='${OURS}'>k</db:result>`)
    await peer.hears(/type=.invalid/)
    await peer.closes()
    await reads(at, 'in', 'dialback-forged')
  })
})

describe('their certificate', () => {
  const KINDS = Object.keys(FAILURE_REASONS)
    .filter((reason) => reason.startsWith('certificate-') && reason !== 'certificate-ended')
    .map((reason) => [reason as FailureReason, reason.slice('certificate-'.length)] as const)

  test.each(KINDS)('%s, to them and from them', async (reason, kind) => {
    const judged = { ok: false, kind, reason: `It is ${kind}; do something.`, detail: 'why' } as CertificateVerdict
    const at = await scene(RULES.saslOnly, { tls: identityOf(OURS), judgeCertificate: () => judged })
    const them = await endpoint(THEIRS, at.resolver, OURS, RULES.saslOrDialback, { tls: identityOf(THEIRS) })
    at.place(them.port)
    at.resolver.srvRecords.set(`_xmpp-server._tcp.${OURS}`, [
      { priority: 1, weight: 0, port: at.us.port, target: 'x.example' },
    ])
    expect(await send(at)).toMatchObject({ kind: 'failed' })
    expect(await them.send(domain(OURS), 'm1')).toMatchObject({ kind: 'failed' })
    await at.us.until(() => at.us.endpoint.failures().length === 2)
    expect(at.us.endpoint.failures().map((one) => [one.reason, one.sentence])).toEqual([
      [reason, `It is ${kind}`],
      [reason, `It is ${kind}`],
    ])
  })
})

/** No stream fails of them. */
const NO_STREAM: readonly FailureReason[] = ['queue-full', 'too-big', 'expired', 'shutting-down']

test('every reason has a test that names it', () => {
  const root = join(__dirname, '../../..')
  const texts = ['packages/transport/test', 'packages/edge-proxy/test', 'e2e/test', 'e2e/src'].flatMap((dir) =>
    readdirSync(join(root, dir))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(root, dir, name), 'utf8')),
  )
  const isNamed = (reason: string): boolean =>
    reason.startsWith('certificate-') || texts.some((text) => text.includes(`'${reason}'`))
  const unnamed = Object.keys(FAILURE_REASONS).filter((reason) => !isNamed(reason))
  expect(unnamed.filter((reason) => !NO_STREAM.includes(reason as FailureReason))).toEqual([])
})
