import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { pause } from '../src/heard.ts'
import { dialbackPartner } from '../src/pair.ts'
import { play, type Scene } from '../src/play.ts'
import { headerOf, readSip, SipCutter, statusOf, type SipText } from '../src/sip-text.ts'
import { PORTS, SIP, XMPP } from '../src/stage.ts'

type Way = 'udp' | 'tcp'

interface Attack {
  readonly what: string
  readonly says: string | Buffer
  /** The statuses that are right; none: it must stay silent (and on TCP may hang up). */
  readonly hears: readonly number[]
  /** The label of the metric; none: the request was understood and refused by its handler. */
  readonly kind?: string
  readonly only?: Way
  readonly header?: readonly [string, RegExp]
}

/** A request that is right in everything, and changes of it. `say` fills in `@N@`, `@WAY@` and `@ADDRESS@`. */
function request(change: {
  method?: string
  uri?: string
  version?: string
  from?: string
  to?: string
  headers?: readonly string[]
  without?: readonly string[]
  body?: string
  contentLength?: string
}): string {
  const { method = 'MESSAGE', uri = 'sip:juliet@xmpp.example', body = 'evil' } = change
  const headers = [
    'Via: SIP/2.0/@WAY@ @ADDRESS@;branch=z9hG4bKevil@N@',
    'Max-Forwards: 70',
    `From: <${change.from ?? 'sip:eve@sip.example'}>;tag=e@N@`,
    `To: <${change.to ?? 'sip:juliet@xmpp.example'}>`,
    'Call-ID: evil@N@',
    `CSeq: 1 ${method}`,
    ...(method === 'MESSAGE' ? ['Content-Type: text/plain'] : []),
  ].filter((line) => !(change.without ?? []).some((name) => line.startsWith(`${name}:`)))
  const given = (change.headers ?? []).map((line) => line.split(':')[0] ?? '')
  const kept = headers.filter((line) => !given.some((name) => line.startsWith(`${name}:`)))
  const length = `Content-Length: ${change.contentLength ?? Buffer.byteLength(body)}`
  return [`${method} ${uri} ${change.version ?? 'SIP/2.0'}`, ...kept, ...(change.headers ?? []), length, '', body].join(
    '\r\n',
  )
}

const ATTACKS: readonly Attack[] = [
  {
    what: 'bytes that are no SIP',
    says: Buffer.from('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n', 'latin1'),
    hears: [],
    kind: 'sip-malformed',
  },
  {
    what: 'a start line without a version',
    says: 'MESSAGE sip:juliet@xmpp.example\r\n\r\n',
    hears: [],
    kind: 'sip-malformed',
  },
  { what: 'no Call-ID', says: request({ without: ['Call-ID'] }), hears: [400], kind: 'sip-malformed' },
  { what: 'no CSeq', says: request({ without: ['CSeq'] }), hears: [400], kind: 'sip-malformed' },
  {
    what: 'a CSeq of another method',
    says: request({ headers: ['CSeq: 1 OPTIONS'] }),
    hears: [400],
    kind: 'sip-malformed',
  },
  {
    what: 'two Content-Lengths',
    says: request({ headers: ['Content-Length: 17'] }),
    hears: [400],
    kind: 'sip-malformed',
  },
  {
    what: 'a Content-Length that is no number',
    says: request({ contentLength: 'many' }),
    hears: [400],
    kind: 'sip-malformed',
  },
  {
    what: 'a body cut short',
    says: request({ contentLength: '400' }),
    hears: [400],
    kind: 'sip-truncated',
    only: 'udp',
  },
  { what: 'a head cut short', says: request({}).slice(0, 120), hears: [], kind: 'sip-malformed', only: 'udp' },
  { what: 'SIP/3.0', says: request({ version: 'SIP/3.0' }), hears: [505], kind: 'sip-version' },
  { what: 'an unknown method', says: request({ method: 'CONQUER' }), hears: [501], kind: 'sip-unknown-method' },
  {
    what: 'a known method that is not for us',
    says: request({ method: 'INVITE', body: '' }),
    hears: [405],
    kind: 'sip-unknown-method',
    header: ['allow', /MESSAGE/],
  },
  {
    what: 'an extension nobody knows',
    says: request({ headers: ['Require: teleport'] }),
    hears: [420],
    kind: 'sip-extension-required',
    header: ['unsupported', /teleport/],
  },
  { what: 'a foreign scheme', says: request({ uri: 'mailto:juliet@xmpp.example' }), hears: [416], kind: 'sip-scheme' },
  { what: 'no hop left', says: request({ headers: ['Max-Forwards: 0'] }), hears: [483], kind: 'sip-looped' },
  {
    what: 'an unknown event package',
    says: request({
      method: 'SUBSCRIBE',
      headers: ['Event: weather', 'Contact: <sip:eve@@ADDRESS@>', 'Expires: 60'],
      body: '',
    }),
    hears: [489],
    header: ['allow-events', /presence/],
  },
  {
    what: 'no event package',
    says: request({ method: 'SUBSCRIBE', headers: ['Contact: <sip:eve@@ADDRESS@>', 'Expires: 60'], body: '' }),
    hears: [489],
  },
  {
    what: 'a NOTIFY out of the blue',
    says: request({
      method: 'NOTIFY',
      to: 'sip:juliet@xmpp.example',
      headers: ['Event: presence', 'Subscription-State: active', 'Contact: <sip:eve@@ADDRESS@>'],
      body: '',
    }),
    hears: [481],
  },
  { what: 'a sender of a domain that is not ours', says: request({ from: 'sip:eve@elsewhere.example' }), hears: [403] },
  {
    what: 'a recipient of no partner',
    says: request({ uri: 'sip:victim@elsewhere.example', to: 'sip:victim@elsewhere.example' }),
    hears: [403, 404],
  },
  {
    what: 'a body nobody can show',
    says: request({ headers: ['Content-Type: application/octet-stream'] }),
    hears: [415],
    header: ['accept', /text\/plain/],
  },
  {
    what: 'an over-long head',
    says: request({ headers: [`Subject: ${'x'.repeat(70_000)}`] }),
    hears: [400, 413, 513],
    kind: 'sip-too-long',
    only: 'tcp',
  },
  {
    what: 'an over-long body',
    says: request({ contentLength: '90000000', body: 'x' }),
    hears: [400, 413, 513],
    kind: 'sip-too-long',
    only: 'tcp',
  },
  { what: 'an over-long datagram', says: request({ body: 'x'.repeat(60_000) }), hears: [413, 513], only: 'udp' },
]

let calls = 0
function fillIn(text: string, way: Way, host: string, port: number): Buffer {
  calls += 1
  const filled = text.replaceAll('@WAY@', way.toUpperCase()).replaceAll('@ADDRESS@', `${host}:${port}`)
  return Buffer.from(filled.replaceAll('@N@', String(calls)))
}

/** Says something from an address and gives what comes back within the time, undefined when nothing does. */
async function say(
  scene: Scene,
  way: Way,
  address: string,
  text: string | Buffer,
  waitMs = 3000,
): Promise<SipText | undefined> {
  const gateway = { host: scene.stage.at.gateway, port: PORTS.sip }
  const fill = (host: string, port: number): Buffer => (typeof text === 'string' ? fillIn(text, way, host, port) : text)
  if (way === 'udp') {
    const socket = createSocket('udp4')
    socket.bind(0, address)
    await once(socket, 'listening')
    try {
      return await new Promise((resolve) => {
        const timer = setTimeout(() => resolve(undefined), waitMs)
        socket.on('message', (bytes) => {
          clearTimeout(timer)
          resolve(readSip(bytes))
        })
        socket.send(fill(address, socket.address().port), gateway.port, gateway.host)
      })
    } finally {
      socket.close()
    }
  }
  const socket = connect({ ...gateway, localAddress: address })
  const cutter = new SipCutter()
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), waitMs)
      const end = (answer: SipText | undefined): void => {
        clearTimeout(timer)
        resolve(answer)
      }
      socket.on('error', () => end(undefined))
      socket.on('close', () => end(undefined))
      socket.on('data', (chunk) => cutter.push(chunk).forEach((bytes) => end(readSip(bytes))))
      socket.once('connect', () => socket.write(fill(address, socket.localPort ?? 0)))
    })
  } finally {
    socket.destroy()
  }
}

let goodOnes = 0
async function goodMessagesPass({ xmpp: { juliet }, sip: { romeo } }: Scene<'juliet', 'romeo'>): Promise<void> {
  goodOnes += 1
  expect([200, 202]).toContain(statusOf(await romeo.message('sip:juliet@xmpp.example', `good ${goodOnes}`)))
  await juliet.hearsMessage(`good ${goodOnes}`)
}

/** How many requests were answered with an error, by the transactions' own count. */
const refusals = async ({ pair }: Scene): Promise<number> =>
  (await pair.metric('gateway', 'stox_sip_transactions_total', { role: 'server', class: '4xx' })) +
  (await pair.metric('gateway', 'stox_sip_transactions_total', { role: 'server', class: '5xx' }))

play(
  'hostile-sip',
  {
    xmpp: ['juliet'],
    sip: { romeo: SIP },
    pair: (stage) => ({
      trustedPeers: [stage.at.partner],
      partners: [dialbackPartner(XMPP, { limits: { maxStanzaBytes: 50_000 } })],
    }),
  },
  (act) => {
    for (const { what, says, hears, kind, only, header } of ATTACKS) {
      const ways = only === undefined ? (['udp', 'tcp'] as const) : [only]
      const verdict = hears.length === 0 ? 'no answer' : hears.join(' or ')
      act(`${what}: ${verdict}, counted, and the next good message passes (${ways.join(', ')})`, async (scene) => {
        for (const way of ways) {
          const attack = async (): Promise<void> => {
            const answer = await say(scene, way, scene.stage.at.partner, says, hears.length === 0 ? 500 : 5000)
            if (hears.length === 0) {
              expect(answer === undefined || statusOf(answer) >= 400).toBe(true)
              return
            }
            expect(hears).toContain(answer === undefined ? undefined : statusOf(answer))
            if (header !== undefined && answer !== undefined) expect(headerOf(answer, header[0])).toMatch(header[1])
          }
          if (kind === undefined) {
            const before = await refusals(scene)
            await attack()
            expect(await refusals(scene)).toBeGreaterThan(before)
          } else await scene.pair.countsRefusal('gateway', kind, attack)
        }
        await goodMessagesPass(scene)
        await scene.xmpp.juliet.heard.never('anything evil', (seen) => seen.body?.includes('evil') ?? false, 50)
      })
    }

    act('a request from an address that nobody vouched for is not served, over UDP and TCP', async (scene) => {
      for (const way of ['udp', 'tcp'] as const) {
        await scene.pair.countsRefusal('gateway', 'sip-untrusted', async () => {
          const answer = await say(scene, way, scene.stage.at.stranger, request({}), 1000)
          if (answer !== undefined) expect(statusOf(answer)).toBe(403)
        })
      }
      await goodMessagesPass(scene)
      await scene.xmpp.juliet.heard.never('anything evil', (seen) => seen.body === 'evil', 200)
    })

    act('a stream that stops in the middle of a request', async (scene) => {
      const socket = connect({ host: scene.stage.at.gateway, port: PORTS.sip, localAddress: scene.stage.at.partner })
      await once(socket, 'connect')
      socket.write(request({}).slice(0, 150).replaceAll('@WAY@', 'TCP'))
      await pause(100)
      await goodMessagesPass(scene)
      socket.destroy()
      await goodMessagesPass(scene)
    })

    act('a response that nobody asked for is dropped', async (scene) => {
      const stray = `SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP ${scene.stage.at.gateway}:${PORTS.sip};branch=z9hG4bKnever\r\nFrom: <sip:a@sip.example>;tag=1\r\nTo: <sip:b@sip.example>;tag=2\r\nCall-ID: never\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n`
      await scene.pair.countsRefusal('gateway', 'sip-response-stray', async () => {
        expect(await say(scene, 'udp', scene.stage.at.partner, stray, 300)).toBeUndefined()
      })
      await goodMessagesPass(scene)
    })

    act('the same request twice is one message', async (scene) => {
      const twice = request({ body: 'only once' })
      const socket = createSocket('udp4')
      socket.bind(0, scene.stage.at.partner)
      await once(socket, 'listening')
      const bytes = fillIn(twice, 'udp', scene.stage.at.partner, socket.address().port)
      for (let count = 0; count < 3; count += 1) socket.send(bytes, PORTS.sip, scene.stage.at.gateway)
      await scene.xmpp.juliet.hearsMessage('only once')
      await scene.xmpp.juliet.heard.never('it again', (seen) => seen.body === 'only once', 500)
      socket.close()
    })
  },
)
