import { lossyUtf8Text, silentLog } from '@stox/kernel'
import { FederationIndex, localDomainSchema } from '@stox/federation'
import type { FederationModel } from '@stox/federation'
import { formatWatcherInfo, newSipRequest, parsePidf } from '@stox/sip'
import type { SipHeaderEntry, SipRequest, WatcherStatus } from '@stox/sip'
import type { SipReply } from '@stox/transport'
import { formatJid } from '@stox/xmpp'
import type { PresenceKeeper } from '../src/keep-presence.ts'
import { PresencePublisher } from '../src/publish-presence.ts'
import { addr, hashes, incomingOf, modelFor, newStage, presenceKeeper, presenceOf, respondTo, settle } from './stage.ts'
import type { Stage } from './stage.ts'

const ROMEO = 'romeo@montague.example' // on XMPP
const JULIET = 'juliet@capulet.example' // on SIP
const NURSE = 'nurse@capulet.example'
const ROUTE = 'sip:127.0.0.1:5060;transport=udp'

const capulet = (presence: object, route = ROUTE): Partial<FederationModel> => ({
  localDomains: [localDomainSchema.parse({ domain: 'capulet.example', route, presence })],
})

/** A SIP server that answers for XMPP users: keeps publications by their etags. @see RFC 3903 §6 */
class Owner {
  readonly publications = new Map<string, string>()
  /** Asked before anything else; undefined: as a server should. */
  moods: (request: SipRequest) => SipReply | undefined = () => undefined
  #etags = 0

  answer(request: SipRequest): SipReply {
    const mood = this.moods(request)
    if (mood !== undefined) return mood
    if (request.method !== 'PUBLISH') return respondTo(request, 200, [['Expires', '3600']])
    const before = request.headers.get('SIP-If-Match')
    if (before !== undefined && !this.publications.has(before)) return respondTo(request, 412)
    const said = request.body.length > 0 ? lossyUtf8Text(request.body) : (this.publications.get(before ?? '') ?? '')
    if (before !== undefined) this.publications.delete(before)
    const etag = `e${(this.#etags += 1)}`
    const expires = request.headers.get('Expires') ?? ''
    if (expires !== '0') this.publications.set(etag, said)
    return respondTo(request, 200, [
      ['SIP-ETag', etag],
      ['Expires', expires],
    ])
  }

  /** Each publication, with its tuples in short. */
  get shows(): readonly string[] {
    return [...this.publications.values()].map((body) => {
      const pidf = parsePidf(body)
      if (!pidf.ok) return 'unreadable'
      return [
        pidf.value.entity,
        ...pidf.value.tuples.map(({ id, basic, show }) => [id, basic, show].filter(Boolean).join(':')),
      ].join(' ')
    })
  }
}

class World {
  readonly stage: Stage
  readonly owner: Owner
  model: FederationModel
  #index!: FederationIndex
  keeper!: PresenceKeeper
  publisher!: PresencePublisher
  /** Our subscription to Romeo's watchers, and what was told in it. */
  subscribed: SipRequest | undefined
  #cseq = 0

  constructor(presence: object = {}) {
    this.stage = newStage()
    this.owner = new Owner()
    this.stage.sip.answer = (request) => {
      if (request.headers.get('Event') === 'presence.winfo' && !request.core.to.params.has('tag')) {
        this.subscribed = request
        this.#cseq = 0
      }
      return this.owner.answer(request)
    }
    this.model = modelFor('federated', capulet({ mode: 'publish', ...presence }))
  }

  /** A process of ours, on what the last one has left. */
  async start(): Promise<this> {
    const { stage } = this
    this.#index = new FederationIndex(this.model)
    const index = () => this.#index
    const publisher = new PresencePublisher({
      ...{ clock: stage.time, timers: stage.time, ids: stage.ids, hashes, log: silentLog, gruu: 'raw', index },
      store: stage.store.publications,
      sip: stage.sip,
      sipAddress: () => ({ host: '127.0.0.1', port: 5098 }),
      expiresS: 3600,
      intervalMs: 5000,
      noteListed: (watcher, contact, listed) => this.keeper.noteListed(watcher, contact, listed),
      isApproved: (watcher, contact) => this.keeper.isApproved(watcher, contact),
    })
    this.publisher = publisher
    this.keeper = presenceKeeper(stage, index, 5000, {
      noteWatch: (entry, held) => publisher.noteWatch(entry, held),
    })
    await publisher.load()
    await this.keeper.load()
    this.keeper.start()
    publisher.start(this.keeper)
    await this.later(100)
    return this
  }

  /** As kill -9 does. */
  stop(): void {
    void this.publisher.close()
    this.keeper.close()
  }

  async change(model: Partial<FederationModel>): Promise<void> {
    this.model = { ...this.model, ...model }
    this.#index = new FederationIndex(this.model)
    this.publisher.modelChanged(this.keeper)
    await this.later(100)
  }

  async later(ms: number): Promise<void> {
    this.stage.time.advance(ms)
    await settle()
  }

  async xmpp(to: string, attributes: string, content = '', from = ROMEO): Promise<void> {
    const xml = `<presence xmlns='jabber:server' from='${from}' to='${to}' ${attributes}>${content}</presence>`
    await this.keeper.takePresence(presenceOf(xml))
    await this.later(60)
  }

  /** Romeo's presence from a device, to each of those who may see him. */
  async shows(resource: string, content: string, ...to: readonly string[]): Promise<void> {
    for (const one of to) await this.xmpp(one, '', content, `${ROMEO}/${resource}`)
    await this.later(100)
  }

  heard(): readonly string[] {
    return this.stage.link.take().map((stanza) => {
      if (stanza.kind !== 'presence') throw new Error(stanza.kind)
      return `${stanza.type} ${formatJid(stanza.from)} > ${formatJid(stanza.to)}`
    })
  }

  asked(): readonly string[] {
    return this.stage.sip
      .take()
      .map(({ method, uri, headers }) =>
        [method, uri, headers.get('Event'), headers.get('Expires'), headers.get('SIP-If-Match')]
          .filter((word) => word !== undefined)
          .join(' '),
      )
  }

  /** The server tells who watches Romeo; gives the answer to it. */
  async told(
    watchers: readonly (readonly [string, WatcherStatus])[],
    {
      version = 0,
      state = 'full' as 'full' | 'partial',
      body = undefined as string | undefined,
      type = '',
      within = this.subscribed,
    } = {},
  ): Promise<number | undefined> {
    if (within === undefined) throw new Error('nobody has asked')
    this.#cseq += 1
    const list = {
      resource: `sip:${ROMEO}`,
      eventPackage: 'presence',
      watchers: watchers.map(([user, status]) => ({
        id: user,
        uri: `sip:${user}`,
        status,
        event: 'subscribe',
        displayName: undefined,
        expirationS: undefined,
      })),
    }
    const { incoming, responses } = incomingOf(
      newSipRequest({
        method: 'NOTIFY',
        uri: 'sip:romeo@127.0.0.1:5098',
        from: addr(`<sip:${ROMEO}>`, 'owner'),
        to: addr(`<sip:${ROMEO}>`, within.core.from.params.get('tag')),
        callId: within.core.callId,
        cseq: this.#cseq,
        headers: [
          ['Event', 'presence.winfo'],
          ['Subscription-State', 'active;expires=3600'],
          ['Contact', '<sip:127.0.0.1:5060>'],
        ],
        contentType: type === '' ? 'application/watcherinfo+xml' : type,
        body: body ?? formatWatcherInfo({ version, state, lists: [list] }),
      }),
    )
    if (!this.publisher.takeNotify(incoming)) return undefined
    await this.later(100)
    return responses[0]?.status
  }
}

/** Juliet watches Romeo at her own server; he has approved and is at his desk. */
async function published(presence: object = {}): Promise<World> {
  const at = await known(presence)
  await at.told([[JULIET, 'active']])
  await at.xmpp(JULIET, "type='subscribed'")
  await at.shows('desk', '', JULIET)
  at.heard()
  return at
}

/** Romeo has to do with somebody of the domain: he watches her. */
async function known(presence: object = {}): Promise<World> {
  const at = await new World(presence).start()
  await at.xmpp(NURSE, "type='subscribe'")
  return at
}

describe('RFC 3857: who watches', () => {
  test('whoever has to do with a user of ours is asked for, as himself [3857-4.1.1 3857-4.6.1]', async () => {
    const at = await known()
    expect(at.asked()).toEqual([
      'SUBSCRIBE sip:nurse@capulet.example presence 3600',
      'SUBSCRIBE sip:romeo@montague.example presence.winfo 3600',
    ])
  })

  test('nobody is asked for where we are the notifier', async () => {
    const at = new World()
    at.model = modelFor('federated', capulet({}))
    await at.start()
    await at.xmpp(NURSE, "type='subscribe'")
    expect(at.asked()).toEqual(['SUBSCRIBE sip:nurse@capulet.example presence 3600'])
  })

  test.each<[WatcherStatus, readonly string[]]>([
    ['pending', [`subscribe ${JULIET} > ${ROMEO}`]],
    ['active', [`subscribe ${JULIET} > ${ROMEO}`]],
    ['waiting', [`subscribe ${JULIET} > ${ROMEO}`]],
    ['terminated', []],
  ])('a watcher who is %s', async (status, heard) => {
    const at = await known()
    at.heard()
    expect(await at.told([[JULIET, status]])).toBe(200)
    expect(at.heard()).toEqual(heard)
  })

  test('he is asked once for each, however often his watchers are told', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    at.heard()
    await at.told([[JULIET, 'pending']], { version: 1, state: 'partial' })
    await at.told([[JULIET, 'active']], { version: 2 })
    expect(at.heard()).toEqual([])
  })

  test('he says no: he is not asked again as long as the same subscription is told', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    await at.xmpp(JULIET, "type='unsubscribed'")
    at.heard()
    await at.later(2 * 3_600_000)
    await at.told([[JULIET, 'pending']], { version: 1 })
    expect(at.heard().filter((one) => one.startsWith('subscribe '))).toEqual([])
  })

  test('he says no, and is asked again by whoever comes back after an hour, not before', async () => {
    const at = await known()
    const comesBack = async (version: number): Promise<readonly string[]> => {
      at.heard()
      await at.told([[JULIET, 'terminated']], { version, state: 'partial' })
      await at.told([[JULIET, 'pending']], { version: version + 1, state: 'partial' })
      return at.heard().filter((one) => one.startsWith('subscribe '))
    }
    await at.told([[JULIET, 'pending']])
    await at.xmpp(JULIET, "type='unsubscribed'")
    expect(await comesBack(1)).toEqual([])
    await at.later(3_500_000)
    expect(await comesBack(3)).toEqual([])
    await at.later(100_000)
    expect(await comesBack(5)).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
  })

  test('watchers of other domains are no matter of ours', async () => {
    const at = await known()
    at.heard()
    await at.told([
      ['benvolio@elsewhere.example', 'active'],
      ['tybalt@montague.example', 'active'],
    ])
    expect(at.heard()).toEqual([])
  })

  test('who has ended looks away; the authorization stays [8048-5.3.8]', async () => {
    const at = await published()
    await at.told([[JULIET, 'terminated']], { version: 1, state: 'partial' })
    expect(at.heard()).toEqual([`unavailable ${JULIET} > ${ROMEO}`])
    expect(at.owner.shows).toHaveLength(1)
  })

  test('a document was missed: the full list is asked for, at most once a minute [3858-4.3]', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    at.asked()
    at.heard()
    await at.told([[NURSE, 'pending']], { version: 5, state: 'partial' })
    await at.told([[NURSE, 'pending']], { version: 7, state: 'partial' })
    expect(at.asked()).toEqual(['SUBSCRIBE sip:127.0.0.1:5060 presence.winfo 3600'])
    expect(at.heard()).toEqual([])
    await at.later(60_000)
    expect(at.asked()).toEqual(['SUBSCRIBE sip:127.0.0.1:5060 presence.winfo 3600'])
  })

  test.each([
    ['another type [3857-4.5.1]', { type: 'application/pidf+xml' }, 415],
    ['what is no document', { body: '<watcherinfo/>' }, 400],
  ])('%s is refused, and changes nothing', async (_row, told, status) => {
    const at = await known()
    at.heard()
    expect([await at.told([], told), at.heard()]).toEqual([status, []])
  })

  test('a NOTIFY of a dialog that is over is left to others', async () => {
    const at = await known()
    await at.told([[JULIET, 'pending']])
    const { subscribed } = at
    at.owner.moods = (request) =>
      request.method === 'SUBSCRIBE' && request.core.to.params.has('tag') ? respondTo(request, 481) : undefined
    at.publisher.serverCameBack('capulet.example')
    await at.later(1000)
    expect(at.subscribed).not.toBe(subscribed)
    expect(await at.told([], { within: subscribed })).toBeUndefined()
  })

  test('a NOTIFY of another dialog is left to others', async () => {
    const at = await known()
    at.stop()
    const { incoming } = incomingOf(
      newSipRequest({
        method: 'NOTIFY',
        uri: 'sip:romeo@127.0.0.1:5098',
        from: addr('<sip:a@b.example>', 'x'),
        to: addr('<sip:a@b.example>', 'y'),
        callId: 'other',
        cseq: 1,
        headers: [],
      }),
    )
    expect(at.publisher.takeNotify(incoming)).toBe(false)
  })

  test('489: the server does not tell; it is asked again an hour later, and he is published all the same', async () => {
    const at = new World()
    at.owner.moods = (request) =>
      request.headers.get('Event') === 'presence.winfo' ? respondTo(request, 489) : undefined
    await at.start()
    await at.xmpp(NURSE, "type='subscribe'")
    at.asked()
    await at.later(3_600_000)
    expect(at.asked()).toContain('SUBSCRIBE sip:romeo@montague.example presence.winfo 3600')
  })

  test('one look at us by SUBSCRIBE says who is wanted: he is asked, not probed', async () => {
    const at = await new World().start()
    const headers: SipHeaderEntry[] = [
      ['Event', 'presence'],
      ['Expires', '0'],
      ['Contact', '<sip:127.0.0.1:5060>'],
    ]
    const { incoming, responses } = incomingOf(
      newSipRequest({
        method: 'SUBSCRIBE',
        uri: `sip:${ROMEO}`,
        from: addr(`<sip:${JULIET}>`, 'j1'),
        to: addr(`<sip:${ROMEO}>`),
        callId: 'look',
        cseq: 1,
        headers,
      }),
    )
    at.keeper.takeSubscribe(incoming)
    await at.later(100)
    expect(responses.map(({ status }) => status)).toEqual([200])
    expect(at.heard()).toEqual([`subscribe ${JULIET} > ${ROMEO}`])
    expect(at.asked()).toEqual([
      'SUBSCRIBE sip:romeo@montague.example presence.winfo 3600',
      'NOTIFY sip:127.0.0.1:5060 presence',
    ])
  })
})

describe('RFC 3903: what is published', () => {
  test('nothing before he has approved; then one publication', async () => {
    const at = await known()
    await at.told([[JULIET, 'active']])
    await at.shows('desk', '')
    expect(at.owner.shows).toEqual([])
    await at.xmpp(JULIET, "type='subscribed'")
    await at.shows('desk', '<show>away</show>', JULIET)
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open:away`])
  })

  test('his devices are tuples of one document, and each change is one PUBLISH however many may see him', async () => {
    const at = await published()
    await at.told([[NURSE, 'active']], { version: 1, state: 'partial' })
    await at.xmpp(NURSE, "type='subscribed'")
    await at.later(6000)
    at.asked()
    await at.shows('phone', '<show>dnd</show>', JULIET, NURSE)
    await at.later(6000)
    expect(at.asked()).toHaveLength(1)
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open ID-phone:open:dnd`])
  })

  test('offline: removed', async () => {
    const at = await published()
    await at.later(6000)
    at.asked()
    await at.xmpp(JULIET, "type='unavailable'", '', `${ROMEO}/desk`)
    await at.later(100)
    expect(at.asked()).toEqual(['PUBLISH sip:romeo@montague.example presence 0 e1'])
    expect(at.owner.shows).toEqual([])
  })

  test('he takes his approval back: removed', async () => {
    const at = await published()
    await at.xmpp(JULIET, "type='unsubscribed'")
    await at.later(6000)
    expect(at.owner.shows).toEqual([])
  })

  test.each([
    ['withhold', 'active', []],
    ['withhold', 'pending', [`pres:${ROMEO} ID-desk:open`]],
    ['show', 'active', [`pres:${ROMEO} ID-desk:open`]],
  ] as const)('unapproved: %s, and one whom he has not approved is %s', async (unapproved, status, shows) => {
    const at = await published({ unapproved })
    await at.told([[NURSE, status]], { version: 1, state: 'partial' })
    await at.later(6000)
    expect(at.owner.shows).toEqual(shows)
    expect([...at.publisher.rows()]).toMatchObject([
      { user: ROMEO, route: ROUTE, state: shows.length > 0 ? 'published' : 'withheld', watchers: [{}, { status }] },
    ])
    await at.xmpp(NURSE, "type='subscribed'")
    await at.later(6000)
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open`])
  })

  test('two domains, each with its own way to the same server: his watchers there are those of both', async () => {
    const at = await published()
    const second = 'sip:127.0.0.1:5060;transport=tcp'
    const [first] = at.model.localDomains
    if (first === undefined) throw new Error('no domain')
    const verona = localDomainSchema.parse({ ...first, domain: 'verona.example', route: second })
    await at.change({ localDomains: [first, verona] })
    await at.told([['paris@verona.example', 'active']], { version: 1, state: 'partial' })
    expect(at.heard()).toEqual([`subscribe paris@verona.example > ${ROMEO}`])
    await at.later(6000)
    expect(at.owner.shows).toEqual([])
    await at.xmpp('paris@verona.example', "type='subscribed'")
    await at.shows('desk', '', JULIET, 'paris@verona.example')
    await at.later(6000)
    const shown = `pres:${ROMEO} ID-desk:open`
    expect(at.owner.shows).toEqual([shown, shown])
  })

  test('somebody from nowhere that we know watches: withheld', async () => {
    const at = await published()
    await at.told([['spy@127.0.0.1', 'active']], { version: 1, state: 'partial' })
    await at.later(6000)
    expect(at.owner.shows).toEqual([])
  })
})

describe('the end, and the beginning', () => {
  test.each<[string, Partial<FederationModel>]>([
    ['the partner is gone', { partners: [] }],
    ['we are the notifier again', capulet({ mode: 'notifier' })],
    ['the domain is not served any more', { localDomains: [] }],
  ])('%s: removed, and nothing is left', async (_row, model) => {
    const at = await published()
    await at.change(model)
    expect(at.owner.shows).toEqual([])
    expect([...at.publisher.counts()]).toEqual([{ state: 'leaving', count: 1 }])
    // The subscription to his watchers ends with its last NOTIFY, or without.
    await at.later(40_000)
    expect([...at.publisher.counts()]).toEqual([])
    expect(await at.stage.store.publications.all()).toEqual([])
  })

  test('another server: removed there, published here', async () => {
    const at = await published()
    at.stage.sip.take()
    await at.change(capulet({ mode: 'publish' }, 'sip:127.0.0.2:5060;transport=udp'))
    expect(
      at.stage.sip.sent
        .filter(({ request }) => request.method === 'PUBLISH')
        .map(({ request, towards }) => [request.headers.get('Expires'), towards]),
    ).toEqual([
      ['0', ROUTE],
      ['3600', 'sip:127.0.0.2:5060;transport=udp'],
    ])
  })

  test('his server was started anew and has forgotten him: it is told again at once', async () => {
    const at = await published()
    at.owner.publications.clear()
    at.owner.moods = (request) =>
      request.method === 'SUBSCRIBE' && request.core.to.params.has('tag') ? respondTo(request, 481) : undefined
    at.asked()
    at.publisher.serverCameBack('montague.example')
    await at.later(100)
    expect(at.asked()).toEqual([])
    at.publisher.serverCameBack('capulet.example')
    await at.later(100)
    expect(at.asked()).toEqual([
      'PUBLISH sip:romeo@montague.example presence 3600 e1',
      'SUBSCRIBE sip:127.0.0.1:5060 presence.winfo 3600',
      'PUBLISH sip:romeo@montague.example presence 3600',
      'SUBSCRIBE sip:romeo@montague.example presence.winfo 3600',
    ])
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open`])
  })

  test('kill -9: the next process goes on with the etag, and nobody is asked again', async () => {
    const at = await published()
    at.stop()
    at.asked()
    await at.start()
    await at.later(500)
    await at.shows('desk', '<show>away</show>', JULIET)
    await at.later(10_000)
    expect(at.asked().filter((one) => one.startsWith('PUBLISH') && !/ e\d+$/.test(one))).toEqual([])
    expect(at.owner.shows).toEqual([`pres:${ROMEO} ID-desk:open:away`])
    expect(at.heard().filter((one) => one.startsWith('subscribe '))).toEqual([])
  })

  test('an etag is on the disk before anything follows from it', async () => {
    const at = new World()
    const kept: (string | null)[] = []
    const { publications } = at.stage.store
    const put = publications.put.bind(publications) as (...args: unknown[]) => Promise<void>
    publications.put = ((record: { data: string }, options?: { durable: true }) => {
      const { publication } = JSON.parse(record.data) as { publication: { etag: string | null } }
      if (options?.durable === true) kept.push(publication.etag)
      return put(record, options)
    }) as typeof publications.put
    await at.start()
    await at.xmpp(NURSE, "type='subscribe'")
    await at.told([[JULIET, 'active']])
    await at.xmpp(JULIET, "type='subscribed'")
    await at.shows('desk', '', JULIET)
    await at.later(6000)
    await at.shows('desk', '<show>away</show>', JULIET)
    expect(kept).toEqual(['e1', 'e2'])
  })

  test('kill -9, and both he and the publication are gone meanwhile: what is not known is not published', async () => {
    const at = await published()
    at.stop()
    await at.later(6000)
    at.owner.publications.clear()
    at.asked()
    await at.start()
    for (let step = 0; step < 50; step += 1) await at.later(200)
    expect(at.asked().filter((one) => one.startsWith('PUBLISH'))).toEqual([
      'PUBLISH sip:romeo@montague.example presence 3600 e1',
    ])
  })

  test('kill -9, and he is gone meanwhile: removed once he has not answered', async () => {
    const at = await published()
    at.stop()
    await at.start()
    await at.later(500)
    await at.later(10_000)
    expect(at.owner.shows).toEqual([])
  })

  test('kill -9 and the mode is changed before the next start: removed', async () => {
    const at = await published()
    at.stop()
    at.model = modelFor('federated', capulet({}))
    await at.start()
    await at.later(10_000)
    expect(at.owner.shows).toEqual([])
  })

  test('asked to stop while a PUBLISH is under way: its answer is waited for, for its etag', async () => {
    const at = await published()
    await at.later(6000)
    const answers: (() => void)[] = []
    at.stage.sip.answer = (request) =>
      new Promise((resolve) => void answers.push(() => resolve(at.owner.answer(request))))
    await at.shows('desk', '<show>away</show>', JULIET)
    let closed = false
    const closing = at.publisher.close().then(() => (closed = true))
    await settle()
    expect(closed).toBe(false)
    for (const answer of answers) answer()
    await closing
    const [kept] = await at.stage.store.publications.all()
    expect(kept?.data).toContain('"etag":"e2"')
    expect([...at.owner.publications.keys()]).toEqual(['e2'])
  })

  test('or for two seconds', async () => {
    const at = await published()
    await at.later(6000)
    at.stage.sip.answer = () => new Promise(() => undefined)
    await at.shows('desk', '<show>away</show>', JULIET)
    let closed = false
    void at.publisher.close().then(() => (closed = true))
    await at.later(1900)
    expect(closed).toBe(false)
    await at.later(200)
    expect(closed).toBe(true)
  })

  test('many users at once are taken in at a pace', async () => {
    const at = new World()
    at.model = modelFor('federated', capulet({}))
    await at.start()
    for (let user = 0; user < 30; user += 1) await at.xmpp(NURSE, "type='subscribe'", '', `u${user}@montague.example`)
    at.asked()
    await at.change(capulet({ mode: 'publish' }))
    const soon = at.asked().length
    expect(soon).toBeGreaterThan(0)
    expect(soon).toBeLessThanOrEqual(10)
    await at.later(100)
    await at.later(100)
    await at.later(100)
    expect(at.asked().length + soon).toBe(30)
  })

  test('what nobody can read is left where it is', async () => {
    const at = new World()
    at.stage.store.publications.put({ id: 'x', data: '{', updatedAtMs: 0 })
    await at.start()
    expect([...at.publisher.counts()]).toEqual([])
  })
})
