import { becomeFriends, Traffic } from '../src/traffic.ts'
import { pause } from '../src/heard.ts'
import { play } from '../src/play.ts'
import { SIP, XMPP } from '../src/stage.ts'

const ACT_MS = 120_000
const EVERY_MS = 10
const OUTCOMES_WITHIN_MS = 45_000

/** The record as it is made when nothing is said: TLS and SASL required. */
const partners = [{ domain: XMPP, partnerType: 'federated' }]
const prosodyWith = (more: string) => ({ hostsMore: `modules_enabled = { "smacks" }\n${more}` })

const cast = (more: string) =>
  ({
    xmpp: ['juliet'],
    sip: { romeo: SIP },
    hasCertificates: true,
    pair: { partners },
    prosody: prosodyWith(more),
  }) as const

for (const [name, more] of [
  ['bounces', ''],
  ['sends again', 'smacks_s2s_resend = true'],
] as const) {
  play(`kill-edge-${name}`, cast(more), (act) => {
    act(
      `kill -9 of the edge under load, and Prosody ${name}`,
      async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
        await becomeFriends(juliet, romeo)
        const traffic = new Traffic(juliet, romeo, EVERY_MS)
        await pause(2000)
        await pair.kill9('edge')
        await pause(1000)
        await pair.start('edge')
        await pair.ready()
        await pause(2000)
        const sums = await traffic.stop(OUTCOMES_WITHIN_MS)
        process.stdout.write(`kill-edge, Prosody ${name}: ${traffic.describe(sums)}\n`)
        expect(sums.toSip.withoutOutcome).toEqual([])
        expect(sums.toXmpp.withoutOutcome).toEqual([])
        expect(sums.toXmpp.acceptedAndLost).toEqual([])
      },
      ACT_MS,
    )
  })
}
