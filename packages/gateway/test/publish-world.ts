import { lossyUtf8Text, silentLog } from '@stox/kernel'
import { FederationIndex, localDomainSchema } from '@stox/federation'
import type { FederationModel } from '@stox/federation'
import { formatWatcherInfo, newSipRequest, parsePidf } from '@stox/sip'
import type { SipRequest, WatcherStatus } from '@stox/sip'
import type { SipReply } from '@stox/transport'
import { formatJid } from '@stox/xmpp'
import type { PresenceKeeper } from '../src/keep-presence.ts'
import { PresencePublisher } from '../src/publish-presence.ts'
import { addr, hashes, incomingOf, modelFor, newStage, presenceKeeper, presenceOf, respondTo, settle } from './stage.ts'
import type { Stage } from './stage.ts'

export const ROMEO = 'romeo@montague.example' // on XMPP
export const JULIET = 'juliet@capulet.example' // on SIP
export const NURSE = 'nurse@capulet.example'
export const ROUTE = 'sip:127.0.0.1:5060;transport=udp'

export const capulet = (presence: object, route = ROUTE): Partial<FederationModel> => ({
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

export class World {
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
export async function published(presence: object = {}): Promise<World> {
  const at = await known(presence)
  await at.told([[JULIET, 'active']])
  await at.xmpp(JULIET, "type='subscribed'")
  await at.shows('desk', '', JULIET)
  at.heard()
  return at
}

/** Romeo has to do with somebody of the domain: he watches her. */
export async function known(presence: object = {}): Promise<World> {
  const at = await new World(presence).start()
  await at.xmpp(NURSE, "type='subscribe'")
  return at
}
