import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { selfSigned } from '../src/certificates.ts'
import { pause } from '../src/heard.ts'
import { besideHonest, type Cost } from '../src/honest-traffic.ts'
import { dialbackPartner } from '../src/pair.ts'
import { play, type Scene } from '../src/play.ts'
import { CLOSED, S2sPartner, type PartnerStream } from '../src/s2s-partner.ts'
import { listsFailure, sessionsOf } from '../src/sessions.ts'
import { PORTS, SIP, XMPP, type Stage } from '../src/stage.ts'
import { good, HOSTILE, ME, message, STANZA_LIMIT } from '../src/xmpp-attacks.ts'

/**
 * Partners that want to cost us much: time, memory, connections. Each costs no more than a bound, which is wide, since
 * the machine may be busy; an honest partner's messages pass meanwhile. @see mapping F.8
 */

const ESTABLISHMENT_S = 3
const INACTIVITY_S = 8
const STANZAS_PER_SECOND = 20
/** What the kernel holds for a connection on the loopback, both ends together, and some more. */
const BUFFERED_MIB = 24
const SLOWEST_MS = 8_000
/** A heap that has seen little grows by much when it sees more: half of what the edge takes under load. */
const GROWTH_MIB = 224

/** Who goes on after the error is cut off, and may lose it with that. */
const CUT_OFF = ['policy-violation', CLOSED]

type Players = Scene<'juliet', 'romeo'>

let attacker: S2sPartner | undefined
async function openPartner(stage: Stage): Promise<S2sPartner> {
  if (attacker !== undefined) return attacker
  const edge = { host: stage.at.edge, port: PORTS.s2s }
  const tls = await selfSigned(stage.dir, 'hostile', [HOSTILE])
  const options = { domain: HOSTILE, address: stage.at.partner, port: PORTS.s2s, edge, version: '1.0', tls } as const
  const opened = await new S2sPartner(options).start()
  stage.onEnd(() => opened.stop())
  attacker = opened
  return opened
}

function costsLittle(cost: Cost, cpuMsPerSecond: number): void {
  expect(cost.slowestMs).toBeLessThan(SLOWEST_MS)
  expect(cost.edgeGrewMiB).toBeLessThan(GROWTH_MIB)
  // What is over in less than a second is judged as one: an edge that has just begun compiles as it goes.
  expect((cost.edgeCpuMs * 1000) / Math.max(1000, cost.tookMs)).toBeLessThan(cpuMsPerSecond)
}

const beside = ({ pair, xmpp, sip }: Players, act: () => Promise<void>): Promise<Cost> =>
  besideHonest({ pair, from: xmpp.juliet, to: sip.romeo }, act)

const MIB = 1024 * 1024
/** Writes so much, as fast as it is taken, until the other end has had enough or takes no more. */
async function pour(stream: PartnerStream, totalMiB: number, piece: Buffer, withinMs = 15_000): Promise<number> {
  const endMs = performance.now() + withinMs
  let written = 0
  while (written < totalMiB * MIB && !stream.closed && performance.now() < endMs) {
    written += piece.length
    if (!stream.write(piece)) await Promise.race([stream.drained(), pause(1000)])
    // Nothing has moved for long, or the connection is going.
    if (stream.waiting > 4 * MIB) break
  }
  return (written - stream.waiting) / MIB
}

const settings = { establishmentTimeoutS: ESTABLISHMENT_S, inactivityTimeoutS: INACTIVITY_S }
const limits = { maxStanzaBytes: STANZA_LIMIT, stanzasPerSecond: STANZAS_PER_SECOND }
const DEAF = 'deaf.example'
const partnersOf = ({ at }: Stage) => [
  dialbackPartner(XMPP),
  dialbackPartner(HOSTILE, { limits }),
  dialbackPartner(DEAF, { proxy: { host: at.stranger, port: PORTS.s2s } }),
]
const cast = {
  xmpp: ['juliet'],
  sip: { romeo: SIP },
  pair: (stage: Stage) => ({ partners: partnersOf(stage), settings }),
} as const

play('hostile-costs', cast, (act) => {
  for (const at of ['before authentication', 'after it'] as const) {
    act(`RFC 6120 §13.12: a text of 100 MB ${at}: cut off where the limit is`, async (scene) => {
      const partner = await openPartner(scene.stage)
      const sinceMs = Date.now()
      let taken = 0
      const cost = await beside(scene, () =>
        scene.pair.countsRefusal('edge', 'stanza-too-big', async () => {
          const stream = at === 'after it' ? await partner.dialProven(SIP) : await partner.dial()
          if (at !== 'after it') await stream.open(SIP, HOSTILE)
          stream.polite = false
          stream.write(`<message ${good}><body>`)
          taken = await pour(stream, 100, Buffer.alloc(65_536, 'evil '))
          expect(CUT_OFF).toContain(await stream.ended())
        }),
      )
      expect(taken).toBeLessThan(BUFFERED_MIB)
      costsLittle(cost, 900)
      await listsFailure(scene.pair, sinceMs, { direction: 'inbound', remoteDomain: HOSTILE, reason: /./ })
    })
  }

  act('mapping F.8: headers that come byte by byte: each has its time, and no more', async (scene) => {
    const partner = await openPartner(scene.stage)
    const before = await scene.pair.refused('edge', 'establishment-timeout')
    const sinceMs = Date.now()
    const cost = await beside(scene, async () => {
      const streams = await Promise.all(Array.from({ length: 15 }, () => partner.dial()))
      const header = streams[0]?.header(SIP, HOSTILE) ?? ''
      let at = 0
      const drip = setInterval(() => {
        streams.forEach((stream) => stream.write(header.charAt(at)))
        at += 1
      }, 300)
      const endings = await Promise.all(streams.map((stream) => stream.ended(30_000)))
      clearInterval(drip)
      expect(new Set(endings)).toEqual(new Set(['connection-timeout']))
    })
    expect(await scene.pair.refused('edge', 'establishment-timeout')).toBe(before + 15)
    costsLittle(cost, 500)
    await listsFailure(scene.pair, sinceMs, { direction: 'inbound', remoteDomain: '', reason: /time/ })
  })

  act('a stanza of one byte a second: the stream is idle, whatever drips', async (scene) => {
    const partner = await openPartner(scene.stage)
    const cost = await beside(scene, async () => {
      const stream = await partner.dialProven(SIP)
      stream.polite = false
      stream.write(`<message ${good}><body>`)
      const drip = setInterval(() => stream.write('x'), 1000)
      await stream.next('its end', (xml) => xml === '</stream:stream>', 1000 * (INACTIVITY_S + 20))
      clearInterval(drip)
      await stream.next('the end of the connection', (xml) => xml === CLOSED, 30_000)
    })
    costsLittle(cost, 500)
  })

  act('2,000 connections that say nothing, from 100 addresses: partners still come in', async (scene) => {
    const { stage, pair } = scene
    const partner = await openPartner(stage)
    const net = stage.at.edge.split('.').slice(0, 3).join('.')
    const before = await pair.refused('edge', 'connection-limit')
    const silent: Socket[] = []
    const cost = await beside(scene, async () => {
      for (let count = 0; count < 2000; count += 1) {
        const localAddress = `${net}.${100 + (count % 100)}`
        const socket = connect({ host: stage.at.edge, port: PORTS.s2s, localAddress })
        socket.on('error', () => socket.destroy()).resume()
        silent.push(socket)
        if (count % 50 === 49) await once(socket, 'connect').catch(() => undefined)
      }
      await pause(500)
      const open = (await sessionsOf(pair)).filter(({ remoteDomain }) => remoteDomain === '')
      expect(open.length).toBeLessThanOrEqual(220)
      const stream = await partner.dialProven(SIP)
      stream.write(message(good, '<body>in the crowd</body>'))
      await scene.sip.romeo.hears('in the crowd')
      stream.destroy()
    })
    expect(await pair.refused('edge', 'connection-limit')).toBeGreaterThan(before + 1000)
    silent.forEach((socket) => socket.destroy())
    costsLittle(cost, 900)
  })

  act('a flood of stanzas: read as fast as the record says, and TCP holds the rest back', async (scene) => {
    const partner = await openPartner(scene.stage)
    const flood = message(`from='${ME}' to='nouser@${SIP}' type='headline'`, `<body>${'flood '.repeat(2000)}</body>`)
    const before = await scene.pair.metric('edge', 'stox_messages_total')
    let taken = 0
    const cost = await beside(scene, async () => {
      const stream = await partner.dialProven(SIP)
      taken = await pour(stream, 100, Buffer.from(flood.repeat(10)), 5000)
      stream.destroy()
    })
    expect(taken).toBeLessThan(BUFFERED_MIB)
    const messages = (await scene.pair.metric('edge', 'stox_messages_total')) - before
    // The honest ones are among them: five a second.
    expect(messages).toBeLessThan(((STANZAS_PER_SECOND + 5) * cost.tookMs) / 1000 + 3 * STANZAS_PER_SECOND)
    costsLittle(cost, 700)
  })

  act('mapping F.5: keys to be looked at without end, from who has proven nothing', async (scene) => {
    const partner = await openPartner(scene.stage)
    const question = `<db:verify from='${HOSTILE}' to='${SIP}' id='none'>${'0'.repeat(64)}</db:verify>`
    const sinceMs = Date.now()
    let taken = 0
    const cost = await beside(scene, () =>
      scene.pair.countsRefusal('edge', 'dialback-refused', async () => {
        const stream = await partner.dial()
        stream.polite = false
        await stream.open(SIP, HOSTILE)
        await stream.secure(SIP, HOSTILE)
        taken = await pour(stream, 100, Buffer.from(question.repeat(400)))
        expect(CUT_OFF).toContain(await stream.ended())
      }),
    )
    expect(taken).toBeLessThan(BUFFERED_MIB)
    costsLittle(cost, 900)
    await listsFailure(scene.pair, sinceMs, { direction: 'inbound', remoteDomain: HOSTILE, reason: /./ })
  })

  act(
    'a partner that asks much and never reads the answers: it is given up',
    async (scene) => {
      const { stage, pair } = scene
      const edge = { host: stage.at.edge, port: PORTS.s2s }
      const tls = await selfSigned(stage.dir, 'deaf', [DEAF])
      const options = { domain: DEAF, address: stage.at.stranger, port: PORTS.s2s, edge, version: '1.0', tls } as const
      const partner = await new S2sPartner(options).start()
      stage.onEnd(() => partner.stop())
      const ask = `<iq from='${DEAF}' to='${SIP}' type='get' id='q'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>`
      const sinceMs = Date.now()
      const cost = await beside(scene, async () => {
        const stream = await partner.dialProven(SIP)
        stream.write(ask)
        await partner.heard.next('an answer', (stanza) => stanza.name === 'iq' && stanza.type === 'result')
        const answers = partner.streams.findLast(({ role, closed }) => role === 'accepted' && !closed)
        answers?.deaf()
        await pour(stream, 60, Buffer.from(ask.repeat(400)), 10_000)
        // Twenty seconds are what it has to take something.
        await listsFailure(pair, sinceMs, { direction: 'outbound', remoteDomain: DEAF, reason: /read/ }, 40_000)
        stream.destroy()
      })
      costsLittle(cost, 900)
      await partner.stop()
    },
    90_000,
  )
})
