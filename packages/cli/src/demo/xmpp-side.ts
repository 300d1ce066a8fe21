import type { Log } from '@stox/kernel'
import {
  cryptoIds,
  nodeHashes,
  NodeDnsResolver,
  systemClock,
  systemTimers,
  TlsIdentity,
  XmppEndpoint,
} from '@stox/transport'
import { bareJid, errorReply, formatBareJid, formatStanza, newMessage, newPresence } from '@stox/xmpp'
import type { DomainName, Jid, MessageStanza, PresenceStanza, Show, Stanza } from '@stox/xmpp'

export interface XmppSideOptions {
  readonly domain: DomainName
  readonly listen: string
  /** Where the gateway's edge listens: the demonstration has no DNS. */
  readonly edge: { readonly host: string; readonly port: number }
  /** PEM. */
  readonly cert: string
  readonly key: string
  readonly log: Log
  /** Every stanza that comes in for one of our users. */
  readonly heard: (stanza: Stanza) => void
}

interface Contact {
  /** May see our user's presence. */
  sees: boolean
}

/** One person with one device on the small XMPP server. */
class XmppUser {
  readonly jid: Jid
  readonly #contacts = new Map<string, Contact>()
  show: Show | undefined
  status = ''
  online = true

  constructor(jid: Jid) {
    this.jid = jid
  }

  contact(jid: Jid): Contact {
    const key = formatBareJid(jid)
    const known = this.#contacts.get(key) ?? { sees: false }
    this.#contacts.set(key, known)
    return known
  }

  watchers(): string[] {
    return [...this.#contacts].filter(([, contact]) => contact.sees).map(([key]) => key)
  }
}

/**
 * A small XMPP domain of its own: it speaks real server-to-server XMPP (STARTTLS, dialback) with the edge and plays the
 * server of its users, who have one device each. Enough of RFC 6121 for a conversation; not a server for people.
 */
export class XmppSide {
  readonly #options: XmppSideOptions
  readonly #endpoint: XmppEndpoint
  readonly #users = new Map<string, XmppUser>()
  #sent = 0

  constructor(options: XmppSideOptions) {
    this.#options = options
    const tls = TlsIdentity.of([{ domains: [options.domain], cert: options.cert, key: options.key }])
    if (!tls.ok) throw new Error(`the demonstration's certificate is not usable: ${tls.failure[0]?.problem}`)
    this.#endpoint = new XmppEndpoint({
      listen: [options.listen],
      tls: tls.value,
      clock: systemClock,
      timers: systemTimers,
      ids: cryptoIds,
      hashes: nodeHashes,
      log: options.log,
      resolver: new NodeDnsResolver(),
      policy: {
        isServed: (domain) => domain === options.domain,
        judge: () => ({
          allowed: true,
          rules: {
            partner: 'the gateway',
            connectionLimit: 20,
            proxy: options.edge,
            keepAlive: true,
            tls: 'required',
            methods: ['dialback-over-tls'],
            maxStanzaBytes: 262_144,
            stanzasPerSecond: 1000,
          },
        }),
        dialbackSecret: () => this.#secret,
        times: () => ({ establishmentTimeoutMs: 20_000, inactivityTimeoutMs: 600_000, keepAliveIntervalMs: 60_000 }),
        connectionLimit: () => 50,
      },
      on: {
        stanza: (stanza) => this.#take(stanza),
        refused: ({ kind, detail }) => options.log.warn('demo-xmpp-refused', { kind, detail }),
        streamUp: () => undefined,
        streamDown: () => undefined,
      },
    })
  }

  readonly #secret = cryptoIds.token()

  async listen(): Promise<void> {
    await this.#endpoint.listen()
  }

  close(): Promise<void> {
    return this.#endpoint.close()
  }

  addUser(jid: Jid): void {
    this.#users.set(formatBareJid(jid), new XmppUser(jid))
  }

  /** The user writes; resolves with the stanza as it went out, or throws when no stream could be had. */
  async say(from: Jid, to: Jid, text: string): Promise<MessageStanza> {
    const message = newMessage({ from, to, id: `m${++this.#sent}`, type: 'chat', bodies: [{ lang: undefined, text }] })
    await this.#send(message)
    return message
  }

  async sendPresence(from: Jid, to: Jid, type: Exclude<PresenceStanza['type'], 'error'>): Promise<void> {
    await this.#send(newPresence({ from: bareJid(from), to: bareJid(to), id: `p${++this.#sent}`, type }))
  }

  /** The user lets a contact see their presence, as clients do when their person says yes. */
  async approve(user: Jid, contact: Jid): Promise<void> {
    this.#user(user).contact(contact).sees = true
    await this.sendPresence(user, contact, 'subscribed')
    await this.#show(this.#user(user), formatBareJid(contact))
  }

  /** The user's own presence changes; everyone who may see it is told. */
  async bePresent(
    jid: Jid,
    presence: { readonly show?: Show; readonly status?: string; readonly online?: boolean },
  ): Promise<void> {
    const user = this.#user(jid)
    user.show = presence.show
    user.status = presence.status ?? ''
    user.online = presence.online ?? true
    for (const watcher of user.watchers()) await this.#show(user, watcher)
  }

  #user(jid: Jid): XmppUser {
    const user = this.#users.get(formatBareJid(jid))
    if (user === undefined) throw new Error(`no such user in the demonstration: ${formatBareJid(jid)}`)
    return user
  }

  async #show(user: XmppUser, watcher: string): Promise<void> {
    const [local, domain] = watcher.split('@')
    const to: Jid = { local, domain: domain as DomainName, resource: undefined }
    const statuses = user.status === '' ? [] : [{ lang: undefined, text: user.status }]
    await this.#send(
      user.online
        ? newPresence({ from: user.jid, to, show: user.show, statuses })
        : newPresence({ from: user.jid, to, type: 'unavailable' }),
    )
  }

  async #send(stanza: Stanza): Promise<void> {
    const sent = await this.#endpoint.send(stanza.from.domain, stanza.to.domain, formatStanza(stanza), {
      maxWaitMs: 15_000,
    })
    if (sent.kind === 'failed') throw new Error(`the XMPP side could not send: ${sent.failure.detail}`)
  }

  /** What a contact's server does with what arrives. @see RFC 6121 §3.1.3, §4.3.2, §8.5 */
  async #take(stanza: Stanza): Promise<void> {
    const user = this.#users.get(formatBareJid(stanza.to))
    if (user === undefined) {
      const error = errorReply(stanza, { condition: 'item-not-found', text: 'nobody of this name' })
      if (error !== undefined && stanza.kind !== 'presence') await this.#send(error).catch(() => undefined)
      return
    }
    if (stanza.kind === 'iq') {
      const error = errorReply(stanza, { condition: 'service-unavailable' })
      if (error !== undefined) await this.#send(error).catch(() => undefined)
      return
    }
    if (stanza.kind === 'presence' && stanza.type === 'probe') {
      if (user.contact(stanza.from).sees) await this.#show(user, formatBareJid(stanza.from)).catch(() => undefined)
      return
    }
    if (stanza.kind === 'presence' && stanza.type === 'unsubscribe') user.contact(stanza.from).sees = false
    this.#options.heard(stanza)
  }
}
