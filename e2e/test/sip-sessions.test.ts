import { until } from '../src/heard.ts'
import { ACCOUNTS } from '../src/kamailio.ts'
import { play, type Act } from '../src/play.ts'
import { sipp, succeeds } from '../src/sipp.ts'
import { statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, SIP_TCP, type Stage } from '../src/stage.ts'
import { type Seen, type XmppUser } from '../src/xmpp-user.ts'

const ROMEO = `romeo@${SIP}`
const STATES = 'http://jabber.org/protocol/chatstates'

/** The users' own address stands for a front end whose clients write in sessions. */
const inSessions =
  (more: object = {}) =>
  (stage: Stage) => ({
    trustedPeers: [stage.at.users],
    sip: {
      domains: [
        {
          domain: SIP,
          route: `sip:${stage.at.users}:${PORTS.sip};transport=udp`,
          answer: 200,
          messages: { mode: 'session' },
        },
      ],
      probeIntervalS: 0,
      ...more,
    },
  })

const hasState = (state: string) => (seen: Seen) =>
  (seen.tree.children ?? []).some(
    (child) => typeof child !== 'string' && child.name === state && child.attrs?.['xmlns'] === STATES,
  )

/** Words, and that she knows of states. */
const say = (juliet: XmppUser, body: string, thread: string, to = ROMEO): void =>
  juliet.send({
    name: 'message',
    attrs: { to, type: 'chat', id: `j-${body}` },
    children: [
      { name: 'body', children: [body] },
      { name: 'thread', children: [thread] },
      { name: 'active', attrs: { xmlns: STATES } },
    ],
  })

play('sip-sessions', { xmpp: ['juliet'], sip: {}, pair: inSessions() }, (act) => {
  act('UAS: INVITE, her words one after the other, his in the same thread, and his BYE is “gone”', async (scene) => {
    const { stage, pair } = scene
    const { juliet } = scene.xmpp
    const ran = sipp(stage, 'session-taker')
    say(juliet, 'one', 'thread-1')
    say(juliet, 'two', 'thread-1')
    const three = await juliet.hears('three', (seen) => seen.body === 'three')
    expect([three.type, three.thread]).toEqual(['chat', 'thread-1'])
    await juliet.hears('that he has left', hasState('gone'))
    await succeeds(ran)
    expect(await pair.metric('gateway', 'stox_sip_sessions')).toBe(0)
  })

  act('UAC: INVITE, INFO, MESSAGE, her answer in his session, INVITE again, BYE, and 481 after it', async (scene) => {
    const { juliet } = scene.xmpp
    const ran = sipp(scene.stage, 'session-caller')
    const one = await juliet.hears('one', (seen) => seen.body === 'one')
    expect([one.type, one.from.split('/')[0]]).toEqual(['chat', ROMEO])
    juliet.message(ROMEO, 'two', { thread: one.thread ?? '' })
    await succeeds(ran)
  })

  act('UAC: the first words in the INVITE', async (scene) => {
    const { juliet } = scene.xmpp
    const text = Buffer.from('Grüße aus Verona').toString('base64')
    const ran = sipp(scene.stage, 'session-first-words', { keys: { text } })
    await juliet.hears('them', (seen) => seen.body === 'Grüße aus Verona')
    await succeeds(ran)
  })

  act('UAC: a telephone call is refused by 488, and nobody hears of it', ({ stage }) =>
    succeeds(sipp(stage, 'session-phone')),
  )

  act('UAS: the session is forgotten (481): another one, and the words again; her “gone” is BYE', async (scene) => {
    const { juliet } = scene.xmpp
    const ran = sipp(scene.stage, 'session-forgetter')
    say(juliet, 'one', 'thread-2')
    juliet.send({
      name: 'message',
      attrs: { to: ROMEO, type: 'chat' },
      children: [{ name: 'gone', attrs: { xmlns: STATES } }],
    })
    await succeeds(ran)
  })

  // The last of them: whoever refuses is not asked again for an hour.
  act('UAS: sessions are refused by 488: each message is one of its own', async (scene) => {
    const { juliet } = scene.xmpp
    const ran = sipp(scene.stage, 'session-refuser')
    say(juliet, 'one', 'thread-3')
    say(juliet, 'two', 'thread-3')
    await succeeds(ran)
  })
})

/**
 * Her words and his within a session that a real proxy passes on and records itself in. By TCP: the proxy has several
 * processes, and by UDP an ACK and what comes right behind it change places, which a UAS bears and a script does not.
 */
const behindKamailio = (act: Act<'juliet', 'paris'>): void => {
  const PARIS = `paris@${SIP_TCP}`
  act('she writes: his phone takes a session, and he ends it', async ({ stage, xmpp: { juliet }, sip: { paris } }) => {
    await paris.register(0)
    const contact = `<sip:paris@${stage.at.users}:${PORTS.sip};transport=udp>`
    const headers = [['Contact', contact] as const, ['Expires', '600'] as const]
    expect(statusOf(await paris.request('REGISTER', `sip:${SIP_TCP}`, { to: paris.aor, headers }))).toBe(200)
    const ran = sipp(stage, 'session-taker', { keys: { user: 'paris' } })
    say(juliet, 'one', 'thread-1', PARIS)
    say(juliet, 'two', 'thread-1', PARIS)
    const three = await juliet.hears('three', (seen) => seen.body === 'three')
    expect([three.type, three.thread]).toEqual(['chat', 'thread-1'])
    await juliet.hears('that he has left', hasState('gone'))
    await succeeds(ran)
  })

  act('he begins a session, types, writes and is written to', async ({ stage, xmpp: { juliet } }) => {
    const target = { host: stage.at.kamailio, port: PORTS.sip }
    const ran = sipp(stage, 'session-caller', { target, keys: { from: PARIS, to: juliet.bare, user: 'paris' } })
    const one = await juliet.hears('one', (seen) => seen.body === 'one')
    juliet.message(PARIS, 'two', { thread: one.thread ?? '' })
    await succeeds(ran)
  })
}
const CAST = { xmpp: ['juliet'], sip: { paris: SIP_TCP } } as const
const messages = { mode: 'session' }

play('sessions-by-kamailio', { ...CAST, pair: { messages } }, behindKamailio)

const { realm, username, password } = ACCOUNTS.ofGateway
const credentials = [{ domain: SIP_TCP, realm, username, password }]

play(
  'sessions-with-a-password',
  { ...CAST, kamailio: { asks: 'SHA-256' }, pair: { messages, sip: { credentials } } },
  behindKamailio,
)

play(
  'sessions-by-tls',
  {
    ...CAST,
    sipTls: true,
    pair: ({ at }) => ({
      sip: {
        domains: [{ domain: SIP_TCP, route: `sip:${at.kamailio}:${PORTS.sipTls};transport=tls`, profile: 'lync' }],
      },
    }),
  },
  behindKamailio,
)

play(
  'sessions-and-restarts',
  { xmpp: ['juliet'], sip: {}, pair: inSessions({ sessions: { patienceS: 2 } }) },
  (act) => {
    act('nobody takes it: CANCEL, and she is told', async ({ stage, xmpp: { juliet } }) => {
      const ran = sipp(stage, 'session-ringer')
      const error = await juliet.hearsError(juliet.message(ROMEO, 'are you there?'))
      expect([error.condition, error.errorType]).toEqual(['recipient-unavailable', 'wait'])
      await succeeds(ran)
    })

    act(
      'kill -9: what he says in the session is 481, and hers opens another',
      async ({ stage, pair, xmpp: { juliet } }) => {
        const ran = sipp(stage, 'session-outliver')
        await juliet.hears('one', (seen) => seen.body === 'one')
        const passed = (): Promise<number> =>
          pair.metric('gateway', 'stox_messages_total', { direction: 'sip-to-xmpp' })
        await until('the answer to it', async () => (await passed()) === 1)
        await pair.kill9('gateway')
        await pair.start('gateway')
        await pair.ready()
        await succeeds(ran)
        const taken = sipp(stage, 'session-taker')
        say(juliet, 'one', 'thread-4')
        say(juliet, 'two', 'thread-4')
        await juliet.hears('three', (seen) => seen.body === 'three')
        await succeeds(taken)
      },
    )

    act('told to stop: BYE', async ({ stage, pair, xmpp: { juliet } }) => {
      const ran = sipp(stage, 'session-stayer')
      await juliet.hears('one', (seen) => seen.body === 'one')
      await pair.child('gateway').stop(12_000)
      await succeeds(ran)
    })
  },
)
