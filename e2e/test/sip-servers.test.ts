import { until } from '../src/heard.ts'
import { play } from '../src/play.ts'
import { SipServer } from '../src/sip-server.ts'
import { sipp, succeeds } from '../src/sipp.ts'
import { statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, type Stage } from '../src/stage.ts'

const ROMEO = `romeo@${SIP}`
const MANY = 20

/** The domain's servers are found in DNS, and everybody at their addresses may write. */
const located =
  (more: object = {}) =>
  (stage: Stage) => ({
    trustedPeers: [stage.at.users, stage.at.stranger],
    sip: { domains: [{ domain: SIP, route: 'sip:front.example' }], probeIntervalS: 0, ...more },
  })

function place(stage: Stage, ...servers: readonly { readonly address: string; readonly priority: number }[]): void {
  const named = servers.map(({ address, priority }, at) => ({
    address,
    priority,
    target: `s${at}-${address}.front.example`,
  }))
  for (const { address, target } of named) stage.dns.a.set(target, [address])
  stage.dns.srv.set(
    '_sip._udp.front.example',
    named.map(({ target, priority }) => ({ target, priority, port: PORTS.sip })),
  )
}

play('sipp-roles', { xmpp: ['juliet'], sip: {}, pair: located() }, (act) => {
  for (const transport of ['udp', 'tcp'] as const) {
    act(`UAC: OPTIONS, by ${transport}`, ({ stage }) =>
      succeeds(sipp(stage, 'options', { name: `options-${transport}`, transport, calls: MANY })),
    )
    act(`UAC: MESSAGE, by ${transport}`, ({ stage }) =>
      succeeds(sipp(stage, 'message', { name: `message-${transport}`, transport, calls: MANY })),
    )
    act(`UAC of SUBSCRIBE and UAS of NOTIFY, by ${transport}: Record-Route comes back byte for byte`, ({ stage }) =>
      succeeds(sipp(stage, 'watcher', { name: `watcher-${transport}`, transport })),
    )
  }

  act('UAS: MESSAGE', async ({ stage, xmpp: { juliet } }) => {
    place(stage, { address: stage.at.users, priority: 1 })
    const ran = sipp(stage, 'taker', { calls: MANY })
    for (let at = 0; at < MANY; at += 1) juliet.message(ROMEO, `number ${at}`)
    await succeeds(ran)
  })

  act('UAS of SUBSCRIBE and UAC of NOTIFY: she sees him', async ({ stage, xmpp: { juliet } }) => {
    place(stage, { address: stage.at.users, priority: 1 })
    const ran = sipp(stage, 'notifier')
    juliet.subscribe(ROMEO)
    await juliet.hearsPresence(ROMEO, { type: 'subscribed' })
    await juliet.hearsPresence(ROMEO, { type: '' })
    juliet.unsubscribe(ROMEO)
    await succeeds(ran)
  })
})

play('sip-failover', { xmpp: ['juliet'], sip: {}, pair: located() }, (act) => {
  act(
    'RFC 3263 §4.3: the second server when the first answers 503, and the first rests',
    async ({ stage, xmpp: { juliet } }) => {
      const [first, second] = [
        await SipServer.listen(stage.at.users, PORTS.sip),
        await SipServer.listen(stage.at.stranger, PORTS.sip),
      ]
      place(stage, { address: stage.at.users, priority: 1 }, { address: stage.at.stranger, priority: 2 })
      try {
        first.answer = () => ({ status: 503, headers: ['Retry-After: 60'] })
        juliet.message(ROMEO, 'one')
        await until('the second server hearing it', () => second.count('MESSAGE') === 1)
        juliet.message(ROMEO, 'two')
        await until('the second server hearing the next', () => second.count('MESSAGE') === 2)
        expect(first.count('MESSAGE')).toBe(1)
      } finally {
        await Promise.all([first.close(), second.close()])
      }
    },
  )

  act(
    '§21.5.4: the only server wants a rest: she is told to wait, and it is left alone',
    async ({ stage, xmpp: { juliet } }) => {
      stage.dns.a.set('alone.example', [stage.at.partner])
      const server = await SipServer.listen(stage.at.partner, PORTS.sip)
      stage.dns.srv.set('_sip._udp.front.example', [{ target: 'alone.example', port: PORTS.sip }])
      try {
        // Where the servers are is remembered for 30 s, and names for 5 s.
        await until(
          'the new server',
          async () => {
            server.answer = () => ({ status: 503, headers: ['Retry-After: 100'] })
            await juliet.hearsError(juliet.message(ROMEO, 'are you there?')).catch(() => undefined)
            return server.count('MESSAGE') > 0
          },
          50_000,
        )
        const before = server.count('MESSAGE')
        const error = await juliet.hearsError(juliet.message(ROMEO, 'and now?'))
        expect(error.errorType).toBe('wait')
        expect(server.count('MESSAGE')).toBe(before)
      } finally {
        await server.close()
      }
    },
    90_000,
  )
})

const probed = { probeIntervalS: 1 }

play(
  'sip-probes',
  {
    xmpp: ['juliet'],
    sip: {},
    pair: (stage) => ({
      sip: {
        ...probed,
        domains: [
          {
            domain: SIP,
            route: `sip:${stage.at.users}:${PORTS.sip};transport=udp`,
            backupRoutes: [`sip:${stage.at.stranger}:${PORTS.sip};transport=udp`],
          },
        ],
      },
    }),
  },
  (act) => {
    act(
      'a server that is silent is down, its stand-in is used at once, and it comes back',
      async ({ stage, pair, xmpp: { juliet } }) => {
        const [first, second] = [
          await SipServer.listen(stage.at.users, PORTS.sip),
          await SipServer.listen(stage.at.stranger, PORTS.sip),
        ]
        const up = (): Promise<number> =>
          pair.metric('gateway', 'stox_sip_server_up', { server: `udp:${stage.at.users}:${PORTS.sip}` })
        try {
          await until('both up', async () => (await up()) === 1, 10_000)
          first.answer = () => undefined
          await until('the first down', async () => (await up()) === 0, 30_000)
          juliet.message(ROMEO, 'to the stand-in')
          await until('the second hearing it', () => second.count('MESSAGE') === 1, 5_000)
          expect(first.count('MESSAGE')).toBe(0)
          expect(pair.child('gateway').logTail(10_000)).toContain('sip-server-down')

          first.answer = () => ({ status: 405 })
          await until('the first up again', async () => (await up()) === 1, 10_000)
          first.answer = () => ({ status: 200 })
          juliet.message(ROMEO, 'to the first')
          await until('the first hearing it', () => first.count('MESSAGE') === 1, 5_000)
        } finally {
          await Promise.all([first.close(), second.close()])
        }
      },
      90_000,
    )

    act(
      'RFC 3263 §4.3: a server that falls silent under a message: its stand-in has it well before Timer F',
      async ({ stage, pair, xmpp: { juliet } }) => {
        const [first, second] = [
          await SipServer.listen(stage.at.users, PORTS.sip),
          await SipServer.listen(stage.at.stranger, PORTS.sip),
        ]
        const up = (at: string): Promise<number> =>
          pair.metric('gateway', 'stox_sip_server_up', { server: `udp:${at}:${PORTS.sip}` })
        try {
          for (const at of [stage.at.users, stage.at.stranger])
            await until(`${at} up`, async () => (await up(at)) === 1, 30_000)
          // The round of probes that has just ended is the last that it answers.
          first.answer = () => undefined
          juliet.message(ROMEO, 'to whom has just fallen silent')
          await until('the first being asked', () => first.count('MESSAGE') > 0, 5_000)
          await until('the second hearing it', () => second.count('MESSAGE') === 1, 25_000)
        } finally {
          await Promise.all([first.close(), second.close()])
        }
      },
      90_000,
    )
  },
)

play('sip-restart', { xmpp: ['juliet'], sip: { romeo: SIP }, sipTls: true }, (act) => {
  act(
    'the SIP server restarts: errors while it is away, then everything as before on new connections',
    async ({ kamailio, xmpp, sip }) => {
      const { juliet } = xmpp
      const { romeo } = sip
      juliet.message(ROMEO, 'before')
      await romeo.hears('before')
      await kamailio.stop()
      const error = await juliet.hearsError(juliet.message(ROMEO, 'while away'))
      expect(error).toMatchObject({ condition: 'remote-server-timeout', errorType: 'wait' })
      await kamailio.restart()
      await romeo.register()
      juliet.message(ROMEO, 'after')
      await romeo.hears('after')
      expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'here I am')))
      await juliet.hearsMessage('here I am')
    },
  )
})
