import { pause, until } from '../src/heard.ts'
import { ACCOUNTS } from '../src/kamailio.ts'
import { play } from '../src/play.ts'
import { PORTS, SIP, type Stage } from '../src/stage.ts'
import type { Watch } from '../src/sip-user.ts'

const ROMEO = 'romeo@sip.example'
const MERCUTIO = 'mercutio@sip.example'
const JULIET = 'sip:juliet@xmpp.example'
const WITHIN_MS = 15_000
const ACT_MS = 120_000

const publishing =
  (presence: object = {}) =>
  (stage: Stage) => ({
    sip: {
      probeIntervalS: 1,
      domains: [
        {
          domain: SIP,
          route: `sip:${stage.at.kamailio}:${PORTS.sip};transport=udp`,
          profile: 'kamailio',
          presence: { mode: 'publish', ...presence },
        },
      ],
    },
  })

const watches = new Map<string, Watch>()
const watchOf = (name: string): Watch => {
  const watch = watches.get(name)
  if (watch === undefined) throw new Error(`${name} watches nobody`)
  return watch
}
const sees = (name: string, what: string, wanted: Parameters<Watch['notified']>[1]) =>
  watchOf(name).notified(what, (one) => one.state === 'active' && wanted(one), WITHIN_MS)

play(
  'presence-published',
  { xmpp: ['juliet'], sip: { romeo: SIP, mercutio: SIP }, pair: publishing(), kamailio: { owns: 'telling' } },
  (act) => {
    act('he watches her at his own server: she is asked, and until she approves nothing is there', async (scene) => {
      const { kamailio, xmpp, sip } = scene
      watches.set('romeo', await sip.romeo.watch(JULIET))
      await xmpp.juliet.hearsPresence(ROMEO, { type: 'subscribe' })
      await watchOf('romeo').heard.never('an available juliet', (one) => one.basics.includes('open'), 1000)
      expect(await kamailio.publications('juliet', 'xmpp.example')).toEqual([])
      expect(kamailio.watchers('juliet', 'xmpp.example').map(({ watcher }) => watcher)).toContain(ROMEO)
    })

    act('approved: she is published, and his server tells him', async ({ kamailio, xmpp: { juliet } }) => {
      juliet.approve(ROMEO)
      await sees('romeo', 'available', (one) => one.basics.includes('open'))
      expect(await kamailio.publications('juliet', 'xmpp.example')).toHaveLength(1)
    })

    act('away with a status text: the publication is modified', async ({ kamailio, xmpp: { juliet } }) => {
      const [before] = await kamailio.publications('juliet', 'xmpp.example')
      juliet.presence({ show: 'away', status: 'in the garden & not alone' })
      const away = await sees('romeo', 'away', (one) => one.show === 'away' || one.activity === 'away')
      expect(away).toMatchObject({ note: 'in the garden &amp; not alone' })
      const now = await kamailio.publications('juliet', 'xmpp.example')
      expect(now).toHaveLength(1)
      expect(now[0]?.etag).not.toBe(before?.etag)
    })

    act(
      'kill -9, and she changes meanwhile: the publication is modified, there is no second',
      async (scene) => {
        const { kamailio, pair, xmpp } = scene
        // What he saw came behind the answer to our PUBLISH. Who dies before he has read the new etag in it can never know it, and
        // publishes anew beside the old; after two answers of its API the gateway has read everything that had come.
        for (let asked = 0; asked < 2; asked += 1) await pair.rest('GET', '/v1/publications')
        await pair.kill9('gateway')
        xmpp.juliet.presence({ show: 'dnd', status: 'changed meanwhile' })
        await pair.start('gateway')
        await pair.ready()
        await sees('romeo', 'busy', (one) => one.note === 'changed meanwhile')
        expect(await kamailio.publications('juliet', 'xmpp.example')).toHaveLength(1)
        expect(xmpp.juliet.heard.all.filter((seen) => seen.type === 'subscribe' && seen.from === ROMEO)).toHaveLength(1)
      },
      ACT_MS,
    )

    act('offline: the publication is removed; and back', async ({ kamailio, xmpp: { juliet } }) => {
      juliet.presence({ type: 'unavailable' })
      await until(
        'no publication',
        async () => (await kamailio.publications('juliet', 'xmpp.example')).length === 0,
        WITHIN_MS,
      )
      juliet.presence()
      await sees('romeo', 'back', (one) => one.basics.includes('open') && one.show === undefined)
      expect(await kamailio.publications('juliet', 'xmpp.example')).toHaveLength(1)
    })

    act(
      'his server lets somebody see her whom she has not approved: nothing is published until she has',
      async ({ kamailio, xmpp: { juliet }, sip: { mercutio } }) => {
        watches.set('mercutio', await mercutio.watch(JULIET))
        await juliet.hearsPresence(MERCUTIO, { type: 'subscribe' }, WITHIN_MS)
        await until(
          'no publication',
          async () => (await kamailio.publications('juliet', 'xmpp.example')).length === 0,
          WITHIN_MS,
        )
        juliet.approve(MERCUTIO)
        await until(
          'one publication',
          async () => (await kamailio.publications('juliet', 'xmpp.example')).length === 1,
          WITHIN_MS,
        )
      },
    )

    act(
      'his server is started anew and has forgotten her: it is told again',
      async ({ kamailio, pair }) => {
        const [before] = await kamailio.publications('juliet', 'xmpp.example')
        await kamailio.stop()
        await until('the server down', async () => (await pair.metric('gateway', 'stox_sip_server_up')) === 0, 40_000)
        await kamailio.restart()
        const now = async () => kamailio.publications('juliet', 'xmpp.example')
        await until('one publication', async () => (await now()).length === 1, WITHIN_MS)
        expect((await now())[0]?.etag).not.toBe(before?.etag)
      },
      ACT_MS,
    )

    act('she takes back what she gave to both: the publication is removed', async ({ kamailio, xmpp: { juliet } }) => {
      juliet.refuse(ROMEO)
      juliet.refuse(MERCUTIO)
      await until(
        'no publication',
        async () => (await kamailio.publications('juliet', 'xmpp.example')).length === 0,
        WITHIN_MS,
      )
    })
  },
)

play(
  'presence-published-by-digest',
  {
    xmpp: ['juliet'],
    sip: { romeo: SIP },
    pair: (stage) => {
      const { sip } = publishing()(stage)
      return { sip: { ...sip, credentials: [{ domain: SIP, ...ACCOUNTS.ofGateway }] } }
    },
    kamailio: { owns: 'telling', asks: 'SHA-256' },
  },
  (act) => {
    act('his server asks who publishes: answered, for PUBLISH as for SUBSCRIBE', async ({ kamailio, xmpp, sip }) => {
      watches.set('romeo', await sip.romeo.watch(JULIET))
      await xmpp.juliet.hearsPresence(ROMEO, { type: 'subscribe' })
      xmpp.juliet.approve(ROMEO)
      await sees('romeo', 'available', (one) => one.basics.includes('open'))
      xmpp.juliet.presence({ show: 'away' })
      await sees('romeo', 'away', (one) => one.show === 'away' || one.activity === 'away')
      expect(await kamailio.publications('juliet', 'xmpp.example')).toHaveLength(1)
      expect(kamailio.watchers('juliet', 'xmpp.example', 'presence.winfo')).toHaveLength(1)
    })

    act('what there is, for an administrator', async ({ pair }) => {
      const { json } = await pair.rest('GET', '/v1/publications?user=juliet@xmpp.example')
      expect(json).toMatchObject({
        items: [{ state: 'published', withheldFrom: null, watchers: [{ uri: `sip:${ROMEO}`, status: 'active' }] }],
      })
    })
  },
)

play(
  'presence-published-pending',
  {
    xmpp: ['juliet'],
    sip: { romeo: SIP, mercutio: SIP },
    pair: publishing(),
    forceActive: false,
    kamailio: { owns: 'silent' },
  },
  (act) => {
    act('she has to do with somebody there: the gateway asks his server who watches her', async (scene) => {
      const { kamailio, xmpp } = scene
      xmpp.juliet.subscribe(ROMEO)
      await until(
        'a subscription to her watchers',
        () => kamailio.watchers('juliet', 'xmpp.example', 'presence.winfo').length === 1,
        WITHIN_MS,
      )
    })

    act(
      'no rule lets him in: he is pending at his server, which tells it, and she is asked',
      async ({ kamailio, xmpp, sip }) => {
        const watch = await sip.romeo.watch(JULIET)
        watches.set('romeo', watch)
        await watch.notified('pending', (one) => one.state === 'pending')
        await xmpp.juliet.hearsPresence(ROMEO, { type: 'subscribe' }, WITHIN_MS)
        xmpp.juliet.approve(ROMEO)
        await until(
          'a publication',
          async () => (await kamailio.publications('juliet', 'xmpp.example')).length === 1,
          WITHIN_MS,
        )
        await watch.heard.never('an available juliet', (one) => one.basics.includes('open'), 500)
      },
    )

    act('a rule of the server lets him in: he sees what she shows', async ({ kamailio }) => {
      await kamailio.rule('juliet', `sip:${ROMEO}`, 'allow', 'xmpp.example')
      await sees('romeo', 'available', (one) => one.basics.includes('open'))
    })

    act(
      'RFC 3858 §3.1, a partial document: another one is pending, she is asked, and what is published stays',
      async (scene) => {
        const { kamailio, xmpp, sip } = scene
        const [before] = await kamailio.publications('juliet', 'xmpp.example')
        const watch = await sip.mercutio.watch(JULIET)
        await watch.notified('pending', (one) => one.state === 'pending')
        await xmpp.juliet.hearsPresence(MERCUTIO, { type: 'subscribe' }, WITHIN_MS)
        xmpp.juliet.refuse(MERCUTIO)
        await pause(1000)
        expect((await kamailio.publications('juliet', 'xmpp.example')).map(({ etag }) => etag)).toEqual([before?.etag])
      },
    )

    act('the federation ends: what was published is removed', async ({ kamailio, pair }) => {
      const reply = await pair.rest('DELETE', '/v1/xmpp-partners/xmpp.example', undefined, { 'if-match': '*' })
      expect(reply.status).toBe(204)
      await until(
        'no publication',
        async () => (await kamailio.publications('juliet', 'xmpp.example')).length === 0,
        WITHIN_MS,
      )
    })
  },
)
