import { setTimeout } from 'node:timers/promises'
import { until } from '../src/heard.ts'
import { ACCOUNTS } from '../src/kamailio.ts'
import { play, type Act } from '../src/play.ts'
import { statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, SIP_TCP } from '../src/stage.ts'

const CAST = { xmpp: ['juliet'], sip: { romeo: SIP, paris: SIP_TCP } } as const

/** Kamailio's live for three seconds. */
const LONGER_THAN_A_NONCE_MS = 4_000

/** What any way between the two servers has to carry. */
function everything(act: Act<'juliet', 'romeo' | 'paris'>): void {
  act('messages each way, for both domains', async ({ xmpp: { juliet }, sip: { romeo, paris } }) => {
    for (const user of [romeo, paris]) {
      juliet.message(user.aor.slice('sip:'.length), `to ${user.aor}`)
      await user.hears(`to ${user.aor}`)
      expect([200, 202]).toContain(statusOf(await user.message(`sip:${juliet.bare}`, `from ${user.aor}`)))
      await juliet.hearsMessage(`from ${user.aor}`)
    }
  })

  act('presence: she subscribes, sees him come and go, and leaves', async ({ kamailio, xmpp, sip }) => {
    const { juliet } = xmpp
    await sip.romeo.publish({ basic: 'open' })
    juliet.subscribe('romeo@sip.example')
    await juliet.hearsPresence('romeo@sip.example', { type: 'subscribed' })
    await juliet.hearsPresence('romeo@sip.example', { type: '' })
    await sip.romeo.publish({ basic: 'open', activity: 'away' })
    await juliet.hearsPresence('romeo@sip.example', { type: '', show: 'away' })
    await until('an active row', () => kamailio.watchers('romeo').some(({ status }) => status === 1))
  })

  act('an error comes back', async ({ xmpp: { juliet } }) => {
    const error = await juliet.hearsError(juliet.message('nouser-1@sip.example', 'anybody?'))
    expect(error.condition).toBe('item-not-found')
  })
}

play('sip-tls', { ...CAST, sipTls: true }, (act) => {
  everything(act)

  act('RFC 5923: on few connections, and the server is trusted by its certificate', async ({ stage, pair }) => {
    expect(
      await pair.metric('gateway', 'stox_sip_server_up', { server: `tls:${stage.at.kamailio}:${PORTS.sipTls}` }),
    ).toBe(1)
    expect(await pair.refused('gateway', 'sip-insecure')).toBe(0)
    expect(await pair.refused('gateway', 'sip-untrusted')).toBe(0)
    expect(
      await pair.metric('gateway', 'stox_certificate_expiry_seconds', { side: 'ours', domain: 'sip' }),
    ).toBeGreaterThan(3600)
  })
})

describe.each(['MD5', 'SHA-256'] as const)('the SIP server asks for a password, %s', (asks) => {
  const { realm, username, password } = ACCOUNTS.ofGateway
  const credentials = [
    { domain: SIP, username, password },
    { domain: SIP_TCP, realm, username, password },
  ]
  play(`sip-asks-${asks}`, { ...CAST, kamailio: { asks }, pair: { sip: { credentials } } }, (act) => {
    everything(act)

    act(
      'a nonce that is too old is asked for anew, and nobody notices',
      async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
        for (const text of ['in time', 'much later']) {
          juliet.message('romeo@sip.example', text)
          await romeo.hears(text)
          await setTimeout(LONGER_THAN_A_NONCE_MS)
        }
        expect(pair.child('gateway').logTail(10_000)).not.toContain(password)
      },
    )
  })
})

const { realm, username, password } = ACCOUNTS.ofKamailio
const digest = { realm, users: [{ username, password, domains: [SIP, SIP_TCP] }], algorithms: ['MD5'] }
const strict = { trustedPeers: ['192.0.2.1'], digest }

play('sip-answers', { ...CAST, kamailio: { answers: true }, pair: { sip: strict } }, (act) => {
  act('RFC 3261 §22: the SIP server answers our challenge', async ({ xmpp: { juliet }, sip: { romeo, paris } }) => {
    expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'with a password')))
    await juliet.hearsMessage('with a password')
    expect([200, 202]).toContain(statusOf(await paris.message(`sip:${juliet.bare}`, 'by UDP as well')))
    await juliet.hearsMessage('by UDP as well')
  })
})

play('sip-strangers', { ...CAST, pair: { sip: strict } }, (act) => {
  act('who has no password is refused', async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
    expect(statusOf(await romeo.message(`sip:${juliet.bare}`, 'let me in'))).toBe(401)
    expect(await pair.refused('gateway', 'sip-unauthenticated')).toBeGreaterThan(0)
    await juliet.heard.never('the message', (seen) => seen.kind === 'message', 300)
  })
})
