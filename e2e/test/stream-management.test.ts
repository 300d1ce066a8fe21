import { pause, until } from '../src/heard.ts'
import { play } from '../src/play.ts'
import { sessionsOf } from '../src/sessions.ts'
import { statusOf } from '../src/sip-text.ts'
import { SIP, XMPP } from '../src/stage.ts'
import { Traffic } from '../src/traffic.ts'

const ACT_MS = 120_000
const EVERY_MS = 10
const OUTCOMES_WITHIN_MS = 45_000

/** The record as it is made when nothing is said: TLS and SASL required. */
const partners = [{ domain: XMPP, partnerType: 'federated' }]

/** Prosody with more modules on its host. */
const castWith = (modules: string, more = '') =>
  ({
    xmpp: ['juliet'],
    sip: { romeo: SIP },
    hasCertificates: true,
    pair: { partners },
    prosody: { hostsMore: `modules_enabled = { ${modules} }\n${more}` },
  }) as const

play('stream-management', castWith('"smacks"'), (act) => {
  act('XEP-0198 with Prosody, one stream each way: each side acknowledges', async ({ pair, xmpp, sip }) => {
    const { juliet } = xmpp
    const { romeo } = sip
    juliet.message(`romeo@${SIP}`, 'did you get it?')
    await romeo.hears('did you get it?')
    expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'I did')))
    await juliet.hearsMessage('I did')
    const streams = await sessionsOf(pair)
    expect(streams.map(({ direction }) => direction).toSorted()).toEqual(['inbound', 'outbound'])
    for (const stream of streams) {
      expect(stream).toMatchObject({ streamManagement: true, bidirectional: false, method: 'sasl-external' })
    }
  })

  act("a gateway's restart leaves every stream up", async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
    const before = await sessionsOf(pair)
    await pair.child('gateway').stop(12_000)
    await pair.start('gateway')
    await pair.ready()
    juliet.message(`romeo@${SIP}`, 'still there?')
    await romeo.hears('still there?')
    const after = await sessionsOf(pair)
    expect(after.map(({ id, since }) => [id, since])).toEqual(before.map(({ id, since }) => [id, since]))
  })

  act(
    'SIGTERM of the edge under load: what it has is finished and acknowledged, within 10 s, and nobody waits in vain',
    async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
      const traffic = new Traffic(juliet, romeo, EVERY_MS)
      await pause(2000)
      const startedMs = Date.now()
      await pair.child('edge').stop(20_000)
      const tookMs = Date.now() - startedMs
      await pair.start('edge')
      await pair.ready()
      await pause(1000)
      const sums = await traffic.stop(OUTCOMES_WITHIN_MS)
      process.stdout.write(`SIGTERM of the edge, ${tookMs} ms: ${traffic.describe(sums)}\n`)
      expect(tookMs).toBeLessThan(10_000)
      expect(sums.toSip.withoutOutcome).toEqual([])
      expect(sums.toXmpp).toMatchObject({ withoutOutcome: [], acceptedAndLost: [] })
    },
    ACT_MS,
  )
})

play('bidirectional', castWith('"smacks", "s2s_bidi"'), (act) => {
  act('XEP-0288 with Prosody: both ways on one stream, whoever began it', async ({ pair, xmpp, sip }) => {
    const { juliet } = xmpp
    const { romeo } = sip
    const talk = async (word: string): Promise<void> => {
      juliet.message(`romeo@${SIP}`, `${word} there`)
      await romeo.hears(`${word} there`)
      expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, `${word} back`)))
      await juliet.hearsMessage(`${word} back`)
    }
    await talk('theirs')
    const stream = { streamManagement: true, bidirectional: true, method: 'sasl-external' }
    expect(await sessionsOf(pair)).toMatchObject([{ ...stream, direction: 'inbound' }])

    const [first] = await sessionsOf(pair)
    await pair.rest('DELETE', `/v1/sessions/${encodeURIComponent(first?.id ?? '')}`)
    await until('no streams', async () => (await sessionsOf(pair)).length === 0, 10_000)
    expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'ours first')))
    await juliet.hearsMessage('ours first')
    await talk('ours')
    expect(await sessionsOf(pair)).toMatchObject([{ ...stream, direction: 'outbound' }])
    expect(await pair.metric('edge', 'stox_stream_failures_total')).toBe(0)
  })

  act(
    'kill -9 of the edge under load on one stream: every sender has an outcome',
    async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
      const traffic = new Traffic(juliet, romeo, EVERY_MS)
      await pause(2000)
      await pair.kill9('edge')
      await pause(500)
      await pair.start('edge')
      await pair.ready()
      await pause(2000)
      const sums = await traffic.stop(OUTCOMES_WITHIN_MS)
      process.stdout.write(`kill -9 of the edge, one stream: ${traffic.describe(sums)}\n`)
      expect(sums.toSip.withoutOutcome).toEqual([])
      expect(sums.toXmpp).toMatchObject({ withoutOutcome: [], acceptedAndLost: [] })
    },
    ACT_MS,
  )
})

for (const [name, more] of [
  ['tells its users', ''],
  ['sends again', 'smacks_s2s_resend = true'],
] as const) {
  play(`kill-edge-${name.replaceAll(' ', '-')}`, castWith('"smacks"', more), (act) => {
    act(
      `kill -9 of the edge under load, where Prosody ${name}: nothing is lost without a word`,
      async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
        const traffic = new Traffic(juliet, romeo, EVERY_MS)
        await pause(2000)
        await pair.kill9('edge')
        await pause(1000)
        await pair.start('edge')
        await pair.ready()
        await pause(2000)
        const sums = await traffic.stop(OUTCOMES_WITHIN_MS)
        process.stdout.write(`kill -9 of the edge, Prosody ${name}: ${traffic.describe(sums)}\n`)
        expect(sums.toSip.withoutOutcome).toEqual([])
        expect(sums.toXmpp).toMatchObject({ withoutOutcome: [], acceptedAndLost: [] })
        expect(Math.min(sums.toSip.delivered, sums.toXmpp.delivered)).toBeGreaterThan(100)
      },
      ACT_MS,
    )
  })
}
