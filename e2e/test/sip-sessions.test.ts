import { play } from '../src/play.ts'
import { sipp, type SippRun } from '../src/sipp.ts'
import { PORTS, SIP, type Stage } from '../src/stage.ts'
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

const run = (stage: Stage, role: string, more: Partial<SippRun> = {}) =>
  sipp({
    name: `session-${role}`,
    scenario: `sipp-session-${role}.xml`,
    target: { host: stage.at.gateway, port: PORTS.sip },
    address: stage.at.users,
    port: PORTS.sip,
    transport: 'udp',
    calls: 1,
    atOnce: 1,
    perSecond: 10,
    keys: { from: ROMEO, to: 'juliet@xmpp.example', user: 'romeo', text: 'none' },
    dir: stage.dir,
    strict: true,
    ...more,
  })

async function succeeds(ran: ReturnType<typeof sipp>): Promise<void> {
  const { exitCode, log } = await ran
  if (exitCode !== 0) throw new Error(log)
}

const hasState = (state: string) => (seen: Seen) =>
  (seen.tree.children ?? []).some(
    (child) => typeof child !== 'string' && child.name === state && child.attrs?.['xmlns'] === STATES,
  )

/** Words, and that she knows of states. */
const say = (juliet: XmppUser, body: string, thread: string): void =>
  juliet.send({
    name: 'message',
    attrs: { to: ROMEO, type: 'chat', id: `j-${body}` },
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
    const ran = run(stage, 'taker')
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
    const ran = run(scene.stage, 'caller')
    const one = await juliet.hears('one', (seen) => seen.body === 'one')
    expect([one.type, one.from.split('/')[0]]).toEqual(['chat', ROMEO])
    juliet.message(ROMEO, 'two', { thread: one.thread ?? '' })
    await succeeds(ran)
  })

  act('UAC: the first words in the INVITE', async (scene) => {
    const { juliet } = scene.xmpp
    const text = Buffer.from('Grüße aus Verona').toString('base64')
    const keys = { from: ROMEO, to: 'juliet@xmpp.example', user: 'romeo', text }
    const ran = run(scene.stage, 'first-words', { keys })
    await juliet.hears('them', (seen) => seen.body === 'Grüße aus Verona')
    await succeeds(ran)
  })

  act('UAC: a telephone call is refused by 488, and nobody hears of it', ({ stage }) => succeeds(run(stage, 'phone')))

  act('UAS: the session is forgotten (481): another one, and the words again; her “gone” is BYE', async (scene) => {
    const { juliet } = scene.xmpp
    const ran = run(scene.stage, 'forgetter')
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
    const ran = run(scene.stage, 'refuser')
    say(juliet, 'one', 'thread-3')
    say(juliet, 'two', 'thread-3')
    await succeeds(ran)
  })
})
